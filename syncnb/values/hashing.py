"""PostgreSQL's hashes of 64 bits under a seed, for whole Arrow and numpy columns.

    text_hashes    hashtextextended(text, seed)
    number_hashes  hashint8extended(number, seed), or with all of its bits behind hashint4extended of the upper ones
    decimal_hashes hash_numeric_extended(number, seed), which does not count the sign

It is Bob Jenkins' lookup3, as PostgreSQL computes it on a machine that stores the low byte first. It is
documented nowhere, so whoever relies on it asks the server first whether it agrees.

A seed is one number, or one for each row: so the hash of a cell is the seed of the next one, and that of the last
one is the hash of the row.
"""

import sys
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

__all__ = ["DECIMALS", "Hashes", "Seed", "decimal_hashes", "number_hashes", "text_hashes", "word_hashes"]

Hashes: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.int64]]"
Words: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.uint32]]"
Places: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.int64]]"
Seed: TypeAlias = "int | Hashes"
Wide: TypeAlias = "np.ndarray[tuple[int, int], np.dtype[np.int64]]"

BLOCK = 12
"""Bytes that are mixed in at a time, as three words."""
START = 0x9E3779B9 + 3923095
DECIMALS = 10_000
TENS = np.array([1, DECIMALS, DECIMALS**2, DECIMALS**3], np.int64)
AT_ONCE = 4096
"""Rows whose state stays in the processor's cache; with more, each array is mapped anew and costs a fault a page."""
MANY = 2**16 - 1
"""Blocks of a text that are told apart by a number of 16 bits."""
HALVES = np.dtype(
    [(name, np.uint32) for name in (("low", "high") if sys.byteorder == "little" else ("high", "low"))]
)
"""A hash as two words."""

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

KEPT = [
    np.array([(1 << 8 * min(max(left - 4 * word, 0), 4)) - 1 for left in range(BLOCK)], np.uint32)
    for word in range(3)
]
"""For each of three words: what counts of it, by the bytes that are left after the last whole block."""

State = dict[str, "np.ndarray[tuple[int, int], np.dtype[np.uint32]]"]
"""Three words for each row of each seed: all seeds at once, because numpy's calls cost as much as what they do."""


def text_hashes(texts: pa.Array, seeds: Sequence[Seed]) -> list[Hashes]:
    """The hashes of a column of text or bytes without NULL, one array a seed, as signed 64 bits like PostgreSQL's."""
    rows = len(texts)
    if not rows:
        return [np.zeros(0, np.int64) for _ in seeds]
    _, offsets, data = texts.buffers()
    large = pa.types.is_large_string(texts.type) or pa.types.is_large_binary(texts.type)
    ends = np.frombuffer(offsets, np.int64 if large else np.int32)[texts.offset : texts.offset + rows + 1]
    ends = ends.astype(np.int64)
    # A copy, with room behind the last text: its last block is read whole.
    text = np.empty(int(ends[-1] - ends[0]) + BLOCK + 3, np.uint8)
    text[-BLOCK - 3 :] = 0
    if data:
        text[: -BLOCK - 3] = np.frombuffer(data, np.uint8)[ends[0] : ends[-1]]
    starts, lengths = ends[:-1] - ends[0], np.diff(ends)
    length = int(lengths[0])
    if length % 4 == 0 and length and (lengths == length).all():
        return _fixed(text[: -BLOCK - 3].view("<u4").reshape(rows, length // 4), seeds)
    blocks = np.ndarray((len(text) - BLOCK + 1,), f"V{BLOCK}", buffer=text, strides=(1,))
    found = np.empty((len(seeds), rows), np.int64)
    for part in _parts(rows):
        _hashed(blocks, starts[part], lengths[part], _wide(part, seeds), found[:, part])
    return list(found)


def number_hashes(numbers: Hashes, seeds: Sequence[Seed], *, whole: bool) -> list[Hashes]:
    """The hashes of whole numbers.

    whole: of all 64 bits. PostgreSQL's own hash folds them to 32, so that 1 and 4294967296 have one under every seed;
        the upper half alone, hashed first, tells such numbers apart.
    """
    upper = (numbers >> 32).astype(np.uint32)
    lower = numbers.astype(np.uint32) ^ np.where(numbers < 0, ~upper, upper)
    return word_hashes(lower, word_hashes(upper, seeds) if whole else seeds)


def word_hashes(words: Words, seeds: Sequence[Seed]) -> list[Hashes]:
    """The hashes of whole numbers of 32 bits."""
    return _fixed(words.reshape(-1, 1), seeds)


def decimal_hashes(numbers: Hashes, seeds: Sequence[Seed]) -> list[Hashes]:
    """The hashes of decimals, given as whole numbers of `DECIMALS` of 1 (less than 10**15), without their sign.

    PostgreSQL hashes the digits to the base of 10,000 from the first to the last that is not 0, and where the point is.
    """
    found = np.empty((len(seeds), len(numbers)), np.int64)
    for part in _parts(len(numbers)):
        size = np.abs(numbers[part])
        leading = (size < DECIMALS**3).astype(np.int64) + (size < DECIMALS**2) + (size < DECIMALS)
        rest = size * TENS[leading]
        digits = [np.zeros(0, np.uint32)] * 4
        for at in range(3, -1, -1):
            shorter = rest // DECIMALS
            digits[at] = (rest - shorter * DECIMALS).astype(np.uint32)
            rest = shorter
        count = np.where(digits[3], 4, np.where(digits[2], 3, np.where(digits[1], 2, 1)))
        own = _wide(part, seeds)
        state = _begun((START + 2 * count).astype(np.uint32), own)
        words = [digits[at] | digits[at + 1] << np.uint32(16) for at in (0, 2)]
        _finished(state, words, found[:, part])
        found[:, part] ^= 2 - leading
        np.copyto(found[:, part], own - 1, where=size == 0)
    return list(found)


def _parts(rows: int) -> list[slice]:
    return [slice(at, min(at + AT_ONCE, rows)) for at in range(0, rows, AT_ONCE)]


def _fixed(words: "np.ndarray[tuple[int, int], np.dtype[np.uint32]]", seeds: Sequence[Seed]) -> list[Hashes]:
    """Rows of so many whole words each."""
    rows, count = words.shape
    found = np.empty((len(seeds), rows), np.int64)
    last = count - count % 3
    for part in _parts(rows):
        own = list(np.ascontiguousarray(words[part].T))
        state = _begun(START + 4 * count, _wide(part, seeds))
        for at in range(0, last, 3):
            _absorb(state, own[at : at + 3])
        _finished(state, own[last:], found[:, part])
    return list(found)


def _hashed(text: Any, starts: Places, lengths: Places, seeds: "Wide", found: "Wide") -> None:
    """Block after block for all rows that have one; the longest texts come first, so that these are a slice."""
    blocks = lengths // BLOCK
    most = int(blocks.max())
    order = None
    if int(blocks.min()) < most:
        # Numbers of 16 bits are sorted in one pass, and more blocks than that hold nobody up.
        order = np.argsort((MANY - np.minimum(blocks, MANY)).astype(np.uint16), kind="stable")
        if most > MANY:
            order = order[np.argsort(-blocks[order], kind="stable")]
        starts, lengths, blocks = starts[order], lengths[order], blocks[order]
        seeds = seeds.take(
            order, axis=1
        )  # an index would give it another layout, and all that follows with it
    state = _begun(lengths.astype(np.uint32) + np.uint32(START & 0xFFFFFFFF), seeds)
    for block in range(most):
        rows = int(np.searchsorted(-blocks, -block, "left"))
        read = _three(text, starts[:rows] + BLOCK * block)
        _absorb({name: array[:, :rows] for name, array in state.items()}, read)
    read = _three(text, starts + BLOCK * blocks)
    for word, kept in zip(read, KEPT, strict=True):
        word &= kept[lengths - BLOCK * blocks]
    if order is None:
        _finished(state, read, found)
        return
    hashes = np.empty(found.shape, np.int64)
    _finished(state, read, hashes)
    found[:, order] = hashes


def _three(text: Any, places: Places) -> list[Words]:
    """The three words of each of these blocks."""
    return list(np.ascontiguousarray(text[places].view("<u4").reshape(-1, 3).T))


def _absorb(state: State, read: Sequence[Words]) -> None:
    """Mix a block in; the arrays of the state are changed."""
    for name, word in zip("abc", read, strict=True):
        state[name] += word
    _mix(state)


def _wide(part: slice, seeds: Sequence[Seed]) -> "Wide":
    """The seeds of these rows, a row of them for each seed."""
    found = np.empty((len(seeds), part.stop - part.start), np.int64)
    for row, seed in zip(found, seeds, strict=True):
        row[:] = seed if isinstance(seed, int) else seed[part]
    return found


def _begun(start: "int | Words", seeds: "Wide") -> State:
    """`start` is the number that all three words begin with, of each row or of all of them."""
    first = np.uint32(start & 0xFFFFFFFF) if isinstance(start, int) else start
    halves = seeds.view(HALVES)
    state = {"a": halves["high"] + first, "b": halves["low"] + first, "c": np.empty(seeds.shape, np.uint32)}
    state["c"][:] = first
    _mix(state)
    if not seeds.all():  # 0 is the one seed that is not mixed in
        for array in state.values():
            np.copyto(array, first, where=seeds == 0)
    return state


def _finished(state: State, read: Sequence[Words], found: "Wide") -> None:
    """With up to three words that are left, into `found`; no more than eleven bytes of them count."""
    for name, word in zip("ab", read, strict=False):
        state[name] += word
    if len(read) == 3:
        state["c"] += read[2] << np.uint32(8)  # the lowest byte of c is that of the length
    left, right = np.empty_like(state["a"]), np.empty_like(state["a"])
    for bits, one, two in FINAL:
        state[one] ^= state[two]
        np.left_shift(state[two], np.uint32(bits), out=left)
        np.right_shift(state[two], np.uint32(32 - bits), out=right)
        left |= right
        state[one] -= left
    halves = found.view(HALVES)
    halves["high"], halves["low"] = state["b"], state["c"]


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
