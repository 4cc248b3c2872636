"""report.html: everything about a run in one page that asks nobody for anything.

The page is its head, then the blocks of the log, then its foot: so the log is never in memory as a
whole. Its policy allows its own script and style by their hashes and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opsera_step import __version__
from opsera_step.api import State, format_timestamp
from opsera_step.clock import format_duration
from opsera_step.outcome import Outcome, sentence
from opsera_step.report.jinja import fill, source
from opsera_step.report.log_blocks import StepLog
from opsera_step.report.timeline import Bar, timeline
from opsera_step.runs import StepResult

FILES: Mapping[str, str] = {
    "log.txt": "the full log as text",
    "result.json": "the result as JSON",
    "junit.xml": "the steps as tests",
}
"""The report's other files, which the page links to."""

_WORDS: Mapping[State | None, str] = {
    State.SUCCESS: "success",
    State.FAILED: "failed",
    State.STOPPED: "stopped",
    State.PAUSED: "paused",
    State.RUNNING: "running",
}
_ICONS: Mapping[str, str] = {
    "success": "✓",
    "failed": "✕",
    "stopped": "■",
    "paused": "‖",
    "running": "▶",
    "not run": "–",
    "timeout": "✕",
    "cancelled": "■",
    "error": "!",
}
_FILLS: Mapping[str, str] = {
    "success": "#1a7f37",
    "failed": "#cf222e",
    "paused": "#bf8700",
    "running": "#0969da",
}


@dataclass(frozen=True)
class Row:
    """A step as the page shows it."""

    number: int
    name: str
    tool: str
    word: str
    """How it went, in a word; empty where nothing tells."""
    message: str = ""
    began: str = ""
    took: str = ""
    when: str = ""
    """Where its bar is, in words."""
    waited: str = ""
    bar: Bar | None = None
    log: StepLog | None = None
    is_bad: bool = False
    """Whether it is what the run ended at."""

    @property
    def style(self) -> str:
        """The word as the style sheet knows it."""
        return self.word.replace(" ", "-") or "unknown"

    @property
    def fill(self) -> str:
        """The colour of its bar where no style sheet is allowed, as in Jenkins."""
        return _FILLS.get(self.word, "#59636e")

    @property
    def icon(self) -> str:
        """A sign for the word."""
        return _ICONS.get(self.word, "·")


def ended_at(outcome: Outcome, logs: Sequence[StepLog]) -> StepLog | None:
    """Find the lines of the step that the run ended at, if it ended badly and said something."""
    return next((row.log for row in rows(outcome, logs) if row.is_bad and row.log), None)


def head(
    outcome: Outcome,
    logs: Sequence[StepLog],
    left_out: int = 0,
    faults: Sequence[tuple[int, str]] = (),
) -> str:
    """Return the page up to where the blocks of its log begin; its texts are safe already.

    `faults` are lines, with their numbers, of the step that the run ended at.
    """
    bad = ended_at(outcome, logs)
    in_sight = bad.tail[0][0] if bad is not None and bad.tail else 0
    style, script = source("report.css"), source("report.js")
    times = timeline(outcome.steps)
    values: dict[str, Any] = {
        "outcome": outcome,
        "sentence": sentence(outcome),
        "icon": _ICONS.get(outcome.status, "·"),
        "rows": rows(outcome, logs),
        "ticks": [(place, format_duration(seconds)) for place, seconds in times.ticks],
        "length": format_duration(times.length) if times.length else "",
        "began": "" if times.began is None else format_timestamp(times.began),
        "files": FILES,
        "left_out": left_out,
        "bad": bad,
        "faults": [one for one in faults if one[0] < in_sight],
        "style": style,
        "policy": f"style-src {_hash(style)}; script-src {_hash(script)}",
        "link": outcome.url if outcome.url.startswith(("https://", "http://")) else "",
        "version": __version__,
    }
    return fill("report.html.j2", values)


def foot() -> str:
    """Return the page after the blocks of its log."""
    return f"<script>{source('report.js')}</script>\n</body>\n</html>\n"


def rows(outcome: Outcome, logs: Sequence[StepLog]) -> tuple[Row, ...]:
    """Join what the plan and the records tell of the steps with the lines that were read.

    Lines of no step that the plan has come before the steps if they are the first, else after.
    """
    said = {one.step_id: one for one in logs if one.step_id}
    planned = {step.id for step in outcome.steps if step.id}
    others = [one for one in logs if one.step_id not in planned]
    bars = timeline(outcome.steps).bars
    entries: list[tuple[StepResult, Bar | None, StepLog | None]] = [
        (step, bar, said.get(step.id)) for step, bar in zip(outcome.steps, bars, strict=True)
    ]
    early = [one for one in others if one.first == 1]
    entries[:0] = [(StepResult(one.name, one.tool), None, one) for one in early]
    entries += [(StepResult(one.name, one.tool), None, one) for one in others if one not in early]
    return tuple(
        _row(outcome, number, *entry, planned=entry[0].id in planned)
        for number, entry in enumerate(entries, 1)
    )


def _row(
    outcome: Outcome,
    number: int,
    step: StepResult,
    bar: Bar | None,
    log: StepLog | None,
    *,
    planned: bool,
) -> Row:
    idle = planned and step.not_started and log is None
    word = "not run" if idle else _WORDS.get(step.state, "")
    bad = word in ("failed", "stopped") or (step.name == outcome.failed_step and not idle)
    return Row(
        number,
        step.name or f"Step {number}",
        step.tool,
        word,
        message="" if step.message == outcome.reason and bad else step.message,
        began="" if step.started_at is None else format_timestamp(step.started_at),
        took="" if step.seconds is None or word == "paused" else format_duration(step.seconds),
        when=_in_words(bar),
        waited="" if not step.waited else format_duration(step.waited),
        bar=bar,
        log=log,
        is_bad=bad,
    )


def _in_words(bar: Bar | None) -> str:
    if bar is None:
        return ""
    began = f"began after {format_duration(bar.start)}"
    return f"{began}, not ended" if bar.is_open else f"{began}, took {format_duration(bar.took)}"


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
    return f"'sha256-{digest}'"
