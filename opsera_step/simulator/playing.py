"""How one run goes through a plan: stages, gates, results, and a soft stop."""

from __future__ import annotations

from collections.abc import Callable

from opsera_step.simulator.runs import FINAL, Run, Stage, Writer
from opsera_step.simulator.scenario import PipelineSpec, User


class Play:
    """A run that is under way; calls `changed` at each change of state and `over` at the end."""

    def __init__(
        self,
        stage: Stage,
        pipeline: PipelineSpec,
        run: Run,
        changed: Callable[[Play], None],
        over: Callable[[Play], None],
    ) -> None:
        """Make ready to play a run; `begin` starts it."""
        self.run = run
        self.step: int | None = None
        self.passed: int | None = None
        self.failed: int | None = None
        self._stage = stage
        self._pipeline = pipeline
        self._writer = Writer(stage, pipeline, run)
        self._changed = changed
        self._over = over
        self._active: dict[int, float] = {}
        self._gate: int | None = None
        self._stopping = False
        self._attempt = 0
        self._verdict = "failed"
        self._rest: list[list[int]] = []

    @property
    def paused(self) -> bool:
        """Whether the run waits at a gate."""
        return self.run.state == "paused"

    def begin(self, first_step: int = 0, attempt: int = 0) -> None:
        """Start at the given step; `attempt` counts the runs that went before."""
        self._attempt = attempt
        self.run.started = self._stage.now
        self._set_state("running")
        if self._stage.switches.start_records != "none":
            started = f"Run {self.run.count} was started by {self.run.user.name}."
            self._writer.note("start pipeline", "success", started)
        stages = [stage for stage in self._pipeline.stages if stage[-1] >= first_step]
        self._later(self._pipeline.start_delay, lambda: self._next_stage(stages))

    def decide(self, approved: bool, by: str) -> bool:
        """Approve or reject at the gate; False when the run does not wait at one."""
        if self._gate is None or not self.paused:
            return False
        gate, self._gate = self._gate, None
        word = "approved" if approved else "rejected"
        result = "success" if approved else "rejected"
        if approved:
            self._set_state("running")
        self._end_step(gate, result, f"{self._pipeline.plan[gate].name} was {word} by {by}.")
        return True

    def stop(self, user: User) -> None:
        """Stop softly: the operation in progress goes on for a while, or to its end."""
        if self._stopping:
            return
        self._stopping = True
        self._writer.note("stop pipeline", "running", f"Stop was requested by {user.name}.")
        delay, left = self._pipeline.stop_delay, max(self._active.values(), default=0.0)
        ends = max(0.0, left - self._stage.now)
        wait = ends if delay is None else min(delay, ends)
        self._later(0.0 if self.paused else wait, self.abort)

    def abort(self) -> None:
        """Stop at once."""
        self._writer.note("stop pipeline", "stopped", f"Run {self.run.count} was stopped.")
        self._writer.hush()
        self._finish("stopped")

    def _next_stage(self, stages: list[list[int]]) -> None:
        if self._stopping:
            return
        if not stages:
            self._finish("success")
            return
        self._rest = stages[1:]
        for index in stages[0]:
            self._begin_step(index)

    def _begin_step(self, index: int) -> None:
        step = self._pipeline.plan[index]
        self.step = index
        self._active[index] = self._stage.now + step.seconds
        self._writer.note("run", "running", f"Step {step.name} has started.", index)
        self._writer.play(step.log, index)
        if step.gate is None:
            result = step.result(self._attempt)
            self._later(step.seconds, lambda: self._end_step(index, result, step.message))
        else:
            self._later(step.seconds, lambda: self._pause(index))
        self._changed(self)

    def _pause(self, index: int) -> None:
        step = self._pipeline.plan[index]
        self._gate = index
        self._writer.note("status", "paused", f"{step.name} waits for a decision.", index)
        self._set_state("paused")
        if step.gate is not None and step.gate.decision != "wait":
            approved, by = step.gate.decision == "approve", step.gate.by
            self._later(step.gate.after, lambda: self._decide_gate(index, approved, by))

    def _decide_gate(self, index: int, approved: bool, by: str) -> None:
        if self._gate == index:
            self.decide(approved, by)

    def _end_step(self, index: int, result: str, message: str) -> None:
        step = self._pipeline.plan[index]
        said = message or f"Step {step.name} ended: {result}."
        self._writer.note("status", result, said, index)
        del self._active[index]
        if result == "success":
            self.passed = index
        elif self.failed is None or result == "rejected":
            self.failed = index
            self._verdict = result
        self._changed(self)
        if self._active:
            return
        if self.failed is not None:
            self._finish(self._verdict)
        else:
            self._later(self._pipeline.step_gap, lambda: self._next_stage(self._rest))

    def _finish(self, state: str) -> None:
        self.run.ended = self._stage.now
        self._active.clear()
        self._set_state(state)
        self._writer.play(self._pipeline.trailing, self.step or 0)
        self._over(self)

    def _set_state(self, state: str) -> None:
        self.run.changes.append((self._stage.now, state))
        self._changed(self)

    def _later(self, seconds: float, action: Callable[[], None]) -> None:
        def unless_over() -> None:
            if self.run.state not in FINAL:
                action()

        self._stage.schedule(self._stage.now + seconds, unless_over)
