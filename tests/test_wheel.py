"""The wheel: built, looked into, installed in an environment of its own, and used from an empty folder."""

import importlib.util
import json
import os
import re
import site
import subprocess
import sys
import time
import urllib.request
import venv
import zipfile
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from this source tree, by the build back end that is installed, else by a fresh one."""
    folder = tmp_path_factory.mktemp("wheel")
    words = ["--no-isolation"] if importlib.util.find_spec("hatchling") else []
    built = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", *words, "--outdir", folder, PROJECT],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    [wheel] = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` folder of an environment with this wheel; all that it depends on is lent by ours."""
    home = tmp_path_factory.mktemp("elsewhere") / "venv"
    venv.create(home, symlinks=True)
    python = home / "bin" / "python"
    installation = subprocess.run(
        [sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert installation.returncode == 0, installation.stdout + installation.stderr
    lent = [path for path in site.getsitepackages() if Path(path).is_dir()]
    [packages] = home.glob("lib/python*/site-packages")
    (packages / "lent.pth").write_text("\n".join(lent))
    # JupyterLab's pages and kernels are found beside the interpreter, not beside the package.
    for data in ("share/jupyter", "etc/jupyter"):
        if (Path(sys.prefix) / data).is_dir():
            (home / data).parent.mkdir(exist_ok=True)
            (home / data).symlink_to(Path(sys.prefix) / data)
    return home / "bin"


def clean(home: Path) -> dict[str, str]:
    """An environment that does not know this source tree, with Jupyter's own files below `home`."""
    own = {f"JUPYTER_{what}_DIR": str(home / what.lower()) for what in ("CONFIG", "DATA", "RUNTIME")}
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("PYTHON")},
        **own,
        "IPYTHONDIR": str(home / "ipython"),
    }


def test_it_holds_all_of_the_package_and_the_notebooks_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        there = {name for name in archive.namelist() if ".dist-info/" not in name}
    package = {
        path.relative_to(PROJECT).as_posix()
        for path in (PROJECT / "syncnb").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    notebooks = {f"syncnb/notebooks/{path.name}" for path in (PROJECT / "notebooks").glob("*.ipynb")}
    assert there == package | notebooks
    assert {
        "syncnb/panels/grid/grid.css",
        "syncnb/panels/grid/grid.js",
        "syncnb/rendering/tables.css",
    } <= there
    assert notebooks


def test_its_description_names_what_to_install(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        told = archive.read(name).decode()
    needed = re.findall(r"^Requires-Dist: ([\w-]+)(?!.*extra ==)", told, re.M)
    assert {"sqlalchemy", "psycopg", "pandas", "pyarrow"} <= set(needed)
    assert not {"jupyterlab", "pytest"} & set(needed)
    assert re.findall(r"^Provides-Extra: (\w+)$", told, re.M) == ["dask", "lab", "test"]


def test_the_demo_runs_from_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    ended = subprocess.run(
        [installed / "syncnb", "demo"],
        cwd=folder,
        env=clean(tmp_path),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ": different\n" in ended.stdout
    assert ended.stdout.endswith("next: syncnb lab\n")
    assert list(folder.iterdir()) == []


def test_it_runs_its_own_files(installed: Path, tmp_path: Path) -> None:
    words = ["-c", "import syncnb, importlib.metadata as m; print(syncnb.__file__, m.version('syncnb'))"]
    said = subprocess.run(
        [installed / "python", *words], cwd=tmp_path, env=clean(tmp_path), capture_output=True, text=True
    )
    assert Path(said.stdout.split()[0]).is_relative_to(installed.parent)
    version = subprocess.run(
        [installed / "syncnb", "--version"], env=clean(tmp_path), capture_output=True, text=True
    )
    assert version.stdout == f"syncnb {said.stdout.split()[1]}\n"


def test_the_lab_serves_the_notebooks_from_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(
            [installed / "syncnb", "lab", "--no-browser"],
            cwd=folder,
            env=clean(tmp_path),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        url = address(server, tmp_path / "log")
        base, _, page = url.partition("/lab")
        token = page.partition("token=")[2]
        with urllib.request.urlopen(f"{base}/api/contents?token={token}", timeout=30) as answer:
            names = {file["name"] for file in json.load(answer)["content"]}
        with urllib.request.urlopen(url, timeout=30) as answer:
            assert answer.status == 200
            assert b"jupyter" in answer.read().lower()
        server.terminate()
        assert server.wait(30) == 0
    finally:
        server.kill()
        server.wait()
    assert names == {path.name for path in (PROJECT / "notebooks").glob("*.ipynb")}
    assert {path.name for path in (folder / "syncnb-notebooks").glob("*.ipynb")} == names


def address(server: "subprocess.Popen[bytes]", log: Path) -> str:
    """The URL that the command prints."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        if found := re.search(r"^JupyterLab: (\S+)\n", log.read_text(), re.M):
            return found[1]
        time.sleep(0.05)
    raise AssertionError(log.read_text())
