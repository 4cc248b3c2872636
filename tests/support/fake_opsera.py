"""A small stateful Opsera on a fake clock: one pipeline, its runs, its queue, and other users.

It shares nothing with the simulator and uses no HTTP. What happens to a `run` request is a word.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from opsera_step.api import (
    Ack,
    Listing,
    LogRecord,
    Pipeline,
    Run,
    RunResponse,
    RunStatus,
    State,
    state_of,
)
from opsera_step.clock import Clock, Deadline
from opsera_step.errors import ApiError, Malformed, NotFound, Unavailable, Unreachable

PIPELINE = "65a4f00dc0ffee0123456789"
US, OTHER = "5f" * 12, "6e" * 12
FOREVER = float("inf")
HOUR = 3600.0
LATENCY = 0.2
REFUSED_WHILE_PAUSED = "The pipeline is in a paused state; no other job starts until then."


def token_of(user: str) -> str:
    """Make a JWT of a user, unsigned."""
    payload = json.dumps({"user": {"_id": user}, "exp": 1}).encode()
    return f"e30.{base64.urlsafe_b64encode(payload).decode().rstrip('=')}.sig"


def unreachable(*, never_accepted: bool) -> Unreachable:
    """Make the error of a connection that was refused, or broke off."""
    error = Unreachable("pipeline/run failed: the connection broke off.")
    error.never_accepted = never_accepted
    return error


def unavailable(status: int, retry_after: float | None = None) -> Unavailable:
    """Make the error of a 5xx or 429, as the client makes it."""
    error = Unavailable(f"pipeline/run answered HTTP {status}.")
    error.retry_after, error.throttled = retry_after, status == 429
    error.never_accepted = status == 429 or (status == 503 and retry_after is not None)
    return error


FAULTS: dict[str, tuple[bool, ApiError]] = {
    "refused connection": (False, unreachable(never_accepted=True)),
    "lost request": (False, unreachable(never_accepted=False)),
    "lost answer": (True, unreachable(never_accepted=False)),
    "503 before": (False, unavailable(503)),
    "503 after": (True, unavailable(503)),
    "429": (False, unavailable(429, 45.0)),
    "503 with Retry-After": (False, unavailable(503, 20.0)),
    "502 with Retry-After": (True, unavailable(502, 20.0)),
    "malformed after": (True, Malformed("pipeline/run answered HTTP 200, but not with JSON.")),
}
"""What the call `run` can raise, and whether the run is accepted anyway."""

ANSWERS: dict[str, tuple[bool, str, str]] = {
    "fine": (True, "executed", "new"),
    "success": (True, "Success", "new"),
    "no word": (True, "", "new"),
    "no count": (True, "executed", "none"),
    "queued": (True, "queued", "none"),
    "queued with count": (True, "queued", "new"),
    "old count": (True, "executed", "old"),
    "unknown word": (True, "acknowledged", "none"),
    "unknown no": (False, "not now", "none"),
    "refused": (False, "failed", "none"),
    "refused with old count": (False, "failed", "old"),
    "failed with count": (True, "failed", "new"),
}
"""What `run` can return: whether it is accepted, the status, and the run number."""


@dataclass
class FakeRun:
    """A run on the server."""

    count: int
    user: str
    accepted: float
    begins: float
    ends: float
    word: str = "success"
    stopped: bool = False


@dataclass
class FakeOpsera:
    """One pipeline. All times are seconds of the clock; each call takes `LATENCY`."""

    clock: Clock
    state: str = "success"
    count: int = 5
    duration: float = 60.0
    count_lag: float = 0.0
    state_lag: float = 0.0
    log_lag: float = 0.0
    counts_at_once: bool = False
    log_names_user: bool = True
    knows_queued: bool = True
    script: list[str] = field(default_factory=list)
    """What happens to each call of `run`, in turn; fine when it is used up."""
    summary_faults: list[ApiError] = field(default_factory=list)
    reset_faults: list[tuple[bool, ApiError]] = field(default_factory=list)
    status_faults: list[ApiError] = field(default_factory=list)
    stop_faults: list[tuple[bool, ApiError]] = field(default_factory=list)
    ever_responded: bool = True
    notes_changes: bool = False
    """Whether a pipeline shows when it was changed: when a request was accepted, at once."""

    def __post_init__(self) -> None:
        """Start with the current pipeline."""
        self.runs: list[FakeRun] = []
        self.calls: list[str] = []
        self.settings: list[dict[str, Any] | None] = []
        """The runtime settings of each request."""
        self.words = "the pipeline was requested"
        """Opsera's response to a request."""
        self.edits = 0
        """How often the pipeline was changed, other than by a run."""
        self.broken_off = False
        """Whether a run in progress was reset."""
        self.around: list[str] = []
        """Runs that other users start in the same second, each "before" or "after" ours."""
        self.rest = self.state if self.state in ("failed", "stopped", "never") else "success"
        self.count = 0 if self.state == "never" else self.count
        if self.state in ("running", "paused"):
            self.runs.append(FakeRun(self.count, OTHER, -HOUR, -HOUR, self.duration))
            self.paused_since = -HOUR if self.state == "paused" else FOREVER
        else:
            self.paused_since = FOREVER
        self.paused_until = FOREVER
        if self.state == "paused":
            self.runs[0].ends = FOREVER
        self._allotted = self.count

    # What the tests set in motion.

    def others_at(self, moments: Iterable[float]) -> None:
        """Let another user start a run at each of these times."""
        for moment in moments:
            self.clock.call_at(moment, lambda: self.accept(OTHER))

    def pause_at(self, moment: float) -> None:
        """Let the run that is active then wait for approval forever."""

        def pause() -> None:
            self.paused_since = moment
            for run in self.runs:
                if run.ends > moment:
                    run.begins = run.begins if run.begins <= moment else FOREVER
                    run.ends = FOREVER

        self.clock.call_at(moment, pause)

    def accept(self, user: str) -> FakeRun | None:
        """Accept a request: start the run or queue it; a paused pipeline refuses."""
        now = self.clock.monotonic()
        if self._paused(now):
            return None
        begins = max([now, *(run.ends for run in self.runs)])
        self._allotted += 1
        run = FakeRun(self._allotted, user, now, begins, begins + self.duration)
        self.runs.append(run)
        return run

    # What the tests check.

    def ours(self) -> list[int]:
        """Return the runs that we started."""
        return [run.count for run in self.runs if run.user == US]

    def run_of(self, count: int) -> FakeRun | None:
        """Find a run by its number."""
        return next((run for run in self.runs if run.count == count), None)

    def times(self, call: str) -> int:
        """Count the calls of a kind."""
        return self.calls.count(call)

    def active_run(self, now: float) -> FakeRun | None:
        """Find the run in progress at a time."""
        return next((run for run in self.runs if run.begins <= now < run.ends), None)

    # The API.

    def run(
        self, pipeline_id: str, deadline: Deadline, settings: dict[str, Any] | None = None
    ) -> RunResponse:
        """Start a run according to the script."""
        self._call("run")
        self.settings.append(settings)
        least = LATENCY if self.times("run") == 1 else 3.0
        assert deadline.remaining + LATENCY >= least, "too little time is left to start anything"
        for _ in range(self.around.count("before")):
            self.accept(OTHER)
        what = self.script.pop(0) if self.script else "fine"
        accepts = FAULTS[what][0] if what in FAULTS else ANSWERS[what][0]
        run = self.accept(US) if accepts else None
        for _ in range(self.around.count("after")):
            self.accept(OTHER)
        self.around.clear()
        if what in FAULTS:
            raise FAULTS[what][1]
        _, word, named = ANSWERS[what]
        if accepts and run is None:
            return RunResponse("failed", REFUSED_WHILE_PAUSED, None)
        new = run.count if run is not None else None
        return RunResponse(word, self.words, {"new": new, "old": self.count, "none": None}[named])

    def reset(self, pipeline_id: str, deadline: Deadline) -> Ack:
        """Give up the run that is there."""
        self._call("reset")
        effect, error = self.reset_faults.pop(0) if self.reset_faults else (True, None)
        if effect:
            now = self.clock.monotonic()
            active_run = self.active_run(now)
            self.broken_off = active_run is not None and not self._paused(now)
            for run in self.runs:
                run.ends = min(run.ends, now)
            self.paused_until, self.rest = now, "stopped"
        if error is not None:
            raise error
        return Ack("Done.")

    def summary(self, pipeline_id: str, deadline: Deadline) -> Pipeline:
        """Show the pipeline, with its lags."""
        self._call("summary")
        if self.summary_faults:
            raise self.summary_faults.pop(0)
        now = self.clock.monotonic()
        shown = [run for run in self.runs if self._counted_from(run) <= now - self.count_lag]
        seen_at = now - self.state_lag
        active_run = self.active_run(seen_at)
        ended = [run.count for run in self.runs if run.ends <= seen_at]
        first = 1 if self.runs and self.runs[0].count == self.count else 0
        last = max([self.count - first, *ended])
        return Pipeline(
            PIPELINE,
            "Deploy shop",
            max([self.count, *(run.count for run in shown)]),
            self._state(active_run, seen_at),
            last_run_count=last or None,
            last_run_status=self._last_word(last),
            data={"updatedAt": f"{len(self.runs)} {self.edits}"} if self.notes_changes else {},
        )

    def logs(self, run: Run, deadline: Deadline, *, console_only: bool) -> Listing[LogRecord]:
        """Return the first records of a run, latest first."""
        self._call("logs")
        found = self.run_of(run.count)
        assert not console_only
        if found is None or found.begins > self.clock.monotonic() - self.log_lag:
            raise NotFound("pipeline/logs answered HTTP 404.")
        user = found.user if self.log_names_user else ""
        names = ("Build", "Start Pipeline") if user else ("Build",)
        return Listing(tuple(record(name, user if name != "Build" else "") for name in names))

    def status(self, run: Run, deadline: Deadline) -> RunStatus:
        """Return the status of a run."""
        self._call("status")
        if self.status_faults:
            raise self.status_faults.pop(0)
        now, found = self.clock.monotonic(), self.run_of(run.count)
        if found is None and 0 < run.count <= self.count:
            return RunStatus(state_of(self.rest), self.rest)
        if found is None or (found.begins > now and not self.knows_queued):
            raise NotFound("pipeline/status answered HTTP 404.")
        word = self._word(found, now)
        return RunStatus(state_of(word), word)

    def stop(self, pipeline_id: str, deadline: Deadline) -> Ack:
        """Stop the run in progress, a second later."""
        self._call("stop")
        effect, error = self.stop_faults.pop(0) if self.stop_faults else (True, None)
        now = self.clock.monotonic()
        active_run = self.active_run(now)
        if effect and active_run is not None:
            active_run.stopped, active_run.word, active_run.ends = True, "stopped", now + 1.0
        if error is not None:
            raise error
        return Ack("Stopping.")

    def _call(self, name: str) -> None:
        self.calls.append(name)
        self.clock.sleep(LATENCY)

    def _counted_from(self, run: FakeRun) -> float:
        return run.accepted if self.counts_at_once else run.begins

    def _paused(self, now: float) -> bool:
        return self.paused_since <= now < self.paused_until

    def _state(self, active_run: FakeRun | None, now: float) -> State:
        if active_run is not None:
            return State.PAUSED if self._paused(now) else State.RUNNING
        return State.STOPPED if self.rest == "never" else state_of(self.rest)

    def _last_word(self, count: int) -> str:
        run = self.run_of(count)
        return self.rest if run is None else run.word

    def _word(self, run: FakeRun, now: float) -> str:
        if run.begins > now:
            return "queued"
        if run.ends > now:
            return "paused" if self._paused(now) else "running"
        return run.word


def record(step_name: str, user_id: str) -> LogRecord:
    """Make an activity record."""
    return LogRecord("", None, "", step_name, None, step_name, "", "", "", user_id, "")
