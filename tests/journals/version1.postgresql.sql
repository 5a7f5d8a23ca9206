BEGIN;
CREATE SCHEMA IF NOT EXISTS syncnb;
CREATE TABLE IF NOT EXISTS syncnb.meta (
	key TEXT NOT NULL,
	value TEXT NOT NULL,
	PRIMARY KEY (key)
);
CREATE TABLE IF NOT EXISTS syncnb.runs (
	run BIGINT GENERATED ALWAYS AS IDENTITY,
	plan_id TEXT NOT NULL,
	source TEXT NOT NULL,
	kind TEXT NOT NULL,
	status TEXT NOT NULL,
	started TIMESTAMP WITH TIME ZONE NOT NULL,
	finished TIMESTAMP WITH TIME ZONE,
	records BIGINT DEFAULT 0 NOT NULL,
	inserted BIGINT DEFAULT 0 NOT NULL,
	updated BIGINT DEFAULT 0 NOT NULL,
	deleted BIGINT DEFAULT 0 NOT NULL,
	mapped BIGINT DEFAULT 0 NOT NULL,
	conflicts_resolved BIGINT DEFAULT 0 NOT NULL,
	conflicts_open BIGINT DEFAULT 0 NOT NULL,
	stages INTEGER DEFAULT 1 NOT NULL,
	caller TEXT,
	approved_by TEXT,
	allowed TEXT DEFAULT '[]' NOT NULL,
	error TEXT,
	backend TEXT NOT NULL,
	lease_until TIMESTAMP WITH TIME ZONE NOT NULL,
	undo_of BIGINT,
	report TEXT,
	digest TEXT,
	purged TIMESTAMP WITH TIME ZONE,
	PRIMARY KEY (run)
);
CREATE TABLE IF NOT EXISTS syncnb.markers (
	plan_id TEXT NOT NULL,
	stage INTEGER NOT NULL,
	run BIGINT NOT NULL,
	at TIMESTAMP WITH TIME ZONE NOT NULL,
	PRIMARY KEY (plan_id, stage),
	FOREIGN KEY(run) REFERENCES syncnb.runs (run)
);
CREATE TABLE IF NOT EXISTS syncnb.images (
	run BIGINT NOT NULL,
	step INTEGER NOT NULL,
	part INTEGER NOT NULL,
	payload TEXT NOT NULL,
	PRIMARY KEY (run, step, part),
	FOREIGN KEY(run) REFERENCES syncnb.runs (run)
);
INSERT INTO syncnb.meta (key, value) SELECT 'version' AS key, '1' AS value
WHERE NOT (EXISTS (SELECT syncnb.meta.key
FROM syncnb.meta
WHERE syncnb.meta.key = 'version'));
INSERT INTO syncnb.meta (key, value) SELECT 'store_id' AS key, CAST(gen_random_uuid() AS TEXT) AS value
WHERE NOT (EXISTS (SELECT syncnb.meta.key
FROM syncnb.meta
WHERE syncnb.meta.key = 'store_id'));
UPDATE syncnb.meta SET value='1' WHERE syncnb.meta.key = 'version' AND CAST(syncnb.meta.value AS INTEGER) < 1;

COMMIT;
CREATE TABLE items (id bigint PRIMARY KEY, name text, load float8, data bytea);
INSERT INTO syncnb.meta (key, value) VALUES ('version', '1') ON CONFLICT (key) DO UPDATE SET value = excluded.value;
INSERT INTO syncnb.meta (key, value) VALUES ('store_id', '0123456789abcdef0123456789abcdef') ON CONFLICT (key) DO UPDATE SET value = excluded.value;
INSERT INTO syncnb.runs (run, plan_id, source, kind, status, started, finished, records, inserted, updated, deleted, mapped, conflicts_resolved, conflicts_open, stages, caller, approved_by, allowed, error, backend, lease_until, undo_of, report, digest, purged) OVERRIDING SYSTEM VALUE VALUES (1, 'aec234880333c4ac9f0274f0baf4d051af6559a3d85af81cacf0c941f2c93c83', 'local.db', 'apply', 'success', '2026-01-31 12:00:00+00:00'::timestamptz, '2026-01-31 12:00:00+00:00'::timestamptz, 4, 1, 2, 1, 0, 0, 0, 1, 'nightly', NULL, '["deletes"]', NULL, 'host 1', '2026-01-31 12:05:00+00:00'::timestamptz, NULL, '{"guarantee":"the marker is in the same transaction as the rows: a lost answer to COMMIT is settled by it","notes":[],"plan_id":"aec234880333c4ac9f0274f0baf4d051af6559a3d85af81cacf0c941f2c93c83","results":[],"run":1,"status":"applied","totals":{"items":{"deleted":1,"inserted":1,"rejected":0,"updated":2}}}', NULL, NULL);
INSERT INTO syncnb.markers (plan_id, stage, run, at) VALUES ('aec234880333c4ac9f0274f0baf4d051af6559a3d85af81cacf0c941f2c93c83', 0, 1, '2026-01-31 12:00:00+00:00'::timestamptz);
INSERT INTO syncnb.images (run, step, part, payload) VALUES (1, 1, 1, '{"after":[{"type":"int64","values":[4]},{"type":"string","values":[""]},{"type":"double","values":[4.5]},{"type":"binary","values":[null]}],"before":[],"columns":["id","name","load","data"],"key":["id"],"keys":[{"type":"int64","values":[4]}],"path":["public","items"],"table":"items","verb":"insert"}');
INSERT INTO syncnb.images (run, step, part, payload) VALUES (1, 2, 1, '{"after":[{"type":"int64","values":[1]},{"type":"string","values":["uno"]},{"type":"double","values":[-0.5]},{"type":"binary","values":["AP8="]}],"before":[{"type":"int64","values":[1]},{"type":"string","values":["one"]},{"type":"double","values":[-0.5]},{"type":"binary","values":["AP8="]}],"columns":["id","name","load","data"],"key":["id"],"keys":[{"type":"int64","values":[1]}],"path":["public","items"],"table":"items","verb":"update"}');
INSERT INTO syncnb.images (run, step, part, payload) VALUES (1, 3, 1,  E'{"after":[{"type":"int64","values":[2]},{"type":"string","values":["ü \\"quoted\\""]},{"type":"double","values":[1e+300]},{"type":"binary","values":["eA=="]}],"before":[{"type":"int64","values":[2]},{"type":"string","values":[null]},{"type":"double","values":[0.25]},{"type":"binary","values":[null]}],"columns":["id","name","load","data"],"key":["id"],"keys":[{"type":"int64","values":[2]}],"path":["public","items"],"table":"items","verb":"update"}');
INSERT INTO syncnb.images (run, step, part, payload) VALUES (1, 4, 1, '{"after":[],"before":[{"type":"int64","values":[3]},{"type":"string","values":["drei"]},{"type":"double","values":[null]},{"type":"binary","values":[""]}],"columns":["id","name","load","data"],"key":["id"],"keys":[{"type":"int64","values":[3]}],"path":["public","items"],"table":"items","verb":"delete"}');
INSERT INTO items (id, name, load, data) VALUES (4, '', 4.5, NULL);
INSERT INTO items (id, name, load, data) VALUES (1, 'uno',  -0.5, '\x00ff'::bytea);
INSERT INTO items (id, name, load, data) VALUES (2, 'ü "quoted"', 1e+300, '\x78'::bytea);
SELECT setval(pg_get_serial_sequence('syncnb.runs', 'run'), 1);
