"""Cells as the JSON of a notebook (nbformat 4.5), without a library that a server may not have."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, TypeAlias

__all__ = ["KERNEL", "Kind", "notebook", "write_new"]

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
Kind: TypeAlias = Literal["markdown", "code", "parameters"]
"""`parameters` is code that a runner may put other values behind."""


def notebook(cells: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """A notebook of these cells, kind and source, none of which has been run."""
    return {
        "cells": [_cell(at, kind, source) for at, (kind, source) in enumerate(cells)],
        "metadata": {"kernelspec": KERNEL, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def write_new(path: Path, book: dict[str, Any]) -> None:
    """Store a notebook under a name that nobody has. Raises FileExistsError, and OSError as `open` does."""
    # "x": nobody's file is overwritten, whoever was faster.
    with path.open("x", encoding="utf-8") as file:
        file.write(json.dumps(book, indent=1, ensure_ascii=False) + "\n")


def _cell(at: int, kind: str, source: str) -> dict[str, Any]:
    told: dict[str, Any] = {
        "id": f"cell-{at}",
        "metadata": {},
        "source": source.strip().splitlines(keepends=True),
    }
    if kind == "markdown":
        return {"cell_type": "markdown", **told}
    tags = {"tags": ["parameters"]} if kind == "parameters" else {}
    return {"cell_type": "code", **told, "metadata": tags, "execution_count": None, "outputs": []}
