"""Checks as lines of text, and the summary below them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from textwrap import wrap

from opsera_step.doctor.check import Check, Level

_LEVEL_WIDTH, _NAME_WIDTH = 6, 12
_INDENT = " " * (_LEVEL_WIDTH + _NAME_WIDTH)
_MIN_ROOM = 30
_NARROW_INDENT = " " * 4
"""In a window too narrow for a column of texts, these are below the name."""
_COLORS = {Level.OK: "32", Level.WARN: "33", Level.FAIL: "31", Level.SKIP: "2"}


def lines(check: Check, *, colored: bool, width: int | None = None) -> Iterator[str]:
    """Format a check: level, name, and message, then details, then the hint.

    On a terminal of that `width`, texts are wrapped in a column.
    """
    level = f"{check.level.value.upper():<{_LEVEL_WIDTH}}"
    if colored:
        level = f"\x1b[{_COLORS[check.level]}m{level}\x1b[0m"
    head, indent = f"{level}{check.name:<{_NAME_WIDTH - 1}} ", _INDENT
    if width and width - len(_INDENT) < _MIN_ROOM:
        yield head.rstrip()
        head = indent = _NARROW_INDENT
    elif len(check.name) >= _NAME_WIDTH:
        # The names of several checks; the message is beside them if there is room.
        taken = _LEVEL_WIDTH + len(check.name) + 2 + len(check.message)
        if not width or taken < width:
            yield f"{level}{check.name}  {check.message}"
            return
        yield head.rstrip()
        head = indent
    yield from _wrap(head, check.message, indent, width)
    for detail in check.details:
        yield from _wrap(f"{indent}- ", detail, f"{indent}  ", width)
    if check.hint:
        yield from _wrap(f"{indent}→ ", check.hint, f"{indent}  ", width)
    if check.request:
        yield from _wrap(f"{indent}  ", check.request, f"{indent}  ", width)


def merge(checks: Sequence[Check]) -> Check:
    """Merge checks that were skipped for the same reason."""
    return replace(checks[0], name=", ".join(one.name for one in checks))


def can_merge(held: Sequence[Check], check: Check) -> bool:
    """Whether a check can be printed together with those before it, which are held back."""
    return check.level is Level.SKIP and all(
        (one.message, one.hint) == (check.message, check.hint) for one in held
    )


def _wrap(head: str, text: str, indent: str, width: int | None) -> Iterator[str]:
    room = max(_MIN_ROOM, (width or 0) - len(indent) - 1)
    parts = wrap(text, room, break_on_hyphens=False, break_long_words=False) if width else [text]
    yield head + (parts[0] if parts else "")
    yield from (f"{indent}{part}" for part in parts[1:])


def ending(checks: Sequence[Check]) -> str:
    """Summarize the checks, with the first one to fix."""
    for level in (Level.FAIL, Level.WARN):
        first = next((one for one in checks if one.level is level), None)
        if first is not None:
            return (
                f"{summary(checks)} {'Fix' if level is Level.FAIL else 'See'} {first.name} first."
            )
    return summary(checks)


def summary(checks: Iterable[Check]) -> str:
    """Summarize the checks in one sentence."""
    levels = [one.level for one in checks]
    problems, warnings = levels.count(Level.FAIL), levels.count(Level.WARN)
    if not problems and not warnings:
        return "No problems found."
    counted = ((problems, "problem"), (warnings, "warning"))
    parts = [f"{count} {word}{'s' * (count > 1)}" for count, word in counted if count]
    return f"{' and '.join(parts)}."


def one_line(checks: Sequence[Check]) -> str:
    """Summarize the checks in a line that is read alone: with the first problem and its hint."""
    for level in (Level.FAIL, Level.WARN):
        first = next((one for one in checks if one.level is level), None)
        if first is not None:
            return f"{summary(checks)} {first.name}: {first.message} {first.hint}".strip()
    return summary(checks)
