"""Faults 42 to 53: rows that hang together, rules that wait, alterations."""

import sqlite3
from typing import Any

import pandas as pd

import syncnb as sn
from tests.faults.places import DDL, Place, planned, said
from tests.faults.proving import edited, fault
from tests.faults.test_structure import told

PG = "postgresql"


@fault(
    42,
    without={
        "syncnb.planning.table_drawing.Drawing._delete": edited(
            'if source.row_security else ""', 'if False else ""'
        ),
        "syncnb.planning.table_drawing.hazards_of": edited("if table.row_security and", "if False and"),
    },
    good=(
        ["nothing to do", [(1, 1), (2, 2)]],
        "PlanError: the plan has hazards that were not allowed: row_security",
    ),
    harm=(["applied", [(1, 1)]], "refused; TAKEN"),
)
def test_row_level_security_hides_rows(place: Place) -> object:
    """A role sees one of two rows. As source: nothing is deleted. As target: nothing is inserted unasked."""
    local, remote = place.pair(PG, DDL, local=["1, 1", "2, 2"], remote=["1, 1", "2, 2"])
    place.tell(
        remote,
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY visible ON t USING (id = 1) WITH CHECK (true)",
    )
    from dataclasses import replace

    from syncnb import journal

    seen: Any = replace(
        place.bench.as_role("faults_policy", "SELECT, INSERT, UPDATE, DELETE ON t"), writable=True
    )  # type: ignore[type-var]
    place.tell(remote, journal.install_sql("postgresql", role="faults_policy"))
    into_local = sn.plan(sn.diff(local, seen), into=local, deletes=True)
    deleted = [said(lambda: sn.apply(into_local, local, allow=("deletes",))), place.ask(local)]
    place.tell(local, "INSERT OR IGNORE INTO t VALUES (2, 2)")
    p = sn.plan(sn.diff(local, seen), into=seen)
    inserted = said(lambda: told(sn.apply(p, seen)))
    return deleted, inserted.partition(" in t:")[0].partition(" a key")[0]


FAMILY = (
    "CREATE TABLE parents (id INTEGER PRIMARY KEY)",
    "CREATE TABLE children (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES parents (id) ON DELETE CASCADE)",
)


@fault(
    43,
    without={"syncnb.planning.arranging.in_turn": lambda labels, *_: (sorted(labels), ())},
    good=("applied", [(1, 1)]),
    harm=("refused", []),
)
def test_parents_and_children(place: Place) -> object:
    local = place.make(
        "sqlite", *FAMILY, "INSERT INTO parents VALUES (1)", "INSERT INTO children VALUES (1, 1)"
    )
    remote = place.make(PG, *FAMILY)
    p = sn.plan(sn.diff(local, remote), into=remote)
    return said(lambda: sn.apply(p, remote)), place.ask(remote, "SELECT * FROM children")


CIRCLE = (
    "CREATE TABLE a (id INTEGER PRIMARY KEY, b INTEGER)",
    "CREATE TABLE b (id INTEGER PRIMARY KEY, a INTEGER REFERENCES a (id))",
)


@fault(
    44,
    without={"syncnb.planning.arranging.in_turn": lambda labels, *_: (sorted(labels), ())},
    good=("applied", [(1, 1)], [(1, 1)]),
    harm=("refused", [], []),
)
def test_tables_that_refer_to_each_other(place: Place) -> object:
    local = place.make("sqlite", *CIRCLE, "INSERT INTO a VALUES (1, 1)", "INSERT INTO b VALUES (1, 1)")
    remote = place.make(PG, *CIRCLE, "ALTER TABLE a ADD CONSTRAINT to_b FOREIGN KEY (b) REFERENCES b (id)")
    p = sn.plan(sn.diff(local, remote), into=remote)
    return (
        said(lambda: sn.apply(p, remote)),
        place.ask(remote, "SELECT * FROM a"),
        place.ask(remote, "SELECT * FROM b"),
    )


@fault(
    45,
    without={
        "syncnb.stores.postgres_writer.PostgresWriter.commit": edited(
            "raise postgres_write_error(error, self._name) from None", "return"
        )
    },
    good=(
        "refused; FORBIDDEN it refers by parent to parents 7, which is not there (to_parent)",
        [],
        ["refused"],
    ),
    harm=("applied", [], ["running"]),
)
def test_a_deferred_constraint_fails_at_commit(place: Place) -> object:
    late = "CONSTRAINT to_parent REFERENCES parents (id) DEFERRABLE INITIALLY DEFERRED"
    local = place.make(
        "sqlite", "CREATE TABLE t (id INTEGER PRIMARY KEY, parent INTEGER)", "INSERT INTO t VALUES (1, 7)"
    )
    remote = place.make(PG, FAMILY[0], f"CREATE TABLE t (id INTEGER PRIMARY KEY, parent INTEGER {late})")
    p = sn.plan(sn.diff(local, remote, tables="t"), into=remote)
    ended = said(lambda: told(sn.apply(p, remote)))
    return ended, place.ask(remote), [run.status for run in sn.history(remote).runs]


UNIQUE = "CREATE TABLE t (id INTEGER PRIMARY KEY, v VARCHAR(9) UNIQUE)"


@fault(
    46,
    without={"syncnb.planning.arranging.contests_of": lambda *_: []},
    good={"sqlite": ("applied", [(1, "b"), (2, "a")]), PG: ("applied", [(1, "b"), (2, "a")])},
    harm={"sqlite": ("refused", [(1, "a"), (2, "b")]), PG: ("refused", [(1, "a"), (2, "b")])},
)
def test_rows_exchange_unique_values(place: Place) -> object:
    happened = {}
    for engine in ("sqlite", PG):
        local, remote = place.pair(engine, UNIQUE, local=["1, 'b'", "2, 'a'"], remote=["1, 'a'", "2, 'b'"])
        p = planned(local, remote)
        happened[engine] = said(lambda p=p, remote=remote: sn.apply(p, remote)), place.ask(remote)
    return happened


@fault(
    47,
    without={"syncnb.diagnosing.targets._deferrable": lambda *_: None},
    good=(
        "ON CONFLICT (v) on t: it does not work",
        "it is deferrable: found, then refused; none beside it helps",
        "55000",
    ),
    harm=("ON CONFLICT (v) on t: it works", "it matches", "55000"),
)
def test_a_deferrable_rule_as_target(place: Place) -> object:
    remote = place.make(
        PG, "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, CONSTRAINT late UNIQUE (v) DEFERRABLE)"
    )
    found = sn.explain_conflict(remote, "t", ["v"])
    try:
        place.tell(remote, "INSERT INTO t VALUES (1, 'a') ON CONFLICT (v) DO NOTHING")
    except Exception as error:
        code = getattr(error, "sqlstate", "")
    lines = repr(found).splitlines()
    return (
        lines[0],
        next(line for line in lines if line.startswith("late"))
        .split("  ")[-1]
        .removeprefix("✓")
        .removeprefix("✗")
        .strip(),
        code,
    )


@fault(
    48,
    without={"syncnb.planning.admitting._Holders.sort_out": lambda holders: None},
    good=(
        "nothing to do",
        [
            "t one has its a x (t_a_key); t two has its b y (t_b_key): it runs into 2 rows, say which of them it is, or edit a value"
        ],
    ),
    harm=("refused", []),
)
def test_one_row_hits_two(place: Place) -> object:
    ddl = "CREATE TABLE t (code VARCHAR(9) PRIMARY KEY, a VARCHAR(9) UNIQUE, b VARCHAR(9) UNIQUE)"
    local, remote = place.pair(
        PG, ddl, local=["'three', 'x', 'y'"], remote=["'one', 'x', 'p'", "'two', 'q', 'y'"]
    )
    p = sn.plan(sn.diff(local, remote), into=remote)
    return said(lambda: sn.apply(p, remote)), [row.why for row in p.open]


@fault(
    49,
    without={
        "syncnb.diagnosing.preflight._null_keys": lambda *_: iter(()),
        "syncnb.diagnosing.silent._keys": lambda *_: iter(()),
    },
    good=([("silent", "null_in_key"), ("silent", "null_in_key")], [("a", None, 1), ("a", None, 2)]),
    harm=([], [("a", None, 1), ("a", None, 2)]),
)
def test_nulls_are_distinct_there(place: Place) -> object:
    remote = place.make(
        PG,
        "CREATE TABLE t (code TEXT, path TEXT, n INTEGER, UNIQUE (code, path))",
        "INSERT INTO t VALUES ('a', NULL, 1)",
    )
    rows = pd.DataFrame({"code": ["a"], "path": [None], "n": [2]})
    found = sn.diagnose(remote, rows={"t": rows}, target={"t": ["code", "path"]})
    place.tell(remote, "INSERT INTO t VALUES ('a', NULL, 2) ON CONFLICT (code, path) DO UPDATE SET n = 2")
    return [(one.severity, one.cause) for one in found], place.ask(remote)


@fault(
    50,
    without={"syncnb.applying.writing._of_a_row": lambda *_: False},
    good=(
        "refused; FORBIDDEN no partition of t takes a row",
        "applied; FORBIDDEN no partition of t takes a row",
        [(1, 1)],
    ),
    harm=("WriteError: no partition of t takes a row", "WriteError: no partition of t takes a row", []),
)
def test_no_partition_for_a_row(place: Place) -> object:
    local = place.make("sqlite", DDL, "INSERT INTO t VALUES (1, 1), (200, 2)")
    remote = place.make(
        PG,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER) PARTITION BY RANGE (id)",
        "CREATE TABLE t_low PARTITION OF t FOR VALUES FROM (0) TO (100)",
    )
    p = sn.plan(sn.diff(local, remote), into=remote)
    whole = said(lambda: told(sn.apply(p, remote)))
    rest = said(lambda: told(sn.apply(p, remote, rest=True)))
    return whole, rest, place.ask(remote)


@fault(
    51,
    without={
        "syncnb.planning.hazards.cascades": lambda *_: iter(()),
        "syncnb.applying.following.Followers.look": lambda *_: None,
    },
    good=("PlanError: the plan has hazards that were not allowed: cascades", 0, "applied", 2),
    harm=("applied", 0, "applied", 0),
)
def test_a_delete_takes_children_along(place: Place) -> object:
    local = place.make("sqlite", *FAMILY)
    rows = ("INSERT INTO parents VALUES (1)", "INSERT INTO children VALUES (1, 1), (2, 1)")
    remote = place.make(PG, *FAMILY, *rows)
    p = sn.plan(sn.diff(local, remote, tables="parents"), into=remote, deletes=True)
    first = said(lambda: sn.apply(p, remote, allow=("deletes",))).partition(" in ")[0]
    sn.apply(p, remote, allow=("deletes", "cascades"))
    count = "SELECT count(*) FROM children"
    left = place.value(remote, count)
    back = said(
        lambda: sn.apply(
            sn.undo(1 if first == "applied" else sn.history(remote).runs[-1].run, remote), remote
        )
    )
    return first, left, back, place.value(remote, count)


def rebuilt(connection: sqlite3.Connection, name: str, was: str, text: str) -> None:
    """What is done where a table cannot be altered: a new one, all rows, the old one dropped, renamed."""
    connection.execute(text.replace(name, "fresh", 1))
    connection.execute(f"INSERT INTO fresh SELECT * FROM {name}")
    connection.execute(f"DROP TABLE {name}")
    connection.execute(f"ALTER TABLE fresh RENAME TO {name}")


@fault(
    52,
    without={"syncnb.applying.steps.redefine": rebuilt},
    good=("applied", 1, ["by_n", "kept"]),
    harm=("applied", 0, []),
)
def test_altering_a_sqlite_table(place: Place) -> object:
    store = place.make(
        "sqlite",
        "CREATE TABLE parents (id INTEGER PRIMARY KEY, n INTEGER)",
        FAMILY[1],
        "CREATE INDEX by_n ON parents (n)",
        "CREATE TRIGGER kept AFTER UPDATE ON parents BEGIN SELECT 1; END",
        "INSERT INTO parents VALUES (1, 1)",
        "INSERT INTO children VALUES (1, 1)",
    )
    m = sn.migrate(store, [sn.remedy("not_null", "parents", "n")])
    ended = said(lambda: sn.apply(m, store))
    names = place.ask(store, "SELECT name FROM sqlite_schema WHERE name IN ('by_n', 'kept') ORDER BY 1")
    return ended, place.value(store, "SELECT count(*) FROM children"), [name for (name,) in names]


def by_script(alterer: Any, statement: str, what: str) -> None:
    alterer._writer._connection.executescript(statement)


@fault(
    53,
    without={"syncnb.stores.sqlite_alterer.SQLiteAlterer.alter": by_script},
    good=("WriteError", []),
    harm=("sqlite3.IntegrityError", ["more"]),
)
def test_a_script_commits_first(place: Place) -> object:
    """The second step of a migration fails: the first one must not stay."""
    store = place.make("sqlite", DDL, "INSERT INTO t VALUES (1, 7), (2, 8)")
    m = sn.migrate(
        store, [sn.remedy("add_column", "t", "more", type="integer"), sn.remedy("unique", "t", ("n",))]
    )
    place.tell(store, "UPDATE t SET n = 7")
    ended = said(lambda: sn.apply(m, store)).partition(":")[0]
    return ended, [column.name for column in store.inspect()["t"].columns if column.name == "more"]
