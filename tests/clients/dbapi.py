"""What each client program does, for Python's database drivers: see README.md beside this file."""

import hashlib
import os
import sys
import tempfile

FILE, OTHER, MISSING, STAGE, OPTIONS = (
    os.environ["STAGEWIRE_" + name] for name in ("FILE", "OTHER", "MISSING", "STAGE", "STAGE_OPTIONS")
)
# Whether the connection is to be compressed, by zlib.
COMPRESSED = bool(os.environ.get("COMPRESS"))
HOST, PORT = os.environ["STAGEWIRE_HOST"], int(os.environ["STAGEWIRE_PORT"])


class Client:
    """The steps, over one open connection. A driver with other needs overrides a method."""

    # Most drivers tell what the server said of a missing file, the others what they saw.
    missing_file = "1017"

    def __init__(self, connection, driver_error):
        self.connection = connection
        self.driver_error = driver_error

    def rows(self, sql):
        """Runs a statement; its rows as dictionaries, none if it has no result set."""
        cursor = self.connection.cursor()
        try:
            cursor.execute(sql)
            if cursor.description is None:
                return []
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, map(text, row))) for row in cursor.fetchall()]
        finally:
            cursor.close()

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
        expect("LIST", self.listed(), [(os.path.basename(FILE), os.path.getsize(path))])

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
        with open(path, "rb") as file:
            expect("contents by GET", found.hexdigest(), hashlib.sha256(file.read()).hexdigest())

    def up(self):
        how = self.rows("SHOW STATUS LIKE 'Compression_algorithm'")[0]["Value"]
        expect("compression", how, "zlib" if COMPRESSED else "uncompressed")
        self.rows(f"CREATE STAGE {STAGE} {OPTIONS}")
        self.upload(FILE, "UPLOADED")
        self.expect_listed(FILE)
        self.expect_contents(FILE)
        self.upload_missing()
        self.upload(OTHER, "SKIPPED")
        self.expect_listed(FILE)

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

    def remove(self):
        self.rows(f"REMOVE @{STAGE}/{os.path.basename(FILE)}")

    def run(self):
        {"up": self.up, "down": self.down}[sys.argv[1]]()
        self.connection.close()


def text(value):
    return value.decode() if isinstance(value, (bytes, bytearray)) else value


def expect(what, found, expected):
    if found != expected:
        sys.exit(f"{what}: expected {expected}, found {found}")
