"""PostgreSQL's `hashtextextended`, for whole Arrow columns: 64 bits of a text under a seed.

It is Bob Jenkins' lookup3, as PostgreSQL computes it on a machine that stores the low byte first. It is
documented nowhere, so whoever relies on it asks the server first whether it agrees.
"""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import pyarrow as pa

__all__ = ["Hashes", "text_hashes"]

Hashes: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.int64]]"
Words: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.uint32]]"
Places: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.int64]]"

BLOCK = 12
"""Bytes that are mixed in at a time, as three words."""
START = 0x9E3779B9 + 3923095
AT_ONCE = 8192
"""Rows whose state stays in the processor's cache."""

MIX = (
    (4, "a", "c", "b"), (6, "b", "a", "c"), (8, "c", "b", "a"), (16, "a", "c", "b"), (19, "b", "a", "c"), (4, "c", "b", "a"),
)  # fmt: skip
"""Rounds of mixing: a -= c; a ^= rot(c, 4); c += b; and so on."""
FINAL = (
    (14, "c", "b"),
    (11, "a", "c"),
    (25, "b", "a"),
    (16, "c", "b"),
    (4, "a", "c"),
    (14, "b", "a"),
    (24, "c", "b"),
)
"""The last rounds: c ^= b; c -= rot(b, 14); and so on."""

KEPT = np.array(
    [[(1 << 8 * min(max(left - 4 * word, 0), 4)) - 1 for word in range(3)] for left in range(BLOCK)],
    dtype=np.uint32,
)
"""By the bytes that are left after the last whole block: what counts of the three words there."""

State = dict[str, Words]


def text_hashes(texts: pa.Array, seeds: Sequence[int]) -> list[Hashes]:
    """The hashes of a column of text or bytes without NULL, one array a seed, as signed 64 bits like PostgreSQL's."""
    rows = len(texts)
    if not rows:
        return [np.zeros(0, np.int64) for _ in seeds]
    texts = texts.cast(pa.large_binary())
    _, offsets, data = texts.buffers()
    ends = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + rows + 1]
    # A copy, with room behind the last text: its last block is read whole.
    text = memoryview(data)[ends[0] : ends[-1]].tobytes() if data else b""
    words = np.ndarray((len(text) + BLOCK,), "<u4", buffer=text + bytes(BLOCK + 3), strides=(1,))
    starts, lengths = ends[:-1] - ends[0], np.diff(ends)
    parts = [
        _hashed(words, starts[at : at + AT_ONCE], lengths[at : at + AT_ONCE], seeds)
        for at in range(0, rows, AT_ONCE)
    ]
    return [np.concatenate(hashes) for hashes in zip(*parts, strict=True)]


def _hashed(words: Words, starts: Places, lengths: Places, seeds: Sequence[int]) -> list[Hashes]:
    """Block after block for all rows that have one; the longest texts come first, so that these are a slice."""
    order = np.argsort(-(lengths // BLOCK), kind="stable")
    starts, lengths = starts[order], lengths[order]
    blocks = lengths // BLOCK
    states = [_begun(lengths, seed) for seed in seeds]
    for block in range(int(blocks[0])):
        rows = int(np.searchsorted(-blocks, -block, "left"))
        at = starts[:rows] + BLOCK * block
        read = [words[at], words[at + 4], words[at + 8]]
        for state in states:
            part = {name: array[:rows] for name, array in state.items()}
            for name, word in zip("abc", read, strict=True):
                part[name] += word
            _mix(part)
    at, kept = starts + BLOCK * blocks, KEPT[lengths - BLOCK * blocks]
    read = [words[at + 4 * word] & kept[:, word] for word in range(3)]
    return [_finished(state, read, order) for state in states]


def _begun(lengths: Places, seed: int) -> State:
    state = {name: lengths.astype(np.uint32) + np.uint32(START & 0xFFFFFFFF) for name in "abc"}
    if seed:
        state["a"] += np.uint32(seed >> 32 & 0xFFFFFFFF)
        state["b"] += np.uint32(seed & 0xFFFFFFFF)
        _mix(state)
    return state


def _finished(state: State, read: Sequence[Words], order: Places) -> Hashes:
    state["a"] += read[0]
    state["b"] += read[1]
    state["c"] += read[2] << np.uint32(8)  # the lowest byte of c is that of the length
    for bits, one, two in FINAL:
        state[one] ^= state[two]
        state[one] -= _rotated(state[two], bits)
    found = np.empty(len(order), np.uint64)
    found[order] = state["b"].astype(np.uint64) << np.uint64(32) | state["c"]
    return found.view(np.int64)


def _mix(state: State) -> None:
    left, right = np.empty_like(state["a"]), np.empty_like(state["a"])
    for bits, one, two, three in MIX:
        # Rotated in two parts, without an array for their sum.
        np.left_shift(state[two], np.uint32(bits), out=left)
        np.right_shift(state[two], np.uint32(32 - bits), out=right)
        state[one] -= state[two]
        state[one] ^= left
        state[one] ^= right
        state[two] += state[three]


def _rotated(word: Words, bits: int) -> Words:
    return word << np.uint32(bits) | word >> np.uint32(32 - bits)
