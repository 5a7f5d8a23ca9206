"""How far apart two values are, in words: one way of writing each distance, whatever it was read from."""

import pytest

import syncnb as sn
from syncnb.values.moments import StampRule
from syncnb.values.numeric import NumberRule
from syncnb.values.raw import Raw
from syncnb.values.reading import why
from syncnb.values.rules import Rule
from tests.databases import Workbench, rows

NUMBER, STAMP = NumberRule(), StampRule()
WORDS: dict[str, tuple[Rule, Raw, Raw, str]] = {
    "two scales": (NUMBER, "12.50", "13.50", "differ by 1"),
    "a scale and a double": (NUMBER, "12.50", 13.5, "differ by 1"),
    "a fraction": (NUMBER, "0.100", "0.35", "differ by 0.25"),
    "zeros that count": (NUMBER, "100", "1300.00", "differ by 1200"),
    "a power of ten": (NUMBER, "1e3", "0", "differ by 1000"),
    "a small one": (NUMBER, 0.30000000000000004, 0.3, "differ by 0.00000000000000004"),
    "beyond a double": (NUMBER, 9007199254740992, 9007199254740993, "differ by 1"),
    "too long to be read": (NUMBER, 1e300, 0.0, "differ by about 1.00e+300"),
    "too small to be read": (NUMBER, 5e-324, 0.0, "differ by about 5.00e-324"),
    "whole seconds, with a fraction": (STAMP, "2026-01-01 00:00:01.000", "2026-01-01", "1 s apart"),
    "half a second": (STAMP, "2026-01-01 00:00:00.500000", "2026-01-01", "0.5 s apart"),
}


@pytest.mark.parametrize(("rule", "local", "remote", "words"), WORDS.values(), ids=WORDS)
def test_a_distance_has_one_spelling(rule: Rule, local: Raw, remote: Raw, words: str) -> None:
    assert why(rule, local, remote) == why(rule, remote, local) == words


def test_the_same_distance_is_one_group_of_a_column(bench: Workbench) -> None:
    """Scales differ from row to row, where the type of the column leaves them to the row."""
    local = bench.sqlite("CREATE TABLE t (id INTEGER PRIMARY KEY, n)", *rows("t", ["1, 1", "2, 1.5", "3, 7"]))
    remote = bench.postgresql(
        "CREATE TABLE t (id integer PRIMARY KEY, n numeric)", *rows("t", ["1, 2.00", "2, 2.5", "3, 8"])
    )
    cells = sn.diff(local, remote)["t"].cells
    assert cells.groupby("why").size().to_dict() == {"differ by 1": 3}
