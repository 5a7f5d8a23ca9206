"""Runbooks: every template looks without writing, writes when told, proves, and leaves a record without secrets."""

import json
import re
import sqlite3
from pathlib import Path
from typing import Any

import nbformat
import pytest

import syncnb as sn
from syncnb.cli import main
from syncnb.runbooks import TEMPLATES, run_notebook, write_template
from syncnb.runbooks.running import parameters_of, value_of
from tests.databases import Workbench

HEADINGS = ("Settings", "Connect", "Look", "Decide", "Act and confirm", "Take it back")
DDL = "CREATE TABLE items (id INTEGER PRIMARY KEY, name VARCHAR(9), updated_at {stamp})"
ROWS = (
    "INSERT INTO items VALUES (1, 'a', '2026-01-01 00:00:00+00')",
    "INSERT INTO items VALUES (2, 'b', '2026-01-01 00:00:00+00')",
)
NEWS = (
    "UPDATE items SET name = 'b2', updated_at = '2026-02-01 00:00:00+00' WHERE id = 2",
    "INSERT INTO items VALUES (3, 'c', '2026-02-01 00:00:00+00')",
)
ASKS = re.compile(r"""(src|href)\s*=\s*["']?https?:|url\(\s*["']?https?:|@import""")
"""What makes a browser ask another machine for something."""
CSV = "id,name\n1,a\n2,b2\n3,c\n"


@pytest.fixture(params=["postgresql"])
def place(
    request: pytest.FixtureRequest, bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A folder with a cache that has news, and a remote database that a variable names."""
    stamp = {"sqlite": "DATETIME", "postgresql": "timestamptz"}
    store = bench.make(request.param, DDL.format(stamp=stamp[request.param]), *ROWS)
    address = str(store.path) if request.param == "sqlite" else bench.last  # type: ignore[attr-defined]
    monkeypatch.setenv("REMOTE_URL", address)
    with sqlite3.connect(tmp_path / "cache.db") as connection:
        for statement in (DDL.format(stamp="DATETIME"), *ROWS, *NEWS):
            connection.execute(statement)
    connection.close()
    (tmp_path / "items.csv").write_text(CSV)
    return tmp_path


def names(store: sn.Store) -> list[str]:
    with store.reading() as reader:
        table = reader.schema().find("items")
        return sorted(v for batch in reader.batches(table, ["name"]) for v in batch.column(0).to_pylist())


def outputs(path: Path) -> str:
    book: Any = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    return json.dumps([cell.outputs for cell in book.cells if cell.cell_type == "code"], ensure_ascii=False)


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_has_the_seven_headings_and_no_outputs(tmp_path: Path, name: str) -> None:
    path = tmp_path / "runbook.ipynb"
    write_template(name, path)
    book: Any = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    nbformat.validate(book)
    text = "\n".join(cell.source for cell in book.cells if cell.cell_type == "markdown")
    assert text.startswith("# ")
    assert tuple(re.findall(r"^## (.+)$", text, re.MULTILINE)) == HEADINGS
    assert not any(cell.outputs for cell in book.cells if cell.cell_type == "code")
    assert max(cell.source.count("\n") + 1 for cell in book.cells if cell.cell_type == "code") <= 9
    assert {"AUTHOR", "ALLOW", "WRITE"} <= set(parameters_of(path))
    assert "WRITE = False" in path.read_text()


WRITTEN = {
    "diff": ["a", "b", "c"],
    "conflicts": ["a", "b2", "c"],
    "upsert": ["a", "b2", "c"],
    "schedule": ["a", "b2", "c"],
}
TOLD: dict[str, dict[str, Any]] = {
    "diff": {},
    "conflicts": {"timezone": "UTC"},
    "upsert": {"touch": ["updated_at"], "source": "list"},
    "schedule": {"timezone": "UTC"},
}


# A kernel is started for each run: the engine is the engine's business, so one is enough for most.
@pytest.mark.parametrize(
    ("place", "name"),
    [("sqlite", "diff"), *(("postgresql", name) for name in TEMPLATES)],
    indirect=["place"],
)
def test_it_looks_and_then_writes_when_told(place: Path, name: str) -> None:
    write_template(name, place / "fix.ipynb")
    remote = sn.connect(env="REMOTE_URL")
    looked = run_notebook(place / "fix.ipynb", TOLD[name], record=place / "looked.ipynb")
    assert (looked.failed, names(remote)) == ("", ["a", "b"])
    assert "nothing was written: WRITE is False" in outputs(looked.notebook)
    done = run_notebook(place / "fix.ipynb", {**TOLD[name], "write": True}, record=place / "done.ipynb")
    assert (done.failed, names(remote)) == ("", WRITTEN[name])
    assert len(sn.history(remote)) == 1
    page = done.report.read_text()
    assert "<h1" in page
    assert not ASKS.search(page), "a report opens offline"
    assert "syncnb" in page
    if name == "schedule":  # the one that is meant to be run again and again
        again = run_notebook(place / "fix.ipynb", {**TOLD[name], "write": True}, record=place / "again.ipynb")
        assert (again.failed, names(remote)) == ("", WRITTEN[name])
    assert not any(cell.get("outputs") for cell in json.loads((place / "fix.ipynb").read_text())["cells"])


def test_a_password_is_in_no_file(bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.postgresql(DDL.format(stamp="timestamptz"))
    secret = re.findall(r"://[^:]*:([^@]*)@", bench.last)[0]
    monkeypatch.setenv("REMOTE_URL", bench.last)
    path = tmp_path / "loud.ipynb"
    cells = [
        nbformat.v4.new_code_cell("import os\nprint(os.environ['REMOTE_URL'])"),  # type: ignore[no-untyped-call]
        nbformat.v4.new_code_cell("raise ValueError(os.environ['REMOTE_URL'])"),  # type: ignore[no-untyped-call]
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)  # type: ignore[no-untyped-call]
    done = run_notebook(path, {}, record=tmp_path / "record.ipynb")
    assert done.failed.startswith("ValueError")
    assert not done.disproved
    assert secret not in done.failed
    for file in (done.notebook, done.report):
        text = file.read_text()
        assert secret not in text
        assert "***" in text


REFUSED: dict[str, tuple[list[str], str]] = {
    "a parameter that is not there": (["run", "fix.ipynb", "-p", "tabels", "items"], "did you mean TABLES"),
    "a password": (
        ["run", "fix.ipynb", "-p", "local", "postgresql://ann:geheim@host/db"],
        "environment variable",
    ),
    "no notebook": (["run", "items.csv"], "is no notebook"),
    "no file": (["run", "nobody.ipynb"], "cannot be read"),
    "a record that is there": (["run", "fix.ipynb", "--record", "fix.ipynb"], "--record names another"),
    "a name that is taken": (["new", "fix.ipynb"], "never overwritten"),
    "no notebook's name": (["new", "fix.txt"], "no name of a notebook"),
    "no such tour": (["new", "x.ipynb", "--example", "99"], "there is no tour"),
    "no such folder": (["new", "nowhere/x.ipynb"], "make it first"),
}


@pytest.mark.parametrize(("words", "said"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_is_refused_in_one_line(
    words: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "items.csv").write_text(CSV)
    write_template("diff", tmp_path / "fix.ipynb")
    before = (tmp_path / "fix.ipynb").read_bytes()
    assert main(words) == 2
    err = capsys.readouterr().err
    assert said in err
    assert "geheim" not in err
    assert (tmp_path / "fix.ipynb").read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["fix.ipynb", "items.csv"]


def test_a_run_on_the_command_line_ends_by_its_proof(
    place: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(place)
    monkeypatch.setenv("SYNCNB_NOW", "2026-03-04T05:06:07Z")
    assert main(["new", "fix.ipynb", "--template", "schedule"]) == 0
    assert main(
        ["run", "fix.ipynb", "-p", "remote_env", "REMOTE_URL", "-p", "write", "true", "-p", "stamp", "name"]
    ) in (1, 2)
    assert (
        main(["run", "fix.ipynb", "-p", "timezone", "UTC", "-p", "write", "true", "--record", "b.ipynb"]) == 0
    )
    out, err = capfd.readouterr()
    assert "over TCP" not in err  # what the kernel says of itself helps nobody
    assert "record: fix.20260304-050607.ipynb" in out
    assert (place / "fix.20260304-050607.html").is_file()
    assert names(sn.connect(env="REMOTE_URL")) == ["a", "b2", "c"]


def test_a_tour_is_copied(tmp_path: Path) -> None:
    path = tmp_path / "mine.ipynb"
    tour = Path(__file__).resolve().parents[1] / "notebooks" / "01_id_collisions.ipynb"
    for name in ("1", "01_id_collisions"):
        other = path.with_name(f"{name}.copy.ipynb")
        assert main(["new", str(other), "--example", name]) == 0
        assert other.read_bytes() == tour.read_bytes()
    assert main(["new", str(path), "--example", "01"]) == 0
    assert "One id, two things" in path.read_text()


TYPED: dict[str, Any] = {
    "1": 1,
    "true": True,
    "None": None,
    "['a']": ["a"],
    "'1'": "1",
    "UTC": "UTC",
    "a b": "a b",
    "-": "-",
}


@pytest.mark.parametrize(("text", "value"), TYPED.items(), ids=TYPED)
def test_what_is_typed_is_a_value(text: str, value: Any) -> None:
    assert value_of(text) == value
