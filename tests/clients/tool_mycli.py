"""mycli: a statement from the command line, and the completion of a stage's name at a terminal."""

import os
import pathlib
import subprocess
import sys
from importlib.metadata import version

import dbapi
import pexpect

WORK = pathlib.Path(os.environ["STAGEWIRE_WORK"])
ENVIRONMENT = os.environ | {"HOME": str(WORK), "TERM": "xterm"}
COMMAND = [
    str(pathlib.Path(sys.executable).parent / "mycli"), "-h", dbapi.HOST, "-P", str(dbapi.PORT), "-u", "root",
    "-D", "shop", "--myclirc", str(WORK / "myclirc"),
]


def run(statement, status=0):
    answer = subprocess.run(
        [*COMMAND, "--csv", "-e", statement], env=ENVIRONMENT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
    )
    dbapi.expect(f"exit status of {statement}", answer.returncode, status)
    return answer.stdout + answer.stderr


def at_terminal():
    terminal = pexpect.spawn(COMMAND[0], COMMAND[1:], env=ENVIRONMENT, encoding="utf-8", timeout=30, dimensions=(40, 120))
    terminal.expect("root@.*shop>")
    # The names are read beside the prompt, and offered as soon as they are there.
    for _ in range(20):
        terminal.send("SELECT name FROM bil")
        if terminal.expect(["bills", pexpect.TIMEOUT], timeout=1) == 0:
            break
        terminal.send("\x03")
    else:
        sys.exit("the stage's name was not offered")
    print("did completion")
    terminal.send("\x03")
    terminal.expect("shop>")
    terminal.send("LIST @goods/2026;\r")
    terminal.expect("2026/small.bin")
    terminal.send("exit\r")
    terminal.expect(pexpect.EOF)


print("version", version("mycli"))
dbapi.expect("LIST", "2025/small.bin" in run("LIST @goods"), True)
dbapi.expect("SELECT", '"2000"' in run("SELECT size FROM goods LIMIT 1"), True)
print("did queries")
dbapi.expect("error", "1146" in run("LIST @nothing", status=1), True)
print("did errors")
at_terminal()
print("did a session")
