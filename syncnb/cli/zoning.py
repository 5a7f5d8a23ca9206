"""The `[timezone]` of a match file, brought to the side, or sides, whose columns it names."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

from syncnb.connecting import zones
from syncnb.errors import SchemaError
from syncnb.schema import Schema, fold
from syncnb.stores.port import Store

__all__ = ["zoned"]


def zoned(
    local: Store, remote: Store, told: Mapping[str, str], schemas: list[str] | None
) -> tuple[Store, Store]:
    """Both stores, with what was told over what they said themselves.

    A name means the side where it stands exactly so, else each side where it stands regardless of
    case and `_`. Raises SchemaError for one that neither side has, ConnectError for an unknown zone.
    """
    if not told:
        return local, remote
    known = zones.normal(told)
    names = tuple(_names(store.inspect(schemas=schemas)) for store in (local, remote))
    found: tuple[dict[str, str], dict[str, str]] = ({}, {})
    for name, zone in known.items():
        places = [_exactly(name, there) for there in names]
        if not any(places):
            places = [_folded(name, there) for there in names]
        if not any(places):
            raise _nowhere(name, names)
        for side, exact in zip(found, places, strict=True):
            side.update(dict.fromkeys(exact, zone))
    return _with(local, found[0]), _with(remote, found[1])


def _with(store: Store, told: Mapping[str, str]) -> Store:
    changed: Any = store  # every store is a frozen dataclass, which a protocol cannot say
    result: Store = replace(changed, timezone={**store.timezone, **told})
    return result


def _names(schema: Schema) -> tuple[tuple[str, str], ...]:
    """Each way to name a table or column, and the name that is looked up."""
    return tuple(_spelled(schema))


def _spelled(schema: Schema) -> Iterator[tuple[str, str]]:
    yield "*", "*"
    for table in schema:
        for name in dict.fromkeys((table.label, table.name, f"{table.schema}.{table.name}")):
            yield name, table.label
            yield from ((f"{name}.{column.name}", f"{table.label}.{column.name}") for column in table.columns)


def _exactly(name: str, there: tuple[tuple[str, str], ...]) -> list[str]:
    return [meant for spelled, meant in there if spelled == name]


def _folded(name: str, there: tuple[tuple[str, str], ...]) -> list[str]:
    wanted = [fold(part) for part in name.split(".")]
    return [meant for spelled, meant in there if [fold(part) for part in spelled.split(".")] == wanted]


def _nowhere(name: str, names: tuple[tuple[tuple[str, str], ...], ...]) -> SchemaError:
    there = sorted({spelled for side in names for spelled, _ in side if spelled != "*"})
    near = get_close_matches(name, there, n=2)
    return SchemaError(
        f"[timezone] names {name!r}, which neither side has",
        hint=f"did you mean {' or '.join(near)}?" if near else 'write "table.column" = "Europe/Berlin"',
    )
