"""What could identify the rows of a table: found in the data, with the evidence."""

import pytest

import syncnb as sn
from syncnb.errors import SchemaError
from tests.databases import Workbench, rows

DNS = "CREATE TABLE dns (id INTEGER PRIMARY KEY, domain INTEGER, type VARCHAR(9), name VARCHAR(9), value VARCHAR(9), ttl INTEGER, seen VARCHAR(30))"


def records(first: int, *, more: int = 0) -> list[str]:
    found = [
        f"{{}}, {domain}, '{kind}', '{name}', '{value}', 300, 'x'"
        for domain in (1, 2) for kind in ("A", "TXT") for name in ("@", "www") for value in ("v1", "v2")
    ]  # fmt: skip
    return rows("dns", [row.format(first + at) for at, row in enumerate(found[more:])])


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_the_natural_key_of_dns_records(bench: Workbench, engine: str) -> None:
    left, right = bench.sqlite(DNS, *records(1)), bench.make(engine, DNS, *records(100, more=3))
    found = sn.suggest_keys(left, right, "dns")
    assert found[0].key == ("domain", "type", "name", "value")
    assert (found[0].unique, found[0].own_local, found[0].own_remote, found[0].on_both) == (True, 16, 13, 13)
    assert len(found) == 1
    assert "no two rows alike" in repr(found)
    d = sn.diff(left, right, key=found[0].key, ids="meaningless")
    assert (d["dns"].counts.same, d["dns"].counts.only_local) == (13, 3)


CASES = {
    "one column": (["1, 'a', 'x'", "2, 'b', 'x'"], [("a",)]),
    "NULL identifies nothing, and is counted": (["1, 'a', 'x'", "2, NULL, 'y'"], [("a",), ("b",)]),
    "nearly": ([f"{n}, 'v{n}', 'x'" for n in range(2, 20)] + ["1, 'v2', 'x'", "20, 'z', 'x'"], [("a",)]),
    "nothing tells": (["1, 'a', 'x'", "2, 'a', 'x'"], []),
    "empty": ([], []),
}


@pytest.mark.parametrize(("lines", "keys"), CASES.values(), ids=CASES)
def test_candidates(bench: Workbench, lines: list[str], keys: list[tuple[str, ...]]) -> None:
    ddl = "CREATE TABLE t (id INTEGER PRIMARY KEY, a VARCHAR(9), b VARCHAR(9))"
    store = bench.sqlite(ddl, *rows("t", lines))
    found = sn.suggest_keys(store, store, "t")
    assert sorted(each.key for each in found) == keys
    assert list(found.frame.columns)[:2] == ["key", "rows_local"]
    if "NULL, 'y'" in "".join(lines):
        assert found[0].key == ("b",), "a key without NULL goes first"
        assert found[1].null == 2
    if len(lines) == 20:
        assert not found[0].unique
        assert "4 rows are not alone with theirs" in found[0].evidence


def test_a_table_of_one_side_is_refused(bench: Workbench) -> None:
    with pytest.raises(SchemaError, match="no table 'dns'"):
        sn.suggest_keys(bench.sqlite(DNS), bench.sqlite("CREATE TABLE t (a INTEGER)"), "dns")
