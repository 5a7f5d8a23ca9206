"""`syncnb lab`: JupyterLab on a copy of the notebooks.

It runs in this very process: a signal to the command is one to the server, and no server can outlive it.
"""

import contextlib
import importlib.util
import json
import os
import socket
import threading
import time
from argparse import Namespace
from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path
from urllib.parse import urlencode

from syncnb.cli.arguments import Parser
from syncnb.cli.notebooks import Copies, copy_notebooks, shipped
from syncnb.cli.opening import note
from syncnb.errors import SyncnbError

__all__ = ["run"]

FOLDER = "syncnb-notebooks"
ANSWERS_WITHIN = 120.0


def run(argv: Sequence[str]) -> int:
    """Copy the notebooks, serve them until the server is stopped, return its exit code."""
    options = _options(argv)
    if importlib.util.find_spec("jupyterlab") is None:
        raise SyncnbError("JupyterLab is not installed", hint='pip install "syncnb[lab]"')
    folder = Path(options.folder).expanduser().absolute()
    copies = copy_notebooks(shipped(), folder)
    _say(copies, options.folder)
    _trust(folder / name for name in copies.as_shipped)
    return _serve(folder, options, first=next(iter((*copies.as_shipped, *copies.kept)), None))


def _options(argv: Sequence[str]) -> Namespace:
    parser = Parser("lab", "Open JupyterLab on a copy of the notebooks. Ctrl-C stops it.")
    parser.add_argument(
        "folder", metavar="FOLDER", nargs="?", default=FOLDER, help=f"where the copy lies (./{FOLDER})"
    )
    parser.add_argument("--no-browser", action="store_true", help="only print the URL")
    parser.add_argument("--port", type=int, metavar="N", help="this port and no other")
    options = parser.parse_args(argv)
    if options.port is not None and not _free(options.port):
        raise SyncnbError(
            f"port {options.port} cannot be used", hint="name another, or leave --port out to get a free one"
        )
    return options


def _free(port: int) -> bool:
    if not 0 < port < 65536:
        return False
    with socket.socket() as trial:
        if os.name == "posix":  # as the server does: a port that was just closed is free
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _say(copies: Copies, folder: str) -> None:
    for name in copies.fresh:
        print(f"copied {name} to {folder}")
    for name in copies.updated:
        print(f"updated {name} in {folder}")
    for name in copies.kept:
        note(f"{name} in {folder} is kept: you changed it. Rename it to get the shipped one.")


def _trust(paths: Iterable[Path]) -> None:
    """Sign what we ship ourselves, so that its tables show their colours before the first run."""
    nbformat, sign = import_module("nbformat"), import_module("nbformat.sign")
    with contextlib.suppress(OSError):  # a home that cannot be written: shown without colours
        notary = sign.NotebookNotary()
        for path in paths:
            notary.sign(nbformat.read(path, as_version=4))


def _serve(folder: Path, options: Namespace, *, first: str | None) -> int:
    from jupyter_core.paths import jupyter_runtime_dir

    lab = import_module("jupyterlab.labapp")
    told = Path(jupyter_runtime_dir()) / f"jpserver-{os.getpid()}.json"
    told.unlink(missing_ok=True)  # of a server that was killed, when our number was its own
    page = f"lab/tree/{first}" if first else "lab"
    words = [f"--ServerApp.root_dir={folder}", f"--LabApp.default_url=/{page}", "--log-level=WARN"]
    words += ["--no-browser"] if options.no_browser else []
    words += [f"--port={options.port}", "--ServerApp.port_retries=0"] if options.port else []
    # Jupyter refuses to run as root unless told; in a container root is who one is.
    words += ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    threading.Thread(target=_print_url, args=(told, page), daemon=True).start()
    try:
        lab.LabApp.launch_instance(argv=words)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def _print_url(file: Path, page: str) -> None:
    """Wait for the file in which a server says where it answers, and say it on stdout."""
    deadline = time.monotonic() + ANSWERS_WITHIN
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, ValueError):  # not there yet, or half written
            told = json.loads(file.read_bytes())
            token = f"?{urlencode({'token': told['token']})}" if told["token"] else ""
            print(f"JupyterLab: {told['url']}{page}{token}", flush=True)
            return
        time.sleep(0.1)
