"""The verb `plan`: from differences and a policy to what shall be written into one side."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from syncnb import clock
from syncnb.changes import Diff, TableDiff
from syncnb.errors import PlanError
from syncnb.journal import journal_for
from syncnb.matching import families
from syncnb.planning.admitting import Admitted
from syncnb.planning.arranging import Arranged, arranged
from syncnb.planning.choosing import key_said
from syncnb.planning.fates import Fates
from syncnb.planning.fingerprint import fingerprint
from syncnb.planning.hazards import journal_notes
from syncnb.planning.losses import HOW_TO_DELETE
from syncnb.planning.plans import Plan
from syncnb.planning.rekeying import Collisions, Rekeying, check_collisions
from syncnb.planning.sides import greatest, identity_of, present_schema, side_of
from syncnb.planning.table_drawing import Drawing
from syncnb.planning.touching import Touching
from syncnb.planning.vetting import vet
from syncnb.resolving import Policy, check_tables
from syncnb.schema import Schema
from syncnb.stores.conversation import one_conversation
from syncnb.stores.port import Store, WritableStore
from syncnb.values.sides import Side, of_side, other_side

__all__ = ["plan", "plan_told"]


@one_conversation
def plan(
    d: Diff,
    *,
    into: Store,
    resolve: Policy = None,
    deletes: bool | None = None,
    collisions: Collisions = None,
    ask: Mapping[str, Sequence[Any]] | None = None,
) -> Plan:
    """What shall be written into one side, so that it agrees with the other as far as was decided.

    d: the differences. into: one of the two stores that were compared; only it will be written.
    resolve: who wins where a row differs: `sn.take_local`, `sn.take_remote`, `sn.insert_only`,
        `sn.newest(column)`, or `{table: policy, "*": policy}`. By default nobody: rows that differ stay
        open, and only rows that the target lacks are inserted. Where it is known what both sides last
        agreed on, it decides only what both have changed since; the rest goes from the side that changed it.
    deletes: whether rows that only the target has are deleted: by default those of which it is known that the
        source deleted them since both agreed; True: all; False: none.
    collisions: what becomes of ids that are different things on the two sides. `"keep_both"`: the arriving row
        gets a fresh id in the target, and what refers to it follows. `"rename"`: where nobody can tell whether
        a row was renamed, it was. Both in a list, or `{table: ...}`. By default such rows stay open.

    ask: `{table: keys}`, rows that no policy shall decide: they stay open, for `p.choose`. Keys of rows that do
        not differ say nothing.

    Rows that exchange unique values and tables that refer to each other in a circle are solved, with steps of
    their own where the database cannot wait. A row whose unique value another row of the target has stays open,
    with that row named. Rows of a frame or file, which no database has looked at yet, are held against the rules of
    their table: what breaks one stays open, with all its reasons.

    Reads the target's catalogue and looks up single rows, writes nothing. Raises PlanError where the tables
    have changed since the diff.
    """
    return plan_told(
        d, into=into, resolve=resolve, deletes=deletes, collisions=collisions, ask=ask,
        how_to_delete=HOW_TO_DELETE,
    )  # fmt: skip


def plan_told(
    d: Diff,
    *,
    into: Store,
    resolve: Policy,
    deletes: bool | None,
    collisions: Collisions,
    ask: Mapping[str, Sequence[Any]] | None = None,
    how_to_delete: str,
) -> Plan:
    """The same for whoever asks. how_to_delete: by which of their own words rows would go that only the target has.

    Empty where they have no such word: then the plan's notes offer none.
    """
    side = side_of(d, into)
    if side == "local" and any(table.pair.touch for table in d.tables):
        raise PlanError("touch= names columns of remote", hint="plan into remote, or diff without touch=")
    if not isinstance(into, WritableStore):
        raise PlanError(f"{into.name} cannot be written to", hint="plan into the database, not into a frame")
    schema = present_schema(d, side, into)
    check_tables(resolve, [table.pair for table in d.tables])
    check_collisions(collisions)
    source = other_side(side)
    fates = Fates(d, resolve)
    rekeying = Rekeying(
        d, source, collisions, lambda pair: greatest(d, pair), lambda table: fates.staying(table, source)
    )
    drawn = list(_drawn(d, side, schema, into, rekeying, fates, _asked(d, ask)))
    for drawing in drawn:
        drawing.draw(resolve, deletes=deletes, how_to_delete=how_to_delete)
    if _payload(d, source) is not None:
        vet(drawn, schema, into)
    drawn.sort(key=lambda drawing: d.tables.index(drawing.diff))
    admitted = [Admitted(drawing.table, drawing.blocks, drawing.undecided) for drawing in drawn]
    order = arranged(admitted, schema, into)
    for drawing, rows in zip(drawn, admitted, strict=True):
        drawing.admit(rows)
    return _whole(d, side, into, schema, drawn, order, rekeying)


def _whole(
    d: Diff,
    side: Side,
    into: WritableStore,
    schema: Schema,
    drawn: Sequence[Drawing],
    order: Arranged,
    rekeying: Rekeying,
) -> Plan:
    """All that was drawn, as one value."""
    source = other_side(side)
    payload = _payload(d, source) is not None
    after_run, lacking = journal_for(into)
    written = [drawing for drawing in drawn if drawing.concerned]
    return Plan(
        target=into.identity(),
        into=side,
        source=of_side(source, d.local, d.remote),
        fingerprint={each.table.label: fingerprint(each.table) for each in written},
        order=order.order,
        sizes={each.table.label: each.rows for each in written},
        columns={each.table.label: each.table.columns for each in written},
        blocks=order.ordered.blocks,
        undecided=tuple(block for drawing in drawn for block in drawing.undecided),
        hazards=tuple(hazard for drawing in drawn for hazard in drawing.all_hazards(schema)),
        open=tuple(row for drawing in drawn for row in drawing.open),
        after_run=after_run,
        notes=(
            *dict.fromkeys(
                [*(note for drawing in drawn for note in drawing.notes), *order.ordered.notes, *order.notes]
            ),
            *journal_notes(lacking),
        ),
        contests=tuple(order.contests),
        cuts=order.cuts,
        deferred=order.ordered.deferred,
        maps=tuple(m for each in drawn if (m := rekeying.maps(each.diff, each.table)) is not None),
        source_id=identity_of(d, source),
        clashes=tuple(clash for drawing in drawn for clash in drawing.clashes),
        unchanged={t.pair.on(side).label: t.counts.same for t in d.tables} if payload else {},
    )


def _asked(d: Diff, ask: Mapping[str, Sequence[Any]] | None) -> dict[str, frozenset[str]]:
    """The keys a person wants to decide, as text, by table. Raises SchemaError for a table that was not compared."""
    told = {d[name].name: frozenset(map(key_said, keys)) for name, keys in (ask or {}).items()}
    return {table: keys for table, keys in told.items() if keys}


def _drawn(
    d: Diff,
    side: Side,
    schema: Schema,
    into: Store,
    rekeying: Rekeying,
    fates: Fates,
    asked: Mapping[str, frozenset[str]],
) -> Iterator[Drawing]:
    """The tables that differ, parents first, with what became of their ids."""
    by_name = {table.name: table for table in d.tables}
    payload, moment = _payload(d, other_side(side)), clock.now()
    for family in families([table.pair for table in d.tables]):
        concerned = [table for pair in family if _concerned(table := by_name[pair.name], payload=payload)]
        rekeying.arrive([table for table in concerned if table.verdict == "different"])
        for table in concerned:
            there = schema.find(table.pair.on(side).label)
            touching = Touching(table.pair, there, into, moment) if table.pair.touch else None
            mine = asked.get(table.name, frozenset())
            yield Drawing(table, side, there, into, rekeying, d.clocks_apart, fates, touching, payload, mine)


def _concerned(table: TableDiff, *, payload: Store | None) -> bool:
    """Whether there may be anything to write or to tell of."""
    skipped = table.counts.uncompared_local + table.counts.uncompared_remote
    return table.verdict == "different" or bool(table.seen) or (payload is not None and skipped > 0)


def _payload(d: Diff, source: Side) -> Store | None:
    """The source, where it is no database but rows that somebody sends."""
    store: Store | None = of_side(source, *d.stores) if d.stores else None
    return store if store is not None and store.dialect == "frame" else None
