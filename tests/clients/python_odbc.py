"""MariaDB Connector/ODBC, through unixODBC and pyodbc."""

import dbapi
import pyodbc


def connect():
    return pyodbc.connect(
        f"DRIVER={{MariaDB Unicode}};SERVER={dbapi.HOST};PORT={dbapi.PORT};UID=root;PWD=", autocommit=True
    )


class Odbc(dbapi.Client):
    """Version 3.1 of the driver reads result sets of statements that look like queries only."""

    several = None

    def listed(self):
        rows = self.rows(f"SHOW FILES IN STAGE @{dbapi.STAGE}")
        return [(row["name"].rsplit("/", 1)[-1], int(row["size"])) for row in rows]

    def expect_contents(self, path):
        """GET does not look like a query."""

    def remove(self):
        # The answer has rows, which the driver leaves unread: the connection is of no use then.
        super().remove()
        self.connection.close()
        self.connection = connect()


connection = connect()
print("version", connection.getinfo(pyodbc.SQL_DRIVER_VER))
Odbc(connection, pyodbc.Error).run()
