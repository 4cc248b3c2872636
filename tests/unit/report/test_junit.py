"""junit.xml: the steps of a run as tests."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import xmlschema
from hypothesis import example, given
from hypothesis import strategies as st

from opsera_step.api import State
from opsera_step.outcome import Outcome
from opsera_step.report.junit import junit
from opsera_step.report.log_blocks import LogBlocks, StepLog
from opsera_step.runs import StepResult

SCHEMA = xmlschema.XMLSchema(Path(__file__).parents[2] / "schemas" / "junit.xsd")
BUILD = StepResult("Build", "jenkins", State.SUCCESS, 5.04, 1_767_225_600.0, id="b")
TEST = StepResult("Test", "jenkins", State.FAILED, 2.5, id="t", message="2 failed")
SHIP = StepResult("Ship", id="s")
GATE = StepResult("Approve", "approval", State.PAUSED, 1.0, id="g", message="Robin is asked.")
FAILED = Outcome(
    "failed", 1, pipeline_id="65a4", pipeline_name="Shop 1.2", run_count=42,
    url="https://app.opsera.io/x", started_at=0.0, finished_at=8.0,
    failed_step="Test", reason="2 failed", elapsed=5.0,
    steps=(BUILD, TEST, SHIP),
)  # fmt: skip


def logs(*lines: str, step: str = "t") -> tuple[StepLog, ...]:
    blocks = LogBlocks(lambda _: None)
    blocks.add("b", "Build", "", ["built"])
    blocks.add(step, "Test", "", lines)
    return tuple(blocks.steps)


def suite(outcome: Outcome, lines: tuple[StepLog, ...] = ()) -> ET.Element:
    """Return the test suite of a file that is valid, its counts being right."""
    text = junit(outcome, lines, now=1_767_225_660.0)
    SCHEMA.validate(text)
    root = ET.fromstring(text)
    found = root[0]
    for counts in (found.attrib, {**found.attrib, **root.attrib}):
        assert int(counts["tests"]) == len(found.findall("testcase"))
        for one in ("failure", "error"):
            assert int(counts[f"{one}s"]) == len(found.findall(f"testcase/{one}"))
    assert int(found.attrib["skipped"]) == len(found.findall("testcase/skipped"))
    return found


def results(outcome: Outcome, lines: tuple[StepLog, ...] = ()) -> dict[str, str]:
    """Return the result of each test by its name; empty for one that passed."""
    cases = suite(outcome, lines).findall("testcase")
    return {case.attrib["name"]: case[0].tag if len(case) else "" for case in cases}


def test_each_step_is_a_test():
    """With its time; one that did not start is skipped."""
    cases = suite(FAILED).findall("testcase")
    assert [case.attrib for case in cases] == [
        {"name": "Build", "classname": "Shop 1_2", "time": "5.040"},
        {"name": "Test", "classname": "Shop 1_2", "time": "2.500"},
        {"name": "Ship", "classname": "Shop 1_2", "time": "0.000"},
    ]
    assert results(FAILED) == {"Build": "", "Test": "failure", "Ship": "skipped"}


def test_a_failure_has_its_reason_and_the_last_lines():
    """The message is from the step's record, the text has its last lines with their numbers."""
    failure = suite(FAILED, logs("one", "\x1b[31mtwo\x1b[0m")).find("testcase/failure")
    assert failure.attrib == {"type": "failed", "message": "2 failed"}
    assert failure.text == "2 failed\n\nLast lines:\n2: one\n3: two"


def test_the_suite_describes_the_run():
    """When it started in UTC, how long it took, its number, and its link."""
    found = suite(FAILED)
    assert found.attrib["name"] == "Shop 1.2"
    assert (found.attrib["timestamp"], found.attrib["time"]) == ("2026-01-01T00:00:00", "8.000")
    properties = {one.attrib["name"]: one.attrib["value"] for one in found.find("properties")}
    assert properties["opsera.runCount"] == "42"
    assert properties["opsera.url"] == "https://app.opsera.io/x"
    unknown = suite(FAILED.but(steps=(SHIP,), started_at=None, finished_at=None))
    assert unknown.attrib["timestamp"] == "2026-01-01T00:00:55"
    assert unknown.attrib["time"] == "5.000"


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (FAILED.but(status="success", exit_code=0, steps=(BUILD,)), {"Build": ""}),
        (FAILED.but(status="success", exit_code=0, steps=()), {"Run 42": ""}),
        (FAILED.but(steps=(BUILD,)), {"Run 42": "failure", "Build": ""}),
        (
            FAILED.but(status="stopped", steps=(BUILD, SHIP)),
            {"Run 42": "failure", "Build": "", "Ship": "skipped"},
        ),
        (
            FAILED.but(status="paused", exit_code=8, steps=(BUILD, GATE)),
            {"Build": "", "Approve": "skipped"},
        ),
        (FAILED.but(status="timeout", steps=(BUILD,)), {"Run 42": "error", "Build": ""}),
        (FAILED.but(status="cancelled", steps=()), {"Run 42": "error"}),
        (FAILED.but(status="running", exit_code=0, steps=()), {"Run 42": "skipped"}),
        (Outcome("error", 3, "It broke."), {"Run": "error"}),
    ],
    ids=lambda value: value.status if isinstance(value, Outcome) else "",
)
def test_the_result_is_always_in_it(outcome, expected):
    """A run that failed has a failure or an error, none else has; a paused one is skipped."""
    assert results(outcome) == expected


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (StepResult("A", state=State.RUNNING, seconds=3.0), "Running."),
        (StepResult("A"), "Not started."),
        (StepResult("A", state=State.PAUSED), "Waiting for approval."),
    ],
)
def test_what_has_no_result_yet_is_skipped(step, message):
    """Only a step that is known to have succeeded is a test that passed."""
    found = suite(FAILED.but(status="timeout", steps=(step,)))
    assert found.find("testcase/skipped").attrib["message"] == message


@pytest.mark.parametrize("status", ["success", "failed", "timeout"])
def test_a_step_of_unknown_result_is_no_test(status):
    """It neither passed nor failed, and was not skipped; the output of the suite names it."""
    unknown = (
        StepResult("A", seconds=3.0),
        StepResult("B", out_of_reach=True),
        StepResult("C", state=State.UNKNOWN, started_at=5.0),
    )
    outcome = FAILED.but(status=status, exit_code=status != "success", steps=(BUILD, *unknown))
    found = suite(outcome)
    names = {case.attrib["name"] for case in found.findall("testcase")}
    assert names - {"Run 42"} == {"Build"}
    assert found.findall("testcase/skipped") == []
    expected = "Result unknown: A\nResult unknown: B\nResult unknown: C"
    assert found.find("system-out").text == expected
    lone = results(outcome.but(steps=unknown))
    assert lone == {"Run 42": {"success": "", "failed": "failure"}.get(status, "error")}


def test_tests_of_the_same_name_are_numbered():
    """Viewers identify a test by its name."""
    assert list(results(FAILED.but(status="success", steps=(BUILD, BUILD, SHIP)))) == [
        "Build",
        "Build (2)",
        "Ship",
    ]


@example(" ")
@given(st.text(st.characters(), max_size=30))
def test_any_text_makes_valid_xml(text):
    """Whatever characters a name, a message, or a line has."""
    step = StepResult(text, "", State.FAILED, 1.0, id="t", message=text)
    suite(FAILED.but(pipeline_name=text, url=text, steps=(step, BUILD)), logs(text))


def test_hostile_text_stays_text():
    """Markup is escaped, what XML can't hold is replaced, and no name is lost."""
    evil = "]]></failure><x a=\"'&amp;"
    step = StepResult(evil, "", State.FAILED, 1.0, id="t", message=f"{evil}\x00\x1b\ufffe\ud800")
    outcome = FAILED.but(pipeline_name=evil, steps=(step,))
    found = suite(outcome, logs(f"{evil}\x08", "\U0001f600"))
    assert found.attrib["name"] == evil
    failure = found.find("testcase/failure")
    assert failure.attrib["message"] == f"{evil}\ufffd\ufffd\ufffd\ufffd"
    assert f"2: {evil}\ufffd\n3: \U0001f600" in failure.text
