"""The shape of the code: who imports whom, how long things grow, what an import costs."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import syncnb as sn

HOME = Path(sn.__file__).parent
ROOMS = (
    "errors", "clock", "failpoints", "watching", "rendering", "schema", "values", "filters", "changes", "steps", "stores", "connecting",
    "journal", "matching",
    "comparing", "resolving", "planning", "migrating", "applying", "verifying", "diagnosing", "tracking", "replacing", "syncing",
    "panels", "runbooks", "embedded", "examples", "cli", "__main__",
)  # fmt: skip
"""From the ground up: a room imports only from rooms before it."""
DOORS = ("__init__",)
"""The package itself: it shows names of every room, on first use."""
FILES = sorted(HOME.rglob("*.py"))
MODULES = {path.relative_to(HOME).as_posix(): ast.parse(path.read_text("utf-8")) for path in FILES}


def room(name: str) -> str:
    return name.partition("/")[0].removesuffix(".py")


def imported(tree: ast.Module) -> Iterator[str]:
    """The rooms that a module imports from, wherever in it the import stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute here"
            if node.module == "syncnb":
                yield from (alias.name for alias in node.names)
            elif (node.module or "").startswith("syncnb."):
                yield (node.module or "").split(".")[1]
        elif isinstance(node, ast.Import):
            yield from (alias.name.split(".")[1] for alias in node.names if alias.name.startswith("syncnb."))


@pytest.mark.parametrize("name", MODULES)
def test_modules_import_only_from_rooms_above(name: str) -> None:
    if room(name) in DOORS:
        return
    height = ROOMS.index(room(name))
    lower = {other for other in imported(MODULES[name]) if other in ROOMS and ROOMS.index(other) > height}
    assert not lower, f"{name} imports from {lower}"


@pytest.mark.parametrize("name", MODULES)
def test_files_have_one_idea(name: str) -> None:
    lines = (HOME / name).read_text("utf-8").count("\n")
    assert lines <= 420, f"{name} has {lines} lines: which second idea wants its own file?"


@pytest.mark.parametrize("name", MODULES)
def test_functions_have_one_idea(name: str) -> None:
    for node in ast.walk(MODULES[name]):
        if isinstance(node, ast.FunctionDef):
            body = (
                (node.end_lineno or 0)
                - node.body[0].lineno
                - (len((ast.get_docstring(node) or "").splitlines()))
            )
            assert body <= 45, f"{name}: {node.name} has {body} lines"


@pytest.mark.parametrize("name", [name for name in MODULES if not name.endswith("__main__.py")])
def test_modules_say_what_they_offer(name: str) -> None:
    tree = MODULES[name]
    assert ast.get_docstring(tree)
    public = [
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    ]
    offered = next(
        (
            ast.literal_eval(node.value)
            for node in tree.body
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
        ),
        None,
    )
    assert not public or offered is not None, f"{name} has no __all__"


def test_everything_offered_is_there() -> None:
    assert {name: getattr(sn, name) for name in sn.__all__}
    assert set(sn.__all__) <= set(dir(sn))
    with pytest.raises(AttributeError, match="no attribute 'dif'"):
        _ = sn.dif


def test_an_import_is_light() -> None:
    """Neither data frames nor drivers nor widgets are loaded before they are used."""
    heavy = ("pandas", "pyarrow", "psycopg", "sqlalchemy", "ipywidgets", "anywidget", "alembic", "tqdm")
    code = f"import sys, syncnb; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_the_engine_needs_no_widget() -> None:
    code = "import sys, syncnb as sn; sn.diff; sn.connect; print([n for n in ('ipywidgets', 'anywidget', 'alembic', 'psycopg') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
