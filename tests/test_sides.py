"""Local and remote: which is meant, and which is the other; asked of pairs, differences and what is known since."""

import pytest

import syncnb as sn
from syncnb.values.sides import SIDES, Side, of_side, other_side, own_first
from tests.databases import Workbench


@pytest.mark.parametrize("side", SIDES)
def test_what_belongs_to_a_side(side: Side) -> None:
    assert {side, other_side(side)} == set(SIDES)
    assert other_side(other_side(side)) == side
    assert of_side(side, *SIDES) == side
    assert own_first(side, *SIDES) == (side, other_side(side))
    assert own_first(side, *own_first(side, *SIDES)) == SIDES


def test_each_side_of_a_difference(bench: Workbench) -> None:
    ddl = "CREATE TABLE {0} ({1} INTEGER PRIMARY KEY, v TEXT)"
    local = bench.sqlite(ddl.format("t", "id"), "INSERT INTO t VALUES (1, 'here'), (2, 'left')")
    remote = bench.sqlite(ddl.format("u", "ID"), "INSERT INTO u VALUES (1, 'there'), (3, 'right')")
    table = sn.diff(local, remote, tables={"t": "u"}).tables[0]
    told = {
        side: (
            table.pair.on(side).name,
            [column.on(side).name for column in table.pair.columns],
            table.changed(side).row(0),
            table.alone(side).row(0),
        )
        for side in SIDES
    }
    assert told == {
        "local": ("t", ["id", "v"], (1, "here"), (2, "left")),
        "remote": ("u", ["ID", "v"], (1, "there"), (3, "right")),
    }
    assert (table.alone("local"), table.changed("remote")) == (table.only_local, table.changed_remote)
