"""CSV files that are great enough to be cut: one whose lines are rows, and one where some values have line ends."""

from side_by_side import Query, Suite

TABLES = ["straight", "broken"]


def generate(connection, scale):
    rows = round(float(scale) * 1_000_000)
    texts = {"straight": "', \"' || range || '\"'", "broken": "CASE range % 9973 WHEN 5 THEN chr(10) || ',' ELSE ' ' END || range"}
    for table, text in texts.items():
        connection.execute(
            f"CREATE TABLE {table} AS SELECT range AS id, {text} AS t, md5(range::VARCHAR) AS pad FROM range({rows})"
        )


def queries(connection):
    texts = []
    for table in TABLES:
        texts.append(f"SELECT COUNT(*), SUM(id), MAX(CHAR_LENGTH(t)), MIN(pad), MAX(pad), COUNT(DISTINCT t) FROM {table}")
        texts.append(f"SELECT id, t FROM {table} WHERE id % 99991 = 7 ORDER BY id")
    there = [text.replace("CHAR_LENGTH", "length") for text in texts]
    return [Query(number, *both) for number, both in enumerate(zip(texts, there), 1)]


SUITE = Suite("lines", TABLES, generate, queries)
