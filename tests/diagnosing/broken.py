"""Errors that the real data does not have: made for real on both engines, with their true cause."""

from typing import NamedTuple


class Broken(NamedTuple):
    """A set-up, and a statement that fails upon it."""

    engine: str
    cause: str
    setup: str
    statement: str


PEOPLE = "CREATE TABLE people (id int PRIMARY KEY, mail text UNIQUE, name text, age smallint, seen timestamptz DEFAULT now());"

POSTGRES = {
    "an id that stands for something else": ("id_collision_different_entity", PEOPLE + "INSERT INTO people VALUES (1, 'ann@example.com', 'Ann');", "INSERT INTO people (id, mail, name) VALUES (1, 'bob@example.org', 'Bob')"),
    "the same person again": ("id_already_exists_same_entity", PEOPLE + "INSERT INTO people VALUES (1, 'ann@example.com', 'Ann');", "INSERT INTO people (id, mail, name) VALUES (1, 'ann@example.com', 'Ann B.')"),
    "a mail that another person has": ("other_unique_violated", PEOPLE + "INSERT INTO people VALUES (1, 'ann@example.com', 'Ann');", "INSERT INTO people (id, mail, name) VALUES (2, 'ann@example.com', 'Ann') ON CONFLICT (id) DO UPDATE SET name = excluded.name"),
    "a rename onto another": ("rename_collides_with_existing_row", PEOPLE + "INSERT INTO people VALUES (1, 'ann@example.com'), (2, 'bob@example.org');", "UPDATE people SET mail = 'bob@example.org' WHERE id = 1"),
    "twice in one plain insert": ("duplicate_in_batch", PEOPLE, "INSERT INTO people (id, mail) VALUES (1, 'a'), (2, 'b'), (1, 'c')"),
    "looked, then inserted": ("upsert_emulated_race", PEOPLE + "INSERT INTO people VALUES (1, 'ann@example.com');", "SELECT 1 FROM people WHERE mail = 'ann@example.com'; INSERT INTO people (id, mail) VALUES (2, 'ann@example.com')"),
    "serial, explicit ids, no columns named": ("sequence_behind", "CREATE TABLE notes (id bigserial PRIMARY KEY, body text); INSERT INTO notes VALUES (1, 'a'), (2, 'b');", "INSERT INTO notes (body) VALUES ('c')"),
    "default nextval of a sequence nobody owns": ("sequence_behind", "CREATE SEQUENCE s; CREATE TABLE notes (id int DEFAULT nextval('s') PRIMARY KEY, body text); INSERT INTO notes VALUES (1, 'a');", "INSERT INTO notes (body) VALUES ('c')"),
    "target is a superset of the key": ("conflict_target_wrong_columns", PEOPLE, "INSERT INTO people (id, mail) VALUES (1, 'a') ON CONFLICT (id, mail) DO NOTHING"),
    "target is a part of the key": ("conflict_target_wrong_columns", "CREATE TABLE l (a int, b int, PRIMARY KEY (a, b));", "INSERT INTO l VALUES (1, 2) ON CONFLICT (a) DO NOTHING"),
    "an index that never became valid": ("invalid_index_left", "CREATE TABLE w (id int PRIMARY KEY, a int); CREATE UNIQUE INDEX w_a ON w (a); UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'w_a'::regclass;", "INSERT INTO w VALUES (1, 2) ON CONFLICT (a) DO NOTHING"),
    "its name is taken by an invalid index": ("invalid_index_left", "CREATE TABLE w (id int PRIMARY KEY, a int); CREATE UNIQUE INDEX w_a ON w (a); UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'w_a'::regclass;", "CREATE UNIQUE INDEX w_a ON w (a)"),
    "USING INDEX of an invalid one": ("invalid_index_left", "CREATE TABLE w (id int PRIMARY KEY, a int); CREATE UNIQUE INDEX w_a ON w (a); UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'w_a'::regclass;", "ALTER TABLE w ADD CONSTRAINT w_u UNIQUE USING INDEX w_a"),
    "two partial indexes are no full one": ("partial_index_predicate_not_in_on_conflict", "CREATE TABLE h (id int PRIMARY KEY, a int, b int); CREATE UNIQUE INDEX h1 ON h (a) WHERE b IS NULL; CREATE UNIQUE INDEX h2 ON h (a) WHERE b IS NOT NULL;", "INSERT INTO h VALUES (1, 2) ON CONFLICT (a) DO NOTHING"),
    "soft delete": ("partial_index_predicate_not_in_on_conflict", "CREATE TABLE h (id int PRIMARY KEY, a int, gone timestamptz); CREATE UNIQUE INDEX h1 ON h (a) WHERE gone IS NULL;", "INSERT INTO h VALUES (1, 2) ON CONFLICT (a) WHERE id > 0 DO NOTHING"),
    "coalesce in the index": ("expression_index_mismatch", "CREATE TABLE h (a int, b int); CREATE UNIQUE INDEX h1 ON h (a, coalesce(b, 0));", "INSERT INTO h VALUES (1, 2) ON CONFLICT (a, b) DO NOTHING"),
    "expression in the target, plain index": ("expression_index_mismatch", "CREATE TABLE h (a text UNIQUE);", "INSERT INTO h VALUES ('x') ON CONFLICT (lower(a)) DO NOTHING"),
    "pattern operators in the target": ("collation_in_target", "CREATE TABLE h (a text UNIQUE);", "INSERT INTO h VALUES ('x') ON CONFLICT (a text_pattern_ops) DO NOTHING"),
    "a deferred primary key": ("deferrable_constraint", "CREATE TABLE h (a int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, b int);", "INSERT INTO h VALUES (1, 2) ON CONFLICT (a) DO UPDATE SET b = 3"),
    "DO UPDATE on an exclusion constraint": ("exclusion_constraint_only", "CREATE TABLE h (a int4range, EXCLUDE USING gist (a WITH &&));", "INSERT INTO h VALUES ('[1,2)') ON CONFLICT ON CONSTRAINT h_a_excl DO UPDATE SET a = excluded.a"),
    "a constraint that was renamed": ("conflict_target_stale_after_schema_change", "CREATE TABLE h (a int CONSTRAINT new_name UNIQUE);", "INSERT INTO h VALUES (1) ON CONFLICT ON CONSTRAINT old_name DO NOTHING"),
    "a target column that was renamed": ("conflict_target_stale_after_schema_change", "CREATE TABLE h (source int UNIQUE, b int);", "INSERT INTO h (source, b) VALUES (1, 2) ON CONFLICT (src) DO UPDATE SET b = 3"),
    "MERGE meets a row twice": ("duplicate_in_batch", "CREATE TABLE h (a int, b int); INSERT INTO h VALUES (1, 1);", "MERGE INTO h USING (VALUES (1, 2), (1, 3)) AS s (a, b) ON h.a = s.a WHEN MATCHED THEN UPDATE SET b = s.b"),
    "citext folds two rows into one": ("duplicate_in_batch", "CREATE TABLE h (a char(5) UNIQUE, b int);", "INSERT INTO h VALUES ('x', 1), ('x  ', 2) ON CONFLICT (a) DO UPDATE SET b = excluded.b"),
    "a whole table loaded twice": ("rows_loaded_twice", "CREATE TABLE h (id serial PRIMARY KEY, a int, b text); INSERT INTO h (a, b) VALUES (1, 'x'), (2, 'y'), (3, 'z'), (1, 'x'), (2, 'y'), (3, 'z');", "ALTER TABLE h ADD CONSTRAINT h_a UNIQUE (a)"),
    "an id left out where nothing fills it": ("null_in_key", "CREATE TABLE h (id uuid PRIMARY KEY, a int);", "INSERT INTO h (a) VALUES (1)"),
    "a batch with gaps": ("heterogeneous_rows_null_fill", "CREATE TABLE h (id int PRIMARY KEY, a int NOT NULL DEFAULT 0);", "INSERT INTO h (id, a) VALUES (1, 1), (2, NULL)"),
    "NULL over a default": ("explicit_null_overrides_default", "CREATE TABLE h (id int PRIMARY KEY, made timestamptz NOT NULL DEFAULT now());", "INSERT INTO h (id, made) VALUES (1, NULL)"),
    "a key over NULLs": ("null_in_key_blocks_not_null", "CREATE TABLE h (a int); INSERT INTO h VALUES (NULL);", "ALTER TABLE h ADD PRIMARY KEY (a)"),
    "a check that old rows break": ("check_violation", "CREATE TABLE h (a int); INSERT INTO h VALUES (-1);", "ALTER TABLE h ADD CONSTRAINT positive CHECK (a > 0)"),
    "a domain": ("check_violation", "CREATE DOMAIN positive AS int CHECK (VALUE > 0); CREATE TABLE h (a positive);", "INSERT INTO h VALUES (-1)"),
    "no partition for it": ("no_partition_for_row", "CREATE TABLE h (a int) PARTITION BY RANGE (a); CREATE TABLE h1 PARTITION OF h FOR VALUES FROM (0) TO (10);", "INSERT INTO h VALUES (99)"),
    "a foreign key over orphans": ("fk_parent_missing", "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (p int); INSERT INTO c VALUES (7);", "ALTER TABLE c ADD FOREIGN KEY (p) REFERENCES p"),
    "child first, parent after": ("fk_order", "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (p int REFERENCES p);", "INSERT INTO c VALUES (7); INSERT INTO p VALUES (7)"),
    "the id of a parent changed": ("fk_child_blocks_delete", "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (p int REFERENCES p); INSERT INTO p VALUES (1); INSERT INTO c VALUES (1);", "UPDATE p SET id = 2"),
    "two columns changed places": ("column_order_mismatch", "CREATE TABLE h (id uuid, n int, b text);", "INSERT INTO h VALUES (5, '6b1f1f1e-0000-4000-8000-000000000000', 'x')"),
    "more values than columns": ("column_order_mismatch", "CREATE TABLE h (a int);", "INSERT INTO h VALUES (1, 2)"),
    "an enum without that word": ("invalid_text_representation", "CREATE TYPE mood AS ENUM ('good'); CREATE TABLE h (a mood);", "INSERT INTO h VALUES ('bad')"),
    "JSON that is none": ("invalid_text_representation", "CREATE TABLE h (a jsonb);", "INSERT INTO h VALUES ('{a:1}')"),
    "a stamp that is none": ("datetime_format", "CREATE TABLE h (a timestamptz);", "INSERT INTO h VALUES ('yesterdayish')"),
    "a number with too many digits": ("numeric_out_of_range", "CREATE TABLE h (a numeric(5,2));", "INSERT INTO h VALUES (12345.6)"),
    "a sequence at its end": ("sequence_exhausted", "CREATE SEQUENCE s MINVALUE 0 MAXVALUE 1 START 1; SELECT nextval('s'); CREATE TABLE h (a int DEFAULT nextval('s'), b int);", "INSERT INTO h (b) VALUES (1)"),
    "text to integer needs USING": ("alter_type_needs_using", "CREATE TABLE h (a text);", "ALTER TABLE h ALTER a TYPE integer"),
    "a column twice": ("migration_not_idempotent", "CREATE TABLE h (a int);", "ALTER TABLE h ADD COLUMN a int"),
    "a table twice": ("migration_not_idempotent", "CREATE TABLE h (a int);", "CREATE TABLE h (a int)"),
    "a type under a view": ("dependent_objects", "CREATE TABLE h (a int); CREATE VIEW v AS SELECT a FROM h;", "ALTER TABLE h ALTER a TYPE bigint"),
    "an identity in SET": ("identity_generated_always", "CREATE TABLE h (a int GENERATED ALWAYS AS IDENTITY, b int); INSERT INTO h (b) VALUES (1);", "UPDATE h SET a = 5"),
    "the table is in another schema": ("schema_or_role_mismatch", "CREATE SCHEMA app; CREATE TABLE app.orders (id int);", "INSERT INTO orders VALUES (1)"),
    "a quoted name in another case": ("column_missing_in_target", 'CREATE TABLE h ("Id" int);', "INSERT INTO h (id) VALUES (1)"),
    "a partial parent key": ("fk_target_not_unique", "CREATE TABLE p (id int); CREATE UNIQUE INDEX ON p (id) WHERE id > 0; CREATE TABLE c (p int);", "ALTER TABLE c ADD FOREIGN KEY (p) REFERENCES p (id)"),
    "too long for an index": ("index_row_too_large", "CREATE TABLE h (a text UNIQUE);", "INSERT INTO h SELECT string_agg(md5(i::text), '') FROM generate_series(1, 2000) i"),
    "a trigger says no": ("trigger_refused", "CREATE TABLE h (a int); CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''closed on sundays''; END'; CREATE TRIGGER t BEFORE INSERT ON h FOR EACH ROW EXECUTE FUNCTION no();", "INSERT INTO h VALUES (1)"),
    "a prepared statement that is gone": ("pooler_prepared_statement", "", "EXECUTE s0"),
    "the same columns in another order": ("column_order_mismatch", "CREATE TABLE s (b text, a int); INSERT INTO s VALUES ('x', 1); CREATE TABLE h (a int, b text);", "INSERT INTO h SELECT * FROM s"),
    "the rule is on the other schema's table": ("constraint_not_visible_to_client", "CREATE SCHEMA app; CREATE TABLE app.h (a int UNIQUE); CREATE TABLE h (a int);", "INSERT INTO h VALUES (1) ON CONFLICT (a) DO NOTHING"),
    "a constraint that was dropped before": ("migration_not_idempotent", "CREATE TABLE h (a int);", "ALTER TABLE h DROP CONSTRAINT h_a_key"),
    "NULL over an identity": ("explicit_null_overrides_default", "CREATE TABLE h (id int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, a int);", "INSERT INTO h (id, a) VALUES (NULL, 1)"),
    "NULLs under NULLS NOT DISTINCT": ("null_in_key_duplicates_under_nulls_not_distinct", "CREATE TABLE h (a int, b int); INSERT INTO h VALUES (1, NULL), (1, NULL);", "CREATE UNIQUE INDEX h_ab ON h (a, b) NULLS NOT DISTINCT"),
}  # fmt: skip

CACHE = "CREATE TABLE hosts (id INTEGER PRIMARY KEY, name TEXT UNIQUE, env TEXT NOT NULL DEFAULT 'live');"

SQLITE = {
    "an id that stands for something else": ("id_collision_different_entity", CACHE + "INSERT INTO hosts VALUES (225, 'web-01', 'live');", "INSERT INTO hosts VALUES (225, 'db-07', 'live')"),
    "the same host again": ("id_already_exists_same_entity", CACHE + "INSERT INTO hosts VALUES (225, 'web-01', 'live');", "INSERT INTO hosts (id, name) VALUES (225, 'web-01')"),
    "a rename onto another": ("rename_collides_with_existing_row", CACHE + "INSERT INTO hosts VALUES (1, 'a', 'x'), (2, 'b', 'x');", "UPDATE hosts SET name = 'b' WHERE id = 1"),
    "twice in one insert": ("duplicate_in_batch", CACHE, "INSERT INTO hosts (id, name) VALUES (1, 'a'), (2, 'a')"),
    "an upsert on the id hits the name": ("other_unique_violated", CACHE + "INSERT INTO hosts VALUES (1, 'a', 'x'), (2, 'b', 'x');", "INSERT INTO hosts (id, name) VALUES (1, 'b') ON CONFLICT (id) DO UPDATE SET name = excluded.name"),
    "a target column twice": ("conflict_target_wrong_columns", "CREATE TABLE h (a UNIQUE, b);", "INSERT INTO h VALUES (1, 2) ON CONFLICT (a, a) DO NOTHING"),
    "a stronger predicate": ("partial_index_predicate_not_in_on_conflict", "CREATE TABLE h (id INTEGER PRIMARY KEY, a, d); CREATE UNIQUE INDEX i ON h (a) WHERE d IS NULL;", "INSERT INTO h VALUES (1, 2, 3) ON CONFLICT (a) WHERE d IS NULL AND a > 0 DO NOTHING"),
    "another function of the same meaning": ("expression_index_mismatch", "CREATE TABLE h (a, b); CREATE UNIQUE INDEX i ON h (ifnull(a, 0));", "INSERT INTO h VALUES (1, 2) ON CONFLICT (coalesce(a, 0)) DO NOTHING"),
    "a collation in the target": ("collation_in_target", "CREATE TABLE h (a TEXT COLLATE NOCASE UNIQUE);", "INSERT INTO h VALUES ('x') ON CONFLICT (a COLLATE binary) DO NOTHING"),
    "NULL over a default": ("explicit_null_overrides_default", CACHE, "INSERT INTO hosts VALUES (1, 'a', NULL)"),
    "a batch with gaps": ("heterogeneous_rows_null_fill", CACHE, "INSERT INTO hosts VALUES (1, 'a', 'x'), (2, 'b', NULL)"),
    "a delete under a child": ("fk_child_blocks_delete", "PRAGMA foreign_keys = ON; CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (p REFERENCES p); INSERT INTO p VALUES (1); INSERT INTO c VALUES (1);", "DELETE FROM p"),
    "a replace under a child": ("replace_cascade_delete", "PRAGMA foreign_keys = ON; CREATE TABLE p (id INTEGER PRIMARY KEY, n UNIQUE); CREATE TABLE c (p REFERENCES p); INSERT INTO p VALUES (1, 'a'); INSERT INTO c VALUES (1);", "INSERT OR REPLACE INTO p VALUES (2, 'a')"),
    "no such table": ("table_missing", CACHE, "INSERT INTO host VALUES (1)"),
    "a column twice": ("migration_not_idempotent", CACHE, "ALTER TABLE hosts ADD COLUMN env TEXT"),
    "an index twice": ("migration_not_idempotent", CACHE + "CREATE INDEX i ON hosts (env);", "CREATE INDEX i ON hosts (env)"),
    "a stored column": ("non_constant_default", CACHE + "INSERT INTO hosts VALUES (1, 'a', 'x');", "ALTER TABLE hosts ADD COLUMN up TEXT AS (upper(name)) STORED"),
    "ALTER COLUMN": ("alter_unsupported_in_sqlite", CACHE, "ALTER TABLE hosts ALTER COLUMN env SET NOT NULL"),
    "ADD CONSTRAINT": ("alter_unsupported_in_sqlite", CACHE, "ALTER TABLE hosts ADD CONSTRAINT u UNIQUE (env)"),
    "a column under an index": ("dependent_objects", CACHE + "CREATE INDEX i ON hosts (env);", "ALTER TABLE hosts DROP COLUMN env"),
    "a trigger says no": ("trigger_refused", CACHE + "CREATE TRIGGER t BEFORE INSERT ON hosts BEGIN SELECT RAISE(ABORT, 'closed'); END;", "INSERT INTO hosts (name) VALUES ('a')"),
    "too few values": ("column_order_mismatch", CACHE, "INSERT INTO hosts VALUES (1)"),
    "columns in another order": ("column_order_mismatch", "CREATE TABLE h (id INTEGER PRIMARY KEY, n TEXT);", "INSERT INTO h VALUES ('web', 7)"),
    "rows doubled under a key to be": ("duplicate_rows_block_unique", "CREATE TABLE h (id INTEGER PRIMARY KEY, a, b); INSERT INTO h VALUES (1, 1, 'x'), (2, 1, 'y'), (3, 2, 'z');", "CREATE UNIQUE INDEX i ON h (a)"),
    "everything loaded twice": ("rows_loaded_twice", "CREATE TABLE h (id INTEGER PRIMARY KEY, a, b); INSERT INTO h (a, b) VALUES (1, 'x'), (2, 'y'), (1, 'x'), (2, 'y');", "CREATE UNIQUE INDEX i ON h (a)"),
    "a write on a read-only file": ("read_only_file", CACHE + "PRAGMA query_only = ON;", "INSERT INTO hosts (name) VALUES ('a')"),
    "VACUUM within a transaction": ("ddl_in_transaction", CACHE, "BEGIN; VACUUM"),
    "a rule lost in a rebuild": ("constraint_lost_in_rebuild", "CREATE TABLE t (id INTEGER PRIMARY KEY, a UNIQUE); CREATE TABLE n AS SELECT * FROM t; DROP TABLE t; ALTER TABLE n RENAME TO t;", "INSERT INTO t VALUES (1, 2) ON CONFLICT (a) DO NOTHING"),
    "a generated column in SET": ("generated_column_written", "CREATE TABLE h (a, g AS (a)); INSERT INTO h VALUES (1);", "UPDATE h SET g = 2"),
}  # fmt: skip

BROKEN = {
    **{f"PostgreSQL: {name}": Broken("postgresql", *case) for name, case in POSTGRES.items()},
    **{f"SQLite: {name}": Broken("sqlite", *case) for name, case in SQLITE.items()},
}
