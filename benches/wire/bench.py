"""See benches/wire/run.

What is timed of a file is a whole client: from its start until it has the answer. Statements are sysbench's, from as
many connections as are told.
"""

import argparse
import os
import pathlib
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import side_by_side

HERE = pathlib.Path(__file__).parent
MIB = 1 << 20
CONNECTIONS = (1, 8, 64)


class Peer:
    """A server that is measured."""

    def __init__(self, name, port, user, password=""):
        self.name, self.port, self.user, self.password = name, port, user, password

    def client(self, text):
        command = ["mariadb", "--no-defaults", "--skip-ssl", "--local-infile=1", "-h", "127.0.0.1", "-P", self.port]
        command += ["-u", self.user, f"--password={self.password}", "--batch", "-e", text]
        return seconds(command)

    def events(self, connections, given, each, text="SELECT 1"):
        """How many a second."""
        command = ["sysbench", HERE / "events.lua", "--db-driver=mysql", "--mysql-host=127.0.0.1", "--mysql-db="]
        command += [f"--mysql-port={self.port}", f"--mysql-user={self.user}", f"--mysql-password={self.password}"]
        command += [f"--threads={connections}", f"--time={given.seconds}", "--mysql-ssl=off", "--db-ps-mode=auto"]
        done = subprocess.run(
            [*command, f"--each={each}", f"--text={text}", "run"], capture_output=True, text=True, check=False
        )
        found = re.search(r"total number of events:\s+(\d+)", done.stdout)
        took = re.search(r"total time:\s+([\d.]+)s", done.stdout)
        if done.returncode or not found or not took:
            sys.exit(f"{self.name}: {done.stdout}{done.stderr}")
        return int(found[1]) / float(took[1])


def seconds(command, **options):
    begun = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if done.returncode:
        sys.exit(f"{command}: {done.stderr}")
    return time.monotonic() - begun


def turns(runs, works):
    """The median of each, one run of each at a time, behind one that doesn't count."""
    for work in works.values():
        work()
    times = [{name: work() for name, work in works.items()} for _ in range(runs)]
    return {name: statistics.median(run[name] for run in times) for name in works}


def rows_of_a_mebibyte(path, megabytes):
    """A file of lines of 1 MiB each, which don't compress well."""
    with open(path, "wb") as file:
        for _ in range(megabytes):
            file.write(os.urandom(MIB // 2).hex()[: MIB - 1].encode() + b"\n")


def table(title, medians, unit, show, better):
    """Ratios are those of ours: above 1 where ours is better."""
    ours = medians["stagewire"]
    print(f"\n{title}:\n\n| | {unit} | Stagewire beside it |\n| --- | --- | --- |")
    for name, median in medians.items():
        print(f"| {name} | {show(median)} | {better(ours, median):.2f} |")
    sys.stdout.flush()


def put(given, ours, sink, peers, file):
    load = f"LOAD DATA LOCAL INFILE '{file}' INTO TABLE test.hole FIELDS ESCAPED BY ''"
    for peer in peers:
        peer.client("CREATE OR REPLACE TABLE test.hole (line LONGBLOB) ENGINE=BLACKHOLE" if peer.name == "mariadb"
                    else "DROP TABLE IF EXISTS test.hole; CREATE TABLE test.hole (line LONGBLOB) ENGINE=BLACKHOLE")  # fmt: skip
    text = f"PUT 'file://{file}' @bench AUTO_COMPRESS=FALSE OVERWRITE=TRUE"
    ours.client("CREATE STAGE IF NOT EXISTS bench")
    works = {"stagewire": lambda: ours.client(text), "only reads and drops": lambda: sink.client(text)}
    works |= {peer.name: lambda peer=peer: peer.client(load) for peer in peers}
    medians = turns(given.runs, works)
    title = f"PUT of {given.megabytes} MiB to a directory, mariadb client"
    table(title, medians, "MiB/s", lambda s: f"{given.megabytes / s:.0f}", lambda ours, other: other / ours)


def put_to_s3(given, ours, file):
    of = {name: os.environ[f"STAGEWIRE_TEST_S3_{name}"] for name in ("BUCKET", "ENDPOINT", "REGION", "KEY", "SECRET")}
    below = f"bench-{os.getpid()}"
    ours.client(f"CREATE OR REPLACE STAGE bucket {side_by_side.s3_options(below)}")
    own = {"AWS_ACCESS_KEY_ID": of["KEY"], "AWS_SECRET_ACCESS_KEY": of["SECRET"], "AWS_REGION": of["REGION"]}
    env = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | own
    url, to = f"s3://{of['BUCKET']}/{below}", [f"--endpoint-url={of['ENDPOINT']}"]
    remote = f":s3,provider=Ceph,env_auth=true,endpoint='{of['ENDPOINT']}':{of['BUCKET']}/{below}"
    text = f"PUT 'file://{file}' @bucket AUTO_COMPRESS=FALSE OVERWRITE=TRUE"
    medians = turns(given.runs, {
        "stagewire": lambda: ours.client(text),
        "s5cmd cp": lambda: seconds(["s5cmd", *to, "cp", file, f"{url}/s5cmd"], env=env),
        "rclone copyto": lambda: seconds(["rclone", "copyto", "--ignore-times", file, f"{remote}/rclone"], env=env),
        "aws s3 cp": lambda: seconds(["aws", *to, "s3", "cp", "--quiet", file, f"{url}/aws"], env=env),
    })  # fmt: skip
    title = f"PUT of {given.megabytes} MiB to S3, mariadb client"
    table(title, medians, "MiB/s", lambda s: f"{given.megabytes / s:.0f}", lambda ours, other: other / ours)
    subprocess.run(["s5cmd", *to, "rm", f"{url}/*"], env=env, capture_output=True, check=True)


def statements(given, ours, peers):
    rate = lambda ours, other: ours / other  # noqa: E731
    for each in ("text", "prepared"):
        for connections in CONNECTIONS:
            works = {peer.name: lambda peer=peer: peer.events(connections, given, each) for peer in (ours, *peers)}
            title = f"SELECT 1, {each}, {connections} connections"
            table(title, turns(given.runs, works), "a second", lambda n: f"{n:.0f}", rate)
    ours.client("CREATE STAGE IF NOT EXISTS empty")
    for each in ("text", "prepared"):
        for connections in CONNECTIONS:
            works = {"stagewire": lambda: ours.events(connections, given, each, "LIST @empty")}
            title = f"LIST of an empty stage, {each}, {connections} connections"
            table(title, turns(given.runs, works), "a second", lambda n: f"{n:.0f}", rate)


def log_ins(given, ours, peers):
    works = {peer.name: lambda peer=peer: peer.events(8, given, "login") for peer in (ours, *peers)}
    medians = turns(given.runs, works)
    table("log-in and SELECT 1, 8 at a time", medians, "a second", lambda n: f"{n:.0f}", lambda a, b: a / b)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--megabytes", type=int, default=1024)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--what", default="put,s3,statements,logins")
    given = parser.parse_args()
    what = given.what.split(",")
    print(f"{platform.machine()}, {os.cpu_count()} processors; medians of {given.runs} runs, in turn")
    peers = [Peer(name, os.environ[f"BENCH_{name.upper()}_PORT"], "bench", "bench")
             for name in ("mysql", "mariadb") if f"BENCH_{name.upper()}_PORT" in os.environ]  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="stagewire-bench.") as folder:
        folder = pathlib.Path(folder)
        server = side_by_side.Server(folder)
        ours = Peer("stagewire", server.port, "root")
        file = folder / "file"
        if {"put", "s3"} & set(what):
            rows_of_a_mebibyte(file, given.megabytes)
        if "put" in what:
            settings = os.environ | {"BENCH_FILE": str(file)}
            sink = subprocess.Popen([os.environ["BENCH_SINK"]], stdout=subprocess.PIPE, text=True, env=settings)
            try:
                put(given, ours, Peer("sink", sink.stdout.readline().split()[1], "root"), peers, file)
            finally:
                sink.kill()
        if "s3" in what and shutil.which("s5cmd"):
            put_to_s3(given, ours, file)
        if "statements" in what:
            statements(given, ours, peers)
        if "logins" in what:
            log_ins(given, ours, peers)
        print(f"\nThe server had {server.status('VmHWM') // 1024} MiB at most.")
        server.stop()


main()
