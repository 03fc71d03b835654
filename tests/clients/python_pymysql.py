"""PyMySQL."""

from importlib.metadata import version

import dbapi
import pymysql

print("version", version("pymysql"))
connection = pymysql.connect(host=dbapi.HOST, port=dbapi.PORT, user="root", local_infile=True)
dbapi.Client(connection, pymysql.Error).run()
