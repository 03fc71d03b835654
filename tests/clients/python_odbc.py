"""MariaDB Connector/ODBC, through unixODBC and pyodbc."""

import dbapi
import pyodbc


def connect(user, password, tls):
    options = f";SSLCA={dbapi.CA};FORCETLS=1;SSLVERIFY=1" if tls else ""
    return pyodbc.connect(
        f"DRIVER={{MariaDB Unicode}};SERVER={dbapi.HOST};PORT={dbapi.PORT};UID={user};PWD={{{password}}}{options}",
        autocommit=True,
    )


class Odbc(dbapi.Client):
    """Version 3.1 of the driver reads result sets of statements that look like queries only."""

    several = None

    def listed(self):
        rows = self.rows(f"SHOW FILES IN STAGE @{dbapi.STAGE}")
        return [(row["name"].rsplit("/", 1)[-1], int(row["size"])) for row in rows]

    def prepared(self, sql):
        # A parameter makes pyodbc prepare it, and the driver does so by the server.
        if sql.startswith("LIST"):
            return self.rows_of(self.connection, sql.replace("LIST", "SHOW FILES IN STAGE") + " PATTERN=?", ".*")
        return self.rows_of(self.connection, sql + " AND 1 = ?", 1)

    def rows_of(self, connection, sql, *parameters):
        cursor = connection.cursor()
        try:
            cursor.execute(sql, *parameters)
            return dbapi.fetched(cursor)
        finally:
            cursor.close()

    def code(self, error):
        number = error.args[1].rsplit("(", 2)[-2].split(")")[0] if "(" in error.args[1] else "?"
        return f"{number}/{error.args[0]}"

    def expect_contents(self, path):
        """GET does not look like a query."""

    def remove(self):
        # The answer has rows, which the driver leaves unread: the connection is of no use then.
        super().remove()
        self.connection.close()
        self.connection = self.as_root()


client = Odbc(connect, pyodbc.Error)
print("version", client.connection.getinfo(pyodbc.SQL_DRIVER_VER))
client.run()
