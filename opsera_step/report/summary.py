"""The summary on the job's page, in GitHub-flavoured Markdown, from a Jinja2 template."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

from opsera_step.api import State
from opsera_step.clock import format_duration
from opsera_step.display import (
    Excerpts,
    shortened,
)
from opsera_step.outcome import NOT_ACTIVE, Outcome, reason_of, step_result, with_hint
from opsera_step.report.gantt import MOST_BARS, gantt
from opsera_step.runs import StepResult

SECTIONS = ("head", "failures", "steps", "timeline")
"""The parts of a summary in their order; those that matter most are given room first."""
MOST_ROWS = 200
MOST_OPEN_ROWS = 30
"""Rows of the table that are in sight at once; a longer one has to be unfolded."""
MOST_FAILURES = 10

_CUT = "\n… {} left out: there is no more room in this summary.\n"
_NOTE_ROOM = 200
_NAMES = {"failures": "lines of the log", "steps": "the table of the steps", "timeline": "a chart"}
_MARKUP = re.compile(r"([\\`*_{}\[\]()#+!|~<>&@:-])")
_ICONS = {"success": "✅", "failed": "❌", "stopped": "⏹️", "paused": "⏸️", "running": "▶️"}
_NAME_WIDTH = 100
_TICKS = re.compile("`+")


class _Failure(NamedTuple):
    step: StepResult
    reason: str
    faults: Sequence[str]
    tail: Sequence[str]


def summary(
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
            left_out.append(_NAMES.get(name, "all"))
    note = _CUT.format(", ".join(left_out)) if left_out else ""
    return "".join(parts) + (note if len(note.encode("utf-8")) <= room else "")


def escape_markdown(text: str) -> str:
    """Escape text so that Markdown, HTML and mentions in it show as they are written."""
    return _MARKUP.sub(_escape, text)


def fenced(lines: Sequence[str]) -> str:
    """Return lines in a code block whose fence is longer than any that they hold."""
    longest = max((len(found) for line in lines for found in _TICKS.findall(line)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join([f"{fence}text", *lines, fence])


def _filled(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    import jinja2  # noqa: PLC0415 - start-up is felt in every job, and few show a summary

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("opsera_step.report", "templates"),
        autoescape=False,  # noqa: S701 - Markdown: the filter `md` escapes, for HTML too
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    link = values["link"]
    environment.filters["md"] = escape_markdown
    environment.filters["linked"] = lambda text: _linked(text, values["outcome"].url, link)
    environment.filters["fenced"] = fenced
    environment.filters["duration"] = format_duration
    environment.filters["took"] = step_result
    environment.filters["shortened"] = lambda text: shortened(text, _NAME_WIDTH)
    template = environment.get_template("summary.md.j2")
    context = template.new_context(dict(values))
    return [(name, "".join(template.blocks[name](context))) for name in SECTIONS]


def _values(outcome: Outcome, excerpts: Excerpts, report: str) -> dict[str, Any]:
    bad = [step for step in outcome.steps if step.state is State.FAILED]
    if outcome.failed_step and not any(step.name == outcome.failed_step for step in bad):
        bad.insert(0, StepResult(outcome.failed_step))
    chart, bars = gantt(outcome.steps)
    since = outcome.paused_since
    waits = outcome.status == "paused" and not outcome.is_decided
    gate = (outcome.waits_for or "somebody") if waits else ""
    return {
        "outcome": outcome,
        "icons": _ICONS,
        "icon": _ICONS.get(outcome.status, "⚠️"),
        "name": outcome.pipeline_name or outcome.pipeline_id or "pipeline",
        "sentence": with_hint(outcome),
        "link": link_to(outcome.url),
        "waits_for": f"{gate}, since {since}" if gate and since else gate,
        "failures": [_failure(outcome, step, excerpts) for step in bad[:MOST_FAILURES]],
        "more_failures": max(0, len(bad) - MOST_FAILURES),
        "rows": outcome.steps[:MOST_ROWS],
        "more_rows": max(0, len(outcome.steps) - MOST_ROWS),
        "folded": len(outcome.steps) > MOST_OPEN_ROWS,
        "over": outcome.status in NOT_ACTIVE,
        "chart": "\n".join(chart),
        "bars": bars,
        "most_bars": MOST_BARS,
        "report": report,
    }


def _failure(outcome: Outcome, step: StepResult, excerpts: Excerpts) -> _Failure:
    found = excerpts.of(step.id, step.name)
    tail = found.tail if found is not None else []
    faults = found.errors if found is not None else []
    # Those that are among the last lines anyway need not be shown twice.
    shown_anyway = set(faults) <= set(tail)
    reason = outcome.reason if step.name == outcome.failed_step else ""
    # The sentence at the head has told that reason already.
    said = "" if reason and tail else reason or reason_of(step.name, step.message)
    return _Failure(step, said, [] if shown_anyway else faults, tail)


def link_to(url: str) -> str:
    """Return an address as Markdown takes it for a link; empty where it is none."""
    safe = quote(url, safe="%/:?#[]@!$&'*+,;=~")
    return safe if safe.startswith(("https://", "http://")) else ""


def _linked(text: str, url: str, link: str) -> str:
    """Escape text, but for the pipeline's own address, which becomes a link."""
    if not link or not url:
        return escape_markdown(text)
    return f"[the pipeline's page]({link})".join(map(escape_markdown, text.split(url)))


def _escape(found: re.Match[str]) -> str:
    reference = f"&#{ord(found.group())};"
    # GitHub looks for mentions after it has read the references; a comment keeps them apart:
    # https://github.com/github/cmark-gfm/issues/181
    return f"{reference}<!-- -->" if found.group() in "@#" else reference
