"""The verb `diagnose`: it looks at what it is given and asks the right room. Reads; never writes."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from syncnb.diagnosing.findings import Findings
from syncnb.diagnosing.from_errors import from_errors
from syncnb.diagnosing.from_rows import from_rows, from_stores
from syncnb.diagnosing.log_lines import from_log
from syncnb.diagnosing.looking import looking
from syncnb.diagnosing.pasted import complaints
from syncnb.errors import SchemaError, SyncnbError
from syncnb.stores.conversation import one_conversation
from syncnb.stores.port import Store

__all__ = ["diagnose"]

HOW = (
    "diagnose(local, remote), diagnose(store, tables='t', target=['a'], rows=frame), "
    "diagnose(message), diagnose(message, store) or diagnose(log, local, remote)"
)


@one_conversation
def diagnose(
    what: str | BaseException | Store,
    *stores: Store,
    tables: str | Sequence[str] | Mapping[str, str] | None = None,
    target: str | Sequence[str] | Mapping[str, Sequence[str]] | None = None,
    rows: Any = None,
    where: str | None = None,
    context: str = "",
    rehearse: bool = False,
) -> Findings:
    """Say why a sync fails, or would, or loses data without failing: causes, evidence, a way out.

    * `diagnose(local, remote)`: two stores, before any write into `remote`.
    * `diagnose(store, tables="t", target=["a", "b"], rows=frame)`: an upsert of exactly these rows (a
      DataFrame, a list of dicts, or a mapping from table to either); every rule, every row, all at once.
    * `diagnose(error)`, `diagnose(error, store)`: an exception, or log lines or JSON as they were pasted.
    * `diagnose(log, local, remote)`: a log with many `TABLE:ID`, each looked up on both sides.

    `tables`: which tables; as a mapping, what a pasted name means: `{"products": "integration_products"}`.
    `target`: the columns of ON CONFLICT, for all tables or as `{table: columns}`; `where` its predicate.
    `context`: the statement or code that failed, where the message does not hold it.

    It only reads, in read-only snapshots. `rehearse=True` (for `rows`, and a writable store) also writes the
    rows in a transaction that is rolled back, under timeouts: numbers taken from sequences, what triggers did
    outside the database, and waiting of others are not taken back by that.

    Raises SchemaError where a table or the rows cannot be understood.
    """
    if isinstance(what, Store):
        return _of_stores(what, stores, tables, target, rows, where, rehearsal=rehearse)
    if not isinstance(what, str | BaseException):
        raise SyncnbError(f"a {type(what).__name__} cannot be diagnosed", hint=HOW)
    told = tables if isinstance(tables, Mapping) else {}
    with ExitStack() as opened:
        if len(stores) > 2:
            raise SyncnbError("more than two stores were given", hint=HOW)
        looks = [opened.enter_context(looking(store, told)) for store in stores]
        if len(looks) == 2:
            lines = [complaint for complaint in complaints(what) if complaint.row is not None]
            if lines:
                return from_log(lines, looks[0], looks[1])
        names = _names(tables)
        text = f"{context}"
        # Errors are of the side that is written, which comes last.
        return from_errors(
            what,
            looks[-1] if looks else None,
            context=text,
            targets=_targets(target),
            where=where,
            table=names[0] if len(names) == 1 else None,
        )


def _of_stores(
    first: Store,
    stores: Sequence[Store],
    tables: Any,
    target: Any,
    rows: Any,
    where: str | None,
    *,
    rehearsal: bool,
) -> Findings:
    names = _names(tables)
    if len(stores) == 1 and rows is None and target is None:
        with looking(stores[0]) as remote:
            return from_stores(first, remote, names or None)
    if stores:
        raise SyncnbError("an upsert goes into one store", hint=HOW)
    if isinstance(rows, Mapping) and not isinstance(tables, str) and _is_by_table(rows):
        given: dict[str, Any] = dict(rows)
    elif len(names) == 1:
        given = {names[0]: rows}
    elif rows is None:
        given = dict.fromkeys(names or _all(target, first))
    else:
        raise SchemaError("for which table are these rows?", hint="pass tables='name', or rows={name: frame}")
    if rehearsal and not first.writable:
        raise SyncnbError(
            f"{first.name} was opened read-only, and a rehearsal writes", hint="connect(..., writable=True)"
        )
    told = tables if isinstance(tables, Mapping) else {}
    with looking(first, told) as look:
        return from_rows(look, given, _targets(target), where, rehearsal=rehearsal)


def _is_by_table(rows: Mapping[str, Any]) -> bool:
    """Whether a mapping holds rows for tables, and is not itself one row."""
    return all(
        hasattr(value, "__arrow_c_stream__") or isinstance(value, list | tuple) for value in rows.values()
    )


def _all(target: Any, store: Store) -> list[str]:
    if isinstance(target, Mapping):
        return list(target)
    return [table.label for table in store.inspect() if not table.is_view]


def _names(tables: str | Sequence[str] | Mapping[str, str] | None) -> list[str]:
    if tables is None:
        return []
    return (
        [tables]
        if isinstance(tables, str)
        else list(tables.values() if isinstance(tables, Mapping) else tables)
    )


def _targets(target: str | Sequence[str] | Mapping[str, Sequence[str]] | None) -> dict[str, Sequence[str]]:
    if target is None:
        return {}
    if isinstance(target, Mapping):
        return {name: [columns] if isinstance(columns, str) else columns for name, columns in target.items()}
    return {"*": [target] if isinstance(target, str) else target}
