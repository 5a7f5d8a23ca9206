"""`python -m tests.benchmarks.grid`: the grid over 100,000 rows of 12 columns that differ, in a real JupyterLab.

Shown: from running the cell to the first cell in sight. A turn: from the press to the new rows. Then the notebook
file as it is saved, and how long a million rows take to open against a thousand, without a browser.
"""

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from playwright.sync_api import sync_playwright

from tests.browser.conftest import CHROMIUM
from tests.browser.lab import QUIET, Lab, Opened

MAKE = """
import sqlite3, syncnb as sn
columns = [f"c{at}" for at in range(11)]
for name, shift in (("left", 0), ("right", 1)):
    with sqlite3.connect(f"{name}.db") as connection:
        connection.execute(f"CREATE TABLE t (id INTEGER PRIMARY KEY, {', '.join(f'{c} INTEGER' for c in columns[:6])}, {', '.join(f'{c} TEXT' for c in columns[6:])})")
        connection.executemany(
            f"INSERT INTO t VALUES ({', '.join('?' * 12)})",
            ((n, *(n * 7 + k + shift for k in range(6)), *(f"value {n + shift} of {k}" for k in range(5))) for n in range(ROWS)),
        )
d = sn.diff(sn.connect("left.db"), sn.connect("right.db"), progress=False)
"""
OPEN = """
import time
from syncnb.panels.grid.messages import page_of
started = time.perf_counter()
for _ in range(5):
    _ = page_of(sn.grid(d["t"]))
print((time.perf_counter() - started) / 5)
"""


def run_cell(notebook: Opened, number: int) -> None:
    notebook.page.evaluate(
        "number => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = number; }", number
    )
    notebook.page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-cell'); }")


def shown(notebook: Opened, cell: int) -> float:
    """Seconds from running a cell to its first row."""
    started = time.perf_counter()
    run_cell(notebook, cell)
    notebook.page.locator(".syncnb-grid tbody tr").first.wait_for(timeout=60_000)
    return time.perf_counter() - started


TURN = """async () => {
    const box = document.querySelector('.syncnb-grid');
    const first = () => box.querySelector('tbody th').textContent;
    const [before, started] = [first(), performance.now()];
    box.querySelector('[aria-label="Next page"]').click();
    while (first() === before) await new Promise(requestAnimationFrame);
    return performance.now() - started;
}"""


def wait_idle(page: Any, cells: int) -> None:
    page.wait_for_function(
        "cells => window.jupyterapp.shell.currentWidget.content.widgets[cells].model.executionCount !== null", arg=cells,
        timeout=300_000,
    )  # fmt: skip


def main() -> None:
    """Print what was measured as a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--turns", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        lab = Lab(Path(folder))
        try:
            lab.wait()
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
            lab.write("big.ipynb", (f"ROWS = {options.rows}{MAKE}", "sn.grid(d['t'])", OPEN))
            notebook = Opened(browser, lab).open("big.ipynb")
            run_cell(notebook, 0)
            wait_idle(notebook.page, 0)
            seconds = shown(notebook, 1)
            turns = [notebook.page.evaluate(TURN) for _ in range(options.turns)]
            notebook.command("docmanager:save")
            notebook.page.wait_for_function("!window.jupyterapp.shell.currentWidget.context.model.dirty")
            size = (lab.folder / "big.ipynb").stat().st_size
            run_cell(notebook, 2)
            notebook.page.wait_for_function(
                "document.querySelectorAll('.jp-OutputArea-output pre').length > 0", timeout=60_000
            )
            opened = float(notebook.page.locator(".jp-OutputArea-output pre").last.inner_text())
            print(f"| {options.rows:,} rows x 12 that differ | |\n|---|---|")
            print(f"| shown after | {seconds:.2f} s |")
            print(
                f"| a page turned, median of {len(turns)} (worst) | {median(turns):.0f} ms ({max(turns):.0f}) |"
            )
            print(f"| the notebook file | {size / 1000:.1f} kB |")
            print(f"| opened without a browser | {opened * 1000:.0f} ms |")
            browser.close()
        finally:
            lab.stop()


if __name__ == "__main__":
    main()
