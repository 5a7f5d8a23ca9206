"""`syncnb show`: a saved plan, without a database."""

from collections.abc import Sequence

from syncnb.cli.arguments import Parser
from syncnb.cli.plans import loaded, plan_text
from syncnb.errors import PlanError

__all__ = ["run"]


def run(argv: Sequence[str]) -> int:
    """Show what a saved plan will write. Connects to nothing."""
    parser = Parser("show", "Show what a saved plan will write. No database is needed.")
    parser.add_argument("plan", metavar="FILE.json")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--sql", action="store_true", help="the statements, to read and to copy")
    form.add_argument(
        "--grants", metavar="ROLE", help="what this role must be allowed, as statements for an administrator"
    )
    form.add_argument("--all", action="store_true", help="every cell, not only the first ten")
    options = parser.parse_args(argv)
    plan = loaded(options.plan)
    if options.sql and not plan.whole:
        raise PlanError(
            "this plan was saved without its values", hint="leave out --sql, or take the one with values"
        )
    if options.grants:
        from syncnb.planning import required_grants

        print(required_grants(plan, role=options.grants).sql, end="")
        return 0
    print(plan.sql() if options.sql else plan_text(plan, whole=options.all))
    return 0
