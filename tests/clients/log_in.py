"""One log-in: `log_in.py pymysql|connector clear|tls QUERY USER`."""

import os
import sys

library, how, query, user = sys.argv[1:]
settings = {
    "host": os.environ["STAGEWIRE_HOST"],
    "port": int(os.environ["STAGEWIRE_PORT"]),
    "user": user,
    "password": "wo:rd @1",
}
if library == "pymysql":
    import pymysql

    secure = {"ssl_ca": os.environ["STAGEWIRE_CA"]} if how == "tls" else {"ssl_disabled": True}
    connection = pymysql.connect(**settings, **secure)
else:
    import mysql.connector

    connection = mysql.connector.connect(**settings, use_pure=True, ssl_disabled=how != "tls")
cursor = connection.cursor()
cursor.execute(query)
print(cursor.fetchone()[0])
