"""Plans as files: canonical JSON with a hash over all of it. One changed byte, and it is refused."""

from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from syncnb.errors import PlanError
from syncnb.filing import writing_whole
from syncnb.schema import Column
from syncnb.steps import Block, Clash, Contest, Cut, Hazard, IdMap, Skipped, Stage, Step
from syncnb.steps.codec import canonical, decode_columns, digest, encode_columns, parse
from syncnb.stores.port import Identity

if TYPE_CHECKING:
    from syncnb.planning.plans import Plan

__all__ = ["load_plan", "plan_hash", "save", "step_content", "step_from"]

FORMAT, VERSION = "syncnb plan", 2
CHANGED = "it was changed after it was saved, or cut short: draw the plan again"


def plan_hash(plan: "Plan") -> str:
    """A hash of everything that a plan says."""
    return digest(_content(plan))


def save(plan: "Plan", path: str | Path, *, values: bool) -> Path:
    """Write a plan. The file is new or replaced at once, and only its owner can read it."""
    saved = plan if values else _without_values(plan)
    content = _content(saved)
    data = canonical({**content, "hash": digest(content)}) + b"\n"
    path = Path(path)
    try:
        with writing_whole(path, private=True, lasting=True) as file:
            file.write(data)
    except OSError as error:
        raise PlanError(
            f"cannot write {path.name}: {error.strerror}", hint="check the folder and its space"
        ) from None
    return path


def load_plan(path: str | Path) -> "Plan":
    """The plan in this file. Raises PlanError where it is none, or not as it was saved."""
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PlanError(
            f"cannot read {path.name}: {error.strerror}", hint="check the path of the plan"
        ) from None
    try:
        content = parse(data)
    except PlanError:
        content = None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise PlanError(f"{path.name} is no saved plan", hint="save one with p.save(path)")
    if content.get("version") != VERSION:
        raise PlanError(
            f"{path.name} is of version {content.get('version')}", hint="use the syncnb that saved it"
        )
    said = content.pop("hash", None)
    if said != digest(content) or data != canonical({**content, "hash": said}) + b"\n":
        raise PlanError(f"{path.name} is not as it was saved", hint=CHANGED)
    return _plan(content, path.name)


def _content(plan: "Plan") -> dict[str, Any]:
    rare = {
        "stages": [
            [stage.mode, [step_content(p) if isinstance(p, Step) else {"block": _block_content(p)} for p in stage.parts]]
            for stage in plan.stages
        ],
        "skipped": [[each.table, each.what, each.evidence] for each in plan.skipped],
        "unchanged": dict(plan.unchanged),
    }  # fmt: skip
    return _data_content(plan) | {name: value for name, value in rare.items() if value}


def _data_content(plan: "Plan") -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": VERSION,
        "target": {"dialect": plan.target.dialect, "name": plan.target.name, "id": plan.target.id},
        "into": plan.into,
        "source": plan.source,
        "fingerprint": dict(plan.fingerprint),
        "order": list(plan.order),
        "sizes": dict(plan.sizes),
        "columns": {table: [asdict(column) for column in columns] for table, columns in plan.columns.items()},
        "after_run": plan.after_run,
        "undo_of": plan.undo_of,
        "notes": list(plan.notes),
        "whole": plan.whole,
        "hazards": [[hazard.name, hazard.table, hazard.count, hazard.what] for hazard in plan.hazards],
        "open": [[row.table, row.key, row.why, row.verb, row.decision, row.reason] for row in plan.open],
        "blocks": list(map(_block_content, plan.blocks)),
        "undecided": list(map(_block_content, plan.undecided)),
        "maps": [
            [each.table, each.key, list(each.source), list(each.target), each.fresh] for each in plan.maps
        ],
        "source_id": plan.source_id,
        "contests": [_contest_content(contest) for contest in plan.contests],
        "cuts": [asdict(cut) for cut in plan.cuts],
        "deferred": [list(pair) for pair in plan.deferred],
        "clashes": [[clash.table, clash.key, list(clash.columns)] for clash in plan.clashes],
    }


def step_content(step: Step) -> dict[str, Any]:
    """A schema step as JSON."""
    content = {field.name: getattr(step, field.name) for field in fields(step)}
    return content | {"shown": None if step.shown is None else _block_content(step.shown)}


def step_from(content: dict[str, Any]) -> Step:
    """The step that `step_content` wrote."""
    shown = content["shown"]
    lists = {name: tuple(content[name]) for name in ("path", "columns")}
    triggers = tuple((name, back) for name, back in content["triggers"])
    return Step(
        **{**content, **lists, "triggers": triggers, "shown": None if shown is None else _block(shown)}
    )


def _stage(content: Any) -> Stage:
    mode, parts = content
    return Stage(tuple(_block(part["block"]) if "block" in part else step_from(part) for part in parts), mode)


def _block_content(block: Block) -> dict[str, Any]:
    return {
        "table": block.table,
        "path": list(block.path),
        "verb": block.verb,
        "key": list(block.key),
        "columns": list(block.columns),
        "keys": encode_columns(block.keys),
        "before": encode_columns(block.before),
        "after": encode_columns(block.after),
        "why": block.why,
        "whys": list(block.whys),
        "reasons": list(block.reasons),
        "role": block.role,
        **({"defaults": [list(pair) for pair in block.defaults]} if block.defaults else {}),
        **({"touch": list(block.touch)} if block.touch else {}),
    }


def _contest_content(contest: Contest) -> dict[str, Any]:
    facts = {each.name: getattr(contest, each.name) for each in fields(contest)}
    return facts | {"spares": encode_columns([contest.spares])}


def _contest(content: dict[str, Any]) -> Contest:
    (spares,) = decode_columns(content["spares"])
    return Contest(**_tuples(content) | {"spares": spares})


def _tuples(content: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in content.items()}


def _plan(content: dict[str, Any], name: str) -> "Plan":
    from syncnb.planning.plans import OpenRow, Plan

    try:
        return Plan(
            target=Identity(**content["target"]),
            into=content["into"],
            source=content["source"],
            fingerprint=content["fingerprint"],
            blocks=tuple(map(_block, content["blocks"])),
            undecided=tuple(map(_block, content["undecided"])),
            open=tuple(OpenRow(*row) for row in content["open"]),
            hazards=tuple(Hazard(*hazard) for hazard in content["hazards"]),
            order=tuple(content["order"]),
            sizes=content["sizes"],
            columns={
                table: tuple(Column(**column) for column in columns)
                for table, columns in content["columns"].items()
            },
            after_run=content["after_run"],
            undo_of=content["undo_of"],
            notes=tuple(content["notes"]),
            whole=content["whole"],
            maps=tuple(
                IdMap(table, key, tuple(own), tuple(there), fresh)
                for table, key, own, there, fresh in content["maps"]
            ),
            source_id=content["source_id"],
            contests=tuple(map(_contest, content["contests"])),
            cuts=tuple(Cut(**_tuples(each)) for each in content["cuts"]),
            deferred=tuple((table, name) for table, name in content["deferred"]),
            stages=tuple(map(_stage, content.get("stages", ()))),
            skipped=tuple(Skipped(*each) for each in content.get("skipped", ())),
            clashes=tuple(Clash(table, key, tuple(names)) for table, key, names in content["clashes"]),
            unchanged=content.get("unchanged", {}),
        )
    except (KeyError, TypeError, ValueError):
        raise PlanError(f"{name} is no saved plan", hint=CHANGED) from None


def _block(content: dict[str, Any]) -> Block:
    return Block(
        table=content["table"],
        path=tuple(content["path"]),
        verb=content["verb"],
        key=tuple(content["key"]),
        columns=tuple(content["columns"]),
        keys=decode_columns(content["keys"]),
        before=decode_columns(content["before"]),
        after=decode_columns(content["after"]),
        why=content["why"],
        whys=tuple(content["whys"]),
        reasons=tuple(content["reasons"]),
        role=content["role"],
        defaults=tuple((name, what) for name, what in content.get("defaults", ())),
        touch=tuple(content.get("touch", ())),
    )


def _without_values(plan: "Plan") -> "Plan":
    def emptied(block: Block) -> Block:
        nothing = pa.nulls(len(block))
        return replace(block, before=(nothing,) * len(block.before), after=(nothing,) * len(block.after))

    def without(part: Step | Block) -> Step | Block:
        return replace(part, shown=None) if isinstance(part, Step) else emptied(part)

    blocks, undecided = (tuple(map(emptied, blocks)) for blocks in (plan.blocks, plan.undecided))
    contests = tuple(replace(contest, spares=pa.nulls(len(contest.spares))) for contest in plan.contests)
    stages = tuple(replace(stage, parts=tuple(map(without, stage.parts))) for stage in plan.stages)
    return replace(plan, blocks=blocks, undecided=undecided, contests=contests, stages=stages, whole=False)
