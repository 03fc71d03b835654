"""mysqlclient (MySQLdb), over MariaDB's C library."""

import dbapi
import MySQLdb

print("version", MySQLdb.__version__)
connection = MySQLdb.connect(host=dbapi.HOST, port=dbapi.PORT, user="root", local_infile=1)
dbapi.Client(connection, MySQLdb.Error).run()
