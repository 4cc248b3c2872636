"""Checks as lines of text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from textwrap import wrap

from opsera_step.doctor.findings import Check, Level

_LEVEL_WIDTH, _NAME_WIDTH = 9, 12
_INDENT = " " * (_LEVEL_WIDTH + _NAME_WIDTH)
_LEAST_ROOM = 30
_COLOURS = {Level.OK: "32", Level.WARNING: "33", Level.FAULT: "31", Level.SKIPPED: "2"}


def lines(check: Check, *, colour: bool, width: int | None = None) -> Iterator[str]:
    """Write a check: how it came out and what it says, then details, then what to do.

    On a terminal of that `width` texts go on below where they began.
    """
    level = f"{check.level.value:<{_LEVEL_WIDTH}}"
    if colour:
        level = f"\x1b[{_COLOURS[check.level]}m{level}\x1b[0m"
    head = f"{level}{check.name:<{_NAME_WIDTH}}"
    yield from _folded(head, check.says, "", width)
    for one in check.details:
        yield from _folded(f"{_INDENT}- ", one, "  ", width)
    if check.remedy:
        yield from _folded(f"{_INDENT}→ ", check.remedy, "  ", width)


def _folded(head: str, text: str, more: str, width: int | None) -> Iterator[str]:
    room = max(_LEAST_ROOM, (width or 0) - len(_INDENT) - len(more) - 1)
    parts = wrap(text, room, break_on_hyphens=False, break_long_words=False) if width else [text]
    yield head + (parts[0] if parts else "")
    yield from (f"{_INDENT}{more}{part}" for part in parts[1:])


def conclusion(checks: Iterable[Check]) -> str:
    """Sum it all up in a sentence."""
    levels = [one.level for one in checks]
    faults, warnings = levels.count(Level.FAULT), levels.count(Level.WARNING)
    if not faults and not warnings:
        return "All is well, as far as can be told without starting a run."
    parts = [_counted(faults, "fault"), _counted(warnings, "warning")]
    return f"{' and '.join(filter(None, parts))}."


def verdict(checks: Sequence[Check]) -> str:
    """Sum it up in a line that is read alone: with the worst, and what to do about it."""
    for level in (Level.FAULT, Level.WARNING):
        worst = next((one for one in checks if one.level is level), None)
        if worst is not None:
            text = f"{conclusion(checks)} {worst.name}: {worst.says} {worst.remedy}"
            return text.strip()
    return conclusion(checks)


def _counted(number: int, word: str) -> str:
    return f"{number} {word}{'s' * (number > 1)}" if number else ""
