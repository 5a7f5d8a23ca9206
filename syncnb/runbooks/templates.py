"""Templates of runbooks: the seven headings, one cell to edit, and nothing written until it says so."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from syncnb.errors import SyncnbError
from syncnb.rendering.notebooks import notebook, write_new

__all__ = ["TEMPLATES", "write_template"]


@dataclass(frozen=True)
class Template:
    """What one kind of runbook has of its own; the rest is the same in all."""

    what: str
    """In one line, for the command's help."""
    title: str
    when: str
    changes: str
    settings: str
    connect: str
    look: tuple[str, ...]
    """Text and code in turn, beginning with text."""
    decide: tuple[str, ...]
    act: str
    """The one cell that writes; it sets `r`, or `done`."""
    proof: str
    back: str

    def cells(self) -> Iterator[tuple[str, str]]:
        """Kind and source of each cell."""
        yield "markdown", TITLE.format(title=self.title, when=self.when, changes=self.changes)
        yield "markdown", SETTINGS
        yield "parameters", self.settings + COMMON
        yield "markdown", CONNECT
        yield "code", self.connect
        for heading, parts in (("Look", self.look), ("Decide", self.decide)):
            for at, part in enumerate(parts):
                if at % 2:
                    yield "code", part
                else:
                    yield "markdown", f"## {heading}\n\n{part}" if at == 0 else part
        yield "markdown", ACT
        yield "code", self.act
        yield "code", self.proof
        yield "markdown", BACK
        yield "code", self.back


def write_template(name: str, path: Path) -> None:
    """Write a new runbook. Raises SyncnbError for an unknown template, or where a file cannot be made there."""
    if name not in TEMPLATES:
        raise SyncnbError(f"there is no template {name!r}", hint=f"the templates are {', '.join(TEMPLATES)}")
    write_new(path, notebook(TEMPLATES[name].cells()))


TITLE = """
# {title}

Say in a sentence what this runbook is for.

* **When to use it:** {when}
* **What it can change:** {changes}; nothing while `WRITE` is `False`.
* **How to take it back:** the last section does, and so can anybody later, by the number of the run.
"""
SETTINGS = """
## Settings

The only cell to edit. The address and the password of the remote database stay in an environment variable: here stands
its name.
"""
COMMON = """AUTHOR = ""  # who approved it, for the journal
ALLOW = ()  # hazards that are permitted, such as ("deletes",)
WRITE = False
"""
CONNECT = """
## Connect

You should see both sides, and which of them may be written. If this fails, nothing else is tried.
"""
ACT = """
## Act and confirm

The next cell is the only one that writes, and only where `WRITE` is `True`. The one after it reads everything again, and
fails where a line does not hold.
"""
BACK = """
## Take it back

Remove the `#` to undo what this notebook wrote: a plan like any other, which refuses rows that were changed since. You
should see the runs of this database.
"""
OPEN_BOTH = """
import syncnb as sn

local = sn.connect(LOCAL, timezone=TIMEZONE)
remote = sn.connect(env=REMOTE_ENV, writable=WRITE)
print(local, remote, sep="\\n")
"""
APPLY = """
r = sn.apply(p, remote, allow=ALLOW, approved_by=AUTHOR or None) if WRITE else None
r if WRITE else "nothing was written: WRITE is False"
"""
PROOF = """
proof = sn.verify(r, remote) if r is not None else None
assert r is None or proof, proof
proof if r is not None else "nothing to prove"
"""
UNDO = """
# sn.apply(sn.undo(r, remote), remote)
sn.history(remote)
"""
SYNCED = """
assert done is None or done, done
done if done is not None else "nothing to prove"
"""
UNDO_SYNC = """
# for run in done.reports: sn.apply(sn.undo(run, remote), remote)
sn.history(remote)
"""
TWO = """LOCAL = "cache.db"  # a path
REMOTE_ENV = "REMOTE_URL"  # the name of the variable that holds the address
TABLES = None  # a list of names; None: all that both sides have
TIMEZONE = None  # of stamps without a zone in LOCAL, such as "UTC"
"""
NEWEST = """STAMP = "updated_at"  # the column that says what is newer; or {"hosts": "last_seen", "*": "updated_at"}
"""

TEMPLATES = {
    "diff": Template(
        what="compare two databases, and bring over what the remote lacks",
        title="What differs, and what is missing",
        when="somebody says that two databases are not the same.",
        changes="rows that the remote database lacks are inserted",
        settings=TWO,
        connect=OPEN_BOTH,
        look=(
            "You should see a line for each table. Good is `equal`: then the rest does nothing.",
            "d = sn.diff(local, remote, TABLES)\nd",
            "The first tables that differ, cell by cell, and why.",
            'different = [table for table in d.tables if table.verdict == "different"]\ndifferent[:3]',
        ),
        decide=(
            "Rows that the remote lacks would be inserted, parents first. Rows that differ stay open: nobody wins by "
            'default. `resolve=sn.take_local`, `sn.newest("updated_at")` and others decide.',
            "p = sn.plan(d, into=remote)\np",
        ),
        act=APPLY,
        proof=PROOF,
        back=UNDO,
    ),
    "conflicts": Template(
        what="find out who changed what and which ids are two things, and decide it",
        title="Conflicts, decided with their reasons",
        when="both sides have changed the same rows, or one id is two things.",
        changes="rows of the remote database that differ, as decided here",
        settings=TWO + NEWEST,
        connect=OPEN_BOTH,
        look=(
            "You should see what differs, and how many rows both sides have changed.",
            "d = sn.diff(local, remote, TABLES)\nd",
            "A line for each id that does not mean the same on both sides, and each row that both changed. Good is none.",
            "d.conflicts",
        ),
        decide=(
            "The newer stamp wins where it can be believed; of two things with one id both are kept.",
            'p = sn.plan(d, into=remote, resolve=sn.newest(STAMP), collisions="keep_both")\np',
            "What no rule can tell, a person can: table, key, whose row, why. Such as "
            '`("hosts", 225, "local", "rescanned today")`. `sn.accept` keeps what shall stay different.',
            "choices = []\nfor table, key, side, reason in choices:\n"
            "    p = p.choose(table, key, side, reason=reason, by=AUTHOR)\np.preview()",
        ),
        act=APPLY,
        proof=PROOF,
        back=UNDO,
    ),
    "upsert": Template(
        what="write a file of rows into a database: new ones inserted, others updated",
        title="Rows from outside",
        when="a file or a payload is to be written into a table, all of it or nothing.",
        changes="rows of one table: new ones are inserted, those that differ are updated, no other is touched",
        settings="""FILE = "items.csv"  # or .parquet, .feather, .json
REMOTE_ENV = "REMOTE_URL"  # the name of the variable that holds the address
TABLE = "items"
KEY = ["id"]  # the columns that identify a row
TOUCH = []  # stamps that are set in every row of the file, such as ["last_synced_at"]
SOURCE = None  # what the history calls it
""",
        connect="""
import syncnb as sn

file = sn.connect(FILE)
remote = sn.connect(env=REMOTE_ENV, writable=WRITE)
print(file, remote, sep="\\n")
""",
        look=(
            "Would this upsert fail, or lose something in silence? You should see no finding.",
            "(name,) = [table.name for table in file.inspect()]\nsn.diagnose(remote, tables=TABLE, target=KEY)",
            "You should see how many rows are the same, differ, or are new. What the file lacks is not missing.",
            'told = {"tables": {name: TABLE}, "key": {TABLE: KEY}}\n'
            "d = sn.diff(file, remote, **told, ignore=TOUCH)\nd",
        ),
        decide=(
            "You should see each cell that would be written. A row that breaks a rule is open, with all its reasons.",
            "p = sn.plan(d, into=remote, resolve=sn.take_local)\np",
        ),
        act="""
words = {"touch": TOUCH, "source": SOURCE, "allow": ALLOW, "approved_by": AUTHOR or None}
done = sn.sync(file, remote, **told, **words) if WRITE else None
done if WRITE else "nothing was written: WRITE is False"
""",
        proof=SYNCED,
        back=UNDO_SYNC,
    ),
    "schedule": Template(
        what="pass on what changed, unattended, as a scheduler runs it",
        title="A sync that nobody watches",
        when="a scheduler runs it (`syncnb run`), or a person who wants to see what it would do.",
        changes="rows of the remote database that are new or changed in the local one; triggers that capture "
        "changes are put into the local file",
        settings=TWO + NEWEST,
        connect=OPEN_BOTH.replace("timezone=TIMEZONE)", "timezone=TIMEZONE, writable=WRITE)"),
        look=(
            "You should see what differs by now. Good is little.",
            "d = sn.diff(local, remote, TABLES)\nd",
        ),
        decide=(
            "You should see what would be passed on, and what stays open because no rule decides it.",
            'told = {"resolve": sn.newest(STAMP), "collisions": "keep_both"}\nsn.plan(d, into=remote, **told)',
        ),
        act="""
captured = sn.track(local, TABLES) if WRITE else None
words = {"allow": ALLOW, "approved_by": AUTHOR or None}
done = sn.sync(local, remote, TABLES, **told, **words) if WRITE else None
done if WRITE else "nothing was written: WRITE is False"
""",
        proof=SYNCED,
        back=UNDO_SYNC,
    ),
}
"""By the name that `syncnb new --template` takes."""
