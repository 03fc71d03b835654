"""See tests/queries/run."""

import argparse
import decimal
import glob
import os
import pathlib
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time

import duckdb

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TABLES = ["customer", "lineitem", "nation", "orders", "part", "partsupp", "region", "supplier"]
ENDINGS = {"parquet": ".parquet", "csv": ".csv.gz"}
# Far above what one query of a small scale takes in a debug build.
QUERY_SECONDS = 300


def generate(duck, folder, scale):
    """The eight tables in both formats, by TPC-H's own generator."""
    duck.execute(f"CALL dbgen(sf = {scale})")
    for table in TABLES:
        duck.execute(f"COPY {table} TO '{folder}/{table}.parquet' (FORMAT parquet)")
        duck.execute(f"COPY {table} TO '{folder}/{table}.csv.gz' (FORMAT csv, HEADER, COMPRESSION gzip)")
        duck.execute(f"DROP TABLE {table}")
        duck.execute(f"CREATE VIEW {table} AS SELECT * FROM '{folder}/{table}.parquet'")


class Server:
    def __init__(self, folder):
        binary = os.environ.get("STAGEWIRE_BIN", ROOT / "target" / "debug" / "stagewire")
        self.log = open(folder / "server.log", "w", encoding="utf-8")
        command = [binary, "serve", "--mysql-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0"]
        settings = {name: value for name, value in os.environ.items() if not name.startswith("STAGEWIRE_")}
        self.process = subprocess.Popen(
            [*command, "--data-dir", folder / "data"], stdout=subprocess.PIPE, stderr=self.log, text=True, env=settings
        )
        ready = self.process.stdout.readline()
        if not ready.startswith("stagewire ready"):
            sys.exit(f"the server did not start: {(folder / 'server.log').read_text()}")
        self.port = ready.split("mysql=")[1].split()[0].rsplit(":", 1)[1]

    def sql(self, text, database="default"):
        """Rows as the client prints them, each a list of texts."""
        done = subprocess.run(
            ["mariadb", "--no-defaults", "-h", "127.0.0.1", "-P", self.port, "-u", "root", "--local-infile=1"]
            + ["--batch", "--skip-column-names", "--raw", database],
            input=text, capture_output=True, text=True, timeout=QUERY_SECONDS, check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip())
        return [line.split("\t") for line in done.stdout.splitlines()]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        if self.process.wait(60) != 0:
            sys.exit("the server did not end well")


def store(server, folder, form, options):
    """Puts the tables on a stage, and a view over each; says the database of the views."""
    name = f"tpch_{form}"
    server.sql(f"CREATE STAGE {name} {options}; CREATE DATABASE {name}")
    how = " (PARSE_HEADER => TRUE)" if form == "csv" else ""
    for table in TABLES:
        file = f"{table}{ENDINGS[form]}"
        [row] = server.sql(f"PUT 'file://{folder}/{file}' @{name} AUTO_COMPRESS=FALSE")
        assert row[6] == "UPLOADED", row
        server.sql(f"CREATE VIEW {table} AS SELECT * FROM @`default`.{name}/{file}{how}", name)
    return name


def same(wanted, found):
    """Whether a value is the one that was printed. Averages have other digits at their end."""
    if wanted is None:
        return found == "NULL"
    if isinstance(wanted, (int, float, decimal.Decimal)):
        return abs(float(found) - float(wanted)) <= max(0.011, abs(float(wanted)) * 1e-9)
    return str(wanted) == found


def check(wanted, found):
    if len(wanted) != len(found):
        return f"{len(found)} rows, expected {len(wanted)}"
    for number, (left, right) in enumerate(zip(wanted, found), 1):
        if len(left) != len(right) or not all(map(same, left, right)):
            return f"row {number} is {right}, expected {left}"
    return None


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--s3", action="store_true")
    arguments.add_argument("--scale", default="0.01")
    arguments.add_argument("--formats", default="parquet,csv")
    arguments.add_argument("--times", action="store_true")
    given = arguments.parse_args()
    duck = duckdb.connect()
    extension = glob.glob(sysconfig.get_path("purelib") + "/duckdb_extension_tpch/**/*.duckdb_extension", recursive=True)
    duck.execute(f"LOAD '{extension[0]}'")
    queries = duck.execute("SELECT query_nr, query FROM tpch_queries()").fetchall()
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="stagewire-queries.") as folder:
        folder = pathlib.Path(folder)
        generate(duck, folder, given.scale)
        server = Server(folder)
        for form in given.formats.split(","):
            options = ""
            if given.s3:
                of = {name: os.environ[f"STAGEWIRE_TEST_S3_{name}"] for name in ("BUCKET", "ENDPOINT", "REGION", "KEY", "SECRET")}
                options = (
                    f"URL='s3://{of['BUCKET']}/{folder.name}/{form}/' CONNECTION=(ENDPOINT_URL='{of['ENDPOINT']}' "
                    f"REGION='{of['REGION']}' ACCESS_KEY_ID='{of['KEY']}' SECRET_ACCESS_KEY='{of['SECRET']}')"
                )
            database = store(server, folder, form, options)
            total = [0.0, 0.0]
            for number, query in queries:
                begun = time.monotonic()
                wanted = duck.execute(query).fetchall()
                between = time.monotonic()
                try:
                    fault = check(wanted, server.sql(query, database))
                except (RuntimeError, subprocess.TimeoutExpired) as error:
                    fault = str(error)
                ended = time.monotonic()
                total[0] += between - begun
                total[1] += ended - between
                if given.times:
                    print(f"{form} {number:2} duckdb {between - begun:.2f} s, here {ended - between:.2f} s")
                if fault:
                    wrong += 1
                    print(f"{form} query {number}: {fault}")
            print(f"{form}: {len(queries)} queries, {total[1]:.1f} s (DuckDB {total[0]:.1f} s)")
            server.sql(f"REMOVE @{database}")
        server.stop()
    if wrong:
        sys.exit(f"{wrong} answers are wrong")


main()
