"""PyMySQL."""

import os
from importlib.metadata import version

import dbapi
import pymysql

print("version", version("pymysql"))
connection = pymysql.connect(
    host=dbapi.HOST,
    port=dbapi.PORT,
    user="root",
    local_infile=True,
    ssl_ca=os.environ["STAGEWIRE_CA"],
    ssl_verify_identity=True,
)
dbapi.Client(connection, pymysql.Error).run()
