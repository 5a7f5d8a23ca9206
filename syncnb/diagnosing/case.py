"""One complaint with all that is known about it: what the families of causes work on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from syncnb.diagnosing.findings import Evidence, Finding
from syncnb.diagnosing.looking import Look
from syncnb.diagnosing.pasted import Complaint
from syncnb.diagnosing.statements import Statement
from syncnb.schema import Table

__all__ = ["Case", "Family", "plain"]


@dataclass(frozen=True, slots=True)
class Case:
    """A complaint beside its statement and, where there is a store, its table there."""

    complaint: Complaint
    causes: tuple[str, ...]
    """Best first, after a look at the statement."""
    statement: Statement | None = None
    context: Sequence[Statement] = ()
    look: Look | None = None
    table: Table | None = None
    target: tuple[str, ...] = ()
    target_where: str | None = None

    @property
    def where(self) -> str:
        """Where it is, as far as it is known."""
        name = self.table.label if self.table else self.complaint.table or ""
        if self.complaint.row:
            return f"{name}:{self.complaint.row}"
        return f"{name} ({', '.join(self.complaint.columns)})" if self.complaint.columns and name else name

    def literals(self, row: int = 0) -> dict[str, str | None]:
        """What the statement gives for the columns of the table, unquoted; NULL is None."""
        statement = self.statement
        if statement is None or row >= len(statement.values):
            return {}
        names = statement.columns or (tuple(c.name for c in self.table.columns) if self.table else ())
        return {
            name: plain(value)
            for name, value in zip(names, statement.values[row], strict=False)
            if not _is_parameter(value)
        }

    @property
    def said(self) -> Evidence:
        """The complaint itself as evidence."""
        detail = f" ({self.complaint.detail})" if self.complaint.detail else ""
        return Evidence(("message",), ((self.complaint.text + detail,),))


Family: TypeAlias = Callable[[Case], list[Finding] | None]
"""Findings that the store shows; None where this family has nothing to say."""


def plain(value: str) -> str | None:
    """A literal as its text: quotes and casts gone, NULL as None."""
    text = value.strip().partition("::")[0].strip() if not value.strip().startswith("'") else value.strip()
    if text.startswith("'"):
        end = text.rfind("'")
        return text[1:end].replace("''", "'") if end > 0 else text
    return None if text.lower() == "null" else text


def _is_parameter(value: str) -> bool:
    text = value.strip()
    return text.startswith(("$", "?", "%", ":", "@")) or text.lower() == "default"
