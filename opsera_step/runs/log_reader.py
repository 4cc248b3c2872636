"""Read a run's log call by call: events for new lines, and a verdict on completeness.

Failures stay in here: whatever the log call does, reading on is tried and the run's verdict is not
touched.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import Protocol

from opsera_step.api import LogRecord, Run
from opsera_step.clock import Clock, Deadline, RetryState
from opsera_step.errors import ApiError, Rejected, Unavailable
from opsera_step.runs.events import Event, LinesMissing, LogLines, Note
from opsera_step.runs.log_cursor import Batch, LogCursor, Piece
from opsera_step.runs.polling import Jitter, PollSchedule
from opsera_step.runs.steps import LineTimes
from opsera_step.text import split_lines

STILL_FOR = 3.0
EMPTY_FOR = 6.0
"""Seconds after which an empty log of a new run is taken as such, if Opsera has other records."""
STILL_READS = 2
_DRAIN_PAUSE = 1.5
_REFUSED_PAUSE = 60.0
_PORTION = 1000
_TOLD_AFTER = 20.0
_MOST_STEPS = 1000
"""Steps of which the times of their lines are remembered."""


class LogApi(Protocol):
    """What reading the log needs of the client."""

    def logs(self, run: Run, deadline: Deadline, *, console_only: bool) -> list[LogRecord]:
        """Ask for the newest records of the run's log, newest first."""
        ...


class LogReader:
    """The log of one run as events; `kind` is the input `logs`: console, all or none."""

    def __init__(
        self, api: LogApi, run: Run, kind: str, clock: Clock, cadence: PollSchedule, jitter: Jitter
    ) -> None:
        """Take the collaborators; nothing is asked before `poll`."""
        self._api, self._run, self._kind = api, run, kind
        self._clock, self._cadence = clock, cadence
        self._cursor = LogCursor()
        self._outage = RetryState(clock, jitter)
        self._read_at = clock.monotonic()
        self._still_reads = 0
        self._seen_any = False
        self._empty_since: float | None = None
        self._missing = False
        self._refused = ""
        self._ended_well = False
        self._times: dict[str, tuple[float, float]] = {}
        self.last_line_at = clock.monotonic()

    @property
    def complete(self) -> bool:
        """Whether every line of the log was seen, up to the end."""
        return self._ended_well and not self._missing

    @property
    def line_times(self) -> LineTimes:
        """When the lines of each step were written; nothing where the first ones may be missing."""
        return {} if self._missing else self._times

    @property
    def trouble(self) -> str:
        """Why the log can't be read at the moment; empty when it can."""
        return self._refused or self._outage.what

    @property
    def ready(self) -> bool:
        """Whether it may be read again by now."""
        return self._kind != "none" and self._outage.may_try

    def poll(self, deadline: Deadline, *, may_be_unknown: bool = False) -> Iterator[Event]:
        """Read once; a run that was just started may still be unknown to the log call."""
        try:
            records = self._api.logs(self._run, deadline, console_only=self._kind == "console")
        except ApiError as error:
            yield from self._failed(error, may_be_unknown)
            return
        self._outage.over()
        self._cadence.answered()
        self._refused = ""
        self._seen_any |= bool(records)
        batch = self._cursor.advance(records)
        yield from self._tell(batch)
        now = self._clock.monotonic()
        self._cadence.saw_records(batch.new_records, now - self._read_at)
        self._read_at = now

    def drain(self, cap: Deadline, grace: Deadline) -> Iterator[Event]:
        """Read on until the log has been still for a while: lines trail the final status.

        Until `grace` a run that was just started may be unknown, or its log not there yet.
        """
        if self._kind == "none":
            return
        self._still_reads = 0
        if self._refused:
            # The last chance to read what was refused so far.
            self._outage.over()
        since, told = self._clock.monotonic(), False
        while True:
            if self._outage.may_try:
                yield from self.poll(cap, may_be_unknown=not grace.expired)
            still = self._clock.monotonic() - max(since, self.last_line_at)
            self._ended_well = self._still_reads >= STILL_READS and self._is_over(still, grace, cap)
            if self._ended_well or self._refused or cap.expired:
                break
            if not told and self._clock.monotonic() - since > _TOLD_AFTER:
                told = True
                yield Note("The run is over; still reading the rest of its log.")
            self._clock.sleep(min(_DRAIN_PAUSE, cap.remaining))
        yield from self.flush()

    def _is_over(self, still: float, grace: Deadline, cap: Deadline) -> bool:
        """Whether nothing more is to be expected of a log that has been still for some seconds."""
        if self._seen_any or grace.expired:
            return still >= STILL_FOR
        return self._known_empty_for(cap) >= EMPTY_FOR

    def _known_empty_for(self, cap: Deadline) -> float:
        """Seconds since Opsera first had records of the run, but none with console text."""
        if self._empty_since is None:
            with suppress(ApiError):
                until = cap.no_later_than(_REFUSED_PAUSE)
                records = self._api.logs(self._run, until, console_only=False)
                if records and not any(self._wants(record) for record in records):
                    self._empty_since = self._clock.monotonic()
        return 0.0 if self._empty_since is None else self._clock.monotonic() - self._empty_since

    def flush(self) -> Iterator[Event]:
        """Give out what was held back of unfinished lines."""
        yield from self._tell(self._cursor.flush())

    def _tell(self, batch: Batch) -> Iterator[Event]:
        if batch.gap is not None:
            self._missing = True
            yield LinesMissing(batch.gap.at_most)
        pieces = [piece for piece in batch.pieces if self._wants(piece.record)]
        self._still_reads = 0 if pieces else self._still_reads + 1
        for piece in pieces:
            self.last_line_at = self._clock.monotonic()
            self._note_time(piece.record)
            yield from _lines_of(piece)

    def _note_time(self, record: LogRecord) -> None:
        step, now = record.step_id, record.created
        if now is not None and (step in self._times or len(self._times) < _MOST_STEPS):
            first, last = self._times.get(step, (now, now))
            self._times[step] = min(first, now), max(last, now)

    def _wants(self, record: LogRecord) -> bool:
        """Whether a record's text is to be shown; one without an action may be console text."""
        return self._kind == "all" or record.is_console or not record.action

    def _failed(self, error: ApiError, may_be_unknown: bool) -> Iterator[Event]:
        self._still_reads = 0
        if isinstance(error, Unavailable) and error.throttled:
            self._cadence.throttled()
        if error.transient or (may_be_unknown and isinstance(error, Rejected)):
            self._outage.failed(error.message, error.retry_after)
            return
        self._outage.failed(error.message, _REFUSED_PAUSE)
        if not self._refused:
            self._refused = error.message
            yield Note(f"The log can't be read: {error.message} {error.hint}", warning=True)


def lines_of(records: Sequence[LogRecord]) -> Iterator[LogLines]:
    """Return the lines of records that were read once, latest first, in order."""
    cursor = LogCursor()
    for batch in (cursor.advance(records), cursor.flush()):
        for piece in batch.pieces:
            yield from _lines_of(piece)


def _lines_of(piece: Piece) -> Iterator[LogLines]:
    record, lines = piece.record, split_lines(piece.text)
    # A record can be megabytes: its lines come in portions.
    while portion := tuple(islice(lines, _PORTION)):
        yield LogLines(record.step_id, record.step_name, record.tool, portion, record.created)
