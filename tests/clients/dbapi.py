"""What each client program does, for Python's database drivers: see README.md beside this file."""

import hashlib
import os
import sys
import tempfile
import time

FILE, OTHER, MISSING, STAGE, OPTIONS = (
    os.environ.get("STAGEWIRE_" + name) for name in ("FILE", "OTHER", "MISSING", "STAGE", "STAGE_OPTIONS")
)
# Whether the connection is to be compressed, by zlib.
COMPRESSED = bool(os.environ.get("COMPRESS"))
HOST, PORT, CA = os.environ["STAGEWIRE_HOST"], int(os.environ["STAGEWIRE_PORT"]), os.environ["STAGEWIRE_CA"]
PASSWORD = os.environ["STAGEWIRE_PASSWORD"]
# What says how it was sent: only a statement that the server has prepared is shown as Execute.
HOW = "SELECT COMMAND AS how FROM information_schema.PROCESSLIST WHERE ID = CONNECTION_ID()"


class Client:
    """The steps. `connect(user, password, tls)` opens a connection; a driver with other needs overrides a method."""

    # Most drivers tell what the server said of a missing file, the others what they saw.
    missing_file = "1017"
    # Whether the files go through an encrypted connection.
    tls = False

    def __init__(self, connect, driver_error):
        self.connect = connect
        self.driver_error = driver_error
        self.connection = self.as_root()

    # --- the driver ---

    def as_root(self):
        return self.connect("root", "", self.tls)

    def rows(self, sql):
        """Runs a statement; its rows as dictionaries, none if it has no result set."""
        return self.rows_of(self.connection, sql)

    def rows_of(self, connection, sql):
        cursor = connection.cursor()
        try:
            cursor.execute(sql)
            return fetched(cursor)
        finally:
            cursor.close()

    def prepared(self, sql):
        """Prepares and runs a statement; `None` if the driver can't."""
        return None

    def code(self, error):
        """Number and SQLSTATE, as far as the driver shows them."""
        return str(error.args[0])

    # --- the cells of the matrix ---

    def log_in(self, column, user, tls, cannot=None):
        """Logs in as this user, twice. `cannot` is a part of the driver's own error, and the reason for it."""
        for _ in range(2):
            try:
                connection = self.connect(f"{STAGE}_{user}", PASSWORD, tls)
            except self.driver_error as error:
                if cannot and cannot[0] in str(error):
                    cell(column, "-", cannot[1])
                    return
                raise
            me = self.rows_of(connection, "SELECT CURRENT_USER() AS me")[0]["me"]
            expect("user", me.split("@")[0], f"{STAGE}_{user}")
            cipher = self.rows_of(connection, "SHOW STATUS LIKE 'Ssl_cipher'")[0]["Value"]
            expect(f"{column} is encrypted", bool(cipher), tls)
            connection.close()
        cell(column, "yes")

    def log_ins(self):
        self.log_in("native", "native", False)
        self.log_in("native_tls", "native", True)
        self.log_in("sha2", "sha2", False)
        self.log_in("sha2_tls", "sha2_tls", True)

    def prepared_list(self):
        how = self.prepared(HOW)
        if how is None:
            cell("prepared", "-", "the driver has no prepared statements of the server's")
            return
        expect("how it was sent", how[0]["how"], "Execute")
        rows = self.prepared(f"LIST @{STAGE}")
        found = [(row["name"].rsplit("/", 1)[-1], int(row["size"])) for row in rows]
        expect("LIST, prepared", found, [(os.path.basename(FILE), len(self.stored(FILE)))])
        cell("prepared", "yes")

    def missing_stage(self):
        try:
            self.rows("SHOW FILES IN STAGE @there_is_no_such_stage")
        except self.driver_error as error:
            expect("error of a missing stage", self.code(error) in ("1146", "1146/42S02"), True)
            cell("error", self.code(error))
        else:
            sys.exit("LIST of a missing stage did not fail")

    def lost(self, column):
        """The connection is gone: the driver says so or makes another, and a new one works."""
        try:
            self.rows("SELECT 1")
        except self.driver_error as error:
            print(f"{column}: {error!r}")
            cell(column, "yes")
        else:
            cell(column, "itself")
        self.connection = self.as_root()
        expect("SELECT on a new connection", self.rows("SELECT 'again' AS a"), [{"a": "again"}])

    def kill(self):
        number = self.rows("SELECT CONNECTION_ID() AS id")[0]["id"]
        other = self.as_root()
        self.rows_of(other, f"KILL {number}")
        # KILL is answered when the other connection has been told, and its end is a moment later.
        for _ in range(50):
            if str(number) not in [str(row["Id"]) for row in self.rows_of(other, "SHOW PROCESSLIST")]:
                break
            time.sleep(0.1)
        else:
            sys.exit(f"connection {number} is still there after KILL")
        other.close()
        self.lost("kill")

    def restart(self):
        self.rows("SELECT 1")
        wait_for_restart()
        self.lost("restart")

    # --- files ---

    def upload(self, path, status, overwrite="FALSE"):
        rows = self.rows(
            f"LOAD DATA LOCAL INFILE '{path}' INTO STAGE @{STAGE} AUTO_COMPRESS=FALSE OVERWRITE={overwrite}"
        )
        # Some drivers can take a row after an upload, and get one; the others have an OK packet.
        print("upload:", rows or "OK")
        for row in rows:
            expect("status", row["status"], status)

    def listed(self):
        return [(row["name"].rsplit("/", 1)[-1], int(row["size"])) for row in self.rows(f"LIST @{STAGE}")]

    def expect_listed(self, path):
        expect("LIST", self.listed(), [(os.path.basename(FILE), len(self.stored(path)))])

    def expect_contents(self, path):
        """By GET, whose rows hold a part of the file each."""
        cursor = self.connection.cursor()
        cursor.execute(f"GET @{STAGE}")
        found, parts = hashlib.sha256(), 0
        for _name, part, content in cursor.fetchall():
            expect("part", int(part), parts)
            expect("type of the content", isinstance(content, (bytes, bytearray)), True)
            found.update(content)
            parts += 1
        cursor.close()
        expect("contents by GET", found.hexdigest(), hashlib.sha256(self.stored(path)).hexdigest())

    def stored(self, path):
        """What the upload of this file stores."""
        with open(path, "rb") as file:
            return file.read()

    def up(self):
        how = self.rows("SHOW STATUS LIKE 'Compression_algorithm'")[0]["Value"]
        expect("compression", how, "zlib" if COMPRESSED else "uncompressed")
        self.log_ins()
        self.rows(f"CREATE STAGE {STAGE} {OPTIONS}")
        self.upload(FILE, "UPLOADED")
        self.expect_listed(FILE)
        cell("list", "yes")
        self.prepared_list()
        self.expect_contents(FILE)
        self.upload_missing()
        self.upload(OTHER, "SKIPPED")
        self.expect_listed(FILE)
        self.missing_stage()

    def upload_missing(self):
        try:
            self.upload(MISSING, "ERROR")
        except self.driver_error as error:
            print("missing file:", error)
            expect("error of a missing file", self.missing_file in str(error), True)
        else:
            sys.exit("the upload of a missing file did not fail")
        self.expect_listed(FILE)

    # How the driver takes a statement with several files: not every one can be asked for more.
    several = "PUT LOCAL INFILE '{}', LOCAL INFILE '{}' INTO"

    def upload_several(self):
        with tempfile.TemporaryDirectory() as directory:
            paths = [os.path.join(directory, name) for name in ("one", "two")]
            for size, path in enumerate(paths, 1):
                with open(path, "wb") as file:
                    file.write(b"x" * size)
            cursor = self.connection.cursor()
            cursor.execute(f"{self.several.format(*paths)} @{STAGE}/several AUTO_COMPRESS=FALSE")
            # However the answer is spread over results, its rows are in the last.
            rows = cursor.fetchall() if cursor.description else []
            while cursor.nextset():
                rows = cursor.fetchall() if cursor.description else []
            cursor.close()
        expect("status", [text(row[6]) for row in rows], ["UPLOADED", "UPLOADED"] if rows else [])
        rows = self.rows(f"LIST @{STAGE}/several/")
        expect("several", [int(row["size"]) for row in rows], [1, 2])
        self.rows(f"REMOVE @{STAGE}/several/")

    def down(self):
        if self.several:
            self.upload_several()
        self.upload(OTHER, "UPLOADED", overwrite="TRUE")
        self.expect_listed(OTHER)
        self.remove()
        expect("LIST after REMOVE", self.listed(), [])
        self.rows(f"DROP STAGE {STAGE}")
        self.kill()

    def remove(self):
        self.rows(f"REMOVE @{STAGE}/{os.path.basename(FILE)}")

    def statements(self):
        """Runs each of a list of statements and tells what came of it."""
        import json

        with open(os.environ["STAGEWIRE_STATEMENTS"], encoding="utf-8") as file:
            for statement in json.load(file):
                print("answer", json.dumps(self.answer(statement)), flush=True)

    def answer(self, statement):
        cursor = self.connection.cursor()
        try:
            self.run_one(cursor, statement)
            if cursor.description is None:
                return {"ok": True}
            return {"columns": [column[0] for column in cursor.description], "rows": len(cursor.fetchall())}
        except self.driver_error as error:
            return {"error": self.code(error)}
        finally:
            cursor.close()

    def run_one(self, cursor, statement):
        cursor.execute(statement)

    def run(self):
        phases = {"up": self.up, "down": self.down, "restart": self.restart, "statements": self.statements}
        phases[sys.argv[1]]()
        self.connection.close()


def fetched(cursor):
    if cursor.description is None:
        return []
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, map(text, row))) for row in cursor.fetchall()]


def wait_for_restart():
    """The runner restarts the server when all programs have said that they are there."""
    ready, go = os.environ["STAGEWIRE_READY"], os.environ["STAGEWIRE_GO"]
    open(ready, "w").close()
    while not os.path.exists(go):
        time.sleep(0.05)


def text(value):
    return value.decode() if isinstance(value, (bytes, bytearray)) else value


def cell(column, value, reason=""):
    print("cell", column, value, reason, flush=True)


def expect(what, found, expected):
    if found != expected:
        sys.exit(f"{what}: expected {expected}, found {found}")
