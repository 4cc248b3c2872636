"""The simulated Opsera as a function of the time that has passed: pipelines, users and tokens.

The world moves only when somebody asks it to catch up with its clock, and knows nothing of HTTP.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Protocol

from opsera_step.simulator.identifiers import ObjectIds, Token, make_token
from opsera_step.simulator.pipelines import Pipeline
from opsera_step.simulator.records import Record, Shape
from opsera_step.simulator.runs import Run
from opsera_step.simulator.scenario import Appointment, Scenario, User
from opsera_step.simulator.switches import Switches

_WRITERS = 3


class Clock(Protocol):
    """What the world needs of a clock."""

    def monotonic(self) -> float:
        """Return seconds since some fixed point."""
        ...

    def time(self) -> float:
        """Return seconds since 1970."""
        ...

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        ...


class World:
    """Everything there is, and the time it has come to; not safe for threads by itself."""

    def __init__(self, scenario: Scenario, switches: Switches, seed: int, clock: Clock) -> None:
        """Begin now; what the timetable puts before the beginning is played at once."""
        self.scenario = scenario
        self.switches = switches
        self.rng = Random(seed)
        self.now = min([0.0, *(one.at for one in scenario.timetable if one.since == "start")])
        self._clock = clock
        self._target = self.now
        self._zero = clock.monotonic()
        self._wall = clock.time()
        self._seq = 0
        self._coming: list[tuple[float, int, Callable[[], None]]] = []
        self._writers = [ObjectIds(self.rng) for _ in range(_WRITERS)]
        self.token = self._new_token(scenario.token_lifetime)
        self.expired_token = self._new_token(-3600.0)
        self.pipelines = {spec.id: Pipeline(self, spec) for spec in scenario.pipelines}
        self._make_appointments("start", 0.0)
        self.catch_up()

    @property
    def wall(self) -> float:
        """The wall clock of the moment that the world has come to."""
        return self._wall + self.now

    @property
    def user(self) -> User:
        """Whose token it is."""
        return self.scenario.user

    def milliseconds(self) -> int:
        """Return the wall clock in whole milliseconds."""
        return round(self.wall * 1000)

    def catch_up(self) -> None:
        """Let everything happen that was due by now."""
        self._target = self._clock.monotonic() - self._zero
        while self._coming and self._coming[0][0] <= self._target:
            at, _, action = heapq.heappop(self._coming)
            self.now = max(self.now, at)
            action()
        self.now = max(self.now, self._target)

    def move_to(self, at: float) -> bool:
        """Move on to a time at once if it has come and nothing else happens up to it."""
        if at > self._target or (self._coming and self._coming[0][0] <= at):
            return False
        self.now = max(self.now, at)
        return True

    def schedule(self, at: float, action: Callable[[], None]) -> None:
        """Have something done when the world has come to a time."""
        self._seq += 1
        heapq.heappush(self._coming, (at, self._seq, action))

    def new_record(self, shape: Shape, text: str, *, with_id: bool) -> Record:
        """Make a log record that was written now."""
        self._seq += 1
        kind, at = self.switches.record_ids, self.milliseconds()
        writer = self.rng.choice(self._writers) if kind == "scattered" else self._writers[0]
        record_id = writer.next(self.wall) if with_id and kind != "missing" else None
        return Record(self._seq, record_id, at, at, shape, text)

    def start(self, pipeline: Pipeline, user: User) -> Run:
        """Have somebody start a run; what the timetable ties to our runs is planned."""
        run = pipeline.accept(user)
        if user == self.user:
            self._make_appointments("run", self.now)
        return run

    def our_latest_run(self) -> float | None:
        """Return when the latest run of the token's owner was accepted."""
        runs = [run for pipeline in self.pipelines.values() for run in pipeline.runs.values()]
        return max((run.accepted for run in runs if run.user == self.user), default=None)

    def _make_appointments(self, since: str, zero: float) -> None:
        for one in self.scenario.timetable:
            if one.since == since:
                self.schedule(zero + one.at, partial(self._keep, one))

    def _keep(self, one: Appointment) -> None:
        pipeline = self.pipelines[self.scenario.pipelines[one.pipeline].id]
        if one.do == "run" and not pipeline.paused:
            self.start(pipeline, one.user)
        elif one.do == "stop":
            pipeline.stop(one.user)
        elif one.do == "reset":
            pipeline.reset()
        elif one.do in ("approve", "reject"):
            pipeline.decide(approved=one.do == "approve", by=one.user.name)

    def _new_token(self, lifetime: float) -> Token:
        issued = self._wall + min(0.0, lifetime) - 60.0
        return make_token(self.user.id, issued, self._wall + lifetime, self.rng)
