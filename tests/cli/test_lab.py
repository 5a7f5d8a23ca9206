"""`syncnb lab`: a copy that never overwrites what somebody changed, and a server that ends with us."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from syncnb.cli import main
from syncnb.cli.notebooks import RECORD, Copies, copy_notebooks, shipped
from tests.cli.conftest import PROJECT, environment, hear_interrupts, wait_for

OLD, NEW, MINE = b'{"cells": []}', b'{"cells": [1]}', b'{"cells": [2]}'

Processes = Callable[[str], dict[int, str]]


# --- the copy ---

COPIES: dict[str, tuple[bytes | None, bytes | None, bytes, Copies, bytes]] = {
    # was shipped before, what lies there now, is shipped now, what becomes of it
    "not there": (None, None, NEW, Copies(fresh=("a.ipynb",)), NEW),
    "as shipped": (NEW, NEW, NEW, Copies(same=("a.ipynb",)), NEW),
    "an older one that nobody changed": (OLD, OLD, NEW, Copies(updated=("a.ipynb",)), NEW),
    "changed by somebody": (OLD, MINE, NEW, Copies(kept=("a.ipynb",)), MINE),
    "changed by somebody, and nothing new": (NEW, MINE, NEW, Copies(kept=("a.ipynb",)), MINE),
    "somebody's own of that name": (None, MINE, NEW, Copies(kept=("a.ipynb",)), MINE),
    "deleted by somebody": (NEW, None, NEW, Copies(fresh=("a.ipynb",)), NEW),
}


@pytest.mark.parametrize(("before", "there", "now", "copies", "then"), COPIES.values(), ids=COPIES)
def test_the_copy(
    tmp_path: Path, before: bytes | None, there: bytes | None, now: bytes, copies: Copies, then: bytes
) -> None:
    folder, path = tmp_path / "notebooks", tmp_path / "notebooks" / "a.ipynb"
    if before is not None:
        copy_notebooks({"a.ipynb": before}, folder)
        path.unlink()
    if there is not None:
        folder.mkdir(exist_ok=True)
        path.write_bytes(there)
    assert copy_notebooks({"a.ipynb": now}, folder) == copies
    assert path.read_bytes() == then
    assert {file.name for file in folder.iterdir()} == {"a.ipynb", RECORD}


def test_what_was_kept_once_is_kept_again(tmp_path: Path) -> None:
    copy_notebooks({"a.ipynb": OLD}, tmp_path)
    (tmp_path / "a.ipynb").write_bytes(MINE)
    for content in (NEW, OLD, NEW):
        assert copy_notebooks({"a.ipynb": content}, tmp_path) == Copies(kept=("a.ipynb",))
    assert (tmp_path / "a.ipynb").read_bytes() == MINE


RECORDS = {"broken": b"{", "of another shape": b"[1]", "not text": b"\xff\xfe"}


@pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)
def test_without_a_record_whatever_differs_is_kept(tmp_path: Path, record: bytes) -> None:
    copy_notebooks({"a.ipynb": OLD}, tmp_path)
    (tmp_path / RECORD).write_bytes(record)
    assert copy_notebooks({"a.ipynb": NEW}, tmp_path) == Copies(kept=("a.ipynb",))


def test_a_link_is_somebodys_own(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(MINE)
    (tmp_path / "a.ipynb").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "b.ipynb").symlink_to(tmp_path / "nowhere")
    assert copy_notebooks({"a.ipynb": NEW, "b.ipynb": NEW}, tmp_path).kept == ("a.ipynb", "b.ipynb")
    assert (tmp_path / "elsewhere").read_bytes() == MINE
    assert not (tmp_path / "nowhere").exists()


def test_what_is_shipped_is_what_the_project_has() -> None:
    there = {path.name: path.read_bytes() for path in (PROJECT / "notebooks").glob("*.ipynb")}
    assert shipped() == there
    assert list(there)


# --- errors ---


def test_a_folder_that_cannot_be_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert main(["lab", str(tmp_path / "file" / "below")]) == 2
    assert "Hint: name a folder that you may write to" in capsys.readouterr().err


def test_a_port_that_is_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert main(["lab", str(tmp_path / "lab"), "--port", str(port)]) == 2
    assert f"syncnb: port {port} cannot be used\n" in capsys.readouterr().err
    assert not (tmp_path / "lab").exists()


def test_without_jupyterlab_it_says_how_to_get_it(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['jupyterlab'] = None; from syncnb.cli import main; sys.exit(main(['lab']))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == 'syncnb: JupyterLab is not installed\nHint: pip install "syncnb[lab]"\n'
    assert list(tmp_path.iterdir()) == []


# --- the server ---


@dataclass
class Lab:
    """A running `syncnb lab`."""

    process: "subprocess.Popen[bytes]"
    home: Path
    log: Path

    @property
    def url(self) -> str:
        """Where it says that it answers."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.process.poll() is None:
            for line in self.log.read_text().splitlines():
                if line.startswith("JupyterLab: "):
                    return line.removeprefix("JupyterLab: ")
            time.sleep(0.05)
        raise AssertionError(self.log.read_text() + (self.home / "errors").read_text())

    def ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        base, _, page = self.url.partition("/lab")
        token = page.partition("token=")[2]
        request = urllib.request.Request(
            f"{base}/{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"token {token}"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.read()


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """`syncnb lab --no-browser`, started in an empty folder with settings of its own."""
    home = tmp_path / "home"
    home.mkdir()
    own = {f"JUPYTER_{what}_DIR": str(home / what.lower()) for what in ("CONFIG", "DATA", "RUNTIME")}
    env = environment(**own, IPYTHONDIR=str(home / "ipython"))
    with (tmp_path / "log").open("wb") as log, (home / "errors").open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "syncnb", "lab", "--no-browser", "copy"],
            cwd=tmp_path,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=errors,
            preexec_fn=hear_interrupts,
        )
    try:
        yield Lab(process, home, tmp_path / "log")
    finally:
        process.kill()
        process.wait()


def test_the_notebooks_are_served_trusted_and_in_a_copy(lab: Lab, tmp_path: Path) -> None:
    names = {file["name"] for file in json.loads(lab.ask("api/contents"))["content"]}
    assert names == set(shipped())
    first = min(names)
    assert f"/lab/tree/{first}?token=" in lab.url
    assert lab.ask(f"lab/tree/{first}").lstrip().startswith(b"<!")
    cells = json.loads(lab.ask(f"api/contents/{first}"))["content"]["cells"]
    assert all(cell["metadata"]["trusted"] for cell in cells if cell["cell_type"] == "code")
    assert (tmp_path / "copy" / first).read_bytes() == shipped()[first]
    assert f"copied {first} to copy" in lab.log.read_text()


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda how: how.name)
def test_server_and_kernels_end_with_the_command(lab: Lab, how: signal.Signals, processes: Processes) -> None:
    lab.ask("api/kernels", {})
    mark = str(lab.home)
    assert wait_for(lambda: any("ipykernel" in line for line in processes(mark).values()))
    port = int(lab.url.split(":")[2].split("/")[0])
    lab.process.send_signal(how)
    assert lab.process.wait(30) == (-9 if how == signal.SIGKILL else 0)
    assert wait_for(lambda: not processes(mark)), processes(mark)
    with socket.socket() as caller:
        assert caller.connect_ex(("127.0.0.1", port)) != 0
