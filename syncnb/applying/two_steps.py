"""Rows that are written in two steps: told once, never half done, and compared as the last step left them."""

from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa

from syncnb.applying.writing import Done
from syncnb.planning.between import in_two_steps
from syncnb.planning.ordering import keys_of
from syncnb.steps import Block, Outcome

__all__ = ["half_done", "lasting", "told_once"]


def half_done(blocks: Sequence[Block], done: Sequence[Done]) -> bool:
    """Whether a row was parked and could not be moved on, or was written without its reference."""
    ours = in_two_steps(blocks)
    fates: dict[tuple[str, str], set[bool]] = {}
    for block, found in zip(blocks, done, strict=True):
        bad = {outcome.key for outcome in found.refused}
        for key in keys_of(block):
            if (block.table, key) in ours:
                fates.setdefault((block.table, key), set()).add(key in bad)
    return any(len(fate) == 2 for fate in fates.values())


def told_once(blocks: Sequence[Block], *attempts: Sequence[Done]) -> list[Done]:
    """What happened, with one refusal for a row: the first, which is the cause of the others.

    Of several attempts the last one counts; refusals of those before it are told first.
    """
    ours = in_two_steps(blocks)
    seen: set[tuple[str, str]] = set()
    kept: list[Done] = [replace(found, results=[]) for found in attempts[-1]]
    for done in attempts:
        for at, found in enumerate(done):
            counts = done is attempts[-1] and not blocks[at].role
            for outcome in found.results if counts else found.refused:
                if _is_new(outcome, ours if len(attempts) == 1 else None, seen):
                    kept[at].results.append(outcome)
    return kept


def _is_new(outcome: Outcome, ours: set[tuple[str, str]] | None, seen: set[tuple[str, str]]) -> bool:
    row = (outcome.table, outcome.key)
    if not outcome.refusal or (ours is not None and row not in ours):
        return True
    if row in seen:
        return False
    seen.add(row)
    return True


def lasting(images: Sequence[Block]) -> list[Block]:
    """The images of rows as they shall stay: without what a later step of the same rows replaced."""
    if not any(image.role for image in images):
        return list(images)
    kept: list[Block] = []
    later: set[tuple[str, str]] = set()
    ours = in_two_steps(images)
    for image in reversed(images):
        rows = [(image.table, key) for key in keys_of(image)]
        last = [at for at, row in enumerate(rows) if row not in ours or row not in later]
        later.update(row for row in rows if row in ours)
        if last:
            kept.append(image if len(last) == len(image) else image.take(pa.array(last, pa.int64())))
    return kept[::-1]
