"""`python -m tests.proof.trips`: values of each type go from PostgreSQL into SQLite and back, and must be as they were.

The truth is what PostgreSQL itself says of either table, as text. What SQLite cannot hold exactly is left out by the plan, or must be
allowed as `lossy`: either is told here, by type. A value that came back as another, and nobody had said so, is a failure.
"""

import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

import syncnb as sn
from syncnb import embedded
from tests.databases import Workbench
from tests.proof.counting import count

NUMBERS = (
    "0",
    "1",
    "-1",
    "42",
    "32767",
    "-32768",
    "2147483647",
    "-2147483648",
    "9007199254740993",
    "9223372036854775807",
)
DECIMALS = (*NUMBERS, "0.10", "1.005", "-0.5", "123456789012345678901234567890.5", "1e-30", "NaN", "Infinity")
FLOATS = ("0", "-0", "0.1", "1e308", "5e-324", "16777217", "3.4e38", "NaN", "Infinity", "-Infinity")
TEXTS = (
    "", " ", "a", "a ", "NULL", "é", "e\u0301", "😀", "'", '"', "\\", "%s", "x\ny", "<img src=x>", "\u202e", "a;b", "\t", "1", "1.0",
)  # fmt: skip
STAMPS = (
    "2026-03-29 02:30:00", "2026-10-25 02:30:00", "1999-12-31 23:59:59.999999", "0001-01-01 00:00:00", "9999-12-31 23:59:59",
    "0044-03-15 12:00:00 BC", "infinity", "-infinity", "294276-12-31 23:59:59",
)  # fmt: skip
TIMES = ("00:00:00", "23:59:59.999999", "24:00:00", "12:34:56.7")
JSONS = ("null", "{}", "[]", '{"b": 1, "a": [1, 2.50, "é"]}', "1.10", '"x"', "12345678901234567890", "true")
UUIDS = ("00000000-0000-0000-0000-000000000000", "ffffffff-ffff-4fff-8fff-ffffffffffff")
TYPES: dict[tuple[str, str], tuple[str, ...]] = {
    ("smallint", "INTEGER"): NUMBERS, ("integer", "INTEGER"): NUMBERS, ("bigint", "INTEGER"): NUMBERS, ("oid", "INTEGER"): NUMBERS,
    ("numeric", "TEXT"): DECIMALS, ("numeric", "NUMERIC"): DECIMALS, ("numeric(6,2)", "DECIMAL(6,2)"): DECIMALS,
    ("money", "TEXT"): ("0", "1.50", "-3.25", "92233720368547758.07"),
    ("real", "REAL"): FLOATS, ("double precision", "REAL"): FLOATS, ("boolean", "BOOLEAN"): ("t", "f"),
    ("text", "TEXT"): TEXTS, ("varchar(4)", "VARCHAR(4)"): TEXTS, ("char(4)", "CHAR(4)"): TEXTS, ("name", "TEXT"): TEXTS, ('"char"', "TEXT"): TEXTS,
    ("bytea", "BLOB"): ("\\x", "\\x00", "\\x00ff10", "\\x3c696d673e"), ("uuid", "UUID"): UUIDS, ("uuid", "TEXT"): UUIDS,
    ("date", "DATE"): (*(stamp.partition(" ")[0] for stamp in STAMPS), "0044-03-15 BC"), ("timestamp", "DATETIME"): STAMPS,
    ("timestamptz", "DATETIME"): STAMPS, ("timestamp(0)", "DATETIME"): STAMPS, ("timestamptz(3)", "TIMESTAMPTZ"): STAMPS,
    ("time", "TIME"): TIMES, ("time(3)", "TIME"): TIMES, ("timetz", "TEXT"): ("00:00:00+00", "12:34:56.7+05:30"),
    ("interval", "TEXT"): ("0", "1 day 02:00:00", "1 mon", "-3 days", "1 year 2 mons 3 days 04:05:06.7"),
    ("json", "JSON"): JSONS, ("jsonb", "JSON"): JSONS, ("jsonb", "TEXT"): JSONS,
    ("text[]", "JSON"): ("{}", '{a,"b c",NULL}', "{{1,2},{3,4}}"), ("integer[]", "JSON"): ("{}", "{1,NULL,-3}"),
    ("numeric[]", "JSON"): ("{1.50,2}",), ("boolean[]", "JSON"): ("{t,f,NULL}",), ("uuid[]", "JSON"): (f"{{{UUIDS[1]}}}",),
    ("inet", "TEXT"): ("192.168.0.1", "::1", "10.0.0.0/8"), ("cidr", "TEXT"): ("10.0.0.0/8",), ("macaddr", "TEXT"): ("08:00:2b:01:02:03",),
    ("bit(3)", "TEXT"): ("101",), ("varbit", "TEXT"): ("", "1011"), ("xml", "TEXT"): ("<a>1</a>",), ("tsvector", "TEXT"): ("a b",),
    ("int4range", "TEXT"): ("empty", "[1,5)"), ("point", "TEXT"): ("(1,2)",), ("mood", "TEXT"): ("sad", "it's fine"), ("whole", "INTEGER"): ("1", "7"),
}  # fmt: skip
MORE = ("CREATE TYPE mood AS ENUM ('sad', 'it''s fine')", "CREATE DOMAIN whole AS integer CHECK (VALUE > 0)")


@dataclass
class Trip:
    """What became of the values of one type."""

    name: str
    values: int = 0
    back: int = 0
    told: list[str] = field(default_factory=list)
    """Values that did not go, or not exactly, as the plan had said."""
    wrong: list[str] = field(default_factory=list)


def made(bench: Workbench) -> tuple[sn.Store, sn.Store, str, str]:
    """A filled PostgreSQL database, and an empty one of the same tables."""
    ddl = [f"CREATE TABLE t{at} (k integer PRIMARY KEY, v {there})" for at, (there, _) in enumerate(TYPES)]
    first = bench.postgresql(*MORE, *ddl)
    filled = bench.last
    with psycopg.connect(filled, autocommit=True) as connection:
        connection.execute("SET lc_monetary = 'C'")
        for at, ((there, _), values) in enumerate(TYPES.items()):
            connection.execute(f"INSERT INTO t{at} VALUES (0, NULL)".encode())
            for k, value in enumerate(values, 1):
                try:
                    connection.execute(
                        f"INSERT INTO t{at} VALUES (%s, %s::text::{there})".encode(), (k, value)
                    )
                except psycopg.Error:
                    continue  # this type has no such value
    bench.postgresql(*MORE, *ddl)
    return first, sn.connect(bench.last, writable=True), filled, bench.last


def passed(source: sn.Store, target: sn.Store) -> dict[tuple[str, str], str]:
    """Everything that can go; by table and key what the plan says of what cannot, or not exactly."""
    d = sn.diff(source, target, progress=False)
    p = sn.plan(d, into=target, resolve=sn.take_local)
    sn.apply(p, target, allow=tuple({hazard.name for hazard in p.hazards}), progress=False)
    said = {(row.table, row.key): row.why for row in p.open}
    lines = p.preview()
    for table, key, hazard in lines[["table", "key", "hazard"]].astype(object).itertuples(index=False):
        if "lossy" in str(hazard):
            said[table, str(key)] = "lossy"
    for table in d.summary[["table", "uncompared"]].astype(object).itertuples(index=False):
        if table[1]:
            said[table[0], "*"] = "not compared"
    return said


def trips(folder: Path) -> list[Trip]:
    with embedded.server() as server:
        bench = Workbench(folder, server, [server.create("trip_a"), server.create("trip_b")])
        first, last, filled, emptied = made(bench)
        between = sn.connect(
            bench.sqlite(*[f"CREATE TABLE t{at} (k INTEGER PRIMARY KEY, v {here})" for at, (_, here) in enumerate(TYPES)]).path,  # type: ignore[attr-defined]
            writable=True, timezone="UTC",
        )  # fmt: skip
        said = passed(first, between)
        said |= passed(between, last)
        with psycopg.connect(filled) as one, psycopg.connect(emptied) as other:
            return [trip(at, name, said, (one, other)) for at, name in enumerate(TYPES)]


def trip(at: int, name: tuple[str, str], said: dict[tuple[str, str], str], ends: tuple[Any, Any]) -> Trip:
    found = Trip(f"{name[0]} through {name[1]}")
    query = f"SELECT k, v::text FROM t{at} ORDER BY k"
    before, after = (dict(end.execute(query).fetchall()) for end in ends)
    for k, value in before.items():
        found.values += 1
        why = said.get((f"t{at}", str(k))) or said.get((f"t{at}", "*"))
        if k in after and after[k] == value:
            found.back += 1
        elif same_number(value, after.get(k)):
            found.told.append(f"{value!r} became {after[k]!r} (the same number)")
        elif why:
            found.told.append(f"{value!r} ({why})")
        else:
            found.wrong.append(f"{value!r} became {after.get(k, 'nothing')!r}")
    return found


def same_number(value: str | None, after: str | None) -> bool:
    """SQLite keeps a whole REAL as an integer, which has no -0."""
    return value == "-0" and after == "0"


def main() -> int:
    """Print what did not come back; 1 where nobody had said so."""
    with tempfile.TemporaryDirectory(prefix="sn-trips-") as folder:
        found = trips(Path(folder))
    exact = [each for each in found if each.back == each.values]
    count("types that went to SQLite and back", len(found))
    count("types of which every value came back exactly", len(exact))
    count("values that went to SQLite and back", sum(each.values for each in found))
    count("values that came back exactly", sum(each.back for each in found))
    count("values that did not, and nobody had said so", sum(len(each.wrong) for each in found))
    count("values that did not, as was said", sum(len(each.told) for each in found))
    for each in found:
        for line in each.told:
            print(f"lossy: {each.name}: {line}")
        for line in each.wrong:
            print(f"FAILED {each.name}: {line}")
    return int(any(each.wrong for each in found))


if __name__ == "__main__":
    sys.exit(main())
