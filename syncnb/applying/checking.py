"""What must hold before a plan is applied, asked before anything is written."""

from collections.abc import Sequence

from syncnb.errors import PlanError
from syncnb.planning import Plan
from syncnb.planning.fingerprint import fingerprint
from syncnb.schema import Schema, Table
from syncnb.steps.hazards import HAZARDS
from syncnb.stores.port import Store, WritableStore

__all__ = ["check_call", "tables_as_planned"]


def check_call(plan: object, store: Store, allow: Sequence[str]) -> WritableStore:
    """The store, if this plan may be applied to it. Raises PlanError with the next move."""
    if not isinstance(plan, Plan):
        raise PlanError(
            f"apply takes a plan, not a {type(plan).__name__}", hint="draw one: sn.plan(d, into=store)"
        )
    if not isinstance(store, WritableStore):
        raise PlanError(
            f"{type(store).__name__} cannot be written to", hint="open a database: sn.connect(...)"
        )
    if not plan.whole:
        raise PlanError(
            "this plan was saved without its values", hint="it can be read; apply the one with values"
        )
    if not store.writable:
        raise PlanError(
            f"{store.name} was opened to be read", hint="connect(..., writable=True) permits writing"
        )
    here = store.identity()
    if (here.dialect, here.id) != (plan.target.dialect, plan.target.id):
        raise PlanError(
            f"this plan was drawn on {plan.target.name}, and {store.name} is another database",
            hint="apply it there, or draw a new plan here",
        )
    _check_hazards(plan, allow)
    return store


def _check_hazards(plan: Plan, allow: Sequence[str]) -> None:
    if isinstance(allow, str):
        raise PlanError(f"allow is {allow!r}", hint=f"write allow=({allow!r},)")
    for name in allow:
        if name not in HAZARDS:
            raise PlanError(f"there is no hazard {name!r}", hint=f"hazards are {', '.join(HAZARDS)}")
    open_ones = [hazard for hazard in plan.hazards if hazard.name not in allow]
    if open_ones:
        told = "; ".join(f"{hazard.name} in {hazard.table}: {hazard.what}" for hazard in open_ones)
        names = ", ".join(repr(name) for name in dict.fromkeys(hazard.name for hazard in open_ones))
        raise PlanError(
            f"the plan has hazards that were not allowed: {told}", hint=f"allow=({names},) permits them"
        )


def tables_as_planned(plan: Plan, schema: Schema) -> dict[str, Table]:
    """The tables that the plan writes, as they are now. Raises PlanError where one is not as it was."""
    tables = {}
    for label, wanted in plan.fingerprint.items():
        found = next((table for table in schema if table.label == label), None)
        if found is None or fingerprint(found) != wanted:
            what = "is gone" if found is None else "has changed"
            if found is None and (
                hidden := next((t for t in schema if not t.visible and t.name == label), None)
            ):
                raise PlanError(
                    f"this role may not find {label}: it has no right to the schema {hidden.schema}, or does not "
                    "search it",
                    hint=f"GRANT USAGE ON SCHEMA {hidden.schema}, or set search_path; "
                    "sn.required_grants(plan, store) has all that a plan needs",
                )
            raise PlanError(
                f"{label} {what} since the plan was drawn", hint="diff again, and draw a new plan"
            )
        tables[label] = found
    return tables
