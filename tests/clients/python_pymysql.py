"""PyMySQL."""

from importlib.metadata import version

import dbapi
import pymysql


def connect(user, password, tls):
    options = {"ssl_ca": dbapi.CA, "ssl_verify_identity": True} if tls else {"ssl_disabled": True}
    return pymysql.connect(
        host=dbapi.HOST, port=dbapi.PORT, user=user, password=password, local_infile=True, autocommit=True, **options
    )


class PyMySQL(dbapi.Client):
    tls = True


print("version", version("pymysql"))
PyMySQL(connect, pymysql.Error).run()
