"""A migration taken back: from what the journal kept of its steps, every object by its own definition."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from syncnb import journal
from syncnb.planning.built_upon import Since, check_there, without_built_upon
from syncnb.planning.files import step_from
from syncnb.planning.fingerprint import fingerprint
from syncnb.planning.locks import lock_of
from syncnb.schema import Schema
from syncnb.steps import Block, Hazard, Stage, Step
from syncnb.stores import measuring
from syncnb.stores.alterers import firing
from syncnb.stores.port import Reader

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from syncnb.journal import Run

__all__ = ["Part", "kept_parts", "way_back"]

Part = Block | Mapping[str, Any]


def kept_parts(connection: "Connection", runs: Sequence["Run"], number: int) -> list[Part]:
    """All that was kept of a migration, in order: a plan that was taken up again has parts in several runs.

    Empty where the run was no migration, or nothing of it was committed.
    """
    mine = next((run for run in runs if run.run == number), None)
    if mine is None:
        return []
    together = [run.run for run in runs if run.plan_id == mine.plan_id and run.run <= number]
    parts = [part for run in together for part in journal.read_parts(connection, run)]
    altered = any(not isinstance(part, Block) for part in parts) or mine.stages > 1
    return parts if altered else []


def way_back(
    parts: Sequence[Part],
    reader: Reader,
    schema: Schema,
    connection: "Connection",
    rows_back: Callable[[Block, Schema], Iterable[Block]],
    since: Since,
) -> dict[str, Any]:
    """What a plan needs that takes these parts back: stages, hazards, fingerprint, order, notes.

    Raises PlanError where something was built upon them since.
    """
    stage: list[Step | Block] = []
    seen: set[Step] = set()
    hazards: list[Hazard] = []
    notes: list[str] = []
    check_there([p if isinstance(p, Block) else step_from(dict(p["step"])) for p in parts], schema, since)
    for part in reversed(parts):
        if isinstance(part, Block):
            stage += _rows(part, reader, schema, rows_back)
            continue
        step = step_from(dict(part["step"]))
        if step in seen or step.verb == "fill":  # its rows go back by their images
            continue
        seen.add(step)
        inverse = step.inverse
        if inverse is None:
            notes.append(f"{step.table}: stays as it is: {step}")
            continue
        if inverse.verb == "drop_column":
            inverse, lost = _with_lost(inverse, parts, connection)
            hazards += lost
        stage.append(inverse)
    records = [part for part in parts if not isinstance(part, Block)]
    inverses = [part for part in stage if isinstance(part, Step)]
    to_make = without_built_upon(inverses, records, reader, since)
    notes += [f"{step.table}: as it was already: {step}" for step in inverses if step not in to_make]
    stage = [part for part in stage if isinstance(part, Block) or part in to_make]
    labels = list(dict.fromkeys(part.table for part in stage))
    return {
        "stages": (Stage(tuple(_in_one_go(stage, reader, schema))),) if stage else (),
        "hazards": tuple(hazards),
        "fingerprint": {label: fingerprint(schema.find(label)) for label in labels},
        "order": tuple(labels),
        "notes": tuple(notes),
    }


def _in_one_go(stage: Iterable[Step | Block], reader: Reader, schema: Schema) -> Iterator[Step | Block]:
    """All of it in one transaction, so that it happens or does not: indexes are dropped, not beside writers."""
    for part in stage:
        if isinstance(part, Block):
            yield part
            continue
        table, together = schema.find(part.table), replace(part, concurrently=False)
        dialect = "postgresql" if table.schema else "sqlite"
        yield replace(together, lock=lock_of(dialect, together, reader.count_estimate(table) or 0))


def _rows(
    image: Block, reader: Reader, schema: Schema, rows_back: Callable[[Block, Schema], Iterable[Block]]
) -> Iterator[Step | Block]:
    """Rows as they were, while triggers are silent, so that nothing else of them changes."""
    table = schema.find(image.table)
    path = image.path or (table.name,)
    triggers = firing(reader, path) if image.verb == "update" else ()
    if triggers:
        yield Step("silence", image.table, path, triggers=triggers)
    yield from rows_back(image, schema)
    if triggers:
        yield Step("restore", image.table, path, triggers=triggers)


def _with_lost(step: Step, parts: Sequence[Part], connection: "Connection") -> tuple[Step, list[Hazard]]:
    """A column that goes: how many values go with it that the migration did not write."""
    name = step.columns[0]
    filled = sum(
        len(p) for p in parts if isinstance(p, Block) and p.table == step.table and name in p.columns
    )
    there = measuring.present(connection, step.path, name)
    lost = max(0, there - filled)
    if not lost:
        return step, []
    what = f"{lost:,} values of {name} that were written since go with the column"
    return replace(step, rows=lost), [Hazard("lossy", step.table, lost, what)]
