"""Parts of intent and events, plain values: what shall be written, what became of it."""

from syncnb.steps.blocks import Block, Change, Role, Verb
from syncnb.steps.clashes import Clash, Lost
from syncnb.steps.contests import Contest, Cut
from syncnb.steps.events import Outcome, Refusal, Report
from syncnb.steps.grants import Grant, Grants
from syncnb.steps.hazards import Hazard
from syncnb.steps.id_maps import IdMap
from syncnb.steps.proof import (
    Expectation,
    Line,
    Proof,
    complete,
    conflict_target,
    count,
    none_lost,
    row,
    unique,
)
from syncnb.steps.remedies import Remedy, remedy
from syncnb.steps.rolls import RollCall
from syncnb.steps.schema_steps import Skipped, Stage, Step

__all__ = [
    "Block",
    "Change",
    "Clash",
    "Contest",
    "Cut",
    "Expectation",
    "Grant",
    "Grants",
    "Hazard",
    "IdMap",
    "Line",
    "Lost",
    "Outcome",
    "Proof",
    "Refusal",
    "Remedy",
    "Report",
    "Role",
    "RollCall",
    "Skipped",
    "Stage",
    "Step",
    "Verb",
    "complete",
    "conflict_target",
    "count",
    "none_lost",
    "remedy",
    "row",
    "unique",
]
