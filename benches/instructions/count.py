"""See benches/instructions/run."""

import argparse
import pathlib
import re
import subprocess
import sys
import tempfile
import os

HERE = pathlib.Path(__file__).resolve().parent
EVENTS = HERE.parent / "wire/events.lua"
COUNTS = HERE / "counts"
ALLOWED = 1.10
FILES = 2000
MEGABYTES = {"PUT": 16, "PUT gzip": 8}


class Server:
    """The server below callgrind, in a folder of its own. One thread works, so that none looks for work in vain."""

    def __init__(self, work):
        self.work = work
        # Tokio makes up to 512 threads for blocking work where those that there are get no turn, and valgrind ends at 500.
        command = ["valgrind", "--tool=callgrind", "--max-threads=1000", f"--callgrind-out-file={work}/out"]
        command += [os.environ["STAGEWIRE_BIN"], "serve"]
        command += ["--mysql-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0", "--data-dir", f"{work}/data"]
        own = {name: value for name, value in os.environ.items() if not name.startswith("STAGEWIRE_")}
        with open(f"{work}/log", "w") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True,
                env=own | {"TOKIO_WORKER_THREADS": "1", "RUST_BACKTRACE": "0"},
            )  # fmt: skip
        ready = self.process.stdout.readline()
        found = re.search(r"mysql=\S+:(\d+)", ready)
        if not found:
            sys.exit(f"no server: {(self.work / 'log').read_text()[-2000:]}")
        self.port, self.dumps = found[1], 0

    def stop(self):
        self.process.kill()
        self.process.wait()

    def control(self, *words):
        subprocess.run(["callgrind_control", *words, str(self.process.pid)], check=True, capture_output=True)

    def counted(self, work):
        """The instructions while something is done."""
        self.control("-z")
        work()
        self.control("-d")
        self.dumps += 1
        dump = (self.work / f"out.{self.dumps}").read_text(errors="replace")
        return int(re.search(r"^(?:totals|summary): (\d+)", dump, re.M)[1])

    def client(self, text):
        command = ["mariadb", "--no-defaults", "--skip-ssl", "--local-infile=1", "-h127.0.0.1", f"-P{self.port}", "-uroot"]
        done = subprocess.run([*command, "-e", text], check=False, stdout=subprocess.DEVNULL)
        if done.returncode:
            sys.exit(f"'{text}' failed; the server's log ends with:\n{(self.work / 'log').read_text()[-2000:]}")

    def events(self, number, each, text):
        command = ["sysbench", EVENTS, "--db-driver=mysql", "--mysql-host=127.0.0.1", "--mysql-db=", "--mysql-user=root"]
        command += [f"--mysql-port={self.port}", "--mysql-password=", "--mysql-ssl=off", "--db-ps-mode=auto"]
        command += ["--threads=1", "--time=0", f"--events={number}", f"--each={each}", f"--text={text}", "run"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{done.stdout}{done.stderr}")


def per_event(server, each, text, number):
    """Of so many and of none: what the first and the last take is not counted."""
    server.events(20, each, text)
    few = server.counted(lambda: server.events(5, each, text))
    many = server.counted(lambda: server.events(5 + number, each, text))
    return (many - few) // number


def count(server):
    server.client("CREATE STAGE empty; CREATE STAGE full; CREATE STAGE files")
    for name, each, text, number in (
        ("SELECT 1", "text", "SELECT 1", 400),
        ("SELECT 1, prepared", "prepared", "SELECT 1", 400),
        ("LIST of an empty stage", "text", "LIST @empty", 300),
        ("LIST of an empty stage, prepared", "prepared", "LIST @empty", 300),
        ("log-in, SELECT 1, log-out", "login", "SELECT 1", 60),
    ):
        yield name, per_event(server, each, text, number)

    folder = server.work / "files"
    folder.mkdir()
    for index in range(FILES):
        (folder / f"{index}.csv").write_text(f"{index}\n")
    put = server.counted(lambda: server.client(f"PUT 'file://{folder}/*.csv' @files AUTO_COMPRESS=FALSE"))
    yield "PUT of a small file, one of many", put // FILES
    server.client("LIST @files")
    yield "LIST, a row", server.counted(lambda: server.client("LIST @files")) // FILES

    for name, megabytes in MEGABYTES.items():
        file = server.work / "file.csv"
        lines = (f"{line},{line * 7919 % 10007},name of {line % 977},{line / 7:.3f}\n" for line in range(1 << 30))
        with open(file, "w") as out:
            while out.tell() < megabytes << 20:
                out.write("".join(next(lines) for _ in range(1000)))
        compress = "TRUE" if "gzip" in name else "FALSE"
        text = f"PUT 'file://{file}' @full AUTO_COMPRESS={compress} OVERWRITE=TRUE"
        yield f"{name}, a MiB", server.counted(lambda text=text: server.client(text)) // megabytes


def known():
    lines = COUNTS.read_text().splitlines() if COUNTS.exists() else []
    compiler = lines[0].removeprefix("# ") if lines else ""
    pairs = (line.rsplit(" ", 1) for line in lines[1:])
    return compiler, {name: int(number) for name, number in pairs}


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--update", action="store_true")
    given = arguments.parse_args()
    compiler = subprocess.run(["rustc", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    of, before = known()
    with tempfile.TemporaryDirectory(prefix="stagewire-instructions-") as work:
        server = Server(pathlib.Path(work))
        try:
            now = {}
            print(f"{'instructions for':40} {'now':>12} {'before':>12}")
            for name, number in count(server):
                now[name] = number
                was = before.get(name)
                ratio = f"{was:>12} {number / was:.2f}" if was else f"{'-':>12}"
                print(f"{name:40} {number:>12} {ratio}", flush=True)
        finally:
            server.stop()
    if given.update:
        COUNTS.write_text("\n".join([f"# {compiler}", *(f"{name} {number}" for name, number in now.items())]) + "\n")
        return
    if of != compiler:
        print(f"not compared: before was by {of or 'nobody'}, now by {compiler}; --update keeps the new ones")
        return
    if missing := before.keys() ^ now.keys():
        sys.exit(f"counted on one side alone: {', '.join(sorted(missing))}")
    worse = [name for name, number in now.items() if number > before[name] * ALLOWED]
    if worse:
        sys.exit(f"over 10 % more instructions: {', '.join(worse)}. If that is worth it, --update keeps it.")


main()
