"""The step summary: names and messages are text, never markup."""

from __future__ import annotations

import html
import re

import pytest
from markdown_it import MarkdownIt

from opsera_step.api import State
from opsera_step.outcome import Outcome
from opsera_step.report.summary import (
    MOST_BARS,
    MOST_FAILURES,
    MOST_ROWS,
    bar_name,
    escape_markdown,
    fenced,
    gantt,
    link_to,
    step_summary,
)
from opsera_step.runs import LogLines, StepResult
from opsera_step.text import Scrubber
from tests.oracles import github_files, hostile
from tests.support.sheet import Sheet, joblog

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
"""What Markdown, GitHub, or HTML would interpret, except for character references."""
MARKDOWN = MarkdownIt("gfm-like", {"linkify": False})


def printed(*lines: str):
    """Return the excerpts of a step that printed these lines."""
    log = joblog(Sheet())
    log.show(LogLines("t", "Test", "jenkins", lines))
    return log.excerpts


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
    """The headline has the result; tables show the run and its steps, a chart when they ran."""
    text = step_summary(GOOD)
    assert re.sub(r"%%\{init.*\}%%", "%%{init}%%", text) == (
        "### ✅ Opsera: Deploy shop – succeeded\n\n"
        "Run 42 of “Deploy shop” succeeded in 1m15s.\n\n"
        "| Pipeline | Run | State | Duration |\n"
        "| --- | --- | --- | --- |\n"
        "| Deploy shop | 42 | ✅ succeeded | 1m15s |\n\n"
        f"[View in Opsera]({URL})\n\n"
        "| Step | Tool | State | Duration |\n"
        "| --- | --- | --- | --- |\n"
        "| Build | jenkins | ✅ succeeded | 5s |\n"
        "| Deploy | – | ➖ not started | – |\n\n"
        "```mermaid\n"
        "%%{init}%%\n"
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
    [("failed", "❌ failed"), ("stopped", "⏹️ stopped"), ("paused", "⏸️ waiting for approval"),
     ("timeout", "⚠️ timed out"), ("error", "⚠️ error")],
)  # fmt: skip
def test_each_status_has_its_sign_and_its_name(status, icon):
    """The first line shows how it ended."""
    sign, _, word = icon.partition(" ")
    text = step_summary(GOOD.but(status=status))
    assert text.startswith(f"### {sign} Opsera: Deploy shop – {word}\n")
    assert f"| 42 | {sign} {word} |" in text


def test_a_summary_of_almost_nothing():
    """A job that ended before anything was known still has a sound summary."""
    text = step_summary(Outcome("error", 3, "It is down.", "Wait."))
    assert text.startswith("### ⚠️ Opsera: pipeline – error\n\nIt is down. Wait.\n")
    assert "| – | – | ⚠️ error | – |" in text
    assert "Step" not in text
    assert "mermaid" not in text


def test_a_failure_shows_its_error_lines():
    """The step that failed, why, the lines that report errors, the last ones, and what to do."""
    many = [f"line {chr(97 + number) * 2}" for number in range(26)]
    text = step_summary(BAD, printed("ok", "ERROR: boom", *many))
    part = text.partition("#### ")[2]
    assert part.startswith(
        "❌ Test\n\nError lines:\n\n"
        "```text\nERROR: boom\n```\n\n<details>\n<summary>Last lines</summary>\n\n"
        "```text\nline gg\n"
    )
    assert "**Next:** Fix the cause and re-run this job to start a new run." in part
    assert "report" not in part
    assert "(`report_dir`)" in step_summary(BAD, printed("x"), report="out")


def test_a_step_without_lines_has_its_reason():
    """A step that failed without a line in the log is shown too."""
    assert "#### ❌ Test\n\n2 tests failed.\n" in step_summary(BAD)
    unknown = step_summary(BAD.but(steps=()))
    assert "#### ❌ Test\n\n2 tests failed.\n" in unknown


def test_of_many_failures_some_are_counted():
    """Past ten failed steps the others are counted."""
    steps = tuple(StepResult(f"S{n}", "", State.FAILED, id=str(n)) for n in range(25))
    text = step_summary(BAD.but(steps=steps, failed_step="S0"))
    assert text.count("#### ❌") == MOST_FAILURES
    assert "… and 15 more steps failed." in text


def test_a_pause_names_the_approval_step():
    """The approval step of a paused run, and since when, stand in the first table."""
    gate = StepResult("Approve", "", State.PAUSED, 0.0, NOON)
    paused = GOOD.but(
        status="paused", exit_code=8, waits_for="Approve", steps=(gate,), at=NOON + 3600
    )
    text = step_summary(paused)
    assert "| 1m15s | Approve, since 22&#58;13 UTC |\n" in text
    assert "| Waiting for approval |" in text
    assert "| Approve | – | ⏸️ waiting for approval | since 22:13 UTC |\n" in text
    assert "Waiting for approval" not in step_summary(paused.but(waits_for=""))
    decided = StepResult("Approve", "", State.SUCCESS, 3.0, NOON)
    assert "Waiting for approval" not in step_summary(paused.but(steps=(decided,)))


def test_a_long_table_is_folded():
    """The chart and the failures stay in sight of a run with very many steps."""
    steps = tuple(StepResult(f"S{number}", "", State.SUCCESS, 1.0) for number in range(60))
    text = step_summary(GOOD.but(steps=steps))
    table = text[text.index("<details>\n<summary>All 60 steps</summary>\n\n| Step |") :]
    assert table.index("| S59 |") < table.index("\n\n</details>\n")
    assert "<details>" not in step_summary(GOOD.but(steps=steps[:30]))


@pytest.mark.parametrize("status", ["success", "failed", "cancelled", "timeout"])
def test_what_is_unknown_is_called_unknown(status):
    """Never not started, skipped, or failed, whatever became of the run."""
    steps = (
        StepResult("A", "jenkins", started_at=NOON, out_of_reach=True),
        StepResult("B", out_of_reach=True),
        StepResult("C", "", State.UNKNOWN, 4.0, NOON),
        StepResult("D"),
    )
    text = step_summary(GOOD.but(status=status, exit_code=1, steps=steps))
    assert "| A | jenkins | ❔ unknown | – |" in text
    assert "| B | – | ❔ unknown | – |" in text
    assert "| C | – | ❔ unknown | 4s |" in text
    assert "| D | – | ➖ not started | – |" in text
    assert "    · C :1700000000000," in text


def test_the_pipelines_url_is_a_link_in_a_sentence():
    """The pipeline's own URL in a sentence is a link; no other one is."""
    text = step_summary(GOOD.but(status="error", message=f"See {URL} and https://evil.example"))
    sentence = text.splitlines()[2]
    assert f"See [View in Opsera]({URL}) and" in sentence
    assert sentence.count("](") == 1
    assert "https&#58;//evil" in sentence


@pytest.mark.parametrize("text", ["WWW.evil.example/x", "see www.a.b."])
def test_no_text_of_the_api_becomes_a_link(text):
    """GitHub makes links of names that start with www. by itself."""
    shown = escape_markdown(text)
    assert not re.search(r"www\.", shown, re.IGNORECASE)
    assert html.unescape(shown.replace(APART, "")) == text


@pytest.mark.parametrize(
    ("url", "link"),
    [
        (URL, URL), ("http://127.0.0.1:8080/a%20b", "http://127.0.0.1:8080/a%20b"),
        ("https://x/) <b>", "https://x/%29%20%3Cb%3E"), ("javascript:alert(1)", ""), ("", ""),
    ],
)  # fmt: skip
def test_only_a_web_url_is_a_link(url, link):
    """A URL ends neither the link nor the table, and has a scheme of the web."""
    assert link_to(url) == link


def test_characters_of_markup_are_escaped():
    """Each character that means something in Markdown or HTML is written as a reference."""
    for character in "\\`*_{}[]()#+!|~<>&@:-":
        escaped = escape_markdown(f"a{character}b")
        assert escaped == f"a&#{ord(character)};{APART if character in '@#' else ''}b"


def test_escaped_text_reads_as_it_was():
    """Who reads the page sees the text as it was given."""
    for text in (*hostile.HARMLESS, "a | b", "- item", "1. x", "@org/team #1"):
        assert html.unescape(escape_markdown(text).replace(APART, "")) == text


def test_hostile_texts_mark_nothing_up():
    """No hostile name or message leaves a mark of Markdown or HTML, or adds a line or a cell."""
    frame = blocks(step_summary(named("name"), printed("x")))
    for sample in hostile.samples(1, 30):
        text = step_summary(named(sample.text), printed("x")).replace(APART, "")
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
    """Past GitHub's limit nothing would show; so parts are omitted, the least important first."""
    steps = tuple(StepResult(f"Stép {n}", "", State.SUCCESS, 5.0, NOON + n) for n in range(60))
    outcome = BAD.but(steps=(TEST, *steps))
    whole = step_summary(outcome, printed("x"))
    seen = set()
    for room in range(len(whole.encode()) + 250, 0, -311):
        text = step_summary(outcome, printed("x"), room)
        assert len(text.encode()) <= room
        assert text.count("```") % 2 == 0
        seen |= set(re.findall(r"… (.*) omitted", text))
        if text != whole and "omitted" in text:
            assert text.rstrip().endswith("the summary has reached its size limit.")
    assert "a chart" in seen
    assert "the table of steps, a chart" in seen


def test_the_largest_summary_is_taken():
    """Of a run with thousands of steps the first are shown, the others counted, and it fits."""
    many = GOOD.but(steps=tuple(StepResult(f"Stép {number}" + "x" * 90) for number in range(9000)))
    text = step_summary(many)
    assert github_files.summary(text.encode()).error is None
    assert text.count("not started") == MOST_ROWS
    assert f"… and {9000 - MOST_ROWS} more steps." in text


BAR = re.compile(r"    [✓✗■‖·] ([^:;#%`<>{}\"|\[\]\n]+) :((?:done|crit|active), )*(\d+), (\d+)")
"""A bar as Mermaid's grammar reads it, with a name that starts nothing else there."""


def timed(name: str, start: float, took: float, state: State | None = State.SUCCESS) -> StepResult:
    return StepResult(name, "", state, took, NOON + start)


def test_each_state_has_its_sign_and_its_kind():
    """States can be distinguished without colors."""
    lines, shown = gantt(
        [timed(str(state), n, 1.0, state) for n, state in enumerate([*State, None])]
    )
    assert shown == len(State) + 1
    assert [line.strip()[0] for line in lines[6:]] == ["✓", "✗", "■", "‖", "·", "·", "·"]
    kinds = [line.partition(" :")[2].split(", ")[:-2] for line in lines[6:]]
    assert kinds == [["done"], ["crit"], ["crit"], ["active"], ["active"], [], []]


@pytest.mark.parametrize(
    ("length", "interval", "axis"),
    [
        (0.0, "1second", "%H:%M:%S"),
        (70.0, "10second", "%H:%M:%S"),
        (7200.0, "15minute", "%H:%M"),
        (86400.0 * 900, "10day", "%H:%M"),
    ],
)
def test_the_axis_suits_the_length(length, interval, axis):
    """However long the run there are a few ticks, each with a text of its own."""
    lines, _ = gantt([timed("Build", 0, length)])
    assert f"    tickInterval {interval}" in lines
    assert f"    axisFormat {axis}" in lines


def test_of_many_steps_the_failed_and_the_longest_are_shown():
    """Sixty bars can't be read: a short failure is shown, a short unknown result is not."""
    steps = [timed(f"S{n}", n * 100.0, n + 1.0) for n in range(60)]
    steps[0] = timed("S0", 0.0, 0.1, State.FAILED)
    steps[1] = timed("S1", 100.0, 0.1, None)
    lines, shown = gantt(steps)
    names = [re.findall(r"S\d+", line)[0] for line in lines[6:]]
    assert shown == len(names) == MOST_BARS
    assert names == ["S0", *(f"S{n}" for n in range(31, 60))]
    text = step_summary(GOOD.but(steps=tuple(steps)))
    assert "The chart shows 30 of 60 steps: those that failed, stopped, or are in progress" in text
    assert "The chart shows" not in step_summary(GOOD.but(steps=tuple(steps[:30])))


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Unit tests", "Unit tests"), ("section a : b; c #1 %% d", "section a b c 1 d"),
        ("```<b>&amp;", "b amp"), (":::", "step"), ("x" * 99, "x" * 31 + "…"),
    ],
)  # fmt: skip
def test_a_name_is_letters_and_digits(name, shown):
    """Mermaid can't quote a name, so what it might interpret is left out."""
    assert bar_name(name) == shown


def test_hostile_names_are_bars_only():
    """Of hundreds of hostile names each is one bar, and nothing but a bar."""
    for sample in hostile.samples(31, 400):
        lines, _ = gantt([timed(" ".join(sample.text.split()), 0.0, 5.0)])
        assert BAR.fullmatch(lines[-1]), lines[-1]
        assert len(lines) == 7
