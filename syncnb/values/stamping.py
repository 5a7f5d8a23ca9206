"""One moment as a column holds it: a stamp of ours for bookkeeping, in the column's own type and manner."""

from datetime import UTC, datetime

import pyarrow as pa

from syncnb.schema import Column
from syncnb.values.kinds import Kind
from syncnb.values.pairing import cannot_compare, rule_for
from syncnb.values.raw import Raw, to_python
from syncnb.values.writing import write_column

__all__ = ["has_zone", "stamped"]

NAIVE = (Kind.TIMESTAMP, Kind.DATE)


def has_zone(column: Column) -> bool:
    """Whether its stamps say themselves which moment they are."""
    return Kind(column.kind) not in NAIVE


def stamped(
    moment: datetime, column: Column, dialect: str, *, zone: str | None = None, sample: pa.Array | None = None
) -> tuple[Raw, str]:
    """The raw value, and why there is none: a column that holds no stamps.

    zone: that of a naive column's clock, UTC by default. sample: values that are there, whose form it takes.
    """
    if reason := cannot_compare(Kind.TIMESTAMPTZ, Kind(column.kind)):
        return None, reason
    rule = rule_for(Kind.TIMESTAMPTZ, Kind(column.kind), zone_local="UTC", zone_remote=zone or "UTC")
    text = moment.astimezone(UTC).isoformat(sep=" ", timespec="microseconds")
    written = write_column(rule, pa.array([text]), "local", column, dialect, sample=sample)
    refused = [problem.why for problem in written.problems if problem.what == "refused"]
    # What a date or a stamp without fractions cannot hold of the moment is cut, as any program would.
    return (None, refused[0]) if refused else (to_python(written.array)[0], "")
