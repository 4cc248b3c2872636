"""Events as lines of the job log.

All API text is sanitized here before it is printed: no control characters, no token.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from math import isfinite
from typing import TYPE_CHECKING, NamedTuple, Protocol

from opsera_step.api import State, Step, format_timestamp
from opsera_step.clock import Clock, format_duration
from opsera_step.display.log_limit import LogLimit
from opsera_step.display.progress import StepProgress
from opsera_step.platforms import Platform
from opsera_step.runs import events
from opsera_step.text import LogStream, Scrubber, cut, plain

if TYPE_CHECKING:
    from opsera_step.display.excerpt import Excerpts

WAITING_TITLE = "Opsera pipeline waiting for approval"
_ONLY_RUNNING = re.compile(r".*\bis (?:currently |now )?running[.!]?", re.IGNORECASE)
_NO_STEP = "Log"
_MINUTE = 60.0
_LONG_WAIT = 120.0
"""Seconds after which a message includes since when a run has been waiting."""
_PARALLEL_SECONDS, _PARALLEL_RECORDS = 15.0, 8
"""After a step whose lines came back between those of others, steps count as parallel this long."""
_PREFIX_WIDTH = 24


class Keeper(Protocol):
    """Gets each line for the full log."""

    def keep(
        self, step_id: str, name: str, tool: str, lines: Sequence[str], created: float | None = None
    ) -> None:
        """Take lines of a step, safe to show and with their colors; `created` is their time."""


class JobLog:
    """Shows the events of one job.

    Lines are passed to the full log, to the excerpts, and within the limit to the groups of the job
    log; other events become messages.
    """

    def __init__(
        self,
        platform: Platform,
        scrubber: Scrubber,
        clock: Clock,
        limit: LogLimit,
        keeper: Keeper | None = None,
        *,
        data: Platform | None = None,
        shows_log: bool = True,
        timestamps: bool = False,
        waits_when_paused: bool = False,
        verbose: bool = False,
        is_quiet: bool = False,
    ) -> None:
        """Take the platform, and who keeps the full log, even if none of it is to be shown.

        `data` is another stream that gets the lines, while messages go to the platform;
        `timestamps` puts the time of its record before each line; `waits_when_paused` says that
        the job keeps waiting for an approval, which a user should know of at once; `verbose`
        prints the debug log; `is_quiet` leaves out all but warnings and errors.
        """
        self._platform, self._scrubber = platform, scrubber
        self._clock, self._limit = clock, limit
        data = data or platform
        self._keeper, self._shows_log, self._waits = keeper, shows_log, waits_when_paused
        self._verbose, self._quiet = verbose, is_quiet
        self._lines = _LineReader(
            scrubber, data.color, timestamps=timestamps, full=keeper is not None
        )
        self._groups = _Groups(platform, data, clock, shows_titles=not is_quiet)
        self._progress = StepProgress(clock.monotonic)
        self._status = _StatusLine()
        self._started = self._withheld_reported_at = clock.monotonic()
        self._withheld_step = ""
        """The step of lines that were read and not printed since the last heartbeat about them."""
        self._queued = self._finished = False
        if limit.most_bytes is not None and limit.most_bytes == data.auto_log_limit:
            limit.count_like(data.log_size, lambda: data.log_used)
        self.link = ""
        """URL of the pipeline in the portal; empty if it is unknown."""
        self.line_count = 0
        """How many lines of the log were read."""
        self.missing = False
        """Whether lines are known to be missing."""

    @cached_property
    def excerpts(self) -> Excerpts:
        """The lines of each step that matter if it fails."""
        from opsera_step.display.excerpt import Excerpts  # noqa: PLC0415 - not before the first line

        return Excerpts()

    def print_message(self, text: str, level: str = "") -> None:
        """Print one of our messages."""
        if self._quiet and level not in ("warning", "error"):
            return
        for line in self._scrubber.text(text).split("\n"):
            self._platform.print_message(line, level)

    def print_debug(self, text: str) -> None:
        """Print a line of the debug log, if there is one; it never closes a group."""
        if self._verbose:
            self.print_message(text, "debug")

    def print_request(self, method: str, path: str, status: int | None, seconds: float) -> None:
        """Print a request in the debug log; the status is None if there was no response."""
        moment = format_timestamp(self._clock.time())[11:23]
        self.print_debug(f"{moment}Z {method} {path}: {status or 'no response'} in {seconds:.2f}s")

    def annotate(self, level: str, title: str, text: str, details: Sequence[str] = ()) -> None:
        """Show a message prominently, outside of the groups; the details are lines of a log."""
        self.end_group()
        title, text = self._scrubber.text(title), self._scrubber.text(text)
        self._platform.annotate(level, title, text, details)

    def set_plan(self, plan: Sequence[Step]) -> None:
        """Take the pipeline's plan, to show the progress of its steps."""
        self._progress.set_plan(plan, self._scrubber.inline)
        self._groups.plan = {step.id: place for place, step in enumerate(plan)}

    def show(self, event: events.Event) -> None:
        """Show what happened."""
        match event:
            case events.LogLines():
                self._show_lines(event)
            case events.StateChanged():
                self.print_debug(f"Status: {self._scrubber.inline(event.status.value, 80)}")
                self._show_status(event)
            case events.PausedAt():
                self._show_pause(event)
            case events.Heartbeat():
                self._show_heartbeat(event)
            case events.Ended():
                self.print_debug(f"Stopped following the run: {event.reason.value}")
                self.finish()
            case events.Tick():
                self._report_withheld()  # Apart from that, only the progress is redrawn.
            case _:
                self._show_message(event)
        if self._platform.room and not self._finished:
            self._draw()

    def repeat_last_lines(self, step_id: str, step_name: str) -> None:
        """Print the last lines of a step again, unless they are in sight or quoted anyway."""
        found = self.excerpts.of(step_id, step_name)
        in_sight = step_name == self._groups.last_name or self._platform.quotes_details
        if found is None or in_sight or not self._shows_log:
            return
        self.print_message(f"Last lines of “{step_name}”:")
        self._groups.write(found.tail)

    def end_group(self) -> None:
        """Close the open group; the next line of the log opens one again."""
        self._platform.draw(())
        self._groups.close()

    def finish(self) -> None:
        """Print what `log_limit` held back of the end of the log, and close the group."""
        if self._limit.reached and not self._finished:
            self._groups.open("End of the log")
            tail = self._limit.tail()
            if self._limit.omitted_lines:
                size = f"{self._limit.omitted_lines:,} lines ({_size(self._limit.omitted_bytes)})"
                full = "is in report_dir" if self._keeper else "can be kept with report_dir"
                self.print_message(f"{size} omitted because of log_limit. The full log {full}.")
            self._groups.write(tail)
        self._finished = True
        self.end_group()

    def _show_lines(self, event: events.LogLines) -> None:
        step = self._lines.step_of(event)
        lines, full = self._lines.read(event)
        self.line_count += len(lines)
        self._status.line_seen(step.name, full)
        self._progress.line_seen(event.step_id)
        if self._keeper is not None:
            self._keeper.keep(event.step_id, step.name, step.tool, full, event.created)
        self.excerpts.add(event.step_id, step.name, lines, self.line_count - len(lines) + 1)
        if not self._shows_log:
            self._withheld_step = step.name
            self._report_withheld()
            return
        was_reached = self._limit.reached
        printed = self._groups.enter(step, self._lines.stamped(event, lines), event.created)
        admitted = self._limit.admit(printed)
        if admitted:
            self._groups.print(admitted)
        self._withheld_step = step.name if self._limit.reached else ""
        if was_reached:
            self._report_withheld()
        elif self._limit.reached:
            self._withheld_reported_at = self._clock.monotonic()
            self.print_message(
                "log_limit reached. Only the tail of the log will be printed.", "warning"
            )

    def _report_withheld(self) -> None:
        """Print a heartbeat a minute after the last one if lines were read and not printed."""
        now, step = self._clock.monotonic(), self._withheld_step
        if step and now - self._withheld_reported_at >= _MINUTE and not self._platform.room:
            self._withheld_reported_at, self._withheld_step = now, ""
            lines = f"{self.line_count:,} line{'s' if self.line_count != 1 else ''}"
            self.print_message(
                f"{self._status.run}: “{step}” still running, {lines} read "
                f"(elapsed {self._elapsed})."
            )

    def _show_message(self, event: events.Event) -> None:
        match event:
            case events.RunKnown():
                self._status.run = f"Run {event.run.count}"
                self.print_message(
                    f"{'Started' if event.started else 'Following'} run {event.run.count}."
                )
            case events.Queued():
                self._queued = True
                self._status.wait(f"queued behind run {event.behind}")
                self._print_apart(f"{self._status.run} is queued behind run {event.behind}.")
            case events.Note():
                level = "warning" if event.warning else ""
                self._print_apart(self._scrubber.inline(event.text, 1000), level)
            case events.LinesMissing():
                self.missing = True
                reason = (
                    "the response is too large"
                    if event.too_large
                    else "the API returns only the latest 1,000"
                )
                self.print_message(f"Some log records are missing here ({reason}).", "warning")
            case events.Retrying():
                self.print_message(
                    f"{self._scrubber.inline(event.error)} {_retries(event)}", "warning"
                )
            case events.Recovered():
                self.print_message(
                    f"The API is responding again after {format_duration(event.elapsed)}."
                )
            case _:
                raise TypeError(event)

    def _show_status(self, event: events.StateChanged) -> None:
        run, word = self._status.run, self._scrubber.inline(event.status.value, 80)
        if event.status.state is State.UNKNOWN:
            name = run[:1].lower() + run[1:]
            self._print_apart(
                f"Unrecognized status “{word}”; assuming {name} is still in progress.", "warning"
            )
        if event.status.state is not State.RUNNING:
            return
        self._progress.resumed()
        self._status.wait(word, unless_lines=True)
        if event.before is State.PAUSED:
            message = self._scrubber.inline(event.status.message)
            news = "" if is_only_running(message) else f" Opsera: {message}"
            self._print_apart(f"{run} resumed.{news}")
        elif self._queued and not event.status.is_waiting:
            self._print_apart(f"{run} is running.")
        self._queued = self._queued and event.status.is_waiting

    def _show_pause(self, event: events.PausedAt) -> None:
        step = f"“{self._scrubber.inline(event.step.name, 200)}”" if event.step else ""
        user = self._scrubber.inline(event.user, 100)
        self._status.wait(f"waiting for approval at {step}" if step else "paused")
        if event.step is not None:
            self._progress.paused(event.step.id)
        if user and step:
            text = f"{self._status.run} is waiting for {user} to approve {step}"
        elif user:
            text = f"{self._status.run} is waiting for {user}"
        else:
            text = f"{self._status.run} is {self._status.activity}"
        if event.since is not None and self._clock.time() - event.since >= _LONG_WAIT:
            text += f" (since {format_timestamp(event.since)[:16].replace('T', ' ')} UTC)"
        if self._waits:
            link = f" View in Opsera: {self.link}" if self.link else ""
            self.annotate("warning", WAITING_TITLE, f"{text}.{link}")
        else:
            self._print_apart(f"{text}.")

    def _show_heartbeat(self, event: events.Heartbeat) -> None:
        if event.step is not None:
            self._progress.line_seen(event.step.id)
        self._withheld_reported_at = self._clock.monotonic()
        if not self._platform.room:
            # Where the progress is drawn, that shows that the job is alive.
            log_error = self._scrubber.inline(event.log_error, 200) if not event.error else ""
            text = f"{self._heartbeat(event)} (elapsed {self._elapsed}). {log_error}"
            self.print_message(text.rstrip())

    def _heartbeat(self, event: events.Heartbeat) -> str:
        run, step = self._status.run, ""
        if event.step is not None:
            step = f"“{self._scrubber.inline(event.step.name, 200)}”"
        if event.error:
            return f"{self._scrubber.inline(event.error, 200)} Still retrying"
        if event.queued_behind is not None:
            return f"{run} is still queued behind run {event.queued_behind}"
        if event.status is not None and event.status.state is State.PAUSED:
            return f"{run} is still waiting for approval{f' at {step}' if step else ''}"
        minutes = round(event.idle_seconds / _MINUTE) * _MINUTE
        idle = f"no output for {format_duration(minutes or event.idle_seconds)}"
        if event.status is None:
            return f"{run}: status not known yet, {idle}"
        if event.status.state is State.UNKNOWN:
            value = self._scrubber.inline(event.status.value, 80)
            return f"{run}: unrecognized status “{value}”, {idle}"
        return f"{run}: {step} still running, {idle}" if step else f"{run} is running, {idle}"

    def _print_apart(self, text: str, level: str = "") -> None:
        """Print a message outside of groups that a viewer folds."""
        if self._groups.are_folded:
            self.end_group()
        self.print_message(text, level)

    @property
    def _elapsed(self) -> str:
        return format_duration(self._clock.monotonic() - self._started)

    def _draw(self) -> None:
        shows_lines = self._shows_log and not self._limit.reached
        status = self._status.text(self._elapsed, with_last_line=not shows_lines)
        self._platform.draw([*self._progress.lines(self._platform.room - 1), (status, "")])


class _Step(NamedTuple):
    """The step that lines belong to, with its texts made safe."""

    key: str
    name: str
    tool: str


class _LineReader:
    """Makes the lines of each step safe to print, as one stream per step."""

    def __init__(self, scrubber: Scrubber, color: bool, *, timestamps: bool, full: bool) -> None:
        self._scrubber, self._timestamps = scrubber, timestamps
        self._shows_colors = color
        self._keeps_colors = color or full
        self._streams: dict[str, LogStream] = {}

    def step_of(self, event: events.LogLines) -> _Step:
        """Return the step; one without an ID is identified by its name."""
        name = self._scrubber.inline(event.step_name, 200) or _NO_STEP
        return _Step(event.step_id or name, name, self._scrubber.inline(event.tool, 80))

    def read(self, event: events.LogLines) -> tuple[list[str], list[str]]:
        """Return the lines to print, and those for the full log with colors and times."""
        stream = self._streams.get(event.step_id)
        if stream is None:
            stream = self._streams[event.step_id] = LogStream(self._keeps_colors)
        full = self._scrubber.log_lines(event.lines, stream)
        shown = full if self._shows_colors else [plain(line) for line in full]
        return shown, self.stamped(event, full)

    def stamped(self, event: events.LogLines, lines: list[str]) -> list[str]:
        """Put the time of the record before each line, if that is wanted and known."""
        if not self._timestamps or event.created is None:
            return lines
        stamp = f"{format_timestamp(event.created)[:19]}Z"
        return [f"{stamp} {line}" for line in lines]


class _Groups:
    """The groups of the job log: one for each step, and one for steps that run in parallel.

    Steps count as parallel when the lines of one come back between those of others, or when a step
    comes before its turn in the plan. From then on all lines go to one group, each with the name
    of its step, until another step begins while the others are no longer interleaved. So there are
    never more than two groups per step.
    """

    def __init__(
        self, platform: Platform, data: Platform, clock: Clock, *, shows_titles: bool = True
    ) -> None:
        self._platform, self._data = platform, data
        self._clock, self._shows_titles = clock, shows_titles
        self.plan: dict[str, int] = {}
        """The place of each step in the plan, by its ID."""
        self._furthest = -1
        self._labels: dict[str, str] = {}
        self._label_counts: Counter[str] = Counter()
        self._last: _Step | None = None
        self._parallel = 0
        """Number of the group of parallel steps; 0 while steps run one after another."""
        self._rounds = 0
        self._records = 0
        """How many records have come since the lines of a step came back."""
        self._returned_at = (0.0, 0.0)
        """When they came back, by the clock and by the time of the record."""
        self._wanted: tuple[int, str] = (0, "")
        self._title = ""
        self._open: tuple[int, str] | None = None
        self._opened: set[tuple[int, str]] = set()

    @property
    def last_name(self) -> str:
        """Name of the step whose lines came last."""
        return self._last.name if self._last is not None else ""

    def enter(self, step: _Step, lines: list[str], created: float | None) -> list[str]:
        """Take lines of a step, and return them as they are printed in the group they belong to."""
        is_new = step.key not in self._labels
        if is_new:
            self._labels[step.key] = self._label(step)
        now = (self._clock.monotonic(), created or self._returned_at[1])
        self._records += 1
        place = self.plan.get(step.key, self._furthest)
        is_late = is_new and place < self._furthest
        self._furthest = max(place, self._furthest)
        is_back = not is_new and self._last is not None and self._last.key != step.key
        if self._last is not None and (is_back or is_late):
            self._records, self._returned_at = 0, now
            self._start_parallel(self._last, step)
        elif is_new and self._is_sequential(now):
            self._parallel = 0
        self._last = step
        if self._parallel:
            self._wanted = (self._parallel, "")
            return [f"{self._labels[step.key]} | {line}" for line in lines]
        self._wanted = (0, step.key)
        self._title = f"{step.name} · {step.tool}" if step.tool else step.name
        return lines

    def print(self, lines: list[str]) -> None:
        """Print the lines that were taken last, or as many of them as there is room for."""
        if self._open != self._wanted:
            again = " (continued)" if self._wanted in self._opened else ""
            self._opened.add(self._wanted)
            self.open(f"{self._title}{again}")
            self._open = self._wanted
        self.write(lines)

    def write(self, lines: Sequence[str]) -> None:
        """Print lines; progress that is drawn on another stream is cleared first."""
        if self._data is not self._platform:
            self._platform.draw(())
        self._data.lines(lines)

    @property
    def are_folded(self) -> bool:
        """Whether the viewer of the lines folds groups, so that lines may be out of sight."""
        return self._data.folds

    @property
    def _titled(self) -> Platform:
        """The stream of the titles: that of the lines only if its viewer folds groups."""
        return self._data if self._data.folds else self._platform

    def open(self, title: str) -> None:
        """Open a group that belongs to no step."""
        if self._shows_titles:
            self._titled.open_group(title)
        self._open = (0, "")

    def close(self) -> None:
        """Close the open group; the next lines open one again."""
        self._titled.close_group()
        self._open = None

    def _start_parallel(self, last: _Step, step: _Step) -> None:
        if not self._parallel:
            self._rounds += 1
            self._parallel = self._rounds
            names = f"{self._labels[step.key]}, {self._labels[last.key]}"
            self._title = f"Parallel steps: {names}, …"

    def _is_sequential(self, now: tuple[float, float]) -> bool:
        """Whether no lines have come back for a while, by any measure of time."""
        seconds = max(now[0] - self._returned_at[0], now[1] - self._returned_at[1])
        return seconds >= _PARALLEL_SECONDS or self._records >= _PARALLEL_RECORDS

    def _label(self, step: _Step) -> str:
        """Return the prefix of a step's lines; another step of the same name gets a number."""
        label = cut(step.name, _PREFIX_WIDTH)
        self._label_counts[label] += 1
        count = self._label_counts[label]
        return f"{label} ({count})" if count > 1 else label


class _StatusLine:
    """What is in progress, in a line below the log."""

    def __init__(self) -> None:
        self.run = "The run"
        self.activity = "starting"
        self._has_lines = False
        self._last_line = ""

    def line_seen(self, step_name: str, lines: Sequence[str]) -> None:
        """Note that a step printed lines."""
        self.activity, self._has_lines = step_name, True
        self._last_line = plain(lines[-1]) if lines else self._last_line

    def wait(self, activity: str, *, unless_lines: bool = False) -> None:
        """Note what the run does while no lines come; `unless_lines` if none came so far."""
        if not (unless_lines and self._has_lines):
            self.activity, self._has_lines = activity, False

    def text(self, elapsed: str, *, with_last_line: bool) -> str:
        """Return the line."""
        parts = [self.run, self.activity, elapsed, self._last_line if with_last_line else ""]
        return " · ".join(part for part in parts if part)


def _retries(event: events.Retrying) -> str:
    if event.wait:
        return f"Retrying in {format_duration(event.wait)}."
    if isfinite(event.remaining):
        return f"Retrying for at most {format_duration(event.remaining)}."
    return "Retrying."


def _size(count: int) -> str:
    return f"{count / 2**20:,.1f} MiB" if count >= 2**20 else f"{count / 2**10:,.1f} KiB"


def is_only_running(message: str) -> bool:
    """Whether a message only repeats that the run is running, or is empty."""
    return not message or _ONLY_RUNNING.fullmatch(message) is not None
