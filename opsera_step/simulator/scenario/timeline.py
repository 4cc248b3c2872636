"""What a step writes, and when: log entries of a scenario unrolled into single emissions.

Times are seconds since the step started. Nothing here uses a clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from heapq import merge
from typing import NamedTuple

from opsera_step.simulator.scenario.flags import PLACES
from opsera_step.simulator.scenario.reader import setting

INTERVAL = 0.2
"""Seconds between two pieces, and after an entry, unless the entry sets them."""


@dataclass(frozen=True)
class LogEntry:
    """A group of log records, or one growing record, as a scenario describes it.

    One of `text`, `lines`, and `pieces` gives what is written: one piece every `every` seconds
    from `at` on, or at the given `times` after `at`. With `count` (or `rate` and `seconds`) the
    only piece is written that often, with its number for `{n}`.
    """

    text: str | None = None
    lines: tuple[str, ...] = ()
    pieces: tuple[str, ...] = ()
    at: float | None = None
    every: float = INTERVAL
    times: tuple[float, ...] = ()
    rate: float | None = setting(None, least=0.001)
    seconds: float = 0.0
    count: int = 0
    repeat: int = 1
    growing: bool = False
    late: float = 0.0
    id: bool = True
    place: str = setting("", choices=("", *PLACES))
    action: str = ""
    status: str = ""
    message: str = ""
    step_name: str = ""
    record: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Reject an entry that writes nothing, or contradicts itself."""
        given = (self.text is not None) + bool(self.lines) + bool(self.pieces)
        if given > 1 or not (given or self.action):
            raise ValueError("set exactly one of text, lines, and pieces")
        if self.times and len(self.times) != len(self.written):
            raise ValueError("times needs one number for each piece")
        if list(self.times) != sorted(self.times):
            raise ValueError("times must not decrease")
        if (self.rate or self.count) and len(self.written) != 1:
            raise ValueError("rate and count need exactly one piece")

    @cached_property
    def written(self) -> tuple[str, ...]:
        """The pieces of text."""
        pieces = self.pieces or ("",)
        if self.text is not None:
            pieces = (self.text,)
        elif self.lines:
            lines = self.lines[0].splitlines() if len(self.lines) == 1 else self.lines
            pieces = tuple(f"{line}\n" for line in lines)
        return tuple(piece * self.repeat for piece in pieces)

    @property
    def total(self) -> int:
        """How many pieces are written."""
        bulk = round((self.rate or 0.0) * self.seconds)
        return self.count or bulk or (0 if self.rate else len(self.written))

    @property
    def duration(self) -> float:
        """Seconds from its start to the start of the next entry."""
        return self.times[-1] if self.times else self.interval * self.total

    @property
    def interval(self) -> float:
        """Seconds between two pieces."""
        return 1 / self.rate if self.rate else self.every


class Emission(NamedTuple):
    """One piece of text at its time; `last` means that a growing record is complete."""

    at: float
    text: str
    entry: LogEntry
    first: bool = True
    last: bool = True


def emissions(entries: tuple[LogEntry, ...]) -> Iterator[Emission]:
    """Yield everything that the entries write, in the order of time, lazily."""
    unrolled = (_unrolled(entry, at) for entry, at in _placed(entries))
    return merge(*unrolled, key=lambda emission: emission.at)


def end_of(entries: tuple[LogEntry, ...]) -> float:
    """Return when the last of the entries ends."""
    return max((at + entry.duration for entry, at in _placed(entries)), default=0.0)


def _placed(entries: tuple[LogEntry, ...]) -> Iterator[tuple[LogEntry, float]]:
    """Yield each entry with its start: its own, or the end of the entry before it."""
    at = 0.0
    for entry in entries:
        at = at if entry.at is None else entry.at
        yield entry, at
        at += entry.duration


def _unrolled(entry: LogEntry, at: float) -> Iterator[Emission]:
    last = entry.total - 1
    for n in range(entry.total):
        numbered = entry.count or entry.rate
        text = entry.written[0].replace("{n}", str(n + 1)) if numbered else entry.written[n]
        after = entry.times[n] if entry.times else n * entry.interval
        first, ends = not entry.growing or n == 0, not entry.growing or n == last
        yield Emission(at + after, text, entry, first, ends)
