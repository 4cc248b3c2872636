"""Traces: what runs write and when. Latencies are measured on them. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import opsera_step

MARK = "line of the trace"
_RECORDINGS = Path(opsera_step.__file__).parent / "simulator" / "scenarios" / "recordings"


@dataclass(frozen=True)
class Trace:
    """When each line is written, and when the run ends, in seconds since the step started."""

    name: str
    description: str
    times: tuple[float, ...]
    end: float

    def scenario(self, pipelines: int = 1) -> Mapping[str, Any]:
        """Return the simulator's scenario of it, for so many pipelines at once."""
        lines = [f"{MARK} {number}" for number in range(len(self.times))]
        log = {"at": 0, "lines": lines, "times": list(self.times)}
        plan = [{"name": "Build", "duration": self.end, "log": [log]}]
        names = [f"Pipeline {number}" for number in range(1, pipelines + 1)]
        # Without delays of its own, so that the times of the trace count from the run's start.
        rest = {"run_count": 41, "plan": plan, "start_delay": 0, "step_gap": 0}
        return {"pipelines": [{"name": name, **rest} for name in names]}


def steady(seed: int, minutes: float = 5) -> Trace:
    """Make a line a second, at random, to the end."""
    rng, times = Random(seed), [0.5]  # noqa: S311 - a trace, no secret
    while times[-1] < 60 * minutes:
        times.append(times[-1] + rng.expovariate(1.0))
    return Trace("steady", "a line a second", tuple(times), times[-1] + rng.uniform(0, 2))


def busy(seed: int, minutes: float = 5) -> Trace:
    """Make twenty lines a second, at random."""
    rng, times = Random(seed), [0.5]  # noqa: S311
    while times[-1] < 60 * minutes:
        times.append(times[-1] + rng.expovariate(20.0))
    return Trace("busy", "20 lines a second", tuple(times), times[-1] + rng.uniform(0, 1))


def short_bursts(seed: int, minutes: float = 5) -> Trace:
    """Make a burst of half a second every four seconds."""
    rng, times = Random(seed), []  # noqa: S311
    at = rng.uniform(1, 2)
    while at < 60 * minutes:
        times += sorted(at + rng.uniform(0, 0.5) for _ in range(rng.randint(5, 20)))
        at += 4.0
    return Trace("short bursts", "one every 4 s", tuple(times), times[-1] + rng.uniform(0, 1))


def long_bursts(seed: int, minutes: float = 15) -> Trace:
    """Make bursts of ten seconds to a minute, with one to three minutes in between."""
    rng, times = Random(seed), []  # noqa: S311
    at = rng.uniform(1, 5)
    while at < 60 * minutes:
        lasting = rng.uniform(10, 60)
        count = int(lasting * rng.uniform(3, 30))
        times += sorted(at + rng.uniform(0, lasting) for _ in range(count))
        at = times[-1] + rng.uniform(60, 180)
    description = "of 10–60 s, with 1–3 min in between"
    return Trace("long bursts", description, tuple(times), times[-1] + rng.random())


def quiet(seed: int, minutes: float = 40) -> Trace:
    """Make a line in one to eight minutes; then a last one, and the end."""
    rng, times = Random(seed), [1.0]  # noqa: S311
    while times[-1] < 60 * minutes:
        times.append(times[-1] + rng.uniform(60, 480))
    return Trace("quiet", "a line in 1–8 min", tuple(times), times[-1] + rng.uniform(0, 2))


def recorded(seed: int) -> Trace:
    """Make a build of three real tools, one after the other, in an order of its own."""
    rng, times, at = Random(seed), [], 0.5  # noqa: S311
    names = ["install", "pytest", "plan"]
    rng.shuffle(names)
    for name in names:
        lines = (_RECORDINGS / f"{name}.cast").read_text("utf-8").splitlines()[1:]
        events = [json.loads(line) for line in lines]
        for when, kind, text in events:
            times += [at + when] * (text.count("\n") if kind == "o" else 0)
        at += events[-1][0] + rng.uniform(0, 5)
    description = "pip, pytest, and Ansible, 40 s"
    return Trace("recorded", description, tuple(times), times[-1] + rng.uniform(0, 1))


TRACES = (steady, busy, short_bursts, long_bursts, quiet, recorded)


@dataclass(frozen=True)
class Polled:
    """Delay of each line, delay of the end, requests, and how long it all took, in seconds."""

    delays: tuple[float, ...]
    end_delay: float
    requests: int
    seconds: float


def polled(
    times: Sequence[float], end: float, interval: float, phase: float, delay: float
) -> Polled:
    """Return what polling at a fixed interval makes of a trace: status and log at each tick.

    `delay` is how long a response takes, half of it on the way there.
    """
    seen, ticks, number = [], 0, 0
    at = phase
    while True:
        ticks += 1
        # The status first, then the log: the loop ends by the status, with the log read.
        over = at + delay / 2 >= end
        log_at = at + delay
        while number < len(times) and times[number] <= log_at + delay / 2:
            seen.append(log_at + delay - times[number])
            number += 1
        if over:
            return Polled(tuple(seen), at + delay - end, 2 * ticks, at + 2 * delay)
        at += max(interval, 2 * delay)
