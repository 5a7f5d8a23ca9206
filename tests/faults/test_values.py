"""Faults 54 to 70: values that are not what they look like, and stamps that decide nothing."""

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import syncnb as sn
from syncnb.values.rules import Answer
from tests.faults.places import Place, said
from tests.faults.proving import edited, fault
from tests.faults.test_structure import told

PG = "postgresql"


def table(kind: str) -> str:
    return f"CREATE TABLE t (id INTEGER PRIMARY KEY, v {kind})"


def sides(place: Place, local: tuple[str, str], remote: tuple[str, str]) -> tuple[sn.Store, sn.Store]:
    """Two tables `t`, each told as the type of `v` and its rows."""
    made = [
        place.make(engine, table(kind), *([f"INSERT INTO t VALUES {rows}"] if rows else []))
        for engine, (kind, rows) in zip(("sqlite", PG), (local, remote), strict=True)
    ]
    return made[0], made[1]


def whys(d: sn.Diff) -> tuple[str, list[str]]:
    return d.verdict, d["t"].cells["why"].tolist()


def open_and_ended(
    local: sn.Store, remote: sn.Store, into: sn.Store | None = None, **more: Any
) -> tuple[list[str], str]:
    """Why rows are left open, and how the rest ends."""
    p = sn.plan(sn.diff(local, remote, **more), into=into or remote)
    return [row.why for row in p.open], said(lambda: told(sn.apply(p, into or remote)))


@fault(
    54,
    without={
        "syncnb.values.into_postgres._text": edited('if "\\0" in text', "if False"),
        "syncnb.values.writing.at_once": lambda *_, **__: None,
    },
    good=(["column v: a NUL character, which PostgreSQL's text cannot hold"], "applied", [(2, "fine")]),
    harm=([], "WriteError", []),
)
def test_nul_in_text(place: Place) -> object:
    local, remote = sides(place, ("TEXT", "(1, 'a' || char(0) || 'b'), (2, 'fine')"), ("TEXT", ""))
    whys, ended = open_and_ended(local, remote)
    return whys, ended.partition(":")[0], place.ask(remote)


@fault(
    55,
    without={
        "syncnb.stores.sqlite.careful": lambda data: data.decode(),
        "syncnb.stores.sqlite.reads_compiled": lambda: False,
    },
    good=("different", [("1", "v", "local")], [2, 1]),
    harm=("builtins.UnicodeDecodeError",),
)
def test_text_that_is_no_utf_8(place: Place) -> object:
    local, remote = sides(
        place, ("TEXT", "(1, CAST(x'ff41' AS TEXT)), (2, 'b')"), ("TEXT", "(1, 'a'), (2, 'b')")
    )
    found: list[sn.Diff] = []
    ended = said(lambda: found.append(sn.diff(local, remote)))
    if not found:
        return (ended,)
    t = found[0]["t"]
    odd = t.odd[["key", "column", "side"]].values.tolist()
    return found[0].verdict, [tuple(map(str, line)) for line in odd], [t.counts.rows_local, t.counts.same]


@fault(
    56,
    without={
        "syncnb.values.raw._fitting": edited(
            'return BadText(value.encode("utf-8", "surrogatepass"))',
            "return value.encode('utf-8', 'replace').decode()",
        )
    },
    good=(["column v: text that is not UTF-8"], [(2, "fine")]),
    harm=([], [(1, "?"), (2, "fine")]),
)
def test_half_a_surrogate_pair(place: Place) -> object:
    remote = place.make(PG, table("TEXT"))
    local = sn.connect({"t": [{"id": 1, "v": "\ud800"}, {"id": 2, "v": "fine"}]})
    return open_and_ended(local, remote, partial=True)[0], place.ask(remote)


@fault(
    57,
    without={
        "syncnb.values.into_sqlite._numbers": edited("if number.is_nan()", "if False"),
        "syncnb.values.into_sqlite._not_nan": lambda value: value,
        "syncnb.values.writing.judge": lambda *_: Answer.SAME,
    },
    good=(
        ("equal", []),
        ["column v: NaN, which SQLite would turn into NULL"],
        "applied",
        [(1, None), (3, float("inf"))],
    ),
    harm=(("equal", []), [], "applied", [(1, None), (2, None), (3, float("inf"))]),
)
def test_nan_and_infinity(place: Place) -> object:
    same = [place.make(PG, table("FLOAT8"), "INSERT INTO t VALUES (1, 'NaN')") for _ in range(2)]
    equal = whys(sn.diff(*same))
    local, remote = sides(place, ("REAL", "(1, NULL)"), ("FLOAT8", "(1, NULL), (2, 'NaN'), (3, 'Infinity')"))
    return equal, *open_and_ended(local, remote, into=local), place.ask(local)


@fault(
    58,
    without={
        "syncnb.values.into_postgres.INTEGERS": {
            "integer": (-(2**63), 2**63 - 1),
            "bigint": (-(2**63), 2**63 - 1),
        }
    },
    good=(["column v: 3000000000 is out of the range of integer"], "applied", [(2, 5)], ["differ by 1"]),
    harm=(
        [],
        "WriteError: a value does not fit t.v (row 1 of its block): value … is out of range for type integer",
        [],
        ["differ by 1"],
    ),
)
def test_integers_beyond_the_column(place: Place) -> object:
    local, remote = sides(place, ("INTEGER", "(1, 3000000000), (2, 5)"), ("INTEGER", ""))
    first = *open_and_ended(local, remote), place.ask(remote)
    local, remote = sides(place, ("INTEGER", "(1, 9007199254740993)"), ("BIGINT", "(1, 9007199254740992)"))
    return *first, whys(sn.diff(local, remote))[1]


@fault(
    59,
    without={"syncnb.values.writing.judge": lambda *_: Answer.SAME},
    good=("equal", "different", ["lossy"]),
    harm=("equal", "different", []),
)
def test_decimals_with_many_digits(place: Place) -> object:
    number = "12345678901234567890.123456789"
    local, remote = sides(place, ("TEXT", f"(1, '{number}')"), ("NUMERIC", f"(1, {number})"))
    first = sn.diff(local, remote).verdict
    place.tell(remote, "UPDATE t SET v = v + 0.000000001")
    second = sn.diff(local, remote).verdict
    local, remote = sides(place, ("NUMERIC", ""), ("NUMERIC", f"(1, {number})"))
    p = sn.plan(sn.diff(local, remote), into=local)
    return first, second, [hazard.name for hazard in p.hazards]


@fault(
    60,
    without={
        "syncnb.stores.frame.columns_of": lambda table, rows: (dict(pd.DataFrame(list(rows)).items()), {}),
        "syncnb.stores.table_files._csv": lambda path: {"t": pd.read_csv(path)},
        "syncnb.stores.table_files.SUFFIXES": {".csv": lambda path: {"t": pd.read_csv(path)}},
    },
    good=["equal", "equal"],
    harm=["different", "different"],
)
def test_integers_and_texts_of_a_frame(place: Place, tmp_path: Path) -> object:
    rows = [{"id": 1, "v": 9007199254740993}, {"id": 2, "v": None}]
    remote = place.make(PG, table("BIGINT"), "INSERT INTO t VALUES (1, 9007199254740993), (2, NULL)")
    verdicts = [sn.diff(sn.connect({"t": rows}), remote).verdict]
    (tmp_path / "t.csv").write_text("id,v\n1,007\n2,NA\n3,\n")
    remote = place.make(PG, table("TEXT"), "INSERT INTO t VALUES (1, '007'), (2, 'NA'), (3, NULL)")
    return [*verdicts, sn.diff(sn.connect(tmp_path / "t.csv"), remote).verdict]


@fault(
    61,
    without={"syncnb.values.numbers.float4": float},
    good=("equal", []),
    harm=("different", ["differ by 0.00000000149011612"]),
)
def test_float4(place: Place) -> object:
    return whys(sn.diff(*sides(place, ("REAL", "(1, 0.1)"), ("FLOAT4", "(1, 0.1)"))))


def as_python_has_them(rule: Any, array: pa.Array, side: Any) -> Any:
    return pa.array([value and rule.shown(value, side) for value in array.to_pylist()], rule.frame_type), []


@fault(
    62,
    without={"syncnb.changes.frames.frame_column": as_python_has_them},
    good=(2, 2, ["2026-02-30", "0044-03-15 BC"]),
    harm=("builtins.ValueError",),
)
def test_dates_that_python_does_not_have(place: Place) -> object:
    local, remote = sides(
        place,
        ("DATE", "(1, '2026-03-01'), (2, '2026-02-30'), (3, 'infinity'), (4, '2026-03-04')"),
        ("DATE", "(1, '0044-03-15 BC'), (2, '2026-03-02'), (3, 'infinity'), (4, '2026-03-04')"),
    )
    found: list[Any] = []
    ended = said(lambda: found.append(sn.diff(local, remote)["t"]) or found[0].rows)
    if ended.startswith("builtins"):
        return (ended,)
    t = found[0]
    return t.counts.same, t.counts.changed, [str(word) for word in t.odd["raw"]]


@fault(
    63,
    without={
        "syncnb.values.moments.IntervalRule.own": edited(
            'return ("interval", part["years"] * 12 + part["mons"], total)',
            'return ("interval", (part["years"] * 12 + part["mons"]) * 30 * DAY + total)',
        )
    },
    good=("different", ["text differs"]),
    harm=("equal", []),
)
def test_intervals_of_months(place: Place) -> object:
    return whys(sn.diff(*sides(place, ("INTERVAL", "(1, '31 days')"), ("INTERVAL", "(1, '1 mon 1 day')"))))


@fault(
    64,
    without={"syncnb.values.documents.JsonRule.own": lambda rule, value: ("json", value)},
    good=("equal", "different"),
    harm=("different", "different"),
)
def test_json_and_jsonb(place: Place) -> object:
    local, remote = sides(
        place, ("JSON", """(1, '{"b": 1.0, "a": 2}')"""), ("JSONB", """(1, '{"a":2,"b":1}')""")
    )
    first = sn.diff(local, remote).verdict
    local, remote = sides(
        place, ("JSON", """(1, '{"b": 1, "a": 3}')"""), ("JSONB", """(1, '{"a":2,"b":1}')""")
    )
    return first, sn.diff(local, remote).verdict


STAMPED = "CREATE TABLE t (id INTEGER PRIMARY KEY, v {}, at {})"


def stamped(
    place: Place,
    local: str,
    remote: str,
    *,
    remote_type: str = "timestamptz",
    local_type: str = "TIMESTAMP",
    zone: str | None = "UTC",
) -> tuple[sn.Store, sn.Store]:
    ours = place.make(
        "sqlite",
        STAMPED.format("TEXT", local_type),
        f"INSERT INTO t VALUES (1, 'ours', '{local}')",
        timezone=zone,
    )
    theirs = place.make(
        PG, STAMPED.format("TEXT", remote_type), f"INSERT INTO t VALUES (1, 'theirs', '{remote}')"
    )
    return ours, theirs


def newest(local: sn.Store, remote: sn.Store, *, into: sn.Store | None = None, **more: Any) -> str:
    """Who wins by the stamp `at`, or why nobody does."""

    def drawn() -> str:
        p = sn.plan(sn.diff(local, remote), into=into or remote, resolve=sn.newest("at", **more))
        if p.undecided:
            return f"open: {p.undecided[0].why or p.undecided[0].whys[0]}"
        return "local wins" if len(p) == (into is not local) else "remote wins"

    return said(drawn)


@fault(
    65,
    without={
        "syncnb.resolving.by_time._check_zones": lambda *_: None,
        "syncnb.resolving.by_time.local_to_instant": lambda stamp, zone: stamp,
    },
    good=[
        "PlanError: t.at has no zone in local: 1 rows cannot be put in order of time",
        "open: at in local is 2026-10-25 02:30:00, an hour that the clock of Europe/Berlin showed twice or never",
    ],
    harm=["local wins", "local wins"],
)
def test_stamps_without_a_zone(place: Place) -> object:
    undeclared = stamped(place, "2026-10-25 02:30:00", "2026-10-25 01:00:00+00", zone=None)
    first = newest(*undeclared)
    twice = stamped(place, "2026-10-25 02:30:00", "2026-10-25 01:00:00+00", zone="Europe/Berlin")
    return [first, newest(*twice)]


def by_text(diff: Any, by: Any, offset: timedelta, now: object) -> Any:
    """The later text wins."""
    ours, theirs = (rows.columns[by.at].to_pylist() for rows in (diff.changed_local, diff.changed_remote))
    winner = np.array([1 if a > b else -1 for a, b in zip(ours, theirs, strict=True)], np.int8)
    return winner, ["later text"] * len(winner), ()


@fault(
    66,
    without={"syncnb.resolving.by_time.by_time": by_text, "syncnb.resolving.deciding.by_time": by_text},
    good=["remote wins", "open: a tie: at is the same moment on both sides"],
    harm=["local wins", "local wins"],
)
def test_stamps_as_text(place: Place) -> object:
    """A `T` sorts behind a blank, and +01:00 behind Z, whatever the moment."""
    later = stamped(place, "2026-03-01T00:00:00Z", "2026-03-01 00:00:05+00")
    first = newest(*later)
    same = stamped(place, "2026-03-01 01:00:00+01:00", "2026-03-01 00:00:00+00")
    return [first, newest(*same)]


@fault(
    67,
    without={"syncnb.resolving.by_time._floor": lambda *_: 0},
    good="open: only 0.4 s apart, less than 1 s",
    harm="remote wins",
)
def test_precision_below_a_second(place: Place) -> object:
    return newest(*stamped(place, "2026-03-01 00:00:05", "2026-03-01 00:00:05.4+00"), threshold=timedelta(0))


@fault(
    68,
    without={
        "syncnb.resolving.by_time.Gaps.winner": property(
            lambda found: np.where(found.micros >= 0, 1, -1).astype(np.int8)
        )
    },
    good="open: a tie: at is the same moment on both sides",
    harm="local wins",
)
def test_two_equal_stamps(place: Place) -> object:
    return newest(*stamped(place, "2026-03-01 00:00:05", "2026-03-01 00:00:05+00"))


@fault(
    69,
    without={
        "syncnb.resolving.by_time._floor": lambda *_: 0,
        "syncnb.resolving.by_time.gaps": edited("+ limit + np.where", "+ 10**18 + np.where"),
    },
    good=[
        "open: at in local is in the future: 2026-03-01 13:00:00",
        "open: only 40 s apart, less than 1 min 1 s",
    ],
    harm=["local wins", "local wins"],
)
def test_clocks_that_are_apart(place: Place, monkeypatch: pytest.MonkeyPatch) -> object:
    """A stamp of an hour from now; and stamps closer than the clocks, which a diff measures, are apart."""
    from syncnb.stores.postgres import PostgresReader

    monkeypatch.setenv("SYNCNB_NOW", "2026-03-01T12:00:00Z")
    future = newest(*stamped(place, "2026-03-01 13:00:00", "2026-03-01 11:00:00+00"))
    monkeypatch.setattr(PostgresReader, "clock_offset", lambda reader: timedelta(seconds=30))
    return [future, newest(*stamped(place, "2026-03-01 10:00:40", "2026-03-01 10:00:00+00"))]


def by_cursor(store: sn.Store, *, source: str = "capture", known: object = None) -> Any:
    """What a cursor over time gives: rows whose stamp is later than the last one that was seen."""
    from dataclasses import replace

    from syncnb.tracking.reading import pending

    found = pending(store, source=source, known=known)  # type: ignore[arg-type]
    with closing(sqlite3.connect(store.path)) as connection:  # type: ignore[attr-defined]
        late = {id for (id,) in connection.execute("SELECT id FROM t WHERE at > '2026-03-01 10:00:00'")}
    return replace(found, rows=tuple(row for row in found.rows if row.key[0] in late))


@fault(
    70,
    without={"syncnb.tracking.pending": by_cursor},
    good=[(1, "a"), (2, "late")],
    harm=[(1, "a")],
)
def test_a_late_commit_with_an_early_stamp(place: Place) -> object:
    ddl = "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, at TEXT)"
    local, remote = place.pair(PG, ddl, local=["1, 'a', '2026-03-01 10:00:00'"])
    sn.track(local)
    sn.sync(local, remote)
    place.tell(local, "INSERT INTO t VALUES (2, 'late', '2026-03-01 09:59:59')")
    sn.sync(local, remote)
    return place.ask(remote, "SELECT id, v FROM t ORDER BY 1")
