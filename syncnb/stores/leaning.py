"""What stands on a column or a unique rule, and would go with it or keep it from going."""

from collections.abc import Sequence
from dataclasses import dataclass

from syncnb.stores.port import Reader

__all__ = ["Leaning", "leaning"]


@dataclass(frozen=True, slots=True)
class Leaning:
    """One object of the catalogue that needs another one."""

    kind: str
    """In the words of `objects`: `index`, `constraint`, `column`, `trigger`; or `view` and others."""
    name: str
    table: str = ""
    """The name of the table whose it is; empty where it is nobody's, such as a view."""

    def __str__(self) -> str:
        return f"the {self.kind} {self.name}{f' of {self.table}' * bool(self.table)}"


def leaning(reader: Reader, path: Sequence[str], *, column: str = "", rule: str = "") -> list[Leaning]:
    """Whatever needs this column of a table, or this unique constraint or index; what is the column's own does not count."""
    if hasattr(reader, "server"):
        from syncnb.stores import postgres_leaning

        connection = reader._connection  # type: ignore[attr-defined]
        return [Leaning(*row) for row in postgres_leaning.leaning(connection, path, column, rule)]
    from syncnb.stores import sqlite_leaning

    return [Leaning(*row) for row in sqlite_leaning.leaning(reader._connection, path[-1], column, rule)]  # type: ignore[attr-defined]
