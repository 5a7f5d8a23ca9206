"""What the statement adds to code and text: the candidates put into a better order. Reads no database."""

import re
from collections.abc import Callable, Sequence

from syncnb.diagnosing.pasted import Complaint
from syncnb.diagnosing.statements import Statement
from syncnb.stores.probing import is_bound

__all__ = ["bare", "failing", "ordered"]

DDL = (
    "alter",
    "alter table",
    "create index",
    "create unique index",
    "drop table",
    "drop",
    "create table",
    "truncate",
)


def failing(found: Sequence[Statement], complaint: Complaint) -> Statement | None:
    """The statement that the complaint is about: the last that fits it, since a log ends where it failed."""
    fitting = [s for s in found if complaint.table and s.table and bare(s.table) == bare(complaint.table)]
    if complaint.text.casefold().find("on conflict") >= 0:
        fitting = [s for s in found if s.upserts] or fitting
    worth = [s for s in found if s.verb not in ("begin", "commit", "start", "pragma")]
    best = fitting or worth or list(found)
    return best[-1] if best else None


def bare(name: str) -> str:
    """A table's name without its schema, in lower case."""
    return name.rpartition(".")[2].strip('"`').lower()


def ordered(
    complaint: Complaint, statement: Statement | None, context: Sequence[Statement]
) -> tuple[str, ...]:
    """The causes of a complaint, best first, after a look at its statement."""
    causes = complaint.causes
    if statement is None or not causes:
        return _by_rule(complaint, causes)
    for judge in JUDGES:
        if first := judge(complaint, statement, context):
            return (*first, *(cause for cause in causes if cause not in first))
    return causes


def _by_rule(complaint: Complaint, causes: tuple[str, ...]) -> tuple[str, ...]:
    """What the name of the rule says where nothing else is known: one that is no primary key is about no id."""
    rule, other = complaint.constraint or "", "other_unique_violated"
    if complaint.code != "23505" or other not in causes or complaint.columns == ("id",):
        return causes
    if not rule or re.search(r"(^|_)(pkey|pk|primary)(_|$)", rule, re.IGNORECASE):
        return causes
    return (other, *(cause for cause in causes if cause != other))


def _is_unique(complaint: Complaint) -> bool:
    return complaint.code in ("23505", "1555", "2067", "2579") or (
        complaint.code == "19" and "unique" in complaint.text.lower()
    )


def _unique(complaint: Complaint, statement: Statement, context: Sequence[Statement]) -> tuple[str, ...]:
    if not _is_unique(complaint) or "concurrent_index_race" in complaint.causes:
        return ()
    if statement.verb in ("create unique index", "alter table", "create index"):
        if "null" in [value.lower() for value in complaint.values]:
            return ("null_in_key_duplicates_under_nulls_not_distinct", "duplicate_rows_block_unique")
        return ("duplicate_rows_block_unique", "rows_loaded_twice")
    if statement.verb == "update":
        return ("rename_collides_with_existing_row",)
    if statement.verb == "merge":
        return ("upsert_emulated_race", "duplicate_in_batch")
    if statement.verb != "insert":
        return ()
    if repeated(statement, complaint.columns):
        return ("duplicate_in_batch",)
    if {"EXISTS", "NOT"} <= statement.words or _looked_before(statement, context):
        return ("upsert_emulated_race",)
    if statement.target and {c.lower() for c in complaint.columns} != {t.lower() for t in statement.target}:
        return ("other_unique_violated",)
    return _plain_insert(complaint, statement)


def _plain_insert(complaint: Complaint, statement: Statement) -> tuple[str, ...]:
    given = {name.lower() for name in statement.columns or ()}
    key = {name.lower() for name in complaint.columns}
    primary = complaint.code == "1555" or (complaint.constraint or "").endswith(("_pkey", "PRIMARY"))
    if primary and key and statement.columns and not key & given:
        return ("sequence_behind",)
    if primary:
        return ("id_already_exists_same_entity", "id_collision_different_entity")
    if complaint.code in ("23505", "2067"):
        return ("other_unique_violated", "id_already_exists_same_entity")
    return ()


def repeated(statement: Statement, columns: Sequence[str]) -> bool:
    """Whether two rows of VALUES agree in these columns, as written."""
    if not columns or len(statement.values) < 2:
        return False
    keys = [
        tuple(statement.literal(row, column) for column in columns) for row in range(len(statement.values))
    ]
    known = [key for key in keys if None not in key]
    return len(set(known)) < len(known)


def _looked_before(statement: Statement, context: Sequence[Statement]) -> bool:
    before = context[: context.index(statement)] if statement in context else ()
    return any(
        s.verb == "select" and s.table and bare(s.table) == bare(statement.table or "") for s in before
    )


def _null(complaint: Complaint, statement: Statement, context: Sequence[Statement]) -> tuple[str, ...]:
    if complaint.code not in ("23502", "1299") and "NOT NULL constraint" not in complaint.text:
        return ()
    if statement.verb == "alter table":
        adds = "ADD" in statement.words and not {"PRIMARY", "CONSTRAINT"} & statement.words
        return ("add_not_null_without_default",) if adds else ("null_in_key_blocks_not_null",)
    if not complaint.columns or statement.verb not in ("insert", "update"):
        return ()
    column = complaint.columns[0]
    written = [statement.literal(row, column) for row in range(len(statement.values))]
    nulls = [value for value in written if (value or "").lower() == "null"]
    if len(written) > 1 and 0 < len(nulls) < len(written):
        return ("heterogeneous_rows_null_fill", "explicit_null_overrides_default")
    if statement.replaces and not nulls:
        return ("not_null_partial_row", "replace_loses_unlisted_columns")
    return ("explicit_null_overrides_default", "not_null_partial_row") if nulls else ("not_null_partial_row",)


def _reference(complaint: Complaint, statement: Statement, context: Sequence[Statement]) -> tuple[str, ...]:
    if complaint.code not in ("23503", "787") and "FOREIGN KEY constraint failed" not in complaint.text:
        return ()
    if statement.verb == "drop table":
        return ("rebuild_drop_with_fk_on", "fk_child_blocks_delete")
    if statement.verb == "delete" or (statement.verb == "update" and "update or delete" in complaint.text):
        return ("fk_child_blocks_delete",)
    if statement.verb == "alter table":
        return ("fk_parent_missing",)
    if statement.replaces:
        return ("replace_cascade_delete", "fk_parent_missing")
    after = context[context.index(statement) + 1 :] if statement in context else ()
    parents = {bare(s.table or "") for s in after if s.verb == "insert"}
    told = [bare(word.strip('".')) for word in complaint.detail.split()]
    if set(told) & parents or (not told and parents - {bare(statement.table or "")}):
        return ("fk_order", "fk_parent_missing")
    return ()


def _locks(complaint: Complaint, statement: Statement, context: Sequence[Statement]) -> tuple[str, ...]:
    if complaint.code in ("5", "261", "6"):
        opened = [s for s in context if s.verb in ("begin", "start")]
        deferred = any(not {"IMMEDIATE", "EXCLUSIVE"} & s.words for s in opened)
        reads = any(s.verb == "select" for s in context)
        return ("lock_upgrade_deferred_txn", "lock_contention") if deferred and reads else ()
    waits = complaint.code == "55P03" or "lock timeout" in complaint.text
    if not waits or "could not obtain" in complaint.text:
        return ()
    if statement.verb in DDL:
        return ("lock_timeout_ddl",)
    if statement.verb == "update":
        return ("lock_timeout_backfill",)
    return ("lock_queue_stall",) if statement.verb in ("select", "insert") else ("lock_contention",)


def _others(complaint: Complaint, statement: Statement, context: Sequence[Statement]) -> tuple[str, ...]:
    text = complaint.text.lower()
    if "missing_unique_constraint" in complaint.causes[:1] and (first := _target(statement)):
        return first
    if complaint.code == "42703" and set(complaint.columns) & set(statement.target or ()):
        return ("conflict_target_stale_after_schema_change",)
    if "syntax error" in text and statement.verb == "insert" and statement.selects and statement.upserts:
        return ("upsert_select_parse",)
    if "syntax error" in text and statement.verb == "alter table" and complaint.engine != "postgresql":
        return ("alter_unsupported_in_sqlite",)
    if complaint.code == "42601" and {"NULLS", "DISTINCT"} <= statement.words:
        return ("version_too_old",)
    if complaint.code == "57014" and statement.verb in DDL and "INDEX" not in statement.words:
        return ("lock_timeout_ddl",)
    if complaint.code == "42704" and statement.verb in DDL:
        return ("migration_not_idempotent",)
    if complaint.code == "40P01" and "CONCURRENTLY" in statement.words:
        return ("concurrent_index_race", "deadlock_row_order")
    if complaint.code in ("42P07", "42710") and "CONCURRENTLY" in statement.words:
        return ("migration_not_idempotent", "invalid_index_left")
    return ()


def _target(statement: Statement) -> tuple[str, ...]:
    """What the look of a conflict target says by itself."""
    written = [*(statement.target or ()), statement.target_where or ""]
    if any(map(is_bound, written)):
        return ("bound_parameter_in_target",)
    if any(" collate " in f" {part.lower()} " or re.search(r"\s\w+_ops$", part) for part in written):
        return ("collation_in_target",)
    if any("(" in part for part in written):
        return ("expression_index_mismatch",)
    return (
        ("partial_index_predicate_not_in_on_conflict", "missing_unique_constraint")
        if statement.target_where
        else ()
    )


JUDGES: tuple[Callable[[Complaint, Statement, Sequence[Statement]], tuple[str, ...]], ...] = (
    _unique,
    _null,
    _reference,
    _locks,
    _others,
)
