"""Which side a plan writes, and what is asked of it before anything is drawn."""

from syncnb.changes import Diff, TablePair
from syncnb.errors import PlanError
from syncnb.planning.fingerprint import fingerprint
from syncnb.schema import Schema
from syncnb.stores.port import Store, WritableStore
from syncnb.values.sides import SIDES, Side, of_side

__all__ = ["greatest", "identity_of", "present_schema", "side_of"]


def identity_of(d: Diff, side: Side) -> str:
    """What the journal of the target knows the source by; empty for frames."""
    store = of_side(side, *d.stores) if d.stores else None
    return store.identity().id if isinstance(store, WritableStore) else ""


def greatest(d: Diff, pair: TablePair) -> int:
    """The greatest id that either side has given in a table, so that the next one is nobody's."""
    found = [0]
    for store, table, column in zip(
        d.stores or (), (pair.local, pair.remote), (pair.key[0].local, pair.key[0].remote), strict=True
    ):
        with store.reading() as reader:
            found.append(reader.greatest(table, column.name) or 0)
    return max(found)


def present_schema(d: Diff, side: Side, into: Store) -> Schema:
    """The target's catalogue as it is now. Raises PlanError where a compared table has changed since."""
    compared = [table.pair.on(side) for table in d.tables]
    elsewhere = sorted({table.schema for table in compared if table.schema and not table.visible})
    with into.reading() as reader:
        more = reader.followers(compared)
        schema = reader.schema(sorted({*elsewhere, *more}) or None)
    for table in compared:
        now = next((found for found in schema if found.label == table.label), None)
        if now is None or fingerprint(now) != fingerprint(table):
            raise PlanError(f"{table.label} has changed since the diff", hint="diff again, then plan")
    return schema


def side_of(d: Diff, into: Store) -> Side:
    """Which of the two stores compared is to be written."""
    if d.stores is not None:
        for side, store in zip(SIDES, d.stores, strict=True):
            if store is into or store == into:
                return side
    raise PlanError(
        f"{getattr(into, 'name', into)!s} is not one of the two stores that were compared",
        hint=f"pass the store of {d.local} or of {d.remote} that went into diff",
    )
