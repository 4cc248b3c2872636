"""One pipeline: its runs, its queue, and the object that the API returns."""

from __future__ import annotations

from collections import deque

from opsera_step.simulator.identifiers import timestamp
from opsera_step.simulator.scenario.spec import PipelineSpec, RunSettings, User
from opsera_step.simulator.world.execution import RunExecution
from opsera_step.simulator.world.log_store import LogStore
from opsera_step.simulator.world.run import History, Run, RunHost

_AGE = 30 * 86400.0

_Fields = dict[str, object]


class Pipeline:
    """The state of one pipeline."""

    def __init__(self, host: RunHost, spec: PipelineSpec) -> None:
        """Start idle, after the runs that the scenario counts."""
        self.spec = spec
        self.runs: list[Run] = []
        """All runs since the start of the simulation, deleted ones too."""
        self.queue: deque[Run] = deque()
        self.execution: RunExecution | None = None
        self.locked_by = spec.owner.name if spec.locked else ""
        self._host = host
        self._created = host.milliseconds() - int(_AGE * 1000)
        self._updated = self._created
        self._last_number = spec.run_count
        self._started_runs = 0
        self._resume_at = 0
        self._by_number: dict[int, Run] = {}
        self._holds_queue = False
        past = float("-inf")
        last_step = self._at_rest(len(spec.plan) - 1) if spec.run_count else {}
        self._run_count = History(past, spec.run_count)
        self._last_step: History[_Fields] = History(past, last_step)
        self._last_run = History(past, _last_run(spec.run_count, "success", self._created))

    @property
    def busy(self) -> bool:
        """Whether a run is in progress or about to start."""
        return self.execution is not None or (bool(self.queue) and not self._holds_queue)

    @property
    def paused(self) -> bool:
        """Whether a run waits for a decision."""
        return self.execution is not None and self.execution.paused

    @property
    def latest(self) -> int:
        """The number of the latest run."""
        return self._run_count.current

    def accept(self, user: User, settings: RunSettings) -> Run:
        """Start a run, or queue it behind the one in progress."""
        flags, busy, now = self._host.flags, self.busy, self._host.now
        self._last_number += self.spec.run_count_step
        run = Run(self._last_number, user, now, LogStore(flags.log_window), settings)
        self.runs.append(run)
        self._by_number[run.number] = run
        if not busy or flags.queued_run_count == "at_request":
            self._run_count.set(now, run.number)
        if busy:
            self.queue.append(run)
        else:
            self._start(run)
        return run

    def find(self, number: int) -> Run | None:
        """Return a run that the API still has."""
        return self._by_number.get(number)

    def stop(self, user: User) -> bool:
        """Stop the run in progress; False if there is none."""
        if self._host.flags.stop_clears_queue:
            self._drop_queue()
        if self.execution is None:
            return False
        self.execution.stop(user)
        return True

    def reset(self, user: User) -> None:
        """Return to the first step. A run in progress ends, and the queue is dropped."""
        self._drop_queue()
        if self.execution is not None:
            self.execution.abort(user)
        latest = self.find(self.latest)
        if latest is not None and self._host.flags.reset_clears_logs:
            latest.log.clear()
        self._resume_at, self._holds_queue = 0, False
        self._note({})

    def decide(self, *, approved: bool, by: User, message: str = "") -> bool:
        """Approve or reject; False if the pipeline is not paused."""
        return self.execution is not None and self.execution.decide(approved, by, message)

    def delete(self, run: Run, user: User) -> None:
        """Delete a queued request, or a run with all of its data."""
        run.deleted = True
        self._by_number.pop(run.number, None)
        if run in self.queue:
            self.queue.remove(run)
            self._end_queued(run)
            self._renumber()
        elif self.execution is not None and self.execution.run is run:
            self.execution.abort(user)

    def move_to_front(self, run: Run) -> None:
        """Let a queued run be the next one. Raises ValueError if it is not queued."""
        if run not in self.queue:
            raise ValueError(f"run {run.number} is not queued")
        self.queue.remove(run)
        self.queue.appendleft(run)
        self._renumber()

    def has_run(self, number: int) -> bool:
        """Return whether a run of that number ended before the start of the simulation."""
        return 0 < number <= self.spec.run_count

    def describe(self) -> _Fields:
        """Return the pipeline object of the API."""
        spec, flags, now = self.spec, self._host.flags, self._host.now
        workflow: _Fields = {
            "run_count": self._run_count.at(now - flags.run_count_lag),
            "plan": [self._planned(index) for index in range(len(spec.plan))],
            "last_run": self._last_run.at(now - flags.summary_lag),
            "last_step": self._last_step.at(now - flags.summary_lag),
        }
        if spec.branch or spec.dynamic_settings is not None:
            off_or_on = {"dynamicSettings": spec.dynamic_settings}
            source = {"service": "github", "branch": spec.branch}
            workflow["source"] = source | ({} if spec.dynamic_settings is None else off_or_on)
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
            "createdAt": timestamp(self._created),
            "updatedAt": timestamp(self._updated),
        }

    def _planned(self, index: int) -> _Fields:
        step = self.spec.plan[index]
        named = {"_id": step.id, "name": step.name, "active": True, "type": list(self.spec.type)}
        return {**named, "tool": step.tool_object()}

    def _start_next(self) -> None:
        if self.execution is None and self.queue and not self._holds_queue:
            self._start(self.queue.popleft())

    def _start(self, run: Run) -> None:
        if self.latest < run.number:
            self._run_count.set(self._host.now, run.number)
        execution = RunExecution(self._host, self.spec, run, self._on_change, self._on_end)
        self.execution = execution
        self._started_runs += 1
        execution.start(self._resume_at, self._started_runs - 1)

    def _drop_queue(self) -> None:
        for run in self.queue:
            self._end_queued(run)
        self.queue.clear()

    def _end_queued(self, run: Run) -> None:
        run.ended = self._host.now
        run.set_state(self._host.now, "stopped")

    def _renumber(self) -> None:
        """Give queued runs successive numbers again, where they have none of their own yet."""
        if self._host.flags.queued_numbers == "kept":
            return
        for run in self.queue:
            self._by_number.pop(run.number)
        self._last_number = max(self._by_number, default=self.spec.run_count)
        for run in self.queue:
            self._last_number += self.spec.run_count_step
            run.number = self._last_number
            self._by_number[run.number] = run

    def _on_change(self, execution: RunExecution) -> None:
        self._note(self._position(execution))

    def _note(self, last_step: _Fields) -> None:
        self._updated = self._host.milliseconds()
        self._last_step.set(self._host.now, last_step)

    def _on_end(self, execution: RunExecution) -> None:
        self.execution = None
        flags, run, now = self._host.flags, execution.run, self._host.now
        state = flags.spell(run.state)
        self._last_run.set(now, _last_run(run.number, state, self._host.milliseconds()))
        resumes = flags.resume_after_failure and execution.failed is not None
        self._resume_at = execution.failed or 0 if resumes else 0
        failed = run.state != "success"
        self._holds_queue = failed and flags.queue_after_failure == "wait"
        if failed and flags.queue_after_failure == "drop":
            self._drop_queue()
        self._host.schedule(now + self.spec.queue_delay, self._start_next)

    def _position(self, execution: RunExecution) -> _Fields:
        state, step = execution.run.state, self._id_of(execution.step)
        if execution.flickering and self._host.flags.flicker_in != "status":
            state = self._host.flags.flicker_status
        if state in ("running", "paused"):
            word = "running" if state == "running" else "stopped"
            running = {"step_id": step, "status": word, "paused": state == "paused"}
            passed = {} if execution.passed is None else {"step_id": self._id_of(execution.passed)}
            return {
                "step_id": step,
                "status": word,
                "running": running,
                "success": passed,
                "failed": {},
            }
        if state == "success":
            return self._at_rest(execution.passed)
        # A stopped run shows neither success nor failure, or it would be taken for one of them.
        failed = {} if state == "stopped" else {"step_id": self._id_of(execution.failed) or step}
        return {
            "step_id": step,
            "status": "stopped",
            "running": {},
            "success": {},
            "failed": failed,
        }

    def _at_rest(self, index: int | None) -> _Fields:
        step = self._id_of(index)
        shown = {"running": {}, "success": {"step_id": step}, "failed": {}}
        return {"step_id": step, "status": "stopped", **shown}

    def _id_of(self, index: int | None) -> str:
        return "" if index is None else self.spec.plan[index].id


def _last_run(number: int, state: str, at: int) -> _Fields:
    if not number:
        return {}
    return {"completed": timestamp(at), "run_count": number, "status": state}
