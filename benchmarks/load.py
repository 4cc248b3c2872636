"""Load on the API: the requests of one job in an hour, and of a thousand jobs at once."""

from __future__ import annotations

import gzip
import io
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from statistics import median
from typing import Any

from benchmarks.children import job_environment
from benchmarks.figures import Cell, Section, Table, percentile, spell
from benchmarks.traces import Trace, long_bursts
from benchmarks.turns import TurnClock
from opsera_step.clock import FakeClock
from opsera_step.job import Output, run_job
from opsera_step.signals import Signals
from opsera_step.simulator import Fault, HttpRequest, Response, Simulator

_ROUND_TRIP = 0.1
_DELAY = Fault(kind="latency", seconds=_ROUND_TRIP)
_LENGTH = 46.0
_METHOD = f"""\
One job: the whole job against the simulator over HTTP on a simulated clock; a response takes
{_ROUND_TRIP:g} s. Bytes are the sizes of the response bodies, and of the same bodies with gzip. The
job accepts gzip; whether the API compresses is not known.

Many jobs: all start at the same moment, in one process, each with its own pipeline, thread, and
connections, over real HTTP and on a common simulated clock. Each run logs for 15 s, is silent for
25 s, logs 50 lines in a burst, and ends; every fifth one fails. The busiest tenth of a second is
compared with the mean of its second: 1 would be perfectly even, 10 all jobs in step."""


class Counted(Simulator):
    """A simulator that counts the bytes of its responses, and can limit the rate of requests."""

    def __init__(self, scenario: Mapping[str, Any], clock: Any, limit: float = 0.0) -> None:
        """Play a scenario; `limit` is the number of requests accepted per second, 0 for all."""
        super().__init__(dict(scenario), clock=clock, seed=1, faults=[_DELAY])
        self.sizes: list[tuple[float, int, int]] = []
        self.responses: list[tuple[float, int]] = []
        self._limit, self._room, self._filled_at = limit, limit, 0.0

    def __enter__(self) -> Counted:  # noqa: PYI034 - Self came with Python 3.11
        """Start."""
        super().__enter__()
        return self

    def respond(self, request: HttpRequest) -> Response:
        """Respond, or refuse with 429 where the bucket is empty."""
        at = self._clock.monotonic()
        if self._limit and not self._admits(at):
            response = Response(429, b'{"message": "Too many requests"}')
        else:
            response = super().respond(request)
        self.responses.append((at, response.status))
        # Only some are compressed: it takes longer than everything else.
        packed = len(gzip.compress(response.body, 6)) if len(self.sizes) % 40 == 0 else -1
        self.sizes.append((at, len(response.body), packed))
        return response

    def _admits(self, at: float) -> bool:
        self._room = min(self._limit, self._room + (at - self._filled_at) * self._limit)
        self._filled_at = at
        if self._room < 1:
            return False
        self._room -= 1
        return True


@dataclass(frozen=True)
class Many:
    """Many jobs: time and status of each response, each job's requests, and wrong results."""

    requests: tuple[tuple[float, int], ...]
    per_job: tuple[tuple[float, ...], ...]
    wrong: int


def measure(jobs: int, limited: int, *, quick: bool) -> Section:
    """Measure one job's hour, and so many jobs at once, without and with a limit."""
    alone = _alone(quick=quick)
    tables = (alone, _together(jobs), _refused(limited))
    active, _, idle = (str(row[1]) for row in alone.rows)
    loop = f"shell loop with `sleep 5`: {spell(2 * 3600 / 5)}"
    top = ("How many requests does an hour cost?", f"active {active}, idle {idle}", loop)
    return Section("load", "Load on the API", _METHOD, tables, (), (top,))


def _alone(*, quick: bool) -> Table:
    minutes = 10 if quick else 14
    talking = tuple(second / 2 for second in range(1, 120 * minutes))
    busy = Trace("active", "", talking, 60.0 * minutes)
    hour = Trace("idle", "", (1.0,), 1200.0 if quick else 3600.0)
    rows = (
        _hour("active: 2 lines a second, 1000 records in each response", busy, 60.0 * minutes - 90),
        _hour("long bursts, with silences of 1–3 min in between", long_bursts(1), 0.0),
        _hour("idle: no log lines", hour, 0.0),
    )
    return Table(("an hour of a run", "requests", "MB", "MB with gzip"), rows)


def _hour(name: str, trace: Trace, since: float) -> tuple[Cell, ...]:
    clock = FakeClock()
    with Counted(trace.scenario(), clock) as simulator:
        code = run_job(
            _environment(simulator, simulator.pipeline_id),
            Output(io.StringIO()),
            Signals(),
            clock=clock,
            jitter=random.Random(1).random,  # noqa: S311 - of a schedule, no secret
        )
    seen = [one for one in simulator.sizes if since <= one[0] < trace.end]
    times = 3600 / (trace.end - since)
    size = sum(body for _, body, _ in seen)
    sampled = [(body, packed) for _, body, packed in seen if packed >= 0]
    share = sum(packed for _, packed in sampled) / max(1, sum(body for body, _ in sampled))
    if code:
        raise RuntimeError(f"{name}: exit code {code}")
    megabytes = size * times / 1e6
    return (name, spell(len(seen) * times), spell(megabytes), spell(megabytes * share))


def play(count: int, limit: float = 0.0) -> Many:
    """Run so many jobs at once."""
    clock = TurnClock()
    codes: dict[int, int] = {}
    with Counted(_scenario(count), clock, limit) as simulator:
        pipelines = [spec.id for spec in simulator.scenario.pipelines]
        jobs = [
            partial(_job, simulator, clock, pipeline, number, codes)
            for number, pipeline in enumerate(pipelines)
        ]
        clock.play(jobs)
        requests = simulator.requests
    times: dict[str, list[float]] = {pipeline: [] for pipeline in pipelines}
    for one in requests:
        if isinstance(one.body, dict):
            times[str(one.body["pipelineId"])].append(one.time)
    wrong = sum(1 for number, code in codes.items() if code != _fails(number))
    per_job = tuple(tuple(moments) for moments in times.values())
    return Many(tuple(simulator.responses), per_job, wrong + count - len(codes))


def _job(
    simulator: Counted, clock: TurnClock, pipeline: str, number: int, codes: dict[int, int]
) -> None:
    jitter = random.Random(number).random  # noqa: S311 - of a schedule, no secret
    environ = _environment(simulator, pipeline)
    codes[number] = run_job(environ, Output(io.StringIO()), Signals(), clock=clock, jitter=jitter)


def _environment(simulator: Simulator, pipeline: str) -> dict[str, str]:
    environ = job_environment(simulator.url, pipeline=pipeline, timeout="0")
    return {**environ, "OPSERA_TOKEN": simulator.token}


def _fails(number: int) -> int:
    return int(number % 5 == 4)


def _scenario(count: int) -> dict[str, Any]:
    logs = [
        {"at": 0.5, "text": "line {n}\n", "rate": 1, "count": 15},
        {"at": 40, "text": "burst {n}\n", "rate": 10, "count": 50},
    ]
    step = {"name": "Build", "duration": _LENGTH, "log": logs}
    return {
        "pipelines": [
            {
                "name": f"Pipeline {number}",
                "run_count": 41,
                "plan": [{**step, "result": "failed" if _fails(number) else "success"}],
            }
            for number in range(count)
        ]
    }


def _together(count: int) -> Table:
    many = play(count)
    rates = Counter(int(10 * at) for at, _ in many.requests)
    rows: list[tuple[Cell, ...]] = []
    parts = (
        ("the first 10 s", 0, 10),
        ("lines come", 10, 16),
        ("silence", 20, 40),
        ("burst", 40, 46),
        ("all runs end", 46, 54),
    )
    for name, since, until in parts:
        seconds = [[rates[10 * second + n] for n in range(10)] for second in range(since, until)]
        totals = [sum(tenths) for tenths in seconds]
        uneven = median(10 * max(tenths) / max(1, sum(tenths)) for tenths in seconds)
        mean = sum(totals) / len(totals)
        rows.append((name, spell(mean), spell(max(totals)), f"{uneven:.2f}×"))
    rows += [(name, value, "", "") for name, value in _fairness(many)]
    head = (f"{count:,} jobs at once", "requests a second", "busiest second", "busiest tenth of it")
    return Table(head, tuple(rows))


def _fairness(many: Many) -> Sequence[tuple[str, str]]:
    counts = [len(times) for times in many.per_job]
    gaps = [max(after - before for before, after in pairwise(times)) for times in many.per_job]
    return (
        ("requests per job: fewest, median, most", _three(counts)),
        ("longest wait between two requests: median job, p99, worst job", _gaps(gaps)),
        ("jobs with a wrong result", str(many.wrong)),
    )


def _three(values: Sequence[float]) -> str:
    return f"{spell(min(values))}, {spell(median(values))}, {spell(max(values))}"


def _gaps(values: Sequence[float]) -> str:
    return f"{median(values):.1f}, {percentile(values, 0.99):.1f}, {max(values):.1f} s"


def _refused(count: int) -> Table:
    limit = count / 5
    many = play(count, limit)
    rows: list[tuple[Cell, ...]] = []
    last = max(at for at, _ in many.requests)
    for since in range(0, int(last), 15):
        seen = [status for at, status in many.requests if since <= at < since + 15]
        refused = sum(1 for status in seen if status == 429)
        if seen:
            share = f"{100 * refused / len(seen):.0f}%"
            rows.append((f"{since}–{since + 15} s", spell(len(seen) / 15), share))
    rows += [(name, value, "") for name, value in _fairness(many)]
    head = (f"{count:,} jobs, 429 beyond {limit:g} a second", "requests a second", "of them 429")
    return Table(head, tuple(rows))
