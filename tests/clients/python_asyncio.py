"""aiomysql and, with DRIVER=asyncmy, asyncmy: drivers for asyncio, here one step after the other."""

import asyncio
import importlib
import inspect
import os
import ssl
from importlib.metadata import version

import dbapi

NAME = os.environ.get("DRIVER", "aiomysql")
driver = importlib.import_module(NAME)
errors = importlib.import_module("pymysql" if NAME == "aiomysql" else "asyncmy.errors")
loop = asyncio.new_event_loop()


class Connection:
    """Its cursors wait for what they do."""

    def __init__(self, connection):
        self.connection = connection

    def cursor(self):
        return Cursor(wait(self.connection.cursor))

    def close(self):
        self.connection.close()


class Cursor:
    def __init__(self, cursor):
        self.cursor = cursor

    def __getattr__(self, name):
        value = getattr(self.cursor, name)
        return (lambda *arguments: wait(value, *arguments)) if callable(value) else value


def wait(call, *arguments, **options):
    """The result of a call, for which one has to wait or not."""

    async def result():
        answer = call(*arguments, **options)
        return await answer if inspect.isawaitable(answer) else answer

    return loop.run_until_complete(result())


def connect(user, password, tls):
    options = {"ssl": ssl.create_default_context(cafile=dbapi.CA)} if tls else {}
    return Connection(
        wait(
            driver.connect, host=dbapi.HOST, port=dbapi.PORT, user=user, password=password, local_infile=True,
            autocommit=True, **options
        )
    )


class Asyncmy(dbapi.Client):
    """What the driver does with a request for a file is a mistake of its own: a value is stored instead."""

    several = None

    def upload(self, path, status, overwrite="FALSE"):
        cursor = self.connection.cursor()
        cursor.execute(
            f"CALL STAGE_PUT('@{dbapi.STAGE}/{os.path.basename(path)}', X'{self.stored(path).hex()}', 'OVERWRITE={overwrite}')"
        )
        cursor.close()

    def stored(self, path):
        # A statement has to fit into a packet, and is not what is tested here.
        return super().stored(path)[:1000]

    def upload_missing(self):
        """The driver's own upload fails, and its connection lives on."""
        try:
            self.rows(f"LOAD DATA LOCAL INFILE '{dbapi.OTHER}' INTO STAGE @{dbapi.STAGE}/other")
        except TypeError as error:
            dbapi.cell("put", "-", f"the driver's code for LOCAL INFILE is broken: {error}")


print("version", version(NAME))
if NAME == "aiomysql":
    dbapi.Client(connect, errors.Error).run()
else:
    Asyncmy(connect, errors.Error).run()
