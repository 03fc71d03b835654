"""mysqlclient (MySQLdb), over MariaDB's C library."""

import dbapi
import MySQLdb

print("version", MySQLdb.__version__)
# It compresses whenever the word is there, whatever is said.
options = {"compress": True} if dbapi.COMPRESSED else {}
connection = MySQLdb.connect(host=dbapi.HOST, port=dbapi.PORT, user="root", local_infile=1, **options)
dbapi.Client(connection, MySQLdb.Error).run()
