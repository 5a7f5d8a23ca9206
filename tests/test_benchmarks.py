"""The benchmark, small: who runs, what is found, what is left out and why; never seconds."""

import sys
from pathlib import Path

import pytest

from tests.benchmarks import environments
from tests.benchmarks.__main__ import WIDEST, Line, copied, lines, measured, plot, table
from tests.benchmarks.compare import change, fill
from tests.benchmarks.environments import Run


def test_a_small_round(tmp_path: Path, pg: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path / "items.db", pg, 3000)
    change(pg, 3000, 30, 1)
    copied(pg, tmp_path / "other.db")
    places = {"path": str(tmp_path / "items.db"), "other": str(tmp_path / "other.db"), "url": pg}
    monkeypatch.setitem(environments.NEEDS, "reladiff", ("syncnb-has-no-such-package",))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setattr(environments.venv, "create", lambda home, **_: pretended(home))
    told = [
        Line("read", "sqlite_read", ("path", "url")), Line("two files", "syncnb", ("path", "other")),
        Line("ours", "syncnb", ("path", "url")), Line("a peer", "reladiff", ("path", "url")),
    ]  # fmt: skip
    for line in told:
        right = 10 if line.label != "two files" else 11
        measured(line, places, tmp_path / "environments", (right, 10, 10))
    assert [bool(line.why_not) for line in told] == [False, True, False, True], told
    assert told[1].why_not == "found (10, 10, 10) instead of (11, 10, 10)", "a wrong answer has no time"
    assert "syncnb-has-no-such-package" in told[3].why_not
    if sys.platform == "linux":
        assert told[2].runs[0].memory > 0
    shown = list(table(told, [0.5], 0))
    assert [row.count("|") for row in shown] == [5] * len(shown)
    assert ["left out" in row for row in shown[3:]] == [False, True, False, True]


def test_a_bar_for_each_that_ran_the_fastest_first() -> None:
    told = [Line(label, label, ("path", "url")) for label in ("slow", "**ours**", "absent", "wrong")]
    told[0].runs, told[1].runs = (
        [Run(6.0, None, 0)],
        [Run(0.001, None, 0), Run(1.0, None, 0), Run(9.0, None, 0)],
    )
    told[3].runs, told[3].why_not = [Run(1.0, None, 0)], "found something else"
    assert list(plot(told, [0.5])) == [
        "```", f"drain of COPY  {'█' * (WIDEST // 12)} 1.00", f"ours           {'█' * (WIDEST // 6)} 2.00",
        f"slow           {'█' * WIDEST} 12.00", "```",
    ]  # fmt: skip


def pretended(home: Path) -> None:
    """An environment that can only say what it cannot install."""
    (home / "bin").mkdir(parents=True)
    python = home / "bin" / "python"
    python.write_text('#!/bin/sh\nfor last; do :; done\necho "no $last" >&2\nexit 1\n')
    python.chmod(0o755)


def test_every_peer_has_a_line_and_a_contestant() -> None:
    from tests.benchmarks.contestants import CONTESTANTS

    told = lines([*environments.NEEDS, "sqldiff"])
    assert {line.name for line in told} - {""} <= set(CONTESTANTS)
    assert set(environments.NEEDS) <= {line.name for line in told}
