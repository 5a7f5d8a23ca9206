"""The 84 faults that syncnb is made for: what may happen, and what then must."""

from typing import NamedTuple

__all__ = ["FAULTS", "NOT_PROVED", "Fault"]


class Fault(NamedTuple):
    name: str
    expected: str


FAULTS: dict[int, Fault] = {
    # process, transport, storage
    1: Fault(
        "killed before COMMIT",
        "nothing is written; the next start says that the run failed, and the plan can be applied",
    ),
    2: Fault(
        "killed after COMMIT, before its bookkeeping",
        "the next start finds the marker, does what is left, and applies nothing twice",
    ),
    3: Fault(
        "the connection is cut while COMMIT is under way",
        "asked again by the marker: applied or not written, never guessed",
    ),
    4: Fault(
        "the connection is cut in the middle of COPY",
        "nothing stays, the error names the table, and the plan can be applied again",
    ),
    5: Fault(
        "Ctrl-C while the server works",
        "the server is told to stop, nothing is written, the journal says how it ended",
    ),
    6: Fault("Ctrl-C between COMMIT and its bookkeeping", "what was committed is also told by the journal"),
    7: Fault("a cell is run again", "the stored report comes back, and nothing is written"),
    8: Fault("two processes apply one plan", "one writes, the other gets its report"),
    9: Fault("two plans for one row", "the second is refused by name; the first one's value stays"),
    10: Fault("deadlock", "the whole transaction is tried again, because no COMMIT was sent"),
    11: Fault(
        "a row is locked by somebody else", "it is waited for briefly, then told; nobody waits without end"
    ),
    12: Fault(
        "the server's time limit for a statement",
        "nothing is written, and the error says which setting it is; our own settings end with the transaction",
    ),
    13: Fault("serialization failure", "the whole transaction is tried again"),
    14: Fault("a session that idles in a transaction is ended", "no transaction is open between two calls"),
    15: Fault("COMMIT answers ROLLBACK", "it is an error, not a success"),
    16: Fault("the server ends the session", "as a lost connection: the marker tells what happened"),
    17: Fault("the disk is full", "everything is rolled back, and the error says so"),
    18: Fault(
        "SQLite is busy", "the write lock is taken first, so that no snapshot is outdated in the middle"
    ),
    19: Fault(
        "the local file was replaced", "what was captured is no longer trusted: everything is compared"
    ),
    20: Fault(
        "a file in a folder of the network or of a cloud", "the store says that its locks may not hold"
    ),
    21: Fault(
        "a damaged or hostile SQLite file",
        "an error that says so; views cannot call functions that reach out",
    ),
    22: Fault(
        "a pooler that changes the session between transactions",
        "nothing of ours needs or outlives a transaction",
    ),
    23: Fault(
        "a role or server that can only read", "refused before anything is written, with the right that lacks"
    ),
    24: Fault("a huge value", "compared whole, shown short with its length"),
    25: Fault("everything differs", "a hazard that must be allowed: the key or the filter may be wrong"),
    # concurrency, schema, structure
    26: Fault(
        "a row changed since the preview", "refused with what it was and what it is; nothing is written"
    ),
    27: Fault("a row was deleted since the preview", "refused as gone; it does not come back"),
    28: Fault("a table was altered since the preview", "refused before anything is written"),
    29: Fault(
        "ALTER waits, and everybody waits behind it", "it waits briefly at a time, and lets the others pass"
    ),
    30: Fault("no primary key", "compared as a multiset, never written"),
    31: Fault("NULL in a key", "told as not compared, and not inserted anew each time"),
    32: Fault("two rows of one key in the source", "found before the database does; neither is written"),
    33: Fault(
        "keys of several types in one column", "told apart by type; one that the target cannot hold is named"
    ),
    34: Fault(
        "a column whose equality is coarser than identity",
        "keys that the target takes for one are found before they are written",
    ),
    35: Fault("two forms of one letter", "they differ, and the reason says that they look identical"),
    36: Fault("text that is too long, blanks that are cut", "named in the plan before anything is written"),
    37: Fault("a number is rounded by its column", "named before; nothing is rounded in silence"),
    38: Fault(
        "generated and identity columns",
        "left out or overridden; sequences are set forward behind explicit ids",
    ),
    39: Fault("a trigger changes a value", "accepted and told, or refused; not passed back and forth"),
    40: Fault("a trigger, rule or view swallows a row", "an error, and nothing is written"),
    41: Fault("a row that cannot be seen after it was written", "found when it is read again; rolled back"),
    42: Fault("row-level security hides rows", "hidden rows are no missing rows: told, and a hazard"),
    43: Fault("parents and children", "parents are inserted first, children deleted first"),
    44: Fault(
        "tables that refer to each other",
        "deferred, or inserted without the reference, which is set afterwards",
    ),
    45: Fault("a deferred constraint fails", "nothing is written, and the constraint is named"),
    46: Fault("rows exchange unique values", "written all the same, in steps of one transaction"),
    47: Fault("a deferrable rule as target of ON CONFLICT", "told beforehand why it cannot be"),
    48: Fault("one row hits two others", "left open, with both of them"),
    49: Fault("NULLs are distinct here and not there", "told before an upsert doubles them"),
    50: Fault("no partition for a row", "refused by the row, with the reason"),
    51: Fault("a delete takes children along", "a hazard with their number; they are kept for an undo"),
    52: Fault("altering a SQLite table by rebuilding it", "not rebuilt: triggers, indexes and children stay"),
    53: Fault("a script that commits first", "no step of an alteration outlives its failure"),
    # values and time
    54: Fault("NUL in text", "named by its cell in the plan, never stripped"),
    55: Fault("text that is no UTF-8", "one odd value; the table is read to its end"),
    56: Fault("half a surrogate pair", "refused by name where it is given"),
    57: Fault("NaN and infinity", "NaN is NaN; where it would become NULL it is refused"),
    58: Fault("integers beyond the column", "named in the plan; never through a float"),
    59: Fault("decimals with many digits", "compared digit by digit; a loss is named"),
    60: Fault("integers and texts in a DataFrame", "no NULL makes them floats, no '007' becomes 7"),
    61: Fault("float4", "compared as float4"),
    62: Fault("dates that Python does not have", "one odd value; the table is read to its end"),
    63: Fault("intervals of months", "months, days and time stay apart"),
    64: Fault("json and jsonb", "jsonb by meaning, json by its text"),
    65: Fault(
        "stamps without a zone",
        "no instant until a zone is declared; an hour that came twice decides nothing",
    ),
    66: Fault("stamps as text", "put in order as instants"),
    67: Fault("precision below a second", "the coarser one counts; a tie is no winner"),
    68: Fault("two equal stamps", "nobody wins; the row stays open"),
    69: Fault(
        "clocks that are apart",
        "measured; stamps closer than that decide nothing, nor do those of the future",
    ),
    70: Fault(
        "a late commit with an early stamp", "what is pending is known by key, not by a cursor over time"
    ),
    # security and misuse
    71: Fault("SQL in names, values and filters", "quoted and bound; the catalogue stays as it is"),
    72: Fault("a misspelt column in quotes", "an error, not a text"),
    73: Fault("several statements in one", "sent with parameters or refused"),
    74: Fault("HTML in what is shown", "shown as text"),
    75: Fault("a password in a message", "masked wherever it could appear"),
    76: Fault(
        "personal data in the server's DETAIL", "left out of messages; rows that are kept can be purged"
    ),
    77: Fault("a plan file that was edited, or is for another database", "refused"),
    78: Fault("a plan file that runs code", "JSON of known fields, and nothing else"),
    79: Fault("hostile triggers run with our rights", "a superuser is warned"),
    80: Fault("search_path points elsewhere", "names are qualified"),
    81: Fault("TLS that proves nothing", "a server elsewhere must prove who it is, unless told otherwise"),
    82: Fault("formulas in exported CSV", "shown as text by a spreadsheet"),
    83: Fault("our own writes come back as changes", "not captured"),
    84: Fault("changes that capture missed", "found by its check, and then everything is compared"),
}

NOT_PROVED: dict[int, str] = {}
"""Faults without a test that fails when the handling is gone, and why."""
