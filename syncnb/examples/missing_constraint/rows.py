"""The 1,120 rows of three integration tables before the repair, and what the till's service sends. Made up.

Counts are those of the incident: 425 products, 685 modifiers, 10 discounts.
"""

import json
from collections.abc import Iterator
from uuid import NAMESPACE_URL, uuid5

from syncnb.examples.scene import Row

__all__ = ["COUNTS", "SOURCE", "discounts", "history", "identity", "modifiers", "products"]

COUNTS = {"integration_products": 425, "integration_modifiers": 685, "integration_discounts": 10}
SOURCE = str(uuid5(NAMESPACE_URL, "https://pos.example/qu"))
"""The source that all rows came from."""
MADE, SYNCED = "2025-06-02T08:00:00Z", "2025-06-20T08:00:00Z"

DISHES = ("Burger", "Wrap", "Salad", "Soup", "Bowl", "Sandwich", "Taco", "Curry", "Pasta", "Pie")
KINDS = ("Classic", "Spicy", "Garden", "Chicken", "Lentil", "Mushroom", "Smoked", "Sweet", "Green", "House")
SIZES = ("small", "regular", "large", "to share", "for children")
EXTRAS = ("Cheese", "Onion", "Pickle", "Tomato", "Chilli", "Mayonnaise", "Avocado", "Egg", "Bacon", "Salt")
AMOUNTS = ("no", "light", "extra", "double", "on the side")
GROUPS = ("Toppings", "Sauces", "Sides", "Breads", "Temperature")


def identity(table: str, number: int) -> str:
    """The id of a row, the same at every call."""
    return str(uuid5(NAMESPACE_URL, f"https://pos.example/{table}/{number}"))


def name_of(number: int) -> str:
    """What a product is called."""
    dish, kind, size = number % 10, number // 10 % 10, number // 100 % 5
    return f"{KINDS[kind]} {DISHES[dish]}, {SIZES[size]}"


def data_of(number: int, *, more: int = 0) -> str:
    """The document that the service sends with a row; `more` is a change of price in cents."""
    return json.dumps({"price": 450 + number * 37 % 900 + more, "tax": 1 + number % 2})


def products() -> Iterator[Row]:
    """id, source_id, external_id, path_id, name, item_type, data, created_at, updated_at, last_synced_at."""
    for number in range(1, COUNTS["integration_products"] + 1):
        kind = "combo" if number % 9 == 0 else "item"
        identify = (identity("products", number), SOURCE, f"P{number:04}", f"menu/{number % 12}")
        yield (*identify, name_of(number), kind, data_of(number), MADE, SYNCED, SYNCED)


def modifiers() -> Iterator[Row]:
    """As products, without path_id, and with modifier_group_id and modifier_group_name."""
    for number in range(1, COUNTS["integration_modifiers"] + 1):
        group = number % 5
        extra = f"{AMOUNTS[number // 10 % 5]} {EXTRAS[number % 10].lower()} {number // 50 + 1}"
        identify = (identity("modifiers", number), SOURCE, f"M{number:04}")
        stamps = (MADE, SYNCED, SYNCED)
        yield (*identify, extra, "modifier", data_of(number), f"G{group}", GROUPS[group], *stamps)


def discounts() -> Iterator[Row]:
    """id, source_id, external_id, name, data, discount_amount, created_at, updated_at, last_synced_at."""
    for number in range(1, COUNTS["integration_discounts"] + 1):
        identify = (identity("discounts", number), SOURCE, f"D{number:02}", f"{number * 5} per cent off")
        yield (*identify, data_of(number), f"{number * 5}.00", MADE, SYNCED, SYNCED)


def history() -> Iterator[Row]:
    """A success long ago, and the failed run that says to this day that it is in progress."""
    yield (1, "QU POs", "success", MADE, "2025-06-02T08:00:41Z", 1120, None)
    yield (2, "QU POs", "in_progress", "2025-07-08T09:30:00Z", None, None, None)
