"""Tables in files: CSV, Parquet, Feather, JSON. Read anew at each reading; nothing is guessed about values.

CSV is all text, which is compared and written by the types of the target's columns. Numbers of JSON keep all their
digits. What a field without a value means is told in `notes_of`.
"""

import csv
import io
import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn

import pyarrow as pa

from syncnb.errors import ReadError, SchemaError

__all__ = ["SUFFIXES", "notes_of", "read_tables", "suffix_of"]

EMPTY = 'an empty field is NULL, one in quotes ("") is the empty text'
PACKED = (".gz", ".bz2", ".zst")
HEAD_BYTES = 2**20
"""In so many bytes a CSV file must have ended its first line."""


def suffix_of(path: Path) -> str:
    """The suffix that says what is in a file, without that of its compression: `.csv` of `items.csv.gz`."""
    name = path.name.lower()
    for packed in PACKED:
        name = name.removesuffix(packed)
    return Path(name).suffix


def name_of(path: Path) -> str:
    """What its table is called, where the file does not say: `items` of `items.csv.gz`."""
    name = path.name
    for packed in PACKED:
        name = name[: -len(packed)] if name.lower().endswith(packed) else name
    return Path(name).stem


def notes_of(path: Path) -> tuple[str, ...]:
    """How a file is read, as far as a person must know."""
    return (f"{path.name}: {EMPTY}",) if suffix_of(path) in (".csv", ".tsv") else ()


def read_tables(path: Path) -> dict[str, Any]:
    """The tables of a file by name: Arrow tables, or rows as dicts.

    Raises ReadError where the file is not what its name says, with the place.
    """
    try:
        return SUFFIXES[suffix_of(path)](path)
    except OSError as error:
        hint = "check the path, and the right to read it"
        raise ReadError(f"{path.name} cannot be read: {error.strerror or error}", hint=hint) from None
    except (pa.ArrowException, ValueError, RecursionError) as error:
        told = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ReadError(
            f"{path.name} cannot be read: {told}", hint="mend the file, or pass a frame"
        ) from None


def _csv(path: Path) -> dict[str, Any]:
    from pyarrow import csv as arrow_csv

    names, mark = _header(path)
    table = arrow_csv.read_csv(
        path,
        parse_options=arrow_csv.ParseOptions(delimiter=mark, newlines_in_values=True),
        convert_options=arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    return {name_of(path): table}


def _header(path: Path) -> tuple[list[str], str]:
    """The names in the first line, and what stands between them."""
    with pa.input_stream(str(path)) as stream:
        text = stream.read(HEAD_BYTES).decode("utf-8-sig", "replace")
    first = text.partition("\n")[0]
    mark = "\t" if suffix_of(path) == ".tsv" else ","
    if mark == "," and "," not in first and ";" in first:
        mark = ";"  # as spreadsheets of many countries write it
    names = next(csv.reader(io.StringIO(text), delimiter=mark), [])
    if not names or not all(names):
        raise SchemaError(
            f"the first line of {path.name} does not name every column",
            hint="the first line must hold the names",
        )
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise SchemaError(
            f"{path.name} has several columns called {', '.join(map(repr, twice))}", hint="rename one of them"
        )
    return names, mark


def _parquet(path: Path) -> dict[str, Any]:
    from pyarrow import parquet

    return {name_of(path): parquet.ParquetFile(path).read()}


def _feather(path: Path) -> dict[str, Any]:
    from pyarrow import feather

    return {name_of(path): feather.read_table(path)}


def _json(path: Path) -> dict[str, Any]:
    """A list of rows, or an object that has such a list for each table."""
    with pa.input_stream(str(path)) as stream:
        found = _parsed(stream.read().decode("utf-8-sig"))
    if isinstance(found, Mapping) and found and all(isinstance(rows, list) for rows in found.values()):
        return dict(found)
    if isinstance(found, Mapping):
        found = [found]
    if not isinstance(found, list):
        raise ValueError("it holds neither rows nor tables: write [{…}, …] or {table: [{…}, …]}")
    return {name_of(path): found}


def _json_lines(path: Path) -> dict[str, Any]:
    rows = []
    with pa.input_stream(str(path)) as stream:
        for number, line in enumerate(stream.read().decode("utf-8-sig").split("\n"), 1):
            if line.strip():
                try:
                    rows.append(_parsed(line))
                except ValueError as error:
                    raise ValueError(f"line {number}: {error}") from None
    return {name_of(path): rows}


def _parsed(text: str) -> Any:
    return json.loads(text, parse_float=Decimal, parse_constant=_no_number, object_pairs_hook=_once)


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number of JSON")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"an object has two values for {next(n for n in names if names.count(n) > 1)!r}")
    return found


SUFFIXES: Mapping[str, Callable[[Path], dict[str, Any]]] = {
    ".csv": _csv,
    ".tsv": _csv,
    ".parquet": _parquet,
    ".pq": _parquet,
    ".feather": _feather,
    ".arrow": _feather,
    ".json": _json,
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
}
"""What can be read, by the suffix of its name."""
