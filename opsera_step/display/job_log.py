"""Events as lines of the job log.

All text of the API passes through here on its way out, and is made safe here: no control
characters, no token. Where the lines go, and what else a platform obeys, is the sink's affair.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import singledispatchmethod
from math import isfinite
from typing import Protocol

from opsera_step.api import State, Step
from opsera_step.clock import Clock, format_duration
from opsera_step.display.excerpt import Excerpts
from opsera_step.display.log_limit import LogLimit
from opsera_step.display.progress import Line, StepProgress
from opsera_step.runs import events
from opsera_step.text import LogStream, Scrubber, plain

_SAYS_ONLY_RUNNING = re.compile(r".*\bis (?:currently |now )?running[.!]?", re.IGNORECASE)
_NO_STEP = "Log"
_WITHHELD_TOLD = 60.0
"""Seconds between signs of life while lines are held back."""
_GROUP_MARKERS = 130
"""Bytes that the markers of a group take at most, of those that the platforms have."""


class Sink(Protocol):
    """Where the job log goes."""

    colour: bool

    @property
    def quotes_details(self) -> bool:
        """Whether annotations quote lines of the log, which need not be repeated then."""
        ...

    @property
    def folds(self) -> bool:
        """Whether the viewer folds groups, so that what is in them may be out of sight."""
        ...

    @property
    def room(self) -> int:
        """How many lines it can draw anew below the log; 0 where it can't."""
        ...

    def say(self, text: str, level: str = "") -> None:
        """Print a line of ours."""

    def lines(self, lines: Sequence[str]) -> None:
        """Print lines of the run's log."""

    def open_group(self, title: str) -> None:
        """Begin a part of the log."""

    def close_group(self) -> None:
        """End the open part."""

    def annotate(self, level: str, title: str, text: str, details: Sequence[str] = ()) -> None:
        """Show a message prominently; the details only where it is read far from the log."""

    def draw(self, lines: Sequence[Line]) -> None:
        """Show what goes on below the log, in place of what was drawn before."""


class Keeper(Protocol):
    """Who gets each line for the full log."""

    def keep(self, step_id: str, name: str, tool: str, lines: Sequence[str]) -> None:
        """Take lines of a step, safe to show and with their colours."""


class JobLog:
    """Shows the events of one job."""

    def __init__(
        self,
        sink: Sink,
        safe: Scrubber,
        clock: Clock,
        limit: LogLimit,
        keeper: Keeper | None = None,
        *,
        shows_log: bool = True,
    ) -> None:
        """Take the sink, and who keeps the full log, also where none of it is to be shown."""
        self._sink, self._safe, self._clock, self._limit = sink, safe, clock, limit
        self._keeper, self._shows_log = keeper, shows_log
        self._started = clock.monotonic()
        self._streams: dict[str, LogStream] = {}
        self._shown_steps: set[str] = set()
        self._step: str | None = None
        self._run = "The run"
        self._doing = "starting"
        self._finished = False
        self._withheld_told_at = self._started
        self._spoke = False
        self._last_line = ""
        self._board = StepProgress(clock.monotonic)
        self.excerpts = Excerpts()
        """The lines of each step that matter if it fails."""
        self.line_count = 0
        """How many lines of the log were read."""
        self.missing = False
        """Whether lines are known to be missing."""

    def say(self, text: str, level: str = "") -> None:
        """Print a sentence of ours."""
        for line in self._safe.text(text).split("\n"):
            self._sink.say(line, level)

    def say_in_sight(self, text: str, level: str = "") -> None:
        """Print a sentence of ours where no viewer folds it away with the lines of a step."""
        if self._sink.folds:
            self.end_group()
        self.say(text, level)

    def annotate(self, level: str, title: str, text: str, details: Sequence[str] = ()) -> None:
        """Show a message prominently, outside of the groups; the details are lines of a log."""
        self.end_group()
        self._sink.annotate(level, self._safe.text(title), self._safe.text(text), details)

    def know_plan(self, plan: Sequence[Step]) -> None:
        """Take the pipeline's plan, for a display of the steps."""
        self._board.plan(plan, self._safe.inline)

    def show(self, event: events.Event) -> None:
        """Show what happened."""
        self._show(event)
        if self._sink.room and not self._finished:
            self._draw()

    def _draw(self) -> None:
        elapsed = format_duration(self._clock.monotonic() - self._started)
        shown = self._shows_log and not self._limit.reached
        now = [self._run, self._doing, elapsed, *([] if shown else [self._last_line])]
        steps = self._board.lines(self._sink.room - 1)
        self._sink.draw([*steps, (" · ".join(part for part in now if part), "")])

    def repeat_last_lines(self, step_id: str, step_name: str) -> None:
        """Print the last lines of a step again, unless they are the last in sight anyway."""
        found = self.excerpts.of(step_id, step_name)
        in_sight = step_name == self._doing or self._sink.quotes_details
        if found is None or in_sight or not self._shows_log:
            return
        self.say(f"Last lines of “{step_name}”:")
        self._sink.lines(found.tail)

    def end_group(self) -> None:
        """Close the open group; the next line of the log opens one again."""
        self._sink.draw(())
        self._sink.close_group()
        self._step = None

    def finish(self) -> None:
        """Print what `log_limit` held back of the log's end, and close the group."""
        if self._limit.reached and not self._finished:
            self._sink.open_group("End of the log")
            if self._limit.left_out_lines:
                self.say(
                    f"{self._limit.left_out_lines} lines ({self._limit.left_out_bytes / 2**20:.1f}"
                    " MiB) were left out here, for log_limit; the full log is in report_dir, if "
                    "that is set."
                )
            self._sink.lines(self._limit.tail())
        self._finished = True
        self.end_group()

    @singledispatchmethod
    def _show(self, event: events.Event) -> None:
        raise TypeError(event)

    @_show.register
    def _(self, event: events.Note) -> None:
        self.say_in_sight(self._safe.inline(event.text, 1000), "warning" if event.warning else "")

    @_show.register
    def _(self, event: events.RunKnown) -> None:
        self._run = f"Run {event.run.count}"
        verb = "Started" if event.started else "Following"
        self.say(f"{verb} run {event.run.count}.")

    @_show.register
    def _(self, event: events.Queued) -> None:
        self._doing = f"queued behind run {event.behind}"
        self.say_in_sight(f"{self._run} is queued: it starts when run {event.behind} has ended.")

    @_show.register
    def _(self, event: events.StateChanged) -> None:
        word = self._safe.inline(event.status.value, 80)
        if event.status.state is State.UNKNOWN:
            self.say_in_sight(
                f"{self._run} is “{word}”, a word that this version does not know; it is taken "
                "as still going.",
                "warning",
            )
        elif event.status.state is State.RUNNING:
            self._board.goes_on()
            if not self._spoke:
                self._doing = word
            if event.before not in (None, State.RUNNING):
                message = self._safe.inline(event.status.message)
                new = not says_only_running(message)
                self.say(f"{self._run} is {word} now." + (f" Opsera: {message}" if new else ""))

    @_show.register
    def _(self, event: events.PausedAt) -> None:
        gate = f" at “{self._safe.inline(event.step.name, 200)}”" if event.step else ""
        self._doing, self._spoke = f"waits{gate}", False
        if event.step is not None:
            self._board.waits(event.step.id)
        self.say_in_sight(f"{self._run} is paused{gate}: it waits for somebody to let it go on.")

    @_show.register
    def _(self, event: events.LogLines) -> None:
        name = self._safe.inline(event.step_name, 200) or _NO_STEP
        coloured = self._sink.colour or self._keeper is not None
        stream = self._streams.setdefault(event.step_id, LogStream(coloured))
        lines = [self._safe.log_line(line, stream) for line in event.lines]
        self.line_count += len(lines)
        self._doing, self._spoke = name, True
        self._board.spoke(event.step_id)
        tool = self._safe.inline(event.tool, 80)
        if self._keeper is not None:
            self._keeper.keep(event.step_id, name, tool, lines)
            if not self._sink.colour:
                lines = [plain(line) for line in lines]
        self.excerpts.add(event.step_id, name, lines)
        self._last_line = plain(lines[-1]) if lines else self._last_line
        was_reached = self._limit.reached or not self._shows_log
        admitted = self._limit.admit(lines) if self._shows_log else []
        if admitted:
            self._enter(event.step_id, name, tool)
            self._sink.lines(admitted)
        if self._limit.reached and not was_reached:
            self.say_in_sight(
                "The log has reached log_limit; from here on only its last lines are shown, at "
                "the end.",
                "warning",
            )
            self._withheld_told_at = self._clock.monotonic()
        elif was_reached and self._clock.monotonic() - self._withheld_told_at >= _WITHHELD_TOLD:
            self._withheld_told_at = self._clock.monotonic()
            elapsed = format_duration(self._withheld_told_at - self._started)
            self.say_in_sight(f"{self._run}: “{name}” goes on, line {self.line_count}; {elapsed}.")

    @_show.register
    def _(self, event: events.LinesMissing) -> None:
        self.missing = True
        count = "Some" if event.at_most is None else f"Up to {event.at_most:,}"
        self.say(
            f"{count} log records are missing here (the API returns only the latest 1,000).",
            "warning",
        )

    @_show.register
    def _(self, event: events.Retrying) -> None:
        error = self._safe.inline(event.error)
        wait = f" in {format_duration(event.wait)}" if event.wait else ""
        most = event.remaining
        limit = f" for at most {format_duration(most)}" if isfinite(most) else ""
        self.say_in_sight(f"{error} Retrying{wait or limit}.", "warning")

    @_show.register
    def _(self, event: events.Recovered) -> None:
        self.say_in_sight(f"The API answers again, after {format_duration(event.elapsed)}.")

    @_show.register
    def _(self, event: events.Heartbeat) -> None:
        if event.step is not None:
            self._board.spoke(event.step.id)
        if self._sink.room:
            # What is drawn shows that it lives; an hour's lines of that would bury the log.
            return
        elapsed = format_duration(self._clock.monotonic() - self._started)
        self.say_in_sight(f"{self._run}: {self._what_goes_on(event)}; {elapsed} so far.")

    @_show.register
    def _(self, event: events.Tick) -> None:
        """Only the moving line changes."""

    @_show.register
    def _(self, event: events.Ended) -> None:
        self.finish()

    def _what_goes_on(self, event: events.Heartbeat) -> str:
        silent = format_duration(event.idle_seconds)
        step = f"“{self._safe.inline(event.step.name, 200)}”" if event.step else "it"
        if event.error:
            return f"the API has trouble ({self._safe.inline(event.error, 200).rstrip('.')})"
        if event.queued_behind is not None:
            return f"waits for run {event.queued_behind} to end"
        if event.status is not None and event.status.state is State.PAUSED:
            return f"paused for {silent}, {step} waits for somebody"
        state = self._safe.inline(event.status.value, 80) if event.status else "not known yet"
        running = f"{step} is {state}" if event.step else f"{state}"
        return f"{running}, nothing new for {silent}"

    def _enter(self, step_id: str, name: str, tool: str) -> None:
        key = step_id or name
        if key == self._step:
            return
        again = " (continued)" if key in self._shown_steps else ""
        title = f"{name} · {tool}{again}" if tool else f"{name}{again}"
        if self._sink.folds:
            self._limit.spend(len(title.encode("utf-8", "replace")) + _GROUP_MARKERS)
        self._sink.open_group(title)
        self._shown_steps.add(key)
        self._step = key


def says_only_running(message: str) -> bool:
    """Whether a message tells no more than that the run is running, or nothing at all."""
    return not message or _SAYS_ONLY_RUNNING.fullmatch(message) is not None
