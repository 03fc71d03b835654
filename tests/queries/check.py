"""See tests/queries/run."""

import argparse
import pathlib
import sys
import tempfile

import hits
import lines
import side_by_side
import tpch

# With the scale and the formats that take a debug build a minute each.
SUITES = {
    "tpch": (tpch.SUITE, "0.01", "parquet,csv"),
    "hits": (hits.SUITE, "0.01", "parquet"),
    "lines": (lines.SUITE, "0.3", "plain"),
}


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--s3", action="store_true")
    arguments.add_argument("--suites", default="tpch,hits,lines")
    arguments.add_argument("--scale")
    arguments.add_argument("--formats")
    given = arguments.parse_args()
    wrong = 0
    for name in given.suites.split(","):
        suite, scale, forms = SUITES[name]
        forms = (given.formats or forms).split(",")
        with tempfile.TemporaryDirectory(prefix="stagewire-queries.") as folder:
            folder = pathlib.Path(folder)
            connection = side_by_side.duck()
            side_by_side.write(connection, suite, folder, given.scale or scale, {"parquet", *forms})
            server = side_by_side.Server(folder)
            for form in forms:
                options = side_by_side.s3_options(f"{folder.name}/{form}") if given.s3 else ""
                database = side_by_side.store(server, suite, folder, form, options)
                side_by_side.look(connection, suite, folder, form)
                queries = suite.queries(connection)
                for query in queries:
                    fault = side_by_side.compare(connection, server, query, database)
                    if fault:
                        wrong += 1
                        print(f"{suite.name} from {form}, query {query.number}: {fault}")
                print(f"{suite.name} from {form}: {len(queries)} queries")
                server.sql(f"REMOVE @{database}")
            server.stop()
    if wrong:
        sys.exit(f"{wrong} answers are wrong")


main()
