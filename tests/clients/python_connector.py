"""mysql-connector-python, over Oracle's C library or, with PURE=1, in Python alone."""

import os

import dbapi
import mysql.connector

pure = os.environ.get("PURE") == "1"
print("version", mysql.connector.__version__)
connection = mysql.connector.connect(
    host=dbapi.HOST,
    port=dbapi.PORT,
    user="root",
    use_pure=pure,
    allow_local_infile=True,
    compress=dbapi.COMPRESSED,
)
# Without its C library the driver falls back to Python silently.
dbapi.expect("driver", type(connection).__name__, "MySQLConnection" if pure else "CMySQLConnection")
client = dbapi.Client(connection, mysql.connector.Error)
if pure:
    client.missing_file = "does not exist"
client.run()
