"""Our own tables in a target: runs, markers of committed stages, images of written rows."""

from syncnb.journal.accepted import read_accepted, store_accepted
from syncnb.journal.capture import own_writes
from syncnb.journal.ddl import install_sql
from syncnb.journal.id_maps import read_id_maps, store_id_maps
from syncnb.journal.imaging import Purge, last_step, purge, read_images, read_parts, store_images, store_step
from syncnb.journal.installing import install, is_installed, store_id, version
from syncnb.journal.outside import ALLOWED, Intent, intents, keep_intent, open_outside
from syncnb.journal.reading import both_journals, journal_connection, journal_for, last_run_of, within
from syncnb.journal.recording import (
    Marker,
    Run,
    begin_run,
    finish_run,
    last_run,
    mark,
    marker,
    renew,
    run_report,
    runs,
    settle,
)
from syncnb.journal.rights import missing_rights
from syncnb.journal.tables import SCHEMA, VERSION

__all__ = [
    "ALLOWED",
    "SCHEMA",
    "VERSION",
    "Intent",
    "Marker",
    "Purge",
    "Run",
    "begin_run",
    "both_journals",
    "finish_run",
    "install",
    "install_sql",
    "intents",
    "is_installed",
    "journal_connection",
    "journal_for",
    "keep_intent",
    "last_run",
    "last_run_of",
    "last_step",
    "mark",
    "marker",
    "missing_rights",
    "open_outside",
    "own_writes",
    "purge",
    "read_accepted",
    "read_id_maps",
    "read_images",
    "read_parts",
    "renew",
    "run_report",
    "runs",
    "settle",
    "store_accepted",
    "store_id",
    "store_id_maps",
    "store_images",
    "store_step",
    "version",
    "within",
]
