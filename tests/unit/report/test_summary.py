"""The summary on the job's page: what names and messages hold shows as text, never as markup."""

from __future__ import annotations

import html
import re

import pytest
from markdown_it import MarkdownIt

from opsera_step.api import State
from opsera_step.display import Excerpts
from opsera_step.outcome import Outcome
from opsera_step.report.summary import (
    MOST_FAILURES,
    MOST_ROWS,
    escape_markdown,
    fenced,
    link_to,
    summary,
)
from opsera_step.runs import StepResult
from opsera_step.text import Scrubber
from tests.oracles import github_files, hostile

URL = "https://app.opsera.io/workflow/details/65a4/summary"
NOON = 1_700_000_000.0
GOOD = Outcome(
    "success", 0, "Fine.", "", "65a4", "Deploy shop", 42, URL, started_at=NOON,
    finished_at=NOON + 75.0, log_lines=9, log_complete=True,
    steps=(StepResult("Build", "jenkins", State.SUCCESS, 5.0, NOON), StepResult("Deploy")),
)  # fmt: skip
TEST = StepResult("Test", "jenkins", State.FAILED, 65.0, NOON, id="t")
BAD = GOOD.but(
    status="failed", exit_code=1, failed_step="Test", reason="2 tests failed.",
    steps=(GOOD.steps[0], TEST, StepResult("Deploy")),
)  # fmt: skip
APART = "<!-- -->"
"""Keeps GitHub, which reads references first, from taking `&#64;name` for a mention."""
MARKUP = re.compile(r"[\\`*_\[\]<>|~!@]|&(?!#\d+;)|#(?!\d+;)")
"""What Markdown, GitHub or HTML would obey; a character reference is none of it."""
MARKDOWN = MarkdownIt("gfm-like", {"linkify": False})


def said(*lines: str) -> Excerpts:
    """Return the excerpts of a step that said these lines."""
    excerpts = Excerpts()
    excerpts.add("t", "Test", lines)
    return excerpts


def named(text: str) -> Outcome:
    """Make an outcome whose every text is this one, cleaned as a job cleans it."""
    line = Scrubber("no-such-token").inline(text, 90) or "name"
    step = StepResult(line, line, State.FAILED, 1.0, NOON, id="t", message=line)
    return GOOD.but(
        status="failed", exit_code=1, message=line, hint=line, pipeline_name=line, failed_step=line,
        reason=line, steps=(step,),
    )  # fmt: skip


def blocks(text: str) -> list[str]:
    """Return what a reader of Markdown makes of a text: the kinds of its parts, in order."""
    kinds = []
    for token in MARKDOWN.parse(text):
        inner = [one for one in token.children or [] if not one.type.startswith("text")]
        if token.type == "inline":
            kinds += [f"{one.type} {one.content}" for one in inner]
        else:
            kinds.append(f"{token.type} {token.info}")
    return kinds


def test_a_summary_at_a_glance():
    """The headline says how it ended; tables tell the run and its steps, a chart when they ran."""
    assert summary(GOOD) == (
        "### ✅ Opsera: Deploy shop – success\n\n"
        "Run 42 of “Deploy shop” succeeded in 1m15s.\n\n"
        "| Pipeline | Run | State | Duration |\n"
        "| --- | --- | --- | --- |\n"
        f"| [Deploy shop]({URL}) | 42 | ✅ success | 1m15s |\n\n"
        "| Step | Tool | State | Duration |\n"
        "| --- | --- | --- | --- |\n"
        "| Build | jenkins | ✅ success | succeeded in 5s |\n"
        "| Deploy | – | did not begin | not started |\n\n"
        "```mermaid\n"
        "gantt\n"
        "    dateFormat x\n"
        "    axisFormat %H:%M:%S\n"
        "    tickInterval 1second\n"
        "    todayMarker off\n"
        "    ✓ Build :done, 1700000000000, 1700000005000\n"
        "```\n"
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
    assert "| – | – | ⚠️ error | – |" in text
    assert "Step" not in text
    assert "mermaid" not in text


def test_a_failure_shows_what_tells_of_it():
    """The step that failed, why, the first lines that tell of it, the last ones, what to do."""
    many = [f"line {chr(97 + number) * 2}" for number in range(26)]
    text = summary(BAD, said("ok", "ERROR: boom", *many))
    part = text.partition("#### ")[2]
    assert part.startswith(
        "❌ Test\n\nThe first lines that tell of a fault:\n\n"
        "```text\nERROR: boom\n```\n\n<details>\n<summary>Its last lines</summary>\n\n"
        "```text\nline gg\n"
    )
    assert f"is on [the pipeline's page]({URL})." in part
    assert "report" not in part
    assert "(`report_dir`)" in summary(BAD, said("x"), report="out")


def test_lines_are_not_shown_twice():
    """Where the lines that tell of a fault are among the last ones, only those are shown."""
    text = summary(BAD, said("ok", "ERROR: boom", "bye"))
    assert "Its last lines:\n\n```text\nok\nERROR: boom\nbye\n```\n" in text
    assert text.count("boom") == 1


def test_a_step_without_lines_has_its_reason():
    """A step that failed without a word in the log is shown all the same."""
    assert "#### ❌ Test\n\n2 tests failed.\n" in summary(BAD)
    unknown = summary(BAD.but(steps=()))
    assert "#### ❌ Test\n\n2 tests failed.\n" in unknown


def test_of_many_failures_some_are_counted():
    """Past ten failed steps the others are counted."""
    steps = tuple(StepResult(f"S{n}", "", State.FAILED, id=str(n)) for n in range(25))
    text = summary(BAD.but(steps=steps, failed_step="S0"))
    assert text.count("#### ❌") == MOST_FAILURES
    assert "… and 15 more steps failed." in text


def test_a_pause_tells_who_is_waited_for():
    """The gate of a paused run, and since when, stand in the first table."""
    gate = StepResult("Approve", "", State.PAUSED, 0.0, NOON)
    text = summary(GOOD.but(status="paused", exit_code=8, waits_for="Approve", steps=(gate,)))
    assert "| 1m15s | Approve, since 22&#58;13 UTC |\n" in text
    assert "| Waits for |" in text
    assert "| Approve | – | ⏸️ paused | waiting since 22:13 UTC |\n" in text
    assert "| 1m15s | somebody |\n" in summary(GOOD.but(status="paused", steps=()))
    decided = StepResult("Approve", "", State.SUCCESS, 3.0, NOON)
    steps = (decided,)
    text = summary(GOOD.but(status="paused", exit_code=8, waits_for="Approve", steps=steps))
    assert "Waits for" not in text


def test_a_long_table_is_folded():
    """The chart and the failures stay in sight of a run with very many steps."""
    steps = tuple(StepResult(f"S{number}", "", State.SUCCESS, 1.0) for number in range(60))
    text = summary(GOOD.but(steps=steps))
    table = text[text.index("<details>\n<summary>All 60 steps</summary>\n\n| Step |") :]
    assert table.index("| S59 |") < table.index("\n\n</details>\n")
    assert "<details>" not in summary(GOOD.but(steps=steps[:30]))


def test_what_began_is_told_where_no_more_is_known():
    """A cancelled job knows the plan, and whose lines came."""
    known = StepResult("Build", "jenkins", started_at=NOON, out_of_reach=True)
    steps = (known, StepResult("Deploy", out_of_reach=True))
    text = summary(GOOD.but(status="cancelled", exit_code=143, steps=steps))
    assert "| Build | jenkins | began | started (result unknown) |" in text
    assert "| Deploy | – | – | result unknown |" in text


def test_the_page_is_a_link_in_a_sentence():
    """The pipeline's own address in a sentence can be clicked; no other one can."""
    text = summary(GOOD.but(status="error", message=f"See {URL} and https://evil.example"))
    sentence = text.splitlines()[2]
    assert f"[the pipeline's page]({URL})" in sentence
    assert sentence.count("](") == 1
    assert "https&#58;//evil" in sentence


@pytest.mark.parametrize(
    ("url", "link"),
    [
        (URL, URL),
        ("http://127.0.0.1:8080/a%20b", "http://127.0.0.1:8080/a%20b"),
        ("https://x/) <b>", "https://x/%29%20%3Cb%3E"),
        ("javascript:alert(1)", ""),
        ("", ""),
    ],
)
def test_only_a_web_address_is_a_link(url, link):
    """An address ends neither the link nor the table, and is one of the web."""
    assert link_to(url) == link


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
    frame = blocks(summary(named("name"), said("x")))
    for sample in hostile.samples(1, 50):
        text = summary(named(sample.text), said("x")).replace(APART, "")
        assert blocks(text) == frame
        sentence = text.splitlines()[2]
        assert not MARKUP.search(sentence)


def test_hostile_lines_stay_in_their_fence():
    """Whatever the lines of a log hold, they are one block of text, and read as they were."""
    for seed in range(40):
        lines = [Scrubber("none").inline(one.text, 400) or "x" for one in hostile.samples(seed, 8)]
        lines += ["`" * seed, "~~~", "</details>", "    ```", "| a |"]
        found = MARKDOWN.parse(fenced(lines))
        assert [(one.type, one.info) for one in found] == [("fence", "text")]
        assert found[0].content == "\n".join(lines) + "\n"


def test_what_does_not_fit_is_left_out_by_whole_parts():
    """Past GitHub's limit nothing would show; so parts are left out, the least telling first."""
    steps = tuple(StepResult(f"Stép {n}", "", State.SUCCESS, 5.0, NOON + n) for n in range(60))
    outcome = BAD.but(steps=(TEST, *steps))
    whole = summary(outcome, said("x"))
    seen = set()
    for room in range(len(whole.encode()) + 250, 0, -311):
        text = summary(outcome, said("x"), room)
        assert len(text.encode()) <= room
        assert text.count("```") % 2 == 0
        seen |= set(re.findall(r"… (.*) left out", text))
        if text != whole and "left out" in text:
            assert text.rstrip().endswith("there is no more room in this summary.")
    assert "a chart" in seen
    assert "the table of the steps, a chart" in seen


def test_the_largest_summary_is_taken():
    """Of a run with thousands of steps the first are shown, the others counted, and it fits."""
    many = GOOD.but(steps=tuple(StepResult(f"Stép {number}" + "x" * 90) for number in range(9000)))
    text = summary(many)
    assert github_files.summary(text.encode()).error is None
    assert text.count("did not begin") == MOST_ROWS
    assert f"… and {9000 - MOST_ROWS} more steps." in text
