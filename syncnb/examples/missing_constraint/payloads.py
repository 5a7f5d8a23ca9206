"""What the till's service sends: two payloads, one for each of two syncs after the repair."""

from typing import Any

from syncnb.examples.missing_constraint.rows import COUNTS, SOURCE, data_of, discounts, modifiers, products

__all__ = ["CHANGED", "NEW", "payload"]

Payload = dict[str, list[dict[str, Any]]]

NEW = {"integration_products": 12, "integration_modifiers": 8, "integration_discounts": 1}
"""Rows of the first payload that the tables do not have; the second brings no further ones."""
CHANGED = {
    1: {"integration_products": 30, "integration_modifiers": 20, "integration_discounts": 2},
    2: {"integration_products": 9, "integration_modifiers": 5, "integration_discounts": 0},
}
"""Known rows whose price changed since the sync before, by number of the payload."""
KNOWN = {
    "integration_products": (tuple(products()), {"path_id": 3, "name": 4, "item_type": 5}),
    "integration_modifiers": (
        tuple(modifiers()),
        {"name": 3, "item_type": 4, "modifier_group_id": 6, "modifier_group_name": 7},
    ),
    "integration_discounts": (tuple(discounts()), {"name": 3, "discount_amount": 5}),
}
"""The rows that are there, and where in them what the service sends stands."""
STAMPS = {1: "2025-07-09T10:00:00Z", 2: "2025-07-09T16:00:00Z"}


def payload(number: int) -> Payload:
    """The first (1) or second (2) payload: rows as dicts, by table.

    Each row has what the service knows of it: no `id`, no `created_at`. `last_synced_at` is new in every row,
    whether anything else changed or not. Raises ValueError for another number.
    """
    if number not in STAMPS:
        raise ValueError("there are two payloads: 1 and 2")
    return {
        "integration_products": _rows("integration_products", number),
        "integration_modifiers": _rows("integration_modifiers", number),
        "integration_discounts": _rows("integration_discounts", number),
    }


def _rows(table: str, number: int) -> list[dict[str, Any]]:
    known, new = COUNTS[table], NEW[table]
    return [_row(table, at, number) for at in range(1, known + new + 1)]


def _row(table: str, at: int, number: int) -> dict[str, Any]:
    letter = {"integration_products": "P", "integration_modifiers": "M", "integration_discounts": "D"}[table]
    told = {**_known(table, at), "data": data_of(at, more=_more(table, at, number))}
    first = {
        "source_id": SOURCE,
        "wand_source_id": SOURCE,
        "external_id": f"{letter}{at:02}" if letter == "D" else f"{letter}{at:04}",
    }
    return {**first, **told, "last_synced_at": STAMPS[number]}


def _known(table: str, at: int) -> dict[str, Any]:
    """What the tables have of a row, or what a new one is."""
    rows, places = KNOWN[table]
    row = rows[min(at, len(rows)) - 1]
    told = {name: row[place] for name, place in places.items()}
    if at > len(rows):
        told["name"] = f"{told['name']} (new {at - len(rows)})"
    if table == "integration_modifiers":
        told["path_id"] = None  # the service knows no path for them: NULL is part of the key
    return told


def _more(table: str, at: int, number: int) -> int:
    """By how much the price of a row has changed, from its first sync up to this payload."""
    first, second = CHANGED[1][table], CHANGED[2][table]
    more = 25 if at <= first else 0
    return more + (40 if number == 2 and at <= second else 0)
