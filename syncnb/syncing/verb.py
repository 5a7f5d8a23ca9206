"""The verb `sync`: one unattended run, from what is pending to what both sides agree on."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from syncnb.applying.calling import caller_of
from syncnb.connecting import connect, zones
from syncnb.errors import PlanError
from syncnb.matching import Told
from syncnb.planning.rekeying import Collisions
from syncnb.resolving import Policy
from syncnb.stores.conversation import one_conversation
from syncnb.stores.port import Store, WritableStore
from syncnb.syncing.agreeing import holder_of
from syncnb.syncing.leasing import leased
from syncnb.syncing.running import Sync, Way
from syncnb.syncing.synced import Synced
from syncnb.syncing.upserting import Upsert, upserted
from syncnb.syncing.wishes import Direction, Wishes
from syncnb.values.sides import Side, of_side

__all__ = ["sync", "sync_told"]

log = logging.getLogger("syncnb")
DAY = timedelta(days=1)
WAYS: Mapping[str, tuple[Side, ...]] = {"push": ("remote",), "pull": ("local",), "both": ("remote", "local")}


@one_conversation
def sync(
    local: Any,
    remote: Store,
    tables: "str | Iterable[str] | Mapping[str, str] | None" = None,
    *,
    direction: Direction = "push",
    resolve: Policy = None,
    collisions: Collisions = None,
    timezone: "str | Mapping[str, str] | None" = None,
    source: str | None = None,
    history_table: str | None = None,
    rest: bool = False,
    deletes: bool = False,
    audit_every: timedelta = DAY,
    allow: Sequence[str] = (),
    caller: str | None = None,
    approved_by: str | None = None,
    progress: bool | None = None,
    schemas: Sequence[str] | None = None,
    **told: Any,
) -> Synced:
    """Pass on what changed, unattended: compared, planned, applied, verified, and kept as agreed by both.

    direction: `push` writes what changed in local into remote, `pull` the other way, `both` first one, then the
        other. A pull compares everything.
    resolve, collisions: who wins where both sides changed a row since they agreed, and what becomes of ids that
        are two things, as `sn.plan` takes them. timezone: the zone of naive stamps of both, where their stores
        tell none. With these a run needs nobody; what they do not decide stays open, is told, and comes again.
    source: where a push reads what is pending: what `sn.track` captures, by itself where something is tracked,
        or the name of a queue such as `sync_tracking`. Where it may lack something, at the first time, and when
        `audit_every` has passed since, everything is compared.
    allow: hazards that are permitted, as for `sn.apply`. Without `deletes` no row is deleted: what one side
        deleted stays pending.
    caller: who runs it, by default the calling function and its thread. tables, schemas, and key, columns,
        ignore, tolerance, ids, touch: as `sn.diff` takes them.

    Where local is no database but a payload (a frame, rows as dicts, `{table: rows}`, a file of tables), it is an
    upsert, all tables or none: rows that remote lacks are inserted, those that differ are updated, what the payload
    does not have is left alone. source: what the history calls it. resolve: by default the payload wins. history_table: a
    table such as `integration_sync_history` that is kept in step. rest: where rows cannot be written, write the
    others; by default nothing is. deletes: the payload is all there is, and what it lacks is deleted; that is a
    hazard to allow.

    A run that was killed is taken up by the next one: what was committed is not written again. Raises PlanError
    where another sync of the two is going on, or a hazard was not allowed; what `diff` and `apply` raise.
    """
    local = local if isinstance(local, Store) else connect(local)
    here, there = _in_zone(local, timezone), _in_zone(remote, timezone)
    wishes = Wishes(
        Told(tables=tables, **told),
        resolve,
        collisions,
        tuple(allow),
        approved_by,
        source,
        audit_every,
        progress,
        schemas,
    )
    if here.dialect == "frame":
        upsert = Upsert(history_table, rest=rest, deletes=deletes)
        return upserted(here, there, wishes, upsert, direction, caller_of(caller))
    if told.get("where") is not None:
        raise PlanError(
            "what two databases agree on is kept for whole tables",
            hint="where= is for sn.diff, and for payloads",
        )
    if history_table or rest or deletes or told.get("touch"):
        raise PlanError(
            "touch=, history_table=, rest= and deletes= are for a payload",
            hint='between databases allow=("deletes",) permits deletes, and rows that cannot be written stay open',
        )
    return sync_told(here, there, wishes, direction, caller_of(caller))


def sync_told(local: Store, remote: Store, wishes: "Wishes", direction: Direction, caller: str) -> Synced:
    """The same, with all that was told in one value."""
    if direction not in WAYS:
        raise PlanError(f"direction is {direction!r}", hint='write "push", "pull" or "both"')
    side, holder, other = holder_of(local, remote)
    written = [of_side(into, local, remote) for into in WAYS[direction]]
    for store in (holder, *written):
        if not store.writable:
            raise PlanError(
                f"{store.name} is written by this sync, and was opened to be read",
                hint="connect(..., writable=True) permits writing",
            )
    for store in {id(store): store for store in (holder, *written)}.values():
        if store.dialect == "sqlite" and isinstance(store, WritableStore):
            with store.writing():
                pass  # what a killed writer left half done is rolled back; who only reads could not open the file
    with leased(holder, other.identity().id, _identity(written[0]), caller) as lease:
        run = Sync(local, remote, side, lease, wishes, caller)
        for begun in lease.owed:
            run.settle(begun)
        found = [run.one_way(into) for into in WAYS[direction]]
        run.end()
    done = _summed(found, direction, caller)
    log.info("%s", done.line)
    return done


def _identity(store: Store) -> str:
    return store.identity().id if isinstance(store, WritableStore) else ""


def _in_zone(store: Store, timezone: "str | Mapping[str, str] | None") -> Store:
    """The store with the zone that is told for stamps of which it knows none."""
    told = zones.normal(timezone)
    return replace(store, timezone={**told, **store.timezone}) if told else store  # type: ignore[type-var]


def _summed(found: Sequence[Way], direction: Direction, caller: str) -> Synced:
    backlogs = [way.backlog for way in found if len(way.backlog)]
    since = [each.since for each in backlogs if each.since is not None]
    return Synced(
        number=found[0].number,
        direction=direction,
        caller=caller,
        records=sum(way.records for way in found),
        resolved=sum(way.resolved for way in found),
        open=tuple(dict.fromkeys(row for way in found for row in way.open)),
        backlog=sum(map(len, backlogs)),
        backlog_since=min(since) if since else None,
        reports=tuple(way.report for way in found),
        proofs=tuple(way.proof for way in found if way.proof is not None),
        notes=tuple(dict.fromkeys(note for way in found for note in way.notes)),
    )
