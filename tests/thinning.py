"""Fewer combinations in the suite, all of them in `python -m tests.proof`."""

import os
from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import Any, TypeVar

import pytest

from tests.proof.counting import FILE

T = TypeVar("T")

WHOLE = FILE in os.environ
"""Whether this is the long proof, which leaves nothing out."""


def spread(cases: Mapping[str, Any], *, over: Mapping[str, Any], and_over: Mapping[str, Any]) -> list[Any]:
    """Parameter sets (case, one of `over`, one of `and_over`), as a Latin square of the two.

    Each case meets each of both, each of the one meets each of the other; not every three meet.
    """
    return [pytest.param(*values, id="-".join(names)) for names, values in _combined(cases, over, and_over)]


def _combined(cases: Mapping[str, Any], *others: Mapping[str, Any]) -> Iterator[tuple[list[str], list[Any]]]:
    one, other = (list(each.items()) for each in others)
    for at, (case, value) in enumerate(cases.items()):
        for j, (name, first) in enumerate(one):
            for k, (called, second) in enumerate(other):
                if WHOLE or (at + j + k) % max(len(one), len(other)) == 0:
                    yield [case, name, called], [value, first, second]


def some(values: Sequence[T], count: int, *, seed: object = 7) -> list[T]:
    """That many of them, drawn anew for each seed; all where there are no more."""
    if WHOLE or len(values) <= count:
        return list(values)
    return Random(str(seed)).sample(values, count)
