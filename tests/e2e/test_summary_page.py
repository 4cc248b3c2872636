"""The summary of whole jobs, as readers of GitHub's Markdown and of Mermaid see it."""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.token import Token

from opsera_step.clock import FakeClock
from opsera_step.simulator import Simulator
from tests.oracles import github_files, secrets
from tests.support import scenes
from tests.support.hostile import play_hostile
from tests.support.jobs import play

MARKDOWN = MarkdownIt("gfm-like", {"html": True, "linkify": False})
PLAIN = {
    "heading", "paragraph", "table", "thead", "tbody", "tr", "th", "td", "inline", "fence", "hr",
    "text", "text_special", "entity", "softbreak", "strong", "link", "code_inline", "blockquote",
    "html_block", "html_inline",
}  # fmt: skip
OWN_HTML = {"<!-- -->", "<details>", "</details>", "<summary>Last lines</summary>"}
BAR = re.compile(r"    [✓✗■‖·] [^:;#%`<>{}\"|\[\]&]+ :(?:(?:done|crit|active), )*\d+, \d+")


def tokens(text: str) -> list[Token]:
    """Return all parts that a reader of Markdown finds in a text."""
    found = MARKDOWN.parse(text)
    return [inner for one in found for inner in [one, *(one.children or [])]]


def kind(token: Token) -> str:
    return token.type.removesuffix("_open").removesuffix("_close")


def test_a_hostile_run_has_a_sound_summary(tmp_path):
    """No name, message or line of a hostile run adds a link, markup, HTML or a bar of its own."""
    job, token = play_hostile(tmp_path, "github")
    raw = (tmp_path / "github_step_summary").read_bytes()
    text = raw.decode()
    found = tokens(text)
    assert github_files.summary(raw).error is None
    assert {kind(one) for one in found} <= PLAIN
    html = "\n".join(one.content for one in found if kind(one).startswith("html"))
    assert {line for line in html.split("\n") if line} <= OWN_HTML
    links = {str(one.attrs["href"]) for one in found if one.type == "link_open"}
    assert links == {job.outputs["OPSERA_URL"]}
    charts = [one.content for one in found if one.type == "fence" and one.info == "mermaid"]
    assert len(charts) == 1
    bars = charts[0].splitlines()[6:]
    assert len(bars) > 5
    assert all(BAR.fullmatch(bar) for bar in bars)
    assert {one.info for one in found if one.type == "fence"} == {"mermaid", "text"}
    assert secrets.find(token, raw) == []


def test_summaries_of_several_runs_read_as_one_page(tmp_path):
    """Two runs in one step stand below each other, alike, with a rule between them."""
    for scenario in ("success", "failure"):
        clock = FakeClock()
        with Simulator(scenario, clock=clock, seed=1) as simulator:
            play(simulator, clock, tmp_path, "github")
    found = tokens((tmp_path / "github_step_summary").read_text("utf-8"))
    heads = [one for one in found if one.type in ("heading_open", "hr")]
    assert [one.tag for one in heads] == ["h3", "hr", "h3", "h4"]


def test_a_stopped_run_has_no_running_step(tmp_path):
    """The step at which a run was stopped is shown as stopped, in the summary and in the log."""
    clock = FakeClock()
    with Simulator("stopped", clock=clock, seed=1) as simulator:
        job = play(simulator, clock, tmp_path, "github")
    text = (tmp_path / "github_step_summary").read_text("utf-8")
    assert "| Unit tests | jenkins | ⏹️ stopped |" in text
    assert "running" not in text
    assert "was stopped at step “Unit tests”" in job.log


def test_a_failure_has_its_reason_everywhere(tmp_path):
    """Job log and summary name the step and its reason once, and quote the error lines."""
    clock = FakeClock()
    with Simulator("failure", clock=clock, seed=1) as simulator:
        job = play(simulator, clock, tmp_path, "github")
    text = (tmp_path / "github_step_summary").read_text("utf-8")
    reason = "2 of 112 tests failed"
    assert f"&#40;{reason}&#41;." in text.splitlines()[2]
    assert "AssertionError: expected 'optional' to be 'required'" in text
    (error,) = (line for line in job.log.splitlines() if line.startswith("::error"))
    assert error.count(reason) == 1
    assert "%0AAssertionError" in error


def test_invalid_inputs_beyond_githubs_limit_of_annotations_are_in_the_log(tmp_path):
    """GitHub shows ten errors of a step; the rest is in the log only."""
    inputs = dict.fromkeys(("timeout", "on_timeout", "on_cancel", "on_paused", "on_busy"), "?")
    inputs |= dict.fromkeys(("reset", "logs", "log_limit", "poll_interval", "wait"), "?")
    clock = FakeClock()
    with Simulator(scenes.PASSES, clock=clock, seed=1) as simulator:
        job = play(simulator, clock, tmp_path, "github", run_count="?", command="watch", **inputs)
    lines = job.log.splitlines()
    assert sum(line.startswith("::error") for line in lines) == 10
    assert all(
        any(f"for {name} (from" in line for line in lines) for name in (*inputs, "run_count")
    )


def test_a_timeout_at_a_gate_names_it(tmp_path):
    """A job that timed out while waiting for approval shows the approval step."""
    clock = FakeClock()
    with Simulator(scenes.PAUSES, clock=clock, seed=1) as simulator:
        job = play(simulator, clock, tmp_path, "github", on_paused="wait", timeout="2m")
    assert job.code == 124
    assert "It was waiting for approval at “Approve" in job.outputs["OPSERA_MESSAGE"]
