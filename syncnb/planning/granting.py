"""The verb `required_grants`: what a role must be allowed, so that an administrator can give exactly that."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from syncnb.errors import PlanError
from syncnb.journal import SCHEMA, rights_to_apply
from syncnb.planning.hazards import WITH_IT, refers, unkept
from syncnb.planning.plans import Plan
from syncnb.schema import Column, Schema, Table
from syncnb.steps import Block, Grant, Grants, Step
from syncnb.stores.port import Store

if TYPE_CHECKING:
    from syncnb.stores.postgres import PostgresReader

__all__ = ["required_grants"]

PUBLIC = "public"
SERIAL = re.compile(r"^nextval\('(?:(?P<schema>[\w\"$]+)\.)?(?P<name>[\w\"$]+)'::regclass\)")
LONGEST = 63
"""Bytes of a name in PostgreSQL."""


def required_grants(
    plan: Plan, store: Store | None = None, *, role: str = "the_role", undo: bool = True
) -> Grants:
    """What a role must be allowed in the target to apply this plan, to verify it and to take it back.

    store: the target, whose catalogue then tells more (sequences, rows that follow by a cascade, policies,
        triggers), and which of these rights the role of this store holds. Only reads.
    role: who shall get them, in `.sql`. undo: False leaves out what only taking it back needs.

    A SQLite file knows no rights: there the answer is empty. Raises PlanError for a store that is another database.
    """
    if plan.target.dialect != "postgresql":
        return Grants(
            (), role, notes=("a SQLite file knows no grants: its user must be able to write file and folder",)
        )
    if store is None:
        return _grants(_Needs(plan, undo=undo), role, None)
    here = store.identity() if hasattr(store, "identity") else None
    if here is None or here.id != plan.target.id:
        raise PlanError(
            f"this plan was drawn on {plan.target.name}, and {store.name} is another database",
            hint="pass the database that it writes",
        )
    with store.reading() as reader:
        schemas = sorted({path[0] for path in map(_path, _parts(plan))})
        schema = reader.schema(schemas or None)
        more = reader.followers([schema.find(part.table) for part in _parts(plan)])
        schema = reader.schema(sorted({*schemas, *more})) if more else schema
        return _grants(_Needs(plan, undo=undo, schema=schema, reader=reader), role, reader)  # type: ignore[arg-type]


def _grants(needs: "_Needs", role: str, reader: "PostgresReader | None") -> Grants:
    from syncnb.stores.postgres_grants import grant_text, held

    found = _merged([*needs.surroundings(), *needs.tables(), *needs.journal()])
    notes = [*needs.notes()]
    known: Mapping[Grant, bool] = {}
    if reader is not None:
        known = {each: held(reader, each) for each in found}
        if reader.unbounded():
            notes.append(
                "this store connects as a superuser, whom no right and no policy stops, and whose rights every "
                "trigger runs with: a role with these grants is safer"
            )
    return Grants(tuple(found), role, tuple(grant_text(each, role) for each in found), tuple(notes), known)


def _merged(grants: Iterable[Grant]) -> list[Grant]:
    """One line for each right on an object, with all its columns; needed to apply where any part of it is."""
    found: dict[tuple[Any, ...], list[Grant]] = {}
    for each in grants:
        found.setdefault((each.right, each.kind, each.path), []).append(each)
    return [_joined(parts) for parts in found.values()]


def _joined(parts: list[Grant]) -> Grant:
    whole = not all(each.columns for each in parts)
    columns = () if whole else tuple(dict.fromkeys(name for each in parts for name in each.columns))
    applies = [each for each in parts if each.purpose == "apply"]
    why = "; ".join(dict.fromkeys(each.why for each in parts))
    return replace((applies or parts)[0], columns=columns, why=why)


def _parts(plan: Plan) -> list[Block | Step]:
    return [*plan.blocks, *(part for stage in plan.stages for part in stage.parts)]


def _path(part: Block | Step) -> tuple[str, ...]:
    return part.path if len(part.path) > 1 else (PUBLIC, part.path[-1] if part.path else part.table)


@dataclass
class _Needs:
    """What one plan needs, in the order in which it is asked for."""

    plan: Plan
    undo: bool
    schema: Schema | None = None
    reader: "PostgresReader | None" = None
    following: dict[tuple[str, str], Table] = field(default_factory=dict)
    """Tables whose rows go or change along with planned rows, by the right that brings them back."""

    def surroundings(self) -> Iterator[Grant]:
        """Database and schemas."""
        database = (self.plan.target.name,)
        yield Grant("CONNECT", "DATABASE", database, why="to get in")
        yield Grant(
            "TEMPORARY", "DATABASE", database, purpose="speed",
            why="rows go beside their table; without it they go in settings, and text that is not UTF-8 cannot go",
        )  # fmt: skip
        for part in _parts(self.plan):
            yield Grant("USAGE", "SCHEMA", _path(part)[:1], why="its tables are found")
            if isinstance(part, Step) and part.verb in ("create_index", "add_constraint", "use_index"):
                yield Grant("CREATE", "SCHEMA", _path(part)[:1], why="an index is made")

    def tables(self) -> Iterator[Grant]:
        """Tables that are written, and those that follow."""
        for part in _parts(self.plan):
            if isinstance(part, Block):
                yield from self._block(part)
        for block in self.plan.blocks:
            if self.schema is not None:
                changed = None if block.verb == "delete" else frozenset(block.columns)
                if block.verb != "insert":
                    self._follow(self.schema, self.schema.find(block.table), changed)
        for (_, right), table in self.following.items() if self.undo else ():
            path, why = (table.schema or PUBLIC, table.name), "rows that followed come back"
            if unkept(table) is None or not all(column.readable for column in table.columns):
                yield Grant("USAGE", "SCHEMA", path[:1], why="its tables are found")
                yield Grant(
                    "SELECT", "TABLE", path, purpose="undo", why="rows that follow are kept as they were"
                )
                yield Grant(right, "TABLE", path, purpose="undo", why=why)

    def _block(self, block: Block) -> Iterator[Grant]:
        path, columns = _path(block), self.plan.columns.get(block.table, ())
        seen = tuple(c.name for c in columns if c.readable)  # to the role that drew the plan
        some = seen if len(seen) < len(columns) else ()
        yield Grant(
            "SELECT", "TABLE", path, some, why="rows are compared with what was shown, kept, and read again"
        )
        if block.verb == "insert":
            yield Grant("INSERT", "TABLE", path, block.columns, why="rows are inserted")
            yield from self._sequences(block, columns)
            if self.undo:
                yield Grant("DELETE", "TABLE", path, purpose="undo", why="inserted rows go again")
        elif block.verb == "update":
            yield Grant("UPDATE", "TABLE", path, block.columns, why="cells are changed")
            if self.undo:
                others = tuple(
                    c.name for c in columns if _settable(c) and c.readable and c.name not in block.key
                )
                yield Grant(
                    "UPDATE", "TABLE", path, others, purpose="undo", why="changed rows are put back whole"
                )
        else:
            yield Grant("DELETE", "TABLE", path, why="rows are deleted")
            if self.undo:
                whole = tuple(c.name for c in columns if c.generated is None)
                yield Grant("INSERT", "TABLE", path, whole, purpose="undo", why="deleted rows come back")

    def _sequences(self, block: Block, columns: Iterable[Column]) -> Iterator[Grant]:
        """Those behind columns that get explicit numbers, and those that number rows by a default."""
        for column in columns:
            serial = SERIAL.match(column.default or "")
            if not (serial or column.identity):
                continue
            explicit = column.name in block.columns
            if not (explicit or serial):  # an identity asks nobody
                continue
            why = "it is set forward behind explicit numbers" if explicit else "it numbers new rows"
            for path in self._paths(block, column):
                yield Grant("USAGE", "SEQUENCE", path, why=why)
                if explicit:
                    yield Grant("SELECT", "SEQUENCE", path, why=why)

    def _paths(self, block: Block, column: Column) -> Iterator[tuple[str, str]]:
        if self.reader is not None and self.schema is not None:
            from syncnb.stores.postgres_grants import sequences_behind

            yield from sequences_behind(self.reader, self.schema.find(block.table), [column.name])
            return
        schema, name = _path(block)
        if serial := SERIAL.match(column.default or ""):
            told = (serial["schema"] or schema).strip('"')
            yield told, serial["name"].strip('"')
        else:  # as PostgreSQL names it, unless somebody renamed it
            yield schema, f"{name}_{column.name}_seq"[:LONGEST]

    def _follow(self, schema: Schema, parent: Table, changed: frozenset[str] | None) -> None:
        """Tables with references that act, to the last grandchild. `changed`: columns of `parent`; None where rows go."""
        for child in schema:
            for key in child.foreign_keys:
                acts = key.on_delete if changed is None else key.on_update
                concerned = changed is None or changed & {*key.parent_columns}
                if acts not in WITH_IT or not concerned or not refers(key, parent, schema):
                    continue
                gone = changed is None and acts == "CASCADE"
                back = (
                    "INSERT" if gone else "UPDATE"
                )  # what takes over a changed value takes the old one over again
                if (child.label, back) not in self.following:
                    self.following[child.label, back] = child
                    self._follow(schema, child, None if gone else frozenset(key.columns))

    def journal(self) -> Iterator[Grant]:
        """Our own tables, as the script of the journal makes them."""
        yield Grant("USAGE", "SCHEMA", (SCHEMA,), why="the journal")
        for table, rights in rights_to_apply(maps=bool(self.plan.maps)).items():
            for right in rights:
                if (table, right) == ("images", "SELECT"):
                    yield Grant(
                        right,
                        "TABLE",
                        (SCHEMA, table),
                        purpose="verify",
                        why="the journal: rows as they were",
                    )
                else:
                    yield Grant(right, "TABLE", (SCHEMA, table), why="the journal")

    def notes(self) -> Iterator[str]:
        """What no GRANT can give."""
        yield "the journal's tables are made by `syncnb journal --sql`, which also gives what diffs and syncs need of it"
        altered = dict.fromkeys(p.table for s in self.plan.stages for p in s.parts if isinstance(p, Step))
        if altered:
            yield f"only their owner may alter tables: the role must own {', '.join(altered)}, or be a member of who does"
        if self.schema is None:
            yield "rows that follow a cascade, policies, triggers and renamed sequences are told where the store is given"
            return
        for label in dict.fromkeys(part.table for part in self.plan.blocks):
            table = self.schema.find(label)
            if table.row_security:
                yield f"{label}: row-level security: a policy must show these rows to the role, and let it write them"
            if fired := [trigger.name for trigger in table.triggers if trigger.enabled]:
                yield f"{label}: what its triggers do they do with the role's rights: {', '.join(fired)}"


def _settable(column: Column) -> bool:
    return column.generated is None and column.identity != "always"
