"""What a person told about tables, keys and columns, in code or in a file. A typo is an error."""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeAlias

from syncnb.errors import SchemaError
from syncnb.filters import Condition
from syncnb.schema import Table, fold

__all__ = ["Names", "Told", "Zones", "check_names", "did_you_mean", "for_table", "listed", "read_match_file"]

Names: TypeAlias = str | Sequence[str]
Zones: TypeAlias = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Told:
    """What a person told about tables, keys and columns, as it came."""

    tables: "str | Iterable[str] | Mapping[str, str] | None" = None
    pairs: Mapping[str, str] = field(default_factory=dict)
    """Local table to remote table, in addition to those that pair by name."""
    key: "Names | Mapping[str, Names] | None" = None
    columns: "Sequence[str] | Mapping[str, Sequence[str] | Mapping[str, str]] | None" = None
    ignore: "Names | Mapping[str, Names]" = ()
    tolerance: Mapping[str, Any] = field(default_factory=dict)
    ids: "str | Sequence[str] | Mapping[str, Any] | None" = None
    """Tables whose ids each side makes on its own, or a word for single ids."""
    where: "Condition | Mapping[str, Condition] | None" = None
    """Only these rows, of all tables or by table."""
    touch: "Names | Mapping[str, Names]" = ()
    """Bookkeeping columns of remote: not compared, and stamped in every row that local has."""


def read_match_file(path: str | Path) -> tuple[Told, Zones]:
    """What a TOML file tells: `[tables]`, `[columns.TABLE]`, `[key]`, and zones from `[timezone]`.

    Raises SchemaError for a file that cannot be read or holds anything else.
    """
    try:
        told = tomllib.loads(Path(path).read_text("utf-8"))
    except OSError as error:
        raise SchemaError(
            f"cannot read {path}: {error.strerror}", hint="check the path of the match file"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SchemaError(
            f"{path} is not TOML: {error}", hint='write lines such as  Regions = "region"'
        ) from None
    unknown = set(told) - {"tables", "columns", "key", "timezone"}
    if unknown:
        raise SchemaError(
            f"{path} has an unknown section [{sorted(unknown)[0]}]",
            hint="sections are [tables], [columns.TABLE], [key] and [timezone]",
        )
    return Told(pairs=told.get("tables", {}), columns=told.get("columns"), key=told.get("key")), told.get(
        "timezone", {}
    )


def listed(names: Names | Iterable[str]) -> list[str]:
    """One name or several as a list, each once. Raises SchemaError for what is no name."""
    several = [names] if isinstance(names, str) else list(names) if isinstance(names, Iterable) else [names]
    for name in several:
        if not isinstance(name, str):
            raise SchemaError(f"{name!r} is no name", hint="write names as text, several of them in a list")
    return list(dict.fromkeys(several))


def for_table(told: Any, table: tuple[Table, Table]) -> Any:
    """What a mapping by table says about this pair; None if nothing."""
    names = {fold(name) for side in table for name in (side.label, side.name)}
    return next((value for name, value in told.items() if fold(name) in names), None)


def check_names(told: Told, tables: Sequence[tuple[Table, Table]]) -> None:
    """A told name that nothing bears is an error: a typo must not pass as a wish fulfilled."""
    known = {fold(name): name for pair in tables for side in pair for name in (side.label, side.name)}
    for option, value in (("key", told.key), ("columns", told.columns)):
        for name in value if isinstance(value, Mapping) else ():
            if fold(name) not in known:
                raise SchemaError(
                    f"{option} names a table {name!r} that is not compared",
                    hint=did_you_mean(name, known.values()),
                )


def did_you_mean(name: str, there: Iterable[str]) -> str:
    """A hint for a name that is not there: the closest ones, else all."""
    names = sorted(set(there))
    close = get_close_matches(name, names, n=2, cutoff=0.6)
    return f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(names[:12])}"
