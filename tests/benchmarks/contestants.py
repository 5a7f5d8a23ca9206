"""`PYTHON contestants.py NAME PATH URL`: one comparison of `items`, once, in the environment that its tools need.

Prints the seconds without imports, and how many rows are changed, only in local, only in remote. It is run as a file
and imports nothing but what each of them uses.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Counts = tuple[int, int, int]
Work = Callable[[], Counts | None]

NAMES = ("name", "price", "qty", "active", "updated_at", "note")
"""Columns beside the key."""
CHANGED = "count(*) FILTER (WHERE l.id = r.id), count(*) FILTER (WHERE r.id IS NULL), count(*) FILTER (WHERE l.id IS NULL)"


def drain(path: str, url: str) -> Work:
    """Floor: one `COPY` of the whole table, thrown away."""
    import psycopg

    def work() -> None:
        with (
            psycopg.connect(url) as connection,
            connection.cursor().copy("COPY (TABLE items ORDER BY id) TO STDOUT") as copy,
        ):
            for _ in copy:
                pass

    return work


def sqlite_read(path: str, url: str) -> Work:
    """Floor: every row of the SQLite file as Python values, thrown away."""
    import sqlite3

    def work() -> None:
        cursor = sqlite3.connect(path).execute("SELECT * FROM items ORDER BY id")
        while cursor.fetchmany(512):
            pass

    return work


def syncnb(path: str, url: str, strategy: str | None = None) -> Work:
    """Ours."""
    import pandas
    import psycopg  # noqa: F401

    import syncnb as sn
    import syncnb.stores.postgres_digests

    # Modules are loaded on first use: here, so that no import is timed.
    rows = sn.connect({"t": pandas.DataFrame({"id": [1]})})
    sn.diff(rows, rows, key="id", progress=False)

    def work() -> Counts:
        local, remote = sn.connect(path), sn.connect(url)
        counts = sn.diff(local, remote, "items", strategy=strategy, progress=False)["items"].counts  # type: ignore[arg-type]
        return counts.changed, counts.only_local, counts.only_remote

    return work


def idle(path: str, url: str) -> Work:
    """What `import syncnb` takes without any work."""
    import syncnb  # noqa: F401

    return lambda: time.sleep(0.5)


def duckdb(path: str, url: str) -> Work:
    """DuckDB with its two scanners: a full join."""
    import duckdb as db
    import duckdb_extension_postgres_scanner
    import duckdb_extension_sqlite_scanner

    connection = db.connect(config={"allow_unsigned_extensions": "true"})
    for module in (duckdb_extension_postgres_scanner, duckdb_extension_sqlite_scanner):
        (file,) = Path(module.__path__[0]).rglob("*.duckdb_extension")
        connection.execute(f"LOAD '{file}'")

    def work() -> Counts:
        connection.execute(f"ATTACH '{path}' AS here (TYPE sqlite, READ_ONLY)")
        connection.execute(f"ATTACH '{url}' AS there (TYPE postgres, READ_ONLY)")
        apart = " OR ".join(
            f"l.{name}::{type_} IS DISTINCT FROM r.{name}::{type_}"
            for name, type_ in zip(
                NAMES, ("VARCHAR", "DECIMAL(12,2)", "INT", "INT", "TIMESTAMP", "VARCHAR"), strict=True
            )
        )
        found = connection.execute(
            f"SELECT {CHANGED} FROM here.items l FULL JOIN there.public.items r USING (id) "
            f"WHERE l.id IS NULL OR r.id IS NULL OR {apart}"
        )
        return found.fetchone()  # type: ignore[return-value]

    return work


def _columns(url: str) -> str:
    """The columns of PostgreSQL in the types that the SQLite file has."""
    return (
        "id, name, price::float8 AS price, qty, active::int AS active, updated_at::text AS updated_at, note"
    )


def pandas(path: str, url: str) -> Work:
    """pandas: two frames and an outer merge."""
    frames = _frames(path, url)

    def work() -> Counts:
        local, remote = frames()
        both = local.merge(remote, on="id", how="outer", suffixes=(".l", ".r"), indicator="side")
        paired = both[both["side"] == "both"]
        apart = sum(
            (paired[f"{n}.l"] != paired[f"{n}.r"]) & ~(paired[f"{n}.l"].isna() & paired[f"{n}.r"].isna())
            for n in NAMES
        )
        sides = both["side"].value_counts()
        return int((apart > 0).sum()), int(sides["left_only"]), int(sides["right_only"])

    return work


def _frames(path: str, url: str) -> Callable[[], tuple[Any, Any]]:
    """Both tables as pandas frames, stamps as text in one form."""
    import pandas as pd
    import sqlalchemy as sa

    def read() -> tuple[Any, Any]:
        local = pd.read_sql("SELECT * FROM items", sa.create_engine(f"sqlite:///{path}"))
        remote = pd.read_sql(
            f"SELECT {_columns(url)} FROM items",
            sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:")),
        )
        for frame in (local, remote):
            frame["updated_at"] = pd.to_datetime(frame["updated_at"], format="ISO8601")
        return local, remote

    return read


def datacompy(path: str, url: str) -> Work:
    """datacompy over pandas frames."""
    import datacompy as dc

    frames = _frames(path, url)

    def work() -> Counts:
        local, remote = frames()
        found = (
            dc.PandasCompare(local, remote, join_columns="id")
            if hasattr(dc, "PandasCompare")
            else dc.Compare(local, remote, join_columns="id")
        )
        return len(found.all_mismatch()), len(found.df1_unq_rows), len(found.df2_unq_rows)

    return work


def polars(path: str, url: str) -> Work:
    """polars: both read by connectorx, and a full join."""
    import connectorx  # noqa: F401
    import polars as pl

    def work() -> Counts:
        local = pl.read_database_uri(
            "SELECT id, name, CAST(price AS REAL) AS price, qty, active, CAST(updated_at AS TEXT) AS at, note FROM items",
            f"sqlite://{path}",
        )
        remote = pl.read_database_uri(f"SELECT {_columns(url)} FROM items", url).rename({"updated_at": "at"})
        both = local.with_columns(pl.lit(1).alias("one")).join(
            remote.with_columns(pl.lit(1).alias("one")), on="id", how="full", suffix=".r"
        )
        paired = both.filter(pl.col("one").is_not_null() & pl.col("one.r").is_not_null())
        moment = [
            pl.col(name).str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us") for name in ("at", "at.r")
        ]
        apart = [pl.col(n).ne_missing(pl.col(f"{n}.r")) for n in ("name", "price", "qty", "active", "note")]
        changed = paired.filter(pl.any_horizontal(*apart, moment[0].ne_missing(moment[1]))).height
        return changed, both["one.r"].null_count(), both["one"].null_count()

    return work


def reladiff(path: str, url: str) -> Work:
    """reladiff between two PostgreSQL tables: the one as it was, and the other."""
    import reladiff as rd

    def work() -> Counts:
        tables = [rd.connect_to_table(url, name, "id") for name in ("items_kept", "items")]
        signs: dict[str, set[Any]] = {"-": set(), "+": set()}
        for sign, row in rd.diff_tables(
            *tables, extra_columns=NAMES, bisection_factor=64, bisection_threshold=20_000
        ):
            signs[sign].add(row[0])
        gone, come = signs["-"], signs["+"]
        return len(gone & come), len(gone - come), len(come - gone)

    return work


CONTESTANTS: dict[str, Callable[..., Work]] = {
    "drain": drain, "sqlite_read": sqlite_read, "syncnb": syncnb, "idle": idle, "duckdb": duckdb, "polars": polars,
    "datacompy": datacompy, "pandas": pandas, "reladiff": reladiff,
}  # fmt: skip


if __name__ == "__main__":
    name, *told = sys.argv[1:]
    if sys.path[0] == str(Path(__file__).parent):
        del sys.path[0]  # none of the names beside this file is meant
    work = CONTESTANTS[name](*told)
    started = time.perf_counter()
    counts = work()
    print(json.dumps({"seconds": time.perf_counter() - started, "counts": counts}))
