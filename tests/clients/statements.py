"""Random statements through several drivers, which must agree on what came of each.

usage: statements.py SERVER WORK SEED -- NAME COMMAND... [-- NAME COMMAND...]...

COUNT statements are chosen by SEED (drawn and printed if empty) out of what the clients of tests/replay send, the
scripts and the grammar's corpora, besides some made up on the spot and some of all these with one word dropped,
doubled, swapped or cut. Each driver runs them all, in one order, on a server of its own: a result or an error that
the server has sent, in a limited time, on a connection that lives on. The first driver's answers are what the
others' are compared with: the columns' names, the number of rows, the error's number and SQLSTATE.
"""

import json
import os
import pathlib
import random
import re
import selectors
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
COUNT = 200
SECONDS = 20
# What would end the connection, be read from the terminal, or go to the network. Behind SET NAMES latin1 Node's mysql2
# sends that, and the others UTF-8, which is all that the server reads.
NEVER = re.compile(
    r"(?i)\bkill\b|timeout|max_allowed_packet|/dev/|s3://|gcs://|gs://|az\w*://|oss://|cos://|obs://|https?://|\w*hdfs://"
    r"|webdavs?://|latin1|ALTER\s+USER\s+'?root|SET\s+PASSWORD|GROUP_CONCAT_MAX|sql_select_limit"
)
# The number of their rows is not the same twice.
UNSTEADY = re.compile(r"(?i)processlist|threads|status|metrics|log_|profil|warnings|errors|last transfer")
# Whose files are the client's affair: drivers differ in what they say of one that is not there.
UPLOAD = re.compile(r"(?i)^[\s(]*(/\*.*?\*/\s*)*(put|load)\b")
STATES = re.compile(r"^[0-9A-Z]{5}$")

SETUP = [
    "CREATE STAGE lake COMMENT = 'what comes in'",
    "CREATE DATABASE sales",
    "CREATE STAGE sales.orders",
    "CREATE STAGE s",
    "CREATE USER bob IDENTIFIED BY 'x'",
    "CREATE ROLE loaders",
]


# --- where they come from ---


def from_corpora():
    for path in sorted((ROOT / "grammar/corpus").iterdir()):
        for case in path.read_text().split("\n\n"):
            yield re.split(r"(?m)^(?:=>|!>)", case)[0].strip("\n")


def from_scripts(folder):
    for path in sorted((ROOT / "tests" / folder).iterdir()):
        for line in path.read_text().splitlines():
            found = re.match(r"!?> ?(.*)$", line)
            if found:
                yield found.group(1)


VARIABLES = """autocommit auto_increment_increment character_set_client character_set_results collation_connection
    collation_server init_connect interactive_x license local_infile lower_case_table_names net_x port sql_mode
    sql_safe_updates system_time_zone time_zone transaction_isolation tx_isolation version version_comment
    performance_schema no_such_variable""".split()
TABLES = """SCHEMATA TABLES COLUMNS STATISTICS ENGINES PLUGINS COLLATIONS CHARACTER_SETS ROUTINES VIEWS TRIGGERS EVENTS
    PARTITIONS KEY_COLUMN_USAGE TABLE_CONSTRAINTS REFERENTIAL_CONSTRAINTS PARAMETERS USER_PRIVILEGES STAGES FILES
    NO_SUCH_TABLE""".split()
COLUMNS = "TABLE_SCHEMA TABLE_NAME COLUMN_NAME SCHEMA_NAME ENGINE TABLE_TYPE name size COUNT(*) * 1 NULL 'a' 1.5".split()
SHOWS = """DATABASES|TABLES|FULL TABLES|TABLES FROM sales|TABLE STATUS|COLUMNS FROM lake|FULL COLUMNS FROM lake|INDEX FROM lake
    |CREATE TABLE lake|ENGINES|PLUGINS|PRIVILEGES|CHARSET|COLLATION|VARIABLES|GLOBAL VARIABLES|STATUS|GRANTS|STAGES|USERS
    |ROLES|EVENTS|TRIGGERS|PROCEDURE STATUS|FUNCTION STATUS|OPEN TABLES|MASTER STATUS|BINARY LOGS|WARNINGS|ERRORS
    |CREATE STAGE lake|FILES IN STAGE @lake|LAST TRANSFER|NOTHING""".replace("\n", "").split("|")


def made_up(dice):
    """What a tool might ask."""
    kind = dice.randrange(6)
    if kind == 0:
        names = dice.sample(VARIABLES, dice.randint(1, 4))
        scopes = ["@@", "@@session.", "@@global.", "@@SESSION."]
        return "SELECT " + ", ".join(dice.choice(scopes) + name + dice.choice(["", f" AS {name}"]) for name in names)
    if kind == 1:
        like = dice.choice(["", "", " LIKE '%a%'", " LIKE 'x\\_%'", " WHERE 1 = 0", " LIKE"])
        return "SHOW " + dice.choice(SHOWS).strip() + like
    if kind == 2:
        columns = ", ".join(dice.sample(COLUMNS, dice.randint(1, 3)))
        where = dice.choice(["", " WHERE TABLE_SCHEMA = 'default'", " WHERE 1 = 0", " WHERE TABLE_NAME LIKE 'l%'"])
        end = dice.choice(["", " ORDER BY 1", " LIMIT 3", " GROUP BY 1", " LIMIT 2, 1", " ORDER BY 1 DESC LIMIT 1"])
        return f"SELECT {columns} FROM information_schema.{dice.choice(TABLES)}{where}{end}"
    if kind == 3:
        value = dice.choice(["1", "0", "ON", "'utf8mb4'", "DEFAULT", "NULL", "'STRICT_ALL_TABLES'", "@@sql_mode"])
        scope = dice.choice(["", "SESSION ", "@@", "@@session.", "GLOBAL "])
        return f"SET {scope}{dice.choice(VARIABLES)} = {value}"
    if kind == 4:
        values = ["1", "-1", "1.5", "1e3", "'a'", "NULL", "TRUE", "NOW()", "DATABASE()", "USER()", "VERSION()", "X'4142'",
                  "CONCAT('a', 1, NULL)", "IF(1, 'x', 'y')", "CAST('1' AS SIGNED)", "1 + 1", "7 / 2", "'it''s'", "\"q\"",
                  "UPPER('ü')", "LENGTH('ü')", "NO_SUCH(1)", "1 IN (1, 2)", "'a' LIKE 'A'", "CASE 1 WHEN 1 THEN 2 END"]
        return "SELECT " + ", ".join(dice.sample(values, dice.randint(1, 4)))
    location = dice.choice(["@lake", "@lake/2024", "@~", "'@lake/a b'", "@sales.orders", "@nothing", "@%t", "lake"])
    return dice.choice(["LIST ", "LS ", "REMOVE ", "GET ", "SHOW FILES IN STAGE ", "PRESIGN ", "COPY FILES INTO @s FROM "]) + location


def spoiled(dice, statement):
    """With one word too few, too many, in another place, or only half."""
    words = re.findall(r"\S+", statement) or ["x"]
    at = dice.randrange(len(words))
    kind = dice.randrange(4)
    if kind == 0:
        del words[at]
    elif kind == 1:
        words.insert(at, words[at])
    elif kind == 2:
        other = dice.randrange(len(words))
        words[at], words[other] = words[other], words[at]
    else:
        words[at] = words[at][: len(words[at]) // 2]
    return " ".join(words)


def fits(statement):
    # One statement a text, without parameters: how drivers send those differs, and tests/scripts has them.
    return (
        statement.strip() and not NEVER.search(statement) and ";" not in statement.rstrip().rstrip(";")
        and "?" not in statement and "\0" not in statement
    )


def choose(seed):
    dice = random.Random(seed)
    sources = [list(from_corpora()), list(from_scripts("replay")), list(from_scripts("scripts"))]
    chosen = []
    while len(chosen) < COUNT:
        kind = dice.randrange(6)
        statement = made_up(dice) if kind > 3 else dice.choice(sources[min(kind, 2)])
        if dice.random() < 0.15:
            statement = spoiled(dice, statement)
        if fits(statement):
            # Of the files that they name this machine has none.
            chosen.append(statement.replace("/tmp/", "/nowhere/"))
    return SETUP + chosen


# --- one driver ---


class Failure(Exception):
    pass


def start_server(server, data):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("STAGEWIRE_")}
    command = [server, "serve", "--mysql-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0", "--data-dir", str(data)]
    with open(f"{data}.log", "w") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, env=environment, text=True)
    ready = process.stdout.readline()
    return process, dict(pair.split("=") for pair in ready.split()[2:])


def run_driver(server, work, name, command, statements):
    """The driver's answers, one a statement."""
    data = work / name
    process, addresses = start_server(server, data)
    host, port = addresses["mysql"].rsplit(":", 1)
    environment = os.environ | {
        "STAGEWIRE_HOST": host, "STAGEWIRE_PORT": port, "STAGEWIRE_CA": str(data / "tls-cert.pem"),
        "STAGEWIRE_STATEMENTS": str(work / "statements.json"),
    }
    environment |= {f"STAGEWIRE_{name}": "none" for name in ("FILE", "OTHER", "MISSING", "STAGE", "STAGE_OPTIONS", "PASSWORD")}
    try:
        client = subprocess.Popen(
            [*command, "statements"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment
        )
        try:
            return answers_of(client, name, statements)
        finally:
            client.kill()
            client.wait()
    finally:
        process.kill()
        process.wait()


def answers_of(client, name, statements):
    found, rest, said = [], b"", []
    waiting = selectors.DefaultSelector()
    waiting.register(client.stdout, selectors.EVENT_READ)
    while len(found) < len(statements):
        if not waiting.select(SECONDS):
            raise Failure(f"{name}: no answer in {SECONDS} s to {statements[len(found)]!r}")
        read = os.read(client.stdout.fileno(), 1 << 16)
        if not read:
            raise Failure(f"{name}: ended at {statements[len(found)]!r}:\n" + "\n".join(said[-15:]))
        *lines, rest = (rest + read).split(b"\n")
        for line in lines:
            if line.startswith(b"answer "):
                found.append(json.loads(line[7:]))
            else:
                said.append(line.decode(errors="replace"))
    return found


# --- what they say ---


def wrong_by_itself(statement, answer):
    """Why this is no answer of a server, if it is none."""
    if "error" not in answer:
        return None
    number, _, state = str(answer["error"]).partition("/")
    if UPLOAD.match(statement):
        return None
    if not number.isdigit() or not (1000 <= int(number) < 2000 or 3000 <= int(number) < 6000):
        return "not an error of the server"
    if state and not STATES.match(state):
        return "not a SQLSTATE"
    return None


def differs(statement, first, other, prepared):
    if prepared and str(other.get("error", "")).startswith("1295"):
        return False
    if UPLOAD.match(statement):
        # Some are given rows and some a sentence, and a file that is not there is told in their own words.
        return False
    if "error" in first or "error" in other:
        one, two = (str(answer.get("error", "none")).split("/") for answer in (first, other))
        return one[0] != two[0] or (len(one) > 1 and len(two) > 1 and one[1] != two[1])
    if first.get("columns") != other.get("columns"):
        return True
    # What is prepared can't upload, so that elsewhere more files may be there.
    return first.get("rows") != other.get("rows") and not prepared and not UNSTEADY.search(statement)


def main():
    server, work, seed, *rest = sys.argv[1:]
    work = pathlib.Path(work)
    work.mkdir(parents=True, exist_ok=True)
    seed = int(seed) if seed else random.randrange(1 << 32)
    statements = choose(seed)
    print("version", f"seed {seed}", flush=True)
    (work / "statements.json").write_text(json.dumps(statements))
    drivers, command = {}, []
    for word in rest:
        if word == "--":
            command = None
        elif command is None:
            command = drivers.setdefault(word, [])
        else:
            command.append(word)

    answers, failures = {}, []
    for name, command in drivers.items():
        started = time.monotonic()
        try:
            answers[name] = run_driver(server, work, name, command, statements)
            print(f"{name}: {len(statements)} statements, {time.monotonic() - started:.1f} s", flush=True)
        except Failure as failure:
            failures.append(str(failure))

    for name, found in answers.items():
        for statement, answer in zip(statements, found):
            if why := wrong_by_itself(statement, answer):
                failures.append(f"{name}: {why}: {answer} to {statement!r}")
    first = next(iter(answers))
    # Who shows SQLSTATE is the better one to compare with.
    first = "node-mysql2" if "node-mysql2" in answers else first
    for name, found in answers.items():
        for statement, one, two in zip(statements, answers[first], found):
            if name != first and differs(statement, one, two, "prepared" in name):
                failures.append(f"{first} has {one}, {name} {two} to {statement!r}")
    kinds = {"rows": 0, "ok": 0, "error": 0}
    for answer in answers[first]:
        kinds["error" if "error" in answer else "rows" if "columns" in answer else "ok"] += 1
    print(f"{first}: {kinds}")
    if failures:
        print("\n".join(failures[:40]))
        sys.exit(f"{len(failures)} failures; STAGEWIRE_SEED={seed} repeats them")


main()
