"""See benches/wire/run.

What is timed of a file is a whole client: from its start until it has the answer. Statements are sysbench's, from as
many connections as are told. What several sections share is in measure.py, the tests' bucket and what else knows it in
bucket.py.
"""

import argparse
import os
import pathlib
import platform
import re
import subprocess
import sys
import tempfile

import side_by_side
import transfers
from bucket import Bucket
from listing import listing
from measure import Peer, hex_lines, medians, table, throughput

HERE = pathlib.Path(__file__).parent
CONNECTIONS = (1, 8, 64)


def events(peer, connections, given, each, text="SELECT 1"):
    """How many a second."""
    command = ["sysbench", HERE / "events.lua", "--db-driver=mysql", "--mysql-host=127.0.0.1", "--mysql-db="]
    command += [f"--mysql-port={peer.port}", f"--mysql-user={peer.user}", f"--mysql-password={peer.password}"]
    command += [f"--threads={connections}", f"--time={given.seconds}", "--mysql-ssl=off", "--db-ps-mode=auto"]
    done = subprocess.run(
        [*command, f"--each={each}", f"--text={text}", "run"], capture_output=True, text=True, check=False
    )
    found = re.search(r"total number of events:\s+(\d+)", done.stdout)
    took = re.search(r"total time:\s+([\d.]+)s", done.stdout)
    if done.returncode or not found or not took:
        sys.exit(f"{peer.name}: {done.stdout}{done.stderr}")
    return int(found[1]) / float(took[1])


def put(given, ours, sink, peers, file):
    load = f"LOAD DATA LOCAL INFILE '{file}' INTO TABLE test.hole FIELDS ESCAPED BY ''"
    for peer in peers:
        peer.client("CREATE OR REPLACE TABLE test.hole (line LONGBLOB) ENGINE=BLACKHOLE" if peer.name == "mariadb"
                    else "DROP TABLE IF EXISTS test.hole; CREATE TABLE test.hole (line LONGBLOB) ENGINE=BLACKHOLE")  # fmt: skip
    ours.client("CREATE STAGE IF NOT EXISTS bench")
    works = {"stagewire": lambda: transfers.put(ours, file, "bench")}
    works |= {"only reads and drops": lambda: transfers.put(sink, file, "bench")}
    works |= {peer.name: lambda peer=peer: peer.client(load) for peer in peers}
    title = f"PUT of {given.megabytes} MiB to a directory, mariadb client"
    throughput(title, given.megabytes, medians(given.runs, works))


def put_beside(given, ours, peers, file):
    settings = os.environ | {"BENCH_FILE": str(file)}
    sink = subprocess.Popen([os.environ["BENCH_SINK"]], stdout=subprocess.PIPE, text=True, env=settings)
    try:
        put(given, ours, Peer("sink", sink.stdout.readline().split()[1], "root"), peers, file)
    finally:
        sink.kill()


def statements(given, ours, peers):
    rate = lambda ours, other: ours / other  # noqa: E731
    for each in ("text", "prepared"):
        for connections in CONNECTIONS:
            works = {peer.name: lambda peer=peer: events(peer, connections, given, each) for peer in (ours, *peers)}
            title = f"SELECT 1, {each}, {connections} connections"
            table(title, medians(given.runs, works), "a second", lambda n: f"{n:.0f}", rate)
    ours.client("CREATE STAGE IF NOT EXISTS empty")
    for each in ("text", "prepared"):
        for connections in CONNECTIONS:
            works = {"stagewire": lambda: events(ours, connections, given, each, "LIST @empty")}
            title = f"LIST of an empty stage, {each}, {connections} connections"
            table(title, medians(given.runs, works), "a second", lambda n: f"{n:.0f}", rate)


def log_ins(given, ours, peers):
    works = {peer.name: lambda peer=peer: events(peer, 8, given, "login") for peer in (ours, *peers)}
    title = "log-in and SELECT 1, 8 at a time"
    table(title, medians(given.runs, works), "a second", lambda n: f"{n:.0f}", lambda a, b: a / b)


def measure(given, what, server, folder):
    ours, file = Peer("stagewire", server.port, "root"), folder / "file"
    peers = [Peer(name, os.environ[f"BENCH_{name.upper()}_PORT"], "bench", "bench")
             for name in ("mysql", "mariadb") if f"BENCH_{name.upper()}_PORT" in os.environ]  # fmt: skip
    bucket = Bucket(ours) if "STAGEWIRE_TEST_S3_BUCKET" in os.environ else None
    hex_lines(file, given.megabytes)
    sections = {
        "put": lambda: put_beside(given, ours, peers, file),
        "s3": lambda: transfers.to_s3(given, ours, bucket, file),
        "gzip": lambda: transfers.gzip(given, server, ours, folder),
        "get": lambda: transfers.get(given, server, ours, bucket, folder, file),
        "http": lambda: transfers.http(given, server, ours, file),
        "small": lambda: transfers.small(given, server, ours, bucket, folder),
        "list": lambda: listing(given, server, ours, bucket, folder),
        "statements": lambda: statements(given, ours, peers),
        "logins": lambda: log_ins(given, ours, peers),
    }
    if unknown := set(what) - set(sections):
        sys.exit(f"no section {', '.join(unknown)}; there are {', '.join(sections)}")
    try:
        for section in what:
            sections[section]()
    finally:
        if bucket:
            bucket.empty()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--megabytes", type=int, default=1024)
    parser.add_argument("--objects", type=int, default=100_000)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--what", required=True)
    given = parser.parse_args()
    load = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    print(f"{platform.machine()}, {os.cpu_count()} processors, load {load}; medians of {given.runs} runs, in turn")
    with tempfile.TemporaryDirectory(prefix="stagewire-bench.") as folder:
        server = side_by_side.Server(pathlib.Path(folder))
        measure(given, given.what.split(","), server, pathlib.Path(folder))
        print(f"\nThe server had {server.status('VmHWM') // 1024} MiB at most.")
        server.stop()


main()
