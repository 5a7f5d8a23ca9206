"""What a person has decided so far about the lines of a plan. The plan itself is not touched."""

from dataclasses import dataclass, field

from syncnb.values.raw import Raw

__all__ = ["Edit", "Edits"]


@dataclass(frozen=True, slots=True)
class Edit:
    """Another value for one cell."""

    typed: str | None
    """As it was typed; None for NULL."""
    value: Raw
    """As its column will hold it."""


@dataclass
class Edits:
    """Other values a cell, other decisions and reasons a row; rows by table and key as the preview writes them."""

    values: dict[tuple[str, str, str | None], Edit] = field(default_factory=dict)
    decisions: dict[tuple[str, str], str] = field(default_factory=dict)
    reasons: dict[tuple[str, str], str] = field(default_factory=dict)
    lines: set[int] = field(default_factory=set)
    """The numbers of all lines of these rows."""

    def __bool__(self) -> bool:
        return bool(self.values or self.decisions or self.reasons)

    def __len__(self) -> int:
        """How many rows they concern."""
        return len(self.rows)

    @property
    def rows(self) -> list[tuple[str, str]]:
        """Table and key of each row about which something is said."""
        cells = ((table, key) for table, key, _ in self.values)
        return list(dict.fromkeys((*self.decisions, *self.reasons, *cells)))

    def of_row(self, row: tuple[str, str]) -> list[tuple[str, str, str | None]]:
        """The cells of a row that have another value."""
        return [place for place in self.values if place[:2] == row]

    def touch(self, row: tuple[str, str], lines: range) -> None:
        """Keep the numbers of a row's lines for as long as something is said about it."""
        if row in self.decisions or row in self.reasons or self.of_row(row):
            self.lines.update(lines)
        else:
            self.lines.difference_update(lines)
