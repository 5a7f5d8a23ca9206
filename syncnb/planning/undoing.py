"""The verb `undo`: a plan that takes a run back, from what the journal kept of it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from syncnb import journal
from syncnb.errors import PlanError
from syncnb.planning.built_upon import Since, check_there
from syncnb.planning.fingerprint import fingerprint
from syncnb.planning.hazards import cascades, journal_notes
from syncnb.planning.plans import Plan
from syncnb.planning.retracing import backwards, deferrals
from syncnb.planning.undoing_migrations import Part, kept_parts, way_back
from syncnb.schema import Schema
from syncnb.steps import Block, Report
from syncnb.stores.conversation import one_conversation
from syncnb.stores.port import Store, WritableStore

__all__ = ["undo"]

KEPT = "sequences stay where they are; rows that triggers wrote elsewhere are not taken back"


@one_conversation
def undo(run: Report | int, store: Store) -> Plan:
    """A plan that restores every row that a run wrote, value and storage class, as it was before.

    run: the report of the run, or its number in `sn.history(store)`. The plan guards every column of every
    row: one that was changed since is refused when the plan is applied.

    Reads the journal and the catalogue, writes nothing. Raises PlanError for a run that is not there, that
    wrote nothing, that was taken back already, or whose images were purged.
    """
    number = run.run if isinstance(run, Report) else run
    if number is None:
        raise PlanError("this report wrote nothing", hint="there is nothing to take back")
    if not isinstance(store, WritableStore):
        raise PlanError(f"{type(store).__name__} has no journal", hint="pass the database that was written")
    with journal.journal_connection(store, number) as connection:
        if connection is None or not journal.is_installed(connection):
            raise PlanError(f"{store.name} has no journal", hint="nothing was applied to it by syncnb")
        parts = kept_parts(connection, journal.runs(connection), number)
        _check(journal.runs(connection), number, partly=bool(parts))
        images = list(journal.read_images(connection, number)) if not parts else []
        since = Since(number, journal.runs(connection), list(journal.read_steps(connection, number)))
        report = journal.run_report(connection, number)
    if parts:
        return _migration(since, store, parts)
    after_run, lacking = journal.journal_for(store)
    with store.reading() as reader:
        elsewhere = sorted({image.path[0] for image in images if len(image.path) > 1})
        schema = reader.schema(elsewhere or None)
        check_there(images, schema, since)
        more = reader.followers([schema.find(image.table) for image in images])
        schema = reader.schema(sorted({*elsewhere, *more})) if more else schema
    blocks = backwards([block for image in reversed(images) for block in _taken_back(image, schema)])
    deleted = {block.table: len(block) for block in blocks if block.verb == "delete"}
    return Plan(
        hazards=tuple(
            h for label, rows in deleted.items() for h in cascades(schema.find(label), rows, schema)
        ),
        target=store.identity(),
        into="remote",
        source=f"run {number}",
        fingerprint={block.table: fingerprint(schema.find(block.table)) for block in blocks},
        blocks=blocks,
        columns={block.table: schema.find(block.table).columns for block in blocks},
        after_run=after_run,
        deferred=deferrals(blocks, schema, store.dialect),
        undo_of=number,
        notes=(KEPT, *_forgotten(report), *_lost(report), *journal_notes(lacking)),
    )


def _migration(since: Since, store: WritableStore, parts: Sequence[Part]) -> Plan:
    after_run, lacking = journal.journal_for(store)
    with store.reading() as reader:
        connection: Any = journal.within(reader, store.dialect)
        paths = [p.path if isinstance(p, Block) else p["step"]["path"] for p in parts]
        schema = reader.schema(sorted({path[0] for path in paths if len(path) > 1}) or None)
        found = way_back(parts, reader, schema, connection, _taken_back, since)
    notes = (*found.pop("notes"), KEPT, *journal_notes(lacking))
    return Plan(
        target=store.identity(),
        into="remote",
        source=f"run {since.number}",
        blocks=(),
        after_run=after_run,
        undo_of=since.number,
        notes=notes,
        **found,
    )


def _lost(report: Report | None) -> list[str]:
    """What the run itself said that it could not keep."""
    return [note for note in (report.notes if report else ()) if "cannot be taken back" in note]


def _forgotten(report: Report | None) -> Iterator[str]:
    """What the run found out about ids, which counts no more once it is taken back."""
    for table, totals in (report.totals if report else {}).items():
        if number := totals.get("mapped", 0):
            rows = "1 row has" if number == 1 else f"{number:,} rows have"
            yield f"{table}: that {rows} another id in the source is forgotten"


def _check(runs: list[journal.Run], number: int, *, partly: bool) -> None:
    found = next((run for run in runs if run.run == number), None)
    if found is None:
        there = ", ".join(str(run.run) for run in runs) or "none"
        raise PlanError(f"there is no run {number}", hint=f"runs in this journal: {there}")
    if not partly and (left := journal.how_it_stands(found)):
        what, move = left
        raise PlanError(f"run {number} cannot be taken back yet: {what}", hint=move)
    if found.status != "success" and not partly:
        raise PlanError(f"run {number} wrote nothing ({found.status})", hint="there is nothing to take back")
    whole = [run for run in runs if run.inserted + run.updated + run.deleted >= run.records]
    by = [run.run for run in whole if run.undo_of == number and run.status == "success"]
    if by and not any(run.undo_of == by[-1] and run.status == "success" for run in runs):
        raise PlanError(
            f"run {number} was taken back by run {by[-1]}", hint=f"undo run {by[-1]} to have it again"
        )


def _taken_back(image: Block, schema: Schema) -> Iterator[Block]:
    """The inverse of what was written. Every column guards, and all but the key are set."""
    block = replace(image.inverse, why="undo")
    if block.verb != "update":
        yield block
        return
    table = schema.find(block.table)
    kept = [
        at
        for at, name in enumerate(block.columns)
        if name not in block.key and table.column(name).identity != "always"
    ]
    yield replace(
        block,
        columns=tuple(block.columns[at] for at in kept),
        before=tuple(block.before[at] for at in kept),
        after=tuple(block.after[at] for at in kept),
    )
