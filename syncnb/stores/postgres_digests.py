"""Row digests that PostgreSQL makes itself, so that only these travel.

All of it within the snapshot of a reader; what has to be told goes as bound values, or where a COPY can take
none, in a setting that goes with the transaction.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from syncnb.schema import Column
from syncnb.stores.postgres_copy import QUOTED, copy_out, qualified, selected
from syncnb.stores.row_digests import (
    COUNTED,
    HALF,
    HASHES,
    TOGETHER,
    WHOLE,
    Numbers,
    Recipe,
    Sums,
    Tagged,
    Unfit,
)  # fmt: skip
from syncnb.values.hashing import text_hashes
from syncnb.values.images import Form
from syncnb.values.kinds import Kind

if TYPE_CHECKING:
    from syncnb.stores.postgres import PostgresReader

__all__ = ["EDGES", "PostgresDigester", "image_parts"]

ARGUMENTS = 50
"""PostgreSQL's functions take no more than 100."""
LOW = 2**HALF - 1

# Each bucket's state is small, but there are thousands; compiled expressions cost more than they save here.
SETTLE = "SELECT set_config('work_mem', '32MB', true), set_config('jit', 'off', true)"
TELL = "SELECT set_config('syncnb.tags', %s::bigint[]::text, true) IS NULL"
TOLD = "(SELECT unnest(current_setting('syncnb.tags')::bigint[]) AS tag)"


TEXTS = [
    "",
    "a",
    "eleven byte",
    "twelve bytes",
    "thirteen byte",
    "\u00e4\U0001d11e, and more of it than one block",
]
HEIRS = "SELECT relhassubclass AND relkind = 'r' FROM pg_catalog.pg_class WHERE oid = %s::regclass"
NUMBERED = "unnest(%s::text[]) WITH ORDINALITY AS u (x, n)"

EDGES: dict[tuple[Form, Kind], tuple[str, dict[str | None, str]]] = {
    (Form.INTEGER, Kind.INTEGER): ("bigint", {"-9223372036854775808": "-9223372036854775808", "0": "0", None: ""}),
    (Form.BOOLEAN, Kind.BOOLEAN): ("boolean", {"true": "t", "false": "f", None: ""}),
    (Form.NUMBER, Kind.NUMERIC): (
        "numeric",
        {
            "12.50": "12.5", "-0.00": "0", "100": "100", "1000000.000": "1000000", "-0.05": "-0.05", "NaN": "NaN",
            "12345678901234567890123456789012345678901.10": "12345678901234567890123456789012345678901.1", None: "",
        },
    ),
    (Form.DOUBLE, Kind.FLOAT): (
        "double precision",
        {
            "0": "0000000000000000", "-0": "8000000000000000", "0.1": "3fb999999999999a", "5e-324": "0000000000000001",
            "NaN": "7ff8000000000000", "-Infinity": "fff0000000000000", None: "",
        },
    ),
    (Form.STAMP, Kind.TIMESTAMP): (
        "timestamp",
        {
            "2013-01-01T05:00": "2013-01-01 05:00:00", "0999-12-31 24:00": "1000-01-01 00:00:00",
            "2013-01-01 00:00:00.120000": "2013-01-01 00:00:00.12", "0044-03-15 BC": "0044-03-15 00:00:00 BC",
            "infinity": "infinity", None: "",
        },
    ),
    (Form.STAMP, Kind.TIMESTAMPTZ): (
        "timestamptz",
        {
            "2013-01-01T05:00:00.5Z": "2013-01-01 05:00:00.5+00", "2013-01-01 05:30+05:30": "2013-01-01 00:00:00+00",
            "0044-03-15 00:00+00 BC": "0044-03-15 00:00:00+00 BC", "-infinity": "-infinity", None: "",
        },
    ),
    (Form.UUID, Kind.UUID): (
        "uuid",
        {"A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", None: ""},
    ),
    (Form.BYTES, Kind.BYTES): ("bytea", {"\\x00fF": "\\x00ff", "": "\\x", None: ""}),
    (Form.TEXT, Kind.TEXT): ("text", {"": "0,", "\u00e4": "2,\u00e4", "a,b ": "4,a,b ", None: "-1,"}),
    (Form.OWN, Kind.DATE): ("date", {"2013-01-01": "10,2013-01-01", "0044-03-15 BC": "13,0044-03-15 BC", None: "-1,"}),
    (Form.OWN, Kind.TIME): ("time", {"24:00": "8,24:00:00", "01:02:03.40": "10,01:02:03.4", None: "-1,"}),
    (Form.OWN, Kind.NUMERIC): ("numeric", {"12.50": "5,12.50", None: "-1,"}),
    (Form.OWN, Kind.CHAR): ("character(3)", {"a": "3,a  ", None: "-1,"}),
}  # fmt: skip
"""By form and kind: a type, and values of it with the images that a server makes where it is one that we know."""


def image_parts(form: Form, column: Column) -> list[str]:
    """The expressions over `t` whose values, with commas between, are the image of a column. None is ever NULL."""
    name = selected(column)
    if form.has_length:
        # char(n) loses its blanks in the cast to text, and `concat` keeps them.
        length = f"octet_length({name})" if column.kind == Kind.CHAR else f"octet_length({name}::text)"
        return [f"coalesce({length}, -1)", f"concat({name})"] if column.nullable else [length, name]
    if form is Form.NUMBER:
        name = f"trim_scale({name})"
    elif form is Form.DOUBLE:
        name = f"encode(float8send({name}), 'hex')"
    return [f"concat({name})" if column.nullable else name]


def _text(parts: Sequence[str]) -> str:
    """All of them in one text, with commas between."""
    if len(parts) <= ARGUMENTS:
        return f"concat_ws(',', {', '.join(parts)})"
    groups = [_text(parts[at : at + ARGUMENTS]) for at in range(0, len(parts), ARGUMENTS)]
    return _text(groups)


def _hash(text: str, seed: int) -> str:
    return f"""hashtextextended({text} COLLATE pg_catalog."C", {seed:d})"""


class PostgresDigester:
    """Makes the digests of one table. Raises ReadError as its reader does."""

    def __init__(self, reader: "PostgresReader", recipe: Recipe) -> None:
        self.reader, self.recipe = reader, recipe
        self.sent = 0
        told = list(zip(recipe.forms, recipe.columns, strict=True))
        self._image = _text([part for form, column in told for part in image_parts(form, column)])
        keys = [part for at in recipe.key_at for part in image_parts(*told[at])]
        if recipe.by_number:
            self._tag = f"{keys[0]}::bigint"
            placed = _hash(f"({self._tag} >> {TOGETHER})::text", recipe.seeds[0])
        else:
            self._tag = placed = _hash(_text(keys), recipe.seeds[0])
        self._bucket = f"({placed} & {recipe.buckets - 1:d})"
        self._from = f"{qualified(recipe.table)} AS t"

    def _hashed(self, *more: str, where: str = "") -> str:
        """A query of h1 and h2, and of what more is wanted of `t`."""
        # OFFSET 0, so that the image is made once and not once for each hash.
        inner = f"SELECT {', '.join([f'{self._image} AS image', *more])} FROM {self._from}{where} OFFSET 0"  # noqa: S608
        one, two = (_hash("i.image", seed) for seed in self.recipe.seeds[1:])
        return f"SELECT i.*, {one} AS h1, {two} AS h2 FROM ({inner}) AS i"  # noqa: S608

    def sums(self) -> Sums:
        """The digests of all rows."""
        # Sums of halves: those of whole hashes would be numeric, and take ten times the memory in each bucket.
        query = f"""
        SELECT coalesce(sum(n), 0)::bigint, coalesce(sum(a), 0)::text, coalesce(sum(b), 0)::text,
               coalesce(sum(c), 0)::text, coalesce(sum(d), 0)::text,
               string_agg(substring(int8send(coalesce(a + n * {COUNTED}, 0) & {LOW}) FROM 5), '' ORDER BY number)
        FROM generate_series(0, {self.recipe.buckets - 1:d}) AS g (number) LEFT JOIN (
            SELECT bucket, count(*) AS n,
                   sum((h1 >> {HALF})::int) AS a, sum(((h1 & {LOW}) - {2 ** (HALF - 1)})::int) AS b,
                   sum((h2 >> {HALF})::int) AS c, sum(((h2 & {LOW}) - {2 ** (HALF - 1)})::int) AS d
            FROM ({self._hashed(f"{self._bucket} AS bucket")}) AS h GROUP BY bucket
        ) AS s ON s.bucket = g.number
        """  # noqa: S608
        self._run(SETTLE)
        rows, *halves, places = self._run(query)
        first, second = (
            (int(high) * 2**HALF + int(low) + rows * 2 ** (HALF - 1)) % WHOLE
            for high, low in (halves[:2], halves[2:])
        )
        return Sums(rows, first, second, np.frombuffer(places, ">u4").astype(np.uint32))

    def tagged(self, buckets: Numbers) -> Tagged:
        """The rows in these buckets."""
        where = f" WHERE {self._bucket} IN {TOLD}"
        query = f"""
        SELECT coalesce(string_agg(int8send(tag) || int4send((h1 >> {HALF})::int), ''), '')
        FROM ({self._hashed(f"{self._tag} AS tag", where=where)}) AS h
        """  # noqa: S608
        self._run(TELL, buckets.tolist())
        (found,) = self._run(query)
        pairs = np.frombuffer(found, [("tag", ">i8"), ("digest", ">i4")])
        return Tagged(pairs["tag"].astype(np.int64), pairs["digest"].astype(np.int64))

    def rows(self, tags: Numbers) -> Iterator[pa.RecordBatch]:
        """The rows with these tags, as the reader gives them, and behind them their hashes."""
        self._run(TELL, tags.tolist())
        recipe = self.recipe
        if recipe.by_number:
            found = f"{TOLD} AS s JOIN {self._from} ON t.{QUOTED(recipe.key[0].name)} = s.tag"
        else:
            found = f"{self._from} JOIN {TOLD} AS s ON {self._tag} = s.tag"
        chosen = ", ".join(f"{selected(column)} AS c{at}" for at, column in enumerate(recipe.columns))
        names = ", ".join(f"i.c{at}" for at in range(len(recipe.columns)))
        one, two = (_hash("i.image", seed) for seed in recipe.seeds[1:])
        query = (
            f"SELECT {names}, {one}, {two} FROM "  # noqa: S608
            f"(SELECT {chosen}, {self._image} AS image FROM {found} OFFSET 0) AS i"
        )
        hashes = [Column(name, "bigint", Kind.INTEGER, nullable=False) for name in HASHES]
        for batch in self.reader.copied(
            copy_out(query, recipe.table), recipe.table, [*recipe.columns, *hashes]
        ):
            self.sent += batch.nbytes
            yield batch

    def agrees(self) -> bool:
        """Whether this server hashes texts, and writes values, as the other side does.

        Raises Unfit where a key may come twice although the table itself has it once.
        """
        if self._run(HEIRS, qualified(self.recipe.table))[0]:
            raise Unfit(f"other tables inherit from {self.recipe.table.label}")
        edges = {
            (form, Kind(column.kind)): EDGES[form, Kind(column.kind)]
            for form, column in zip(self.recipe.forms, self.recipe.columns, strict=True)
            if (form, Kind(column.kind)) in EDGES
        }
        asked: list[Any] = [TEXTS]
        queries = [f"SELECT array_agg({_hash('x', self.recipe.seeds[1])} ORDER BY n) FROM {NUMBERED}"]  # noqa: S608
        for (form, kind), (type_, values) in edges.items():
            image = _text(image_parts(form, Column("v", type_, kind)))
            queries.append(
                f"SELECT array_agg({image} ORDER BY n) "  # noqa: S608
                f"FROM {NUMBERED} CROSS JOIN LATERAL (SELECT CAST(x AS {type_}) AS v) AS t"
            )
            asked.append(list(values))
        wanted: list[list[Any]] = [text_hashes(pa.array(TEXTS), self.recipe.seeds[1:2])[0].tolist()]
        wanted += [list(values.values()) for _, values in edges.values()]
        return list(self._run(f"SELECT {', '.join(f'({query})' for query in queries)}", *asked)) == wanted

    def _run(self, query: str, *told: Any) -> tuple[Any, ...]:
        self.sent += len(query) + sum(8 * len(part) for part in told)
        found = self.reader.asked(query, told, self.recipe.table.label)
        self.sent += sum(len(part) for part in found if isinstance(part, bytes | str))
        return found
