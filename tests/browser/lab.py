"""A JupyterLab of the tests' own, and notebooks opened in it by a real browser."""

import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import nbformat
from playwright.sync_api import Browser, Page, Request

from tests.proof.counting import count
from tests.refresh_notebooks import METADATA

PROJECT = Path(__file__).resolve().parents[2]
QUIET = (
    "--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-default-apps",
    "--disable-sync", "--disable-domain-reliability", "--no-first-run", "--metrics-recording-only", "--no-pings",
    "--disable-features=Translate,OptimizationHints,MediaRouter,AutofillServerCommunication",
)  # fmt: skip
"""A browser that calls nobody, and that runs as root."""
FIRED = "window.hurt ?? window.fired ?? null"
"""What hostile values set where a script of theirs runs."""
IDLE = """window.jupyterapp?.shell.currentWidget?.context?.path === '%s'
    && window.jupyterapp.shell.currentWidget.sessionContext?.session?.kernel?.status === 'idle'"""
HARMLESS = (
    "widget model not found",
    "ResizeObserver loop",
    "Autofill",
    "[DOM]",
    "was preloaded",
    "WebGL",
    "GPU",
    "Command 'filebrowser:open-path' not registered",  # JupyterLab, where it opens a notebook before all of it is there
    "reading 'schema'",  # Notebook 7, about settings of an extension that only Lab has
)
"""Said by Lab and by the browser about themselves."""


class Lab:
    """The server: on loopback, with a port, a token, a folder and settings of its own."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "notebooks"
        self.folder.mkdir(parents=True)
        self.token = secrets.token_hex(16)
        with socket.socket() as trial:
            trial.bind(("127.0.0.1", 0))
            self.port = trial.getsockname()[1]
        self.log = home / "log"
        own = {f"JUPYTER_{what}_DIR": str(home / what.lower()) for what in ("CONFIG", "DATA", "RUNTIME")}
        own |= {f"JUPYTERLAB_{what}_DIR": str(home / what.lower()) for what in ("SETTINGS", "WORKSPACES")}
        _settings(home / "settings")
        words = [
            f"--ServerApp.port={self.port}", "--ServerApp.port_retries=0", "--ServerApp.ip=127.0.0.1",
            f"--IdentityProvider.token={self.token}", f"--ServerApp.root_dir={self.folder}", "--no-browser",
            "--expose-app-in-browser", "--JupyterNotebookApp.expose_app_in_browser=True", "--allow-root", "--LabApp.news_url=", "--LabApp.extension_manager=readonly",
        ]  # fmt: skip
        env = {**os.environ, **own, "IPYTHONDIR": str(home / "ipython"), "PYTHONPATH": str(PROJECT)}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "jupyterlab", *words],
                cwd=home, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip

    def wait(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                self.ask("api/status")
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise AssertionError(self.log.read_text())

    def ask(self, path: str, *, method: str = "GET") -> Any:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/{path}",
            method=method,
            headers={"Authorization": f"token {self.token}"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read() or b"null")

    def write(self, name: str, cells: Sequence[str]) -> Path:
        """A notebook of these code cells."""
        new: Any = nbformat.v4
        path = self.folder / name
        book = new.new_notebook(cells=[new.new_code_cell(cell) for cell in cells], metadata=METADATA)
        nbformat.write(book, path)  # type: ignore[no-untyped-call]
        return path

    def stop(self) -> None:
        for kernel in self.ask("api/kernels"):  # a kernel that ends so takes its databases with it
            self.ask(f"api/kernels/{kernel['id']}", method="DELETE")
        self.process.terminate()
        try:
            self.process.wait(20)
        finally:
            self.process.kill()
            self.process.wait()


def _settings(folder: Path) -> None:
    quiet = folder / "@jupyterlab" / "apputils-extension"
    quiet.mkdir(parents=True)
    (quiet / "notification.jupyterlab-settings").write_text(
        '{"fetchNews": "false", "checkForUpdates": false}'
    )


class Opened:
    """A notebook in the browser, and everything that it said and asked the network for."""

    def __init__(self, browser: Browser, lab: Lab) -> None:
        self.lab = lab
        self.context = browser.new_context(viewport={"width": 1400, "height": 1000})
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(60_000)  # two other tests may have the cores
        self.errors: list[str] = []
        self.elsewhere: list[str] = []
        self.page.on("request", self._requested)
        self.page.on("pageerror", lambda error: self._said("error", str(error)))
        self.page.on("console", lambda said: self._said(said.type, said.text))

    def _said(self, kind: str, text: str) -> None:
        if kind == "error" and not any(word in text for word in HARMLESS):
            self.errors.append(text)

    def _requested(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob", "about") and parts.hostname != "127.0.0.1":
            self.elsewhere.append(request.url)

    def open(self, name: str, *, notebook7: bool = False) -> "Opened":
        """Open the notebook, in JupyterLab or in Notebook 7, and wait for its kernel."""
        place = (
            f"notebooks/{name}?"
            if notebook7
            else f"lab/workspaces/{name.partition('.')[0]}/tree/{name}?reset&"
        )
        self.page.goto(f"http://127.0.0.1:{self.lab.port}/{place}token={self.lab.token}")
        self.page.wait_for_function(IDLE % name, timeout=60_000)
        return self

    def command(self, name: str, **words: Any) -> None:
        self.page.evaluate(
            "([name, words]) => window.jupyterapp.commands.execute(name, words)", [name, words]
        )

    def run(self) -> "Opened":
        """Run all cells."""
        self.command("notebook:run-all-cells")
        return self

    def theme(self, name: str) -> None:
        self.command("apputils:change-theme", theme=name)
        self.page.wait_for_function(f"document.body.dataset.jpThemeName === '{name}'")


def unhurt(page: Page, where: str = "") -> None:
    """No script ran that is a value."""
    fired = page.evaluate(FIRED) is not None
    count("pages in which a script fired" if fired else "pages in which a script did not fire")
    assert not fired, where
