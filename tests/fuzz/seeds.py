#!/usr/bin/env python3
"""Writes what the fuzzers begin with: statements from grammar/corpus and tests/scripts, log-ins as clients send them,
frames, forms, archives. `tests/fuzz/run` leaves of all that only what leads somewhere.

    tests/fuzz/seeds.py [FOLDER]        corpus/ beside this file, if no other is named
"""

import bz2, gzip, hashlib, io, re, struct, sys, tarfile, zlib
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
OUT = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "corpus"

BETWEEN = b"\n~\n"  # As in src/fuzzing.rs.
PACKETS, SEVERAL, NO_FILES, OLD_EOF, ZLIB, ZSTD = 0x80, 0x10, 0x08, 0x04, 1, 2


def seed(target, data):
    folder = OUT / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / hashlib.sha1(data).hexdigest()).write_bytes(data)


def packets(manner, *payloads, numbers=None):
    parts = [bytes([n]) + p for n, p in zip(numbers or [0] * len(payloads), payloads)]
    return bytes([PACKETS | manner]) + BETWEEN.join(parts)


def statements():
    """Each statement of the grammar's corpus and of the scripts, once."""
    found = {}
    for path in sorted((ROOT / "grammar/corpus").iterdir()):
        for block in path.read_text().split("\n\n"):
            lines = [line for line in block.splitlines() if not line.startswith(("=> ", "!> "))]
            found["\n".join(lines).strip()] = None
    for folder in "scripts", "replay":
        for path in sorted((ROOT / "tests" / folder).iterdir()):
            for line in path.read_text().splitlines():
                if line.startswith(("> ", "!> ")):
                    found[line.split("> ", 1)[1].strip()] = None
    return [text.encode() for text in found if text]


def text_seeds():
    for text in statements():
        for mode in 0, 7 if b'"' in text or b"\\" in text or b"||" in text else 0:
            seed("statements", bytes([mode]) + text)
    seed("statements", b"\0SELECT 1; LIST @s; -- end\nPUT file:///a;b @s;;")
    for text in statements():
        for word in text.replace(b"'", b" ").split():
            if word.startswith(b"@") or b"://" in word:
                seed("locations", word)
    for text in ["@db.%t", '@"my ""stage"/a b', "@`x`/é", "@~/x/", "azure://a.blob.core.windows.net/c/d/", "fs:///a/b/",
                 "https://h:8443/x", "webhdfs://h:9870/x/", "memory://m", "http://u:p@h/x", ".*[.]csv\na/b.csv",
                 "(?x) a # b\na", "(a|b){2,5}\naab", r"\p{Greek}+[^a-z]\d" + "\nα", "/C:/x/*.csv", "a/[ab]?.csv", "a)|(b"]:
        seed("locations", text.encode())


def command_seeds():
    query, prepare = (lambda text: b"\x03" + text), (lambda text: b"\x16" + text)
    for index, text in enumerate(statements()):
        if len(text) < 400:
            seed("packets", packets(SEVERAL if index % 2 else 0, query(text)))
    for manner in 0, ZLIB, ZSTD, OLD_EOF, NO_FILES | SEVERAL:
        seed("packets", packets(manner, b"\x0e", b"\x09", b"\x02default", b"\x1b\1\0", b"\x1f", b"\x1b\0\0", b"\x0c\1\0\0\0"))
        seed("packets", packets(manner, query(b"SELECT 1; SELECT 'a', NULL, 2.5; x; SELECT 3")))
        seed("packets", packets(manner, query(b"PUT file:///a @~"), b"some bytes\n", b"more", b"", query(b"LIST @~"),
                                query(b"GET @~ file:///tmp/"), numbers=[0, 2, 3, 4, 0, 0]))
        seed("packets", packets(manner, query(b"PUT file:///a @~"), b"\x0e", numbers=[0, 0]))
        seed("packets", packets(manner, query(b"CREATE STAGE s; PUT file:///a, file:///b @s"), b"x", b"", b"y", b"",
                                numbers=[0, 2, 3, 5, 6]))
    seed("packets", packets(0, b"\x04PROCESSLIST\0"))
    seed("packets", packets(0, b"\x04nothing\0"))
    for command in range(0x22):
        seed("packets", packets(0, bytes([command]) + b"\1\0\0\0\0\1\0\0\0"))
    kinds = [  # type, unsigned, value
        (0x01, 0, b"\xff"), (0x01, 0x80, b"\xff"), (0x02, 0, b"\1\x80"), (0x03, 0x80, b"\1\2\3\4"), (0x08, 0, b"\1" * 8),
        (0x04, 0, struct.pack("<f", 1.5)), (0x05, 0, struct.pack("<d", -2.5e10)), (0x06, 0, b""), (0xFD, 0, b"\3abc"),
        (0xFC, 0, b"\xfc\1\0z"), (0xF6, 0, b"\4-1.5"), (0x0A, 0, b"\4\xe8\7\2\x1d"), (0x0C, 0, b"\7\xe8\7\2\x1d\1\2\3"),
        (0x07, 0, b"\x0b\xe8\7\2\x1d\1\2\3\1\0\0\0"), (0x0B, 0, b"\x08\1\1\0\0\0\1\2\3"), (0x0B, 0, b"\x0c\0\1\0\0\0\1\2\3\1\0\0\0"),
        (0x0A, 0, b"\0"), (0x0C, 0, b"\4\xe8\7\2\x1d"),
    ]
    for kind, unsigned, value in kinds:
        execute = b"\x17\1\0\0\0\0\1\0\0\0\0\1" + bytes([kind, unsigned]) + value
        seed("packets", packets(0, prepare(b"SELECT ?"), execute, b"\x17\1\0\0\0\0\1\0\0\0\0\0" + value, b"\x19\1\0\0\0"))
    seed("packets", packets(0, prepare(b"SELECT ?, ? + 1 FROM information_schema.SCHEMATA WHERE 1 = ?"),
                            b"\x18\1\0\0\0\0\0long ", b"\x18\1\0\0\0\0\0data", b"\x17\1\0\0\0\0\1\0\0\0\2\1\xfd\0\x06\0\3\0\1\0\0\0",
                            b"\x1a\1\0\0\0", b"\x1c\1\0\0\0\1\0\0\0"))
    seed("packets", packets(0, b"\x11root\0\0default\0\x2d\0mysql_native_password\0\2\1a\1b"))
    seed("packets", packets(0, b"\x11nobody\0\x14" + b"x" * 20 + b"\0\x2d\0mysql_native_password\0", b"y" * 20, numbers=[0, 3]))
    frame_seeds(query)


def frame(number, data, packed=None):
    packed = data if packed is None else packed
    becomes = 0 if packed is data else len(data)
    return struct.pack("<I", len(packed))[:3] + bytes([number]) + struct.pack("<I", becomes)[:3] + packed


def frame_seeds(query):
    """Bytes as they are: packets, and frames that were made by somebody else."""
    packet = lambda number, payload: struct.pack("<I", len(payload))[:3] + bytes([number]) + payload
    select = packet(0, query(b"SELECT '" + b"x" * 60 + b"'"))
    ping = packet(0, b"\x0e")
    seed("packets", b"\0" + select + ping)
    seed("packets", b"\0" + ping[:3])
    seed("packets", b"\0\xff\xff\xff\0" + query(b"SELECT 1"))
    seed("packets", b"\0" + packet(7, b"\x0e"))
    for data in select, ping, select + ping, b"":
        seed("packets", b"\1" + frame(0, data))
        if data:
            seed("packets", b"\1" + frame(0, data, zlib.compress(data)) + frame(1, ping))
            seed("packets", b"\1" + frame(0, data, zlib.compress(data)[:-1]))
    seed("packets", b"\2" + frame(0, ping))
    # zstd: one raw block, and one that is a single byte often.
    raw = b"\x28\xb5\x2f\xfd\x20" + bytes([len(ping)]) + struct.pack("<I", 1 | len(ping) << 3)[:3] + ping
    seed("packets", b"\2" + frame(0, ping, raw))
    seed("packets", b"\2" + frame(0, b"\0" * 200, b"\x28\xb5\x2f\xfd\x20\xc8" + struct.pack("<I", 1 | 1 << 1 | 200 << 3)[:3] + b"\0"))


def log_in(bits, user=b"root", proof=b"", database=None, plugin=None, attributes=None, end=b""):
    out = struct.pack("<IIB23x", bits, 1 << 24, 45) + user + b"\0"
    out += bytes([len(proof)]) + proof if bits & (1 << 15 | 1 << 21) else proof + b"\0"
    out += database + b"\0" if database is not None else b""
    out += plugin + b"\0" if plugin is not None else b""
    if attributes is not None:
        pairs = b"".join(bytes([len(part)]) + part for pair in attributes for part in pair)
        out += bytes([len(pairs)]) + pairs
    return out + end


def handshake_seeds():
    base = 1 << 9 | 1 << 13 | 1 << 15
    named = base | 1 << 3 | 1 << 19 | 1 << 20 | 1 << 21
    who = [(b"_client_name", b"libmysql"), (b"_pid", b"1"), (b"program_name", b"mysql")]
    for server in 0, 1:
        for payloads in [
            [log_in(base)], [log_in(base, proof=b"p" * 20)], [log_in(1 << 9, proof=b"old")],
            [log_in(named, proof=b"p" * 20, database=b"db", plugin=b"mysql_native_password", attributes=who)],
            [log_in(named, proof=b"s" * 32, database=b"", plugin=b"caching_sha2_password", attributes=who), b"\2", b"e" * 256],
            [log_in(named, database=b"", plugin=b"caching_sha2_password", attributes=[]), b"\2", b"\0"],
            [log_in(named, proof=b"s" * 32, database=b"", plugin=b"caching_sha2_password", attributes=[]), b"e" * 256],
            [log_in(named, user=b"x" * 300, database=b"", plugin=b"dialog", attributes=who), b"p" * 20],
            [log_in(named, user=b"nobody", database=b"", plugin=b"mysql_clear_password", attributes=who), b"s" * 32],
            [log_in(base | 1 << 5)], [log_in(base | 1 << 26, end=b"\3")], [log_in(base | 1 << 26, end=b"\xff")],
            [log_in(base | 1 << 11)[:32], b"\x16\3\1\0\4\1\0\0\0"], [b"\1\0\0\0"], [b""], [b"\x03SELECT 1"],
        ]:
            numbers = [1 + 2 * index for index in range(len(payloads))]
            seed("handshake", packets(server, *payloads, numbers=numbers))
    tls = log_in(base | 1 << 11)[:32]
    hello = bytes.fromhex("16030100310100002d0303" + "00" * 32 + "00000613011302cca90100")
    seed("handshake", b"\0" + struct.pack("<I", 32)[:3] + b"\1" + tls + hello)
    seed("handshake", b"\0\xff\xff\xff\1")
    seed("handshake", b"\0GET / HTTP/1.1\r\n\r\n")


def form_seeds():
    def form(manner, kind, folder, body):
        seed("multipart", bytes([manner]) + kind + b"\n" + folder + b"\n" + body)

    def part(name, file, content, more=b""):
        head = b'Content-Disposition: form-data; name="' + name + b'"'
        head += b'; filename="' + file + b'"' if file is not None else b""
        return b"--B\r\n" + head + b"\r\n" + more + b"\r\n" + content + b"\r\n"

    kind, end = b"multipart/form-data; boundary=B", b"--B--\r\n"
    one = part(b"upload", b"a.csv", b"1,2\n", b"Content-Type: text/csv\r\n")
    for manner in 0, 1, 2, 3, 0x80, 0x83:
        form(manner, kind, b"", one + end)
        form(manner, kind, b"2024/x", one + part(b"upload", b"b.csv", b"--B\n\r\n--") + end)
    form(0, kind, b"", one + one + end)
    form(0, kind, b"", one)
    form(0, kind, b"", b"preamble\r\n" + one + end + b"epilogue")
    form(0, kind, b"../x", one + end)
    form(0, kind, b"", part(b"upload", None, b"x") + end)
    form(0, kind, b"", part(b"upload", b"../../x", b"x") + end)
    form(0, kind, b"", part(b"upload", "é ü.csv".encode(), b"x") + end)
    form(0, kind, b"", part(b"a", b"d/x", b"x") + part(b"b", b"d", b"y") + part(b"c", b"d/", b"z") + end)
    form(0, kind, b"", b"--B\r\nContent-Disposition: form-data; name=u; filename*=UTF-8''a%20b\r\n\r\nx\r\n" + end)
    form(0, b'multipart/form-data; boundary="B"', b"", one + end)
    for other in b"multipart/form-data", b"text/plain", b"multipart/mixed; boundary=B", b"":
        form(0, other, b"", one + end)


def archive_seeds():
    def tar(fmt, *members):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=fmt) as archive:
            for name, kind, content in members:
                info = tarfile.TarInfo(name)
                info.type, info.size, info.linkname = kind, len(content), "a" if kind in (b"1", b"2") else ""
                archive.addfile(info, io.BytesIO(content))
        return out.getvalue()[:-8192] if len(out.getvalue()) > 9000 else out.getvalue()

    members = [("./a", b"0", b"one\n"), ("d", b"5", b""), ("d/b", b"0", b"x" * 700), ("l", b"2", b""), ("h", b"1", b""),
               ("p", b"6", b""), ("long/" * 30 + "é", b"0", b"end")]
    for fmt in tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT:
        some = members[:-1] if fmt == tarfile.USTAR_FORMAT else members
        plain = tar(fmt, *some)
        for packed in plain, gzip.compress(plain, mtime=0), bz2.compress(plain), plain[:700], plain[:-512]:
            for manner in 0x73, 0x02:
                seed("archives", bytes([manner]) + packed)
    small = tar(tarfile.USTAR_FORMAT, ("a", b"0", b"1"))
    seed("archives", b"\x73" + gzip.compress(small[:600], mtime=0) + gzip.compress(small[600:], mtime=0))
    length = len(small[:1024])
    seed("archives", b"\x73\x28\xb5\x2f\xfd\x60" + struct.pack("<H", length - 256) + struct.pack("<I", 1 | length << 3)[:3] + small[:1024])
    for head in b"PAR1", b"ORC", b"\xfd7zXZ\0", b"\x78\x9c", b"plain,text\n":
        seed("archives", b"\x74" + head + b"x" * 20)
    for declared in range(8):
        seed("archives", bytes([declared << 4 | 6]) + gzip.compress(b"a" * 100, mtime=0))


def dictionary():
    """The words of the grammar, and what MySQL's statements are made of."""
    words = set(re.findall(r'"([^"\n\\\\]+)"', "".join(path.read_text() for path in (ROOT / "grammar").glob("*.ebnf"))))
    words |= set("""SELECT FROM WHERE GROUP BY ORDER LIMIT UNION ALL JOIN ON AS CASE WHEN THEN ELSE END NOT NULL BETWEEN IN LIKE
        REGEXP INTERVAL CAST EXPLAIN DISTINCT INSERT VALUES UPDATE DELETE TABLE VIEW SHOW TABLES COLUMNS BEGIN COMMIT KILL WITH
        @@sql_mode @a:=1 DATE'2024-01-01' 0x1f b'01' 1e9 `a` "a" 'a''b' file:///a --\\x20 # /* */ /*!80000 || && <=> -> ->>
        OVER( information_schema.TABLES \\x00 \\x0a ; \\\\'""".split())
    lines = ('"' + word.replace('"', '\\"') + '"\n' for word in sorted(words))
    (HERE / "statements.dict").write_text("".join(lines))


dictionary()
text_seeds()
command_seeds()
handshake_seeds()
form_seeds()
archive_seeds()
