"""What was clicked, written as a notebook: its shape, that it runs on its own, and that it holds no secret."""

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

import syncnb as sn
from tests.databases import Workbench
from tests.panels.making import sides
from tests.test_notebooks import HEADINGS

DDL = "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE, n INTEGER)"
LEFT = [(1, "a", 1), (2, "b", 2), (3, "c", 3), (4, "only here", 4)]
RIGHT = [(1, "a", 10), (2, "b", 20), (3, "c", 3), (9, "only there", 9)]


def decided(desk: sn.Desk, **words: Any) -> sn.Desk:
    """Compared, planned, and one row decided by hand."""
    desk.press("diff").result()
    desk.press("plan", **words).result()
    desk.conflicts.choose(1, "local", reason='counted; "twice"')
    return desk


def run(path: Path, *, write: bool) -> list[Any]:
    """Run it in a kernel of its own, in its folder; the outputs of its code cells."""
    book: Any = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    nbformat.validate(book)
    if write:
        for cell in book.cells:
            cell.source = cell.source.replace("WRITE = False", "WRITE = True")
    NotebookClient(
        book, kernel_name="python3", timeout=60, resources={"metadata": {"path": str(path.parent)}}
    ).execute()
    return [cell for cell in book.cells if cell.cell_type == "code"]


@pytest.fixture(autouse=True)
def _own_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(sn.__file__).parents[1]))


def text(cells: list[Any]) -> str:
    return "\n".join(
        str(output.get("text") or output.get("data", {}).get("text/plain"))
        for cell in cells
        for output in cell.outputs
    )


def test_it_runs_and_writes_only_when_told(tmp_path: Path) -> None:
    desk = decided(sn.panel(*sides(tmp_path, DDL, LEFT, RIGHT), by="ann"))
    written = desk.to_runbook(tmp_path / "fix.ipynb")
    assert "16 cells" in repr(written)
    before = sn.diff(desk.local, desk.remote, progress=False).summary
    said = text(run(tmp_path / "fix.ipynb", write=False))
    assert "nothing was written: WRITE is False" in said
    assert "SQLiteStore('remote.db')" in said, "it is opened to be read"
    assert sn.diff(desk.local, desk.remote, progress=False).summary.equals(before)
    said = text(run(tmp_path / "fix.ipynb", write=True))
    assert "run 1: applied" in said
    assert "proof: every line holds" in said
    d = sn.diff(desk.local, desk.remote, progress=False)
    assert (d["t"].counts.changed, d["t"].counts.only_local) == (1, 0)
    again = text(run(tmp_path / "fix.ipynb", write=True))
    assert "nothing to do" in again, "a row that is in step by now is passed over"
    assert sn.history(desk.remote).frame["approved_by"].tolist() == ["ann"]


def test_it_has_the_seven_headings_the_decisions_and_one_cell_that_writes(tmp_path: Path) -> None:
    desk = decided(sn.panel(*sides(tmp_path, DDL, LEFT, RIGHT), by="ann"), resolve=sn.take_remote)
    desk.to_runbook(tmp_path / "fix.ipynb")
    book = json.loads((tmp_path / "fix.ipynb").read_text())
    sources = ["".join(cell["source"]) for cell in book["cells"]]
    headings = [line[3:] for source in sources for line in source.split("\n") if line.startswith("## ")]
    assert headings == list(HEADINGS)
    assert sources[0].startswith("# ")
    assert sources[0].count("\n* ") == 3
    assert sum("sn.apply(" in source and not source.startswith("#") for source in sources) == 1
    assert [cell["metadata"] for cell in book["cells"] if cell["metadata"]] == [{"tags": ["parameters"]}]
    assert all(not cell.get("outputs") for cell in book["cells"])
    assert "WRITE = False" in sources[2]
    assert str(tmp_path) not in "".join(sources), "a file beside it is named, not where it lies"


def test_a_decision_that_was_applied_is_in_it_too(tmp_path: Path) -> None:
    desk = decided(sn.panel(*sides(tmp_path, DDL, LEFT, RIGHT), by="ann"))
    desk.press("apply").result()
    desk.press("look_back", run=1).result()
    desk.press("undo").result()
    desk.to_runbook(tmp_path / "fix.ipynb")
    source = (tmp_path / "fix.ipynb").read_text()
    assert "counted" in source
    assert "The runs of that session: 1, 2." in source
    assert "run 1: " not in source
    assert "sn.undo(1" not in source
    said = text(run(tmp_path / "fix.ipynb", write=True))
    assert "run 3: applied" in said


def test_passwords_never_reach_it(bench: Workbench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    remote = bench.postgresql(DDL, "INSERT INTO t VALUES (1, 'a', 10)")
    url = bench.last
    monkeypatch.setenv("REMOTE_URL", url)
    local = bench.sqlite(DDL, "INSERT INTO t VALUES (1, 'a', 1)")
    for desk in (
        sn.panel(local, sn.connect(url, writable=True)),
        sn.panel(local, remote).hold("remote", sn.connect(env="REMOTE_URL", writable=True)),
    ):
        desk.press("diagnose", text=f"connection to {url} password=hunter2 failed: duplicate key").result()
        decided(desk)
        path = tmp_path / f"fix{id(desk)}.ipynb"
        desk.to_runbook(path)
        said = path.read_text()
        assert url not in said
        assert "hunter2" not in said + desk.code + desk.log + repr(desk) + desk._repr_html_()
        assert 'REMOTE_ENV = \\"REMOTE_URL\\"' in said
        assert "proof: every line holds" in text(run(path, write=True)) or desk.remote is None
        sn.apply(sn.undo(sn.history(desk.remote).runs[-1].run, desk.remote), desk.remote)


def test_a_sync_and_a_migration_are_written_too(tmp_path: Path) -> None:
    local, remote = sn.demo("repair_session")
    local = sn.connect(local.path, writable=True, timezone="UTC")  # type: ignore[attr-defined]
    desk = sn.panel(local, remote, by="ann")
    desk.press("sync", resolve=sn.newest("updated_at")).result()
    desk.to_runbook(tmp_path / "sync.ipynb")
    assert "Sync #" in text(run(tmp_path / "sync.ipynb", write=True))

    sides(tmp_path, "CREATE TABLE t (id INTEGER PRIMARY KEY, code TEXT)", [(1, "a")], [(1, "a")])
    shop = sn.connect(tmp_path / "remote.db", writable=True)
    desk = sn.panel(remote=shop)
    desk.press(
        "diagnose",
        text="ON CONFLICT clause does not match any PRIMARY KEY or UNIQUE constraint\n[SQL: INSERT INTO t (id, code) VALUES (?, ?) ON CONFLICT (code) DO NOTHING]",
    ).result()
    desk.press("migrate").result()
    desk.to_runbook(tmp_path / "alter.ipynb")
    assert 'MESSAGE = ""' in json.loads((tmp_path / "alter.ipynb").read_text())["cells"][2]["source"][-2]


REFUSED: dict[str, str] = {
    "nothing compared": "nothing was compared yet",
    "a file in the way": "is there already",
    "a frame": "it is a frame",
}


@pytest.mark.parametrize(("case", "why"), REFUSED.items(), ids=REFUSED)
def test_where_it_cannot_be_written(case: str, why: str, tmp_path: Path) -> None:
    import pandas as pd

    local, remote = sides(tmp_path, DDL, LEFT, RIGHT)
    if case == "a frame":
        local = sn.connect({"t": pd.DataFrame({"id": [1], "name": ["a"], "n": [1]})})
    desk = sn.panel(local, remote)
    if case != "nothing compared":
        desk.press("diff", key="id").result()
    path = tmp_path / "fix.ipynb"
    if case == "a file in the way":
        path.write_text("mine")
    with pytest.raises(sn.PlanError, match=why):
        desk.to_runbook(path)
    assert not path.exists() or path.read_text() == "mine"


def test_a_hostile_name_stays_a_text_in_it(tmp_path: Path) -> None:
    bad = "\"]); import os; os.abort() #<img src=x onerror=1>'\n\u202e"
    local, remote = sides(tmp_path, DDL, [(1, "a", 1)], [(1, "a", 2)])
    desk = decided(sn.panel(local, remote, by=bad))
    desk.conflicts.choose(1, "remote", reason=bad)
    desk.to_runbook(tmp_path / "fix.ipynb")
    assert "\u202e" not in (tmp_path / "fix.ipynb").read_text()
    cells = run(tmp_path / "fix.ipynb", write=False)
    assert len(cells) >= 8
