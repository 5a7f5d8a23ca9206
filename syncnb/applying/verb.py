"""The verb `apply`: one run, from the journal's first row to its last, whatever happens between."""

from collections.abc import Sequence

from syncnb.applying.calling import caller_of
from syncnb.applying.checking import check_call
from syncnb.applying.going_on import leased
from syncnb.applying.keeping import Keeper, keeper_for
from syncnb.applying.running import Run
from syncnb.planning import Plan
from syncnb.steps import Report
from syncnb.stores.conversation import last_words, one_conversation
from syncnb.stores.port import Store

__all__ = ["apply", "apply_within"]


@one_conversation
def apply(
    plan: Plan,
    store: Store,
    *,
    allow: Sequence[str] = (),
    caller: str | None = None,
    approved_by: str | None = None,
    rest: bool = False,
    progress: bool | None = None,
) -> Report:
    """Write a plan into the database that it was drawn on: guarded, journaled, all or nothing.

    Each row is written only if it is as the preview showed it. A row that has changed, is gone or is taken is
    refused, and then nothing is written, unless `rest` says that the others shall be. The same plan twice
    is a no-op that gives the stored report.

    allow: hazards of the plan that are permitted, by name; `journal_outside_target` permits to keep the
        journal in a file on this machine, where the role may not keep it in the target.
    caller: who runs it; by default the calling function and thread. approved_by: kept with the run.
    progress: a progress bar; by default in a notebook or terminal, where it takes longer than two seconds.

    Raises PlanError where it may not be applied here, WriteError where the database refuses to write at all,
    UnknownOutcome where the answer to COMMIT was lost and could not be settled. Where the journal is outside
    the target and the server no longer knows, the report's status is `unknown`, with how the rows stand.
    """
    target = check_call(plan, store, allow)
    if not (len(plan) or plan.maps or plan.stages or plan.undo_of):  # an undo may only forget ids
        return Report(plan.id, None, "nothing to do")
    run = _kind_of(plan)(plan, target, keeper_for(target, allow), tuple(allow), rest, progress)
    earlier = run.earlier()
    if earlier is not None:
        return earlier
    by = caller_of(caller)
    try:
        run.begin(by, approved_by)
        with leased(run.keeper, run.number):
            return run.go()
    except BaseException as problem:
        with last_words():
            run.failed(problem)
        raise


def _kind_of(plan: Plan) -> type["Run"]:
    if not plan.stages:
        return Run
    from syncnb.applying.staged import StagedRun

    return StagedRun


def apply_within(
    plan: Plan,
    store: Store,
    run: int,
    keeper: Keeper,
    *,
    allow: Sequence[str],
    whole: bool,
    rest: bool = True,
    progress: bool | None = None,
) -> Report:
    """The same as a part of a run that has begun already, such as a sync's: rows that are refused stay behind.

    rest: whether the others are written then. whole: whether a digest of each whole table is kept, which costs
        what the table costs.
    """
    target = check_call(plan, store, allow)
    inner = Run(plan, target, keeper, tuple(allow), rest=rest, progress=progress, number=run, whole=whole)
    with leased(keeper, run):
        return inner.go()
