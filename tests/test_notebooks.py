"""The shape of the notebooks; nbval compares their outputs (see `testpaths`)."""

import ast
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests import refresh_notebooks

NOTEBOOKS = sorted(refresh_notebooks.NOTEBOOKS.glob("*.ipynb"))
HEADINGS = ("Settings", "Connect", "Look", "Decide", "Act and confirm", "Take it back")
"""All of them, in this order."""

SECRETS = {
    "a path": r"(?<![\w.])/(tmp|home|root|work|usr|opt|var|Users|private)/",
    "a port": r"(localhost|127\.0\.0\.1|\[::1\]):\d+",
    "an address with a password": r"\w+://[^\s/]*:[^\s/]*@|password\s*=",
    "an address in memory": r"\b0x[0-9a-fA-F]{6,}",
    "a version of PostgreSQL": r"PostgreSQL \d|\b1[5-9]\.\d+\b",
    "a duration": r"\bseconds\b|\b\d+(\.\d+)? ?(ms|µs)\b",
    "a progress bar": r"it/s|rows/s|%\|",
    "an error": r"Traceback|Error:|Warning:",
}


class Notebook:
    """A notebook as it is committed."""

    def __init__(self, path: Path) -> None:
        self.text = path.read_text("utf-8")
        self.json: dict[str, Any] = json.loads(self.text)
        self.cells: list[dict[str, Any]] = self.json["cells"]
        self.code = [cell for cell in self.cells if cell["cell_type"] == "code"]
        self.prose = [cell for cell in self.cells if cell["cell_type"] == "markdown"]


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request: pytest.FixtureRequest) -> Notebook:
    return Notebook(request.param)


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def shown(cells: Sequence[dict[str, Any]]) -> str:
    """All that these cells put out, whatever its form, but for the style sheet."""
    parts: list[str] = []
    for output in (output for cell in cells for output in cell.get("outputs", ())):
        texts = [*output.get("data", {}).values(), output.get("text", "")]
        parts += ["".join(text) for text in texts]
    return re.sub(r"<style.*?</style>", "", "\n".join(parts), flags=re.DOTALL)


def test_there_are_notebooks() -> None:
    assert "00_tour" in [path.stem for path in NOTEBOOKS]


def test_every_code_cell_was_run_in_order(notebook: Notebook) -> None:
    """nbval compares nothing where a cell has no number, and passes."""
    assert [cell["execution_count"] for cell in notebook.code] == list(range(1, len(notebook.code) + 1))


def test_nothing_belongs_to_one_run_only(notebook: Notebook) -> None:
    nbformat.validate(notebook.json)
    assert notebook.json["metadata"] == refresh_notebooks.METADATA
    assert {name for cell in notebook.cells for name in cell["metadata"]} <= {"tags"}


@pytest.mark.parametrize("pattern", SECRETS.values(), ids=SECRETS)
def test_no_output_tells_what_differs_elsewhere(notebook: Notebook, pattern: str) -> None:
    found = re.search(pattern, shown(notebook.code))
    assert not found, found


def test_it_is_short(notebook: Notebook) -> None:
    assert len(notebook.cells) <= 25
    assert max(source(cell).count("\n") + 1 for cell in notebook.code) <= 8
    kinds = "".join(cell["cell_type"][0] for cell in notebook.cells)
    assert "ccc" not in kinds, "at most two code cells in a row"
    assert kinds[0] == "m", "text before code"
    words = sum(len(source(cell).split()) for cell in notebook.prose)
    assert 20 <= words / len(notebook.code) <= 70


def test_tables_in_sight_are_short(notebook: Notebook) -> None:
    for cell in notebook.code:
        bodies = re.findall(r"<tbody>(.*?)</tbody>", shown([cell]), re.DOTALL)
        assert all(body.count("<tr") <= 8 for body in bodies), source(cell)


def test_the_headings_come_in_their_order(notebook: Notebook) -> None:
    first = source(notebook.prose[0])
    assert re.match(r"# \S", first)
    assert first.count("\n* ") == 3, "when to use it, what it can change, how to take it back"
    headings = re.findall(r"^## (.+)$", "\n".join(map(source, notebook.prose)), re.MULTILINE)
    assert [heading for heading in headings if heading in HEADINGS] == list(HEADINGS)


def test_one_cell_writes_the_next_proves_it_and_it_is_taken_back(notebook: Notebook) -> None:
    sections: dict[str, list[str]] = {}
    heading = ""
    for cell in notebook.cells:
        if cell["cell_type"] == "code":
            sections.setdefault(heading, []).append(source(cell))
        else:
            heading = ([heading, *re.findall(r"^## (.+)$", source(cell), re.MULTILINE)])[-1]
    assert {name: sum(map(writes, codes)) for name, codes in sections.items() if any(map(writes, codes))} == {
        "Act and confirm": 1,
        "Take it back": 1,
    }
    acts = sections["Act and confirm"]
    proof = acts[[writes(code) for code in acts].index(True) + 1]
    assert any(isinstance(statement, ast.Assert) for statement in ast.parse(proof).body)


PRESSES = ("press", "button")
HEAVY = ("apply", "undo", "sync")


def writes(code: str) -> bool:
    """Whether a cell calls the verb that writes, or presses a button that does."""
    calls = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]
    methods = [node for node in calls if isinstance(node.func, ast.Attribute)]
    return any(
        node.func.attr == "apply"
        or (node.func.attr in PRESSES and bool(node.args) and getattr(node.args[0], "value", None) in HEAVY)
        for node in methods
        if isinstance(node.func, ast.Attribute)
    )


def test_the_settings_are_plain_literals_in_one_tagged_cell(notebook: Notebook) -> None:
    tagged = [cell for cell in notebook.code if "parameters" in cell["metadata"].get("tags", ())]
    assert tagged == notebook.code[:1]
    for statement in ast.parse(source(tagged[0])).body:
        assert isinstance(statement, ast.Assign)
        ast.literal_eval(statement.value)


def test_cells_hold_no_definition_and_end_with_the_thing_itself(notebook: Notebook) -> None:
    trees = [ast.parse(source(cell)) for cell in notebook.code]
    definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
    assert not [node for tree in trees for node in ast.walk(tree) if isinstance(node, definitions)]
    assert all(isinstance(tree.body[-1], ast.Expr) for tree in trees[1:])
    assert all(cell["outputs"] for cell in notebook.code[1:])


def test_every_number_in_the_text_stands_above_it(notebook: Notebook) -> None:
    for at, cell in enumerate(notebook.cells):
        if cell["cell_type"] == "markdown":
            above = notebook.cells[:at]
            known = shown(above) + "\n".join(source(c) for c in above if c["cell_type"] == "code")
            prose = re.sub(r"`[^`]*`", "", source(cell))
            for number in re.findall(r"\b\d+\b", prose):
                assert re.search(rf"\b{number}\b", known), f"{number} in cell {at}"


def test_a_refresh_stores_outputs_and_leaves_out_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "small.ipynb"
    new: Any = nbformat.v4
    cell = new.new_code_cell("import ipywidgets\n6 * 7", execution_count=9)
    cell.metadata = {"tags": ["parameters"], "execution": {"iopub.execute_input": "2026"}, "scrolled": True}
    widget = new.new_code_cell("ipywidgets.IntSlider()")
    noise = {"language_info": {"name": "python", "version": "3.0"}, "widgets": {"state": {}}}
    old: Any = new.new_notebook(cells=[cell, widget], metadata=noise)
    nbformat.write(old, path)  # type: ignore[no-untyped-call]
    refresh_notebooks.refresh(path)
    stored = Notebook(path)
    assert stored.json["metadata"] == refresh_notebooks.METADATA
    assert [cell["metadata"] for cell in stored.cells] == [{"tags": ["parameters"]}, {}]
    assert [cell["execution_count"] for cell in stored.cells] == [1, 2]
    assert shown(stored.cells[:1]) == "42\n"


def test_a_notebook_that_fails_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "broken.ipynb"
    new: Any = nbformat.v4
    nbformat.write(new.new_notebook(cells=[new.new_code_cell("1 / 0")]), path)  # type: ignore[no-untyped-call]
    before = path.read_bytes()
    with pytest.raises(Exception, match="ZeroDivisionError"):
        refresh_notebooks.refresh(path)
    assert path.read_bytes() == before
