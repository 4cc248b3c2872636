"""The simulated Opsera as a function of the time that has passed: pipelines, users and tokens.

The world moves only when somebody asks it to catch up with its clock, and knows nothing of HTTP.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Protocol

from opsera_step.simulator.accounts import Accounts, Token
from opsera_step.simulator.audit import Audit
from opsera_step.simulator.deeds import Deed, deed
from opsera_step.simulator.identifiers import ObjectIds
from opsera_step.simulator.pipelines import Pipeline
from opsera_step.simulator.records import Record, Shape
from opsera_step.simulator.registry import Tool
from opsera_step.simulator.runs import Run
from opsera_step.simulator.scenario import Access, Appointment, Member, Scenario, User
from opsera_step.simulator.switches import Switches
from opsera_step.simulator.tasks import Task

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

    def __init__(
        self,
        scenario: Scenario,
        switches: Switches,
        seed: int,
        clock: Clock,
        began: float | None = None,
    ) -> None:
        """Begin now, or have begun at a wall-clock time and `resume` later.

        What the timetable puts before the beginning is played at once.
        """
        self.scenario = scenario
        self.switches = switches
        self.rng = Random(seed)
        # Apart, because what is drawn here depends on how often somebody asks.
        self.ties = Random(seed + 1)
        self.now = min([0.0, *(one.at for one in scenario.timetable if one.since == "start")])
        self._clock = clock
        self._target = self.now
        self._zero = clock.monotonic()
        self._wall = clock.time() if began is None else began
        self._seq = 0
        self._our_latest: float | None = None
        self._coming: list[tuple[float, int, Callable[[], None]]] = []
        self._writers = [ObjectIds(self.rng) for _ in range(_WRITERS)]
        self.keep: Callable[[Deed], None] = _forget
        """What is told of every deed."""
        self.accounts = Accounts(scenario.user, scenario.members, Random(seed + 3))
        self.token = self._new_token(scenario.token_lifetime)
        self.expired_token = self._new_token(-3600.0)
        zero = round(self._wall * 1000)
        self.tools = {spec.id: Tool(spec, zero) for spec in scenario.tools}
        self.tasks = {spec.id: Task(spec, zero) for spec in scenario.tasks}
        self.audit = Audit(Random(seed + 4))
        self._fill_audit(zero)
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

    @property
    def began(self) -> float:
        """The wall clock of the beginning."""
        return self._wall

    def resume(self, at: float) -> None:
        """Let time go on from a moment that an earlier simulation had come to, or from later."""
        at = max(at, self._clock.time() - self._wall)
        self._zero = self._clock.monotonic() - at
        self.catch_up()

    def catch_up(self, moment: float | None = None) -> None:
        """Let everything happen that was due by now, or by a moment of the past."""
        self._target = self._clock.monotonic() - self._zero if moment is None else moment
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

    @deed
    def run(self, *, pipeline_id: str, user: str) -> Run:
        """Have somebody start a run."""
        return self._start(self.pipelines[pipeline_id], User.named(user))

    @deed
    def stop(self, *, pipeline_id: str, user: str) -> bool:
        """Stop a pipeline; False when nothing was going."""
        return self._stop(self.pipelines[pipeline_id], User.named(user))

    @deed
    def reset(self, *, pipeline_id: str, user: str) -> None:
        """Set a pipeline back to its beginning."""
        self._reset(self.pipelines[pipeline_id], User.named(user))

    @deed
    def decide(self, *, pipeline_id: str, approved: bool, by: str) -> bool:
        """Approve or reject at a gate; False when the pipeline is not paused."""
        return self._decide(self.pipelines[pipeline_id], approved, User.named(by))

    @deed
    def update_tool(self, *, tool_id: str, changes: dict[str, object], user: str) -> None:
        """Replace root properties of a tool."""
        self.tools[tool_id].update(changes, self.milliseconds())
        self._note(User.named(user), "registry", "update", tool_id)

    def adopt(self, token: Token) -> None:
        """Take a token of another world as the first one of this."""
        self.issue(
            token_id=token.id,
            text=token.text,
            scope=token.scope,
            owner=token.owner,
            expires=token.expires,
            first=True,
        )

    @deed
    def issue(
        self,
        *,
        token_id: str,
        text: str,
        scope: str,
        owner: str,
        expires: float,
        first: bool = False,
    ) -> None:
        """Let a token be good from now on; the `first` one takes the place of the one before."""
        token = Token(token_id, text, scope, owner, expires)
        if first:
            del self.accounts.tokens[self.token.text]
            self.token = token
        self.accounts.tokens[text] = token

    @deed
    def deactivate(self, *, text: str) -> None:
        """Make a token worthless."""
        self.accounts.deactivate(text)

    @deed
    def set_member(self, *, name: str, role: str, valid: bool) -> None:
        """Give a user a role, and say whether the user is a valid one."""
        self.accounts.members[name] = Member(name, role, valid)

    @deed
    def set_access(self, *, object_id: str, access: bool | list[str]) -> None:
        """Change who may use an object."""
        allowed: Access = access if isinstance(access, bool) else tuple(access)
        self.accounts.set_access(object_id, allowed)

    @deed
    def use(self, *, token_id: str, target: str) -> None:
        """Note that a token was used."""
        token = next(one for one in self.accounts.tokens.values() if one.id == token_id)
        owner = User.named(token.owner)
        self.audit.used(self.milliseconds(), token_id, token.scope, target, owner)

    def our_latest_run(self) -> float | None:
        """Return when the latest run of the token's owner was accepted."""
        return self._our_latest

    def _make_appointments(self, since: str, zero: float) -> None:
        for one in self.scenario.timetable:
            if one.since == since:
                self.schedule(zero + one.at, partial(self._keep, one))

    def _keep(self, one: Appointment) -> None:
        pipeline = self.pipelines[self.scenario.pipelines[one.pipeline].id]
        if one.do == "run" and not pipeline.paused:
            self._start(pipeline, one.user)
        elif one.do == "stop":
            self._stop(pipeline, one.user)
        elif one.do == "reset":
            self._reset(pipeline, one.user)
        elif one.do in ("approve", "reject"):
            self._decide(pipeline, one.do == "approve", one.user)

    def _start(self, pipeline: Pipeline, user: User) -> Run:
        """Start a run; what the timetable ties to our runs is planned."""
        run = pipeline.accept(user)
        self._note(user, "pipeline", "run", pipeline.spec.id)
        if user == self.user:
            self._our_latest = run.accepted
            self._make_appointments("run", self.now)
        return run

    def _stop(self, pipeline: Pipeline, user: User) -> bool:
        self._note(user, "pipeline", "stop", pipeline.spec.id)
        return pipeline.stop(user)

    def _reset(self, pipeline: Pipeline, user: User) -> None:
        self._note(user, "pipeline", "reset", pipeline.spec.id)
        pipeline.reset()

    def _decide(self, pipeline: Pipeline, approved: bool, user: User) -> bool:
        decided = pipeline.decide(approved=approved, by=user.name)
        if decided:
            word = "approve" if approved else "reject"
            self._note(user, "pipeline", word, pipeline.spec.id)
        return decided

    def _note(self, user: User, kind: str, action: str, target_id: str) -> None:
        self.audit.acted(self.milliseconds(), user, kind, action, target_id)

    def _fill_audit(self, began: int) -> None:
        scenario = self.scenario
        people = [User.named(member.name) for member in scenario.members]
        things = [*self.tools, *self.tasks, *(pipeline.id for pipeline in scenario.pipelines)]
        self.audit.seed(scenario.audit, people, things, began)

    def _new_token(self, lifetime: float) -> Token:
        issued, expires = self._wall + min(0.0, lifetime) - 60.0, self._wall + lifetime
        scope = self.scenario.token_scope
        token = self.accounts.make_token(self.user.name, scope, issued, expires)
        self.accounts.tokens[token.text] = token
        return token


def _forget(_: Deed) -> None:
    pass
