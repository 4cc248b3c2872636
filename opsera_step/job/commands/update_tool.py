"""The command `tool update`: show the changes, confirm, send them, and check the result.

It is sent again only if no good response came: the same values twice are the same tool.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from opsera_step.api import is_object_id
from opsera_step.api.account import AccountObject
from opsera_step.display import Answer, views
from opsera_step.errors import InvalidInput
from opsera_step.job.commands.account import called, find_tool, query_result
from opsera_step.job.job import CommandResult, Job
from opsera_step.text import MASK, cut, nearest
from opsera_step.text.masking import holds_mask, is_secret_key, mask_secrets

NOT_SENT = ("_id", "createdAt", "updatedAt")
"""Properties that Opsera manages itself (API page: best not sent)."""
_KINDS = {str: "a string", bool: "a boolean", list: "a list", dict: "an object"}
_WRITTEN = {
    "a boolean": "use true or false",
    "a list": 'write ["a", "b"]',
    "an object": 'write {"key": "value"}',
}
_GONE = object()


@dataclass(frozen=True)
class Update:
    """What is sent, the differences, and warnings."""

    changes: Mapping[str, Any]
    """Root properties to replace: those that the user named, and that differ."""
    differences: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class ToolUpdate:
    """How a tool is to be changed, and who confirms it."""

    named: dict[str, Any]
    """The properties that the user named, with their new values."""
    confirmed: bool
    ask: Callable[[], bool] | None = None
    """Asks the user; None if there is no terminal to ask at."""
    dry_run: bool = False
    """Only show what would change."""
    merge: bool = False
    """Merge objects deeply instead of replacing a root property as a whole."""

    def carry_out(self, job: Job) -> CommandResult:
        """Replace properties of a tool, after showing what changes."""
        tool = find_tool(job)
        if holds_mask(self.named):
            raise InvalidInput(
                [f"tool update: a value is masked ({MASK}). Export the tool with --show-secrets"]
            )
        named = merged(tool.data, self.named) if self.merge else self.named
        update = plan_update(tool.data, named, masks=not job.shows_secrets)
        for warning in update.warnings:
            job.warn(warning)
        if not update.changes:
            sentence = f"Nothing to change: {called(job, tool)} already has these values."
            return query_result(job, Answer(tool.response), sentence)
        job.log.print_message(f"Changes to tool {called(job, tool)}:")
        for line in update.differences:
            job.log.print_message("  " + job.scrubber.inline(line, 1000))
        if self.dry_run:
            return query_result(job, Answer(tool.response), "Dry run: no changes were made.")
        if not self.confirmed and not self._ask():
            return query_result(job, Answer(tool.response), "No changes were made.")
        updated = _send(job, tool, update)
        for key in not_applied(updated.data, update.changes):
            job.warn(f"{key}: Opsera did not return the value that was sent.")
        done = ", ".join(job.scrubber.inline(key, 100) for key in update.changes)
        sentence = f"Updated tool {called(job, updated)}: {done}."
        changed = {key: updated.data[key] for key in update.changes if key in updated.data}
        table = views.object_table(job.presentable(changed))
        return query_result(job, Answer(updated.response, (table,)), sentence)

    def _ask(self) -> bool:
        if self.ask is None:
            raise InvalidInput(["tool update: not a terminal; pass --yes to confirm"])
        return self.ask()


def _send(job: Job, tool: AccountObject, update: Update) -> AccountObject:
    """Send the changes; return the tool as the API returned it, else as it is read back."""
    calls = job.client.account
    with job.change("the tool was being changed"):
        updated = job.retry(lambda until: calls.update_tool(tool.id, update.changes, until))
    return updated or job.retry(lambda until: calls.tool(tool.id, until))


def merged(current: Mapping[str, Any], named: Mapping[str, Any]) -> dict[str, Any]:
    """Merge the named properties into the tool's: objects key by key, all else as a whole."""
    result = {}
    for key, value in named.items():
        old = current.get(key)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        result[key] = {**old, **merged(old, value)} if both else value  # type: ignore[dict-item,arg-type]
    return result


def read_assignments(assignments: Sequence[str], option: str = "--set") -> dict[str, Any]:
    """Read `key=value` words: a value that is JSON is read as JSON, any other as text.

    Raises:
        InvalidInput: with each word that is not an assignment.
    """
    problems, values = [], {}
    for one in assignments:
        key, equals, value = one.partition("=")
        if not equals or not key.strip():
            problems.append(f"{option}: expected KEY=VALUE, got {cut(one, 80)!r}")
        elif key.strip() in values:
            problems.append(f"{option}: {key.strip()} is given twice")
        else:
            values[key.strip()] = _value(value)
    if problems:
        raise InvalidInput(problems)
    return values


def read_properties(data: Any, origin: str) -> dict[str, Any]:
    """Return the properties in a file: they are its root, or its `tool`.

    Raises:
        InvalidInput: if it holds no properties.
    """
    if isinstance(data, dict) and isinstance(data.get("tool"), dict) and set(data) <= _WRAPPER:
        data = {**({"_id": data["toolId"]} if "toolId" in data else {}), **data["tool"]}
    like = "like `description: Builds the shop`"
    if not isinstance(data, dict) or not data:
        raise InvalidInput(
            [f"--file: {origin} must map properties of the tool to their values, {like}"]
        )
    odd = [key for key in data if not isinstance(key, str)]
    if odd:
        keys = ", ".join(map(str, odd[:5]))
        raise InvalidInput(
            [f"--file: the keys in {origin} must be names of properties, not {keys}"]
        )
    return dict(data)


_WRAPPER = {"tool", "toolId"}


def plan_update(
    current: Mapping[str, Any], named: Mapping[str, Any], *, masks: bool = False
) -> Update:
    """Compare what the user named with the tool; equal values are not sent.

    `masks` hides values whose keys look secret in the differences.

    Raises:
        InvalidInput: if a part of a property is named, which the API can't replace by itself.
    """
    kept = {key: value for key, value in named.items() if key not in NOT_SENT}
    problems = [_part_problem(key) for key in kept if "." in key and key not in current]
    if problems:
        raise InvalidInput(problems)
    changes = {
        key: value for key, value in kept.items() if key not in current or current[key] != value
    }
    dropped = [key for key in named if key in NOT_SENT]
    warnings = [
        *_other_tool(current, named), *_drop_warnings(dropped), *_warnings(current, changes)
    ]  # fmt: skip
    differences = tuple(
        line
        for key, value in changes.items()
        for line in _differences(key, current.get(key, _GONE), value, masks=masks)
    )
    return Update(changes, differences, tuple(warnings))


def not_applied(updated: Mapping[str, Any], changes: Mapping[str, Any]) -> list[str]:
    """Return the properties whose value is not the one that was sent."""
    return [key for key, value in changes.items() if updated.get(key, _GONE) != value]


def _value(text: str) -> Any:
    if is_object_id(text):
        return text  # even if all of its digits are decimal
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


def _part_problem(key: str) -> str:
    root = key.partition(".")[0]
    return (
        f"{key}: the API replaces root properties as a whole. Pass all of {root} with "
        f"--set '{root}={{…}}', or only a part of it, and add --merge"
    )


def _other_tool(current: Mapping[str, Any], named: Mapping[str, Any]) -> Iterator[str]:
    """Warn if the file has the properties of another tool."""
    here, there = current.get("_id"), named.get("_id", current.get("_id"))
    if str(here).lower() != str(there).lower():
        yield f"_id: these are the properties of tool {there}, but the tool to change is {here}."


def _drop_warnings(dropped: Sequence[str]) -> Iterator[str]:
    if dropped:
        yield f"Not sent because Opsera manages them: {', '.join(dropped)}."


def _warnings(current: Mapping[str, Any], changes: Mapping[str, Any]) -> Iterator[str]:
    for key, value in changes.items():
        if key not in current:
            close = nearest(key, current)
            guess = f" Did you mean {close}?" if close else ""
            yield f"{key}: the tool does not have this property yet.{guess}"
            continue
        before, after = _kind(current[key]), _kind(value)
        if before and after and before != after:
            how = f"; {_WRITTEN[before]}" if after == "a string" and before in _WRITTEN else ""
            yield f"{key}: expected {before}, got {after}{how}."


def _kind(value: Any) -> str:
    if value is None:
        return ""
    return _KINDS.get(type(value), "a number")


def _differences(name: str, before: Any, after: Any, *, masks: bool) -> Iterator[str]:
    """Yield a line for each value that differs; objects are compared property by property."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in dict.fromkeys((*before, *after)):
            part = before.get(key, _GONE), after.get(key, _GONE)
            yield from _differences(f"{name}.{key}", *part, masks=masks)
    elif before is _GONE or after is _GONE or before != after:
        if masks and is_secret_key(name.rpartition(".")[2]):
            yield f"{name}: {MASK} (changed)"
        else:
            yield f"{name}: {_shown(mask_secrets(before) if masks else before)} → " + (
                _shown(mask_secrets(after) if masks else after)
            )


def _shown(value: Any) -> str:
    if value is _GONE:
        return "(unset)"
    text = json.dumps(value, ensure_ascii=False)
    # If only white space differs, it has to be visible.
    return re.sub(r"(?<= ) |[^\S ]", lambda found: f"\\u{ord(found.group()):04x}", text)
