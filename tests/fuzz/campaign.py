"""Run surfaces on seeded inputs within bounds."""

from __future__ import annotations

import random
import time
import traceback
import tracemalloc
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count

from tests.fuzz import SPARE_MEMORY, Surface

_MEASURED = 10
"""Of every so many inputs one has its memory measured, which makes everything slow."""


@dataclass(frozen=True)
class Failure:
    """An input that was handled wrongly, and how to repeat it."""

    surface: str
    seed: int
    case: int
    reason: str

    def __str__(self) -> str:
        """Return the reason with the command that repeats it."""
        options = f"--surface {self.surface} --seed {self.seed} --case {self.case}"
        return f"{self.surface}: {self.reason}\n  repeat: python -m tests.fuzz {options}"


@dataclass
class Result:
    """What a campaign came to."""

    inputs: Counter[str] = field(default_factory=Counter)
    bytes: int = 0
    failures: list[Failure] = field(default_factory=list)


def campaign(surfaces: Iterable[Surface], seed: int, seconds: float, most: int = 10) -> Result:
    """Take turns through the surfaces for so many seconds, or until `most` failures."""
    result, until = Result(), time.monotonic() + seconds
    for surface, case in _turns(list(surfaces)):
        if time.monotonic() > until or len(result.failures) >= most:
            return result
        size, failure = run_case(surface, seed, case)
        result.inputs[surface.name] += 1
        result.bytes += size
        result.failures += [failure] if failure else []
    return result


def run_case(
    surface: Surface, seed: int, case: int, *, measured: bool | None = None
) -> tuple[int, Failure | None]:
    """Run one input; return its size, and the failure."""
    made = surface.make(random.Random(f"{seed} {surface.name} {case}"))
    measured = case % _MEASURED == 0 if measured is None else measured
    if measured:
        tracemalloc.start()
    started, reason, result = time.thread_time(), "", None
    try:
        result = made.handle()
    except Exception as error:  # noqa: BLE001 - a crash is a finding
        reason = _reason(error)
    took = time.thread_time() - started
    peak = tracemalloc.get_traced_memory()[1] if measured else 0
    if measured:
        tracemalloc.stop()
    if not reason:
        try:
            made.judge(result)
        except Exception as error:  # noqa: BLE001 - what can't be read is a finding too
            reason = _reason(error)
    slow = 5 if measured else 1  # what tracing costs
    limit = slow * (surface.seconds + surface.seconds_per_megabyte * made.size / 2**20)
    if not reason and took > limit:
        reason = f"took {took:.1f} s for {made.size} bytes; the limit is {limit:.1f} s"
    room = SPARE_MEMORY + surface.memory * made.size
    if not reason and peak > room:
        reason = f"took {peak} bytes of memory for {made.size} bytes; the limit is {room:.0f}"
    return made.size, Failure(surface.name, seed, case, reason) if reason else None


def _reason(error: Exception) -> str:
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at “{place.line}”: {error}"[:2000]


def _turns(surfaces: list[Surface]) -> Iterator[tuple[Surface, int]]:
    for case in count():
        for surface in surfaces:
            yield surface, case
