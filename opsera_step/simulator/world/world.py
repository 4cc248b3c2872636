"""The simulated Opsera as a function of time: pipelines, tools, tasks, users, and tokens.

The world moves only when it has to catch up with its clock. It knows nothing of HTTP, and is
not safe for threads by itself.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from functools import partial
from random import Random

from opsera_step.clock import Clock
from opsera_step.simulator.identifiers import ObjectIds
from opsera_step.simulator.scenario.flags import Flags
from opsera_step.simulator.scenario.spec import Appointment, RunSettings, Scenario, User
from opsera_step.simulator.world.accounts import Accounts, Token
from opsera_step.simulator.world.audit import Audit
from opsera_step.simulator.world.log_store import Record, RecordTemplate
from opsera_step.simulator.world.pipeline import Pipeline
from opsera_step.simulator.world.run import Run
from opsera_step.simulator.world.task import Task
from opsera_step.simulator.world.tool import Tool

_WRITERS = 3


class World:
    """Everything that is simulated, and the time that it has reached."""

    def __init__(self, scenario: Scenario, flags: Flags, seed: int, clock: Clock) -> None:
        """Start now, with everything done that the timetable puts before the start."""
        self.scenario = scenario
        self.flags = flags
        self.rng = Random(seed)
        # Separate, because what is drawn here depends on how often a client asks.
        self.ties = Random(seed + 1)
        self.now = min([0.0, *(one.at for one in scenario.timetable if one.since == "start")])
        self._clock = clock
        self._target = self.now
        self._zero = clock.monotonic()
        self._wall = clock.time()
        self._seq = 0
        self._owner_run_at: float | None = None
        self._coming: list[tuple[float, int, Callable[[], None]]] = []
        self._writers = [ObjectIds(self.rng) for _ in range(_WRITERS)]
        self.accounts = Accounts(scenario.user, scenario.members, Random(seed + 3))
        self.token = self._new_token(scenario.token.lifetime)
        self.expired_token = self._new_token(-3600.0)
        start = round(self._wall * 1000)
        self.tools = {spec.id: Tool(spec, start) for spec in scenario.tools}
        self.tasks = {spec.id: Task(spec, start) for spec in scenario.tasks}
        self.audit = Audit(Random(seed + 4))
        people = [User.from_text(name) for name in scenario.members]
        targets = [*self.tools, *self.tasks, *(pipeline.id for pipeline in scenario.pipelines)]
        self.audit.seed(scenario.audit, people, targets, start)
        self.pipelines = {spec.id: Pipeline(self, spec) for spec in scenario.pipelines}
        self._make_appointments("start", 0.0)
        self.catch_up()

    @property
    def wall(self) -> float:
        """The wall clock of the time that the world has reached."""
        return self._wall + self.now

    @property
    def user(self) -> User:
        """The owner of the token."""
        return self.scenario.user

    @property
    def owner_run_at(self) -> float | None:
        """When the latest run of the token's owner was accepted."""
        return self._owner_run_at

    def milliseconds(self) -> int:
        """Return the wall clock in whole milliseconds."""
        return round(self.wall * 1000)

    def catch_up(self) -> None:
        """Let everything happen that is due by now."""
        self._target = self._clock.monotonic() - self._zero
        while self._coming and self._coming[0][0] <= self._target:
            at, _, action = heapq.heappop(self._coming)
            self.now = max(self.now, at)
            action()
        self.now = max(self.now, self._target)

    def move_to(self, at: float) -> bool:
        """Move to a time at once if it has come and nothing else happens before it."""
        if at > self._target or (self._coming and self._coming[0][0] <= at):
            return False
        self.now = max(self.now, at)
        return True

    def schedule(self, at: float, action: Callable[[], None]) -> None:
        """Call an action when the world has reached a time."""
        self._seq += 1
        heapq.heappush(self._coming, (at, self._seq, action))

    def new_record(self, template: RecordTemplate, text: str, *, with_id: bool) -> Record:
        """Create a log record at the current time."""
        self._seq += 1
        kind, at = self.flags.record_ids, self.milliseconds()
        writer = self.rng.choice(self._writers) if kind == "scattered" else self._writers[0]
        record_id = writer.next(self.wall) if with_id and kind != "missing" else None
        return Record(self._seq, record_id, at, at, template, text)

    def run(self, pipeline: Pipeline, user: User, settings: RunSettings | None = None) -> Run:
        """Start or queue a run, with the appointments that follow a run of the token's owner."""
        run = pipeline.accept(user, settings or RunSettings())
        self._note(user, "pipeline", "run", pipeline.spec.id)
        if user == self.user:
            self._owner_run_at = run.accepted
            self._make_appointments("run", self.now)
        return run

    def stop(self, pipeline: Pipeline, user: User) -> bool:
        """Stop a pipeline; False if it was idle."""
        self._note(user, "pipeline", "stop", pipeline.spec.id)
        return pipeline.stop(user)

    def reset(self, pipeline: Pipeline, user: User) -> None:
        """Return a pipeline to its first step."""
        self._note(user, "pipeline", "reset", pipeline.spec.id)
        pipeline.reset(user)

    def decide(self, pipeline: Pipeline, approved: bool, user: User, message: str = "") -> bool:
        """Approve or reject; False if the pipeline is not paused."""
        decided = pipeline.decide(approved=approved, by=user, message=message)
        if decided:
            word = "approve" if approved else "reject"
            self._note(user, "pipeline", word, pipeline.spec.id)
        return decided

    def delete_run(self, pipeline: Pipeline, run: Run, user: User) -> None:
        """Delete a run, or a request that is queued."""
        self._note(user, "pipeline", "delete run", pipeline.spec.id)
        pipeline.delete(run, user)

    def delete_pipeline(self, pipeline: Pipeline, user: User) -> None:
        """Delete a pipeline. A run in progress is stopped."""
        self._note(user, "pipeline", "delete", pipeline.spec.id)
        pipeline.reset(user)
        del self.pipelines[pipeline.spec.id]

    def update_tool(self, tool: Tool, changes: dict[str, object], user: User) -> None:
        """Replace root properties of a tool."""
        tool.update(changes, self.milliseconds())
        self._note(user, "registry", "update", tool.spec.id)

    def note_use(self, token: Token, target: str) -> None:
        """Record that a token was used."""
        owner = User.from_text(token.owner)
        self.audit.add_use(self.milliseconds(), token.id, token.scope, target, owner)

    def renew_token(self) -> Token:
        """Replace the first token with a new one. The old one becomes invalid."""
        self.accounts.deactivate(self.token.text)
        self.token = self._new_token(self.scenario.token.lifetime)
        return self.token

    def adopt(self, token: Token) -> None:
        """Use a token of another world as the first one of this world."""
        del self.accounts.tokens[self.token.text]
        self.token = token
        self.accounts.tokens[token.text] = token

    def _make_appointments(self, since: str, zero: float) -> None:
        for one in self.scenario.timetable:
            if one.since == since:
                self.schedule(zero + one.at, partial(self._keep, one))

    def _keep(self, one: Appointment) -> None:
        spec = self.scenario.pipeline_named(one.pipeline)
        pipeline = self.pipelines.get(spec.id)
        if pipeline is None:
            return
        latest = pipeline.queue[-1] if pipeline.queue else pipeline.find(pipeline.latest)
        run = latest if one.run is None else pipeline.find(one.run)
        if one.do == "run" and not pipeline.paused and not pipeline.locked_by:
            self.run(pipeline, one.user)
        elif one.do == "stop":
            self.stop(pipeline, one.user)
        elif one.do == "reset":
            self.reset(pipeline, one.user)
        elif one.do in ("approve", "reject"):
            self.decide(pipeline, one.do == "approve", one.user)
        elif one.do == "delete" and run is not None:
            self.delete_run(pipeline, run, one.user)
        elif one.do == "move_to_front" and run is not None and run in pipeline.queue:
            pipeline.move_to_front(run)
        elif one.do in ("lock", "unlock"):
            pipeline.locked_by = one.user.name if one.do == "lock" else ""
        elif one.do == "revoke_token":
            self.accounts.deactivate(self.token.text)

    def _note(self, user: User, kind: str, action: str, target_id: str) -> None:
        self.audit.add_action(self.milliseconds(), user, kind, action, target_id)

    def _new_token(self, lifetime: float) -> Token:
        at = self._wall + max(0.0, self.now)
        issued, scope = at + min(0.0, lifetime) - 60.0, self.scenario.token.scope
        return self.accounts.issue(self.user.name, scope, issued, at + lifetime)
