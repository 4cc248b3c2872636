"""The page report.html, as far as it can be told without a browser."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

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


def test_the_steps_are_the_plans_with_their_lines():
    """Each step of the plan with what was read of it, in the plan's order."""
    rows = page.rows(FAILED, logs(("t", "Test"), ("b", "Build")))
    assert [(row.name, row.word, row.took) for row in rows] == [
        ("Build", "success", "5s"),
        ("Test", "failed", "2s"),
        ("Ship", "not run", ""),
    ]
    assert [row.log and row.log.number for row in rows] == [2, 1, None]
    assert [row.is_bad for row in rows] == [False, True, False]
    assert rows[0].when == "began after 0s, took 5s"


def test_lines_of_no_step_of_the_plan_are_there_too():
    """They come first if the log began with them, else last."""
    said = logs(("", "Log"), ("b", "Build"), ("old", "Old step"))
    rows = page.rows(FAILED, said)
    assert [row.name for row in rows] == ["Log", "Build", "Test", "Ship", "Old step"]
    assert [row.word for row in rows] == ["", "success", "failed", "not run", ""]
    assert [row.name for row in page.rows(Outcome("error", 3), said)] == [
        "Log",
        "Build",
        "Old step",
    ]


def test_what_is_not_known_is_left_out():
    """A step with lines but without records ran, nobody knows how."""
    rows = page.rows(FAILED.but(steps=(SHIP,)), logs(("s", "Ship")))
    assert [(row.word, row.began, row.took, row.bar) for row in rows] == [("", "", "", None)]
    gone = page.rows(FAILED.but(steps=(StepResult("Ship", out_of_reach=True),)), ())
    assert [row.word for row in gone] == [""]


def test_a_message_is_not_said_twice():
    """What the headline says of the failed step is not said again in its row."""
    assert page.rows(FAILED, ())[1].message == ""
    other = FAILED.but(reason="something else")
    assert page.rows(other, ())[1].message == "2 failed"


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
        "#steps", "#L1", "log.txt", "result.json", "junit.xml",
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


def test_nothing_is_fetched():
    """No address but of the pipeline's page, which is fetched only by who follows it."""
    text = page.head(FAILED, logs(("t", "Test"))) + page.foot()
    assert set(re.findall(r"https?://[^\s\"'<]+", text)) == {"https://app.opsera.io/x"}
    fetching = {"src", "srcset", "action", "background", "poster", "data"}
    assert not [found for _, found in Reader(text).tags if fetching & set(found)]


def test_a_log_too_long_for_the_page_is_told():
    """The page says how many lines are elsewhere, and where."""
    assert "123 lines of its middle are only in" in page.head(FAILED, (), left_out=123)
    assert "of its middle" not in page.head(FAILED, ())


def test_nothing_known_is_a_page_too():
    """Of a job that failed at once there is a page that says so."""
    text = page.head(Outcome("error", 3, "The API can't be reached.", "Look at it."), ())
    assert "The API can&#39;t be reached." in text
    assert "Nothing is known of the steps" in text
