"""The page report.html, as far as it can be tested without a browser."""

from __future__ import annotations

import base64
import hashlib
import re
import time
from html.parser import HTMLParser

import pytest

from opsera_step.api import State
from opsera_step.outcome import Outcome
from opsera_step.report import html as page
from opsera_step.report.log_blocks import LogBlocks, StepLog
from opsera_step.runs import StepResult

BUILD = StepResult("Build", "jenkins", State.SUCCESS, 5.0, 100.0, id="b")
TEST = StepResult("Test", "", State.FAILED, 2.5, 105.0, id="t", message="2 failed")
SHIP = StepResult("Ship", id="s")
FAILED = Outcome(
    "failed", 1, pipeline_name="Shop", run_count=42, url="https://app.opsera.io/x",
    failed_step="Test", reason="2 failed", steps=(BUILD, TEST, SHIP), log_lines=3,
)  # fmt: skip
EVIL = "</script></style><img src=x onerror=alert(1)>&{{ 7 * 7 }}\"'<!--"


def logs(*steps: tuple[str, str]) -> tuple[StepLog, ...]:
    blocks = LogBlocks(lambda _: None)
    for step_id, name in steps:
        blocks.add(step_id, name, "tool", [f"line of {name}"])
    return tuple(blocks.steps)


class Reader(HTMLParser):
    """What a browser without script would read."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_the_rows_are_the_steps_of_the_plan_with_their_lines():
    """Each step of the plan with its result and what was read of it, in the plan's order."""
    rows = page.rows(FAILED, logs(("t", "Test"), ("b", "Build")))
    assert [(row.number, row.name, row.word, row.took) for row in rows] == [
        (1, "Build", "succeeded", "5s"),
        (2, "Test", "failed", "2s"),
        (3, "Ship", "not started", ""),
    ]
    assert [row.log and row.log.number for row in rows] == [2, 1, None]
    assert [row.is_bad for row in rows] == [False, True, False]
    assert str(rows[0].bar) == "started after 0s, took 5s"


def test_lines_of_no_step_of_the_plan_are_rows_too():
    """They come first if the log starts with them, else last."""
    found = logs(("", "Log"), ("b", "Build"), ("old", "Old step"))
    rows = page.rows(FAILED, found)
    assert [row.name for row in rows] == ["Log", "Build", "Test", "Ship", "Old step"]
    assert [row.word for row in rows] == ["", "succeeded", "failed", "not started", ""]
    assert [row.name for row in page.rows(Outcome("error", 3), found)] == [
        "Log",
        "Build",
        "Old step",
    ]


@pytest.mark.parametrize(
    ("step", "word"),
    [
        (SHIP, "not started"),
        (StepResult("Ship", out_of_reach=True, id="s"), "unknown"),
        (StepResult("Ship", started_at=100.0, id="s"), "unknown"),
        (StepResult("Ship", "", State.UNKNOWN, 3.0, 100.0, id="s"), "unknown"),
        (StepResult("Ship", "", State.PAUSED, id="s"), "waiting for approval"),
        (StepResult("Ship", "", State.STOPPED, id="s"), "stopped"),
    ],
)
def test_what_is_unknown_is_called_unknown(step, word):
    """Never not started, skipped, or failed, in a run of any result."""
    for outcome in (
        FAILED,
        FAILED.but(status="success", failed_step=""),
        FAILED.but(status="timeout"),
    ):
        (row,) = page.rows(outcome.but(steps=(step,)), ())
        assert row.word == word
        text = page.head(outcome.but(steps=(step,)), ())
        assert f'<span class="word">{word}</span>' in text
    (row,) = page.rows(FAILED.but(steps=(SHIP,)), logs(("s", "Ship")))
    assert (row.word, row.started, row.took, row.bar) == ("unknown", "", "", None)


def test_the_failed_step_is_open_and_its_lines_are_one_excerpt():
    """Error lines and last lines are in one listing, with notes where lines are left out."""
    blocks = LogBlocks(lambda _: None)
    blocks.add("t", "Test", "", [f"line {number}" for number in range(1, 101)])
    text = page.head(
        FAILED, blocks.steps, errors=[(3, "error: a"), (5, "error: b"), (85, "line 85")]
    )
    (quoted,) = re.findall(r'<h2 id="excerpt">(.*?)</pre>', text, re.DOTALL)
    assert quoted.startswith("First errors and last lines of <bdi>Test</bdi>")
    texts = re.findall(r'<span class="text">([^<]*)<', quoted)
    assert texts[:5] == ["error: a", "… 1 line", "error: b", "… 75 lines", "line 81"]
    assert texts[5:] == [f"line {number}" for number in range(82, 101)]
    assert re.findall(r'id="step-(\d)"[^>]*? open>', text) == ["2"]
    calm = page.head(FAILED, blocks.steps, errors=[(85, "line 85")])
    assert '<h2 id="excerpt">Last lines of <bdi>Test</bdi>' in calm
    assert " open>" not in page.head(
        FAILED.but(status="success", failed_step="", steps=(BUILD,)), ()
    )


def test_only_the_pipelines_own_url_is_a_link_in_a_sentence():
    """A URL in a text of the API is not a link."""
    outcome = FAILED.but(hint=f"Approve it at {FAILED.url} or https://evil.example/x <b>")
    (hint,) = re.findall(r'class="hint" dir="auto">(.*?)</p>', page.head(outcome, ()))
    link = '<a href="https://app.opsera.io/x" rel="noreferrer">https://app.opsera.io/x</a>'
    assert hint == f"Approve it at {link} or https://evil.example/x &lt;b&gt;"


@pytest.mark.parametrize(
    ("outcome", "facts"),
    [
        (FAILED.but(elapsed=9.0), {"Watched for": "9s", "Failed step": "Test"}),
        (FAILED.but(started_at=0.0, finished_at=75.0, elapsed=9.0), {"Duration": "1m15s"}),
        (FAILED.but(status="paused", waits_for="Gate"), {"Waiting for approval": "Gate"}),
        (FAILED.but(log_lines=1234, log_complete=False), {"Log": "1,234 lines, incomplete"}),
        (FAILED, {"Opsera": "View in Opsera", "Started": "1970-01-01 00:01:40 UTC"}),
    ],
)
def test_the_facts_have_the_usual_labels(outcome, facts):
    """The same terms as in the job log and in the summary."""
    text = page.head(outcome, ())
    found = dict(re.findall(r"<dt>([^<]*)</dt><dd>(?:<[^>]*>)*([^<]*)<", text))
    assert {name: found.get(name) for name in facts} == facts


def test_thousands_of_steps_take_a_moment():
    """Nothing about steps grows with the square of their number."""
    steps = tuple(
        StepResult(f"S{n}", "", State.FAILED, 1.0, 100.0 + n, id=f"s{n}") for n in range(4_000)
    )
    start_time = time.process_time()
    text = page.head(FAILED.but(steps=steps), logs(*((f"s{n}", f"S{n}") for n in range(400))))
    assert time.process_time() - start_time < 30
    assert text.count("<details") == 4_000


def test_hostile_text_stays_text():
    """In a name, a message, a line or a tool markup is shown as it is written."""
    blocks = LogBlocks(lambda _: None)
    blocks.add("e", EVIL, EVIL, [EVIL])
    evil = StepResult(EVIL, EVIL, State.FAILED, 1.0, 1.0, id="e", message=EVIL + "!")
    outcome = Outcome(
        "failed", 1, EVIL, EVIL, EVIL, EVIL, 1, url=f"javascript:{EVIL}", failed_step=EVIL,
        waits_for=EVIL, steps=(evil,),
    )  # fmt: skip
    text = page.head(outcome, blocks.steps)
    assert EVIL not in text
    reader, calm = Reader(text), Reader(page.head(FAILED, logs(("t", "Test"))))
    assert {tag for tag, _ in reader.tags} <= {tag for tag, _ in calm.tags} | {"p", "div"}
    assert "".join(reader.text).count(EVIL) >= 7
    hrefs = {found.get("href") or "" for tag, found in reader.tags if tag == "a"}
    assert {href.split(":")[0] for href in hrefs} == {
        "#steps", "#L1", "#step-1", "log.txt", "result.json", "junit.xml",
    }  # fmt: skip


def test_the_policy_allows_only_the_pages_own_script_and_style():
    """Their hashes are in it, and nothing that would let anything else in."""
    text = page.head(FAILED, ()) + page.foot()
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    policy = policy.replace("&#39;", "'")
    for name in ("style", "script"):
        (content,) = re.findall(rf"<{name}>(.*?)</{name}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    assert " style=" not in text


def test_nothing_is_loaded():
    """The only URL is that of the pipeline, for readers who follow it."""
    text = page.head(FAILED, logs(("t", "Test"))) + page.foot()
    assert set(re.findall(r"https?://[^\s\"'<]+", text)) == {"https://app.opsera.io/x"}
    fetching = {"src", "srcset", "action", "background", "poster", "data"}
    assert not [found for _, found in Reader(text).tags if fetching & set(found)]


def timed(start: float | None, seconds: float | None, state=State.SUCCESS, waited=None):
    return StepResult("x", "", state, seconds, start, waited=waited)


def test_bars_lie_where_their_time_is():
    """The scale reaches from the first start to the last end, in the plan's order."""
    found = page.timeline((timed(100.0, 10.0), timed(110.0, 30.0, waited=20.0)))
    assert found.started_at == 100.0
    assert [(bar.x, bar.width, bar.wait) for bar in found.bars] == [(0, 250, 0), (250, 750, 500)]
    assert [(bar.start, bar.took, bar.is_open) for bar in found.bars] == [
        (0.0, 10.0, False),
        (10.0, 30.0, False),
    ]


def test_what_is_not_known_has_no_bar():
    """A step without a start or a duration is left out, and moves no other."""
    found = page.timeline((timed(None, 5.0), timed(7.0, None), timed(100.0, 10.0)))
    assert found.bars[:2] == (None, None)
    assert (found.bars[2].x, found.bars[2].width) == (0, page.SCALE)
    assert page.timeline((timed(None, None),)).bars == (None,)
    assert page.timeline(()).ticks == ()


@pytest.mark.parametrize("state", [State.RUNNING, State.PAUSED])
def test_unfinished_steps_extend_to_the_edge(state):
    """The bar of a step that still runs or waits ends with the scale."""
    bar = page.timeline((timed(0.0, 50.0), timed(50.0, 1.0, state), timed(50.0, 50.0))).bars[1]
    assert (bar.x, bar.width, bar.is_open) == (500, 500, True)
    assert bar.wait == (500 if state is State.PAUSED else 0)


def test_the_shortest_can_be_seen():
    """A step of no time is still a line, also at the very end of the scale."""
    bar = page.timeline((timed(0.0, 3600.0), timed(3600.0, 0.0))).bars[1]
    assert bar.width > 0
    assert bar.x + bar.width <= page.SCALE
    only = page.timeline((timed(5.0, 0.0),))
    assert only.bars[0].width > 0
    assert only.ticks == ()


@pytest.mark.parametrize(
    ("length", "seconds"),
    [
        (14.0, [5, 10]),
        (75.0, [15, 30, 45, 60, 75]),
        (86400.0 * 400, [86400 * 100 * n for n in (1, 2, 3, 4)]),
    ],
)
def test_the_scale_has_few_round_marks(length, seconds):
    """At most five marks, at times that people count in."""
    ticks = page.timeline((timed(0.0, length),)).ticks
    assert [second for _, second in ticks] == seconds
    assert [place for place, _ in ticks] == [round(1000 * one / length) for one in seconds]
