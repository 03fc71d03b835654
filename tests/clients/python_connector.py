"""mysql-connector-python, over Oracle's C library or, with PURE=1, in Python alone."""

import os

import dbapi
import mysql.connector

PURE = os.environ.get("PURE") == "1"


def connect(user, password, tls):
    # It compares no host name with the certificate unless told to.
    options = {"ssl_ca": dbapi.CA, "ssl_verify_cert": True} if tls else {"ssl_disabled": True}
    return mysql.connector.connect(
        host=dbapi.HOST, port=dbapi.PORT, user=user, password=password, use_pure=PURE,
        allow_local_infile=True, autocommit=True, compress=dbapi.COMPRESSED, **options
    )


class Connector(dbapi.Client):
    missing_file = "does not exist" if PURE else "1017"

    def prepared(self, sql):
        cursor = self.connection.cursor(prepared=True)
        cursor.execute(sql)
        rows = dbapi.fetched(cursor)
        cursor.close()
        return rows

    def code(self, error):
        return f"{error.errno}/{error.sqlstate}"

    def log_in(self, column, user, tls, cannot=None):
        # libmysqlclient asks for the key that encrypts the password only if told to, and the driver in Python never.
        if column == "sha2" and PURE:
            cannot = ("1045", "without TLS the driver sends the bare password, and servers want it encrypted")
        elif column == "sha2":
            cannot = ("secure connection", "the driver can't be told to ask for the server's key")
        super().log_in(column, user, tls, cannot)


print("version", mysql.connector.__version__)
client = Connector(connect, mysql.connector.Error)
# Without its C library the driver falls back to Python silently.
dbapi.expect("driver", type(client.connection).__name__, "MySQLConnection" if PURE else "CMySQLConnection")
client.run()
