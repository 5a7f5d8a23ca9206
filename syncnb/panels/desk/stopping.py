"""What a person is told of work that they stopped: what of it stands, and how it goes on."""

from collections.abc import Mapping, Sequence
from typing import Any

from syncnb.errors import Stopped, SyncnbError, UnknownOutcome
from syncnb.panels.desk.calls import Call
from syncnb.planning import Plan

__all__ = ["stopped"]


def stopped(error: SyncnbError, calls: Sequence[Call], hand: Mapping[str, Any]) -> SyncnbError:
    """What ended because somebody stopped it, and what stands of it by then."""
    if isinstance(error, UnknownOutcome):
        return error
    *before, at = calls
    if any(call.writes for call in before):
        report = hand.get("r") if at.verb != "sn.history" else hand.get("r") or hand.get("done")
        return Stopped(
            f"it was stopped after it had written: {_first_line(report)}",
            hint="read it again, or look at the history",
        )
    if at.verb == "sn.sync":
        return Stopped(
            "the sync was stopped", hint="the next one takes up what it had begun, and writes nothing twice"
        )
    plan = hand.get("p")
    if at.verb == "sn.apply" and isinstance(plan, Plan) and len(plan.stages) > 1:
        return Stopped(
            "it was stopped between two stages", hint="apply the same plan again: it goes on where it stopped"
        )
    return Stopped("it was stopped", hint="start it again when you want it whole")


def _first_line(report: Any) -> str:
    return repr(report).partition("\n")[0]
