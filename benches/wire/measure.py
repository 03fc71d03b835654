"""How something is measured: whole commands, turn by turn, and the tables of what they took."""

import dataclasses
import random
import shutil
import statistics
import subprocess
import sys
import time

MIB = 1 << 20
# A text of so much is written again and again: nothing that gzip looks back to is as far away as that.
AGAIN_AFTER = 8 * MIB


class Peer:
    """A server that is measured, by the mariadb client."""

    def __init__(self, name, port, user, password=""):
        self.name, self.port, self.user, self.password = name, port, user, password

    def command(self, text, *options):
        command = ["mariadb", "--no-defaults", "--skip-ssl", "--local-infile=1", "-h", "127.0.0.1", "-P", self.port]
        return [*command, "-u", self.user, f"--password={self.password}", "--batch", *options, "-e", text]

    def client(self, text):
        return seconds(self.command(text))


def seconds(command, stdout=subprocess.PIPE, env=None):
    begun = time.monotonic()
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False, env=env
    )
    if done.returncode:
        sys.exit(f"{command}: {done.stdout}{done.stderr}")
    return time.monotonic() - begun


@dataclasses.dataclass
class Printed:
    """What a command that prints has taken: seconds, and the most memory, in MiB."""

    first: float
    total: float
    memory: float
    lines: int


def printed(command, env=None):
    """Reads what a command prints, as it comes."""
    begun, first, memory, lines = time.monotonic(), None, 0, 0
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, bufsize=0, env=env) as process:
        while block := process.stdout.read(MIB):
            first = first or time.monotonic() - begun
            # Not what `wait4` tells: that is at least what Python had before it became the command.
            memory = peak(process.pid) or memory
            lines += block.count(b"\n")
    if process.returncode or first is None:
        sys.exit(f"{command}: it printed {lines} lines and ended with {process.returncode}")
    return Printed(first, time.monotonic() - begun, memory, lines)


def peak(pid):
    """The most memory that a process has had, in MiB; `None` if it has ended."""
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8") as file:
            return next((int(line.split()[1]) / 1024 for line in file if line.startswith("VmHWM:")), None)
    except FileNotFoundError:
        return None


def turns(runs, works):
    """What each took in each run, one run of each at a time, behind one that doesn't count."""
    for work in works.values():
        work()
    times = [{name: work() for name, work in works.items()} for _ in range(runs)]
    return {name: [run[name] for run in times] for name in works}


def medians(runs, works):
    return {name: statistics.median(taken) for name, taken in turns(runs, works).items()}


def there(commands):
    """Those whose program is on this machine."""
    missing = [name for name, command in commands.items() if shutil.which(command[0]) is None]
    if missing:
        print(f"\nLeft out, for they are not on this machine: {', '.join(missing)}.")
    return {name: command for name, command in commands.items() if name not in missing}


def table(title, taken, unit, show, better, more=None):
    """Ratios are those of ours, which is the first: above 1 where ours is better. `more` are columns besides, each a
    text of every name's."""
    more = more or {}
    ours = next(iter(taken.values()))
    heads = ["", unit, "Stagewire beside it", *more]
    print(f"\n{title}:\n\n| {' | '.join(heads)} |\n|{' --- |' * len(heads)}")
    for name, one in taken.items():
        print(f"| {' | '.join([name, show(one), f'{better(ours, one):.2f}', *(texts[name] for texts in more.values())])} |")
    sys.stdout.flush()


def throughput(title, megabytes, times, more=None):
    """A table of files of so many MiB."""
    table(title, times, "MiB/s", lambda s: f"{megabytes / s:.0f}", lambda ours, other: other / ours, more)


def hex_lines(path, megabytes):
    """A file of lines of 1 MiB each, which don't compress well."""
    digits = random.Random(1)
    with open(path, "wb") as file:
        for _ in range(megabytes):
            file.write(digits.randbytes(MIB // 2).hex()[: MIB - 1].encode() + b"\n")


def csv_lines(path, megabytes):
    """A file as tables are exported, which compresses well."""
    chance, lines, size = random.Random(1), [], 0
    places = ("Amsterdam", "Berlin", "Copenhagen", "Dublin", "Edinburgh", "Florence", "Geneva", "Hamburg")
    states = ("ordered", "packed", "shipped", "delivered", "returned")
    while size < AGAIN_AFTER:
        day = f"2026-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}"
        price = f"{chance.randint(1, 99)}.{chance.randint(0, 99):02}"
        line = f"{100000 + len(lines)},{day},{chance.choice(places)},{chance.choice(states)},{price},{chance.randint(1, 5)}\n"
        lines.append(line)
        size += len(line)
    text = "".join(lines).encode()
    with open(path, "wb") as file:
        for _ in range(0, megabytes * MIB, AGAIN_AFTER):
            file.write(text[: megabytes * MIB - file.tell()])


def forget_peak(server):
    """VmHWM is the most memory that a server has from now on. Source: proc(5), "clear_refs"."""
    with open(f"/proc/{server.process.pid}/clear_refs", "w", encoding="utf-8") as file:
        file.write("5")
