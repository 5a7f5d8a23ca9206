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
from syncnb.stores.postgres_text import VALUE, placed
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
from syncnb.values.images import Form
from syncnb.values.kinds import Kind

if TYPE_CHECKING:
    from syncnb.stores.postgres import PostgresReader

__all__ = ["PostgresDigester"]

LOW = 2**HALF - 1
DIGEST = [("digest", ">i4")]
PLACED = [*DIGEST, ("page", ">u4"), ("line", ">u2")]
"""A row as `tagged` sends it behind its tag, and where it is found again by its place."""

# Each bucket's state is small, but there are thousands; compiled expressions cost more than they save here. One more
# process, where the server allows any, and no more: others work there too.
SETTLE = """
SELECT set_config('work_mem', '32MB', true), set_config('jit', 'off', true), set_config(
    'max_parallel_workers_per_gather', least(current_setting('max_parallel_workers_per_gather')::int, 1)::text, true)
"""
# What is volatile keeps a subquery as it is written: images are made once and not once for each hash, and how many
# buckets there are is not guessed from the keys, or rows would be sorted. OFFSET 0 would do that too, but then one
# process of the server has to do all of it.
APART = "clock_timestamp() AS apart"
TELL = "SELECT set_config('syncnb.tags', %s::bigint[]::text, true) IS NULL"
TELL_PLACES = "SELECT set_config('syncnb.places', %s::tid[]::text, true) IS NULL"
AT_PLACES = "t.ctid = ANY (current_setting('syncnb.places')::tid[])"
TAGS = "(SELECT unnest(current_setting('syncnb.tags')::bigint[]) AS tag)"
TOLD = f"(SELECT unnest({VALUE}::bigint[]) AS tag)"
NUMBER, LOOKED_UP = 0.5, 25.0
"""What it costs to try a number that may be in a bucket, and to look it up in the index of the key, where to read and
hash a key in passing is 1: measured for a million rows."""

HEIRS = "SELECT relhassubclass AND relkind = 'r' FROM pg_catalog.pg_class WHERE oid = %s::regclass"
NUMBERED_TEXTS = "unnest(%s::text[]) WITH ORDINALITY AS u (x, n)"


class PostgresDigester:
    """Makes the digests of one table. Raises ReadError as its reader does."""

    def __init__(self, reader: "PostgresReader", recipe: Recipe) -> None:
        self.reader, self.recipe = reader, recipe
        self.sent = 0
        images = [image_of(form, column) for form, column in zip(recipe.forms, recipe.columns, strict=True)]
        flags = flags_of(recipe.columns, recipe.forms)
        named = [APART, *(f"{image} AS v{at}" for at, image in enumerate(images))]
        named += [f"{flag} AS f{at}" for at, flag in enumerate(flags)]
        self._made = ", ".join(named)
        made = [f"i.v{at}" for at in range(len(images))], [f"i.f{at}" for at in range(len(flags))]
        self._hashes = [row_hash(recipe.forms, made[0], made[1], seed) for seed in recipe.seeds[1:]]
        self._keys = [images[at] for at in recipe.key_at], [made[0][at] for at in recipe.key_at]
        self._from = f"{qualified(recipe.table)} AS t"
        # In a table of one piece, a snapshot finds a row again by its place, so that no tag is made of all keys once more.
        self._placed = recipe.table.type == "table" and not recipe.by_number
        self._tagged = np.zeros(0, [("tag", ">i8"), *PLACED])
        self._rows = 0
        self._span: tuple[int, int] | None = None
        """The least and the greatest key, where that is a single number and there are any."""

    def _tag(self, *, of_images: bool = False) -> str:
        """The tag of a row of `t`, or of the images that were made of it: these are made once."""
        keys, recipe = self._keys[of_images], self.recipe
        if recipe.by_number:
            return keys[0]
        return row_hash([recipe.forms[at] for at in recipe.key_at], keys, ["0"], recipe.seeds[0])

    def _bucket(self, *, of_images: bool = False) -> str:
        tag = self._tag(of_images=of_images)
        return self._bucket_of(f"({tag} >> {TOGETHER})" if self.recipe.by_number else tag)

    def _bucket_of(self, number: str) -> str:
        """The bucket of a tag, or of those that a number shares with its neighbours."""
        if self.recipe.by_number:
            number = number_hash(number, str(self.recipe.seeds[0]), whole=False)
        return f"({number} & {self.recipe.buckets - 1:d})"

    def _imaged(self, wanted: str, found: str) -> str:
        """A query, as `i`, of the images of rows of `t` and of what else is wanted of them."""
        return f"(SELECT {wanted}, {self._made} FROM {found}) AS i"  # noqa: S608

    def sums(self) -> Sums:
        """The digests of all rows."""
        one, two = self._hashes
        wanted, bucket = f"{self._bucket()} AS bucket", "i.bucket"
        forms = {self.recipe.forms[at] for at in self.recipe.key_at}
        if not forms & {
            Form.INTEGER,
            Form.TEXT,
        }:  # whose images are the columns, of which it is known how many there are
            wanted, bucket = "NULL", self._bucket(of_images=True)
        # Sums of 64 bits would be numeric, and take ten times the memory in each bucket.
        query = f"""
        SELECT coalesce(sum(n), 0)::bigint, coalesce(bit_xor(a), 0), coalesce(bit_xor(b), 0),
               string_agg(substring(int8send((coalesce(a, 0) >> {HALF}) + coalesce(n, 0) * {COUNTED} & {LOW}) FROM 5), ''
                          ORDER BY number), {self._ends()}
        FROM generate_series(0, {self.recipe.buckets - 1:d}) AS g (number) LEFT JOIN (
            SELECT {bucket} AS bucket, count(*) AS n, bit_xor({one}) AS a, bit_xor({two}) AS b
            FROM {self._imaged(wanted, self._from)} GROUP BY 1
        ) AS s ON s.bucket = g.number
        """  # noqa: S608
        self._rows, first, second, places, *span = self._run((query, ()))[0]
        self._span = None if span[0] is None else (span[0], span[1])
        return Sums(self._rows, first, second, np.frombuffer(places, ">u4").astype(np.uint32))

    def _ends(self) -> str:
        """The least and the greatest number in the key, which its index knows."""
        if not self.recipe.by_number:
            return "NULL, NULL"
        key = QUOTED(self.recipe.key[0].name)
        return ", ".join(f"(SELECT {end}(t.{key})::bigint FROM {self._from})" for end in ("min", "max"))  # noqa: S608

    def tagged(self, buckets: Numbers) -> Tagged:
        """The rows in these buckets."""
        place = "tidsend(t.ctid)" if self._placed else "''::bytea"
        found, told = self._in_buckets(buckets)
        sent, least, kind = self._sent_tag()
        query = f"""
        SELECT coalesce(string_agg({sent} || int4send(({self._hashes[0]} >> {HALF})::int) || place, ''), '')
        FROM {self._imaged(f"{self._tag()} AS tag, {place} AS place", found)}
        """  # noqa: S608
        ((tagged,),) = self._run((placed(query), (*least, *told)))
        self._tagged = np.frombuffer(tagged, [("tag", kind), *(PLACED if self._placed else DIGEST)])
        tags = self._tagged["tag"].astype(np.int64) + sum(least)
        return Tagged(tags, self._tagged["digest"].astype(np.int64))

    def _sent_tag(self) -> tuple[str, tuple[int, ...], str]:
        """How a tag travels: in 32 bits where these tell how far a number is from the least; that, and the type."""
        if self._span is not None and self._span[1] - self._span[0] < 2**31:
            return f"int4send((tag - {VALUE}::bigint)::int)", self._span[:1], ">i4"
        return "int8send(tag)", (), ">i8"

    def _in_buckets(self, buckets: Numbers) -> tuple[str, tuple[Any, ...]]:
        """Where the rows in these buckets are found, and what has to be told for that."""
        if self._span is None or not self._few(self._span, len(buckets)):
            return f"{self._from} WHERE {self._bucket()} IN {TOLD}", (buckets.tolist(),)
        key, (least, most) = f"t.{QUOTED(self.recipe.key[0].name)}", self._span
        tried = f"generate_series({VALUE}::bigint, {VALUE}::bigint) AS g (n)"
        numbers = f"SELECT n FROM {tried} WHERE {self._bucket_of('n')} IN {TOLD}"  # noqa: S608
        neighbours = f"{key} BETWEEN g.n << {TOGETHER} AND (g.n << {TOGETHER}) + {2**TOGETHER - 1}"
        found = f"({numbers} OFFSET 0) AS g JOIN {self._from} ON {neighbours}"
        return found, (least >> TOGETHER, most >> TOGETHER, buckets.tolist())

    def _few(self, span: tuple[int, int], buckets: int) -> bool:
        """Whether to look up the rows of so many buckets by their keys is quicker than to read all rows."""
        least, most = span
        numbers = (most >> TOGETHER) - (least >> TOGETHER) + 1
        return bool(numbers * (NUMBER + LOOKED_UP * buckets / self.recipe.buckets) < self._rows)

    def rows(self, tags: Numbers) -> Iterator[pa.RecordBatch]:
        """The rows with these tags, as the reader gives them, and behind them their hashes."""
        recipe = self.recipe
        found = f"{self._from} WHERE {AT_PLACES}"
        if self._placed:
            self._tell_places(tags)
        else:
            self._run((TELL, (tags.tolist(),)))
            found = f"{self._from} JOIN {TAGS} AS s ON {self._tag()} = s.tag"
            if recipe.by_number:
                found = self._by_key(TAGS)
        chosen = ", ".join(f"{selected(column)} AS c{at}" for at, column in enumerate(recipe.columns))
        names = ", ".join(f"i.c{at}" for at in range(len(recipe.columns)))
        one, two = self._hashes
        query = f"SELECT {names}, {one}, {two} FROM {self._imaged(chosen, found)}"  # noqa: S608
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

    def begun(self, tags: Numbers) -> tuple[Numbers, Numbers]:
        """Tags and first hashes of the rows with these tags, of a few; asked before all else, in one turn of the line.

        Raises Unfit where this server hashes texts, or writes values, otherwise than the other side does, or where
        a key may come twice although the table itself has it once.
        """
        heirs: tuple[str, Sequence[Any]] = (HEIRS, (qualified(self.recipe.table),))
        probe, asked, wanted = self._probe()
        found = self._imaged(f"{self._tag()} AS tag", self._by_key(TOLD))
        first = (
            f"SELECT coalesce(string_agg(int8send(tag) || int8send({self._hashes[0]}), ''), '') FROM {found}"  # noqa: S608
        )
        rows = [(placed(first), (tags.tolist(),))] if len(tags) else []
        _, inherited, answers, *hashes = self._run((SETTLE, ()), heirs, (probe, asked), *rows)
        if inherited[0]:
            raise Unfit(f"other tables inherit from {self.recipe.table.label}")
        if list(answers) != wanted:
            raise Unfit("this server hashes or writes values otherwise")
        answer = np.frombuffer(hashes[0][0] if hashes else b"", ">i8").astype(np.int64)
        return answer[::2], answer[1::2]

    def _by_key(self, told: str) -> str:
        """Where the rows are whose keys, single numbers, are these."""
        return f"{told} AS s JOIN {self._from} ON t.{QUOTED(self.recipe.key[0].name)} = s.tag"

    def _probe(self) -> tuple[str, list[Any], list[Any]]:
        """A query of hashes and images, what has to be told for it, and what it must answer."""
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
        return f"SELECT {', '.join(f'({query})' for query in queries)}", asked, wanted

    def _run(self, *queries: tuple[str, Sequence[Any]]) -> list[tuple[Any, ...]]:
        """The first row of each, all of them in one turn of the line."""
        self.sent += sum(len(query) + sum(map(_told_bytes, told)) for query, told in queries)
        found = self.reader.asked_together(*queries, what=self.recipe.table.label)
        self.sent += sum(len(part) for row in found for part in row if isinstance(part, bytes | str))
        return found


def _told_bytes(told: Any) -> int:
    """What a bound value takes: a number, a name, or a list of them."""
    return 8 * len(told) if isinstance(told, Sequence) else 8
