"""See benches/queries/run.

What is timed: here from the text that goes to the server by PyMySQL, a driver in Python, until all rows are Python's;
there from the text that goes to DuckDB in this process until all rows are Python's. Big answers are timed as text:
here by the mariadb client that writes to /dev/null, there by COPY TO '/dev/null' as CSV.
"""

import argparse
import contextlib
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time

import duckdb
import hits
import pymysql
import side_by_side
import tpch

SUITES = {"tpch": (tpch.SUITE, "1"), "hits": (hits.SUITE, "1")}
# What has many rows, of each suite.
BIG = {"tpch": "lineitem", "hits": "hits"}
QUERY_SECONDS = 1800


def seconds(work):
    begun = time.monotonic()
    work()
    return time.monotonic() - begun


def turns(runs, here, there):
    """The medians of both, one run of each at a time."""
    times = [(seconds(here), seconds(there)) for _ in range(runs)]
    return tuple(map(statistics.median, zip(*times)))


class Bench:
    def __init__(self, given, suite, folder, form):
        self.given, self.suite, self.form = given, suite, form
        self.duck = side_by_side.duck(given.threads)
        config = f"[query]\nmemory_bytes = {given.memory}\n" if given.memory else ""
        self.home = tempfile.TemporaryDirectory(prefix="stagewire-bench.", dir=folder)
        self.server = side_by_side.Server(pathlib.Path(self.home.name), config)
        below = f"bench-{os.getpid()}/{suite.name}-{form}"
        options = side_by_side.s3_options(below) if given.s3 else ""
        self.database = side_by_side.store(self.server, suite, folder, form, options)
        side_by_side.look(self.duck, suite, folder, form)
        self.queries = suite.queries(self.duck)
        if given.s3:
            side_by_side.look_at_s3(self.duck, suite, folder, below, form)
        self.connection = pymysql.connect(
            host="127.0.0.1", port=int(self.server.port), user="root", database=self.database
        )

    def here(self, text):
        with self.connection.cursor() as cursor:
            cursor.execute(text)
            return cursor.fetchall()

    def there(self, text):
        return self.duck.execute(text).fetchall()

    def run(self):
        """Measures everything; says how many answers were wrong."""
        wrong, total = 0, [0.0, 0.0]
        rest = self.server.status("VmHWM")
        place = "S3" if self.given.s3 else "disk"
        print(f"\n{self.suite.name}, {self.form} on {place}:\n\n| query | here | DuckDB | ratio |\n| --- | --- | --- | --- |")
        for query in self.queries:
            if self.given.queries and str(query.number) not in self.given.queries.split(","):
                continue
            fault = None if self.given.briefly else side_by_side.compare(self.duck, self.server, query, self.database)
            if fault:
                wrong += 1
                print(f"| {query.number} | {fault} | | |")
                continue
            here, there = turns(self.given.runs, lambda q=query: self.here(q.here), lambda q=query: self.there(q.duck))
            total[0] += here
            total[1] += there
            print(f"| {query.number} | {here:.3f} s | {there:.3f} s | {here / there:.2f} |", flush=True)
        print(f"| all | {total[0]:.2f} s | {total[1]:.2f} s | {total[0] / max(total[1], 1e-9):.2f} |")
        peak = self.server.status("VmHWM")
        print(f"\nThe server's memory: {rest / 1024:.0f} MiB before, {peak / 1024:.0f} MiB at most.")
        spilled = self.server.data / "spill"
        left = [path for path in spilled.rglob("*") if path.is_file()] if spilled.exists() else []
        print(f"Files that were left where queries spill to: {len(left)}.")
        if not self.given.briefly:
            self.streams()
        return wrong

    def streams(self):
        table = BIG[self.suite.name]
        first = turns(
            self.given.runs,
            lambda: self.here(f"SELECT * FROM {table} LIMIT 10"),
            lambda: self.there(f"SELECT * FROM {table} LIMIT 10"),
        )
        print(f"`SELECT * FROM {table} LIMIT 10`: {first[0]:.3f} s, DuckDB {first[1]:.3f} s.")
        command = [*self.server.client(self.database), "-e", f"SELECT * FROM {table}"]

        def here():
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True, timeout=QUERY_SECONDS)

        computed = self.server.cpu_seconds()
        rows = turns(self.given.runs, here, lambda: self.there(f"COPY {table} TO '/dev/null' (FORMAT csv)"))
        computed = (self.server.cpu_seconds() - computed) / self.given.runs
        [(count,)] = self.there(f"SELECT count(*) FROM {table}")
        print(
            f"`SELECT * FROM {table}`, {count} rows: {rows[0]:.2f} s ({count / rows[0]:.0f} rows a second, {computed:.1f} s of "
            f"the server's processor), DuckDB as CSV {rows[1]:.2f} s. Memory at most {self.server.status('VmHWM') / 1024:.0f} MiB."
        )

    def close(self):
        self.connection.close()
        self.server.sql(f"REMOVE @{self.database}")
        self.server.stop()
        self.home.cleanup()


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--s3", action="store_true")
    arguments.add_argument("--suites", default="tpch,hits")
    arguments.add_argument("--scale")
    arguments.add_argument("--formats", default="parquet,csv")
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--runs", type=int, default=3)
    arguments.add_argument("--queries")
    arguments.add_argument("--memory", type=int)
    arguments.add_argument("--files", type=pathlib.Path)
    # Times alone: neither answers nor big results.
    arguments.add_argument("--briefly", action="store_true")
    given = arguments.parse_args()
    # Both, and all that they start.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: given.threads])
    print(f"{platform.machine()}, {given.threads} threads, DuckDB {duckdb.__version__}, load {os.getloadavg()[0]:.1f} before.")
    wrong = 0
    with contextlib.ExitStack() as stack:
        files = given.files or pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stagewire-bench.")))
        for name in given.suites.split(","):
            suite, scale = SUITES[name]
            folder = files / f"{name}-{given.scale or scale}"
            folder.mkdir(parents=True, exist_ok=True)
            forms = given.formats.split(",")
            side_by_side.write(side_by_side.duck(given.threads), suite, folder, given.scale or scale, {"parquet", *forms})
            for form in forms:
                bench = Bench(given, suite, folder, form)
                wrong += bench.run()
                bench.close()
    print(f"\nload {os.getloadavg()[0]:.1f} after.")
    if wrong:
        sys.exit(f"{wrong} answers are wrong")


main()
