"""MariaDB Connector/ODBC, through unixODBC and pyodbc."""

import dbapi
import pyodbc


class Odbc(dbapi.Client):
    """The driver reads result sets of statements that look like queries only."""

    def listed(self):
        rows = self.rows(f"SHOW FILES IN STAGE @{dbapi.STAGE}")
        return [(row["name"].rsplit("/", 1)[-1], int(row["size"])) for row in rows]


connection = pyodbc.connect(
    f"DRIVER={{MariaDB Unicode}};SERVER={dbapi.HOST};PORT={dbapi.PORT};UID=root;PWD=", autocommit=True
)
print("version", connection.getinfo(pyodbc.SQL_DRIVER_VER))
Odbc(connection, pyodbc.Error).run()
