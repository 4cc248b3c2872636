"""What a step writes, and when: log entries of a scenario unrolled into single emissions.

Pure: times are seconds since the step began, and nothing here knows of a clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import merge
from typing import NamedTuple

PAUSE = 0.2
"""Seconds between two lines, and after an entry, unless the entry says otherwise."""


@dataclass(frozen=True)
class LogEntry:
    """A group of records, or one growing record, that a step writes.

    `pieces` are written one every `every` seconds from `at` on, or at the given `times` after
    `at`; when `count` is set, the only piece is written that often, `{n}` being its number.
    """

    at: float
    pieces: tuple[str, ...]
    every: float = PAUSE
    times: tuple[float, ...] = ()
    count: int = 0
    growing: bool = False
    late: float = 0.0
    with_id: bool = True
    place: str = ""
    action: str = ""
    status: str = ""
    message: str = ""
    step_name: str = ""
    record: dict[str, object] = field(default_factory=dict)

    @property
    def end(self) -> float:
        """When the entry after this one begins, unless it says itself."""
        if self.times:
            return self.at + self.times[-1]
        return self.at + self.every * (self.count or len(self.pieces))


class Emission(NamedTuple):
    """One piece of text at its time; `last` when no more comes for a growing record."""

    at: float
    text: str
    entry: LogEntry
    first: bool = True
    last: bool = True


def emissions(entries: tuple[LogEntry, ...]) -> Iterator[Emission]:
    """Yield everything that the entries write, in the order of time, as it is asked for."""
    return merge(*map(_unrolled, entries), key=lambda emission: emission.at)


def end_of(entries: tuple[LogEntry, ...]) -> float:
    """Return when the last of the entries ends."""
    return max((entry.end for entry in entries), default=0.0)


def _unrolled(entry: LogEntry) -> Iterator[Emission]:
    pieces = _counted(entry) if entry.count else iter(entry.pieces)
    last = (entry.count or len(entry.pieces)) - 1
    for n, piece in enumerate(pieces):
        after = entry.times[n] if entry.times else n * entry.every
        first, ends = not entry.growing or n == 0, not entry.growing or n == last
        yield Emission(entry.at + after, piece, entry, first, ends)


def _counted(entry: LogEntry) -> Iterator[str]:
    return (entry.pieces[0].replace("{n}", str(n)) for n in range(1, entry.count + 1))
