"""The same hashes as `hashing` tells of, made by numpy: all rows at once, a step after the other."""

import binascii
import sys
from collections.abc import Sequence
from functools import cache
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

__all__ = [
    "DECIMALS",
    "Chain",
    "Numbers",
    "Words",
    "add_decimals",
    "add_hex",
    "add_numbers",
    "add_texts",
    "add_words",
]

Numbers: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.int64]]"
Words: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.uint32]]"
Chain: TypeAlias = "np.ndarray[tuple[int, int], np.dtype[np.int64]]"
"""The hash so far of each row, a row of them for each seed."""

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


def add_texts(hashes: Chain, texts: pa.Array) -> None:
    """As `hashing` has it."""
    rows = len(texts)
    if not rows:
        return
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
        _fixed(hashes, text[: -BLOCK - 3].view("<u4").reshape(rows, length // 4))
        return
    blocks = np.ndarray((len(text) - BLOCK + 1,), f"V{BLOCK}", buffer=text, strides=(1,))
    for part in _parts(rows):
        _hashed(blocks, starts[part], lengths[part], hashes[:, part])


def add_numbers(hashes: Chain, numbers: Numbers, *, whole: bool) -> None:
    """As `hashing` has it."""
    upper = (numbers >> 32).astype(np.uint32)
    if whole:
        add_words(hashes, upper)
    add_words(hashes, numbers.astype(np.uint32) ^ np.where(numbers < 0, ~upper, upper))


def add_words(hashes: Chain, words: Words) -> None:
    """As `hashing` has it."""
    _fixed(hashes, words.reshape(-1, 1))


def add_decimals(hashes: Chain, numbers: Numbers) -> None:
    """As `hashing` has it."""
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
        own = hashes[:, part]
        nothing = own - 1
        state = _begun((START + 2 * count).astype(np.uint32), own)
        words = [digits[at] | digits[at + 1] << np.uint32(16) for at in (0, 2)]
        _finished(state, words, own)
        own ^= 2 - leading
        np.copyto(own, nothing, where=size == 0)


def add_hex(hashes: Chain, numbers: Numbers) -> None:
    """As `hashing` has it."""
    digits = _four_digits()[numbers.astype(">i8").view(">u2")]
    _fixed(hashes, digits.view("<u4").reshape(len(numbers), 4))


@cache
def _four_digits() -> "np.ndarray[tuple[int], np.dtype[np.void]]":
    """Each number of 16 bits as four signs."""
    return np.frombuffer(binascii.hexlify(np.arange(2**16, dtype=">u2").tobytes()), "V4")


def _parts(rows: int) -> list[slice]:
    return [slice(at, min(at + AT_ONCE, rows)) for at in range(0, rows, AT_ONCE)]


def _fixed(hashes: Chain, words: "np.ndarray[tuple[int, int], np.dtype[np.uint32]]") -> None:
    """Rows of so many whole words each."""
    rows, count = words.shape
    last = count - count % 3
    for part in _parts(rows):
        own = list(np.ascontiguousarray(words[part].T))
        state = _begun(START + 4 * count, hashes[:, part])
        for at in range(0, last, 3):
            _absorb(state, own[at : at + 3])
        _finished(state, own[last:], hashes[:, part])


def _hashed(text: Any, starts: Numbers, lengths: Numbers, hashes: Chain) -> None:
    """Block after block for all rows that have one; the longest texts come first, so that these are a slice."""
    blocks = lengths // BLOCK
    most = int(blocks.max())
    order, seeds = None, hashes
    if int(blocks.min()) < most:
        # Numbers of 16 bits are sorted in one pass, and more blocks than that hold nobody up.
        order = np.argsort((MANY - np.minimum(blocks, MANY)).astype(np.uint16), kind="stable")
        if most > MANY:
            order = order[np.argsort(-blocks[order], kind="stable")]
        starts, lengths, blocks = starts[order], lengths[order], blocks[order]
        # An index would give it another layout, and all that follows with it.
        seeds = hashes.take(order, axis=1)
    state = _begun(lengths.astype(np.uint32) + np.uint32(START & 0xFFFFFFFF), seeds)
    for block in range(most):
        rows = int(np.searchsorted(-blocks, -block, "left"))
        read = _three(text, starts[:rows] + BLOCK * block)
        _absorb({name: array[:, :rows] for name, array in state.items()}, read)
    read = _three(text, starts + BLOCK * blocks)
    for word, kept in zip(read, KEPT, strict=True):
        word &= kept[lengths - BLOCK * blocks]
    _finished(state, read, seeds)
    if order is not None:
        hashes[:, order] = seeds


def _three(text: Any, places: Numbers) -> list[Words]:
    """The three words of each of these blocks."""
    return list(np.ascontiguousarray(text[places].view("<u4").reshape(-1, 3).T))


def _absorb(state: State, read: Sequence[Words]) -> None:
    """Mix a block in; the arrays of the state are changed."""
    for name, word in zip("abc", read, strict=True):
        state[name] += word
    _mix(state)


def _begun(start: "int | Words", seeds: Chain) -> State:
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


def _finished(state: State, read: Sequence[Words], found: Chain) -> None:
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
