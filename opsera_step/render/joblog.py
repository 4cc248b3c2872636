"""Events as lines of the job log.

All text of the API passes through here on its way out, and is made safe here: no control
characters, no token. Where the lines go, and what else a platform obeys, is the sink's affair.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Sequence
from functools import singledispatchmethod
from typing import ClassVar, Protocol

from opsera_step import events
from opsera_step.log_limit import LogLimit
from opsera_step.models import State
from opsera_step.sanitize import LineCleaner, Redactor, clean_inline, split_lines
from opsera_step.timing import Clock, spell_duration

LAST_LINES = 20
"""How many lines of the failed step are shown again with the verdict."""

_SGR = re.compile(r"\x1b\[[0-9;:]*m")
_NO_STEP = "Log"
_WITHHELD_TOLD = 60.0
"""Seconds between signs of life while lines are held back."""
_GROUP_MARKERS = 130
"""Bytes that the markers of a group take at most, of those that the platforms have."""


class Sink(Protocol):
    """Where the job log goes."""

    colour: bool
    folds: ClassVar[bool]

    def say(self, text: str, level: str = "") -> None:
        """Print a line of ours."""

    def lines(self, lines: Sequence[str]) -> None:
        """Print lines of the run's log."""

    def open_group(self, title: str) -> None:
        """Begin a part of the log."""

    def close_group(self) -> None:
        """End the open part."""

    def annotate(self, level: str, title: str, text: str) -> None:
        """Show a message prominently."""

    def status_line(self, text: str) -> None:
        """Show what goes on in a line that moves."""


class Safe:
    """Makes API text safe to print, by one token's redactor."""

    def __init__(self, token: str) -> None:
        """Take the token that must show nowhere."""
        self._redactor = Redactor(token)
        self._plain = LineCleaner(colour=False)

    def inline(self, text: str, limit: int = 500) -> str:
        """Return a name or a message as one line."""
        return self._redactor.redact(clean_inline(text, limit))

    def own(self, text: str) -> str:
        """Return a text of ours, which may quote others, without the token and as safe lines."""
        lines = (self._plain.clean(line) for line in split_lines(text))
        return "\n".join(self._redactor.redact(line) for line in lines)

    def log_line(self, line: str, cleaner: LineCleaner) -> str:
        """Return a line of the log; colours inside of the token do not hide it."""
        line = cleaner.clean(line)
        if "\x1b" in line:
            bare = _SGR.sub("", line)
            redacted = self._redactor.redact(bare)
            return redacted if redacted != bare else line
        return self._redactor.redact(line)


class JobLog:
    """Shows the events of one job."""

    def __init__(
        self,
        sink: Sink,
        safe: Safe,
        clock: Clock,
        limit: LogLimit,
        keep: Callable[[str], None] | None = None,
    ) -> None:
        """Take the sink, and `keep` that gets each log line for the full log, if there is one."""
        self._sink, self._safe, self._clock, self._limit = sink, safe, clock, limit
        self._keep = keep
        self._started = clock.monotonic()
        self._cleaners: dict[str, LineCleaner] = {}
        self._shown_steps: set[str] = set()
        self._step: str | None = None
        self._run = "The run"
        self._doing = "starting"
        self._finished = False
        self._withheld_told_at = 0.0
        self._last_lines: dict[str, deque[str]] = {}
        self.line_count = 0
        """How many lines of the log were read."""
        self.missing = False
        """Whether lines are known to be missing."""

    def say(self, text: str, level: str = "") -> None:
        """Print a sentence of ours."""
        for line in self._safe.own(text).split("\n"):
            self._sink.say(line, level)

    def say_in_sight(self, text: str, level: str = "") -> None:
        """Print a sentence of ours where no viewer folds it away with the lines of a step."""
        if self._sink.folds:
            self.end_group()
        self.say(text, level)

    def annotate(self, level: str, title: str, text: str) -> None:
        """Show a message prominently, outside of the groups."""
        self.end_group()
        self._sink.annotate(level, self._safe.own(title), self._safe.own(text))

    def show(self, event: events.Event) -> None:
        """Show what happened."""
        self._show(event)
        elapsed = spell_duration(self._clock.monotonic() - self._started)
        self._sink.status_line(f"{self._run} · {self._doing} · {elapsed}")

    def repeat_last_lines(self, step_name: str) -> None:
        """Print the last lines of a step again, unless they are the last in sight anyway."""
        lines = self._last_lines.get(step_name)
        if not lines or (step_name == self._doing and not self._sink.folds):
            return
        self.say(f"The last lines of “{step_name}”:")
        self._sink.lines(list(lines))

    def end_group(self) -> None:
        """Close the open group; the next line of the log opens one again."""
        self._sink.status_line("")
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
        word = self._safe.inline(event.status.word, 80)
        if event.status.state is State.UNKNOWN:
            self.say_in_sight(
                f"{self._run} is “{word}”, a word that this version does not know; it is taken "
                "as still going.",
                "warning",
            )
        elif event.before is not None and event.status.state is State.RUNNING:
            if self._doing not in self._last_lines:
                self._doing = word
            if event.before is not State.RUNNING:
                message = self._safe.inline(event.status.message)
                self.say(f"{self._run} is {word} now." + (f" Opsera: {message}" if message else ""))

    @_show.register
    def _(self, event: events.PausedAt) -> None:
        gate = f" at “{self._safe.inline(event.gate.name, 200)}”" if event.gate else ""
        self._doing = f"waits{gate}"
        self.say_in_sight(f"{self._run} is paused{gate}: it waits for somebody to let it go on.")

    @_show.register
    def _(self, event: events.LogLines) -> None:
        name = self._safe.inline(event.step_name, 200) or _NO_STEP
        cleaner = self._cleaners.setdefault(event.step_id, LineCleaner(self._sink.colour))
        lines = [self._safe.log_line(line, cleaner) for line in event.lines]
        self.line_count += len(lines)
        self._doing = name
        self._last_lines.setdefault(name, deque(maxlen=LAST_LINES)).extend(lines[-LAST_LINES:])
        if self._keep is not None:
            for line in lines:
                self._keep(_SGR.sub("", line))
        was_reached = self._limit.reached
        admitted = self._limit.admit(lines)
        if admitted:
            self._enter(event.step_id, name, self._safe.inline(event.tool, 80))
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
            elapsed = spell_duration(self._withheld_told_at - self._started)
            self.say_in_sight(f"{self._run}: “{name}” goes on, line {self.line_count}; {elapsed}.")

    @_show.register
    def _(self, event: events.LinesMissing) -> None:
        self.missing = True
        if event.count is None:
            what = "Older lines may be missing"
        else:
            about = "about" if event.estimated else "up to"
            what = f"Lines are missing here: {about} {event.count} log records"
        self.say(f"{what}; the API gives the newest 1000 records only.", "warning")

    @_show.register
    def _(self, event: events.Trouble) -> None:
        what = self._safe.inline(event.what)
        self.say_in_sight(f"{what} Trying again, as long as the timeout allows.", "warning")

    @_show.register
    def _(self, event: events.Recovered) -> None:
        self.say_in_sight(f"The API answers again, after {spell_duration(event.after)}.")

    @_show.register
    def _(self, event: events.Heartbeat) -> None:
        elapsed = spell_duration(self._clock.monotonic() - self._started)
        self.say_in_sight(f"{self._run}: {self._what_goes_on(event)}; {elapsed} so far.")

    @_show.register
    def _(self, event: events.Tick) -> None:
        """Only the moving line changes."""

    @_show.register
    def _(self, event: events.Ended) -> None:
        self.finish()

    def _what_goes_on(self, event: events.Heartbeat) -> str:
        silent = spell_duration(event.silent)
        step = f"“{self._safe.inline(event.step.name, 200)}”" if event.step else "it"
        if event.trouble:
            return f"the API has trouble ({self._safe.inline(event.trouble, 200).rstrip('.')})"
        if event.queued_behind is not None:
            return f"waits for run {event.queued_behind} to end"
        if event.status is not None and event.status.state is State.PAUSED:
            return f"paused for {silent}, {step} waits for somebody"
        state = self._safe.inline(event.status.word, 80) if event.status else "not known yet"
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
