"""One JupyterLab and one browser for all of these tests; skipped, with the reason, where there is none."""

import importlib.util
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.browser.lab import Lab, Opened

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
Open = Callable[..., "Opened"]


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory, servers_folder: Path) -> Iterator["Lab"]:
    """JupyterLab on loopback."""
    for module in ("playwright", "jupyterlab"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    from tests.browser.lab import Lab

    lab = Lab(tmp_path_factory.mktemp("lab"))
    try:
        lab.wait()
        yield lab
    finally:
        lab.stop()


@pytest.fixture(scope="session")
def browser(lab: "Lab") -> Iterator[Any]:
    """A Chromium without a window."""
    from playwright.sync_api import sync_playwright

    from tests.browser.lab import QUIET

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def opened(browser: Any, lab: "Lab") -> Iterator[Open]:
    """Write a notebook of these cells, open it, run it; in the end nothing may have gone wrong in it."""
    from tests.browser.lab import Opened

    all_of_them: list[Opened] = []

    def opened(name: str, *cells: str, notebook7: bool = False) -> Opened:
        lab.write(name, cells)
        notebook = Opened(browser, lab)
        all_of_them.append(notebook)
        return notebook.open(name, notebook7=notebook7).run()

    yield opened
    for notebook in all_of_them:
        notebook.context.close()
    assert [error for notebook in all_of_them for error in notebook.errors] == []
    assert [url for notebook in all_of_them for url in notebook.elsewhere] == []
