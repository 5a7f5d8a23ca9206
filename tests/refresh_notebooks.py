"""Runs the notebooks again and stores their outputs: `python -m tests.refresh_notebooks [NAME ...]`.

What belongs to one run and not to the notebook is left out: times, widget state, the version of Python.
A notebook that fails stays as it was.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "notebooks"
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def refresh(path: Path) -> None:
    """Run a notebook in a new kernel, in its own folder, and store it. Raises where a cell does."""
    notebook: Any = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=120,
        record_timing=False,
        store_widget_state=False,
        resources={"metadata": {"path": str(path.parent)}},
    )
    client.execute()
    notebook.metadata = nbformat.from_dict(METADATA)  # type: ignore[no-untyped-call]
    for cell in notebook.cells:
        # Times of an earlier run, and whether a front end had scrolled an output.
        cell.metadata = nbformat.from_dict(  # type: ignore[no-untyped-call]
            {name: value for name, value in cell.metadata.items() if name == "tags"}
        )
    nbformat.validate(notebook)
    nbformat.write(notebook, path)  # type: ignore[no-untyped-call]


def main(names: Sequence[str]) -> None:
    """Refresh the notebooks of these names, or all."""
    # The kernel shall use this syncnb, installed or not.
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        if not names or path.stem in names:
            refresh(path)
            print(f"refreshed {path.name}")


if __name__ == "__main__":
    main(sys.argv[1:])
