"""Cells as the JSON of a notebook (nbformat 4.5), without a library that a server may not have."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, TypeAlias

from syncnb.errors import SyncnbError

__all__ = ["KERNEL", "Kind", "notebook", "write_new"]

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
Kind: TypeAlias = Literal["markdown", "code", "parameters"]
"""`parameters` is code that a runner may put other values behind."""


def notebook(cells: Iterable[tuple[str, str]]) -> bytes:
    """A notebook of these cells, kind and source, none of which has been run."""
    book = {
        "cells": [_cell(at, kind, source) for at, (kind, source) in enumerate(cells)],
        "metadata": {"kernelspec": KERNEL, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return (json.dumps(book, indent=1, ensure_ascii=False) + "\n").encode()


def write_new(path: Path, content: bytes) -> None:
    """Store a notebook under a name that nobody has. Raises SyncnbError where one has it, or nothing can be written."""
    try:
        # "x": nobody's file is overwritten, whoever was faster.
        with path.open("xb") as file:
            file.write(content)
    except FileExistsError:
        raise SyncnbError(
            f"{path.name} is there already", hint="name another file: a runbook is never overwritten"
        ) from None
    except OSError as error:
        raise SyncnbError(
            f"{path.name} cannot be written: {error.strerror}", hint="name a folder that you may write to"
        ) from None


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
