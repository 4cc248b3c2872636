"""Seeded fuzzing of what takes foreign text, with bounds on time and memory per input.

`python -m tests.fuzz --seed N --seconds S` runs all surfaces; a failure prints how to repeat it. A
surface is a function that takes a `random.Random` and returns an `Input`: its size, what handles it
within the bounds, and what judges the result and raises AssertionError. Register it with
`@surface`.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Input:
    """One input: its size in bytes, what handles it, and what judges what came of it."""

    size: int
    handle: Callable[[], Any]
    judge: Callable[[Any], object] = lambda result: None


@dataclass(frozen=True)
class Surface:
    """Something that takes foreign text, and what one input may cost it.

    Work that grows with the square of an input takes a hundred times as long as these bounds, so
    that a busy machine does not matter.
    """

    name: str
    make: Callable[[random.Random], Input]
    seconds: float
    """Processor time for an input of no size."""
    seconds_per_megabyte: float
    memory: float
    """Peak of memory as a multiple of the size of the input, beside `SPARE_MEMORY`."""


SPARE_MEMORY = 8 * 2**20
SURFACES: dict[str, Surface] = {}

Maker = Callable[[random.Random], Input]


def surface(
    *, seconds: float = 3.0, seconds_per_megabyte: float = 20.0, memory: float = 60.0
) -> Callable[[Maker], Maker]:
    """Register a function as a surface, under its name."""

    def register(make: Maker) -> Maker:
        name = make.__name__.strip("_")
        SURFACES[name] = Surface(name, make, seconds, seconds_per_megabyte, memory)
        return make

    return register
