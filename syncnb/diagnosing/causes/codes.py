# One sign a line, as a table is read.
# ruff: noqa: E501
"""Which error codes and texts point to which causes, best first. SQLSTATEs and SQLite's extended codes first,
text only to tell apart what shares a code, or where no code is there.
"""

from dataclasses import dataclass
from functools import lru_cache

from syncnb.diagnosing.causes.languages import code_of_text
from syncnb.diagnosing.causes.wording import says

__all__ = ["SIGNS", "Sign", "candidates"]


@dataclass(frozen=True, slots=True)
class Sign:
    """What an error looks like, and what may be behind it."""

    codes: tuple[str, ...]
    """Beginnings of SQLSTATEs, or SQLite's result codes as decimal numbers."""
    text: str
    """A pattern that the message must hold; empty where the code says enough."""
    causes: tuple[str, ...]
    """Best first, as far as code and text alone can tell."""

    def meant_by(self, code: str) -> bool:
        """Whether the code is one of ours: SQLite's exactly, a SQLSTATE by its beginning."""
        if len(code) < 5:
            return code in self.codes
        return any(code.startswith(sign) for sign in self.codes if len(sign) >= 5 or sign in CLASSES)


CLASSES = ("08", "22", "23", "25", "28", "40", "53", "54", "58", "P0")
"""SQLSTATE classes that are meant whole."""


def _sign(codes: str, text: str, causes: str) -> Sign:
    return Sign(tuple(codes.split()), text, tuple(causes.split()))


POSTGRES = (
    _sign("42P10", "ON.CONFLICT|^$", "missing_unique_constraint conflict_target_wrong_columns partial_index_predicate_not_in_on_conflict non_unique_index_only expression_index_mismatch constraint_created_later invalid_index_left exclusion_constraint_only collation_in_target partition_unique_not_on_parent constraint_not_visible_to_client bound_parameter_in_target"),
    _sign("42P10", "", "syntax_error"),
    _sign("55000", r"ON CONFLICT.*arbiter|ON CONFLICT.*Arbit|ON CONFLICT.*(deferr|aufschiebbar|postergab|différab|deferib|deferrable)|ON CONFLICT.*(откладыва|відкладен|遅延|지연|延迟)", "deferrable_constraint"),
    _sign("55000", r"index .* is not valid", "invalid_index_left"),
    _sign("55000", r"cannot (delete from|update) table .* replica identity|publishes", "missing_unique_constraint"),
    _sign("42809", r"exclusion constraints", "exclusion_constraint_only missing_unique_constraint"),
    _sign("42809", r"default sorting behavior|is a partial index|contains expressions|using such an index|is not a unique index", "using_index_not_plain non_unique_index_only"),
    _sign("42704", r"constraint .* for table .* does not exist|ON CONSTRAINT", "index_name_used_as_constraint conflict_target_stale_after_schema_change missing_unique_constraint"),
    _sign("42704", r"constraint .* of relation", "migration_not_idempotent conflict_target_stale_after_schema_change index_name_used_as_constraint"),
    _sign("42704", r"type .* does not exist|collation|operator class|role", "schema_or_role_mismatch table_missing syntax_error"),
    _sign("42704", "", "migration_not_idempotent index_name_used_as_constraint schema_or_role_mismatch"),
    _sign("42601", r"requires inference specification", "missing_conflict_target"),
    _sign("42601", r'at or near "NULLS"|at or near "CONFLICT"|at or near "MERGE"', "version_too_old syntax_error"),
    _sign("42601", r"more (expressions|target columns) than", "column_order_mismatch syntax_error column_missing_in_target"),
    _sign("42601 42602 42622", "", "syntax_error version_too_old"),
    _sign("21000", r"a second time|CONFLICT DO UPDATE|MERGE", "duplicate_in_batch"),
    _sign("21000", "", "duplicate_in_batch syntax_error"),
    _sign("23505", r"pg_(class|type|namespace|constraint|attribute|proc)\w*_(index|nsp_index)", "concurrent_index_race migration_not_idempotent"),
    _sign("23505", r"could not create unique index|is duplicated", "duplicate_rows_block_unique rows_loaded_twice null_in_key_duplicates_under_nulls_not_distinct"),
    _sign("23505", "", "id_already_exists_same_entity sequence_behind other_unique_violated id_collision_different_entity rename_collides_with_existing_row upsert_emulated_race duplicate_in_batch"),
    _sign("23502", r"contains null values", "add_not_null_without_default null_in_key_blocks_not_null"),
    _sign("23502", "", "not_null_partial_row explicit_null_overrides_default heterogeneous_rows_null_fill null_in_key"),
    _sign("23503", r"update or delete on table|is still referenced", "fk_child_blocks_delete"),
    _sign("23503", "", "fk_parent_missing fk_order"),
    _sign("23514", r"no partition of relation", "no_partition_for_row check_violation"),
    _sign("23514", "", "check_violation"),
    _sign("23P01", "", "exclusion_constraint_only check_violation"),
    _sign("22001", "", "value_too_long"),
    _sign("22003", r"reached (maximum|minimum) value", "sequence_exhausted numeric_out_of_range"),
    _sign("22003", "", "numeric_out_of_range"),
    _sign("2200H", "", "sequence_exhausted numeric_out_of_range"),
    _sign("22P02", r"type (timestamp|date|time)\b", "datetime_format invalid_text_representation"),
    _sign("22P02", "", "invalid_text_representation column_order_mismatch"),
    _sign("22007 22008", "", "datetime_format invalid_text_representation"),
    _sign("22021 22P05", "", "null_byte_in_text"),
    _sign("22P03 22P04 22023 22030 22032", "", "invalid_text_representation"),
    _sign("42804", r"cannot be cast automatically|default for column .* cannot be cast", "alter_type_needs_using"),
    _sign("42804", r"is of type .* but expression|cannot be implemented|cannot be matched|hat Typ", "type_mismatch column_order_mismatch"),
    _sign("42804", "", "type_mismatch column_order_mismatch"),
    _sign("42883 42846 42P18", "", "type_mismatch syntax_error"),
    _sign("42703", "", "column_missing_in_target conflict_target_stale_after_schema_change schema_cache_stale"),
    _sign("3F000", "", "schema_or_role_mismatch table_missing"),
    _sign("42P01", "", "table_missing schema_or_role_mismatch"),
    _sign("42701 42P07 42710 42P06 42723 42P04", "", "migration_not_idempotent invalid_index_left concurrent_index_race"),
    _sign("42830", r"number of referencing", "fk_mismatch fk_target_not_unique"),
    _sign("42830", "", "fk_target_not_unique"),
    _sign("428C9", r"identity|GENERATED ALWAYS", "identity_generated_always generated_column_written"),
    _sign("428C9", r"is a generated column|generated column", "generated_column_written identity_generated_always"),
    _sign("428C9", "", "identity_generated_always generated_column_written"),
    _sign("40001", "", "serialization_failure"),
    _sign("40P01", "", "deadlock_row_order"),
    _sign("40003 40", "", "serialization_failure connection_killed"),
    _sign("55P03", r"could not obtain lock", "lock_contention lock_timeout_backfill"),
    _sign("55P03", "", "lock_timeout_ddl lock_timeout_backfill lock_contention lock_queue_stall"),
    _sign("55006", "", "lock_contention dependent_objects"),
    _sign("57014", r"lock timeout", "lock_timeout_ddl lock_timeout_backfill lock_contention"),
    _sign("57014", "", "statement_timeout_batch lock_queue_stall"),
    _sign("25001", "", "ddl_in_transaction"),
    _sign("25006", "", "read_only_connection"),
    _sign("25P02", "", "transaction_aborted"),
    _sign("25P03 25P04", "", "connection_killed statement_timeout_batch"),
    _sign("25P01 25", "", "ddl_in_transaction"),
    _sign("0A000", r"include all partitioning columns", "partition_key_not_in_unique"),
    _sign("0A000", r"INSERT or UPDATE rules", "rule_on_table"),
    _sign("0A000", r"used by a view or rule|used in a trigger|used by a generated column|used in a policy|in a foreign key constraint", "dependent_objects"),
    _sign("0A000", r"cached plan must not change", "schema_cache_stale"),
    _sign("0A000", r"invalid ON UPDATE specification", "partition_key_not_in_unique"),
    _sign("0A000", r"ON CONFLICT", "missing_conflict_target exclusion_constraint_only rule_on_table"),
    _sign("0A000", r"concurrently.*partitioned|partitioned.*concurrently", "partition_key_not_in_unique ddl_in_transaction"),
    _sign("0A000", "", "version_too_old syntax_error"),
    _sign("2BP01", "", "dependent_objects"),
    _sign("42501", r"row-level security|row.level security", "rls_policy"),
    _sign("42501", "", "schema_or_role_mismatch permission_denied rls_policy"),
    _sign("26000 42P05", "", "pooler_prepared_statement"),
    _sign("08P01", r"between 0 and 65535|bind message|too many parameters|number of parameters", "too_many_variables"),
    _sign("08001 08004", "", "cannot_connect"),
    _sign("08 57P01 57P02 57P05", "", "connection_killed"),
    _sign("57P03 57P04 53300 28 3D000", "", "cannot_connect"),
    _sign("53100", "", "disk_full"),
    _sign("54000", r"index row (size|requires)|exceeds (btree|maximum)", "index_row_too_large value_too_long"),
    _sign("54011", "", "too_many_variables out_of_resources"),
    _sign("53 54", "", "out_of_resources too_many_variables"),
    _sign("P0", "", "trigger_refused"),
    _sign("XX000", r"tuple concurrently updated|concurrently (updated|deleted)", "concurrent_index_race"),
    _sign("XX000", r"Tenant or user not found|pooler|prepared", "cannot_connect pooler_prepared_statement"),
    _sign("XX001 XX002", "", "index_corruption"),
    _sign("22000 22 23", "", "invalid_text_representation check_violation"),
    _sign("PGRST204", "", "schema_cache_stale column_missing_in_target"),
    _sign("PGRST205 PGRST202 PGRST200", "", "schema_cache_stale table_missing"),
    _sign("58", "", "index_corruption disk_full"),
)  # fmt: skip

SQLITE = (
    _sign("1", r"ON CONFLICT clause does not match", "missing_unique_constraint conflict_target_wrong_columns partial_index_predicate_not_in_on_conflict expression_index_mismatch non_unique_index_only constraint_lost_in_rebuild bound_parameter_in_target"),
    _sign("1555 2579", r"", "id_already_exists_same_entity id_collision_different_entity rename_collides_with_existing_row upsert_emulated_race"),
    _sign("2067", r"", "other_unique_violated duplicate_rows_block_unique duplicate_in_batch rename_collides_with_existing_row rows_loaded_twice upsert_emulated_race"),
    # The same words stand for both codes, so without the code a column called id is the best guess.
    _sign("19", r"(UNIQUE constraint failed|PRIMARY KEY must be unique).*\b(id|rowid|_id|uuid|pk)\s*$", "id_already_exists_same_entity id_collision_different_entity other_unique_violated"),
    _sign("19", r"UNIQUE constraint failed|(is|are) not unique", "other_unique_violated duplicate_rows_block_unique id_already_exists_same_entity duplicate_in_batch"),
    _sign("1299 19", r"NOT NULL constraint failed: (_alembic_tmp_|.*(__new|_new|_tmp)\.)", "null_in_key_blocks_not_null not_null_partial_row"),
    _sign("1299 19", r"NOT NULL constraint failed|may not be NULL", "not_null_partial_row explicit_null_overrides_default heterogeneous_rows_null_fill replace_loses_unlisted_columns"),
    _sign("787 19", r"FOREIGN KEY constraint failed", "fk_parent_missing fk_child_blocks_delete rebuild_drop_with_fk_on fk_order replace_cascade_delete"),
    _sign("1", r"foreign key mismatch|number of columns in foreign key does not match", "fk_mismatch"),
    _sign("275 19", r"CHECK constraint failed", "check_violation"),
    _sign("3091 19", r"cannot store \w+ value in", "type_mismatch"),
    _sign("20", r"datatype mismatch", "type_mismatch column_order_mismatch"),
    _sign("1811 1043", r"", "trigger_refused"),
    _sign("19", r"PRIMARY KEY must be unique", "id_already_exists_same_entity id_collision_different_entity"),
    _sign("1", r"no such table: main\.|error in (view|trigger) .*no such table", "rebuild_view_blocks_rename table_missing"),
    _sign("1", r"error in (index|view|trigger|table) .* after (drop column|rename)|cannot drop column|error in (index|view|trigger)", "dependent_objects rebuild_view_blocks_rename"),
    _sign("1", r"no such table|no such view", "table_missing schema_cache_stale"),
    _sign("1", r"has no column named|no such column", "column_missing_in_target schema_cache_stale column_order_mismatch"),
    _sign("1", r"duplicate column name|(table|index|view|trigger) .* already exists|there is already (a|an)", "migration_not_idempotent"),
    _sign("1", r"no such (index|trigger)", "migration_not_idempotent"),
    _sign("1", r"has \d+ columns but \d+ values|\d+ values for \d+ columns", "column_order_mismatch generated_column_written syntax_error"),
    _sign("1", r"cannot (INSERT into|UPDATE) generated column", "generated_column_written"),
    _sign("1", r"Cannot add a (UNIQUE|PRIMARY KEY) column", "add_unique_column"),
    _sign("1", r"Cannot add a NOT NULL column", "add_not_null_without_default"),
    _sign("1", r"Cannot add a column with non-constant default|cannot add a STORED column|Cannot add a REFERENCES column", "non_constant_default"),
    _sign("1", r'near "do": syntax error', "upsert_select_parse syntax_error"),
    _sign("1", r'near "(on|conflict|upsert)": syntax error', "version_too_old syntax_error upsert_select_parse"),
    _sign("1", r'near "(alter|constraint|exists|modify|type|column|drop|rename|add|set|nulls|using|not|if)": syntax error', "alter_unsupported_in_sqlite syntax_error"),
    _sign("1", r"too many SQL variables|too many terms|Expression tree is too large|too many (columns|bind)|variable number must be", "too_many_variables"),
    _sign("1", r"syntax error|incomplete input|unrecognized token", "syntax_error alter_unsupported_in_sqlite upsert_select_parse"),
    _sign("1", r"within a transaction|inside a transaction|within transaction", "ddl_in_transaction"),
    _sign("17", r"schema has changed|schema changed", "schema_cache_stale"),
    _sign("517", r"", "lock_upgrade_deferred_txn lock_contention"),
    _sign("5 261 6 262", r"(database|table) is locked|SQLITE_(BUSY|LOCKED)|locked", "lock_contention lock_upgrade_deferred_txn network_filesystem"),
    _sign("8 264 520 776 1032 1288", r"attempt to write a readonly database|readonly", "read_only_file read_only_connection"),
    _sign("14", r"unable to open database file", "cannot_open_file read_only_file"),
    _sign("26", r"file is not a database|file is encrypted", "not_a_database"),
    _sign("11 267 523", r"disk image is malformed|SQLITE_CORRUPT|database corruption", "index_corruption network_filesystem"),
    _sign("15", r"locking protocol", "network_filesystem lock_contention"),
    _sign("10", r"disk I/O error|SQLITE_IOERR", "network_filesystem disk_full index_corruption"),
    _sign("13", r"database or disk is full|SQLITE_FULL", "rowid_exhausted disk_full"),
    _sign("18", r"string or blob too big", "value_too_long"),
    _sign("9", r"^interrupted$", "statement_timeout_batch"),
    _sign("3", r"access permission denied|not authorized", "permission_denied"),
    _sign("", r"Python int too large", "numeric_out_of_range"),
    _sign("", r"Error binding parameter|type '.*' is not supported|cannot adapt type|can't adapt type", "type_mismatch unsupported_parameter_type"),
)  # fmt: skip

# Errors of clients and services that carry no code of a database.
CLIENTS = (
    _sign("", r"schema cache", "schema_cache_stale column_missing_in_target table_missing"),
    _sign("", r"prepared statement .* (does not exist|already exists)", "pooler_prepared_statement"),
    _sign("", r"number of parameters must be between|number of query arguments|too many (bind )?parameters|bind message supplies", "too_many_variables"),
    _sign("", r"NUL \(0x00\)|cannot contain NUL|\\u0000|invalid byte sequence|lone surrogate|surrogates not allowed", "null_byte_in_text"),
    _sign("", r"server closed the connection|connection (was )?(reset|closed|lost)|terminating connection|SSL connection has been closed|broken pipe|ECONNRESET|connection already closed|lost connection|unexpected EOF", "connection_killed"),
    _sign("", r"too many (clients|connections)|remaining connection slots|connection refused|ECONNREFUSED|could not connect|password authentication failed|no pg_hba|could not translate host|timeout expired|pool timed out", "cannot_connect"),
    _sign("", r"row.level security", "rls_policy"),
    _sign("", r"permission denied|must be owner|insufficient privilege", "schema_or_role_mismatch permission_denied"),
    _sign("", r"\b0 rows? (affected|updated|inserted)|\d+ of \d+ rows|expected to (update|delete) \d+ row", "rows_sent_not_changed"),
    _sign("", r"PL/\w+ function .* at RAISE|raised exception", "trigger_refused"),
    _sign("", r"(rows?|children|records?|entries) (have |has |are |were |got )?(vanish|disappear|gone|deleted|lost)", "replace_cascade_delete rebuild_cascade_delete rows_sent_not_changed rls_policy"),
    _sign("", r"(columns?|fields?|values?) (have |has |are |were |got |was )?(been )?(reset|lost|emptied|set back|wiped)", "replace_loses_unlisted_columns explicit_null_overrides_default trigger_rewrites_values"),
    _sign("", r"duplicated? (rows|records|entries)|duplicates (appear|are)|(rows|records) (are |were )?(doubled|inserted twice|duplicated)", "null_in_key rows_loaded_twice missing_unique_constraint"),
    _sign("", r"no space left|disk full", "disk_full"),
    _sign("", r"out of memory|out of shared memory", "out_of_resources"),
)  # fmt: skip

SIGNS = (*POSTGRES, *SQLITE, *CLIENTS)

# What PostgreSQL says in English, where a log has no code.
ENGLISH = {
    "PGRST204": r"schema cache",
    "55000": r"ON CONFLICT does not support deferrable|index .* is not valid",
    "42P10": r"no unique or exclusion constraint matching",
    "23505": r"duplicate key value violates|could not create unique index|unique constraint violation",
    "23502": r"violates not-null constraint|contains null values",
    "23503": r"violates foreign key constraint",
    "23514": r"violates check constraint|no partition of relation|is violated by some row",
    "23P01": r"violates exclusion constraint",
    "21000": r"cannot affect row a second time",
    "22001": r"value too long for type|too long for type",
    "22003": r"(integer|smallint|bigint|value .*) (is )?out of range|numeric field overflow|out of range for type",
    "2200H": r"reached (maximum|minimum) value of sequence",
    "22P02": r"invalid input syntax for (type )?(?!timestamp|date|time|interval)|invalid input value for enum|malformed (array|record|range) literal",
    "22007": r"invalid input syntax for type (timestamp|date|time|interval)",
    "22008": r"date/time field value out of range|time zone displacement out of range|timestamp out of range|time zone .* not recognized",
    "22021": r"invalid byte sequence for encoding",
    "22P05": r"unsupported Unicode escape sequence|has no equivalent in encoding",
    "42804": r"is of type .* but expression is of type|cannot be cast automatically|cannot be implemented|default for column .* cannot be cast",
    "42883": r"(operator|function) (does not exist|.* does not exist)",
    "42703": r"column .* does not exist|Could not find the .* column",
    "42P01": r"(?<!of )relation .* does not exist|missing FROM-clause|Could not find the table",
    "3F000": r"schema .* does not exist",
    "42704": r"(constraint|index|type|collation|operator class|role|trigger) .* does not exist|unrecognized configuration",
    "42701": r"column .* already exists",
    "42P07": r"(relation|constraint|type|schema|function|trigger|policy|index) .* already exists|already exists in schema",
    "42830": r"no unique constraint matching given keys|number of referencing and referenced columns",
    "428C9": r"cannot insert a non-DEFAULT value|can only be updated to DEFAULT|cannot insert into column",
    "42809": r"does not have default sorting behavior|is a partial index|contains expressions|exclusion constraints|is not a unique index",
    "42601": r"requires inference specification|more expressions than target columns|more target columns than|syntax error at or near",
    "40001": r"could not serialize access|conflict with recovery",
    "40P01": r"deadlock detected",
    "55P03": r"due to lock timeout|could not obtain lock",
    "57014": r"canceling statement due to|statement timeout|query_canceled",
    "25001": r"cannot run inside a transaction block|cannot be executed from a function|within a pipeline",
    "25006": r"in a read-only transaction|during recovery",
    "25P02": r"current transaction is aborted|InFailedSqlTransaction",
    "0A000": r"include all partitioning columns|INSERT or UPDATE rules|used by a view or rule|cached plan must not change|invalid ON UPDATE specification|cannot truncate a table referenced|on partitioned table .* concurrently",
    "2BP01": r"because other objects depend on it",
    "42501": r"row-level security policy|permission denied for|must be owner",
    "26000": r"prepared statement .* does not exist",
    "42P05": r"prepared statement .* already exists",
    "57P01": r"terminating connection due to|server closed the connection unexpectedly",
    "53300": r"too many clients|remaining connection slots",
    "28P01": r"password authentication failed",
    "3D000": r"database .* does not exist",
    "53100": r"No space left on device|could not extend file",
    "54000": r"index row (size|requires)|exceeds btree version",
    "XX001": r"invalid page in block|could not read block|missing chunk number",
    "XX002": r"index .* (contains|is not a btree|corrupted)|could not find .* in index",
    "XX000": r"tuple concurrently updated",
}  # fmt: skip


def candidates(code: str | None, text: str) -> tuple[str | None, tuple[str, ...]]:
    """The code, told or found in the text, and the names of the causes it may have, best first.

    No cause where nothing is known.
    """
    lowered = text.lower()
    if code and (found := _by_code(code, lowered)):
        return code, found
    if sign := _by_text(SQLITE, lowered):
        return code or (sign.codes[0] if sign.codes else None), sign.causes
    english = next((known for known, words in ENGLISH.items() if says(words, lowered)), None)
    if known := english or code_of_text(text):
        return known, _by_code(known, lowered)
    sign = _by_text(CLIENTS, lowered)
    return code, sign.causes if sign else ()


@lru_cache(maxsize=1000)
def _meant_by(code: str) -> tuple[Sign, ...]:
    return tuple(sign for sign in SIGNS if sign.meant_by(code))


def _by_text(signs: tuple[Sign, ...], lowered: str) -> Sign | None:
    return next((s for s in signs if s.text and says(s.text, lowered)), None)


def _by_code(code: str, lowered: str) -> tuple[str, ...]:
    """The longest beginning that fits; within it, the first sign whose text fits."""
    fitting = [sign for sign in _meant_by(code) if not sign.text or says(sign.text, lowered)]
    if not fitting:
        return ()
    best = max(fitting, key=lambda sign: max(len(known) for known in sign.codes if code.startswith(known)))
    return best.causes
