"""The journal, on both engines: made, used by an ordinary role, settled, purged, read in a later kernel."""

import json
import shutil
import socket
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pytest
import sqlalchemy
from psycopg import sql
from sqlalchemy import Connection, create_engine, inspect, text
from sqlalchemy.schema import DropTable

import syncnb as sn
from syncnb import clock, journal
from syncnb.errors import PlanError, ReadError, WriteError
from syncnb.journal import imaging
from syncnb.journal.ddl import AddColumn
from syncnb.journal.history import Runs, history
from syncnb.journal.tables import Tables, tables_of
from syncnb.steps import Block, Outcome, Refusal, Report
from syncnb.steps.codec import canonical, parse
from syncnb.steps.forms import report_from_json, report_to_json
from syncnb.steps.packing import pack
from syncnb.stores.core import postgres_core, sqlite_core
from syncnb.values.raw import BadText, from_python, to_python
from tests.databases import Workbench

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
Open = Callable[[], Connection]


@pytest.fixture(autouse=True)
def noon(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is noon until a test says otherwise."""
    at(monkeypatch, NOON)


def at(monkeypatch: pytest.MonkeyPatch, moment: datetime) -> None:
    monkeypatch.setenv("SYNCNB_NOW", moment.isoformat())


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each engine, as a URL of SQLAlchemy."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'target.db'}"
    return str(request.getfixturevalue("pg")).replace("postgresql://", "postgresql+psycopg://")


@pytest.fixture
def opened(address: str) -> Iterator[Open]:
    """Opens connections to that database; all are closed at the end."""
    engine = create_engine(address)
    made: list[Connection] = []

    def connect() -> Connection:
        made.append(engine.connect())
        return made[-1]

    yield connect
    for connection in made:
        connection.close()
    engine.dispose()


@pytest.fixture
def installed(opened: Open) -> Connection:
    """A connection to a database with a journal."""
    connection = opened()
    journal.install(connection)
    connection.commit()
    return connection


def begin(connection: Connection, plan_id: str = "p1", **more: object) -> int:
    run = journal.begin_run(connection, **{"plan_id": plan_id, "source": "cache.db", **more})  # type: ignore[arg-type]
    connection.commit()
    return run


REPORT = Report(
    plan_id="p1",
    run=1,
    status="refused",
    totals={"hosts": {"inserted": 1, "updated": 2, "deleted": 0, "unchanged": 0, "rejected": 1}},
    results=(
        Outcome(1, "hosts", "7", "update", Refusal.CHANGED, "planned 1, found 'é'"),
        Outcome(2, "hosts", "8", "insert", None, ""),
    ),
    guarantee="a lost answer is settled by the marker",
)
MIXED = from_python([1, "1", 0.5, b"\x00", BadText(b"\xff"), None])
UPDATED = Block(
    "hosts", "update", ("id",), ("id", "name", "load", "at"), (pa.array(range(6), pa.int64()),),
    before=(pa.array(range(6), pa.int64()), pa.array(["a", None, "ü", "\x00", "", "NULL"]), MIXED, pa.nulls(6)),
    after=(pa.array(range(6), pa.int64()), pa.nulls(6), pa.array([-0.0, 1e300, None, 5e-324, 1.5, 2.0]), pa.array([b"", None] * 3)),
    path=("public", "hosts"),
)  # fmt: skip


# --- making it


def test_where_nothing_was_installed_there_is_nothing(opened: Open) -> None:
    connection = opened()
    assert not journal.is_installed(connection)
    assert journal.version(connection) is None
    assert journal.store_id(connection) is None
    assert journal.last_run(connection) == 0
    assert journal.runs(connection) == []
    with pytest.raises(PlanError, match="there is no run 1"):
        journal.run_report(connection, 1)
    with pytest.raises(PlanError, match="there is no run 1"):
        list(journal.read_images(connection, 1))
    assert journal.purge(connection, before=NOON).runs == ()


def test_installing_twice_is_installing_once(opened: Open) -> None:
    connection = opened()
    journal.install(connection)
    connection.commit()
    made, known = catalogue(connection), journal.store_id(connection)
    assert begin(connection) == 1
    journal.install(connection)
    connection.commit()
    assert catalogue(connection) == made
    assert journal.store_id(connection) == known
    assert len(known or "") >= 32
    assert journal.is_installed(connection)
    assert journal.version(connection) == journal.VERSION
    assert journal.last_run(connection) == 1


def catalogue(connection: Connection) -> dict[str, list[str]]:
    eyes, schema = inspect(connection), tables_of(connection).schema
    return {
        name: [f"{column['name']} {column['type']}" for column in eyes.get_columns(name, schema=schema)]
        for name in sorted(eyes.get_table_names(schema=schema))
    }


def test_two_that_install_at_once_both_find_one_journal(pg: str) -> None:
    engine = create_engine(pg.replace("postgresql://", "postgresql+psycopg://"))
    ready, problems = threading.Barrier(4), []

    def install() -> None:
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
            ready.wait()
            try:
                journal.install(connection)
                connection.commit()
            except BaseException as error:
                problems.append(error)

    threads = [threading.Thread(target=install) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    engine.dispose()
    assert problems == []
    with psycopg.connect(pg) as connection:
        assert connection.execute("SELECT count(*) FROM syncnb.meta").fetchone() == (2,)


def test_the_script_makes_what_install_makes(opened: Open, address: str, tmp_path: Path) -> None:
    connection = opened()
    dialect = connection.dialect.name
    script = journal.install_sql(dialect)
    assert journal.install_sql(dialect) == script
    for _ in range(2):
        run_script(address, script, tmp_path)
    by_script = catalogue(connection)
    assert journal.is_installed(connection)
    assert journal.missing_rights(connection) == []
    assert begin(connection) == 1
    for table in reversed(tables_of(connection).all):
        connection.execute(DropTable(table))
    journal.install(connection)
    assert catalogue(connection) == by_script


def test_the_script_takes_any_name(pg: str, tmp_path: Path) -> None:
    role, schema = 'o\'neil "50%"', "Our: 1% Journal"
    with psycopg.connect(pg, autocommit=True) as owner:
        owner.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(role)))
        run_script(pg, journal.install_sql("postgresql", role=role, schema=schema), tmp_path)
        asked = "SELECT has_schema_privilege(%s, %s, 'USAGE'), has_table_privilege(%s, %s, 'UPDATE')"
        names = (role, schema, role, f'"{schema}".runs')
        assert owner.execute(asked, names).fetchone() == (True, True)
        for statement in ("DROP OWNED BY {}", "DROP ROLE {}"):
            owner.execute(sql.SQL(statement).format(sql.Identifier(role)))


def run_script(address: str, script: str, folder: Path) -> None:
    """As an administrator would: by the engine's own shell where there is one."""
    if address.startswith("sqlite"):
        with closing(sqlite3.connect(address.removeprefix("sqlite:///"), isolation_level=None)) as connection:
            connection.executescript(script)
        return
    url = address.replace("+psycopg", "")
    file = folder / "journal.sql"
    file.write_text(script, "utf-8")
    if psql := shutil.which("psql"):
        subprocess.run(
            [psql, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", file, url], check=True, capture_output=True
        )
    else:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(script.encode())


def test_a_journal_may_have_another_name(pg: str, tmp_path: Path) -> None:
    run_script(pg, journal.install_sql("postgresql", schema="Our Journal"), tmp_path)
    engine = create_engine(pg.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection:
        assert not journal.is_installed(connection)
        connection.execution_options(syncnb_schema="Our Journal")
        assert journal.is_installed(connection)
        assert begin(connection) == 1
    engine.dispose()


def _stream(*arrays: pa.Array) -> bytes:
    """An Arrow stream that `pack` would not make."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, pa.schema([("0", arrays[0].type)])) as stream:
        for array in arrays:
            stream.write_batch(pa.record_batch([array], names=["0"]))
    made: bytes = sink.getvalue().to_pybytes()
    return made


def make_older(connection: Connection) -> None:
    """The journal as a made-up version 0 had it, with a run in it."""
    begin(connection, caller="before")
    ours = tables_of(connection)
    for name in ("purged", "stages"):
        connection.execute(text(f"ALTER TABLE {ours.runs.fullname} DROP COLUMN {name}"))
    connection.execute(ours.meta.update().where(ours.meta.c.key == "version").values(value="0"))
    connection.commit()


def missing(ours: Tables) -> tuple[AddColumn, ...]:
    return AddColumn(ours.runs, "purged"), AddColumn(ours.runs, "stages")


def test_an_older_journal_is_read_as_it_is_and_brought_up_to_date(installed: Connection) -> None:
    wanted = {name: sorted(columns) for name, columns in catalogue(installed).items()}
    make_older(installed)
    assert journal.is_installed(installed)
    assert [(run.caller, run.purged) for run in journal.runs(installed)] == [("before", None)]
    journal.install(installed, upgrades={0: missing})
    installed.commit()
    assert {name: sorted(columns) for name, columns in catalogue(installed).items()} == wanted
    assert journal.version(installed) == journal.VERSION
    assert [(run.run, run.caller, run.stages) for run in journal.runs(installed)] == [(1, "before", 1)]
    assert begin(installed) == 2


VERSION_1 = Path(__file__).parent / "journals"
"""What version 1 left behind after one run: a journal and its table, as a script for each engine."""


def older(bench: Workbench, engine: str) -> sn.Store:
    script = (VERSION_1 / f"version1.{engine}.sql").read_text("utf-8")
    if engine == "postgresql":
        bench.postgresql(script)
        return sn.connect(bench.last, writable=True)
    path = Path(bench.sqlite().path)  # type: ignore[attr-defined]
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)
    return sn.connect(path, writable=True)


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_the_journal_of_version_1_is_read_undone_and_brought_up_to_date(
    bench: Workbench, engine: str
) -> None:
    store = older(bench, engine)
    before = [(1, "one", -0.5, b"\x00\xff"), (2, None, 0.25, None), (3, "drei", None, b"")]
    assert history(store).frame["status"].tolist() == ["success"]
    assert sn.verify(1, store), sn.verify(1, store)
    with journal.journal_connection(store) as connection:
        assert connection is not None
        assert journal.version(connection) == 1, "who only reads upgrades nothing"
    plan = sn.undo(1, store)
    report = sn.apply(plan, store, allow=[hazard.name for hazard in plan.hazards])
    assert (report.run, report.status) == (2, "applied")
    assert rows_of(store, "items") == before
    with journal.journal_connection(store) as connection:
        assert connection is not None
        assert journal.version(connection) == journal.VERSION
        old, new = (list(journal.read_images(connection, run)) for run in (1, 2))
        packed = connection.execute(
            text(
                f"SELECT run, packed IS NULL FROM {tables_of(connection).images.fullname} ORDER BY run, step"
            )
        ).all()
    assert {run: bool(empty) for run, empty in packed} == {1: True, 2: False}
    assert [block.verb for block in old] == ["insert", "update", "update", "delete"]
    assert {block.verb for block in new} == {"delete", "update", "insert"}
    again = sn.undo(2, store)
    sn.apply(again, store, allow=[hazard.name for hazard in again.hazards])
    assert rows_of(store, "items")[0] == (1, "uno", -0.5, b"\x00\xff")


def rows_of(store: sn.Store, name: str) -> list[tuple[object, ...]]:
    with store.reading() as reader:
        table = reader.schema().find(name)
        names = [column.name for column in table.columns]
        batches = list(reader.batches(table, names, order=["id"]))
        return [
            row
            for batch in batches
            for row in zip(*(to_python(column) for column in batch.columns), strict=True)
        ]


def test_whoever_does_not_own_an_older_journal_is_told_whom_to_ask(pg: str, clerk: Open) -> None:
    with psycopg.connect(pg, autocommit=True) as owner:
        owner.execute((VERSION_1 / "version1.postgresql.sql").read_bytes())
        owner.execute("GRANT USAGE ON SCHEMA syncnb TO clerk")
        owner.execute("GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA syncnb TO clerk")
        owner.execute("GRANT UPDATE ON syncnb.runs TO clerk")
    with clerk() as connection, pytest.raises(WriteError, match="must be owner") as told:
        journal.install(connection)
    assert "syncnb journal --sql" in told.value.hint
    with psycopg.connect(pg, autocommit=True) as owner:
        owner.execute(journal.install_sql("postgresql", role="clerk").encode())
    with clerk() as connection:
        journal.install(connection)
        run = begin(connection)
        assert journal.store_images(connection, run, 1, UPDATED) == 1
        same(UPDATED, next(journal.read_images(connection, run)))


SPOILT = {
    "no stream at all": b"nothing",
    "an empty one": b"",
    "cut short": pack([pa.array([1, 2, 3])])[:-60],
    "a column too few": pack([pa.array(range(6))] * 8),
    "a type that no image has": _stream(pa.array([1], pa.int8())),
    "two batches": _stream(pa.array([1]), pa.array([2])),
}


@pytest.mark.parametrize("packed", SPOILT.values(), ids=SPOILT)
def test_images_that_were_changed_by_hand_are_refused(installed: Connection, packed: bytes) -> None:
    run = begin(installed)
    journal.store_images(installed, run, 1, UPDATED)
    installed.execute(tables_of(installed).images.update().values(packed=packed))
    with pytest.raises(PlanError, match="cannot be read"):
        list(journal.read_images(installed, run))


@pytest.mark.parametrize(("told", "said"), [("99", "has version 99"), ("many", "tell no version")])
def test_a_journal_that_is_not_known_is_refused(installed: Connection, told: str, said: str) -> None:
    meta = tables_of(installed).meta
    installed.execute(meta.update().where(meta.c.key == "version").values(value=told))
    installed.commit()
    for ask in (journal.is_installed, journal.install, journal.last_run, journal.runs):
        with pytest.raises(PlanError, match=said):
            ask(installed)


def test_the_journal_is_never_compared(bench: Workbench) -> None:
    stores = [
        bench.make(engine, "CREATE TABLE hosts (id INTEGER PRIMARY KEY)")
        for engine in ("sqlite", "postgresql")
    ]
    for url in (f"sqlite:///{stores[0].path}", bench.last.replace("postgresql://", "postgresql+psycopg://")):  # type: ignore[attr-defined]
        engine = create_engine(url)
        with engine.connect() as connection:
            connection.execute(text("DROP SCHEMA IF EXISTS syncnb CASCADE")) if "postgres" in url else None
            journal.install(connection)
            begin(connection)
            if "postgres" in url:  # even where somebody put it on the path
                name = sqlalchemy.make_url(url).database
                connection.execute(text(f"ALTER DATABASE {name} SET search_path = public, syncnb"))
                connection.commit()
        engine.dispose()
    try:
        assert [[table.name for table in store.inspect().tables] for store in stores] == [
            ["hosts"],
            ["hosts"],
        ]
        assert sn.diff(stores[0], stores[1]).verdict == "equal"
    finally:
        with psycopg.connect(bench.last, autocommit=True) as cleaner:
            cleaner.execute(f"ALTER DATABASE {cleaner.info.dbname} RESET search_path")
            cleaner.execute("DROP SCHEMA syncnb CASCADE")


# --- rights


@pytest.fixture
def clerk(pg: str) -> Iterator[Callable[[], Connection]]:
    """Connections of an ordinary role, which may do nothing but connect."""
    with psycopg.connect(pg, autocommit=True) as owner:
        owner.execute("DROP ROLE IF EXISTS clerk")
        owner.execute("CREATE ROLE clerk LOGIN PASSWORD 'pw'")
    engine = create_engine(
        f"postgresql+psycopg://clerk:pw@{pg.rpartition('@')[2]}", poolclass=sqlalchemy.NullPool
    )
    yield engine.connect
    engine.dispose()
    with psycopg.connect(pg, autocommit=True) as owner:
        owner.execute("DROP OWNED BY clerk")
        owner.execute("DROP ROLE clerk")


def test_a_role_that_may_not_is_told_whom_to_ask(pg: str, clerk: Open) -> None:
    with clerk() as connection:
        assert journal.missing_rights(connection) == [
            f"CREATE ON DATABASE {pg.rpartition('/')[2].partition('?')[0]}"
        ]
        with pytest.raises(WriteError, match="CREATE ON DATABASE") as told:
            journal.install(connection)
    assert "syncnb journal --sql" in told.value.hint
    assert told.value.sqlstate == "42501"
    with psycopg.connect(pg, autocommit=True) as owner:
        owner.execute(journal.install_sql("postgresql").encode())
    with clerk() as connection:
        assert journal.missing_rights(connection)[0] == "USAGE ON SCHEMA syncnb"
        assert "UPDATE ON TABLE syncnb.runs" in journal.missing_rights(connection)
        assert "UPDATE ON TABLE syncnb.images" not in journal.missing_rights(connection)
        with pytest.raises(ReadError, match="permission denied") as told_reading:
            journal.is_installed(connection)
    assert "syncnb journal --sql" in told_reading.value.hint


def test_with_an_installed_journal_an_ordinary_role_works(pg: str, clerk: Open) -> None:
    with psycopg.connect(pg, autocommit=True) as owner:
        owner.execute(journal.install_sql("postgresql", role="clerk").encode())
    with clerk() as connection:
        assert journal.missing_rights(connection) == []
        journal.install(connection)
        run = begin(connection)
        journal.renew(connection, run)
        journal.mark(connection, "p1", 1, run)
        assert journal.store_images(connection, run, 1, UPDATED) == 1
        assert journal.finish_run(connection, run, status="success", report=REPORT)
        connection.commit()
        assert [block.table for block in journal.read_images(connection, run)] == ["hosts"]
        assert journal.settle(connection) == []
        assert journal.purge(connection, before=NOON + timedelta(days=1)).runs == (run,)
        with pytest.raises(WriteError, match="permission denied for table images") as told:
            journal.purge(connection, before=NOON + timedelta(days=1), dry_run=False)
        assert "administrator" in told.value.hint
        connection.rollback()
        for statement in ("DELETE FROM syncnb.markers", "UPDATE syncnb.images SET payload = ''"):
            with pytest.raises(sqlalchemy.exc.ProgrammingError, match="permission denied"):
                connection.execute(text(statement))
            connection.rollback()


# --- runs and markers


def test_numbers_rise_and_are_never_given_twice(installed: Connection) -> None:
    first = begin(installed)
    journal.begin_run(installed, plan_id="p2", source="gone")
    installed.rollback()
    second = begin(installed)
    installed.execute(tables_of(installed).runs.delete())
    installed.commit()
    third = begin(installed)
    assert first < second < third
    assert journal.last_run(installed) == third


def test_a_run_comes_back_as_it_was_written(installed: Connection) -> None:
    run = begin(
        installed, kind="undo", records=3, stages=2, caller="é'; --", approved_by="ops", allowed=("deletes", "lossy"),
        undo_of=7, backend="here 12", lease=timedelta(minutes=1),
    )  # fmt: skip
    (row,) = journal.runs(installed)
    assert row == journal.Run(
        run=run, plan_id="p1", source="cache.db", kind="undo", status="running", started=NOON, finished=None, records=3,
        inserted=0, updated=0, deleted=0, mapped=0, conflicts_resolved=0, conflicts_open=0, stages=2, caller="é'; --",
        approved_by="ops", allowed=("deletes", "lossy"), error=None, backend="here 12",
        lease_until=NOON + timedelta(minutes=1), undo_of=7, digest=None, purged=None,
    )  # fmt: skip
    assert journal.run_report(installed, run) is None
    assert journal.finish_run(
        installed,
        run,
        status="refused",
        counts={"inserted": 1, "conflicts_open": 4},
        report=REPORT,
        digest="d",
        error="x",
    )
    (row,) = journal.runs(installed)
    assert (row.status, row.finished, row.inserted, row.conflicts_open, row.digest) == (
        "refused",
        NOON,
        1,
        4,
        "d",
    )
    assert journal.run_report(installed, run) == REPORT


def test_a_marker_stands_once(installed: Connection) -> None:
    run = begin(installed)
    assert journal.marker(installed, "p1", 1) is None
    journal.mark(installed, "p1", 1, run)
    journal.mark(installed, "p1", 2, run)
    installed.commit()
    assert journal.marker(installed, "p1", 2) == journal.Marker("p1", 2, run, NOON)
    with pytest.raises(WriteError, match="writing a marker to the journal failed") as told:
        journal.mark(installed, "p1", 1, run)
    assert told.value.sqlstate == "23505"
    installed.rollback()


ENDINGS = {
    "a success is not overwritten by a failure": (["success", "failed"], "success"),
    "nor by an unknown outcome": (["success", "unknown"], "success"),
    "an unknown outcome can become a failure": (["unknown", "failed"], "failed"),
    "a success overrules a settling that came too early": (["failed", "success"], "success"),
    "a refusal stays": (["refused", "failed"], "refused"),
}


@pytest.mark.parametrize(("said", "stands"), ENDINGS.values(), ids=ENDINGS)
def test_the_last_word_is_the_true_one(installed: Connection, said: list[str], stands: str) -> None:
    run = begin(installed)
    for status in said:
        journal.finish_run(installed, run, status=status)  # type: ignore[arg-type]
    assert journal.runs(installed)[0].status == stands


LEFT = {
    "marked by itself": (1, [("p1", 1, "this")], "success"),
    "not marked": (1, [], "failed"),
    "another run of the plan marked it": (1, [("p1", 1, "other")], "failed"),
    "another plan's marker": (1, [("p2", 1, "this")], "failed"),
    "one stage of two": (2, [("p1", 1, "this")], "failed"),
    "the second stage of two, the first by an earlier run": (
        2,
        [("p1", 1, "other"), ("p1", 2, "this")],
        "success",
    ),
}


@pytest.mark.parametrize(("stages", "marks", "verdict"), LEFT.values(), ids=LEFT)
def test_a_run_that_was_left_is_settled_by_its_markers(
    installed: Connection,
    monkeypatch: pytest.MonkeyPatch,
    stages: int,
    marks: list[tuple[str, int, str]],
    verdict: str,
) -> None:
    other = begin(installed)
    journal.finish_run(installed, other, status="refused")
    run = begin(installed, stages=stages)
    for plan, stage, whose in marks:
        journal.mark(installed, plan, stage, run if whose == "this" else other)
    installed.commit()
    assert journal.settle(installed) == []
    at(monkeypatch, NOON + timedelta(minutes=6))
    assert journal.settle(installed) == [run]
    assert journal.settle(installed) == []
    assert journal.runs(installed)[1].status == verdict


def test_a_run_whose_plan_is_still_locked_is_left_alone(pg: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its lease is over, but its backend still holds the lock that applying takes: it may yet commit."""
    engine = create_engine(pg.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection, psycopg.connect(pg) as backend:
        journal.install(connection)
        held, free = begin(connection, "held"), begin(connection, "free")
        backend.execute("SELECT pg_advisory_xact_lock(hashtextextended('held', 0))")
        at(monkeypatch, NOON + timedelta(minutes=6))
        assert journal.settle(connection) == [free]
        connection.commit()
        backend.rollback()
        assert journal.settle(connection) == [held]
    engine.dispose()


def test_a_run_that_renews_its_lease_is_left_alone(
    installed: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begin(installed)
    at(monkeypatch, NOON + timedelta(minutes=4))
    journal.renew(installed, run)
    at(monkeypatch, NOON + timedelta(minutes=8))
    assert journal.settle(installed) == []
    journal.finish_run(installed, run, status="unknown")
    assert journal.settle(installed) == [run], "an unknown outcome is asked again at once"


# --- images


def same(left: Block, right: Block) -> None:
    for name in (field.name for field in fields(Block)):
        if name in ("keys", "before", "after"):
            columns = list(zip(getattr(left, name), getattr(right, name), strict=True))
            assert all(a.type == b.type for a, b in columns), name
            assert [repr(to_python(a)) for a, _ in columns] == [repr(to_python(b)) for _, b in columns], name
        else:
            assert getattr(left, name) == getattr(right, name)


def test_images_come_back_exactly(installed: Connection) -> None:
    run = begin(installed)
    steps = [UPDATED, replace(UPDATED, verb="insert", before=()), replace(UPDATED, verb="delete", after=())]
    for number, block in enumerate(steps, 1):
        journal.store_images(installed, run, number, block)
    installed.commit()
    back = list(journal.read_images(installed, run))
    for block, again in zip(steps, back, strict=True):
        same(block, again)
    assert list(journal.read_images(installed, begin(installed))) == []


def test_a_large_block_goes_in_chunks(installed: Connection) -> None:
    run, many = begin(installed), 12_001
    numbers = pa.array(range(many), pa.int64())
    # A column that is NULL in one chunk and a mixture in the next keeps its type.
    odd = from_python([None if n < 6000 else n if n % 2 else str(n) for n in range(many)])
    block = Block("hosts", "update", ("id",), ("id", "odd"), (numbers,), (numbers, odd), (numbers, numbers))
    assert journal.store_images(installed, run, 1, block) == 3
    (again,) = journal.read_images(installed, run)
    same(block, again)


def test_large_values_go_in_more_chunks(installed: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imaging, "CHUNK_BYTES", 1000)
    run = begin(installed)
    values = pa.array([b"x" * size for size in (10, 5000, 10, 400, 400, 400, 400)])
    numbers = pa.array(range(7), pa.int64())
    block = Block("files", "delete", ("id",), ("body",), (numbers,), before=(values,))
    assert journal.store_images(installed, run, 1, block) > 3
    (again,) = journal.read_images(installed, run)
    same(block, again)


def test_purging_tells_first_and_keeps_history(
    installed: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = []
    for day, status in enumerate(["success", "success", "unknown", "success"]):
        at(monkeypatch, NOON + timedelta(days=day))
        numbers.append(begin(installed))
        journal.store_images(installed, numbers[-1], 1, UPDATED)
        journal.finish_run(installed, numbers[-1], status=status, report=REPORT)  # type: ignore[arg-type]
    without = begin(installed)
    journal.finish_run(installed, without, status="success")
    installed.commit()
    before = NOON + timedelta(days=2, hours=12)
    told = journal.purge(installed, before=before)
    assert told.runs == tuple(numbers[:2])
    assert repr(told).startswith("2 runs that finished before 2026-02-03 00:00 UTC would lose their undo")
    assert all(list(journal.read_images(installed, run)) for run in numbers)
    done = journal.purge(installed, before=before, dry_run=False)
    installed.commit()
    assert (done.runs, done.done) == (told.runs, True)
    assert repr(done).endswith(f"can no longer be undone: {numbers[0]}, {numbers[1]}")
    with pytest.raises(
        PlanError, match=f"run {numbers[0]} cannot be taken back: its images were purged on 2026-02-03"
    ):
        list(journal.read_images(installed, numbers[0]))
    assert len(list(journal.read_images(installed, numbers[3]))) == 1
    assert journal.run_report(installed, numbers[0]) == REPORT
    assert journal.purge(installed, before=before).runs == ()
    with pytest.raises(PlanError, match="no zone"):
        journal.purge(installed, before=datetime(2026, 1, 1))


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_the_verb_tells_what_would_be_lost_and_takes_it_away_when_told(
    bench: Workbench, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ddl = "CREATE TABLE t (id INTEGER PRIMARY KEY)"
    local, made = bench.sqlite(ddl, "INSERT INTO t VALUES (1)"), bench.make(engine, ddl)
    place = made.path if engine == "sqlite" else bench.last  # type: ignore[attr-defined]
    remote = sn.connect(place, writable=True)
    later = NOON + timedelta(days=30)
    assert sn.purge(remote, before=later).runs == ()
    at(monkeypatch, NOON)
    r = sn.apply(sn.plan(sn.diff(local, remote), into=remote), remote)
    at(monkeypatch, later)
    assert sn.purge(remote, before=NOON).runs == ()
    told = sn.purge(sn.connect(place), before=later)
    assert repr(told).startswith("1 run that finished before 2026-03-02 12:00 UTC would lose its undo")
    assert len(sn.undo(r, remote)) == 1
    with pytest.raises(sn.WriteError, match="read-only"):
        sn.purge(sn.connect(place), before=later, dry_run=False)
    assert sn.purge(remote, before=later, dry_run=False).runs == (1,)
    with pytest.raises(sn.PlanError, match="its images were purged on 2026-03-02"):
        sn.undo(r, remote)
    assert sn.history(remote)[1] == r
    with pytest.raises(sn.PlanError, match="no zone"):
        sn.purge(remote, before=datetime(2026, 1, 1))


def test_an_ordinary_role_may_not_purge(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    ddl = "CREATE TABLE t (id INTEGER PRIMARY KEY)"
    local = bench.sqlite(ddl, "INSERT INTO t VALUES (1)")
    bench.postgresql(ddl)
    owner = sn.connect(bench.last, writable=True)
    sn.apply(sn.plan(sn.diff(local, owner), into=owner), owner)
    with psycopg.connect(bench.last, autocommit=True) as connection:
        bench.as_role("clerk_purging")
        connection.execute(journal.install_sql("postgresql", role="clerk_purging").encode())
    clerk = sn.connect(f"postgresql://clerk_purging:pw@{bench.last.rpartition('@')[2]}", writable=True)
    with pytest.raises(sn.WriteError, match="permission denied") as refused:
        sn.purge(clerk, before=datetime(2100, 1, 1, tzinfo=UTC), dry_run=False)
    assert "owner" in refused.value.hint
    assert len(sn.undo(1, owner)) == 1


# --- history


def test_a_history_is_read_without_a_trace(bench: Workbench, tmp_path: Path) -> None:
    for store in (bench.sqlite("CREATE TABLE t (a)"), bench.postgresql("CREATE TABLE t (a int)")):
        found = history(store)
        assert (len(found), list(found), len(found.frame)) == (0, [], 0)
        assert repr(found) == f"{store.name}: no runs yet"
        assert [table.name for table in store.inspect().tables] == ["t"]
    assert {path.name.partition("-")[0] for path in tmp_path.iterdir()} == {"side0.db"}
    with psycopg.connect(bench.last) as connection:
        assert connection.execute(
            "SELECT count(*) FROM pg_namespace WHERE nspname = 'syncnb'"
        ).fetchone() == (0,)
    with pytest.raises(PlanError, match=r"there is no run 12 in .*runs here: none"):
        _ = history(bench.sqlite())[12]


SHOWN = """\
{name}: 3 runs
run  source    status   started               records  inserted  updated  deleted  caller   error
  1  cache.db  success  2026-01-31 12:00:00Z        3         1        2        0  nightly
  2  cache.db  refused  2026-01-31 12:00:00Z        0         0        0        0           1 row has changed
  3  cache.db  running  2026-01-31 12:00:00Z        0         0        0        0
run 2 takes back run 1
run 3 is marked running until 2026-01-31 12:05:00Z: it is at work, or was cut off; wait until then (one at work puts it off), or {again}"""
AGAIN = "apply its plan again: nothing is written twice, and what became of this run is settled first"
STANDS: dict[str, tuple[dict[str, Any], int, str]] = {
    "at work, or its server died": (
        {"backend": "elsewhere 4711", "caller": "nightly"}, 4,
        "run 1 (nightly) is marked running until 2026-01-31 12:05:00Z: it is at work, or was cut off",
    ),
    "its lease is over": (
        {"backend": "elsewhere 4711"}, 6,
        "run 1 is still marked running, though nothing was heard of it since 2026-01-31 12:05:00Z",
    ),
    "its process is gone": (
        {"backend": f"{socket.gethostname()} 999999999", "caller": "nightly"}, 4,
        "run 1 (nightly) is still marked running, though its process on this machine is gone",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("begun", "minutes", "told"), STANDS.values(), ids=STANDS)
def test_a_run_that_has_not_ended_says_how_it_stands(
    installed: Connection,
    address: str,
    begun: dict[str, Any],
    minutes: int,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In the history, and where somebody asks for its report or its undo, which has not been said to write nothing."""
    begin(installed, **begun)
    installed.commit()
    monkeypatch.setenv("SYNCNB_NOW", f"2026-01-31T12:{minutes:02}:00+00:00")
    store = sn.connect(address.replace("+psycopg", "").removeprefix("sqlite:///"))
    found = history(store)
    assert repr(found).splitlines()[-1].startswith(f"{told}; ")
    assert repr(found).endswith(AGAIN)
    with pytest.raises(PlanError) as asked:
        _ = found[1]
    assert asked.value.message == f"no report yet: {told}"
    with pytest.raises(PlanError) as undone:
        sn.undo(1, store)
    assert undone.value.message == f"run 1 cannot be taken back yet: {told}"
    assert asked.value.hint == undone.value.hint
    assert undone.value.hint.endswith(AGAIN)
    journal.finish_run(installed, 1, status="unknown")
    installed.commit()
    with pytest.raises(PlanError, match=r"^run 1 cannot be taken back yet: whether run 1.* is not known"):
        sn.undo(1, store)


def test_a_history_is_a_frame_of_runs(installed: Connection, address: str) -> None:
    first = begin(installed, records=3, caller="nightly")
    journal.finish_run(
        installed, first, status="success", counts={"inserted": 1, "updated": 2}, report=REPORT
    )
    second = begin(installed, undo_of=first)
    journal.finish_run(
        installed, second, status="refused", error="1 row has changed", report=replace(REPORT, run=2)
    )
    begin(installed)
    installed.commit()
    store = sn.connect(address.replace("+psycopg", "").removeprefix("sqlite:///"))
    found = history(store)
    assert isinstance(found, Runs)
    assert len(found) == 3
    assert list(found.frame.columns[:13]) == [
        "run", "source", "status", "started", "finished", "records", "inserted", "updated", "deleted",
        "conflicts_resolved", "conflicts_open", "caller", "error",
    ]  # fmt: skip
    assert found.frame["updated"].tolist() == [2, 0, 0]
    assert str(found.frame["started"].dtype) == "timestamp[us, tz=UTC][pyarrow]"
    assert found.frame["finished"].isna().tolist() == [False, False, True]
    assert found[1] == REPORT
    assert found[2].run == 2
    with pytest.raises(PlanError, match="no report yet: run 3 is marked running until"):
        _ = found[3]
    with pytest.raises(PlanError, match=r"there is no run 4 .*runs here: 1, 2, 3"):
        _ = found[4]
    assert [run in found for run in (1, 3, 4)] == [True, True, False]
    assert repr(found) == SHOWN.format(name=store.name, again=AGAIN)
    assert "<table" in found._repr_html_()
    assert "nightly" in found._repr_html_()
    begin(installed)
    assert len(found) == 3, "a fact does not change"


def test_a_frame_has_no_history() -> None:
    import pandas as pd

    assert len(history(sn.connect(pd.DataFrame({"a": [1]})))) == 0


def test_the_reading_connection_cannot_write(installed: Connection, address: str) -> None:
    store = sn.connect(address.replace("+psycopg", "").removeprefix("sqlite:///"), writable=True)
    with journal.journal_connection(store) as connection:
        assert connection is not None
        assert journal.last_run(connection) == 0
        with pytest.raises(WriteError, match=r"read-only|readonly"):
            journal.begin_run(connection, plan_id="p", source="s")


def test_it_works_in_a_transaction_of_somebody_else(address: str, installed: Connection) -> None:
    """As within a writer: what is rolled back there is gone, and nothing here commits."""
    installed.commit()
    if address.startswith("sqlite"):
        own: Any = sqlite3.connect(address.removeprefix("sqlite:///"), isolation_level=None)
        core = sqlite_core(own)
    else:
        own = psycopg.connect(address.replace("+psycopg", ""), autocommit=True)
        core = postgres_core(own)
    with closing(own):
        for ending in ("ROLLBACK", "COMMIT"):
            own.execute("BEGIN")
            run = journal.begin_run(core, plan_id="p1", source="s")
            journal.mark(core, "p1", 1, run)
            journal.store_images(core, run, 1, UPDATED)
            core.commit()
            own.execute(ending)
            assert journal.last_run(installed) == (run if ending == "COMMIT" else 0)
            installed.rollback()
        own.execute("BEGIN")
        (block,) = journal.read_images(core, run)
        own.execute("ROLLBACK")
        same(UPDATED, block)


# --- forms and clock


def test_a_report_has_a_form_that_misses_nothing() -> None:
    form = report_to_json(REPORT)
    assert set(form) == {field.name for field in fields(Report)}
    assert set(form["results"][0]) == {field.name for field in fields(Outcome)}
    assert form["results"][0]["refusal"] == "CHANGED"
    assert report_from_json(parse(canonical(form))) == REPORT


@pytest.mark.parametrize(
    "change",
    [{"surprise": 1}, {"outcomes": [{"refusal": "SHY"}]}, {"outcomes": None}],
    ids=["an unknown field", "an unknown refusal", "no outcomes"],
)
def test_a_report_that_cannot_be_read_says_so(change: dict[str, object]) -> None:
    with pytest.raises(PlanError, match="a stored report cannot be read"):
        report_from_json({**report_to_json(REPORT), **change})
    with pytest.raises(PlanError, match="a stored report cannot be read"):
        report_from_json(json.loads("[]"))


def test_the_clock_stands_still_where_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNCNB_NOW", "2026-03-29T03:30:00+02:00")
    assert clock.now() == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    assert clock.now().tzinfo is UTC
    for wrong in ("yesterday", "2026-03-29T03:30:00"):
        monkeypatch.setenv("SYNCNB_NOW", wrong)
        with pytest.raises(sn.SyncnbError, match="SYNCNB_NOW is no instant"):
            clock.now()
    monkeypatch.delenv("SYNCNB_NOW")
    before = datetime.now(UTC)
    assert before <= clock.now() <= datetime.now(UTC)
