"""Checks as lines of text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from textwrap import wrap

from opsera_step.doctor.check import Check, Level

_LEVEL_WIDTH, _NAME_WIDTH = 9, 12
_INDENT = " " * (_LEVEL_WIDTH + _NAME_WIDTH)
_LEAST_ROOM = 30
_NARROW_INDENT = " " * 4
"""In a window too narrow for a column of texts these stand below."""
_COLOURS = {Level.OK: "32", Level.WARNING: "33", Level.FAULT: "31", Level.SKIPPED: "2"}


def lines(check: Check, *, colour: bool, width: int | None = None) -> Iterator[str]:
    """Write a check: how it came out and what it says, then details, then what to do.

    On a terminal of that `width` texts go on below where they began; in a narrow one below all.
    """
    level = f"{check.level.value:<{_LEVEL_WIDTH}}"
    if colour:
        level = f"\x1b[{_COLOURS[check.level]}m{level}\x1b[0m"
    head = f"{level}{check.name:<{_NAME_WIDTH - 1}} "
    indent = _INDENT
    if width and width - len(_INDENT) < _LEAST_ROOM:
        yield head.rstrip()
        head = indent = _NARROW_INDENT
    elif len(check.name) >= _NAME_WIDTH:
        # The names of several; what is said of them stands beside them if there is room.
        taken = _LEVEL_WIDTH + len(check.name) + 2 + len(check.says)
        if not width or taken < width:
            yield f"{level}{check.name}  {check.says}"
            return
        yield head.rstrip()
        head = indent
    says, listed = check.says, ", ".join(check.listed)
    if listed and not check.details:
        says, listed = f"{says.removesuffix('.')}: {listed}.", ""
    yield from _folded(head, says, indent, width)
    for one in (*check.details, *filter(None, [listed])):
        yield from _folded(f"{indent}- ", one, f"{indent}  ", width)
    if check.remedy:
        yield from _folded(f"{indent}→ ", check.remedy, f"{indent}  ", width)


def merged(checks: Sequence[Check]) -> Check:
    """Make one check of those that were skipped for the same reason."""
    return replace(checks[0], name=", ".join(one.name for one in checks))


def may_merge(held: Sequence[Check], check: Check) -> bool:
    """Whether a check can be told together with those before it, which wait to be told."""
    return check.level is Level.SKIPPED and all(
        (one.says, one.remedy) == (check.says, check.remedy) for one in held
    )


def _folded(head: str, text: str, indent: str, width: int | None) -> Iterator[str]:
    room = max(_LEAST_ROOM, (width or 0) - len(indent) - 1)
    parts = wrap(text, room, break_on_hyphens=False, break_long_words=False) if width else [text]
    yield head + (parts[0] if parts else "")
    yield from (f"{indent}{part}" for part in parts[1:])


def ending(checks: Sequence[Check]) -> str:
    """Sum it all up below the checks, and say where to begin."""
    for level in (Level.FAULT, Level.WARNING):
        names = [one.name for one in checks if one.level is level or _may_be_the_cause(one)]
        if names:
            return f"{conclusion(checks)} Begin with {names[0]}."
    return conclusion(checks)


def _may_be_the_cause(check: Check) -> bool:
    """Whether it is a warning from which faults of other checks are likely to follow."""
    return check.name == "api" and check.level is Level.WARNING


def conclusion(checks: Iterable[Check]) -> str:
    """Sum it all up in a sentence."""
    levels = [one.level for one in checks]
    faults, warnings = levels.count(Level.FAULT), levels.count(Level.WARNING)
    if not faults and not warnings:
        if levels[-1:] == [Level.SKIPPED]:
            return "No fault was found. How a pipeline stands was not looked at: none is set."
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
