"""MariaDB Connector/Python, over MariaDB's C library."""

import dbapi
import mariadb


def connect(user, password, tls):
    options = {"ssl": True, "ssl_ca": dbapi.CA, "ssl_verify_cert": True} if tls else {"ssl": False}
    return mariadb.connect(
        host=dbapi.HOST, port=dbapi.PORT, user=user, password=password, local_infile=True, autocommit=True, **options
    )


class MariaDB(dbapi.Client):
    # The number is beside the text.
    missing_file = "No data received"

    def prepared(self, sql):
        cursor = self.connection.cursor(binary=True)
        cursor.execute(sql)
        rows = dbapi.fetched(cursor)
        cursor.close()
        return rows

    def code(self, error):
        return f"{error.errno}/{error.sqlstate}"


print("version", mariadb.__version__)
MariaDB(connect, mariadb.Error).run()
