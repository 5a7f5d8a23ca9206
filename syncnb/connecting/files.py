"""Paths and file URLs, and what to do with files that are no database."""

import re
from pathlib import Path
from urllib.parse import unquote

from sqlalchemy import URL

from syncnb.errors import ConnectError

__all__ = ["checked", "exists", "holds_tables", "path_of_uri", "path_of_url"]

TABLES = (".csv", ".tsv", ".parquet", ".pq", ".feather", ".arrow", ".json", ".jsonl", ".ndjson")
"""What `stores.table_files` reads."""
PACKED = re.compile(r"\.(gz|bz2|zst)$", re.IGNORECASE)
READERS = {
    ".xlsx": "read_excel",
    ".xls": "read_excel",
    ".ods": "read_excel",
}
IN_MEMORY = "a store opens its file anew for each reading: save it with VACUUM INTO 'file.db', or pass frames"


def path_of_url(url: URL) -> tuple[Path, tuple[str, ...]]:
    """The file of a `sqlite:///` URL, and a line for each parameter that means nothing here."""
    driver = url.drivername.partition("+")[2]
    if driver not in ("", "pysqlite", "aiosqlite"):
        raise ConnectError(
            f"SQLite files are not opened through {driver}",
            hint="write sqlite:///FILE; an encrypted file must be exported without its key first",
        )
    if (url.database or "").startswith("file:"):
        return path_of_uri(url.database or ""), ()
    if not url.database or url.database == ":memory:":
        raise ConnectError("a SQLite database in memory cannot be connected to", hint=IN_MEMORY)
    dropped = tuple(f"{name}= was dropped: it is not used here" for name in url.query)
    return Path(url.database), dropped


def path_of_uri(text: str) -> Path:
    """The file of SQLite's own `file:` URI; how it is opened is decided here, not there."""
    found = re.fullmatch(
        r"file:(?://(?:localhost)?(?=/))?(?P<path>[^?#]*)(?:\?(?P<query>[^#]*))?(?:#.*)?", text
    )
    path = unquote(found["path"]) if found else ""
    if not path or path == ":memory:" or (found and "mode=memory" in (found["query"] or "")):
        raise ConnectError("a SQLite database in memory cannot be connected to", hint=IN_MEMORY)
    return Path(path)


def exists(path: Path) -> bool:
    """Whether there is anything at this path; False where it is no path at all."""
    try:
        return path.expanduser().exists()
    except (OSError, RuntimeError, ValueError):  # too long, `~` of nobody, or with a NUL
        return False


def holds_tables(path: Path) -> bool:
    """Whether the name of a file says that it holds a table, and what is in it does not say otherwise."""
    bare = Path(PACKED.sub("", path.name))
    return bare.suffix.lower() in TABLES and not _is_sqlite(path)


def checked(path: Path) -> Path:
    """The path with `~` expanded. Raises ConnectError where it cannot be meant as a SQLite file."""
    if not exists(path) and (re.search(r":.*@", str(path)) or len(str(path)) > 1000 or "\0" in str(path)):
        # Perhaps a URL without its scheme: then a password is in it, so nothing is repeated.
        raise ConnectError(
            "this is neither a file nor a URL that can be understood",
            hint="a URL begins with postgresql:// or sqlite:///",
        )
    if path.name == ":memory:":
        raise ConnectError("a SQLite database in memory cannot be connected to", hint=IN_MEMORY)
    _refuse_other_formats(path)
    try:
        return path.expanduser()
    except RuntimeError:
        problem = ConnectError(f"the home folder in {path} is not known", hint="write the whole path")
    raise problem


def _refuse_other_formats(path: Path) -> None:
    name = path.name
    reader = READERS.get(path.suffix.lower())
    if reader is None and name.lower().endswith(".csv.zip"):
        reader = "read_csv"
    if reader is not None and not _is_sqlite(path):
        raise ConnectError(
            f"{name} is no database but a table in a file",
            hint=f'read it and pass the frame: connect({{"TABLE": pandas.{reader}({name!r})}})',
        )


def _is_sqlite(path: Path) -> bool:
    try:
        with path.expanduser().open("rb") as file:
            return file.read(16) == b"SQLite format 3\0"
    except (OSError, RuntimeError):
        return False
