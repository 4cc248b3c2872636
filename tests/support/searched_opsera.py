"""A fake Opsera whose responses are chosen, and what others and signals do before each request."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from opsera_step.api import Ack, Listing, LogRecord, Pipeline, Run, RunResponse, RunStatus, State
from opsera_step.clock import Clock, Deadline
from opsera_step.errors import ApiError, Cancelled, Forbidden, NotFound, Rejected, Unauthorized
from tests.support.fake_opsera import (
    FOREVER,
    HOUR,
    OTHER,
    REFUSED_WHILE_PAUSED,
    FakeOpsera,
    unavailable,
    unreachable,
)
from tests.support.search import Choose

LONG_AGO = 25.0
"""Seconds by which a stale response is late: less than the proof that nothing was started takes."""
LATE = 60.0
"""Seconds until a run ends after it was stopped, if not at once."""

ANSWERED = (
    "fine", "no count", "old count", "unknown word", "unknown no", "failed with count", "refused",
    "refused: busy", "refused: paused", "refused: locked",
)  # fmt: skip
REQUESTS = (*ANSWERED, "lost request", "lost answer", "429", "429 for good", "400", "400: paused",
            "401", "403", "signal")  # fmt: skip
AROUND = ((), ("before",), ("after",), ("before", "after"), ("before",) * 11)
"""Runs that other users start in the second of our request."""
WORDS = {
    "refused: busy": "A run is in progress.",
    "refused: paused": REFUSED_WHILE_PAUSED,
    "refused: locked": "The pipeline is locked.",
}
READS = ("current", "stale", "503", "503 for good", "403")
SUMMARIES = (*READS, "stale count", "stale state")
STATUSES = ("current", "final", "unknown", "404", "503", "503 for good", "403")
RESETS = ("fine", "lost request", "lost answer", "400")
STOPS = ("fine", "late", "lost request", "lost answer", "not sent", "400", "401")


def _error(what: str) -> ApiError | None:
    """Make the error of a response; None if it is no error."""
    code, _, text = what.removesuffix(" for good").partition(": ")
    errors: dict[str, ApiError] = {
        "400": Rejected(f"HTTP 400: the pipeline is {text or 'invalid'}."),
        "401": Unauthorized("HTTP 401."),
        "403": Forbidden("HTTP 403."),
        "404": NotFound("HTTP 404."),
        "429": unavailable(429, 45.0),
        "503": unavailable(503),
        "lost request": unreachable(never_accepted=False),
        "lost answer": unreachable(never_accepted=False),
        "not sent": unreachable(never_accepted=True),
    }
    return errors.get(code)


class SearchedOpsera(FakeOpsera):
    """An Opsera that chooses how it responds."""

    def __init__(self, choose: Choose, clock: Clock, **rest: Any) -> None:
        """Start as a FakeOpsera; nothing is chosen before `search`."""
        super().__init__(clock, **rest)
        self.choose = choose
        self._depth = 0.0
        self.is_cancelled = False
        """Whether a signal came; there is at most one."""
        self.stopped: set[int] = set()
        """Numbers of the runs that our stop calls stopped."""
        self.hit: list[str] = []
        """What our requests did to the runs of others, as a sentence each. A run that started after
        the job last read the pipeline is not counted, unless it started because we stopped ours.
        """
        self._seen_at = -FOREVER
        """When a response last showed what the pipeline was doing."""
        self._changed_at = -FOREVER
        """When another user last changed that."""
        self._stays: dict[str, str] = {}

    def search(self, depth: float) -> None:
        """Choose the responses to the next `depth` calls of each kind."""
        self.calls.clear()
        self._depth = depth

    def run(
        self, pipeline_id: str, deadline: Deadline, settings: dict[str, Any] | None = None
    ) -> RunResponse:
        """Start a run, or not."""
        around = self.choose(AROUND) if self.times("run") < self._depth else ()
        what = self._chosen("run", REQUESTS)
        error = None if what.startswith("lost") else _error(what)
        if error is not None:
            self._call("run")
            for _ in around:
                self.accept(OTHER)
            raise error
        self.around = list(around)
        self.words = WORDS.get(what, "the pipeline was requested")
        self.script = ["fine" if what == "signal" else what.partition(":")[0]]
        response = super().run(pipeline_id, deadline, settings)
        if what == "signal":
            self._cancel()
        self._seen_at = self.clock.monotonic()
        return response

    def summary(self, pipeline_id: str, deadline: Deadline) -> Pipeline:
        """Show the pipeline."""
        what = self._read("summary", SUMMARIES)
        self.count_lag = LONG_AGO if what in ("stale", "stale count") else 0.0
        self.state_lag = LONG_AGO if what in ("stale", "stale state") else 0.0
        pipeline = super().summary(pipeline_id, deadline)
        lag = max(self.count_lag, self.state_lag)
        self._seen_at = max(self._seen_at, self.clock.monotonic() - lag)
        return pipeline

    def logs(self, run: Run, deadline: Deadline, *, console_only: bool) -> Listing[LogRecord]:
        """Return the first records of a run."""
        self.log_lag = LONG_AGO if self._read("logs", READS) == "stale" else 0.0
        return super().logs(run, deadline, console_only=console_only)

    def status(self, run: Run, deadline: Deadline) -> RunStatus:
        """Return the status of a run, or one that does not last."""
        what = self._chosen("status", STATUSES)
        error = _error(what)
        self.status_faults = [error] if error is not None else []
        status = super().status(run, deadline)
        passing = {"final": State.SUCCESS, "unknown": State.UNKNOWN}
        if what in passing:
            return RunStatus(passing[what], what)
        self._seen_at = self.clock.monotonic()
        return status

    def reset(self, pipeline_id: str, deadline: Deadline) -> Ack:
        """Reset the pipeline, which discards a paused run."""
        what, self.broken_off = self._chosen("reset", RESETS), False
        self.reset_faults = [(what in ("fine", "lost answer"), _error(what))]
        try:
            return super().reset(pipeline_id, deadline)
        finally:
            if self.broken_off and self._changed_at < self._seen_at:
                self.hit.append("a run in progress was reset")

    def stop(self, pipeline_id: str, deadline: Deadline) -> Ack:
        """Stop the run in progress, which then ends at once or late."""
        what = self._chosen("stop", STOPS)
        has_effect = what in ("fine", "late", "lost answer")
        self.stop_faults = [(False, _error(what))]
        try:
            return super().stop(pipeline_id, deadline)
        finally:
            now = self.clock.monotonic()
            active_run = self.active_run(now)
            if has_effect and active_run is not None:
                is_new = active_run.begins >= self._seen_at and not self.stopped
                if active_run.user == OTHER and not is_new:
                    self.hit.append(f"run {active_run.count} of another user was stopped")
                self.stopped.add(active_run.count)
                active_run.word = "stopped"
                active_run.ends = now + (LATE if what == "late" else 0.0)
                self._move_up()

    @property
    def logs_fail(self) -> bool:
        """Whether the log calls fail until the end."""
        return "logs" in self._stays

    def _read(self, call: str, options: Sequence[str]) -> str:
        """Choose what is returned, or raise its error."""
        what = self._chosen(call, options)
        error = _error(what)
        if error is not None:
            self._call(call)
            raise error
        return what

    def _chosen(self, call: str, options: Sequence[str]) -> str:
        is_searched = self.times(call) < self._depth
        if is_searched:
            self._happen()
        if call in self._stays:
            return self._stays[call]
        what = self.choose(options) if is_searched else options[0]
        if what.endswith("for good"):
            self._stays[call] = what
        return what

    def _happen(self) -> None:
        """Let something happen just before a request."""
        now = self.clock.monotonic()
        events = ["nothing", "run"] + ["edit"] * self.notes_changes
        if self._paused(now):
            events = ["nothing", "approve"]
        elif self.active_run(now) is not None:
            events += ["end"] + ["pause"] * (self.paused_since == FOREVER)
        what = self.choose(events if self.is_cancelled else [*events, "signal"])
        if what not in ("nothing", "signal"):
            self._changed_at = now
        if what == "run":
            self.accept(OTHER)
        elif what == "edit":
            self.edits += 1
        elif what == "end":
            self._end_at(now)
        elif what == "pause":
            self.pause_at(now)
            self.clock.sleep(0.0)
            # A job without a timeout waits for the approval.
            self.clock.call_at(now + HOUR, self._approve)
        elif what == "approve":
            self._approve()
        elif what == "signal":
            self._cancel()

    def _approve(self) -> None:
        now = self.clock.monotonic()
        if self._paused(now):
            self.paused_until = now
            self._end_at(now + self.duration)

    def _cancel(self) -> None:
        self.is_cancelled = True
        raise Cancelled(signal.SIGTERM)

    def _end_at(self, moment: float) -> None:
        active_run = self.active_run(self.clock.monotonic())
        if active_run is not None:
            active_run.ends = moment
        self._move_up()

    def _move_up(self) -> None:
        """Let each queued run start when the one ahead of it ends."""
        for ahead, run in pairwise(self.runs):
            if run.begins > self.clock.monotonic():
                run.begins = ahead.ends
                run.ends = run.begins + self.duration
