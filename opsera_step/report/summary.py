"""The step summary on the job's page in GitHub Flavored Markdown: of a run, or of a query."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

from opsera_step.api import State
from opsera_step.clock import format_duration
from opsera_step.display import Answer, Table
from opsera_step.display.excerpt import Excerpts, shortened
from opsera_step.display.table import with_short_times
from opsera_step.outcome import NOT_ACTIVE, SIGNS, Outcome, moment_text, reason_of, with_hint
from opsera_step.report.jinja import environment
from opsera_step.report.words import EMOJI, STATUS_WORDS, step_word
from opsera_step.runs import StepResult
from opsera_step.text import Scrubber

SECTIONS = ("head", "failures", "steps", "timeline")
"""The parts of a summary in their order; the first ones get room first."""
MOST_ROWS = 200
MOST_OPEN_ROWS = 30
"""Rows of the table that are in sight at once; a longer table is collapsed."""
MOST_FAILURES = 10

_CUT = "\n… {} omitted: the summary has reached its size limit.\n"
_CUT_ANSWER = "The rest does not fit into this summary."
_NOTE_ROOM = 200
_NAMES = {"failures": "lines of the log", "steps": "the table of steps", "timeline": "a chart"}
_MARKUP = re.compile(r"[\\`*_{}\[\]()#+!|~<>&@:-]|(?<=www)\.", re.IGNORECASE)
_NAME_WIDTH = 100
_TICKS = re.compile("`+")

MOST_BARS = 30
"""Bars that a reader can distinguish at a glance."""
_BAR_NAME = 32
_THINNEST = 0.004
_SHORT = 3600
_ALLOWED = frozenset(" .,_-/()+='")
_UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
_INTERVALS = [
    (count * seconds, unit)
    for unit, seconds in _UNITS.items()
    for count in (1, 2, 5, 10, 15, 30)
    if unit not in ("hour", "day") or count in (1, 2, 5, 10)
]
_MOST_TICKS = 8
_BAR_KINDS = {
    State.SUCCESS: "done, ",
    State.FAILED: "crit, ",
    State.STOPPED: "crit, ",
    State.PAUSED: "active, ",
    State.RUNNING: "active, ",
}
_BAR_COLORS = (
    "%%{init: {'theme': 'base', 'themeVariables': {"
    "'doneTaskBkgColor': '#2da44e', 'doneTaskBorderColor': '#1a7f37', "
    "'critBkgColor': '#cf222e', 'critBorderColor': '#a40e26', "
    "'activeTaskBkgColor': '#bf8700', 'activeTaskBorderColor': '#9a6700', "
    "'sectionBkgColor': '#ffffff00', 'altSectionBkgColor': '#ffffff00', "
    "'taskBkgColor': '#818b98', 'taskBorderColor': '#59636e', "
    "'taskTextColor': '#ffffff', 'taskTextDarkColor': '#ffffff', "
    "'taskTextOutsideColor': '#818b98', 'gridColor': '#818b98', 'textColor': '#818b98'}}}%%"
)
"""Green for what succeeded, red for what failed, amber for what is in progress, gray for unknown.

https://mermaid.js.org/config/theming.html; the last three can be read in light and in dark.
"""


class _Failure(NamedTuple):
    step: StepResult
    reason: str
    errors: Sequence[str]
    tail: Sequence[str]


def step_summary(
    outcome: Outcome, excerpts: Excerpts | None = None, room: int = 2**20, *, report: str = ""
) -> str:
    """Return the summary in at most so many bytes: what does not fit is left out by whole parts."""
    parts: list[str] = []
    left_out: list[str] = []
    values = _values(outcome, excerpts or Excerpts(), report)
    for name, text in _filled(values):
        used = sum(len(part.encode("utf-8")) for part in parts)
        if used + len(text.encode("utf-8")) <= room - _NOTE_ROOM:
            parts.append(text)
        else:
            left_out.append(_NAMES.get(name, "everything"))
    note = _CUT.format(", ".join(left_out)) if left_out else ""
    return "".join(parts) + (note if len(note.encode("utf-8")) <= room else "")


def answer_summary(answer: Answer, title: str, scrubber: Scrubber, room: int) -> str:
    """Return the tables of an answer, as far as they fit into some bytes; empty without any."""
    if not answer.tables:
        return ""
    lines = [f"### Opsera: {escape_markdown(title)}", ""]
    size = _size(lines)
    for table in answer.tables:
        for line in _table_lines(table, scrubber):
            size += _size([line])
            if size > room - _size([_CUT_ANSWER]):
                return "\n".join([*lines, "", _CUT_ANSWER, ""])
            lines.append(line)
        lines.append("")
    return "\n".join(lines)


def escape_markdown(text: str) -> str:
    """Escape text so that Markdown, HTML, mentions, and links in it show as they are written."""
    return _MARKUP.sub(_escape, text)


def fenced(lines: Sequence[str]) -> str:
    """Return lines in a code block whose fence is longer than any that they hold."""
    longest = max((len(found) for line in lines for found in _TICKS.findall(line)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join([f"{fence}text", *lines, fence])


def link_to(url: str) -> str:
    """Return a URL as Markdown takes it for a link; empty if it is none."""
    safe = quote(url, safe="%/:?#[]@!$&'*+,;=~")
    return safe if safe.startswith(("https://", "http://")) else ""


def gantt(steps: Sequence[StepResult]) -> tuple[list[str], int]:
    """Return the chart's lines and how many steps it shows; none where no times are known.

    A name is only letters, digits, and a few signs here: Mermaid has no way to quote one, and takes
    colons, semicolons, number signs, and words at the start of a line for its own.
    """
    known = [step for step in steps if step.started_at is not None and step.seconds is not None]
    if not known:
        return [], 0
    chosen = sorted(range(len(known)), key=lambda at: _weight(known[at]), reverse=True)[:MOST_BARS]
    shown = [known[at] for at in sorted(chosen)]
    started_at = min(_start(step) for step in shown)
    length = max(_start(step) + (step.seconds or 0.0) for step in shown) - started_at
    lines = [
        _BAR_COLORS,
        "gantt",
        "    dateFormat x",
        f"    axisFormat {'%H:%M:%S' if length < _SHORT else '%H:%M'}",
        f"    tickInterval {_interval(length)}",
        "    todayMarker off",
        *(_bar(step, max(1.0, length * _THINNEST)) for step in shown),
    ]
    return lines, len(shown)


def bar_name(name: str) -> str:
    """Return a name without anything that Mermaid, Markdown, or HTML might interpret."""
    kept = "".join(one if one.isalnum() or one in _ALLOWED else " " for one in name)
    kept = " ".join(kept.split()) or "step"
    return kept if len(kept) <= _BAR_NAME else kept[: _BAR_NAME - 1] + "…"


def _filled(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    made = environment(escapes=False)  # Markdown: the filter `md` escapes, for HTML too
    link = values["link"]
    made.filters["md"] = escape_markdown
    made.filters["linked"] = lambda text: _linked(text, values["outcome"].url, link)
    made.filters["fenced"] = fenced
    made.filters["word"] = step_word
    made.filters["time"] = lambda step: _time(step, values["outcome"].at)
    made.filters["shortened"] = lambda text: shortened(text, _NAME_WIDTH)
    template = made.get_template("summary.md.j2")
    context = template.new_context(dict(values))
    return [(name, "".join(template.blocks[name](context))) for name in SECTIONS]


def _values(outcome: Outcome, excerpts: Excerpts, report: str) -> dict[str, Any]:
    bad = [step for step in outcome.steps if step.state is State.FAILED]
    if outcome.failed_step and not any(step.name == outcome.failed_step for step in bad):
        bad.insert(0, StepResult(outcome.failed_step))
    chart, bars = gantt(outcome.steps)
    waits = outcome.status == "paused" and not outcome.is_decided
    since = f", since {outcome.paused_since}" if outcome.paused_since else ""
    word = STATUS_WORDS.get(outcome.status, outcome.status)
    return {
        "outcome": outcome,
        "emoji": EMOJI,
        "word": word,
        "icon": EMOJI.get(word, "⚠️"),
        "name": outcome.pipeline_name or outcome.pipeline_id or "pipeline",
        "sentence": with_hint(outcome),
        "link": link_to(outcome.url),
        "waiting_at": f"{outcome.waits_for}{since}" if waits and outcome.waits_for else "",
        "failures": [_failure(outcome, step, excerpts) for step in bad[:MOST_FAILURES]],
        "more_failures": max(0, len(bad) - MOST_FAILURES),
        "rows": outcome.steps[:MOST_ROWS],
        "more_rows": max(0, len(outcome.steps) - MOST_ROWS),
        "collapsed": len(outcome.steps) > MOST_OPEN_ROWS,
        "is_over": outcome.status in NOT_ACTIVE,
        "chart": "\n".join(chart),
        "bars": bars,
        "is_cut": bars == MOST_BARS and bars < len(outcome.steps),
        "report": report,
    }


def _failure(outcome: Outcome, step: StepResult, excerpts: Excerpts) -> _Failure:
    found = excerpts.of(step.id, step.name)
    tail = found.tail if found is not None else []
    errors = found.errors if found is not None else []
    # Errors that are among the last lines are not shown twice.
    in_sight = set(errors) <= set(tail)
    reason = outcome.reason if step.name == outcome.failed_step else ""
    # The sentence at the head has that reason already.
    shown = "" if reason and tail else reason or reason_of(step.name, step.message)
    return _Failure(step, shown, [] if in_sight else errors, tail)


def _time(step: StepResult, now: float | None) -> str:
    """Return how long a step took, or since when it runs or waits; empty if unknown."""
    if step.state in (State.RUNNING, State.PAUSED):
        return "" if step.started_at is None else f"since {moment_text(step.started_at, now)}"
    return "" if step.seconds is None else format_duration(step.seconds)


def _linked(text: str, url: str, link: str) -> str:
    """Escape text, but for the pipeline's own URL, which becomes a link."""
    if not link or not url:
        return escape_markdown(text)
    return f"[View in Opsera]({link})".join(map(escape_markdown, text.split(url)))


def _escape(found: re.Match[str]) -> str:
    reference = f"&#{ord(found.group())};"
    # GitHub looks for mentions and for www. after it has read the references; a comment keeps them
    # apart: https://github.com/github/cmark-gfm/issues/181
    return f"{reference}<!-- -->" if found.group() in "@#." else reference


def _interval(length: float) -> str:
    fitting = (one for one in _INTERVALS if length / one[0] <= _MOST_TICKS)
    seconds, unit = next(fitting, _INTERVALS[-1])
    return f"{seconds // _UNITS[unit]}{unit}"


def _bar(step: StepResult, thinnest: float) -> str:
    start = _start(step)
    end = start + max(step.seconds or 0.0, thinnest)
    sign = SIGNS.get(step.state, "·") if step.state else "·"
    kind = _BAR_KINDS.get(step.state, "") if step.state else ""
    # The sign keeps a name from being read as a word of Mermaid's.
    return f"    {sign} {bar_name(step.name)} :{kind}{round(start * 1000)}, {round(end * 1000)}"


def _weight(step: StepResult) -> tuple[bool, float]:
    """Order steps by how much they matter in a chart that can't show all."""
    stands_out = step.state not in (None, State.UNKNOWN, State.SUCCESS)
    return stands_out, step.seconds or 0.0


def _start(step: StepResult) -> float:
    return step.started_at or 0.0


def _table_lines(table: Table, scrubber: Scrubber) -> list[str]:
    columns = max((len(row) for row in table.rows), default=len(table.headings))
    headings = table.headings or ("",) * columns
    rows = [headings, ("---",) * len(headings)]
    lines = [_table_row(row) for row in rows]
    lines += [
        _table_row(tuple(escape_markdown(scrubber.inline(cell, 200)) for cell in row))
        for row in with_short_times(table)[:MOST_ROWS]
    ]
    left = len(table.rows) - MOST_ROWS
    return [*lines, "", f"and {left} more"] if left > 0 else lines


def _table_row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


def _size(lines: list[str]) -> int:
    return sum(len(line.encode("utf-8", "replace")) + 1 for line in lines)
