"""When to send which request while a run is followed: one pure schedule.

Requests are sent one at a time. Two intervals decide which is due next:

* The log is read every `base` seconds while lines come. In a silence, the interval grows by an
  eighth of its length, up to MAX_LOG_INTERVAL. Silences earn an allowance; as long as it
  lasts, a burst is read every `quick` seconds.
  Now and then all records are read instead, which collects the results of steps as well.
* The status is requested when lines stop: as soon as the latest line is older than usual for this
  log, then after most of the silence, up to MAX_STATUS_INTERVAL. While lines come the run is in
  progress, and a request every STATUS_AT_LEAST seconds is enough. In a silence a summary takes its
  place now and then.

A rate of records that could pass the window of the log call shortens the interval of the log. All
times are monotonic seconds. tests/unit/runs/test_polling.py plays it against traces.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from opsera_step.runs.log_cursor import WINDOW

Jitter = Callable[[], float]
"""Returns random numbers in [0, 1)."""


class Request(Enum):
    """What to ask for."""

    LOG = "log"
    STATUS = "status"
    ACTIVITY = "activity"
    """All records, in place of the log."""
    SUMMARY = "summary"
    """The pipeline, in place of a status."""


class Pace(NamedTuple):
    """Seconds between two reads of the log: while lines come, and as long as the allowance lasts.

    The allowance grows by `per_minute` requests a minute.
    """

    base: float
    quick: float
    per_minute: float


IN_CI = Pace(base=2.85, quick=0.7, per_minute=23.5)
FOR_A_PERSON = Pace(base=1.1, quick=0.5, per_minute=52.0)
LOG_SHARE, MAX_LOG_INTERVAL = 1 / 8, 240.0
STATUS_SHARE, MAX_STATUS_INTERVAL = 4 / 5, 15.1
STATUS_AT_LEAST = 50.0
RESULTS_INTERVAL = 20.0
"""Seconds between two reads of all records where no log is wanted."""
MAX_ALLOWANCE = 60.0
BURST_OVER = 4.0
"""Seconds of silence after which a burst is over."""
EARLY_FOR, EARLY_INTERVAL = 10.0, 1.4
"""Seconds at the start in which a log without lines is read more often: the run may be short."""
ACTIVITY_AFTER = 500
"""Records after which all records are read again, so that never 1000 pass unseen."""
ACTIVITY_INTERVAL = 60.0
"""Seconds after which they are read in a silence, if something has happened."""
_MIN_AGE, _MAX_AGE = 0.8, 3.6
"""Age in seconds of the latest line from which on the run may have ended."""
_AGE_GROWTH, _AGE_DECAY = 1.25, 0.98
"""The usual age follows the log: it grows with each false alarm, and falls with each read."""
_WINDOW_SHARE = 0.4
"""Part of the window that may pass between two reads of the log."""
_LEAST_PERIOD = 0.05
"""Seconds over which records are counted at least: some come at once."""
_MIN_DELAY, _SPREAD = 0.02, 0.15
_MAX_GAP, _RECOVERY = 10.0, 0.96


class PollSchedule:
    """The schedule of one job."""

    def __init__(
        self,
        jitter: Jitter,
        start: float = 0.0,
        pace: Pace = IN_CI,
        fixed: float | None = None,
        *,
        reads_log: bool = True,
        log_is_complete: bool = False,
    ) -> None:
        """Start at a time; `fixed` is the user's own interval in seconds.

        Without `reads_log` only the records of all types are read, for the results of steps; with
        `log_is_complete` a read of the log has all of them.
        """
        self._log_is_complete = log_is_complete
        self._jitter, self._pace, self._fixed, self._reads_log = jitter, pace, fixed, reads_log
        self._log_request = Request.LOG if reads_log else Request.ACTIVITY
        self._last: Request | None = None
        self._start, self._has_lines = start, False
        self._sent_at = self._line_at = start
        self._status_at = self._activity_at = self._asked_at = start
        # Jobs that start together don't read their logs together.
        self._log_at = start - EARLY_INTERVAL * jitter()
        self._allowance, self._statuses = 2.0, 0
        self._age, self._usual_age = 0.0, _MIN_AGE
        self._ages: deque[float] = deque(maxlen=20)
        self._rate = 0.0
        self.gap = 0.0
        """Seconds between any two requests; 0 unless the API limits the number of requests."""
        self._records = 0
        """Records since all of them were read."""
        self._has_moved = False
        """Whether anything has happened since then."""

    def plan(
        self,
        now: float,
        *,
        is_waiting: bool = False,
        status_from: float = 0.0,
        log_from: float = 0.0,
    ) -> tuple[Request, float]:
        """Return the next request and the seconds until it is due.

        `is_waiting`: the run has not started, so that there is no log. After failures
        `status_from` and `log_from` are when to try again; else they are 0.
        """
        if self._last is None:
            return Request.STATUS, 0.0
        if self._fixed is not None:
            status_at, log_at = self._status_at + self._fixed, self._log_at + self._fixed
        else:
            # Where the log can't be read, the status does not follow the log.
            follows_log = self._reads_log and not is_waiting and not log_from
            status_at, log_at = self._next_status(now, follows_log=follows_log), self._next_log(now)
        status_at = status_from or status_at
        log_at = float("inf") if is_waiting else log_from or log_at
        if status_at <= log_at:
            request = Request.STATUS if status_from else self._status(now)
            return request, max(0.0, status_at - now)
        request = Request.ACTIVITY if self._is_activity_due(log_at) else self._log_request
        return request, max(_MIN_DELAY, log_at - now)

    def sent(self, request: Request, sent_at: float, now: float) -> None:
        """Note that a request was sent, and that its response came `now`."""
        self._allowance = 0.0 if self.gap else max(0.0, self._allowance_at(sent_at) - 1)
        self._last, self._sent_at = request, sent_at
        if request in (Request.LOG, Request.ACTIVITY):
            self._usual_age = max(_MIN_AGE, self._usual_age * _AGE_DECAY)
            self._age = now - self._line_at
            self._log_at = sent_at
        else:
            self._statuses += 1
            self._status_at = sent_at
        if request is Request.STATUS:
            self._asked_at = sent_at
        elif request is Request.ACTIVITY or (request is Request.LOG and self._log_is_complete):
            self._activity_at, self._records, self._has_moved = sent_at, 0, False

    def saw_lines(
        self, now: float, over_seconds: float, records: int, created: float | None
    ) -> None:
        """Note that new lines came, in so many new records; call it before `sent`.

        `created` is the time of the latest record, by the server's clock; None if unknown.
        """
        if self._line_at < self._status_at < self._line_at + 2 * _MAX_AGE:
            self._usual_age = min(_MAX_AGE, self._usual_age * _AGE_GROWTH)
        line_at = now
        if created is not None:
            self._ages.append(now - created)
            line_at = created + min(self._ages)
        self._line_at, self._has_lines = min(now, max(self._log_at, line_at)), True
        self._count(records, over_seconds)
        self._has_moved = True

    def saw_none(self, over_seconds: float) -> None:
        """Note that the log had nothing new."""
        self._count(0, over_seconds)

    def saw_results(self, now: float, over_seconds: float, records: int) -> None:
        """Note that so many new records came where no log is read."""
        if records:
            self._line_at = now
        self._count(records, over_seconds)

    def moved(self, now: float) -> None:
        """Note that something else changed: the status, or the pipeline."""
        self._line_at, self._has_moved = now, True

    def throttled(self) -> None:
        """Double the shortest regular interval: the API answered 429."""
        self.gap = min(_MAX_GAP, 2 * self.gap + self._pace.base)

    def answered(self) -> None:
        """Return to normal speed gradually: the API answered."""
        self.gap = max(0.0, _RECOVERY * (self.gap + self._pace.base) - self._pace.base)

    def _count(self, records: int, over_seconds: float) -> None:
        rate = records / max(over_seconds, _LEAST_PERIOD)
        self._rate = max(rate, 0.7 * self._rate) if rate >= 1 else 0.7 * self._rate
        self._records += records

    def _next_log(self, now: float) -> float:
        silence = now - self._line_at
        base = self._base(now) if self._reads_log else RESULTS_INTERVAL
        over_for = max(0.0, silence - BURST_OVER)
        interval = min(MAX_LOG_INTERVAL, base + LOG_SHARE * over_for)
        if self._reads_log and not over_for and self._allowance_at(now) >= 2:
            interval = self._pace.quick
        if self._rate > 0:
            interval = min(interval, _WINDOW_SHARE * WINDOW / self._rate)
        return self._log_at + self._spread(interval)

    def _base(self, now: float) -> float:
        is_early = not self._has_lines and now - self._start < EARLY_FOR
        return min(EARLY_INTERVAL, self._pace.base) if is_early else self._pace.base

    def _next_status(self, now: float, *, follows_log: bool) -> float:
        """Return when the next request other than a read of the log is due."""
        silence = now - self._line_at
        if follows_log and self._status_at <= self._line_at:
            # Lines have come since the last one: the run is in progress.
            return now if self._is_late else max(now, self._asked_at + STATUS_AT_LEAST)
        if follows_log and not self._has_just_read and silence < MAX_STATUS_INTERVAL:
            return float("inf")
        share = STATUS_SHARE if follows_log else LOG_SHARE
        interval = max(self._base(now), min(MAX_STATUS_INTERVAL, share * silence))
        return self._status_at + self._spread(interval)

    @property
    def _has_just_read(self) -> bool:
        return self._last in (Request.LOG, Request.ACTIVITY)

    @property
    def _is_late(self) -> bool:
        """Whether lines may have stopped: the latest is older than usual, as was just read."""
        return self._has_just_read and self._age >= self._usual_age

    def _allowance_at(self, now: float) -> float:
        grown = self._allowance + (now - self._sent_at) * self._pace.per_minute / 60
        return min(MAX_ALLOWANCE, grown)

    def _is_activity_due(self, now: float) -> bool:
        """Whether all records are read in place of the log."""
        is_old = self._has_moved and now - self._activity_at >= ACTIVITY_INTERVAL
        return self._reads_log and (self._records >= ACTIVITY_AFTER or is_old)

    def _status(self, now: float) -> Request:
        """Choose what to ask in place of a status."""
        silence = now - self._line_at
        is_due = silence >= 3 * MAX_STATUS_INTERVAL and self._statuses % 4 == 0
        # Never two summaries in a row.
        was_asked = self._asked_at >= self._status_at
        if is_due and was_asked and now - self._asked_at < STATUS_AT_LEAST:
            return Request.SUMMARY
        return Request.STATUS

    def _spread(self, interval: float) -> float:
        """Add the gap, and spread the interval by up to a second: jobs must not stay in step."""
        interval += self.gap
        return interval + min(_SPREAD * interval, 1.0) * (2 * self._jitter() - 1)
