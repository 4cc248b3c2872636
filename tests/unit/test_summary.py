"""The summary on the job's page: what names and messages hold shows as text, never as markup."""

from __future__ import annotations

import html
import re

import pytest

from opsera_step.models import State
from opsera_step.outcome import Outcome
from opsera_step.render.joblog import Safe
from opsera_step.render.summary import LIMIT, cut_to_bytes, escape_markdown, summary
from opsera_step.steps import StepResult
from tests.oracles import github_files, hostile

GOOD = Outcome(
    "success", 0, "Fine.", "", "65a4", "Deploy shop", 42, "https://app.opsera.io/x", 75.0, "", 9,
    log_complete=True,
    steps=(StepResult("Build", "jenkins", State.SUCCESS, 5.0), StepResult("Deploy")),
)  # fmt: skip
APART = "<!-- -->"
"""Keeps GitHub, which reads references first, from taking `&#64;name` for a mention."""
MARKUP = re.compile(r"[\\`*_\[\]<>|~!@]|&(?!#\d+;)|#(?!\d+;)")
"""What Markdown, GitHub or HTML would obey; a character reference is none of it."""


def named(text: str) -> Outcome:
    """Make an outcome whose every text is this one, cleaned as a job cleans it."""
    line = Safe("no-such-token").inline(text, 1000)
    return GOOD.but(
        status="failed", exit_code=1, message=line, hint=line, pipeline_name=line, failed_step=line,
        steps=(StepResult(line, line, State.FAILED, 1.0),),
    )  # fmt: skip


def test_a_summary_at_a_glance():
    """The headline says how it ended; tables tell the run and its steps."""
    assert summary(GOOD) == (
        "### ✅ Opsera: Deploy shop – success\n\n"
        "Run 42 of “Deploy shop” succeeded after 1m15s.\n\n"
        "| Pipeline | Run | State | Duration |\n"
        "| --- | --- | --- | --- |\n"
        "| [Deploy shop](https://app.opsera.io/x) | 42 | success | 1m15s |\n\n"
        "| Step | Tool | State | Duration |\n"
        "| --- | --- | --- | --- |\n"
        "| Build | jenkins | ✅ success | 5s |\n"
        "| Deploy | – | – | – |\n"
    )


@pytest.mark.parametrize(
    ("status", "icon"),
    [("failed", "❌"), ("stopped", "⏹️"), ("paused", "⏸️"), ("timeout", "⚠️"), ("error", "⚠️")],
)
def test_each_status_has_its_sign(status, icon):
    """Every ending can be told from the first line."""
    assert summary(GOOD.but(status=status)).startswith(
        f"### {icon} Opsera: Deploy shop – {status}\n"
    )


def test_a_summary_of_almost_nothing():
    """A job that ended before anything was known still has a sound summary."""
    text = summary(Outcome("error", 3, "It is down.", "Wait."))
    assert text.startswith("### ⚠️ Opsera: pipeline – error\n\nIt is down. Wait.\n")
    assert "| – | – | error | 0s |" in text
    assert "Step" not in text


def test_missing_lines_are_told():
    """A log that is known to be incomplete is told."""
    assert "Not every line" in summary(GOOD.but(log_complete=False))
    assert "Not every line" not in summary(GOOD.but(log_complete=False, log_lines=0))


@pytest.mark.parametrize("character", "\\`*_{}[]()#+!|~<>&@:-")
def test_characters_of_markup_are_escaped(character):
    """Each character that means something in Markdown or HTML is written as a reference."""
    escaped = escape_markdown(f"a{character}b")
    assert escaped == f"a&#{ord(character)};{APART if character in '@#' else ''}b"


@pytest.mark.parametrize("text", [*hostile.HARMLESS, "a | b", "- item", "1. x", "@org/team #1"])
def test_escaped_text_reads_as_it_was(text):
    """Who reads the page sees the text as it was given."""
    assert html.unescape(escape_markdown(text).replace(APART, "")) == text


def test_hostile_texts_mark_nothing_up():
    """No hostile name or message leaves a mark of Markdown or HTML, or adds a line or a cell."""
    frame = summary(named("name"))
    for sample in hostile.samples(1, 80):
        text = summary(named(sample.text)).replace(APART, "")
        assert [line.count("|") for line in text.splitlines()] == [
            line.count("|") for line in frame.splitlines()
        ]
        rows = [line for line in text.splitlines() if line.startswith("| ") and "---" not in line]
        step = rows[-1].replace("❌ failed", "").split(" | ")
        assert not MARKUP.search(step[0].removeprefix("| ") + step[1])
        sentence = text.splitlines()[2]
        assert not MARKUP.search(sentence)


def test_a_long_summary_is_cut_at_a_line_and_says_so():
    """Past GitHub's limit of 1 MiB nothing would show; so it is cut, at a line end."""
    many = GOOD.but(steps=tuple(StepResult(f"Stép {number}" + "x" * 90) for number in range(9000)))
    text = summary(many)
    data = text.encode()
    assert len(data) <= LIMIT == github_files.SUMMARY_LIMIT
    assert github_files.summary(data).error is None
    assert text.endswith("| – | – | – |\n\n… cut: the summary was too long.\n")


@pytest.mark.parametrize("limit", range(60, 70))
def test_cutting_leaves_whole_characters(limit):
    """A cut never splits a character."""
    text = "ééé\n" * 40
    cut = cut_to_bytes(text, limit)
    assert len(cut.encode()) <= limit
    assert set(cut.partition("\n\n…")[0]) <= {"é", "\n"}
    assert cut_to_bytes("short", 5) == "short"
