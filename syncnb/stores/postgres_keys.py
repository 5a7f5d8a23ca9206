"""Rows by their keys, in a transaction that can only read: the keys lie in settings that go with it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from syncnb.filters import Condition
from syncnb.schema import Column, Table
from syncnb.stores.filtering import pushed
from syncnb.stores.postgres_copy import QUOTED, copy_out, qualified, selected
from syncnb.stores.postgres_staging import unlimited
from syncnb.stores.postgres_text import as_text

if TYPE_CHECKING:
    from psycopg import Connection

__all__ = ["key_query", "put_keys", "where_query"]


def put_keys(connection: "Connection[Any]", keys: Sequence[pa.Array]) -> None:
    """Lay the keys into settings of this transaction, a column each."""
    for at, values in enumerate(keys):
        query = "SELECT set_config(%s, %s::text[]::text, true) IS NULL"
        connection.execute(query, (_setting(at), as_text(values)))


def where_query(connection: "Connection[Any]", table: Table, where: Condition | None) -> str:
    """What of a condition the server can do, as SQL; its values are laid into settings of this transaction."""
    found = pushed(where, table, "postgresql", _where_setting) if where is not None else None
    for at, value in enumerate(found.values if found is not None else ()):
        text = str(value).lower() if isinstance(value, bool) else str(value)
        connection.execute("SELECT set_config(%s, %s, true) IS NULL", (f"syncnb.where_{at}", text))
    return found.sql if found is not None else ""


def _where_setting(number: int) -> str:
    """Where the n-th value of a condition lies: text, to be cast."""
    return f"current_setting('syncnb.where_{number:d}')"


def _setting(part: int) -> str:
    return f"syncnb.keys_{part}"


def key_query(table: Table, columns: Sequence[Column], key: Sequence[Column], nulls: Sequence[bool]) -> str:
    """The COPY of the rows whose key is among those in the settings. `nulls`: which parts of it may be NULL.

    No index serves IS NOT DISTINCT FROM, so it stands only where it must.
    """
    chosen = ", ".join(map(selected, columns))
    arrays = ", ".join(f"current_setting('{_setting(at)}')::text[]" for at in range(len(key)))
    names = ", ".join(f"k{at}" for at in range(len(key)))
    casts = ", ".join(f"CAST(u.k{at} AS {unlimited(column.type)}) AS k{at}" for at, column in enumerate(key))
    equal = ["IS NOT DISTINCT FROM" if null else "=" for null in nulls]
    terms = " AND ".join(f"t.{QUOTED(column.name)} {equal[at]} s.k{at}" for at, column in enumerate(key))
    query = (
        f"SELECT {chosen} FROM (SELECT DISTINCT {casts} FROM unnest({arrays}) AS u ({names})) AS s "  # noqa: S608
        f"JOIN {qualified(table)} AS t ON {terms}"
    )
    return copy_out(query, table)
