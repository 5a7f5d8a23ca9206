"""What the journals of both sides know of ids that are the same thing."""

from collections.abc import Mapping, Sequence

import pyarrow as pa

from syncnb import journal
from syncnb.changes import TablePair
from syncnb.comparing.entities import Known
from syncnb.journal.reading import within
from syncnb.stores.port import Reader, Store, WritableStore

__all__ = ["known_ids"]

Maps = Mapping[str, Mapping[str, str]]


def known_ids(
    pairs: Sequence[TablePair], stores: tuple[Store, Store], readers: tuple[Reader, Reader]
) -> dict[str, Known]:
    """By table: pairs of ids that an earlier plan between these two databases made or found out.

    Read in the snapshots that are compared. A map is kept in the side that was written; where both sides
    keep one for an id, remote's counts.
    """
    if not any(pair.surrogate for pair in pairs):
        return {}
    here, there = (_maps(at, stores, readers) for at in (0, 1))
    found: dict[str, Known] = {}
    for pair in pairs:
        ours = {target: source for source, target in here.get(pair.local.label, {}).items()}
        both = {**ours, **there.get(pair.remote.label, {})}
        unique = {theirs: own for own, theirs in both.items()}
        if unique:
            own, theirs = list(unique.values()), list(unique)
            found[pair.name] = Known(pa.array(own, pa.string()), pa.array(theirs, pa.string()))
    return found


def _maps(at: int, stores: tuple[Store, Store], readers: tuple[Reader, Reader]) -> Maps:
    """What the journal of one side says about the ids of the other."""
    other = stores[1 - at]
    connection = within(readers[at], stores[at].dialect)
    if connection is None or not isinstance(other, WritableStore) or not journal.is_installed(connection):
        return {}
    return journal.read_id_maps(connection, lambda: other.identity(readers[1 - at]).id)
