"""TPC-H: eight tables by DuckDB's generator, 22 queries that both sides ask in the same words."""

from side_by_side import Query, Suite

TABLES = ["customer", "lineitem", "nation", "orders", "part", "partsupp", "region", "supplier"]


def generate(connection, scale):
    connection.execute(f"CALL dbgen(sf = {scale})")


def queries(connection):
    found = connection.execute("SELECT query_nr, query FROM tpch_queries()").fetchall()
    return [Query(number, text, text) for number, text in found]


SUITE = Suite("tpch", TABLES, generate, queries)
