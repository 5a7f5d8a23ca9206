"""Whether there is a journal, and of which version; making one, and bringing an older one up to date."""

from sqlalchemy import BigInteger, Connection, cast, func, select

from syncnb.errors import PlanError
from syncnb.journal.ddl import UPGRADES, Upgrades, creation, upgrading
from syncnb.journal.rights import SNAPSHOT, missing_rights, no_rights, present, said
from syncnb.journal.tables import VERSION, tables_of

__all__ = ["install", "is_installed", "store_id", "version"]

LOCK = 0x73796E636E62
"""Two that install at once wait for each other here: IF NOT EXISTS alone lets both begin, and one fail."""

KNOWN = "syncnb.journal"
"""In the `info` of a connection: the version that was found, asked once. What is not so yet may become so where
no snapshot is held; a journal that is as it should be stays, locked by the question itself."""


def is_installed(connection: Connection) -> bool:
    """Whether there is a journal that can be read as it is: an older version counts, a newer is refused."""
    return version(connection) is not None


def version(connection: Connection) -> int | None:
    """The journal's version; None where there is none. Raises PlanError where it is a newer one."""
    if KNOWN in connection.info:
        return connection.info[KNOWN]  # type: ignore[no-any-return]
    found = _version(connection)
    if SNAPSHOT in connection.info or found == VERSION:
        connection.info[KNOWN] = found
    return found


def _version(connection: Connection) -> int | None:
    if not present(connection):
        return None
    found = _meta(connection, "version")
    if found is None or not found.isdecimal():
        raise PlanError(
            "the tables that are named as a journal's are none: they tell no version",
            hint="rename them, if they are somebody else's; drop them, if they are remains",
        )
    if int(found) > VERSION:
        raise PlanError(
            f"the journal here has version {found}, this syncnb knows versions up to {VERSION}",
            hint="use the newer syncnb that made it: pip install -U syncnb",
        )
    return int(found)


def install(connection: Connection, *, upgrades: Upgrades = UPGRADES) -> None:
    """Make the journal, or bring an older one up to date; where it is there already, nothing.

    For a short transaction of its own (in PostgreSQL at READ COMMITTED), which the caller commits.
    Raises WriteError where the role may not, PlanError for the journal of a newer syncnb.
    """
    if _version(connection) == VERSION:
        return
    if lacking := missing_rights(connection):
        raise no_rights(lacking)
    ours = tables_of(connection)
    with said("installing"):
        if ours.schema is not None:
            connection.execute(select(func.pg_catalog.pg_advisory_xact_lock(cast(LOCK, BigInteger))))
        found = _version(connection)  # again: somebody else may have made it while we waited
        if found == VERSION:
            return
        steps = creation(connection.dialect.name, ours)
        for statement in steps if found is None else upgrading(ours, found, upgrades):
            connection.execute(statement)


def store_id(connection: Connection) -> str | None:
    """The id that this database got with its journal; None where there is no journal."""
    return _meta(connection, "store_id") if is_installed(connection) else None


def _meta(connection: Connection, key: str) -> str | None:
    meta = tables_of(connection).meta
    with said("reading", reading=True):
        value: str | None = connection.scalar(select(meta.c.value).where(meta.c.key == key))
    return value
