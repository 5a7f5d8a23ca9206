"""JSON within a paste, as the lines that it means: whole, nested, escaped, with text before and after."""

import json
import re
from collections.abc import Mapping
from typing import Any

__all__ = ["CODES", "LABELLED", "MESSAGES", "error_lines", "is_code", "without_json", "without_secrets"]

MESSAGES = ("message", "msg", "error", "error_description", "error_message", "errorMessage", "reason")
"""Where services put what went wrong, the most telling first."""
CODES = ("code", "sqlstate", "sqlState")
LABELLED = {
    "DETAIL": ("details", "detail"),
    "HINT": ("hint",),
    "STATEMENT": ("query", "statement", "sql"),
    "TABLE NAME": ("table", "table_name", "tableName"),
    "COLUMN NAME": ("column", "column_name", "columnName"),
    "CONSTRAINT NAME": ("constraint", "constraint_name", "constraintName"),
}
"""What psql calls each, and how services do."""
VAIN = 300
"""Braces that may begin no document before the rest is taken as it stands."""


def without_json(text: str, depth: int = 0) -> str:
    """The text with each JSON object in it replaced by the lines that it means."""
    decoder, parts, at, vain = json.JSONDecoder(strict=False), [], 0, 0
    while depth < 5 and vain < VAIN and (start := text.find("{", at)) >= 0:
        try:
            value, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            # As it stands in a source or another JSON: the quotes are escaped.
            value, end = _escaped(text, start)
        if not isinstance(value, dict) or not (told := _told_in(value, depth)):
            parts.append(text[at : start + 1])
            at, vain = start + 1, vain + 1
            continue
        parts.append(text[at:start] + told)
        at = end
    return "".join([*parts, text[at:]])


def _escaped(text: str, start: int) -> tuple[Any, int]:
    if text[start : start + 3] != '{\\"' or (end := text.find("}", start)) < 0:
        return None, start
    try:
        return json.loads(text[start : end + 1].replace('\\"', '"')), end + 1
    except ValueError:
        return None, start


def _told_in(value: dict[str, Any], depth: int) -> str:
    inner = [_told_in(v, depth + 1) for v in value.values() if isinstance(v, dict) and depth < 5]
    inner += [
        _told_in(v, depth + 1) for each in value.values() if isinstance(each, list) for v in each[:100]
        if isinstance(v, dict) and depth < 5
    ]  # fmt: skip
    inner = list(filter(None, inner))
    own = error_lines(value, depth)
    if own:
        return "\n".join([*own, *inner]) + "\n"
    # What is told around one error belongs to it.
    return "\n".join([*inner, *(_labelled(value) if len(inner) == 1 else [])])


def error_lines(value: Mapping[str, object], depth: int = 0) -> list[str]:
    """Named fields of one error as a server would print it: code and message, then what is told besides.

    Nothing where they have neither a message nor a code with something besides.
    """
    message = next((told for name in MESSAGES if isinstance(told := value.get(name), str)), None)
    code = next((str(value[name]) for name in CODES if value.get(name)), "")
    labelled = _labelled(value)
    if message is None:
        return [f"({code})", *labelled] if labelled and is_code(code) else []
    text = without_json(message, depth + 1)
    return [f"({code}) {text}" if is_code(code) else text, *labelled]


def _labelled(value: Mapping[str, object]) -> list[str]:
    return [
        f"{label}:  {' '.join(told.split())}"
        for label, names in LABELLED.items()
        for name in names
        if isinstance(told := value.get(name), str) and told
    ]


def is_code(text: str) -> bool:
    """Whether this is an error code of a database, or of PostgREST."""
    return bool(re.fullmatch(r"PGRST\d{3}|(?=.*\d)[0-9A-Z]{5}|SQLITE_[A-Z_]+", text))


NAMES = r"\b(?:password|passwd|pwd|secret|token|api_?key)\b"
SECRETS = (
    (re.compile(r"(://[^\s:@/]*:)[^\s@]+(@)"), r"\1***\2"),
    (re.compile(rf"({NAMES}[\"']?\s*[=:]\s*)('[^']*'|\"[^\"]*\"|[^\s'\",;&}})]+)", re.IGNORECASE), r"\1***"),
    (re.compile(rf"({NAMES}\s+)'[^']*'", re.IGNORECASE), r"\1'***'"),
    (re.compile(r"(\bBearer\s+)\S+"), r"\1***"),
)
"""Logs hold addresses with passwords; what is shown and saved must not."""


def without_secrets(text: str) -> str:
    """The text with the passwords in it masked, as far as they look like such."""
    for pattern, masked in SECRETS:
        text = pattern.sub(masked, text)
    return text
