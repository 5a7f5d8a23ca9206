"""Our own tables in a target: runs, markers of committed stages, images of written rows."""

from syncnb.journal.accepted import read_accepted, store_accepted
from syncnb.journal.bases import (
    BaseRow,
    Shape,
    base_size,
    drop_bases,
    prune_bases,
    read_bases,
    shapes_of,
    store_bases,
    undone,
)
from syncnb.journal.capture import own_writes
from syncnb.journal.ddl import install_sql
from syncnb.journal.id_maps import read_id_maps, store_id_maps
from syncnb.journal.imaging import Purge, purge, read_images, store_images
from syncnb.journal.installing import install, is_installed, store_id, version
from syncnb.journal.outside import ALLOWED, Intent, intents, keep_intent, open_outside
from syncnb.journal.reading import both_journals, journal_connection, journal_for, last_run_of
from syncnb.journal.recording import (
    Marker,
    Run,
    begin_run,
    finish_run,
    give_up,
    last_run,
    mark,
    marker,
    renew,
    retarget,
    run_report,
    runs,
    settle,
)
from syncnb.journal.rights import missing_rights
from syncnb.journal.syncs import (
    Begun,
    abandon_sync,
    aim_sync,
    alive,
    begin_sync,
    end_sync,
    last_audit,
    last_mark,
    unfinished_syncs,
)
from syncnb.journal.tables import SCHEMA, VERSION

__all__ = [
    "ALLOWED",
    "SCHEMA",
    "VERSION",
    "BaseRow",
    "Begun",
    "Intent",
    "Marker",
    "Purge",
    "Run",
    "Shape",
    "abandon_sync",
    "aim_sync",
    "alive",
    "base_size",
    "begin_run",
    "begin_sync",
    "both_journals",
    "drop_bases",
    "end_sync",
    "finish_run",
    "give_up",
    "install",
    "install_sql",
    "intents",
    "is_installed",
    "journal_connection",
    "journal_for",
    "keep_intent",
    "last_audit",
    "last_mark",
    "last_run",
    "last_run_of",
    "mark",
    "marker",
    "missing_rights",
    "open_outside",
    "own_writes",
    "prune_bases",
    "purge",
    "read_accepted",
    "read_bases",
    "read_id_maps",
    "read_images",
    "renew",
    "retarget",
    "run_report",
    "runs",
    "settle",
    "shapes_of",
    "store_accepted",
    "store_bases",
    "store_id",
    "store_id_maps",
    "store_images",
    "undone",
    "unfinished_syncs",
    "version",
]
