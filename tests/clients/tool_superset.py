"""Apache Superset: its own commands, then its REST API, over the stages of the runner's shop."""

import os
import pathlib
import subprocess
import sys
from importlib.metadata import version

import dbapi

WORK = pathlib.Path(os.environ["STAGEWIRE_WORK"])
CONFIG = WORK / "superset_config.py"
CONFIG.write_text(
    f"""
SECRET_KEY = "for a test alone, and long enough for that"
SQLALCHEMY_DATABASE_URI = "sqlite:///{WORK}/superset.db"
WTF_CSRF_ENABLED = False
TALISMAN_ENABLED = False
"""
)
os.environ |= {"SUPERSET_CONFIG_PATH": str(CONFIG), "SUPERSET_HOME": str(WORK), "FLASK_APP": "superset"}
# Both drivers that its users take.
URIS = {driver: f"mysql+{driver}://root@{dbapi.HOST}:{dbapi.PORT}/shop" for driver in ("pymysql", "mysqldb")}
GRAINS = ["PT1S", "PT1M", "PT1H", "P1D", "P1W", "P1M", "P3M", "P1Y", "1969-12-29T00:00:00Z/P1W"]


def command(*words):
    superset = pathlib.Path(sys.executable).parent / "superset"
    subprocess.run([superset, *words], check=True, stdout=subprocess.DEVNULL)


def asked(answer, status):
    """The body of an answer, which has to have this status."""
    if answer.status_code != status:
        sys.exit(f"{answer.request.path}: expected status {status}, found {answer.status_code}: {answer.text[:2000]}")
    return answer.json


def chart(client, headers, dataset, query):
    body = {
        "datasource": {"id": dataset, "type": "table"}, "force": True, "queries": [query],
        "result_format": "json", "result_type": "full",
    }
    result = asked(client.post("/api/v1/chart/data", json=body, headers=headers), 200)["result"][0]
    dbapi.expect("error of a chart", result["error"], None)
    return result["data"]


def main():
    print("version", version("apache-superset"), flush=True)
    command("db", "upgrade")
    command(
        "fab", "create-admin", "--username", "admin", "--password", "admin", "--firstname", "a", "--lastname", "b",
        "--email", "a@example.com",
    )
    command("init")

    from superset.app import create_app

    client = create_app().test_client()
    account = {"username": "admin", "password": "admin", "provider": "db", "refresh": False}
    token = asked(client.post("/api/v1/security/login", json=account), 200)["access_token"]
    headers = {"Authorization": f"Bearer {token}"}

    for driver, uri in URIS.items():
        body = {"sqlalchemy_uri": uri, "database_name": driver}
        asked(client.post("/api/v1/database/test_connection/", json=body, headers=headers), 200)
        body["expose_in_sqllab"] = True
        database = asked(client.post("/api/v1/database/", json=body, headers=headers), 201)["id"]
    print("did test_connection")

    schemas = asked(client.get(f"/api/v1/database/{database}/schemas/", headers=headers), 200)["result"]
    dbapi.expect("schemas", "shop" in schemas, True)
    print("did schemas")
    path = f"/api/v1/database/{database}/tables/?q=(schema_name:shop,force:!t)"
    tables = asked(client.get(path, headers=headers), 200)["result"]
    dbapi.expect("tables", sorted(table["value"] for table in tables), ["bills", "goods"])
    print("did tables")
    path = f"/api/v1/database/{database}/table_metadata/?name=goods&schema=shop"
    columns = asked(client.get(path, headers=headers), 200)["columns"]
    names = ["name", "size", "md5", "last_modified", "creator"]
    dbapi.expect("columns", [column["name"] for column in columns], names)
    print("did columns")

    body = {"database": database, "schema": "shop", "table_name": "goods"}
    dataset = asked(client.post("/api/v1/dataset/", json=body, headers=headers), 201)["id"]
    print("did dataset")
    total = {"expressionType": "SIMPLE", "column": {"column_name": "size"}, "aggregate": "SUM", "label": "bytes"}
    query = {
        "columns": ["name"], "metrics": [total], "orderby": [["bytes", False], ["name", True]], "row_limit": 10,
        "filters": [{"col": "name", "op": "LIKE", "val": "202%"}],
    }
    rows = [(row["name"], int(row["bytes"])) for row in chart(client, headers, dataset, query)]
    dbapi.expect("chart", sorted(rows), [("2025/small.bin", 2000), ("2026/small.bin", 2000)])
    print("did chart data")
    for grain in GRAINS:
        axis = {
            "timeGrain": grain, "columnType": "BASE_AXIS", "sqlExpression": "last_modified", "label": "last_modified",
            "expressionType": "SQL",
        }
        query = {
            "columns": [axis], "granularity": "last_modified", "metrics": ["count"], "row_limit": 10,
            "time_range": "2020-01-01 : 2100-01-01", "extras": {"time_grain_sqla": grain},
        }
        rows = chart(client, headers, dataset, query)
        dbapi.expect(f"files by {grain}", sum(row["count"] for row in rows), 3)
    print("did charts by time")

    body = {
        "database_id": database, "schema": "shop", "sql": "SELECT name, size FROM goods ORDER BY name",
        "client_id": "stagewire", "runAsync": False,
    }
    rows = asked(client.post("/api/v1/sqllab/execute/", json=body, headers=headers), 200)["data"]
    dbapi.expect("SQL Lab", [row["size"] for row in rows], [2000, 2000, 2000])
    print("did SQL Lab")


main()
