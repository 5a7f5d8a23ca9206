"""One snapshot of one store, and what a diagnosis asks of it. Reads; each fact once."""

import difflib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from syncnb.diagnosing.by_statement import bare
from syncnb.errors import SchemaError
from syncnb.schema import Schema, Table, fold
from syncnb.stores.port import Store
from syncnb.stores.probing import IndexFacts, Prober, Probing

__all__ = ["Look", "Named", "looking", "named"]


@dataclass(frozen=True, slots=True)
class Named:
    """Which table a pasted name means."""

    table: Table | None
    note: str = ""
    """How it was chosen, where that was not plain; or between which it could not be."""


@dataclass(eq=False)
class Look:
    """An open snapshot with its catalogue."""

    store: Store
    schema: Schema
    probe: Prober
    told: Mapping[str, str] = field(default_factory=dict)
    """Table names as pasted, and what they mean, where the person said so."""
    _indexes: dict[str, tuple[IndexFacts, ...]] = field(default_factory=dict)

    @property
    def dialect(self) -> str:
        return self.store.dialect

    def indexes(self, table: Table) -> tuple[IndexFacts, ...]:
        if table.label not in self._indexes:
            self._indexes[table.label] = self.probe.indexes(table)
        return self._indexes[table.label]

    def named(self, name: str) -> Named:
        return named(self.schema, self.told.get(name, name))


@contextmanager
def looking(store: Store, told: Mapping[str, str] | None = None) -> Iterator[Look]:
    """A snapshot of a database. Raises SchemaError for a frame, which has no catalogue to ask."""
    with store.reading() as reader:
        if not isinstance(reader, Probing):
            raise SchemaError(
                f"{store.name} is a frame, and frames cannot be asked", hint="pass the database"
            )
        yield Look(store, reader.schema(), reader.probe(), told or {})


def named(schema: Schema, name: str) -> Named:
    """The table that a name means: as it is written, else the one whose words hold its words."""
    try:
        return Named(schema.find(name.replace('"', "")))
    except SchemaError:
        pass
    wanted = _words(bare(name))
    if not wanted:
        return Named(None)
    holding = [table for table in schema if not table.is_view and wanted <= _words(table.name)]
    ending = [table for table in holding if fold(table.name).endswith(fold(bare(name)))]
    for found in (ending, holding):
        if len(found) == 1:
            return Named(
                found[0], f"`{name}` is read as {found[0].label}: tables={{'{name}': …}} says otherwise"
            )
    if several := ending or holding:
        labels = " or ".join(table.label for table in several)
        return Named(None, f"`{name}` could be {labels}: say tables={{'{name}': '{several[0].label}'}}")
    near = difflib.get_close_matches(bare(name), [table.name for table in schema], n=3, cutoff=0.7)
    return Named(None, f"there is no table `{name}`" + (f"; near it: {', '.join(near)}" if near else ""))


def _words(name: str) -> frozenset[str]:
    """The words of a name, in the singular: `IntegrationProducts` is integration, product."""
    parts = re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])", name)
    return frozenset(part.lower().removesuffix("s") for part in parts if part)
