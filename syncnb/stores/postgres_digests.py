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
from syncnb.stores.postgres_images import EDGES, PROBED, flags_of, image_of, number_hash, probed, row_hash
from syncnb.stores.row_digests import (
    COUNTED,
    HALF,
    HASHES,
    TOGETHER,
    Numbers,
    Recipe,
    Sums,
    Tagged,
    Unfit,
)  # fmt: skip
from syncnb.values.kinds import Kind

if TYPE_CHECKING:
    from syncnb.stores.postgres import PostgresReader

__all__ = ["PostgresDigester"]

LOW = 2**HALF - 1
TAGGED = np.dtype([("tag", ">i8"), ("digest", ">i4")])
PLACED = np.dtype([*TAGGED.descr, ("page", ">u4"), ("line", ">u2")])
"""A row as `tagged` sends it, and where it is found again by its place."""

# Each bucket's state is small, but there are thousands; compiled expressions cost more than they save here.
SETTLE = "SELECT set_config('work_mem', '32MB', true), set_config('jit', 'off', true)"
TELL = "SELECT set_config('syncnb.tags', %s::bigint[]::text, true) IS NULL"
TELL_PLACES = "SELECT set_config('syncnb.places', %s::tid[]::text, true) IS NULL"
AT_PLACES = "t.ctid = ANY (current_setting('syncnb.places')::tid[])"
TOLD = "(SELECT unnest(current_setting('syncnb.tags')::bigint[]) AS tag)"

HEIRS = "SELECT relhassubclass AND relkind = 'r' FROM pg_catalog.pg_class WHERE oid = %s::regclass"
NUMBERED_TEXTS = "unnest(%s::text[]) WITH ORDINALITY AS u (x, n)"


class PostgresDigester:
    """Makes the digests of one table. Raises ReadError as its reader does."""

    def __init__(self, reader: "PostgresReader", recipe: Recipe) -> None:
        self.reader, self.recipe = reader, recipe
        self.sent = 0
        images = [image_of(form, column) for form, column in zip(recipe.forms, recipe.columns, strict=True)]
        flags = flags_of(recipe.columns, recipe.forms)
        named = [f"{image} AS v{at}" for at, image in enumerate(images)]
        named += [f"{flag} AS f{at}" for at, flag in enumerate(flags)]
        self._made = ", ".join(named)
        made = [f"i.v{at}" for at in range(len(images))], [f"i.f{at}" for at in range(len(flags))]
        self._hashes = [row_hash(recipe.forms, made[0], made[1], seed) for seed in recipe.seeds[1:]]
        self._keys = [images[at] for at in recipe.key_at], [made[0][at] for at in recipe.key_at]
        self._from = f"{qualified(recipe.table)} AS t"
        # In a table of one piece, a snapshot finds a row again by its place, so that no tag is made of all keys once more.
        self._placed = recipe.table.type == "table" and not recipe.by_number
        self._tagged = np.zeros(0, PLACED)

    def _tag(self, *, of_images: bool) -> str:
        """The tag of a row of `t`, or of the images that were made of it: these are made once."""
        keys, recipe = self._keys[of_images], self.recipe
        if recipe.by_number:
            return keys[0]
        return row_hash([recipe.forms[at] for at in recipe.key_at], keys, ["0"], recipe.seeds[0])

    def _bucket(self, *, of_images: bool) -> str:
        placed = self._tag(of_images=of_images)
        if self.recipe.by_number:
            placed = number_hash(f"({placed} >> {TOGETHER})", str(self.recipe.seeds[0]), whole=False)
        return f"({placed} & {self.recipe.buckets - 1:d})"

    def _hashed(self, wanted: str, place: str = "''", where: str = "") -> str:
        """A query of h1 and h2 of rows, of their place, and of what else is wanted of their images."""
        # OFFSET 0, so that images are made once and not once for each hash.
        inner = f"SELECT {self._made}, {place} AS place FROM {self._from}{where} OFFSET 0"  # noqa: S608
        one, two = self._hashes
        return f"SELECT {wanted}, i.place, {one} AS h1, {two} AS h2 FROM ({inner}) AS i OFFSET 0"  # noqa: S608

    def sums(self) -> Sums:
        """The digests of all rows."""
        # Sums of 64 bits would be numeric, and take ten times the memory in each bucket.
        query = f"""
        SELECT coalesce(sum(n), 0)::bigint, coalesce(bit_xor(a), 0), coalesce(bit_xor(b), 0),
               string_agg(substring(int8send((coalesce(a, 0) >> {HALF}) + coalesce(n, 0) * {COUNTED} & {LOW}) FROM 5), ''
                          ORDER BY number)
        FROM generate_series(0, {self.recipe.buckets - 1:d}) AS g (number) LEFT JOIN (
            SELECT bucket, count(*) AS n, bit_xor(h1) AS a, bit_xor(h2) AS b
            FROM ({self._hashed(f"{self._bucket(of_images=True)} AS bucket")}) AS h GROUP BY bucket
        ) AS s ON s.bucket = g.number
        """  # noqa: S608
        rows, first, second, places = self._run((query, ()))[0]
        return Sums(rows, first, second, np.frombuffer(places, ">u4").astype(np.uint32))

    def tagged(self, buckets: Numbers) -> Tagged:
        """The rows in these buckets."""
        where = f" WHERE {self._bucket(of_images=False)} IN {TOLD}"
        place = "tidsend(t.ctid)" if self._placed else "''::bytea"
        query = f"""
        SELECT coalesce(string_agg(int8send(tag) || int4send((h1 >> {HALF})::int) || place, ''), '')
        FROM ({self._hashed(f"{self._tag(of_images=True)} AS tag", place, where)}) AS h
        """  # noqa: S608
        self._run((TELL, (buckets.tolist(),)))
        ((found,),) = self._run((query, ()))
        self._tagged = np.frombuffer(found, PLACED if self._placed else TAGGED)
        return Tagged(self._tagged["tag"].astype(np.int64), self._tagged["digest"].astype(np.int64))

    def rows(self, tags: Numbers) -> Iterator[pa.RecordBatch]:
        """The rows with these tags, as the reader gives them, and behind them their hashes."""
        recipe = self.recipe
        found = f"{self._from} WHERE {AT_PLACES}"
        if self._placed:
            self._tell_places(tags)
        else:
            self._run((TELL, (tags.tolist(),)))
            found = f"{self._from} JOIN {TOLD} AS s ON {self._tag(of_images=False)} = s.tag"
            if recipe.by_number:
                found = f"{TOLD} AS s JOIN {self._from} ON t.{QUOTED(recipe.key[0].name)} = s.tag"
        chosen = ", ".join(f"{selected(column)} AS c{at}" for at, column in enumerate(recipe.columns))
        names = ", ".join(f"i.c{at}" for at in range(len(recipe.columns)))
        one, two = self._hashes
        query = (
            f"SELECT {names}, {one}, {two} FROM "  # noqa: S608
            f"(SELECT {chosen}, {self._made} FROM {found} OFFSET 0) AS i"
        )
        hashes = [Column(name, "bigint", Kind.INTEGER, nullable=False) for name in HASHES]
        for batch in self.reader.copied(
            copy_out(query, recipe.table), recipe.table, [*recipe.columns, *hashes]
        ):
            self.sent += batch.nbytes
            yield batch

    def _tell_places(self, tags: Numbers) -> None:
        """Where the rows with these tags are; the others are not in this table, or `tagged` would have met them."""
        wanted = self._tagged[np.isin(self._tagged["tag"], tags)]
        told = zip(wanted["page"].tolist(), wanted["line"].tolist(), strict=True)
        self._run((TELL_PLACES, ([f"({page},{line})" for page, line in told],)))

    def agrees(self) -> bool:
        """Whether this server hashes texts, and writes values, as the other side does; asked before all else.

        Raises Unfit where a key may come twice although the table itself has it once.
        """
        edges = {
            (form, Kind(column.kind)): EDGES[form, Kind(column.kind)]
            for form, column in zip(self.recipe.forms, self.recipe.columns, strict=True)
            if (form, Kind(column.kind)) in EDGES
        }
        asked: list[Any] = [texts for _, texts, _ in PROBED.values()]
        queries = [
            f"SELECT array_agg({row_hash([form], [f'x::{type_}'], ['0'], self.recipe.seeds[1])} ORDER BY n) "  # noqa: S608
            f"FROM {NUMBERED_TEXTS}"
            for form, (type_, _, _) in PROBED.items()
        ]
        for (form, kind), (type_, values) in edges.items():
            image = image_of(form, Column("v", type_, kind))
            queries.append(
                f"SELECT array_agg(({image})::text ORDER BY n) "  # noqa: S608
                f"FROM {NUMBERED_TEXTS} CROSS JOIN LATERAL (SELECT CAST(x AS {type_}) AS v) AS t"
            )
            asked.append(list(values))
        wanted: list[list[Any]] = [
            probed(form, images, self.recipe.seeds[1]) for form, (_, _, images) in PROBED.items()
        ]
        wanted += [list(values.values()) for _, values in edges.values()]
        probe = f"SELECT {', '.join(f'({query})' for query in queries)}"
        _, heirs, found = self._run((SETTLE, ()), (HEIRS, (qualified(self.recipe.table),)), (probe, asked))
        if heirs[0]:
            raise Unfit(f"other tables inherit from {self.recipe.table.label}")
        return list(found) == wanted

    def _run(self, *queries: tuple[str, Sequence[Any]]) -> list[tuple[Any, ...]]:
        """The first row of each, all of them in one turn of the line."""
        self.sent += sum(len(query) + sum(8 * len(part) for part in told) for query, told in queries)
        found = self.reader.asked_together(*queries, what=self.recipe.table.label)
        self.sent += sum(len(part) for row in found for part in row if isinstance(part, bytes | str))
        return found
