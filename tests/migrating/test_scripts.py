"""A migration as files: they run without syncnb, and give the same catalogue."""

import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest

import syncnb as sn
from syncnb.embedded import available
from tests.databases import Workbench
from tests.migrating.scene import catalogue
from tests.migrating.test_steps import ENGINES, made

pytestmark = pytest.mark.skipif(not available(), reason="no PostgreSQL here")
NAMES = ("fix_wand_source_id_in_integration_tables.sql", "add_unique_constraints_to_integration_tables.sql")
STEPS = [
    sn.remedy("add_column", "p", "copy", type="text"),
    sn.remedy("backfill", "p", "copy", source="code"),
    sn.remedy("unique", "p", ("copy", "old"), nulls_distinct=False),
    sn.remedy("index", "c", "p_id", name="it's"),
]
SQLITE_ONLY = [sn.remedy("not_null", "c", "p_id"), sn.remedy("foreign_key", "c", "p_id", source="p (id)")]


def run(store: Any, url: str, path: Path) -> None:
    """As an administrator would: with the engine's own program, if it is here."""
    if store.dialect == "sqlite":
        if program := shutil.which("sqlite3"):
            subprocess.run([program, "-bail", store.path, f".read '{path}'"], check=True, capture_output=True)
            return
        connection = sqlite3.connect(store.path, isolation_level=None)
        connection.executescript(path.read_text())
        connection.close()
        return
    if program := shutil.which("psql"):
        command = [program, "-v", "ON_ERROR_STOP=1", "-q", url, "-f", str(path)]
        subprocess.run(command, check=True, capture_output=True)
        return
    with psycopg.connect(url, autocommit=True) as connection_:
        for statement in path.read_text().split(";\n"):
            connection_.execute(statement.encode() or b"SELECT 1")


@pytest.mark.parametrize("engine", ENGINES)
def test_the_files_do_what_apply_does_and_the_way_back(bench: Workbench, engine: str, tmp_path: Path) -> None:
    store = made(bench, engine)
    steps = STEPS + (SQLITE_ONLY if engine == "sqlite" else [])
    before = catalogue(store)
    plan = sn.migrate(store, steps)
    paths = plan.save_sql(tmp_path, names=NAMES)
    assert [path.name for path in paths] == list(NAMES)
    for path in paths:
        run(store, bench.last, path)
    scripted = catalogue(store)
    for path in reversed(paths):
        run(store, bench.last, path.with_suffix("").with_suffix(".down.sql"))
    assert catalogue(store) == before
    sn.apply(plan, store, allow=tuple({hazard.name for hazard in plan.hazards}))
    assert catalogue(store) == scripted


def test_the_files_are_numbered_unless_told(bench: Workbench, tmp_path: Path) -> None:
    plan = sn.migrate(made(bench, "postgresql"), STEPS)
    names = [path.name for path in plan.save_sql(tmp_path)]
    assert names == ["001_columns_and_values.sql", "002_rules_and_indexes.sql"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [*names, "001_columns_and_values.down.sql", "002_rules_and_indexes.down.sql"]
    )
    assert [path.name for path in plan.save_sql(tmp_path, names=["all"])] == ["all.sql"]
    with pytest.raises(sn.PlanError, match="a name of a file is a path"):
        plan.save_sql(tmp_path, names=["../x"])


ENV = """
from alembic import context
from sqlalchemy import create_engine
engine = create_engine({url!r})
with engine.connect() as connection:
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
"""


@pytest.mark.parametrize("online", [False, True], ids=["at once", "online"])
@pytest.mark.parametrize("engine", ENGINES)
def test_the_revision_upgrades_and_downgrades(
    bench: Workbench, engine: str, online: bool, tmp_path: Path
) -> None:
    store = made(bench, engine)
    before = catalogue(store)
    plan = sn.migrate(
        store, [*STEPS, sn.remedy("unique", "c", ("coalesce(note, ':x')", "id"))], online=online
    )
    (tmp_path / "versions").mkdir()
    plan.save_alembic(tmp_path / "versions", revision="one")
    url = (
        f"sqlite:///{store.path}"
        if engine == "sqlite"
        else bench.last.replace("postgresql:", "postgresql+psycopg:")
    )
    (tmp_path / "env.py").write_text(ENV.format(url=url))
    (tmp_path / "alembic.ini").write_text(f"[alembic]\nscript_location = {tmp_path}\n")
    alembic(tmp_path, "upgrade", "head")
    upgraded = without_alembic(catalogue(store))
    alembic(tmp_path, "downgrade", "base")
    assert without_alembic(catalogue(store)) == before
    again = sn.migrate(
        store, [*STEPS, sn.remedy("unique", "c", ("coalesce(note, ':x')", "id"))], online=online
    )
    sn.apply(again, store, allow=tuple({hazard.name for hazard in again.hazards}))
    assert without_alembic(catalogue(store)) == upgraded


def alembic(folder: Path, *words: str) -> None:
    command = [sys.executable, "-m", "alembic", "-c", str(folder / "alembic.ini"), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def without_alembic(found: Any) -> Any:
    return {name: objects for name, objects in found.items() if name != "alembic_version"}
