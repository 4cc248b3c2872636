"""report.html: everything about a run in one page without external resources.

The page is its head, then the blocks of the log, then its foot, so that the log is never in memory
as a whole. Its policy allows its own script and style by their hashes and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opsera_step import __version__
from opsera_step.api import State, format_timestamp
from opsera_step.clock import format_duration
from opsera_step.outcome import Outcome, sentence
from opsera_step.report.jinja import fill, source
from opsera_step.report.log_blocks import StepLog
from opsera_step.report.words import ICONS, NOT_STARTED, STATUS_WORDS, UNKNOWN, step_word
from opsera_step.runs import StepResult

FILES: Mapping[str, str] = {
    "log.txt": "the full log as text",
    "result.json": "the result as JSON",
    "junit.xml": "the steps as tests",
}
"""The report's other files, which the page links to."""

_FILLS: Mapping[str, str] = {
    "succeeded": "#1a7f37",
    "failed": "#cf222e",
    "waiting for approval": "#bf8700",
    "running": "#0969da",
}
_MANY = 200
"""Rows from this number on are laid out only when they come into view."""

SCALE = 1000
"""Width of the timeline."""
_THINNEST = 6
_MOST_TICKS = 5
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_DISTANCES = (
    *(1, 2, 5, 10, 15, 30),
    *(_MINUTE * number for number in (1, 2, 5, 10, 15, 30)),
    *(_HOUR * number for number in (1, 2, 3, 6, 12)),
    *(_DAY * number for number in (1, 2, 5, 10, 30, 100)),
)


@dataclass(frozen=True)
class Bar:
    """One step on the timeline; `wait` is the width of the part, at its end, in which it waited.

    `start` and `took` are in seconds from the start of the first step.
    """

    x: int
    width: int
    wait: int
    start: float
    took: float
    is_open: bool
    """Whether the step had not ended."""

    def __str__(self) -> str:
        """Return a description."""
        started = f"started after {format_duration(self.start)}"
        if self.is_open:
            return f"{started}, not finished"
        return f"{started}, took {format_duration(self.took)}"


@dataclass(frozen=True)
class Timeline:
    """The bars of all steps, None where times are unknown; `ticks` are places and seconds."""

    bars: tuple[Bar | None, ...]
    ticks: tuple[tuple[int, int], ...] = ()
    started_at: float | None = None


@dataclass(frozen=True)
class Row:
    """A step as the page shows it."""

    number: int
    name: str
    tool: str
    word: str
    """Its state; empty for lines without a step of the plan."""
    message: str = ""
    started: str = ""
    took: str = ""
    waited: str = ""
    bar: Bar | None = None
    log: StepLog | None = None
    is_bad: bool = False
    """Whether the run failed or stopped at this step."""

    @property
    def style(self) -> str:
        """The word as the style sheet has it."""
        return _style(self.word)

    @property
    def fill(self) -> str:
        """The color of its bar where no style sheet is allowed, as in Jenkins."""
        return _FILLS.get(self.word, "#818b98")

    @property
    def icon(self) -> str:
        """A sign for the word."""
        return ICONS.get(self.word, "·")


def ended_at(outcome: Outcome, logs: Sequence[StepLog]) -> StepLog | None:
    """Find the log of the step that the run ended at, if it ended badly and printed something."""
    return _bad_log(rows(outcome, logs))


def head(
    outcome: Outcome,
    logs: Sequence[StepLog],
    left_out: int = 0,
    errors: Sequence[tuple[int, str]] = (),
) -> str:
    """Return the page up to where the blocks of its log start; its texts are safe already.

    `errors` are lines, with their numbers, of the step that the run ended at.
    """
    all_rows = rows(outcome, logs)
    bad = _bad_log(all_rows)
    quoted = tuple(excerpt(errors, bad.tail)) if bad is not None else ()
    style, script = source("report.css"), source("report.js")
    times = timeline(outcome.steps)
    started_at = times.started_at if outcome.started_at is None else outcome.started_at
    word = STATUS_WORDS.get(outcome.status, outcome.status)
    values: dict[str, Any] = {
        "outcome": outcome,
        "sentence": sentence(outcome),
        "word": word,
        "look": _style(word),
        "icon": ICONS.get(word, "·"),
        "rows": all_rows,
        "many": len(all_rows) >= _MANY,
        "opened": next((row.number for row in all_rows if row.is_bad), 0),
        "ticks": [(place, format_duration(seconds)) for place, seconds in times.ticks],
        "started": "" if started_at is None else format_timestamp(started_at),
        "files": FILES,
        "left_out": left_out,
        "bad": bad,
        "quoted": quoted,
        "has_errors": bad is not None and any(one[0] < bad.tail[0][0] for one in errors),
        "not_started": NOT_STARTED,
        "style": style,
        "policy": f"style-src {_hash(style)}; script-src {_hash(script)}",
        "link": outcome.url if outcome.url.startswith(("https://", "http://")) else "",
        "version": __version__,
    }
    return fill("report.html.j2", values, link=values["link"])


def foot() -> str:
    """Return the page after the blocks of its log."""
    return f"<script>{source('report.js')}</script>\n</body>\n</html>\n"


def rows(outcome: Outcome, logs: Sequence[StepLog]) -> tuple[Row, ...]:
    """Join what the plan and the records say about the steps with the lines that were read.

    Lines of no step in the plan come before the steps if they are the first, else after them.
    """
    by_id = {one.step_id: one for one in logs if one.step_id}
    planned = {step.id for step in outcome.steps if step.id}
    others = [one for one in logs if one.step_id not in planned]
    bars = timeline(outcome.steps).bars
    early = [Row(0, one.name or "Log", one.tool, "", log=one) for one in others if one.first == 1]
    late = [Row(0, one.name or "Log", one.tool, "", log=one) for one in others if one.first != 1]
    steps = [
        _row(outcome, step, bar, by_id.get(step.id))
        for step, bar in zip(outcome.steps, bars, strict=True)
    ]
    found = [*early, *steps, *late]
    return tuple(_numbered(row, number) for number, row in enumerate(found, 1))


def excerpt(
    errors: Sequence[tuple[int, str]], tail: Sequence[tuple[int, str]]
) -> Iterator[tuple[int, str]]:
    """Join error lines and last lines in their order; a note on lines left out has number 0."""
    lines = {**dict(errors), **dict(tail)}
    last = 0
    for number in sorted(lines):
        if last and number > last + 1:
            count = number - last - 1
            yield 0, f"… {count:,} {'line' if count == 1 else 'lines'}"
        yield number, lines[number]
        last = number


def timeline(steps: Sequence[StepResult]) -> Timeline:
    """Lay the steps out over the time from the first one's start to the last one's end."""
    known = [(one.started_at, one.seconds) for one in steps]
    spans = [(start, took) for start, took in known if start is not None and took is not None]
    if not spans:
        return Timeline((None,) * len(steps))
    started_at = min(start for start, _ in spans)
    length = max(start + took for start, took in spans) - started_at
    bars = tuple(_bar(one, started_at, length) for one in steps)
    return Timeline(bars, _ticks(length), started_at)


def _row(outcome: Outcome, step: StepResult, bar: Bar | None, log: StepLog | None) -> Row:
    word = step_word(step)
    if word == NOT_STARTED and log is not None:
        word = UNKNOWN  # it has printed something
    bad = word in ("failed", "stopped") or (
        step.name == outcome.failed_step and word not in ("succeeded", NOT_STARTED)
    )
    hides_time = step.seconds is None or step.state is State.PAUSED
    return Row(
        0,
        step.name,
        step.tool,
        word,
        message="" if step.message == outcome.reason and bad else step.message,
        started="" if step.started_at is None else format_timestamp(step.started_at),
        took="" if hides_time else format_duration(step.seconds or 0.0),
        waited="" if not step.waited else format_duration(step.waited),
        bar=bar,
        log=log,
        is_bad=bad,
    )


def _numbered(row: Row, number: int) -> Row:
    return Row(**{**vars(row), "number": number, "name": row.name or f"Step {number}"})


def _bad_log(all_rows: Sequence[Row]) -> StepLog | None:
    return next((row.log for row in all_rows if row.is_bad and row.log), None)


def _bar(step: StepResult, started_at: float, length: float) -> Bar | None:
    if step.started_at is None or step.seconds is None:
        return None
    start, took = step.started_at - started_at, step.seconds
    is_open = step.state in (State.RUNNING, State.PAUSED)
    x = min(_scaled(start, length), SCALE - _THINNEST)
    width = SCALE - x if is_open else max(_THINNEST, _scaled(took, length))
    width = min(width, SCALE - x)
    wait = min(width, _scaled(step.waited or 0.0, length))
    return Bar(x, width, width if step.state is State.PAUSED else wait, start, took, is_open)


def _scaled(seconds: float, length: float) -> int:
    return round(SCALE * seconds / length) if length > 0 else 0


def _ticks(length: float) -> tuple[tuple[int, int], ...]:
    fitting = (one for one in _DISTANCES if length / one <= _MOST_TICKS)
    distance = next(fitting, _DISTANCES[-1])
    count = min(_MOST_TICKS, int(length // distance))
    return tuple((_scaled(n * distance, length), n * distance) for n in range(1, count + 1))


def _style(word: str) -> str:
    return word.replace(" ", "-") or "none"


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
    return f"'sha256-{digest}'"
