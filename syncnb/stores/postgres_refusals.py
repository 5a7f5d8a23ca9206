"""What an error of PostgreSQL says about the rows that were being staged."""

import re

import psycopg

from syncnb.errors import PlanError
from syncnb.schema import Table
from syncnb.stores.postgres_staging import Layout

__all__ = ["cell_of", "refusal_of", "twice"]

DUPLICATE, NO_OPERATOR_CLASS, NO_EQUALITY = "23505", "42704", "42883"


def twice(table: Table) -> PlanError:
    """A block that names one row twice."""
    return PlanError(f"a key of {table.label} comes twice in one block", hint="draw the plan again")


def refusal_of(error: psycopg.Error, staged: Layout) -> PlanError | None:
    """What is the plan's fault, when it is staged: its key."""
    name = staged.source.partition(".")[2]
    if error.sqlstate == DUPLICATE and error.diag.table_name == name:
        return twice(staged.table)
    if error.sqlstate in (NO_OPERATOR_CLASS, NO_EQUALITY):
        return PlanError(
            f"the key {', '.join(staged.block.key)} of {staged.table.label} has a type that cannot be a key",
            hint="compare with key=(…), by columns that can be ordered",
        )
    return None


def cell_of(error: psycopg.Error, staged: Layout) -> str:
    """The table, and the row and column at which a COPY stopped, if it says them."""
    found = re.search(r"line (\d+)(?:, column ([kno])(\d+))?", error.diag.context or "")
    if not found:
        return staged.table.label
    row = f"row {int(found[1]):,} of its block"
    if not found[2]:
        return f"{staged.table.label} ({row})"
    names = staged.block.key if found[2] == "k" else staged.block.columns
    return f"{staged.table.label}.{names[int(found[3])]} ({row})"
