BEGIN TRANSACTION;
CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT, load REAL, data BLOB);
INSERT INTO "items" VALUES(1,'uno',-0.5,X'00FF');
INSERT INTO "items" VALUES(2,'ü "quoted"',1.0e+300,X'78');
INSERT INTO "items" VALUES(4,'',4.5,NULL);
CREATE TABLE syncnb_images (
	run INTEGER NOT NULL, 
	step INTEGER NOT NULL, 
	part INTEGER NOT NULL, 
	payload TEXT NOT NULL, 
	PRIMARY KEY (run, step, part), 
	FOREIGN KEY(run) REFERENCES syncnb_runs (run)
);
INSERT INTO "syncnb_images" VALUES(1,1,1,'{"after":[{"type":"int64","values":[4]},{"type":"string","values":[""]},{"type":"double","values":[4.5]},{"type":"null","values":1}],"before":[],"columns":["id","name","load","data"],"key":["id"],"keys":[{"type":"int64","values":[4]}],"path":["items"],"table":"items","verb":"insert"}');
INSERT INTO "syncnb_images" VALUES(1,2,1,'{"after":[{"type":"int64","values":[1]},{"type":"string","values":["uno"]},{"type":"double","values":[-0.5]},{"type":"binary","values":["AP8="]}],"before":[{"type":"int64","values":[1]},{"type":"string","values":["one"]},{"type":"double","values":[-0.5]},{"type":"binary","values":["AP8="]}],"columns":["id","name","load","data"],"key":["id"],"keys":[{"type":"int64","values":[1]}],"path":["items"],"table":"items","verb":"update"}');
INSERT INTO "syncnb_images" VALUES(1,3,1,'{"after":[{"type":"int64","values":[2]},{"type":"string","values":["ü \"quoted\""]},{"type":"double","values":[1e+300]},{"type":"binary","values":["eA=="]}],"before":[{"type":"int64","values":[2]},{"type":"null","values":1},{"type":"double","values":[0.25]},{"type":"null","values":1}],"columns":["id","name","load","data"],"key":["id"],"keys":[{"type":"int64","values":[2]}],"path":["items"],"table":"items","verb":"update"}');
INSERT INTO "syncnb_images" VALUES(1,4,1,'{"after":[],"before":[{"type":"int64","values":[3]},{"type":"string","values":["drei"]},{"type":"null","values":1},{"type":"binary","values":[""]}],"columns":["id","name","load","data"],"key":["id"],"keys":[{"type":"int64","values":[3]}],"path":["items"],"table":"items","verb":"delete"}');
CREATE TABLE syncnb_markers (
	plan_id TEXT NOT NULL, 
	stage INTEGER NOT NULL, 
	run INTEGER NOT NULL, 
	at TEXT NOT NULL, 
	PRIMARY KEY (plan_id, stage), 
	FOREIGN KEY(run) REFERENCES syncnb_runs (run)
);
INSERT INTO "syncnb_markers" VALUES('4f7e40f9b6739b59c232a9992c9944631c11fbb0611f248304d97a0c2a7b8059',0,1,'2026-01-31T12:00:00.000000+00:00');
CREATE TABLE syncnb_meta (
	"key" TEXT NOT NULL, 
	value TEXT NOT NULL, 
	PRIMARY KEY ("key")
);
INSERT INTO "syncnb_meta" VALUES('version','1');
INSERT INTO "syncnb_meta" VALUES('store_id','0123456789abcdef0123456789abcdef');
CREATE TABLE syncnb_runs (
	run INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	plan_id TEXT NOT NULL, 
	source TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	status TEXT NOT NULL, 
	started TEXT NOT NULL, 
	finished TEXT, 
	records INTEGER DEFAULT 0 NOT NULL, 
	inserted INTEGER DEFAULT 0 NOT NULL, 
	updated INTEGER DEFAULT 0 NOT NULL, 
	deleted INTEGER DEFAULT 0 NOT NULL, 
	mapped INTEGER DEFAULT 0 NOT NULL, 
	conflicts_resolved INTEGER DEFAULT 0 NOT NULL, 
	conflicts_open INTEGER DEFAULT 0 NOT NULL, 
	stages INTEGER DEFAULT 1 NOT NULL, 
	caller TEXT, 
	approved_by TEXT, 
	allowed TEXT DEFAULT '[]' NOT NULL, 
	error TEXT, 
	backend TEXT NOT NULL, 
	lease_until TEXT NOT NULL, 
	undo_of INTEGER, 
	report TEXT, 
	digest TEXT, 
	purged TEXT
);
INSERT INTO "syncnb_runs" VALUES(1,'4f7e40f9b6739b59c232a9992c9944631c11fbb0611f248304d97a0c2a7b8059','local.db','apply','success','2026-01-31T12:00:00.000000+00:00','2026-01-31T12:00:00.000000+00:00',4,1,2,1,0,0,0,1,'nightly',NULL,'["deletes"]',NULL,'host 1','2026-01-31T12:05:00.000000+00:00',NULL,'{"guarantee":"the marker is in the same transaction as the rows: a lost answer to COMMIT is settled by it","notes":[],"plan_id":"4f7e40f9b6739b59c232a9992c9944631c11fbb0611f248304d97a0c2a7b8059","results":[],"run":1,"status":"applied","totals":{"items":{"deleted":1,"inserted":1,"rejected":0,"updated":2}}}',NULL,NULL);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('syncnb_runs',1);
COMMIT;
