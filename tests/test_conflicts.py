"""The list of a table's conflicts: in words only when looked at."""

import sqlite3
from pathlib import Path
from uuid import NAMESPACE_OID, uuid5

import numpy as np
import pyarrow as pa
import pytest

import syncnb as sn
from syncnb.changes import Conflict, ConflictClass, Conflicts

COLLISION, TWIN = ConflictClass.COLLISION, ConflictClass.TWIN
KINDS = [COLLISION, TWIN, COLLISION, TWIN]


class Words:
    """Says which conflicts somebody looked at."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def __call__(self, places: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> list[Conflict]:
        self.asked += places.tolist()
        return [Conflict("t", KINDS[at], at, 10 + at, f"thing {at}") for at in places.tolist()]


@pytest.fixture
def words() -> Words:
    return Words()


@pytest.fixture
def conflicts(words: Words) -> Conflicts:
    return Conflicts(KINDS, pa.array([0, 1, 2, 3]), pa.array([10, 11, 12, 13]), words)


def test_classes_and_ids_need_no_words(conflicts: Conflicts, words: Words) -> None:
    assert len(conflicts) == 4
    assert conflicts
    assert list(conflicts.counted.items()) == [(COLLISION, 2), (TWIN, 2)]
    assert list(conflicts.of(TWIN).ids) == [(1, 11), (3, 13)]
    assert words.asked == []


LOOKS = {
    "the first": (lambda c: [c[0]], [0]),
    "the last": (lambda c: [c[-1]], [3]),
    "a slice": (lambda c: list(c[1:3]), [1, 2]),
    "backwards": (lambda c: list(c[::-1]), [3, 2, 1, 0]),
    "one class": (lambda c: list(c.of(TWIN)), [1, 3]),
    "a slice of a class": (lambda c: list(c.of(TWIN)[1:]), [3]),
    "chosen ones": (lambda c: list(c.where([True, False, False, True])), [0, 3]),
    "all": (list, [0, 1, 2, 3]),
}


@pytest.mark.parametrize(("look", "places"), LOOKS.values(), ids=LOOKS)
def test_only_what_is_looked_at_is_put_in_words(
    conflicts: Conflicts, words: Words, look: object, places: list[int]
) -> None:
    found = look(conflicts)  # type: ignore[operator]
    assert [each.local_id for each in found] == places
    assert words.asked == places


def test_it_equals_what_it_lists(conflicts: Conflicts) -> None:
    same = Conflicts(KINDS, conflicts.local_ids, conflicts.remote_ids, Words())
    assert conflicts == same == tuple(conflicts)
    assert conflicts != conflicts.of(TWIN)
    assert Conflicts() == ()
    assert repr(conflicts.of(TWIN)[:1]) == repr((conflicts[1],))


def test_beyond_the_end(conflicts: Conflicts) -> None:
    with pytest.raises(IndexError):
        conflicts[4]


def test_twins_that_uuids_name_are_kept_for_the_journal(tmp_path: Path) -> None:
    """Written with dashes in the rows, without them in the journal: the same ids."""
    ids = {side: str(uuid5(NAMESPACE_OID, side)) for side in ("local", "remote")}
    for side, one in ids.items():
        with sqlite3.connect(tmp_path / f"{side}.db") as connection:
            connection.execute(
                "CREATE TABLE hosts (id uuid PRIMARY KEY NOT NULL, name text NOT NULL UNIQUE, n int)"
            )
            connection.execute("INSERT INTO hosts VALUES (?, 'shared', ?)", (one, len(side)))
        connection.close()
    remote = sn.connect(tmp_path / "remote.db", writable=True)
    d = sn.diff(sn.connect(tmp_path / "local.db"), remote, progress=False)
    (kept,) = sn.plan(d, into=remote, resolve=sn.take_local).maps
    assert (kept.source, kept.target) == tuple((ids[side].replace("-", ""),) for side in ids)
