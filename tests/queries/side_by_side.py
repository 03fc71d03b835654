"""What tests and measurements of queries share: a server of one's own, files on its stages, and DuckDB beside it."""

import atexit
import dataclasses
import datetime
import decimal
import glob
import os
import pathlib
import signal
import subprocess
import sys
import sysconfig
import typing

import duckdb

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
ENDINGS = {"parquet": ".parquet", "csv": ".csv.gz", "plain": ".csv"}
# Far above what one query of a small scale takes in a debug build.
QUERY_SECONDS = 300


@dataclasses.dataclass
class Query:
    """One question, as each side asks it."""

    number: int
    here: str
    duck: str
    # Which rows a LIMIT leaves is not said: each must be among all that DuckDB has.
    any_of: str = ""


@dataclasses.dataclass
class Suite:
    """Tables, and what is asked of them."""

    name: str
    tables: list[str]
    # (connection, scale): makes the tables in DuckDB.
    generate: typing.Callable
    # (connection): the queries.
    queries: typing.Callable


def duck(threads=None):
    """DuckDB with TPC-H's generator and queries."""
    connection = duckdb.connect(config={"threads": threads} if threads else {})
    extension = sysconfig.get_path("purelib") + "/duckdb_extension_tpch/**/*.duckdb_extension"
    connection.execute(f"LOAD '{glob.glob(extension, recursive=True)[0]}'")
    # NULL is the least value to MySQL.
    connection.execute("SET default_null_order = 'nulls_first_on_asc_last_on_desc'")
    return connection


def write(connection, suite, folder, scale, forms):
    """The tables of a suite as files, once: those that are there already stay."""
    how = {"parquet": "FORMAT parquet", "csv": "FORMAT csv, HEADER, COMPRESSION gzip", "plain": "FORMAT csv, HEADER"}
    files = {(table, form): folder / f"{table}{ENDINGS[form]}" for table in suite.tables for form in forms}
    if all(file.exists() for file in files.values()):
        return
    suite.generate(connection, scale)
    for (table, form), file in files.items():
        part = file.with_name(f"part.{file.name}")
        connection.execute(f"COPY {table} TO '{part}' ({how[form]})")
        part.rename(file)
    for table in suite.tables:
        connection.execute(f"DROP TABLE {table}")


def look(connection, suite, folder, form):
    """DuckDB's views over the files, with the types that the tables had."""
    for table in suite.tables:
        view(connection, table, f"{folder}/{table}{ENDINGS[form]}", form, f"{folder}/{table}.parquet")


def view(connection, table, file, form, typed):
    source = f"'{file}'"
    if form != "parquet":
        types = connection.execute(f"DESCRIBE SELECT * FROM '{typed}'").fetchall()
        types = ", ".join(f"'{name}': '{ty}'" for name, ty, *_ in types)
        source = f"read_csv({source}, header = true, columns = {{{types}}})"
    connection.execute(f"CREATE OR REPLACE VIEW {table} AS SELECT * FROM {source}")


def look_at_s3(connection, suite, folder, below, form):
    """The same over files in the tests' bucket. Their bytes are not kept in memory between two queries."""
    extension = sysconfig.get_path("purelib") + "/duckdb_extension_httpfs/**/*.duckdb_extension"
    connection.execute(f"LOAD '{glob.glob(extension, recursive=True)[0]}'")
    of = {name: os.environ[f"STAGEWIRE_TEST_S3_{name}"] for name in ("BUCKET", "ENDPOINT", "REGION", "KEY", "SECRET")}
    scheme, _, host = of["ENDPOINT"].partition("://")
    connection.execute(
        f"CREATE SECRET (TYPE s3, KEY_ID '{of['KEY']}', SECRET '{of['SECRET']}', REGION '{of['REGION']}', "
        f"ENDPOINT '{host}', URL_STYLE 'path', USE_SSL {str(scheme == 'https').lower()})"
    )
    connection.execute("SET enable_external_file_cache = false")
    for table in suite.tables:
        file = f"s3://{of['BUCKET']}/{below}/{table}{ENDINGS[form]}"
        view(connection, table, file, form, f"{folder}/{table}.parquet")


class Answer(typing.NamedTuple):
    """What a client prints."""

    rows: list[list[str]]
    errors: str


class Server:
    """`stagewire serve` with a data directory in a folder, and what it is told in its configuration."""

    def __init__(self, folder, config=""):
        binary = os.environ.get("STAGEWIRE_BIN", ROOT / "target" / "debug" / "stagewire")
        self.data = folder / "data"
        self.log = open(folder / "server.log", "a", encoding="utf-8")
        (folder / "stagewire.toml").write_text(config, encoding="utf-8")
        command = [binary, "serve", "--mysql-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0"]
        settings = {name: value for name, value in os.environ.items() if not name.startswith("STAGEWIRE_")}
        self.process = subprocess.Popen(
            [*command, "--data-dir", self.data, "--config", folder / "stagewire.toml"],
            stdout=subprocess.PIPE, stderr=self.log, text=True, env=settings,
        )
        # A test that fails leaves no server behind.
        atexit.register(self.process.kill)
        ready = self.process.stdout.readline()
        if not ready.startswith("stagewire ready"):
            sys.exit(f"the server did not start: {(folder / 'server.log').read_text()}")
        self.port, self.http = (ready.split(f"{name}=")[1].split()[0].rsplit(":", 1)[1] for name in ("mysql", "http"))

    def client(self, database="default"):
        """The command line of a client."""
        return [
            "mariadb", "--no-defaults", "-h", "127.0.0.1", "-P", self.port, "-u", "root", "--local-infile=1",
            "--batch", "--skip-column-names", "--raw", "--quick", database,
        ]  # fmt: skip

    def sql(self, text, database="default"):
        """Rows as the client prints them, each a list of texts."""
        answer = self.answer(text, database)
        if answer.errors:
            raise RuntimeError(answer.errors)
        return answer.rows

    def answer(self, text, database="default", *options):
        """The same with errors, behind which `--force` goes on."""
        done = subprocess.run(
            [*self.client(database), *options], input=text, capture_output=True, text=True, timeout=QUERY_SECONDS, check=False
        )
        return Answer([line.split("\t") for line in done.stdout.splitlines()], done.stderr.strip())

    def status(self, name):
        """A number of /proc, such as VmHWM: the most memory that the server ever had, in KiB."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        return int(status.split(f"{name}:")[1].split()[0])

    def cpu_seconds(self):
        """What the server has computed until now."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        """Ends it, which has to go well."""
        self.process.send_signal(signal.SIGTERM)
        if self.process.wait(60) != 0:
            sys.exit("the server did not end well")


def s3_options(below):
    """The options of a stage in the tests' bucket."""
    of = {name: os.environ[f"STAGEWIRE_TEST_S3_{name}"] for name in ("BUCKET", "ENDPOINT", "REGION", "KEY", "SECRET")}
    return (
        f"URL='s3://{of['BUCKET']}/{below}/' CONNECTION=(ENDPOINT_URL='{of['ENDPOINT']}' "
        f"REGION='{of['REGION']}' ACCESS_KEY_ID='{of['KEY']}' SECRET_ACCESS_KEY='{of['SECRET']}')"
    )


def store(server, suite, folder, form, options=""):
    """Puts the tables on a stage, and a view over each; says the name of the stage, and of the views' database."""
    name = f"{suite.name}_{form}"
    server.sql(f"CREATE STAGE {name} {options}; CREATE DATABASE {name}")
    how = "" if form == "parquet" else " (PARSE_HEADER => TRUE)"
    for table in suite.tables:
        file = f"{table}{ENDINGS[form]}"
        [row] = server.sql(f"PUT 'file://{folder}/{file}' @{name} AUTO_COMPRESS=FALSE")
        assert row[6] == "UPLOADED", row
        server.sql(f"CREATE VIEW {table} AS SELECT * FROM @`default`.{name}/{file}{how}", name)
    return name


def same(wanted, found):
    """Whether a value is the one that was printed. Averages have other digits at their end."""
    if wanted is None:
        return found == "NULL"
    if isinstance(wanted, bool):
        return found == str(int(wanted))
    if isinstance(wanted, (int, float, decimal.Decimal)):
        return abs(float(found) - float(wanted)) <= max(0.011, abs(float(wanted)) * 1e-9)
    if isinstance(wanted, datetime.datetime):
        # Zeros behind the point say nothing.
        return str(wanted) == (found.rstrip("0").rstrip(".") if "." in found else found)
    return str(wanted).replace("\n", "\\n") == found


def check(wanted, found):
    """What is wrong with an answer; None if nothing is."""
    if len(wanted) != len(found):
        return f"{len(found)} rows, expected {len(wanted)}"
    for number, (left, right) in enumerate(zip(wanted, found), 1):
        if len(left) != len(right) or not all(map(same, left, right)):
            return f"row {number} is {right}, expected {left}"
    return None


def check_any(wanted, all_of_them, found):
    """The same for an answer whose rows may be any of more."""
    if len(wanted) != len(found):
        return f"{len(found)} rows, expected {len(wanted)}"
    for row in found:
        if not any(len(row) == len(one) and all(map(same, one, row)) for one in all_of_them):
            return f"{row} is none of the rows"
    return None


def compare(connection, server, query, database):
    """Asks both; says what is wrong."""
    try:
        wanted = connection.execute(query.duck).fetchall()
        found = server.sql(query.here, database)
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        return str(error)
    if query.any_of:
        return check_any(wanted, connection.execute(query.any_of).fetchall(), found)
    return check(wanted, found)
