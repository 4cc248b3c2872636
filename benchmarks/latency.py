"""Latency: from the time at which the API has a line to its appearance on standard output."""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks import watching
from benchmarks.children import job_environment
from benchmarks.figures import Cell, Section, Table, figure, percentile
from benchmarks.traces import (
    MARK,
    TRACES,
    Polled,
    Trace,
    busy,
    long_bursts,
    polled,
    quiet,
    short_bursts,
    steady,
)
from opsera_step.clock import FakeClock
from opsera_step.job import Output, run_job
from opsera_step.signals import Signals
from opsera_step.simulator import Fault, Simulator

ROUND_TRIP = 0.1
_DELAYS = (
    Fault(kind="latency", seconds=ROUND_TRIP / 2),
    Fault(kind="latency", seconds=ROUND_TRIP / 2, effect=True),
)
LOOP = "shell loop with `sleep 5`: "
_READING = ("status", "logs", "summary")
_METHOD = f"""\
The whole job runs against the simulator over HTTP, as in CI, on a simulated clock, so the results
are repeatable; a response takes {ROUND_TRIP:g} s. The delay of a line is the time from when the log
call could first return it until it is written to standard output. The delay of the end is the time
from the run's final status in the API to the response that contains it. Each run has a trace of its
own; the parentheses contain the medians of single runs.

Fixed polling requests status and log at each interval: the interval with as many requests as the
job on the same trace; 5 s, the usual shell loop (curl, jq, `sleep 5`); and 30 s, a common default.
It is computed for the same traces, with the same response time."""

_EVEN = (
    "If lines come one by one at random moments (quiet), no schedule beats even intervals at the "
    "same number of requests. The job's intervals are not even, because most logs come in bursts."
)
_ENDS = ((steady, 0.5), (busy, 0.5), (short_bursts, 0.5), (long_bursts, 1.0), (quiet, 10.0))


@dataclass(frozen=True)
class Watched:
    """One job: the delays of its lines and of its end, requests, and seconds."""

    delays: tuple[float, ...]
    end_delay: float
    requests: int
    seconds: float


def measure(runs: int, seconds: float) -> Section:
    """Run each kind of trace so many times, and one of so many seconds in real time."""
    top: list[tuple[str, str, str]] = []
    rows: list[tuple[Cell, ...]] = []
    notes = []
    for make in TRACES:
        traces = [make(seed) for seed in range(runs)]
        ours = [watch(trace, seed) for seed, trace in enumerate(traces)]
        rows.append(_row(f"{traces[0].name} ({traces[0].description}): the job", ours))
        equal = [_equal(trace, one) for trace, one in zip(traces, ours, strict=True)]
        rows.append(_row("fixed, as many requests", equal))
        for name, interval in (("fixed, 5 s: the shell loop", 5.0), ("fixed, 30 s", 30.0)):
            rows.append(_row(name, [_fixed(trace, interval) for trace in traces]))
        notes.append(_note(traces[0].name, ours, equal))
        if make in (steady, long_bursts):
            loop = [_fixed(trace, 5.0) for trace in traces]
            what = "one line a second" if make is steady else "bursts of 10–60 s"
            top.append((f"How late is a log line ({what})?", _late(ours), f"{LOOP}{_late(loop)}"))
    head = ("trace", "median", "p95", "p99", "requests a minute")
    notes.append(_EVEN)
    tables = (Table(head, tuple(rows)), _ends(3 * runs), watching.table(seconds))
    return Section("latency", "Latency of a line", _METHOD, tables, tuple(notes), tuple(top))


def _late(runs: Sequence[Watched | Polled]) -> str:
    delays = [one for run in runs for one in run.delays]
    requests = median(60 * run.requests / run.seconds for run in runs)
    return f"{percentile(delays, 0.5):.1f} s, for {requests:.0f} requests a minute"


def _ends(runs: int) -> Table:
    """Watch many short runs, for how soon their ends are noticed."""
    rows: list[tuple[Cell, ...]] = []
    for make, minutes in _ENDS:
        traces = [make(seed, minutes) for seed in range(1000, 1000 + runs)]
        ours = [watch(trace, seed) for seed, trace in enumerate(traces)]
        fixed = [_fixed(trace, 5.0) for trace in traces]
        for name, found in (("the job", ours), ("fixed, 5 s", fixed)):
            ends = [one.end_delay for one in found]
            shares = (f"{percentile(ends, share):.1f} s" for share in (0.5, 0.95))
            rows.append((f"{traces[0].name}: {name}", *shares, f"{max(ends):.1f} s"))
    return Table((f"end noticed, {runs} runs each", "median", "p95", "latest"), tuple(rows))


def watch(trace: Trace, seed: int) -> Watched:
    """Run the whole job on a trace."""
    clock = FakeClock()
    with Simulator(dict(trace.scenario()), clock=clock, seed=seed, faults=_DELAYS) as simulator:
        out = _Log(clock)
        environ = job_environment(simulator.url, timeout="0")
        given = {"OPSERA_TOKEN": simulator.token, "OPSERA_PIPELINE": simulator.pipeline_id}
        jitter = random.Random(seed).random  # noqa: S311 - of a schedule, no secret
        code = run_job({**environ, **given}, Output(out), Signals(), clock=clock, jitter=jitter)
        run, requests = simulator.runs()[0], simulator.requests
    if code or len(out.seen) != len(trace.times) or run.started_at is None or run.ended_at is None:
        raise RuntimeError(f"{trace.name}: exit code {code}, {len(out.seen)} lines")
    delays = tuple(at - run.started_at - due for at, due in zip(out.seen, trace.times, strict=True))
    reading = [one for one in requests if one.call in _READING and one.time >= run.accepted_at]
    # A response shows the state in the middle of its time.
    final = next(
        one.time
        for one in reading
        if one.call == "status" and one.time + ROUND_TRIP / 2 >= run.ended_at
    )
    during = sum(1 for one in reading if one.time < run.ended_at)
    return Watched(delays, final + ROUND_TRIP - run.ended_at, during, trace.end)


class _Log(io.StringIO):
    """A standard output that notes when each line of the trace comes."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._clock = clock
        self.seen: list[float] = []

    def write(self, text: str) -> int:
        self.seen += [self._clock.monotonic()] * text.count(MARK)
        return len(text)


def _equal(trace: Trace, job: Watched) -> Polled:
    """Poll at the fixed interval that makes as many requests as the job made."""
    return _fixed(trace, 2 * job.seconds / job.requests)


def _fixed(trace: Trace, interval: float) -> Polled:
    phase = random.Random(len(trace.times)).uniform(0, min(interval, trace.end))  # noqa: S311
    return polled(trace.times, trace.end, interval, phase, ROUND_TRIP)


def _row(name: str, runs: Sequence[Watched | Polled]) -> tuple[Cell, ...]:
    delays = [one for run in runs for one in run.delays]
    medians = figure([median(run.delays) for run in runs], "s")
    return (
        name,
        f"{percentile(delays, 0.5):.2f} s ({medians.spread[0]:.2f}–{medians.spread[1]:.2f})",
        f"{percentile(delays, 0.95):.1f} s",
        f"{percentile(delays, 0.99):.1f} s",
        f"{median(60 * run.requests / run.seconds for run in runs):.1f}",
    )


def _note(name: str, ours: Sequence[Watched], equal: Sequence[Polled]) -> str:
    mine = percentile([one for run in ours for one in run.delays], 0.5)
    theirs = percentile([one for run in equal for one in run.delays], 0.5)
    return (
        f"{name}: at equal requests the job's median is {mine / theirs:.2f} times the fixed one's."
    )
