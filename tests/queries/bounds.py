"""Queries that need more memory than they may have: they go to the disk, or end with an error that says so.

With little memory for queries, sorts, groups, joins and windows over a table that does not fit answer what DuckDB
answers, alone and at the same time; behind them no spilled file is left, and the server has not grown beyond what
it may. What can't go to the disk is error 1041, and the connection goes on.
"""

import argparse
import concurrent.futures
import pathlib
import sys
import tempfile

import side_by_side
from side_by_side import Query, Suite

MEMORY_MIB = 64
# Besides what queries hold: the program, what is known of files, batches between steps, and what the system's
# allocator keeps of memory that was given back.
OTHER_MIB = 600

QUERIES = [
    "SELECT k, pad, id FROM wide ORDER BY pad, k, id LIMIT 5 OFFSET {last}",
    "SELECT COUNT(*), SUM(n), MAX(p) FROM (SELECT k, COUNT(*) AS n, MIN(pad) AS p FROM wide GROUP BY k) t",
    "SELECT COUNT(*), SUM(a.id), MAX(b.pad) FROM wide a JOIN wide b ON a.k = b.k AND a.id = b.id",
    "SELECT COUNT(*), SUM(r), MIN(q) FROM (SELECT ROW_NUMBER() OVER (PARTITION BY id % 7 ORDER BY pad) AS r, "
    "LAG(pad) OVER (PARTITION BY id % 7 ORDER BY pad) AS q FROM wide) t",
]

# Each counts what is different in memory, whatever there is.
CANNOT_SPILL = "SELECT COUNT(DISTINCT pad), COUNT(DISTINCT k) FROM wide"


def generate(connection, scale):
    rows = round(float(scale) * 1_000_000)
    connection.execute(
        f"CREATE TABLE wide AS SELECT range AS id, md5((range // 2)::VARCHAR) AS k, "
        f"md5((range * 7 + 1)::VARCHAR) || md5(range::VARCHAR) || md5((-range)::VARCHAR) AS pad FROM range({rows})"
    )


def queries(connection):
    [(rows,)] = connection.execute("SELECT count(*) FROM wide").fetchall()
    texts = [text.format(last=rows - 5) for text in QUERIES]
    return [Query(number, text, text) for number, text in enumerate(texts, 1)]


SUITE = Suite("bounds", ["wide"], generate, queries)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--scale", default="0.4")
    arguments.add_argument("--memory-mib", type=int, default=MEMORY_MIB)
    given = arguments.parse_args()
    wrong = []
    with tempfile.TemporaryDirectory(prefix="stagewire-queries.") as folder:
        folder = pathlib.Path(folder)
        connection = side_by_side.duck()
        side_by_side.write(connection, SUITE, folder, given.scale, {"parquet"})
        side_by_side.look(connection, SUITE, folder, "parquet")
        server = side_by_side.Server(folder, f"[query]\nmemory_bytes = {given.memory_mib << 20}\n")
        database = side_by_side.store(server, SUITE, folder, "parquet")
        asked = queries(connection)
        for query in asked:
            wrong.append((query.number, side_by_side.compare(connection, server, query, database)))
            print(f"query {query.number}: {wrong[-1][1] or 'right'}; at most {server.status('VmHWM') >> 10} MiB")
        answers = server.answer(f"SELECT 'before'; {CANNOT_SPILL}; SELECT 'behind'", database, "--force")
        if [["before"], ["behind"]] != answers.rows or "1041" not in answers.errors:
            wrong.append(("what can't go to the disk", f"{answers}"))
        print(answers.errors.strip())
        with concurrent.futures.ThreadPoolExecutor() as pool:
            texts = [query.here for query in asked[:3]]
            found = list(pool.map(lambda text: server.answer(text, database), texts))
        for text, answer in zip(texts, found):
            # Each is right, or has had too little beside the others.
            rows = connection.execute(text).fetchall()
            fault = side_by_side.check(rows, answer.rows) if not answer.errors else None
            if fault or (answer.errors and "1041" not in answer.errors):
                wrong.append(("beside others", f"{fault} {answer.errors}"))
            print(f"beside others: {answer.errors.strip() or 'right'}")
        left = [path for path in (server.data / "spill").rglob("*") if path.is_file()]
        peak = server.status("VmHWM") >> 10
        print(f"at most {peak} MiB with {given.memory_mib} MiB for queries; {len(left)} files left")
        if left or peak > given.memory_mib + OTHER_MIB:
            wrong.append(("bounds", f"{left} {peak} MiB"))
        server.stop()
    wrong = [f"{what}: {fault}" for what, fault in wrong if fault]
    if wrong:
        sys.exit("\n".join(wrong))


main()
