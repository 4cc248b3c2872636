"""Scenarios that build upon another one: plain data laid over plain data."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from opsera_step.simulator.reading import Reader

_Data = dict[str, Any]


def extended(base: _Data, over: Reader) -> _Data:
    """Return the base with changes.

    `pipeline` and `steps` change the first pipeline, `insert` adds steps to it, and every other
    key replaces that of the base.
    """
    data = deepcopy(base)
    first = data["pipelines"][0]
    first.update(over.mapping("pipeline"))
    for name, changes in over.mapping("steps").items():
        _change(first["plan"], name, changes, over)
    for insert in over.readers("insert"):
        place = _index(first["plan"], insert.text("before"), over)
        first["plan"].insert(place, insert.mapping("step"))
        insert.done()
    rest = over.everything()
    return data | {key: rest[key] for key in rest if key not in _OWN}


_OWN = ("extends", "pipeline", "steps", "insert")


def _change(plan: list[_Data], name: str, changes: object, over: Reader) -> None:
    index = _index(plan, name, over)
    if changes is None:
        del plan[index]
    elif isinstance(changes, dict):
        plan[index].update(changes)
    else:
        raise over.wrong("steps", "a mapping of names to changes")


def _index(plan: list[_Data], name: str, over: Reader) -> int:
    names = [str(step["name"]) for step in plan]
    if name not in names:
        raise over.wrong("steps", f"about steps of the base, which has {', '.join(names)}")
    return names.index(name)
