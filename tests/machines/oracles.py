"""What must come of a plan and of a sync, worked out from dicts of rows."""

import copy

import syncnb as sn
from tests.machines.world import Row, State, typed

__all__ = ["Rows", "foreseen", "merged", "shown"]

Rows = dict[int, Row]
NAMES = {"t": ["u", "v", "n"], "c": ["t", "s"]}
"""The columns behind the key of the tables of most machines."""


def merged(base: Rows, ours: Rows, theirs: Rows, *, local_wins: bool) -> Rows:
    """What both shall have: by row, then by cell."""
    found: Rows = {}
    for k in {*base, *ours, *theirs}:
        b, left, right = base.get(k), ours.get(k), theirs.get(k)
        if left == right or right == b:
            row = left
        elif left == b:
            row = right
        elif b is not None and left is not None and right is not None:
            row = tuple(
                theirs_ if ours_ == old else ours_ if theirs_ == old else (ours_ if local_wins else theirs_)
                for old, ours_, theirs_ in zip(b, left, right, strict=True)
            )
        else:
            row = left if local_wins else right
        if row is not None:
            found[k] = row
    return found


def shown(p: sn.Plan, before: State, names: dict[str, list[str]] = NAMES) -> State:
    """What the preview says will be there; each row must be as the preview says it is."""
    state = copy.deepcopy(before)
    late = []
    for change in p.changes:
        k, columns, rows = change.key[0], names[change.table], state[change.table]
        old = before[change.table].get(k)
        if change.verb == "insert":
            assert old is None or (change.table, k) in late, "an insert where a row is"
            new = dict(zip(change.columns, change.after, strict=True))
            default = {"n": 7}
            rows[k] = tuple(typed(new.get(name, default.get(name))) for name in columns)
            continue
        there = dict(zip(columns, old or (), strict=bool(old)))
        for name, value in zip(change.columns, change.before, strict=True):
            assert name == "k" or there[name] == typed(value), f"{change.table}.{name} was not as shown"
        if change.verb == "delete":
            del rows[k]
            late.append((change.table, k))
            if change.table == "t" and "c" in state:
                for child in [key for key, row in state["c"].items() if row[0] == typed(k)]:
                    del state["c"][child]
        else:
            new = there | {
                name: typed(value) for name, value in zip(change.columns, change.after, strict=True)
            }
            rows[k] = tuple(new[name] for name in columns)
    return state


def foreseen(p: sn.Plan, seen: State, before: State, names: dict[str, list[str]] = NAMES) -> bool:
    """Whether the plan must be refused: a row of it is not as it was shown, or a value that it gives is taken.

    seen: what stood there when it was drawn, before: what stands there now.
    """
    for change in p.changes:
        k = change.key[0]
        now, then = before[change.table].get(k), seen[change.table].get(k)
        if change.verb == "update" and now is not None and then is not None:
            at = [names[change.table].index(name) for name in change.columns if name in names[change.table]]
            if [now[i] for i in at] != [then[i] for i in at]:
                return True
        elif now != then:
            return True
    after = shown(p, before, names)
    given = [row[0] for row in after["t"].values() if row[0] != typed(None)]
    parents = {typed(k) for k in after["t"]} | {typed(None)}
    return len(set(given)) < len(given) or any(row[0] not in parents for row in after["c"].values())
