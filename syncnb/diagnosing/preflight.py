"""Every rule of a table against exactly these rows, by reading: all that would break, for each row at once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from syncnb.diagnosing.given import Rows
from syncnb.diagnosing.looking import Look
from syncnb.diagnosing.on_cells import length_limit
from syncnb.errors import ReadError, SchemaError
from syncnb.schema import Table
from syncnb.stores.probing import IndexFacts, Trial
from syncnb.values.raw import Raw, to_python
from syncnb.values.reading import as_text

__all__ = ["Broken", "Hits", "preflight"]

BY_CODE = {
    "22001": "value_too_long",
    "22003": "numeric_out_of_range",
    "22007": "datetime_format",
    "22008": "datetime_format",
    "22009": "datetime_format",
    "22021": "null_byte_in_text",
    "22P05": "null_byte_in_text",
    "23514": "check_violation",
    "20": "type_mismatch",
    "3091": "type_mismatch",
}


@dataclass(frozen=True, slots=True)
class Broken:
    """One rule that one row would break."""

    row: int
    """From 0, in the order given."""
    cause: str
    rule: str
    """Column, constraint or index."""
    why: str


@dataclass(frozen=True, slots=True)
class Hits:
    """The rows of the table that one given row meets, by index."""

    row: int
    by: Mapping[str, tuple[str, ...]]


@dataclass(eq=False)
class _Bench:
    """What the checks share."""

    look: Look
    table: Table
    rows: Rows
    target: tuple[str, ...]
    trial: Trial
    values: Mapping[str, list[Raw]]
    others: Mapping[str, Rows]
    """Rows for other tables that go in the same run."""

    def given(self, row: int, name: str) -> bool:
        """Whether a row gives a column at all."""
        return name in self.values and not (self.rows.absent and name in self.rows.absent[row])

    @property
    def count(self) -> int:
        return int(self.rows.batch.num_rows)

    def is_target(self, index: IndexFacts) -> bool:
        return all(index.plain) and set(index.parts) == set(self.target)


def preflight(
    look: Look, table: Table, rows: Rows, target: Sequence[str] = (), others: Mapping[str, Rows] | None = None
) -> tuple[list[Broken], list[Hits]]:
    """All rules that these rows would break, and the rows that they meet. Reads only.

    `target` names the columns of ON CONFLICT; without it each row is to be inserted. Generated columns,
    NULL, types, lengths, checks, unique rules (by their own NULLs and collations), references, duplicates
    within the batch, a row that meets two rows.
    """
    values = {name: to_python(rows.batch.column(name)) for name in rows.batch.schema.names}
    trial = look.probe.trial(table, rows.batch)
    bench = _Bench(look, table, rows, tuple(target), trial, values, others or {})
    if not bench.count:
        return [], []
    hits = dict(_hits(bench))
    found = [
        broken for check in (_made, _nulls, _types, _lengths, _checks, _parents) for broken in check(bench)
    ]
    found += [*_twice(bench), *_taken(bench, hits), *_null_keys(bench)]
    return sorted(found, key=lambda broken: broken.row), _by_row(hits)


def _made(bench: _Bench) -> Iterator[Broken]:
    """Columns that the database fills by itself."""
    for column in bench.table.columns:
        cause = "generated_column_written" if column.generated else "identity_generated_always"
        if column.name in bench.values and (column.generated or column.identity == "always"):
            for row, value in enumerate(bench.values[column.name]):
                if bench.given(row, column.name) and (column.generated or value is not None):
                    yield Broken(row, cause, column.name, "the database fills this column by itself")


def _nulls(bench: _Bench) -> Iterator[Broken]:
    for column in bench.table.columns:
        if column.nullable or column.generated:
            continue
        fills = column.default is not None or column.identity is not None
        for row in range(bench.count):
            given = bench.given(row, column.name)
            if (given and bench.values[column.name][row] is not None) or (
                not given and fills and not bench.rows.absent
            ):
                continue
            if column.name not in bench.values and fills:
                continue
            yield _null(bench, row, column.name, given=given, fills=fills)


def _null(bench: _Bench, row: int, name: str, *, given: bool, fills: bool) -> Broken:
    if not given and name in bench.values:
        why = "other rows of the batch give this column, this one does not: sent together, it becomes NULL"
        return Broken(row, "heterogeneous_rows_null_fill", name, why)
    if name in bench.table.primary_key or name in bench.target:
        return Broken(row, "null_in_key", name, "the key is NULL, or is not given and has no default")
    if given and fills:
        return Broken(row, "explicit_null_overrides_default", name, "NULL is given, and it has a default")
    what = "NULL is given" if given else "it is not given and has no default"
    return Broken(
        row, "not_null_partial_row", name, f"{what}: even where the row is there and would be updated"
    )


def _types(bench: _Bench) -> Iterator[Broken]:
    for bad in bench.trial.unfit():
        cause = BY_CODE.get(bad.code, "invalid_text_representation")
        yield Broken(bad.row, cause, bad.column, bad.why)


def _lengths(bench: _Bench) -> Iterator[Broken]:
    """SQLite keeps longer texts; PostgreSQL refuses them, but for blanks at the end."""
    if bench.look.dialect != "postgresql":
        return
    for column in bench.table.columns:
        limit = length_limit(column)
        for row, value in enumerate(bench.values.get(column.name, ()) if limit else ()):
            if value is not None and limit and len(text := as_text(value).rstrip(" ")) > limit:
                yield Broken(row, "value_too_long", column.name, f"{len(text)} characters, at most {limit}")


def _checks(bench: _Bench) -> Iterator[Broken]:
    for check in bench.table.checks:
        expression = _expression(check)
        try:
            failing = bench.trial.failing(expression)
        except ReadError:  # a check may call what this role, or this engine, cannot
            continue
        yield from (Broken(row, "check_violation", expression, "the check is false") for row in failing)


def _expression(check: str) -> str:
    """`CHECK ((a > 0)) NOT VALID` without what is around the expression."""
    text = check.removesuffix(" NOT VALID").removesuffix(" NO INHERIT").strip()
    return text[5:].strip() if text.upper().startswith("CHECK") else text


def _parents(bench: _Bench) -> Iterator[Broken]:
    for key in bench.table.foreign_keys:
        if not set(key.columns) <= set(bench.values):
            continue
        try:
            parent = bench.look.schema.find(key.parent)
        except SchemaError:
            continue
        coming = _coming(bench, parent, key.parent_columns)
        for row in bench.trial.without_parent(key, parent):
            value = tuple(as_text(bench.values[name][row]) for name in key.columns)
            if value not in coming:
                why = f"no row of {parent.label} has {', '.join(key.parent_columns)} = {', '.join(value)}"
                yield Broken(row, "fk_parent_missing", ", ".join(key.columns), why)


def _coming(bench: _Bench, parent: Table, columns: Sequence[str]) -> set[tuple[str, ...]]:
    """Parents that are written in the same run: of other tables, or of this one."""
    rows = bench.rows if parent == bench.table else bench.others.get(parent.label)
    if rows is None or not set(columns) <= set(rows.batch.schema.names):
        return set()
    lists = [to_python(rows.batch.column(name)) for name in columns]
    return {tuple(map(as_text, values)) for values in zip(*lists, strict=True)}


def _usable(bench: _Bench) -> Iterator[IndexFacts]:
    """Unique indexes whose plain columns are all given; expressions only where the engine can evaluate them."""
    for index in bench.look.indexes(bench.table):
        if (
            index.unique
            and index.ready
            and index.partition is None
            and set(index.columns) <= set(bench.values)
        ):
            yield index


def _twice(bench: _Bench) -> Iterator[Broken]:
    for index in _usable(bench):
        try:
            groups = bench.trial.repeated(index)
        except ReadError:
            if not _unusual(index):
                raise
            continue
        for group in groups:
            told = ", ".join(str(row) for row in group[:5])
            for row in group:
                yield Broken(row, "duplicate_in_batch", index.name, f"rows {told} are one under this rule")


def _hits(bench: _Bench) -> Iterator[tuple[IndexFacts, dict[int, tuple[str, ...]]]]:
    for index in _usable(bench):
        try:
            yield index, bench.trial.present(index)
        except ReadError:
            if not _unusual(index):
                raise


def _unusual(index: IndexFacts) -> bool:
    """Whether it evaluates something: that may need columns which were not given, or functions of the engine."""
    return bool(index.where) or not all(index.plain)


def _taken(bench: _Bench, hits: Mapping[IndexFacts, Mapping[int, tuple[str, ...]]]) -> Iterator[Broken]:
    """Rows that are there: fine under the target; else each is a violation, and so is a second row."""
    meant = next((met for index, met in hits.items() if bench.target and bench.is_target(index)), {})
    for index, met in hits.items():
        if bench.target and bench.is_target(index):
            continue
        for row, there in met.items():
            held = ", ".join(there)
            if row in meant and meant[row] == there:
                continue
            if row in meant:
                why = f"the target meets the row {', '.join(meant[row])}, and this rule another one: {held}"
                yield Broken(row, "other_unique_violated", index.name, why)
            else:
                cause = "id_already_exists_same_entity" if index.primary else "other_unique_violated"
                yield Broken(row, cause, index.name, f"the row {held} has this value")


def _null_keys(bench: _Bench) -> Iterator[Broken]:
    """NULL in the target under a rule where NULL equals nothing: no error, a new row each time."""
    for index in bench.look.indexes(bench.table) if bench.target else ():
        if not (index.unique and index.nulls_distinct and bench.is_target(index)):
            continue
        for name in index.columns:
            nullable = bench.table.column(name).nullable
            for row, value in enumerate(bench.values.get(name, ()) if nullable else ()):
                if value is None:
                    yield Broken(
                        row,
                        "null_in_key",
                        index.name,
                        f"{name} is NULL, which equals nothing: each run inserts it again",
                    )


def _by_row(hits: Mapping[IndexFacts, Mapping[int, tuple[str, ...]]]) -> list[Hits]:
    found: dict[int, dict[str, tuple[str, ...]]] = {}
    for index, met in hits.items():
        for row, there in met.items():
            found.setdefault(row, {})[index.name] = there
    return [Hits(row, by) for row, by in sorted(found.items())]
