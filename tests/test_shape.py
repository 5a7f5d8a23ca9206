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
    "errors", "clock", "failpoints", "filing", "watching", "compiled", "rendering", "schema", "values", "filters", "changes", "steps", "stores",
    "connecting",
    "journal", "matching",
    "comparing", "resolving", "planning", "migrating", "applying", "verifying", "diagnosing", "tracking", "replacing", "syncing",
    "panels", "runbooks", "embedded", "examples", "cli", "__main__",
)  # fmt: skip
"""From the ground up: a room imports only from rooms before it."""
DOORS = ("__init__",)
"""The package itself: it shows names of every room, on first use."""
Modules = dict[str, ast.Module]


@pytest.fixture(scope="module")
def modules() -> Modules:
    """All of the package, parsed, by path."""
    files = sorted(HOME.rglob("*.py"))
    assert len(files) > 300
    return {path.relative_to(HOME).as_posix(): ast.parse(path.read_text("utf-8")) for path in files}


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


def test_modules_import_only_from_rooms_above(modules: Modules) -> None:
    found = {}
    for name, tree in modules.items():
        if room(name) not in DOORS:
            height = ROOMS.index(room(name))
            found[name] = {other for other in imported(tree) if other in ROOMS[height + 1 :]}
    wrong = {name: lower for name, lower in found.items() if lower}
    assert not wrong, "\n".join(f"{name} imports from {lower}" for name, lower in wrong.items())


def test_files_have_one_idea(modules: Modules) -> None:
    lines = {name: (HOME / name).read_text("utf-8").count("\n") for name in modules}
    long = {name: count for name, count in lines.items() if count > 420}
    assert not long, f"{long} lines: which second idea wants its own file?"


def test_functions_have_one_idea(modules: Modules) -> None:
    long = {}
    for name, tree in modules.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                told = len((ast.get_docstring(node) or "").splitlines())
                body = (node.end_lineno or 0) - node.body[0].lineno - told
                if body > 45:
                    long[f"{name}: {node.name}"] = body
    assert not long, f"{long} lines"


def test_modules_say_what_they_offer(modules: Modules) -> None:
    looked = {name: tree for name, tree in modules.items() if not name.endswith("__main__.py")}
    assert [name for name, tree in looked.items() if not ast.get_docstring(tree)] == []
    assert [name for name, tree in looked.items() if not tells(tree)] == [], "they have no __all__"


def tells(tree: ast.Module) -> bool:
    """Whether a module that has public names lists them."""
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
    return not public or offered is not None


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
