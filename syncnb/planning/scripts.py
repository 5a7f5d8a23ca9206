"""A migration as files that others run: SQL for psql and sqlite3, and a revision of Alembic."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from syncnb.errors import PlanError
from syncnb.filing import writing_whole
from syncnb.planning.staged import stage_lines
from syncnb.steps import Block, Stage, Step
from syncnb.stores.altering import statements

if TYPE_CHECKING:
    from syncnb.planning.plans import Plan

__all__ = ["save_alembic", "save_sql"]

VALUES = ("add_column", "fill", "set_default", "set_sequence", "silence", "restore")
"""What comes first: columns and values. Rules and indexes come after, or they would stand over NULLs."""
NUMBERED = ("001_columns_and_values", "002_rules_and_indexes")
LIMITS = "SET lock_timeout = '2s';"
"""A statement that waits for a lock has everybody else wait behind it."""


def save_sql(plan: "Plan", folder: str | Path, names: Sequence[str] | None) -> list[Path]:
    """Write the files; each with its own way back beside it."""
    _check(plan)
    called = [re.sub(r"\.sql$", "", name) for name in ([names] if isinstance(names, str) else names or ())]
    if any("/" in name or "\\" in name or name.startswith(".") for name in called):
        raise PlanError("a name of a file is a path", hint="pass plain names, and the folder apart")
    if len(called) > 2:
        raise PlanError(f"{len(called)} names were given", hint="one file, or two: values, then rules")
    parts = [_first(plan.stages), _second(plan.stages)] if len(called) != 1 else [list(plan.stages)]
    written: list[Path] = []
    for name, stages in zip(called or NUMBERED, parts, strict=True):
        up, down = (Path(folder) / f"{name}{end}" for end in (".sql", ".down.sql"))
        _write(up, _script(plan.target.dialect, stages))
        _write(down, _script(plan.target.dialect, _back(stages)))
        written.append(up)
    return written


def _check(plan: "Plan") -> None:
    if not plan.stages:
        raise PlanError("this plan alters nothing", hint="p.sql() has the statements of a plan of rows")
    if not plan.whole:
        raise PlanError("this plan was saved without its values", hint="use the one with values")


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with writing_whole(path) as file:  # half a migration is a migration too
            file.write(text.encode())
    except OSError as error:
        raise PlanError(f"cannot write {path.name}: {error.strerror}", hint="check the folder") from None


def _script(dialect: str, stages: Sequence[Stage]) -> str:
    head = [LIMITS] if dialect == "postgresql" and stages else []
    body = [line for stage in stages for line in stage_lines(dialect, stage)]
    return "\n".join([*head, *(body or ["-- nothing to do"]), ""])


def _first(stages: Sequence[Stage]) -> list[Stage]:
    return _kept(stages, values=True)


def _second(stages: Sequence[Stage]) -> list[Stage]:
    return _kept(stages, values=False)


def _kept(stages: Sequence[Stage], *, values: bool) -> list[Stage]:
    kept = [
        Stage(tuple(p for p in s.parts if (isinstance(p, Block) or p.verb in VALUES) == values), s.mode)
        for s in stages
    ]
    return [stage for stage in kept if stage.parts]


def _back(stages: Sequence[Stage]) -> list[Stage]:
    """The stages that take these back, last first. Filled values go with their columns, else they are set to NULL."""
    added = {(p.table, p.columns) for s in stages for p in s.steps if p.verb == "add_column"}
    constraints = {(p.table, p.name) for s in stages for p in s.steps if p.verb == "use_index"}
    back = []
    for stage in reversed(stages):
        parts: list[Step | Block] = []
        for part in reversed(stage.parts):
            if isinstance(part, Block):
                parts.append(part.inverse)
            elif part.verb == "create_index" and (part.table, part.name) in constraints:
                continue  # it goes with its constraint
            elif part.verb != "fill":
                parts += [part.inverse] if part.inverse else []
            elif (part.table, part.columns) not in added:
                raise PlanError(
                    f"what was NULL in {part.table}.{part.columns[0]} is known to the journal alone",
                    hint="apply the plan here, where undo brings back every row; scripts can only fill new columns",
                )
        back.append(Stage(tuple(parts), stage.mode))
    return [stage for stage in back if stage.parts]


TEMPLATE = '''"""{title}"""

from alembic import op
from sqlalchemy import text

revision = {revision!r}
down_revision = {down!r}
branch_labels = None
depends_on = None


def upgrade() -> None:
{up}


def downgrade() -> None:
{down_body}
'''


def save_alembic(plan: "Plan", folder: str | Path, revision: str, down_revision: str | None) -> Path:
    """Write the revision."""
    _check(plan)
    if not re.fullmatch(r"[A-Za-z0-9_]+", revision):
        raise PlanError(f"{revision!r} is no name of a revision", hint="use letters, digits and _")
    dialect = plan.target.dialect
    path = Path(folder) / f"{revision}_migration.py"
    up, down = (
        "\n".join(_calls(dialect, stages)) or "    pass" for stages in (plan.stages, _back(plan.stages))
    )
    title = f"Migration of {', '.join(plan.order)}".replace('"', "'").replace("\\", "/")
    _write(
        path,
        TEMPLATE.format(title=title, revision=revision, down=down_revision, up=up, down_body=down),
    )
    return path


def _calls(dialect: str, stages: Sequence[Stage]) -> Iterator[str]:
    for stage in stages:
        lines = [
            line.rstrip(";")
            for part in stage.parts
            for line in (
                statements(dialect, part)
                if isinstance(part, Step)
                else stage_lines(dialect, Stage((part,), "outside"))
            )
        ]
        indent = "    "
        if stage.mode == "outside":
            yield "    with op.get_context().autocommit_block():"
            indent = "        "
        # A colon would be read as a parameter, but for its backslash.
        yield from (
            f"{indent}op.execute(text({line.replace(chr(58), chr(92) + chr(58))!r}))" for line in lines
        )
