"""Whether what a migration altered still stands, object by object, by the catalogue's own words."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from syncnb.journal import within
from syncnb.planning.files import step_from
from syncnb.steps import Line, Step
from syncnb.stores import measuring
from syncnb.stores.alterers import objects
from syncnb.stores.port import Reader

__all__ = ["altered"]

GONE = "it is not there"


def altered(reader: Reader, records: Sequence[Any]) -> Iterator[Line]:
    """A line for each object that the steps made, changed or dropped, and for each column that was filled."""
    there: dict[tuple[str, ...], Mapping[str, str]] = {}
    last: dict[tuple[tuple[str, ...], str], tuple[Step, str | None]] = {}
    fills: dict[tuple[tuple[str, ...], str], Step] = {}
    for record in records:
        step = step_from(dict(record["step"]))
        if step.path not in there:
            there[step.path] = objects(reader, step.path)
        if step.verb == "fill":
            fills[step.path, step.columns[0]] = step
        for name in {**record["before"], **record["after"]}:
            last[step.path, name] = (step, record["after"].get(name))
    for (path, column), step in fills.items():
        if f"column {column}" in there[path]:  # else another line says what became of it
            yield _filled(reader, step, column, source_there=f"column {step.source}" in there[path])
    for (path, name), (step, wanted) in last.items():
        if name.startswith("index ") and (path, f"constraint {name[6:]}") in last:
            continue  # the index behind a constraint, which has its own line
        found = there[path].get(name)
        if wanted is None:
            yield Line(found is None, f"{step.table}: {name} is gone", GONE, found or GONE)
        else:
            yield Line(found == wanted, f"{step.table}: {name} stands", wanted, found or GONE)


def _filled(reader: Reader, step: Step, column: str, *, source_there: bool) -> Line:
    """How many rows have a value where a fill wrote some.

    source_there: what it was filled from is still there, so that rows which had nothing to give are known, and not missed.
    """
    sql: Any = connection_of(reader)
    rows, having = measuring.count_rows(sql, step.path), measuring.present(sql, step.path, column)
    wanted = having + measuring.fillable(sql, step, there=True) if source_there else rows
    what = f"{step.table}: {having:,}/{rows:,} records have {column}"
    return Line(having == wanted, what, f"{wanted:,}", f"{having:,}")


def connection_of(reader: Reader) -> Any:
    """The reader's snapshot, for counts."""
    return within(reader, "postgresql" if hasattr(reader, "server") else "sqlite")
