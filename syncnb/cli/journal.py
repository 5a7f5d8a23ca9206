"""`syncnb journal`: the script that makes the journal, for an administrator to run."""

from collections.abc import Sequence

from syncnb.cli.arguments import Parser
from syncnb.cli.opening import STORES, opened
from syncnb.errors import SyncnbError

__all__ = ["run"]

DIALECTS = ("postgresql", "sqlite")
EPILOG = f"""`syncnb apply` makes the journal by itself where its role may. Where it may not, an administrator
runs this script once; it may be run again.

{STORES}"""


def run(argv: Sequence[str]) -> int:
    """Print the script. Writes nothing."""
    parser = Parser("journal", "Print what makes the journal, for an administrator to run.", epilog=EPILOG)
    parser.add_argument(
        "--sql", metavar="STORE", required=True, help="for this database; or just postgresql, or sqlite"
    )
    parser.add_argument("--role", metavar="NAME", help="the role that shall use it gets what it needs")
    options = parser.parse_args(argv)
    dialect = options.sql if options.sql in DIALECTS else opened(options.sql, "STORE").dialect
    if options.role and dialect != "postgresql":
        raise SyncnbError("SQLite knows no roles", hint="leave --role out: who may write the file may use it")

    from syncnb.journal import install_sql

    print(install_sql(dialect, role=options.role), end="")
    return 0
