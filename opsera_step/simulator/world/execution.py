"""How one run moves through a plan: stages, approvals, results, and a graceful stop."""

from __future__ import annotations

from collections.abc import Callable

from opsera_step.simulator.scenario.spec import PipelineSpec, User
from opsera_step.simulator.world.run import FINAL, LogWriter, Run, RunHost


class RunExecution:
    """A run in progress. Calls `changed` at each change of state and `over` at the end."""

    def __init__(
        self,
        host: RunHost,
        pipeline: PipelineSpec,
        run: Run,
        changed: Callable[[RunExecution], None],
        over: Callable[[RunExecution], None],
    ) -> None:
        self.run = run
        self.step: int | None = None
        self.passed: int | None = None
        self.failed: int | None = None
        self.flickering = False
        """Whether the run looks final for a moment between two steps."""
        self._host = host
        self._pipeline = pipeline
        self._writer = LogWriter(host, pipeline, run)
        self._changed = changed
        self._over = over
        self._ends: dict[int, float] = {}
        self._waiting: int | None = None
        self._stopping = False
        self._attempt = 0
        self._result = "failed"
        self._stages = iter(pipeline.stages)

    @property
    def paused(self) -> bool:
        """Whether the run waits for a decision."""
        return self.run.state == "paused"

    def start(self, first_step: int = 0, attempt: int = 0) -> None:
        """Start at the given step. `attempt` is the number of earlier runs."""
        self._attempt = attempt
        self.run.started = self._host.now
        self._set_state("running")
        if self._host.flags.start_record:
            started = f"Run {self.run.number} was started{self._by(self.run.user)}."
            self._writer.note("start pipeline", "success", started)
        stages = self._pipeline.stages
        self._stages = iter([stage for stage in stages if stage[-1] >= first_step])
        self._later(self._pipeline.start_delay, self._next_stage)

    def decide(self, approved: bool, by: User, message: str = "") -> bool:
        """Approve or reject the waiting step; False if none waits."""
        if self._waiting is None or not self.paused:
            return False
        index, self._waiting = self._waiting, None
        word = "approved" if approved else "rejected"
        if approved:
            self._set_state("running")
        said = f"{self._pipeline.plan[index].name} was {word}{self._by(by)}."
        said = f"{said} {message}" if message else said
        self._end_step(index, "success" if approved else "rejected", said, by)
        return True

    def stop(self, user: User) -> None:
        """Stop gracefully: the current operation continues for a while, or to its end."""
        if self._stopping:
            return
        self._stopping = True
        requested = f"A stop was requested{self._by(user)}."
        self._writer.note("stop pipeline", "running", requested, user=user)
        rest = max(0.0, max(self._ends.values(), default=0.0) - self._host.now)
        wait = rest if self._pipeline.stop_finishes_step else min(self._pipeline.stop_delay, rest)
        self._later(0.0 if self.paused else wait, lambda: self.abort(user))

    def abort(self, user: User | None = None) -> None:
        """Stop at once."""
        message = f"Run {self.run.number} was stopped."
        self._writer.note("stop pipeline", "stopped", message, user=user)
        self._writer.cancel()
        self._finish("stopped")

    def _next_stage(self) -> None:
        if self._stopping:
            return
        if self.flickering:
            self.flickering = False
            self.run.shown.set(self._host.now, self.run.state)
        stage = next(self._stages, None)
        if stage is None:
            self._finish("success")
            return
        for index in stage:
            self._start_step(index)

    def _start_step(self, index: int) -> None:
        step = self._pipeline.plan[index]
        self.step = index
        self.run.step_states[index] = "running"
        self._ends[index] = self._host.now + step.seconds
        self._writer.note("run", "running", f"Step {step.name} has started.", index)
        self._writer.play(step.log, index)
        if step.approval is None:
            result = step.result_of(self._attempt)
            self._later(step.seconds, lambda: self._end_step(index, result, step.message))
        else:
            self._later(step.seconds, lambda: self._pause(index))
        self._changed(self)

    def _pause(self, index: int) -> None:
        step = self._pipeline.plan[index]
        self._waiting = index
        self.run.step_states[index] = "waiting for approval"
        self._writer.note("status", "paused", f"{step.name} is waiting for approval.", index)
        self._set_state("paused")
        gate = step.approval
        if gate is not None and gate.decision != "wait":
            approved, by = gate.decision == "approve", gate.by

            def decide() -> None:
                if self._waiting == index:
                    self.decide(approved, by)

            self._later(gate.after, decide)

    def _end_step(self, index: int, result: str, message: str, user: User | None = None) -> None:
        step = self._pipeline.plan[index]
        said = message or f"Step {step.name} ended: {result}."
        self._writer.note("status", result, said, index, user)
        self.run.step_states[index] = result
        del self._ends[index]
        if result == "success":
            self.passed = index
        elif self.failed is None or result == "rejected":
            self.failed = index
            self._result = result
        self._changed(self)
        if self._ends:
            return
        if self.failed is not None:
            self._finish(self._result)
        else:
            self._pass_to_next_stage(index)

    def _pass_to_next_stage(self, index: int) -> None:
        flags, gap = self._host.flags, self._pipeline.step_gap
        if flags.flicker_seconds and index + 1 < len(self._pipeline.plan):
            gap = max(gap, flags.flicker_seconds)
            self.flickering = True
            if flags.flicker_in != "summary":
                self.run.shown.set(self._host.now, flags.flicker_status)
            self._changed(self)
        self._later(gap, self._next_stage)

    def _finish(self, state: str) -> None:
        self.run.ended = self._host.now
        self.flickering = False
        for index in self._ends:
            self.run.step_states[index] = state
        self._ends.clear()
        self._set_state(state)
        self._writer.play(self._pipeline.trailing, self.step or 0)
        self._over(self)

    def _set_state(self, state: str) -> None:
        self.run.set_state(self._host.now, state)
        self._changed(self)

    def _by(self, user: User) -> str:
        return f" by {user.name}" if self._host.flags.names_in_messages else ""

    def _later(self, seconds: float, action: Callable[[], None]) -> None:
        def unless_over() -> None:
            if self.run.state not in FINAL:
                action()

        self._host.schedule(self._host.now + seconds, unless_over)
