"""The summary on the job's page, in GitHub-flavoured Markdown, from a Jinja2 template."""

from __future__ import annotations

import re

from opsera_step.outcome import Outcome
from opsera_step.render.verdict import verdict_sentence
from opsera_step.timing import spell_duration

LIMIT = 1024 * 1024
"""Bytes that GitHub takes of a step's summary."""

_MARKUP = re.compile(r"([\\`*_{}\[\]()#+!|~<>&@:-])")
_ICONS = {"success": "✅", "failed": "❌", "stopped": "⏹️", "paused": "⏸️", "running": "▶️"}


def summary(outcome: Outcome) -> str:
    """Return the summary; a template that is too long for GitHub is cut at a line end."""
    import jinja2  # noqa: PLC0415 - start-up is felt in every job, and few show a summary

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("opsera_step", "templates"),
        autoescape=False,  # noqa: S701 - Markdown: the filter `md` escapes, for HTML too
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["md"] = escape_markdown
    environment.filters["duration"] = spell_duration
    text = environment.get_template("summary.md.j2").render(
        outcome=outcome, sentence=verdict_sentence(outcome), icons=_ICONS
    )
    return cut_to_bytes(text, LIMIT)


def escape_markdown(text: str) -> str:
    """Escape text so that Markdown, HTML and mentions in it show as they are written."""
    return _MARKUP.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    reference = f"&#{ord(found.group())};"
    # GitHub looks for mentions after it has read the references; a comment keeps them apart:
    # https://github.com/github/cmark-gfm/issues/181
    return f"{reference}<!-- -->" if found.group() in "@#" else reference


def cut_to_bytes(text: str, limit: int) -> str:
    """Cut text to a number of UTF-8 bytes, at the end of a line."""
    raw = text.encode("utf-8")
    if len(raw) <= limit:
        return text
    note = "\n\n… cut: the summary was too long.\n"
    kept = raw[: limit - len(note.encode("utf-8"))].decode("utf-8", "ignore")
    return kept.rpartition("\n")[0] + note
