"""Many rows that differ are kept in files: what is told of them is the same, and nothing is left behind."""

import gc
import os
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import syncnb as sn
from syncnb.comparing import spilling
from syncnb.values.raw import BadText, from_python, given, to_python, ungiven, with_ungiven
from tests.databases import Workbench, rows
from tests.test_strategies import ITEMS, TYPES, item, told

BATCHES: dict[str, list[list[Any]]] = {
    "plain": [[1, 2], [3], [4, 5, 6]],
    "mixed": [[1, "a"], [None, 2.5], [b"x", BadText(b"\xff"), -(2**63)]],
    "NULL first": [[None, None], [None], ["a", None]],
    "NULL only": [[None], [None, None]],
    "plain here, mixed there": [["a", "b"], [1, 2], [None]],
    "empty texts": [["", "é"], [""], ["\x00", None]],
}


@pytest.mark.parametrize("most", [0, 20, 10**9], ids=["at once", "later", "never"])
@pytest.mark.parametrize("batches", BATCHES.values(), ids=BATCHES)
def test_what_was_kept_comes_back(
    monkeypatch: pytest.MonkeyPatch, batches: list[list[Any]], most: int
) -> None:
    monkeypatch.setattr(spilling, "MOST_BYTES", most)
    kept = spilling.Kept(2)
    for values in batches:
        kept.append([from_python(values), from_python(list(range(len(values))))])
    whole = [value for values in batches for value in values]
    first, second = kept.columns()
    assert (len(kept), to_python(first)) == (len(whole), whole)
    assert len(second) == len(whole)
    assert to_python(first.take(pa.array([1, 0]))) == whole[1::-1]
    assert [to_python(column) for column in spilling.Kept(2).columns()] == [[], []]


def test_what_nobody_said_is_not_null(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spilling, "MOST_BYTES", 0)
    kept = spilling.Kept(1)
    array = with_ungiven(
        from_python(["a", None, None]), pa.array([False, True, False]).to_numpy(zero_copy_only=False)
    )
    kept.append([array])
    (found,) = kept.columns()
    assert ungiven(found).tolist() == [False, True, False]  # type: ignore[union-attr]
    assert to_python(given(found)) == ["a", None, None]


@pytest.mark.parametrize("other", ["sqlite", "postgresql"])
def test_a_diff_tells_the_same(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, other: str
) -> None:
    """Its frames, too; and no name is in the folder of temporary files at any time after."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    local = bench.sqlite(
        ITEMS.format(**TYPES["sqlite"]), *rows("items", [item("sqlite", n) for n in range(300)])
    )
    theirs = [item(other, n, **({"n": 99, "name": None} if n % 5 else {})) for n in range(100, 350)]
    remote = bench.make(other, ITEMS.format(**TYPES[other]), *rows("items", theirs))
    options: list[dict[str, Any]] = [{}, {"ids": "meaningless"}, {"limit": 7}, {"where": sn.col("id") > 200}]
    wanted = [told(sn.diff(local, remote, **each)) for each in options]
    monkeypatch.setattr(spilling, "MOST_BYTES", 1000)
    d = None
    for each, expected in zip(options, wanted, strict=True):
        d = sn.diff(local, remote, **each)
        assert told(d) == expected
        assert os.listdir(folder) == []
    handles = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    del d
    gc.collect()
    assert not handles or len(os.listdir("/proc/self/fd")) <= handles


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
def test_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spilling, "MOST_BYTES", 0)
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: open("/dev/full", "wb"))  # noqa: SIM115
    kept = spilling.Kept(1)
    with pytest.raises(sn.ReadError, match="put aside .*TMPDIR"):
        kept.append([from_python(["a" * 100_000])])
