"""Sequences follow the explicit numbers that a run writes, and are never set back."""

from collections.abc import Iterator, Sequence

from syncnb.schema import Table
from syncnb.steps import Block
from syncnb.stores.port import Writer

__all__ = ["advanced"]


def advanced(writer: Writer, blocks: Sequence[Block], tables: dict[str, Table]) -> Iterator[str]:
    """Sequences behind columns that got explicit values are set forward."""
    seen: set[tuple[str, str]] = set()
    for block in blocks:
        for column in tables[block.table].columns if block.verb == "insert" else ():
            counted = column.identity is not None or (column.default or "").startswith("nextval(")
            if counted and column.name in block.columns and (block.table, column.name) not in seen:
                seen.add((block.table, column.name))
                said = writer.advance(tables[block.table], column.name)
                if said:
                    yield said
