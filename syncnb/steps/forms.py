"""The JSON form of events, as the journal keeps them for any later kernel."""

from dataclasses import fields
from typing import Any

from syncnb.errors import PlanError
from syncnb.steps.clashes import Lost
from syncnb.steps.codec import Json
from syncnb.steps.events import Outcome, Refusal, Report

__all__ = ["report_from_json", "report_to_json"]


def report_to_json(report: Report) -> Json:
    """A report as a JSON value. Refusals are written by name, so that their sentences may be reworded."""
    return {
        **_fields(report),
        "totals": {table: dict(counts) for table, counts in report.totals.items()},
        "results": [_outcome_to_json(outcome) for outcome in report.results],
        "notes": list(report.notes),
        "digests": {table: list(both) for table, both in report.digests.items()},
        "lost": [_fields(each) for each in report.lost],
        "conflicts": list(report.conflicts),
    }


def report_from_json(value: Json) -> Report:
    """The report that `report_to_json` wrote.

    Raises PlanError where the value is none, as a report of a newer syncnb may be.
    """
    try:
        results = tuple(map(_outcome_from_json, value["results"]))
        # Reports of journals of version 1 have none.
        digests = {table: (before, after) for table, (before, after) in value.get("digests", {}).items()}
        lost = tuple(Lost(**each) for each in value.get("lost", ()))
        resolved, waiting = value.get("conflicts", (0, 0))
        told = {"results": results, "digests": digests, "lost": lost, "conflicts": (resolved, waiting)}
        return Report(**{**value, **told, "notes": tuple(value["notes"])})
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise PlanError(
            f"a stored report cannot be read: {type(error).__name__}: {error}",
            hint="it was written by another version of syncnb: read it with that one, or a newer one",
        ) from None


def _outcome_to_json(outcome: Outcome) -> Json:
    return {**_fields(outcome), "refusal": outcome.refusal.name if outcome.refusal else None}


def _outcome_from_json(value: Json) -> Outcome:
    refusal = value["refusal"]
    return Outcome(**{**value, "refusal": None if refusal is None else Refusal[refusal]})


def _fields(value: Any) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in fields(value)}
