"""mysqlclient (MySQLdb), over MariaDB's C library."""

import dbapi
import MySQLdb


def connect(user, password, tls):
    # Without this version 2.3 encrypts where it can.
    options = {"ssl": {"ca": dbapi.CA}} if tls else dict(NO_TLS)
    # It compresses whenever the word is there, whatever is said.
    if dbapi.COMPRESSED:
        options["compress"] = True
    return MySQLdb.connect(
        host=dbapi.HOST, port=dbapi.PORT, user=user, password=password, local_infile=1, autocommit=True, **options
    )


NO_TLS = {} if MySQLdb.version_info < (2, 2) else {"ssl_mode": "DISABLED"}

print("version", ".".join(map(str, MySQLdb.version_info[:3])))
dbapi.Client(connect, MySQLdb.Error).run()
