"""A plugin of pytest (`-p tests.proof.sparing`): of a test that has many rows it runs a few, from the first to the last."""

import os
from itertools import groupby

import pytest

__all__ = ["ROWS", "stay"]

ROWS = "SYNCNB_MOST_ROWS"
"""Says how many at most."""


def stay(number: int, most: int) -> set[int]:
    """Which of so many rows are run: as far from each other as can be."""
    if number <= most:
        return set(range(number))
    return {round(at * (number - 1) / max(1, most - 1)) for at in range(most)}


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    most, kept = int(os.environ[ROWS]), []
    for _, rows in groupby(items, key=lambda item: item.nodeid.partition("[")[0]):
        every = list(rows)
        kept += [every[at] for at in sorted(stay(len(every), most))]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(kept)])
    items[:] = kept
