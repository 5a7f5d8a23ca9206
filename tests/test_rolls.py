"""Roll calls and expected rows: what a proof says of things by their names."""

import sqlite3
from typing import Any

import pytest

import syncnb as sn
from syncnb.errors import SchemaError
from tests.databases import Workbench

DDL = (
    "CREATE TABLE hosts (id INTEGER PRIMARY KEY, name VARCHAR(9) UNIQUE, part_of INTEGER REFERENCES hosts, n NUMERIC)",
    "CREATE TABLE ips (id INTEGER PRIMARY KEY, host_id INTEGER REFERENCES hosts, ip VARCHAR(9), UNIQUE (host_id, ip))",
    "CREATE TABLE loose (id INTEGER PRIMARY KEY, code VARCHAR(9))",
    "INSERT INTO hosts VALUES (1, 'a', NULL, 1.50), (2, 'b', 1, NULL), (3, NULL, 2, 3), (4, NULL, 2, 4)",
    "INSERT INTO ips VALUES (1, 1, '::1'), (2, 2, '::1'), (3, 2, '::2')",
    "INSERT INTO loose VALUES (1, 'x'), (2, 'y')",
)
NOTHING = sn.Report("x", None, "nothing to do")


def moved(bench: Workbench, *statements: str) -> tuple[sn.Store, Any]:
    """A database, its roll call, and then what was done to it."""
    store = bench.sqlite(*DDL)
    before = sn.roll_call(store, key={"loose": "code"})
    with sqlite3.connect(store.path) as connection:  # type: ignore[attr-defined]
        for statement in statements:
            connection.execute(statement)
    connection.close()
    return store, before


def test_things_are_called_by_their_names(bench: Workbench) -> None:
    _, before = moved(bench)
    assert set(before.rolls["ips"].names) == {("a", "::1"), ("b", "::1"), ("b", "::2")}
    assert before.rolls["ips"].by == ("host_id → hosts", "ip")
    assert set(before.rolls["loose"].names) == {("x",), ("y",)}
    assert "host_id → hosts, ip" in repr(before)


LOSSES: dict[str, tuple[tuple[str, ...], dict[str, tuple[bool, str]]]] = {
    "nothing happened": ((), {"hosts": (True, "4 → 4"), "ips": (True, "3 → 3"), "loose": (True, "2 → 2")}),
    "all ids are others": (
        ("UPDATE ips SET id = id + 100, host_id = host_id + 10", "UPDATE hosts SET id = id + 10, part_of = part_of + 10", "UPDATE loose SET id = id + 9"),
        {"hosts": (True, "4 → 4"), "ips": (True, "3 → 3"), "loose": (True, "2 → 2")},
    ),
    "one is new": (("INSERT INTO hosts VALUES (9, 'z', NULL, 0)",), {"hosts": (True, "4 → 5")}),
    "one is lost": (("DELETE FROM ips WHERE id = 3",), {"ips": (False, "3 → 2, lost: b / ::2")}),
    "a child has another parent": (("UPDATE ips SET host_id = 1 WHERE id = 3",), {"ips": (False, "3 → 3, lost: b / ::2")}),
    "a parent lost its name": (("UPDATE hosts SET name = 'c' WHERE id = 2",), {"hosts": (False, "4 → 4, lost: b"), "ips": (False, "3 → 3, lost: b / ::1; b / ::2")}),
    "one of two without a name is lost": (("DELETE FROM hosts WHERE id = 4",), {"hosts": (False, "4 → 3, lost: None")}),
    "a told name is lost": (("DELETE FROM loose",), {"loose": (False, "2 → 0, lost: x; y")}),
}  # fmt: skip


@pytest.mark.parametrize(("statements", "wanted"), LOSSES.values(), ids=LOSSES)
def test_a_proof_says_what_is_lost(
    bench: Workbench, statements: tuple[str, ...], wanted: dict[str, tuple[bool, str]]
) -> None:
    store, before = moved(bench, *statements)
    proof = sn.verify(NOTHING, store, expect=[sn.none_lost(before)])
    found = {line.what.partition(":")[0]: (line.ok, line.found) for line in proof.lines}
    assert {table: found[table] for table in wanted} == wanted
    assert bool(proof) == all(ok for ok, _ in wanted.values())


ROWS: dict[str, tuple[Any, tuple[bool, str, str]]] = {
    "it is there": (sn.row("hosts", {"name": "a"}), (True, "1 row", "1 row")),
    "its value, by what it is": (sn.row("hosts", {"id": "1"}, {"n": 1.5}), (True, "n=1.5", "n=1.5")),
    "NULL": (sn.row("hosts", {"name": None, "id": 3}, {"part_of": 2, "n": 3}), (True, "part_of=2, n=3", "part_of=2, n=3")),
    "another value": (sn.row("hosts", {"name": "b"}, {"n": 0}), (False, "n=0", "n=∅")),
    "nowhere": (sn.row("hosts", {"name": "q"}, {"n": 0}), (False, "n=0", "0 rows")),
    "twice": (sn.row("ips", {"ip": "::1"}), (False, "1 row", "2 rows")),
}  # fmt: skip


@pytest.mark.parametrize(("wanted", "line"), ROWS.values(), ids=ROWS)
def test_an_expected_row(bench: Workbench, wanted: Any, line: tuple[bool, str, str]) -> None:
    (found,) = sn.verify(NOTHING, bench.sqlite(*DDL), expect=[wanted]).lines
    assert (found.ok, found.expected, found.found) == line


def test_a_line_may_have_its_own_words(bench: Workbench) -> None:
    says = "Host updated correctly (newer timestamp used)"
    proof = sn.verify(NOTHING, bench.sqlite(*DDL), expect=[sn.row("hosts", {"name": "a"}, says=says)])
    assert f"✓   {says}" in repr(proof)
    with pytest.raises(SchemaError, match="hosts has no column 'nam'"):
        sn.verify(NOTHING, bench.sqlite(*DDL), expect=[sn.row("hosts", {"nam": "a"})])
