"""The zones of naive stamps, as they are told: one for all, or by table and column."""

import difflib
from collections.abc import Iterable, Mapping
from zoneinfo import ZoneInfo, available_timezones

from syncnb.errors import ConnectError
from syncnb.schema import Schema

__all__ = ["check_names", "normal"]


def normal(timezone: str | Mapping[str, str] | None) -> dict[str, str]:
    """The mapping behind `timezone=`: a plain zone counts for all (`*`). Raises ConnectError."""
    if timezone is None:
        return {}
    zones = {"*": timezone} if not isinstance(timezone, Mapping) else dict(timezone)
    return {_name(name): _zone(zone) for name, zone in zones.items()}


def _name(name: object) -> str:
    if isinstance(name, str) and name:
        return name
    raise ConnectError(f"timezone= has the key {name!r}", hint='its keys are "table.column", "table" or "*"')


def _zone(zone: object) -> str:
    name = zone if isinstance(zone, str) else str(getattr(zone, "key", None) or zone)
    try:
        ZoneInfo(name)
    except (ValueError, OSError, LookupError):  # what it raises depends on the name and the system
        pass
    else:
        return name
    raise ConnectError(f"there is no time zone {name!r}", hint=_near(name))


def _near(name: str) -> str:
    known = {zone.casefold(): zone for zone in sorted(available_timezones())}
    known |= {zone.casefold().rpartition("/")[2]: zone for zone in known.values() if "/" in zone}
    wanted = name.strip().casefold().replace(" ", "_")
    near = dict.fromkeys(known[found] for found in difflib.get_close_matches(wanted, known, n=3))
    if near:
        return f"did you mean {' or '.join(near)}?"
    return 'zones have names such as "UTC" or "Europe/Berlin"; an offset alone is none'


def check_names(zones: Mapping[str, str], schema: Schema) -> None:
    """Raises ConnectError where `timezone=` names a table or column that is not there."""
    known = set(_names(schema))
    for name in zones:
        if name != "*" and name not in known:
            near = difflib.get_close_matches(name, known, n=3)
            tables = ", ".join(table.label for table in schema) or "none"
            hint = f"did you mean {' or '.join(near)}?" if near else f"tables here: {tables}"
            raise ConnectError(f"timezone= names {name!r}, which is not here", hint=hint)


def _names(schema: Schema) -> Iterable[str]:
    for table in schema:
        for name in {table.name, table.label}:
            yield name
            yield from (f"{name}.{column.name}" for column in table.columns)
