"""SQLAlchemy over PyMySQL: what its inspector and its reflection make of the stages of the runner's shop."""

import os

import dbapi
import sqlalchemy
from sqlalchemy import MetaData, create_engine, func, inspect, select

print("version", sqlalchemy.__version__)
engine = create_engine(f"mysql+pymysql://root@{dbapi.HOST}:{dbapi.PORT}/shop")
inspector = inspect(engine)

dbapi.expect("schemas", "shop" in inspector.get_schema_names(), True)
print("did schemas")
dbapi.expect("tables", sorted(inspector.get_table_names(schema="shop")), ["bills", "goods"])
dbapi.expect("views", inspector.get_view_names(schema="shop"), [])
dbapi.expect("is there", (inspector.has_table("goods"), inspector.has_table("nothing")), (True, False))
print("did tables")

columns = {column["name"]: column for column in inspector.get_columns("goods")}
dbapi.expect("columns", list(columns), ["name", "size", "md5", "last_modified", "creator"])
dbapi.expect("type of name", str(columns["name"]["type"]), "VARCHAR(1024)")
dbapi.expect("type of size", type(columns["size"]["type"]).__name__, "BIGINT")
dbapi.expect("type of time", columns["last_modified"]["type"].fsp, 3)
dbapi.expect("nullable", [column["nullable"] for column in columns.values()], [False, False, True, True, True])
print("did columns")

dbapi.expect("indexes", inspector.get_indexes("goods"), [])
dbapi.expect("primary key", inspector.get_pk_constraint("goods")["constrained_columns"], [])
dbapi.expect("foreign keys", inspector.get_foreign_keys("goods"), [])
dbapi.expect("unique", inspector.get_unique_constraints("goods"), [])
dbapi.expect("checks", inspector.get_check_constraints("goods"), [])
dbapi.expect("comment", inspector.get_table_comment("goods")["text"], "what is sold")
print("did keys, indexes, comments")

metadata = MetaData()
metadata.reflect(engine, views=True)
dbapi.expect("reflected", sorted(metadata.tables), ["bills", "goods"])
# The server's own tables have names of their own, and columns of many types.
for schema in ("information_schema", "performance_schema", "mysql"):
    everything = MetaData()
    everything.reflect(engine, schema=schema, views=True)
    dbapi.expect(f"reflected {schema}", len(everything.tables) > 0, True)
print("did reflection")

goods = metadata.tables["goods"]
with engine.connect() as connection:
    rows = connection.execute(select(goods.c.name, goods.c.size).where(goods.c.name.like("202%")).order_by(goods.c.name.desc()))
    dbapi.expect("rows", [tuple(row) for row in rows], [("2026/small.bin", 2000), ("2025/small.bin", 2000)])
    total = connection.execute(select(func.count(), func.sum(goods.c.size))).one()
    dbapi.expect("total", tuple(map(int, total)), (3, 6000))
    modified = connection.execute(select(func.max(goods.c.last_modified))).scalar()
    dbapi.expect("type of a time", type(modified).__name__, "datetime")
print("did queries")
