"""Real databases against what truly differs between them, found by an independent method."""

import json
from pathlib import Path
from typing import Any

import pytest

import syncnb as sn
from syncnb.schema import fold

PAIRS = {
    "chinook": ("chinook/Chinook_Sqlite.sqlite", "chinook", "chinook__sqlite_vs_pg"),
    "chinook, serial": (
        "chinook/Chinook_Sqlite_AutoIncrementPKs.sqlite",
        "chinook_serial",
        "chinook__sqlite_auto_vs_pg_serial",
    ),
    "chinook, identity": (
        "chinook/Chinook_Sqlite_AutoIncrementPKs.sqlite",
        "chinook_identity",
        "chinook__sqlite_auto_vs_pg_identity",
    ),
    "chinook, neon": ("chinook/Chinook_Sqlite.sqlite", "chinook_neon", "chinook__sqlite_vs_pg_neon"),
    "northwind, small": ("northwind/northwind_small.sqlite", "northwind", "northwind__small_vs_pg"),
    "northwind, updated": ("northwind/northwind_updated.sqlite", "northwind", "northwind__updated_vs_pg"),
    "employee": ("employee/sqlite/dataset_small/employee.db", "employee", "employee__sqlite_vs_pg"),
}


def truth(table: dict[str, Any]) -> dict[str, Any]:
    return {
        "rows": (table["rows_sqlite"], table["rows_pg"]),
        "same": table["identical"]["typed"],
        "changed": table["differing"]["typed"],
        "only": (table["only_sqlite"], table["only_pg"]),
        "cells": {fold(name): n for name, n in table["differing_cells_by_column"]["typed"].items()},
    }


def found(table: sn.TableDiff) -> dict[str, Any]:
    counts = table.counts
    return {
        "rows": (counts.rows_local, counts.rows_remote),
        "same": counts.same,
        "changed": counts.changed,
        "only": (counts.only_local, counts.only_remote),
        "cells": {fold(name): n for name, n in table.cell_counts.items()},
    }


@pytest.mark.parametrize(("sqlite", "postgres", "oracle"), PAIRS.values(), ids=PAIRS)
def test_finds_exactly_what_differs(
    data_home: Path, dataset: Any, sqlite: str, postgres: str, oracle: str
) -> None:
    wanted = json.loads((data_home / "oracle" / f"{oracle}.json").read_text())["tables"]
    tables = {"Regions": "region"} if postgres == "northwind" else None
    d = sn.diff(sn.connect(data_home / sqlite), sn.connect(dataset(postgres)), tables=tables)
    assert {name: found(d[name]) for name in wanted} == {name: truth(table) for name, table in wanted.items()}
    assert not any(entry.what == "column" for table in d.tables for entry in table.uncompared)


def test_a_month_of_flights_is_equal(data_home: Path, dataset: Any) -> None:
    d = sn.diff(sn.connect(data_home / "nycflights13/jan_typed.sqlite"), sn.connect(dataset("nycflights")))
    assert d.verdict == "equal"
    assert {name: d[name].counts.same for name in d} == {
        "airlines": 16,
        "airports": 1458,
        "flights": 27004,
        "planes": 3322,
        "weather": 2226,
    }
    assert set(d.how["strategy"]) == {"stream"}


def test_unmatched_tables_are_said(data_home: Path, dataset: Any) -> None:
    d = sn.diff(
        sn.connect(data_home / "employee/sqlite/dataset_small/employee.db"), sn.connect(dataset("employee"))
    )
    assert d.verdict == "equal_except"
    assert (d.unmatched_local, d.unmatched_remote) == (
        ("expected_value", "found_value", "tchecksum"),
        ("audit",),
    )
