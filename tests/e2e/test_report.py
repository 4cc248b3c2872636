"""The report of whole jobs: correct and valid in every format."""

from __future__ import annotations

import base64
import json
import re
import signal
import xml.etree.ElementTree as ET
import zlib
from pathlib import Path

import jsonschema
import pytest
import xmlschema

from opsera_step.clock import FakeClock
from opsera_step.simulator import Simulator
from opsera_step.text import plain
from tests.oracles import secrets, terminal
from tests.support import scenes
from tests.support.component import jobs
from tests.support.jobs import ROOT, Files, Finished, Process, play, wait_until

RESULT = json.loads((ROOT / "docs" / "result.schema.json").read_text("utf-8"))
JUNIT = xmlschema.XMLSchema(ROOT / "tests" / "schemas" / "junit.xsd")
ENDINGS = {
    "success": {},
    "failure": {},
    "approval": {},
    "approval-denied": {"on_paused": "wait"},
    "stopped": {},
    "parallel": {},
    "hostile": {},
    "no-ids": {},
    "paused-refusal": {},
    "unknown-status": {"timeout": "30s"},
}


def run(
    scenario: str | scenes.Scenario, directory: Path, **inputs: str
) -> tuple[Finished, Path, Simulator]:
    """Play a job to its end; return it, its report and the simulator."""
    clock = FakeClock()
    report = directory / "report"
    with Simulator(scenario, clock=clock, seed=1) as simulator:
        job = play(simulator, clock, directory, **{"report_dir": str(report), **inputs})
        return job, report, simulator


def validate(report: Path) -> tuple[dict, ET.Element]:
    """Return the result and the tests of a report; both are valid."""
    result = json.loads((report / "result.json").read_text("utf-8"))
    validator = jsonschema.Draft202012Validator
    validator.check_schema(RESULT)
    validator(RESULT, format_checker=validator.FORMAT_CHECKER).validate(result)
    # Every key is described.
    assert set(result) <= set(RESULT["properties"])
    keys = {key for step in result["steps"] for key in step}
    assert keys <= set(RESULT["$defs"]["step"]["properties"])
    text = (report / "junit.xml").read_text("utf-8")
    JUNIT.validate(text)
    return result, ET.fromstring(text)


def page_lines(report: Path) -> list[str]:
    """Return the log as the page carries it, in its order."""
    lines: dict[int, str] = {}
    pattern = r'data-lines="([\d,]+)"(?: data-times="[\d,]+")?>([^<]+)</script>'
    for ranges, packed in re.findall(pattern, (report / "report.html").read_text("utf-8")):
        text = zlib.decompress(base64.b64decode(packed), -zlib.MAX_WBITS).decode().split("\n")
        numbers = list(map(int, ranges.split(",")))
        pairs = zip(numbers[::2], numbers[1::2], strict=True)
        places = [number for first, count in pairs for number in range(first, first + count)]
        lines |= dict(zip(places, text, strict=True))
    return [lines[number] for number in sorted(lines)]


@pytest.mark.parametrize("scenario", ENDINGS)
def test_every_ending_has_a_valid_report(tmp_path, scenario):
    """Each format is valid and has the job's result; the page has every line of the log."""
    job, report, _ = run(scenario, tmp_path, **ENDINGS[scenario])
    result, tests = validate(report)
    assert result["exitCode"] == job.code
    assert result["status"] == job.outputs["OPSERA_STATUS"]
    bad = len(tests.findall(".//failure")) + len(tests.findall(".//error"))
    assert (bad > 0) == (job.code not in (0, 8))
    log = (report / "log.txt").read_text("utf-8").splitlines()
    for shown, line in zip(page_lines(report), log, strict=True):
        # A very long line is whole in log.txt alone.
        assert plain(shown) == line or (
            len(line) > 20_000 and line.startswith(plain(shown).partition(" … and ")[0])
        )
    assert len(log) == result["logLines"]


def test_the_token_is_nowhere(tmp_path):
    """A token in the log, plain or between colors, is in no format of the report."""
    clock = FakeClock()
    with Simulator(scenes.PASSES, clock=clock, seed=1) as simulator:
        token = simulator.token
    half = len(token) // 2
    said = (f"token {token}", f"{token[:half]}\x1b[31m{token[half:]}", f"{token} </script>")
    leaky = scenes.scenario(
        scenes.step("Build", scenes.prints(*said), result="failed", message=f"refused {token}")
    )
    job, report, simulator = run(leaky, tmp_path)
    assert simulator.token == token
    assert job.code == 1
    contents = [file.read_bytes() for file in report.iterdir()]
    contents.append("\n".join(page_lines(report)).encode())
    assert [leak for data in contents for leak in secrets.find(token, data)] == []


def test_colors_are_in_the_page_only(tmp_path):
    """log.txt is plain; the page keeps the colors, whatever the job log can show."""
    _, report, _ = run("failure", tmp_path)
    assert "\x1b" not in (report / "log.txt").read_text("utf-8")
    colored = [line for line in page_lines(report) if "\x1b[" in line]
    assert colored
    assert terminal.effects("\n".join(colored)) == []


def test_the_steps_have_their_results(tmp_path):
    """An approval step shows how long it waited and who approved it."""
    _, report, _ = run("approval", tmp_path, on_paused="wait")
    result, tests = validate(report)
    gate = next(step for step in result["steps"] if step["name"] == "Approve production")
    assert gate["waitedSeconds"] == pytest.approx(8.0)
    assert gate["message"] == "Approve production was approved by Robin Weber."
    assert len(tests.findall(".//testcase")) == len(result["steps"])


def test_a_log_that_is_not_printed_is_in_the_report(tmp_path):
    """With `logs: none` the job log has none of it; report_dir has all, and the page too."""
    job, report, simulator = run(scenes.FAILS, tmp_path, logs="none")
    assert "test_cart FAILED" not in job.log
    expected = simulator.console_text(42)
    assert (report / "log.txt").read_text("utf-8").splitlines() == expected
    assert page_lines(report) == expected
    assert job.outputs["OPSERA_LOG_COMPLETE"] == "true"


def test_without_a_report_no_log_is_requested(tmp_path):
    """With `logs: none` and no directory the log call is made rarely, for the steps."""
    job, _, simulator = run(scenes.FAILS, tmp_path, logs="none", report_dir="")
    assert job.code == 1
    assert simulator.count("logs") <= 3


@pytest.mark.parametrize("command", ["status", "cleanup"])
def test_a_later_question_leaves_the_report(tmp_path, command):
    """A command without a log, in the same environment, replaces neither log nor page."""
    clock = FakeClock()
    report = tmp_path / "report"
    with Simulator(scenes.PASSES, clock=clock, seed=1) as simulator:
        play(simulator, clock, tmp_path, report_dir=str(report))
        before = {path.name: path.read_bytes() for path in report.iterdir()}
        play(simulator, clock, tmp_path, report_dir=str(report), command=command)
    changed = {path.name for path in report.iterdir() if before[path.name] != path.read_bytes()}
    assert changed <= ({"result.json"} if command == "status" else set())


def test_gitlab_gets_what_its_component_names(tmp_path):
    """The reports that the component hands to GitLab are files that the job writes there."""
    (component,) = jobs({"pipeline": "x", "report_dir": "report"}).values()
    clock = FakeClock()
    with Simulator(scenes.PASSES, clock=clock, seed=1) as simulator:
        job = play(simulator, clock, tmp_path, "gitlab", report_dir=str(tmp_path / "report"))
    for name in ("junit", "annotations"):
        assert (tmp_path / component["artifacts"]["reports"][name]).exists()
    validate(tmp_path / "report")
    links = json.loads((tmp_path / "report" / "annotations.json").read_text("utf-8"))
    page = {"label": "Opsera run 42", "url": job.outputs["OPSERA_URL"]}
    assert links == {"Opsera": [{"external_link": page}]}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_cancelled_job_has_a_report(tmp_path, number):
    """All files if there is time; if the job is killed, the log up to then."""
    report = tmp_path / "report"
    with Simulator(scenes.SLOW, seed=1) as simulator:
        process = Process(simulator, Files(tmp_path), report_dir="report")
        wait_until(lambda: (report / "log.txt").exists() and (report / "log.txt").read_text())
        process.send(number)
        process.wait(20)
    assert (report / "log.txt").read_text() == "working\n"
    if number == signal.SIGKILL:
        assert [path.name for path in report.iterdir()] == ["log.txt"]
        return
    result, tests = validate(report)
    assert result["status"] == "cancelled"
    assert tests.find(".//testcase[@name='Run 42']/error").attrib["type"] == "cancelled"
    assert page_lines(report) == ["working"]
    # No time was left to ask what became of the steps: the plan and the lines were known.
    (step,) = result["steps"]
    assert (step["name"], step["state"], step["seconds"]) == ("Build", None, None)
    assert step["startedAt"]


def test_a_job_that_fails_at_once_has_a_report(tmp_path):
    """If nothing ran, the report contains the reason."""
    job, report, _ = run(scenes.PASSES, tmp_path, pipeline="No such pipeline")
    result, tests = validate(report)
    assert job.code == result["exitCode"] != 0
    assert tests.find(".//error").attrib["message"] == result["message"]
