"""What runs write and when: the traces on which latencies are measured. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

MARK = "line of the trace"


@dataclass(frozen=True)
class Trace:
    """When each line is written, and when the run ends; seconds since the step began."""

    name: str
    told: str
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
    """Make a line every second or so, to the end: a build that talks."""
    random, times = Random(seed), [0.5]  # noqa: S311 - a trace, no secret
    while times[-1] < 60 * minutes:
        times.append(times[-1] + random.expovariate(1.0))
    return Trace("steady", "a line a second", tuple(times), times[-1] + random.uniform(0, 2))


def bursty(seed: int, minutes: float = 10) -> Trace:
    """Make bursts of 20 to 200 lines within seconds, 5 to 60 seconds of silence between."""
    random, times = Random(seed), []  # noqa: S311
    at = random.uniform(1, 5)
    while at < 60 * minutes:
        count, lasting = random.randint(20, 200), random.uniform(1, 8)
        times += sorted(at + random.uniform(0, lasting) for _ in range(count))
        at = times[-1] + random.uniform(5, 60)
    return Trace("bursty", "bursts with 5–60 s between", tuple(times), times[-1] + random.random())


def quiet(seed: int, minutes: float = 40) -> Trace:
    """Make a line in one to eight minutes; then a last one, and the end."""
    random, times = Random(seed), [1.0]  # noqa: S311
    while times[-1] < 60 * minutes:
        times.append(times[-1] + random.uniform(60, 480))
    return Trace("quiet", "a line in 1–8 min", tuple(times), times[-1] + random.uniform(0, 2))


TRACES = (steady, bursty, quiet)


def polled(
    times: Sequence[float], end: float, interval: float, phase: float, delay: float
) -> Polled:
    """Tell what polling at a fixed interval makes of a trace: each tick asks for status and log.

    `delay` is how long an answer takes, half of it on the way there.
    """
    seen, ticks, number = [], 0, 0
    at = phase
    while True:
        ticks += 1
        # The status first, then the log; what is said last is what the loop ends by.
        over = at + delay / 2 >= end
        log_at = at + delay
        while number < len(times) and times[number] <= log_at + delay / 2:
            seen.append(log_at + delay - times[number])
            number += 1
        if over:
            return Polled(tuple(seen), at + delay - end, 2 * ticks, at + 2 * delay)
        at += max(interval, 2 * delay)


@dataclass(frozen=True)
class Polled:
    """Delay of each line, delay of the end, requests, and how long it all took."""

    delays: tuple[float, ...]
    end_delay: float
    requests: int
    seconds: float
