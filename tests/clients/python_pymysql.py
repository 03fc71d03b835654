"""PyMySQL."""

import dbapi
import pymysql

print("version", pymysql.__version__)
connection = pymysql.connect(host=dbapi.HOST, port=dbapi.PORT, user="root", local_infile=True)
dbapi.Client(connection, pymysql.Error).run()
