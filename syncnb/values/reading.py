"""How a person reads a value, and why two values are the same or not."""

import unicodedata
from collections.abc import Sequence
from decimal import Decimal

from syncnb.values import numbers
from syncnb.values.moments import StampRule
from syncnb.values.numeric import Float4Rule, NumberRule
from syncnb.values.raw import BadText, Raw
from syncnb.values.rules import Answer, Rule
from syncnb.values.sides import Side

__all__ = ["NULL", "as_text", "canonical_text", "not_fitting", "storage_class", "why"]

LONGEST_DISTANCE = 30
"""Characters: a distance that is longer is told by its first digits and its size."""
NULL = "∅"
"""How NULL is shown; the empty text is shown as '' and the text NULL as it is."""


def as_text(value: Raw, rule: Rule | None = None) -> str:
    """A raw value as text: bytes as \\x6869, everything else as its store writes it."""
    match value:
        case None:
            return NULL
        case bool():
            return "true" if value else "false"
        case bytes():
            return f"\\x{value.hex()}"
        case BadText():
            return value.data.decode("utf-8", "backslashreplace")
        case float() if isinstance(rule, Float4Rule):
            return numbers.float4_text(value)
    return str(value)


def storage_class(value: Raw) -> str:
    """What kind of value a store holds, whatever its column promises."""
    match value:
        case None:
            return "NULL"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "real"
        case str():
            return "text"
        case bytes():
            return "blob"
    return "text that is not UTF-8"


def canonical_text(rule: Rule, value: Raw, side: Side) -> str:
    """The form in which a value is compared, as text."""
    token = None if value is None else rule.token(value, side)
    if token is None:
        return NULL
    if isinstance(rule, StampRule) and (moment := rule.moment(value, side)) is not None:
        return f"{moment.text} ({'wall clock' if moment.offset is None else 'instant'})"
    if isinstance(rule, Float4Rule | NumberRule):
        number = numbers.number_of(value, exact_floats=rule.exact_floats)
        if number is not None:
            return (
                as_text(numbers.float4(float(number)), rule) if isinstance(rule, Float4Rule) else str(number)
            )
    return " ".join(map(str, token)) if isinstance(token, tuple) else str(token)


def not_fitting(rule: Rule, values: Sequence[Raw], side: Side) -> list[tuple[int, Raw, str]]:
    """The values that a frame column of this rule cannot hold: (row, raw, why)."""
    odd = []
    for row, value in enumerate(values):
        try:
            if value is not None:
                rule.shown(value, side)
        except (ValueError, OverflowError) as error:
            odd.append((row, value, str(error)))
    return odd


def why(rule: Rule, local: Raw, remote: Raw) -> str:
    """One line that says why two cells are the same value or not."""
    if local is None or remote is None:
        return "both NULL" if local is remote else f"{'local' if local is None else 'remote'} is NULL"
    answer = rule.answer(local, remote)
    if answer is Answer.UNKNOWN:
        return "cannot be compared: one is a moment, the other a wall clock or a number without a unit"
    if answer is Answer.SAME:
        alike = type(local) is type(remote) and local == remote
        return "identical" if alike else rule.sentence
    return _reason(rule, local, remote)


def _reason(rule: Rule, local: Raw, remote: Raw) -> str:
    for side, value in (("local", local), ("remote", remote)):
        if isinstance(value, BadText):
            return f"{side} is not UTF-8"
    apart = rule.distance(local, remote)
    if apart is not None:
        return _apart(rule, local, remote, apart)
    if isinstance(local, str) and isinstance(remote, str):
        return _text_reason(local, remote)
    tokens = [rule.token(local, "local"), rule.token(remote, "remote")]
    kinds = [token[0] if isinstance(token, tuple) and token else token for token in tokens]
    if kinds[0] != kinds[1] and storage_class(local) != storage_class(remote):
        return f"{storage_class(local)} against {storage_class(remote)}"
    if isinstance(local, bytes) and isinstance(remote, bytes):
        return f"{len(local)} bytes against {len(remote)}" if len(local) != len(remote) else "bytes differ"
    return "values differ"


def _apart(rule: Rule, local: Raw, remote: Raw, apart: Decimal) -> str:
    if isinstance(rule, NumberRule):
        if any(isinstance(value, float) for value in (local, remote)) and _same_double(local, remote):
            return "differ beyond the digits that a double keeps"
        return f"differ by {_plain(apart)}"
    return f"{_seconds(apart)} apart"


def _plain(distance: Decimal) -> str:
    """One way of writing a distance, whatever scales it comes from: 1 and not 1.00, no blank run of zeros."""
    text = f"{distance:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text if len(text) <= LONGEST_DISTANCE else f"about {distance:.2e}"


def _same_double(local: Raw, remote: Raw) -> bool:
    left, right = numbers.number_of(local), numbers.number_of(remote)
    return left is not None and right is not None and float(left) == float(right)


def _seconds(apart: Decimal) -> str:
    whole, _, fraction = f"{apart:f}".partition(".")
    seconds = int(whole)
    if seconds % 1800 == 0 and not fraction.strip("0") and 0 < seconds <= 14 * 3600:
        return f"{seconds / 3600:g} h (a time zone?)"
    if seconds >= 86400:
        return f"{seconds // 86400} d"
    return f"{_plain(apart)} s"


def _text_reason(local: str, remote: str) -> str:
    """What a person cannot see in two texts, or at least what kind of difference it is."""
    if local == "" or remote == "":
        return f"{'local' if local == '' else 'remote'} is the empty text"
    if local.rstrip() == remote.rstrip():
        return f"looks identical: blanks at the end of {'local' if len(local) > len(remote) else 'remote'}"
    if local.strip() == remote.strip():
        return "looks identical: blanks around it"
    if unicodedata.normalize("NFC", local) == unicodedata.normalize("NFC", remote):
        return "looks identical: Unicode normalisation differs (NFC, NFD)"
    if local.split() == remote.split():
        return "blanks or line ends differ"
    if local.casefold() == remote.casefold():
        return "upper and lower case differ"
    if "\ufffd" in local or "\ufffd" in remote:
        return f"{'local' if chr(0xFFFD) in local else 'remote'} lost characters (U+FFFD)"
    if _mojibake(local) == remote or _mojibake(remote) == local:
        return "UTF-8 read as Latin-1 (mojibake)"
    return "text differs"


def _mojibake(text: str) -> str | None:
    try:
        return text.encode("latin-1").decode()
    except UnicodeError:
        return None
