"""Faults 26 to 41: rows, keys and tables that are not what the plan took them for."""

import threading
import time
from typing import Any

import numpy as np
import pytest

import syncnb as sn
from syncnb.applying.writing import Done
from syncnb.values.rules import Answer
from tests.faults.places import DDL, Place, planned, said
from tests.faults.proving import edited, fault

PG = "postgresql"
LONG = "CREATE TABLE t (id INTEGER PRIMARY KEY, v {})"
NOBODY_DRIFTED = {
    "syncnb.applying.writing._drifted": lambda work, before: iter(()),
    "syncnb.stores.postgres_staging.Layout._guards": lambda layout: iter(()),
    "syncnb.stores.sqlite_staging.Layout._guards": lambda layout: iter(()),
}


def all_is_well(work: Any, before: object, after: object) -> Done:
    """What a comparison would say that compares nothing."""
    return Done(written=len(work.block))


def told(r: sn.Report) -> str:
    return "; ".join(
        [
            r.status,
            *(f"{found.refusal.name if found.refusal else 'made'} {found.detail}" for found in r.results),
        ]
    )


@fault(
    26,
    without=NOBODY_DRIFTED,
    good={"sqlite": ("refused; CHANGED n was 0, is 99", 99), PG: ("refused; CHANGED n was 0, is 99", 99)},
    harm={"sqlite": ("applied", 1), PG: ("applied", 1)},
)
def test_a_row_changed_since_the_preview(place: Place) -> object:
    happened = {}
    for engine in ("sqlite", PG):
        local, remote = place.pair(engine, DDL, local=["1, 1"], remote=["1, 0"])
        p = planned(local, remote)
        place.tell(remote, "UPDATE t SET n = 99")
        happened[engine] = told(sn.apply(p, remote)), place.value(remote)
    return happened


@fault(
    27,
    without={
        "syncnb.applying.writing._missing": lambda block, found: np.array([], int),
        "syncnb.applying.writing._written": edited("if written != len(work.block)", "if False"),
        "syncnb.applying.writing._compared": all_is_well,
    },
    good=("refused; GONE ", []),
    harm=("applied", []),
)
def test_a_row_was_deleted_since_the_preview(place: Place) -> object:
    local, remote = place.pair(PG, DDL, local=["1, 1"], remote=["1, 0"])
    p = planned(local, remote)
    place.tell(remote, "DELETE FROM t")
    return told(sn.apply(p, remote)), place.ask(remote)


@fault(
    28,
    without={"syncnb.applying.checking.fingerprint": lambda table: FINGERPRINTS.get(table.label, "")},
    good=("PlanError: t has changed since the plan was drawn", 0),
    harm=("applied", 1),
)
def test_a_table_was_altered_since_the_preview(place: Place) -> object:
    local, remote = place.pair(PG, DDL, local=["1, 1"], remote=["1, 0"])
    p = planned(local, remote)
    FINGERPRINTS.update(p.fingerprint)
    place.tell(remote, "ALTER TABLE t ADD more integer DEFAULT 7")
    return said(lambda: sn.apply(p, remote)), place.value(remote)


FINGERPRINTS: dict[str, str] = {}


@fault(
    29,
    without={
        "syncnb.applying.staged.PATIENCE": 60.0,
        "syncnb.applying.staged.TRIES": 1,
    },
    good=("the others pass", True),
    harm=("the others wait behind it", True),
)
def test_an_alteration_lets_the_others_pass(place: Place, monkeypatch: pytest.MonkeyPatch) -> object:
    """A long transaction reads; an alteration waits for it; a third one only wants to read."""
    from syncnb.applying import staged

    remote = place.make(PG, DDL, "INSERT INTO t VALUES (1, 0)")
    m = sn.migrate(remote, [sn.remedy("add_column", "t", "more", type="integer")])
    if staged.PATIENCE != 60.0:
        monkeypatch.setattr(staged, "PATIENCE", 0.2)
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with place.opened(remote) as long, place.opened(remote) as other:
        long.execute("BEGIN")
        long.execute("SELECT * FROM t")
        altering = threading.Thread(target=lambda: sn.apply(m, remote))
        altering.start()
        until = time.monotonic() + 10
        while not place.value(remote, waiting) and time.monotonic() < until:
            time.sleep(0.01)
        other.execute("SET statement_timeout = '1200ms'")
        try:
            other.execute("SELECT * FROM t")
            passed = "the others pass"
        except Exception:
            passed = "the others wait behind it"
        long.execute("ROLLBACK")
        altering.join()
    return passed, "more" in [column.name for column in remote.inspect()["t"].columns]


@fault(
    30,
    without={"syncnb.planning.table_drawing.Drawing.draw": edited("if not self.diff.pair.key", "if False")},
    good=(1, ["a table without a key: no single row can be named"], "nothing to do"),
    harm=(1, [], "builtins.IndexError"),
)
def test_no_primary_key(place: Place) -> object:
    ddl = "CREATE TABLE t (a INTEGER, n INTEGER)"
    local, remote = place.pair(PG, ddl, local=["1, 1", "1, 1"], remote=["1, 1"])
    d = sn.diff(local, remote)
    why: list[str] = []

    def written() -> sn.Report:
        p = sn.plan(d, into=remote)
        why.extend(row.why for row in p.open)
        return sn.apply(p, remote)

    told = said(written)
    return d["t"].counts.only_local, why, told


NULLS = "CREATE TABLE t (code VARCHAR(9), n INTEGER, UNIQUE (code))"


@fault(
    31,
    without={
        "syncnb.changes.pairs.TablePair.nulls_match": property(lambda pair: False, lambda pair, told: None)
    },
    good=([("different", "applied"), ("equal", "nothing to do")], 2),
    harm=([("equal_except", "nothing to do"), ("equal_except", "nothing to do")], 1),
)
def test_null_in_a_key(place: Place) -> object:
    local, remote = place.pair(PG, NULLS, local=["'a', 1", "NULL, 2"], remote=["'a', 1"])
    happened = []
    for _ in range(2):
        d = sn.diff(local, remote, key={"t": ["code"]})
        happened.append((d.verdict, said(lambda d=d: sn.apply(sn.plan(d, into=remote), remote))))
    return happened, place.value(remote, "SELECT count(*) FROM t")


@fault(
    32,
    without={"syncnb.planning.table_drawing.unplaced": lambda *_: iter(())},
    good=(["rows 1, 2 of the payload have this key, which differ in n 1 / 2"] * 2, [1]),
    harm=([], [1]),
)
def test_two_rows_of_one_key(place: Place) -> object:
    payload = {"t": [{"id": 1, "n": 1}, {"id": 1, "n": 2}, {"id": 3, "n": 3}]}
    remote = place.make(PG, DDL)
    d = sn.diff(sn.connect(payload), remote, partial=True)
    p = sn.plan(d, into=remote)
    return [row.why for row in p.open], [len(block) for block in p.blocks]


@fault(
    33,
    without={"syncnb.planning.forming.Forming._written": edited("if key or p.what", "if p.what")},
    good=(
        "3 rows not compared: duplicate key",
        [("\\x31", "column id: b'1' is not a number"), ("1.5", "column id: 1.5 would become 2")],
        [],
    ),
    harm=("3 rows not compared: duplicate key", [("\\x31", "column id: b'1' is not a number")], [2]),
)
def test_keys_of_several_types(place: Place) -> object:
    local = place.make("sqlite", "CREATE TABLE t (id PRIMARY KEY, n INTEGER)")
    place.tell(local, "INSERT INTO t VALUES (1, 10), ('1', 11), (x'31', 12), (1.5, 13)")
    remote = place.make(
        PG, "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)", "INSERT INTO t VALUES (1, 10)"
    )
    d = sn.diff(local, remote)
    p = sn.plan(d, into=remote)
    return (
        repr(d["t"]).splitlines()[-1],
        [(row.key, row.why) for row in p.open],
        [key for block in p.blocks for key in block.keys[0].to_pylist()],
    )


FOLDED = (
    "CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
    "CREATE TABLE t (code TEXT COLLATE ci PRIMARY KEY, n INTEGER)",
)


@fault(
    34,
    without={
        "syncnb.planning.admitting.alike": lambda *_: iter(()),
        "syncnb.planning.admitting.is_coarse": lambda *_: False,
    },
    good=(
        ["É and é are one by t_pkey of the target: choose one, or edit a value"] * 2,
        "nothing to do",
        ["t é has its code É (t_pkey): say which of the two it shall be, or edit a value"],
        ("nothing to do", [("é", 2)]),
    ),
    harm=(
        [],
        "PlanError: a key of t comes twice in one block",
        [],
        ("refused; TAKEN t é has its code É (t_pkey)", [("é", 2)]),
    ),
)
def test_a_coarse_equality(place: Place) -> object:
    """Two keys that the target takes for one; one that it has in another spelling; and that spelling changed."""
    ddl = "CREATE TABLE t (code TEXT PRIMARY KEY, n INTEGER)"
    local, remote = (
        place.make("sqlite", ddl, "INSERT INTO t VALUES ('É', 1), ('é', 2)"),
        place.make(PG, *FOLDED),
    )
    p = sn.plan(sn.diff(local, remote), into=remote)
    two = [row.why for row in p.open], said(lambda: sn.apply(p, remote))
    place.tell(local, "DELETE FROM t WHERE n = 2")
    place.tell(remote, "INSERT INTO t VALUES ('é', 2)")
    d = sn.diff(local, remote)
    kept, moved = sn.plan(d, into=remote), sn.plan(d, into=remote, deletes=True)
    ended = said(lambda: told(sn.apply(moved, remote, allow=("deletes",))))
    return *two, [row.why for row in kept.open], (ended, place.ask(remote))


@fault(
    35,
    without={
        "syncnb.values.reading._text_reason": edited(
            'if unicodedata.normalize("NFC", local) == unicodedata.normalize("NFC", remote)', "if False"
        )
    },
    good=["looks identical: Unicode normalisation differs (NFC, NFD)"],
    harm=["text differs"],
)
def test_two_forms_of_one_letter(place: Place) -> object:
    ddl = LONG.format("TEXT")
    local, remote = place.pair(PG, ddl, local=["1, 'u\u0308ber'"], remote=["1, '\u00fcber'"])
    return list(sn.diff(local, remote)["t"].cells["why"])


@fault(
    36,
    without={
        "syncnb.values.writing.judge": lambda *_: Answer.SAME,
        "syncnb.values.into_postgres._within_length": lambda text, way: text[:3],
    },
    good=(["column v: 4 characters into character varying(3)"], ["lossy"], "PlanError", []),
    harm=([], [], "applied", [(1, "abc"), (2, "abc"), (3, "abc")]),
)
def test_text_that_is_too_long(place: Place) -> object:
    local = place.make(
        "sqlite", LONG.format("TEXT"), "INSERT INTO t VALUES (1, 'abcd'), (2, 'abc '), (3, 'abc')"
    )
    remote = place.make(PG, LONG.format("VARCHAR(3)"))
    p = sn.plan(sn.diff(local, remote), into=remote)
    return (
        [row.why for row in p.open],
        [h.name for h in p.hazards],
        said(lambda: sn.apply(p, remote)).partition(":")[0],
        place.ask(remote),
    )


@fault(
    37,
    without={"syncnb.values.writing.judge": lambda *_: Answer.SAME},
    good=(
        ["lossy"],
        "PlanError: the plan has hazards that were not allowed: lossy in t: column v cannot hold 1 values exactly",
        [],
    ),
    harm=([], "applied", ["1.01"]),
)
def test_a_number_is_rounded(place: Place) -> object:
    local = place.make("sqlite", LONG.format("TEXT"), "INSERT INTO t VALUES (1, '1.005')")
    remote = place.make(PG, LONG.format("numeric(9, 2)"))
    p = sn.plan(sn.diff(local, remote), into=remote)
    return (
        [h.name for h in p.hazards],
        said(lambda: sn.apply(p, remote)),
        [str(v) for _, v in place.ask(remote)],
    )


@fault(
    38,
    without={"syncnb.applying.running.advanced": lambda *_: iter(())},
    good=("applied", [(1, 5, 10), (7, 6, 12)], "8"),
    harm=("applied", [(1, 5, 10), (7, 6, 12)], "1"),
)
def test_generated_and_identity_columns(place: Place) -> object:
    local = place.make(
        "sqlite",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, twice INTEGER)",
        "INSERT INTO t VALUES (1, 5, 10), (7, 6, 12)",
    )
    remote = place.make(
        PG,
        "CREATE TABLE t (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, n integer, twice integer GENERATED ALWAYS AS (2 * n) STORED)",
    )
    p = sn.plan(sn.diff(local, remote), into=remote)
    r = said(lambda: sn.apply(p, remote))
    return r, place.ask(remote), str(place.value(remote, "SELECT nextval(pg_get_serial_sequence('t', 'id'))"))


UPPER = (
    "CREATE FUNCTION upper_v() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.v := upper(NEW.v); RETURN NEW; END'",
    "CREATE TRIGGER upper_v BEFORE INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION upper_v()",
)


@fault(
    39,
    without={"syncnb.applying.running.Run._check_rewritten": lambda *_: None},
    good=(
        "PlanError: the database changed columns that were not to be written: t.v; nothing was kept",
        [(1, "A")],
        "applied",
        [(1, "ABC")],
    ),
    harm=("applied", [(1, "ABC")], "already applied", [(1, "ABC")]),
)
def test_a_trigger_changes_a_value(place: Place) -> object:
    local, remote = place.pair(PG, LONG.format("TEXT"), local=["1, 'abc'"], remote=["1, 'A'"])
    place.tell(remote, *UPPER)
    p = planned(local, remote)
    first = said(lambda: sn.apply(p, remote)), place.ask(remote)
    allowed = said(lambda: sn.apply(p, remote, allow=("trigger_rewrites",)))
    return *first, allowed, place.ask(remote)


SWALLOWS = (
    "CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF NEW.id = 2 THEN RETURN NULL; END IF; RETURN NEW; END'",
    "CREATE TRIGGER nothing BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION nothing()",
)


@fault(
    40,
    without={
        "syncnb.applying.writing._written": edited("if written != len(work.block)", "if False"),
        "syncnb.applying.writing._compared": all_is_well,
    },
    good=("refused; FORBIDDEN 1 rows were not written: a trigger, rule or policy", []),
    harm=("applied", [(1, 1)]),
)
def test_a_trigger_swallows_a_row(place: Place) -> object:
    local, remote = place.pair(PG, DDL, local=["1, 1", "2, 2"])
    place.tell(remote, *SWALLOWS)
    p = sn.plan(sn.diff(local, remote), into=remote)
    return said(lambda: told(sn.apply(p, remote))), place.ask(remote)


MOVES = (
    "CREATE FUNCTION moves() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.id = 2 THEN UPDATE t SET id = 99 WHERE id = 2; END IF; RETURN NULL; END $$",
    "CREATE TRIGGER moves AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION moves()",
)


@fault(
    41,
    without={
        "syncnb.applying.writing._compared": all_is_well,
        "syncnb.applying.running._spoilt": lambda *_: [],
    },
    good=("refused; FORBIDDEN it cannot be seen after it was written", []),
    harm=("applied", [(1, 1), (99, 2)]),
)
def test_a_row_that_is_not_where_it_was_written(place: Place) -> object:
    local, remote = place.pair(PG, DDL, local=["1, 1", "2, 2"])
    place.tell(remote, *MOVES)
    p = sn.plan(sn.diff(local, remote), into=remote)
    return said(lambda: told(sn.apply(p, remote))), place.ask(remote)
