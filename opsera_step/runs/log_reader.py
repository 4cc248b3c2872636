"""The log of one run as events. Pure: takes what requests returned, and the time.

Reading continues if the log call fails, and the result of the run is not affected.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from opsera_step.api import LogRecord
from opsera_step.errors import ApiError, Rejected
from opsera_step.runs.events import Event, LinesMissing, LogLines, Note
from opsera_step.runs.log_cursor import WINDOW, Batch, LogCursor, Piece
from opsera_step.runs.polling import PollSchedule
from opsera_step.runs.retry import Jitter, RetryState
from opsera_step.runs.steps import StepHistory
from opsera_step.text import split_lines

QUIET_FOR, QUIET_READS = 3.0, 2
"""Seconds and reads without a new line after which the log of an ended run is complete."""
EMPTY_FOR, EMPTY_AT = (3.5, 7.0), 8.5
"""Seconds after the end of a new run until an empty log is taken as such, because records may lag:
at least and at most, between them as many as make that many seconds from the start."""
_REFUSED_WAIT = 60.0
_PORTION = 1000


class LogReader:
    """The log of one run; `kind` is the input `logs`: console, all, or none."""

    def __init__(
        self, kind: str, history: StepHistory, schedule: PollSchedule, jitter: Jitter, start: float
    ) -> None:
        self._kind, self._history, self._schedule = kind, history, schedule
        self._cursor = LogCursor()
        self.retry = RetryState(jitter)
        self._start = self._read_at = start
        self._quiet_reads = 0
        self._seen_any = False
        self._is_missing = self._is_refusal_noted = self._is_unreadable = False
        self.refusal = ""
        """Why the log can't be read; empty if it can, or may be able to later."""
        self.line_at = start
        """When the last new line came."""
        self.last_step = -1
        """Highest index of a step that has printed lines."""

    @property
    def is_wanted(self) -> bool:
        """Whether the user wants any log."""
        return self._kind != "none"

    @property
    def is_readable(self) -> bool:
        """Whether it is wanted, and was not refused."""
        return self.is_wanted and not self.refusal

    @property
    def error(self) -> str:
        """Why the log can't be read at the moment; empty if it can."""
        return self.refusal or self.retry.last_error

    @property
    def quiet_reads_left(self) -> int:
        """How many more reads without a new line are enough; 0 if it can't be read."""
        return max(0, QUIET_READS - self._quiet_reads) if self.is_readable else 0

    def is_quiet(self, now: float, since: float, *, is_new: bool) -> bool:
        """Whether the log of a run that ended at `since` has stayed the same for long enough."""
        return not self.quiet_reads_left and now >= self.quiet_from(since, is_new=is_new)

    def quiet_from(self, since: float, *, is_new: bool) -> float:
        """Return when the log has been quiet for long enough, if no line comes until then."""
        if not self.is_readable:
            return since + QUIET_FOR
        if is_new and not self._seen_any:
            return self.overdue_from(since)
        return max(since, self.line_at) + QUIET_FOR

    def overdue_from(self, since: float) -> float:
        """Return until when records of a run that seems to have ended at `since` are expected."""
        least, most = EMPTY_FOR
        if self._seen_any:
            return since + most
        return since + min(most, max(least, self._start + EMPTY_AT - since))

    def is_complete(self, now: float, since: float, *, is_new: bool) -> bool:
        """Whether every line of the log of a run that ended at `since` was seen."""
        is_missing = self._is_missing or self._is_unreadable
        is_whole = self.is_wanted and not is_missing and not self.error
        return is_whole and self.is_quiet(now, since, is_new=is_new)

    def recovered(self) -> None:
        """Note that the log call succeeded."""
        self.retry.reset()
        self.refusal = ""

    def restart_quiet(self) -> None:
        """Count quiet reads from now on: the run has ended. What was refused is tried again."""
        self._quiet_reads = 0
        if self.refusal:
            self.refusal = ""
            self.retry.reset()

    def take(
        self, records: Sequence[LogRecord], now: float, *, is_cut: bool, is_filtered: bool
    ) -> Iterator[Event]:
        """Process a response of the log call; `is_filtered`: only console records were requested.

        A read of all records serves the log as well, as long as they fit into one response.
        """
        over_seconds, self._read_at = now - self._read_at, now
        if is_filtered:
            self.recovered()
        shown = [record for record in records if self._is_shown(record)]
        self._seen_any |= bool(shown)
        too_large, is_cut = is_cut, is_cut or len(records) >= WINDOW
        # A server may ignore the filter: then the window is full of other records as well.
        batch = self._cursor.advance(shown, is_cut=is_cut)
        is_whole = is_filtered or self._kind == "all" or not is_cut
        # If the window has a known record, no later one is missing.
        is_whole |= bool(shown) and not batch.has_gap
        if is_whole:
            # Not even the latest record arrived; a later response may bring it.
            self._is_unreadable = too_large and not records
        pieces = batch.pieces
        if pieces:
            self.line_at, self._quiet_reads = now, 0
            created = pieces[-1].record.created if batch.new_records else None
            if created is not None and pieces[0].record.created is not None:
                # The first lines after a silence show how fast they come.
                over_seconds = min(over_seconds, max(0.0, created - pieces[0].record.created))
            self._schedule.saw_lines(now, over_seconds, batch.new_records, created)
        elif is_whole:
            self._quiet_reads += 1
            self._schedule.saw_none(over_seconds)
        yield from self._show(batch, too_large=too_large)

    def flush(self) -> Iterator[Event]:
        """Show what was held back of unfinished lines."""
        yield from self._show(self._cursor.flush())
        if self._is_unreadable:
            yield LinesMissing(too_large=True)

    def failed(
        self, error: ApiError, now: float, *, may_be_unknown: bool, accepted: bool
    ) -> Iterator[Event]:
        """Take a failure of the log call; a run that is new may not be known to it."""
        self._quiet_reads = 0
        if may_be_unknown and isinstance(error, Rejected):
            self.retry.postpone(error, now, 2.0)
        elif self.retry.failed(error, now, accepted=accepted) is None:
            self.retry.postpone(error, now, _REFUSED_WAIT)
            if not self._is_refusal_noted:
                self._is_refusal_noted = True
                yield Note(f"Could not read the log: {error.message} {error.hint}".strip(), True)
            self.refusal = error.message

    def _show(self, batch: Batch, *, too_large: bool = False) -> Iterator[Event]:
        if batch.has_gap:
            self._is_missing = True
            yield LinesMissing(too_large)
        for number, piece in enumerate(batch.pieces):
            record = piece.record
            self._history.saw_line(record, follows_gap=batch.has_gap and number == 0)
            self.last_step = max(self.last_step, _index(record, self._history))
            yield from _lines_of(piece)

    def _is_shown(self, record: LogRecord) -> bool:
        """Whether a record's text is shown; one without an action may be console text."""
        return self._kind == "all" or record.is_console or not record.action


def lines_of(records: Sequence[LogRecord]) -> Iterator[LogLines]:
    """Return the lines of records that were read once, latest first, in order."""
    cursor = LogCursor()
    for batch in (cursor.advance(records), cursor.flush()):
        for piece in batch.pieces:
            yield from _lines_of(piece)


def _lines_of(piece: Piece) -> Iterator[LogLines]:
    record, lines = piece.record, split_lines(piece.source, piece.start, piece.end)
    # A record can be megabytes: its lines come in portions.
    while portion := tuple(islice(lines, _PORTION)):
        yield LogLines(record.step_id, record.step_name, record.tool, portion, record.created)


def _index(record: LogRecord, history: StepHistory) -> int:
    """Return the place of a record's step in the plan; -1 if unknown."""
    return history.index(record.step_id) if record.step_index is None else record.step_index
