"""Faults 71 to 84: what is hostile, what must not be told, and what capture may miss."""

import csv
import html
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

import syncnb as sn
from tests.faults.places import DDL, Place, planned, said
from tests.faults.proving import edited, fault, pattern
from tests.test_connecting import elsewhere

PG = "postgresql"
EVIL = 't"; DROP TABLE keep; --'


def unquoted(name: str) -> str:
    return f'"{name}"'


@fault(
    71,
    without={
        "syncnb.stores.postgres_staging.QUOTED": unquoted,
        "syncnb.stores.postgres_copy.QUOTED": unquoted,
    },
    good=("applied", [("keep",), (EVIL,)], [(1, "'; DROP TABLE keep; --")]),
    harm=pattern(r"\('(Read|Write)Error: .*"),
)
def test_sql_in_names_and_values(place: Place) -> object:
    name, keep = f'"{EVIL.replace(chr(34), chr(34) * 2)}"', "CREATE TABLE keep (id INTEGER PRIMARY KEY)"
    ddl = f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, {name} TEXT)"
    local = place.make("sqlite", ddl, keep, f"INSERT INTO {name} VALUES (1, '''; DROP TABLE keep; --')")
    remote = place.make(PG, ddl, keep)

    def written() -> sn.Report:
        p = sn.plan(
            sn.diff(local, remote, where={EVIL: sn.col("id") < 5} if hasattr(sn, "col") else None),
            into=remote,
        )
        return sn.apply(p, remote)

    ended = said(written)
    tables = place.ask(
        remote,
        "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 1",
    )
    return ended, tables, place.ask(remote, f"SELECT * FROM {name}")


@fault(
    72,
    without={
        "syncnb.stores.sqlite.SQLiteReader._bulk": lambda *_: None,
        "syncnb.stores.sqlite.select_rows": lambda table, columns, order, where="": (
            f"SELECT {', '.join(map(unquoted, columns))} FROM t"
        ),
    },
    good="SchemaError",
    harm="['no_such_col', 'no_such_col']",
)
def test_a_misspelt_column(place: Place) -> object:
    store = place.make("sqlite", DDL, "INSERT INTO t VALUES (1, 1), (2, 2)")

    def read() -> list[object]:
        with store.reading() as reader:
            batches = list(reader.batches(reader.schema()["t"], ["no_such_col"]))
        return [value for batch in batches for value in batch.column(0).to_pylist()]

    return said(read).partition(":")[0]


@fault(
    73,
    without={"syncnb.migrating.drawing.is_expression": lambda text: True},
    good={"sqlite": (["PlanError"] * 3, "[(0,)]"), PG: (["PlanError"] * 3, "[(0,)]")},
    # Sent with parameters, several statements are refused all the same, but not in our words.
    harm={
        "sqlite": (["sqlalchemy.exc.OperationalError"] * 3, "[(0,)]"),
        PG: (["sqlalchemy.exc.ProgrammingError"] * 3, "[(0,)]"),
    },
)
def test_several_statements_in_one(place: Place) -> object:
    happened = {}
    for engine in ("sqlite", PG):
        store = place.make(
            engine, DDL, "CREATE TABLE keep (id INTEGER PRIMARY KEY)", "INSERT INTO t VALUES (1, NULL)"
        )
        ended = []
        for told in ("1; DROP TABLE keep", "1; COMMIT; DROP TABLE keep; --", "(SELECT 1); DROP TABLE keep"):

            def made(told: str = told, store: Any = store) -> sn.Report:
                m = sn.migrate(store, [sn.remedy("backfill", "t", "n")], sql_values={"t.n": told})
                return sn.apply(m, store, allow=("many_changes",))

            ended.append(said(made).partition(":")[0])
        happened[engine] = ended, said(lambda store=store: place.ask(store, "SELECT count(*) FROM keep"))
    return happened


@fault(
    74,
    without={"syncnb.rendering.tables.html.escape": lambda text, quote=True: text},
    good=False,
    harm=True,
)
def test_html_in_what_is_shown(place: Place) -> object:
    canary = "<img src=x onerror=alert(1)>"
    ddl = f'CREATE TABLE "{canary}" (id INTEGER PRIMARY KEY, "{canary}" TEXT)'
    local = place.make("sqlite", ddl, f"INSERT INTO \"{canary}\" VALUES (1, '{canary}')")
    remote = place.make(PG, ddl, f"INSERT INTO \"{canary}\" VALUES (1, 'a')")
    d = sn.diff(local, remote)
    p = sn.plan(d, into=remote, resolve=sn.take_local)
    shown = "".join(each._repr_html_() for each in (d, d[canary], p, sn.apply(p, remote)))
    assert html.escape("<img") in shown or canary in shown, "it must be shown at all"
    return canary in shown


@fault(
    75,
    without={
        "syncnb.stores.postgres_parameters.Parameters.__repr__": lambda parameters: str(dict(parameters)),
    },
    good=[False, False, False],
    harm=[False, True, False],
)
def test_a_password_in_a_message(place: Place) -> object:
    """Shown, spelled out by a debugger, and in what the server says where a password got into its options."""
    secret = "canary-9f"
    remote: Any = place.make(PG, DDL)
    store = replace(remote, parameters={**remote.parameters, "password": secret})
    wrong = replace(store, parameters={**store.parameters, "options": f"-c {secret}=1"})
    return [secret in text for text in (f"{store!r} {store}", f"{vars(store)}", said(wrong.inspect))]


@fault(
    76,
    without={"syncnb.stores.write_errors._first_line": lambda text: text},
    good=(False, "refused", "PlanError"),
    harm=(True, "refused", "PlanError"),
)
def test_personal_data_in_detail(place: Place) -> object:
    """A constraint of the server says `Failing row contains (…)`; and rows that a run has kept can be purged."""
    ddl = "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)"
    local, remote = place.pair(PG, ddl, local=["1, 'ann.somebody@example.org'"], remote=["1, 'x'"])
    place.tell(
        remote,
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not today' USING DETAIL = NEW.v; END $$",
        "CREATE TRIGGER no BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION no()",
    )
    p = planned(local, remote)
    r = sn.apply(p, remote)
    told = repr(r) + " ".join(found.detail for found in r.results) + str(sn.history(remote).frame.to_dict())
    place.tell(remote, "DROP TRIGGER no ON t")
    second = sn.apply(planned(local, remote), remote)
    sn.purge(remote, before=datetime(2100, 1, 1, tzinfo=UTC), dry_run=False)
    return "ann.somebody" in told, r.status, said(lambda: sn.undo(second, remote)).partition(":")[0]


@fault(
    77,
    without={
        "syncnb.planning.files.load_plan": edited("if said != digest(content) or", "if False and"),
        "syncnb.applying.checking.check_call": edited("if (here.dialect, here.id) !=", "if False and () !="),
        "syncnb.applying.verb.check_call": edited("if (here.dialect, here.id) !=", "if False and () !="),
    },
    good=("none loaded", "PlanError: this plan was drawn on THERE, and HERE is another database", 0),
    harm=("some loaded", "applied", 1),
)
def test_a_plan_that_was_edited(place: Place, tmp_path: Path) -> object:
    from syncnb.planning import files

    local, remote = place.pair(PG, DDL, local=["1, 1"], remote=["1, 0"])
    p = planned(local, remote)
    path = p.save(tmp_path / "plan.json")
    whole = path.read_bytes()
    loaded = 0
    for at in range(0, len(whole), 5):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        loaded += not said(lambda: files.load_plan(path)).startswith("PlanError")
    other = place.make(PG, DDL, "INSERT INTO t VALUES (1, 0)")
    elsewhere = said(lambda: sn.apply(p, other)).replace(remote.name, "THERE").replace(other.name, "HERE")
    return "some loaded" if loaded else "none loaded", elsewhere, place.value(other)


class Harm:
    """What is run when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


@fault(
    78,
    without={"syncnb.planning.files.parse": pickle.loads},
    good=("PlanError: plan.json is no saved plan", False),
    harm=("PlanError: plan.json is no saved plan", True),
)
def test_a_plan_that_runs_code(tmp_path: Path) -> object:
    path = tmp_path / "plan.json"
    path.write_bytes(pickle.dumps(Harm(tmp_path / "pwned")))
    return said(lambda: sn.load_plan(path)), (tmp_path / "pwned").exists()


@fault(
    79,
    without={"syncnb.stores.postgres.PostgresReader.unbounded": lambda reader: False},
    good=["t: its triggers run with the rights of a superuser: connect as a role that has fewer"],
    harm=[],
)
def test_triggers_of_others_run_with_our_rights(place: Place) -> object:
    local, remote = place.pair(PG, DDL, local=["1, 1"], remote=["1, 0"])
    role = "CREATE FUNCTION spy() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'"
    place.tell(remote, role, "CREATE TRIGGER spy BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION spy()")
    return [note for note in planned(local, remote).notes if "superuser" in note]


HIJACKED = {
    "hashtextextended": ("text, integer", "bigint", "7"),
    "hashtextextended ": ("varchar, integer", "bigint", "7"),
    "has_any_column_privilege": ("regclass, text", "boolean", "true"),
    "has_table_privilege": ("integer, varchar", "boolean", "true"),
    "setval": ("regclass, integer, boolean", "bigint", "7"),
    "setval ": ("regclass, smallint, boolean", "bigint", "7"),
}


@fault(
    80,
    without={"syncnb.stores.postgres_writer.LOCK": "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"},
    good=("applied", "applied", []),
    harm=("applied", "applied", [("hashtextextended",)]),
)
def test_a_function_that_fits_better(place: Place) -> object:
    """Somebody who may create functions makes some that PostgreSQL prefers to its own for our calls."""
    local = place.make("sqlite", DDL, "INSERT INTO t VALUES (5, 1)")
    remote = place.make(
        PG, "CREATE TABLE t (id SERIAL PRIMARY KEY, n INTEGER)", "CREATE TABLE hijacked (name TEXT)"
    )
    for name, (types, gives, value) in HIJACKED.items():
        body = f"INSERT INTO hijacked VALUES ('{name.strip()}'); SELECT {value}::{gives}"
        place.tell(
            remote, f"CREATE FUNCTION {name.strip()}({types}) RETURNS {gives} LANGUAGE sql AS $$ {body} $$"
        )
    p = sn.plan(sn.diff(local, remote, tables="t"), into=remote)
    first = said(lambda: sn.apply(p, remote))
    back = said(lambda: sn.apply(sn.undo(1, remote), remote, allow=("deletes",)))
    return first, back, place.ask(remote, "SELECT DISTINCT name FROM hijacked ORDER BY 1")


@fault(
    81,
    without={"syncnb.connecting.tls.secured": lambda address: address},
    good=("ConnectError", "connected", False),
    harm=("connected", "connected", False),
)
def test_tls_that_proves_nothing(place: Place, monkeypatch: pytest.MonkeyPatch) -> object:
    """A server under the name of another machine that has no certificate; and one that is to be taken as it is."""
    for name in ("PGSSLMODE", "PGSERVICE", "PGSSLROOTCERT"):
        monkeypatch.delenv(name, raising=False)
    place.make(PG, DDL)
    url = elsewhere(place.bench.last)
    told = make_url(url).update_query_dict({"sslmode": "prefer"})
    ended = [
        said(lambda url=url: sn.connect(url).inspect() and "connected").partition(":")[0]
        for url in (url, told)
    ]
    return *ended, sn.connect(told).authenticated  # type: ignore[attr-defined]


HOSTILE_TEXTS = "('=HYPERLINK(1)'), ('@SUM(1)'), ('-1.5'), ('-1+cmd|x'), ('a=b')"


@fault(
    82,
    without={"syncnb.rendering.exporting._guarded": lambda column: (column, 0)},
    good=["'-1+cmd|x", "-1.5", "'=HYPERLINK(1)", "'@SUM(1)", "a=b"],
    harm=["-1+cmd|x", "-1.5", "=HYPERLINK(1)", "@SUM(1)", "a=b"],
)
def test_formulas_in_a_csv_file(place: Place, tmp_path: Path) -> object:
    ddl = "CREATE TABLE t (name TEXT PRIMARY KEY)"
    local, remote = place.make("sqlite", ddl), place.make(PG, ddl, f"INSERT INTO t VALUES {HOSTILE_TEXTS}")
    p = sn.plan(sn.diff(local, remote), into=local)
    sn.save_csv(p.preview(), tmp_path / "t.csv")
    with (tmp_path / "t.csv").open(encoding="utf-8-sig", newline="") as file:
        return sorted((row["key"] for row in csv.DictReader(file)), key=lambda name: name.strip("'"))


@contextmanager
def unmarked(connection: object) -> Iterator[None]:
    yield


@fault(
    83,
    without={"syncnb.journal.own_writes": unmarked},
    good=("applied", 0, 0),
    harm=("applied", 1, 1),
)
def test_our_own_writes(place: Place) -> object:
    local, remote = place.pair(PG, DDL, local=["1, 0"], remote=["1, 1"])
    sn.track(local)
    p = sn.plan(sn.diff(local, remote), into=local, resolve=sn.take_remote)
    return said(lambda: sn.apply(p, local)), len(sn.pending(local)), sn.sync(local, remote).records


@fault(
    84,
    without={"syncnb.tracking.reading.gaps": lambda *_: ()},
    good=[(1, 9)],
    harm=[(1, 1)],
)
def test_changes_that_capture_missed(place: Place) -> object:
    """A table is rebuilt, which loses its triggers, and then changed."""
    local, remote = place.pair(PG, DDL, local=["1, 1"], remote=["1, 1"])
    sn.track(local)
    sn.sync(local, remote)
    rebuild = (
        "CREATE TABLE u AS SELECT * FROM t",
        "DROP TABLE t",
        DDL,
        "INSERT INTO t SELECT * FROM u",
        "DROP TABLE u",
    )
    place.tell(local, *rebuild, "UPDATE t SET n = 9")
    sn.sync(local, remote)
    return place.ask(remote)
