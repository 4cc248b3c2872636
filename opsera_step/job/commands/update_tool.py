"""What an update of a tool changes: the user's words against the tool as it is. Pure."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from opsera_step.errors import InvalidInput
from opsera_step.text import nearest

NOT_SENT = ("_id", "createdAt", "updatedAt")
"""Properties that Opsera keeps itself; sending them is at best of no use."""
_KINDS = {str: "a text", bool: "true or false", list: "a list", dict: "an object"}
_WRITTEN = {
    "true or false": "it takes the words true and false",
    "a list": 'a list is written ["a", "b"]',
    "an object": 'an object is written {"key": "value"}',
}
_GONE = object()


@dataclass(frozen=True)
class Update:
    """What is to be sent, what of that differs, and what the user should know of it."""

    changes: Mapping[str, Any]
    """Root properties to replace: those that the user named, and that differ."""
    differences: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def read_assignments(assignments: Sequence[str]) -> dict[str, Any]:
    """Read `key=value` words: a value that is JSON is taken as that, any other as text.

    Raises:
        InvalidInput: with each word that is no assignment.

    """
    faults, values = [], {}
    for one in assignments:
        key, equals, value = one.partition("=")
        if not equals or not key.strip():
            faults.append(f"--set: {one[:80]!r} has to be KEY=VALUE")
        elif key.strip() in values:
            faults.append(f"--set: {key.strip()} is given twice")
        else:
            values[key.strip()] = _value(value)
    if faults:
        raise InvalidInput(faults)
    return values


def read_properties(data: Any, origin: str) -> dict[str, Any]:
    """Take the properties out of what a file holds: they are its root, or its `tool`.

    Raises:
        InvalidInput: when it holds no properties.

    """
    if isinstance(data, dict) and isinstance(data.get("tool"), dict) and set(data) <= _WRAPPER:
        data = {**({"_id": data["toolId"]} if "toolId" in data else {}), **data["tool"]}
    like = "like `description: Builds the shop`"
    if not isinstance(data, dict) or not data:
        raise InvalidInput(
            [f"--file: {origin} has to map properties of the tool to their values, {like}"]
        )
    odd = [key for key in data if not isinstance(key, str)]
    if odd:
        told = ", ".join(map(str, odd[:5]))
        raise InvalidInput(
            [f"--file: the keys in {origin} have to be names of properties, not {told}"]
        )
    return dict(data)


_WRAPPER = {"tool", "toolId"}


def plan_update(current: Mapping[str, Any], named: Mapping[str, Any]) -> Update:
    """Compare what the user named with the tool; what is the same need not be sent.

    Raises:
        InvalidInput: when a part of a property is named, which the API can't replace by itself.

    """
    kept = {key: value for key, value in named.items() if key not in NOT_SENT}
    faults = [_part_fault(key) for key in kept if "." in key and key not in current]
    if faults:
        raise InvalidInput(faults)
    changes = {
        key: value for key, value in kept.items() if key not in current or current[key] != value
    }
    dropped = [key for key in named if key in NOT_SENT]
    warnings = [
        *_other_tool(current, named), *_drop_warnings(dropped), *_warnings(current, changes)
    ]  # fmt: skip
    differences = (
        line
        for key, value in changes.items()
        for line in _differences(key, current.get(key, _GONE), value)
    )
    return Update(changes, tuple(differences), tuple(warnings))


def not_taken(updated: Mapping[str, Any], changes: Mapping[str, Any]) -> list[str]:
    """Return the properties that are not as they were sent."""
    return [key for key, value in changes.items() if updated.get(key, _GONE) != value]


def _value(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError):
        return text


def _refuse(constant: str) -> NoReturn:
    """Take NaN and Infinity, which Python reads but JSON does not have, as text."""
    raise ValueError(constant)


def _finite(text: str) -> float:
    """Read a number; one too large for that would be sent as Infinity, so it is taken as text."""
    number = float(text)
    return number if math.isfinite(number) else _refuse(text)


def _part_fault(key: str) -> str:
    root = key.partition(".")[0]
    return (
        f"{key}: the API replaces whole root properties; give all of {root}, as in "
        f"--set '{root}={{…}}', or in a file"
    )


def _other_tool(current: Mapping[str, Any], named: Mapping[str, Any]) -> Iterator[str]:
    """Warn of the properties of another tool: of a file that is not the one that was meant."""
    here, there = current.get("_id"), named.get("_id", current.get("_id"))
    if str(here).lower() != str(there).lower():
        yield f"_id: these are properties of another tool, {there}; the one to change is {here}."


def _drop_warnings(dropped: Sequence[str]) -> Iterator[str]:
    if dropped:
        yield f"Not sent, since Opsera keeps them itself: {', '.join(dropped)}."


def _warnings(current: Mapping[str, Any], changes: Mapping[str, Any]) -> Iterator[str]:
    for key, value in changes.items():
        if key not in current:
            close = nearest(key, current)
            guess = f" Did you mean {close}?" if close else ""
            yield f"{key}: the tool has no such property so far.{guess}"
            continue
        before, after = _kind(current[key]), _kind(value)
        if before and after and before != after:
            told = f"; {_WRITTEN[before]}" if after == "a text" and before in _WRITTEN else ""
            yield f"{key}: it is {before} so far, and would be {after}{told}."


def _kind(value: Any) -> str:
    if value is None:
        return ""
    return _KINDS.get(type(value), "a number")


def _differences(name: str, before: Any, after: Any) -> Iterator[str]:
    """Yield a line for each value that differs; objects are compared property by property."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in dict.fromkeys((*before, *after)):
            yield from _differences(f"{name}.{key}", before.get(key, _GONE), after.get(key, _GONE))
    elif before is _GONE or after is _GONE or before != after:
        yield f"{name}: {_shown(before)} → {_shown(after)}"


def _shown(value: Any) -> str:
    if value is _GONE:
        return "(nothing)"
    text = json.dumps(value, ensure_ascii=False)
    # Where blanks are all that differs, they have to be seen.
    return re.sub(r"(?<= ) |[^\S ]", lambda found: f"\\u{ord(found.group()):04x}", text)
