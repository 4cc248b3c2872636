"""One pipeline: its runs, its queue, and the object by which the API shows it."""

from __future__ import annotations

from collections import deque

from opsera_step.simulator.identifiers import timestamp
from opsera_step.simulator.playing import Play
from opsera_step.simulator.records import LogStore
from opsera_step.simulator.runs import Run, Stage
from opsera_step.simulator.scenario import PipelineSpec, User

_BORN = 30 * 86400.0


class Pipeline:
    """The state of one pipeline."""

    def __init__(self, stage: Stage, spec: PipelineSpec) -> None:
        """Begin at rest, after the runs that the specification counts."""
        self.spec = spec
        self.runs: dict[int, Run] = {}
        self.queue: deque[Run] = deque()
        self.play: Play | None = None
        self._stage = stage
        self._born = stage.milliseconds() - int(_BORN * 1000)
        self._changed_at = self._born
        self._allotted = spec.run_count
        self._counts: list[tuple[float, int]] = [(float("-inf"), spec.run_count)]
        self._last_run = self._ended(spec.run_count, "success", self._born)
        self._last_step = self._rested(len(spec.plan) - 1) if spec.run_count else {}
        self._resume_at = 0

    @property
    def busy(self) -> bool:
        """Whether a run is going or waits to go."""
        return self.play is not None or bool(self.queue)

    @property
    def paused(self) -> bool:
        """Whether the pipeline waits at a gate."""
        return self.play is not None and self.play.paused

    @property
    def newest(self) -> int:
        """The number of the newest run."""
        return self._counts[-1][1]

    def accept(self, user: User) -> Run:
        """Take a request to run: begin at once, or queue it behind the run that is going."""
        switches, busy = self._stage.switches, self.busy
        self._allotted += self.spec.run_count_step
        run = Run(self._allotted, user, self._stage.now, LogStore(switches.window))
        run.changes.append((self._stage.now, "queued"))
        self.runs[run.count] = run
        if not busy or switches.queued_run_count == "at_once":
            self._counts.append((self._stage.now, run.count))
        self.queue.append(run)
        if not busy:
            self._begin_next()
        return run

    def stop(self, user: User) -> bool:
        """Stop the run that is going; False when there is none."""
        if self._stage.switches.stop_clears_queue:
            self._drop_queue()
        if self.play is None:
            return False
        self.play.stop(user)
        return True

    def reset(self) -> None:
        """Go back to the first step; a run that is going ends, and the queue is dropped."""
        self._drop_queue()
        if self.play is not None:
            self.play.abort()
        newest = self.runs.get(self.newest)
        if newest is not None and self._stage.switches.reset_clears_logs:
            newest.log.clear()
        self._last_step, self._resume_at = {}, 0
        self._changed_at = self._stage.milliseconds()

    def decide(self, *, approved: bool, by: str) -> bool:
        """Approve or reject at the gate; False when the pipeline is not paused."""
        return self.play is not None and self.play.decide(approved, by)

    def known_count(self, count: int) -> bool:
        """Whether a run of that number was before the world began."""
        return 0 < count <= self.spec.run_count

    def describe(self) -> dict[str, object]:
        """Return the pipeline object of the API."""
        spec, switches = self.spec, self._stage.switches
        counted_by = self._stage.now - switches.summary_lag
        workflow = {
            "run_count": [count for at, count in self._counts if at <= counted_by][-1],
            "plan": [self._planned(index) for index in range(len(spec.plan))],
            "last_run": self._last_run,
            "last_step": self._last_step,
        }
        return {
            "_id": spec.id,
            "name": spec.name,
            "description": spec.description,
            "owner": spec.owner.id,
            "owner_name": spec.owner.name,
            "type": list(spec.type),
            "tags": list(spec.tags),
            "active": True,
            "workflow": workflow,
            "createdAt": timestamp(self._born),
            "updatedAt": timestamp(self._changed_at),
        }

    def _planned(self, index: int) -> dict[str, object]:
        step = self.spec.plan[index]
        kind = list(self.spec.type)
        named = {"_id": step.id, "name": step.name, "active": True, "type": kind}
        return {**named, "tool": step.tool_object}

    def _begin_next(self) -> None:
        if self.play is not None or not self.queue:
            return
        run = self.queue.popleft()
        if self._counts[-1][1] < run.count:
            self._counts.append((self._stage.now, run.count))
        attempt = sum(1 for one in self.runs.values() if one.started is not None)
        self.play = Play(self._stage, self.spec, run, self._note_change, self._note_end)
        self.play.begin(self._resume_at, attempt)

    def _drop_queue(self) -> None:
        for run in self.queue:
            run.ended = self._stage.now
            run.changes.append((self._stage.now, "stopped"))
        self.queue.clear()

    def _note_change(self, play: Play) -> None:
        self._changed_at = self._stage.milliseconds()
        self._last_step = self._position(play)

    def _note_end(self, play: Play) -> None:
        self.play = None
        run, failed = play.run, play.failed
        now = self._stage.milliseconds()
        self._last_run = self._ended(run.count, self._stage.switches.spell(run.state), now)
        resumes = failed is not None and self._stage.switches.resume_after_failure
        self._resume_at = failed if failed is not None and resumes else 0
        self._stage.schedule(self._stage.now + self.spec.queue_delay, self._begin_next)

    def _position(self, play: Play) -> dict[str, object]:
        state, step = play.run.state, self._id_of(play.step)
        if state in ("running", "paused"):
            word = "running" if state == "running" else "stopped"
            running = {"step_id": step, "status": word, "paused": state == "paused"}
            passed = {} if play.passed is None else {"step_id": self._id_of(play.passed)}
            shown = {"running": running, "success": passed, "failed": {}}
            return {"step_id": step, "status": word, **shown}
        if state == "success":
            return self._rested(play.passed)
        # A run that was stopped shows neither success nor failure, or it would be taken for one.
        failed = {} if state == "stopped" else {"step_id": self._id_of(play.failed)}
        return {
            "step_id": step,
            "status": "stopped",
            "running": {},
            "success": {},
            "failed": failed,
        }

    def _rested(self, index: int | None) -> dict[str, object]:
        step = self._id_of(index)
        shown = {"running": {}, "success": {"step_id": step}, "failed": {}}
        return {"step_id": step, "status": "stopped", **shown}

    def _id_of(self, index: int | None) -> str:
        return "" if index is None else self.spec.plan[index].id

    def _ended(self, count: int, state: str, at: int) -> dict[str, object]:
        if not count:
            return {}
        return {"completed": timestamp(at), "run_count": count, "status": state}
