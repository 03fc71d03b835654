"""Listings of many files: when the first row is there, when the last one is, and what memory that takes."""

import dataclasses
import statistics
import sys
import time

import pymysql
import pymysql.cursors

import side_by_side
from measure import forget_peak, peak, printed, seconds, table, there, turns

# As many as S3 lists at a time.
FILES_A_DIRECTORY = 1000


def listing(given, server, ours, bucket, folder):
    paths = [f"d{number // FILES_A_DIRECTORY:05}/f{number:07}" for number in range(given.objects)]
    for stage, place, all_of_them in (
        ("tree", f"directories of {FILES_A_DIRECTORY}", paths),
        ("flat", "one directory", [path.replace("/", "-") for path in paths]),
    ):
        ours.client(f"CREATE OR REPLACE STAGE {stage}")
        root = directory_of(server, ours, stage, folder)
        fill(root, all_of_them)
        peers = there({
            "find": ["find", root, "-type", "f", "-printf", "%P %s %T@\n"],
            "rclone lsf -R": ["rclone", "lsf", "-R", "--files-only", "--format=ps", root],
        })  # fmt: skip
        compare(given, server, ours, f"@{stage}/d", place, peers, None)
        ours.client(f"DROP STAGE {stage}")
    many = f"bench-many-{given.objects}"
    ours.client(f"CREATE OR REPLACE STAGE many {side_by_side.s3_options(many)}")
    fill_bucket(server, bucket, many, paths, folder)
    compare(given, server, ours, "@many", "S3", bucket.listing(many), bucket.env)


def fill_bucket(server, bucket, name, paths, folder):
    """Objects are slow to make, so they stay until the store ends."""
    if len(server.sql("LIST @many")) == len(paths):
        return
    took = seconds(bucket.fill(name, paths, folder), env=bucket.env)
    print(f"\n{len(paths)} objects were made in {took:.0f} s.")


def directory_of(server, ours, stage, folder):
    """Where the files of a stage are, which the server tells nobody."""
    mark = folder / f"mark-of-{stage}"
    mark.write_text("1234567\n", encoding="utf-8")
    ours.client(f"PUT 'file://{mark}' @{stage} AUTO_COMPRESS=FALSE")
    [found] = server.data.rglob(mark.name)
    return found.parent


def fill(root, paths):
    for path in paths:
        file = root / path
        file.parent.mkdir(exist_ok=True)
        file.write_text("1234567\n", encoding="utf-8")


def compare(given, server, ours, location, place, peers, env):
    works = {"stagewire": lambda: of_ours(given, server, ours, location)}
    works |= {name: lambda command=command: printed(command, env) for name, command in peers.items()}
    runs = turns(given.runs, works)
    median = lambda name, of: statistics.median(map(of, runs[name]))  # noqa: E731
    more = {
        "first ones, ms": {name: f"{1000 * median(name, lambda run: run.first):.0f}" for name in runs},
        "most memory, MiB": {name: f"{median(name, lambda run: run.memory):.0f}" for name in runs},
    }
    totals = {name: median(name, lambda run: run.total) for name in runs}
    rest = lambda ours, other: other / ours  # noqa: E731
    table(f"LIST of {given.objects} files in {place}", totals, "s", lambda s: f"{s:.2f}", rest, more)
    rows = [first_row(server, location) for _ in range(given.runs)]
    print(f"\nPyMySQL has the first row after {1000 * statistics.median(rows):.0f} ms.")


def of_ours(given, server, ours, location):
    """By a client that prints rows as they come; the memory is the server's."""
    forget_peak(server)
    run = printed(ours.command(f"LIST {location}", "--quick"))
    if run.lines < given.objects:
        sys.exit(f"LIST {location} has {run.lines} lines")
    return dataclasses.replace(run, memory=peak(server.process.pid))


def first_row(server, location):
    """From the statement to its first row, on a connection that is there already."""
    with pymysql.connect(host="127.0.0.1", port=int(server.port), user="root") as connection:
        cursor = connection.cursor(pymysql.cursors.SSCursor)
        begun = time.monotonic()
        cursor.execute(f"LIST {location}")
        assert cursor.fetchone()
        took = time.monotonic() - begun
        for _ in cursor:
            pass
        return took
