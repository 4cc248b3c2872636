"""The report directory: written while the job runs, and never a reason to fail."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys

import pytest

from opsera_step.api import State
from opsera_step.clock import FakeClock
from opsera_step.outcome import Outcome
from opsera_step.platforms import detect
from opsera_step.report import Report
from opsera_step.runs import LogLines, StepResult
from tests.support.sheet import Sheet, joblog

OUTCOME = Outcome("failed", 1, "Größe", run_count=42)
FILES = {"log.txt", "result.json", "junit.xml", "report.html"}
NOW = 1_767_225_600.0


def keep(report: Report, *lines: str) -> None:
    report.keep("b", "Build", "jenkins", lines)


def test_all_forms_are_written(tmp_path):
    """The directory is created, with the full log, the outcome as JSON, the page, and the tests."""
    directory = tmp_path / "a" / "b"
    with Report(str(directory)) as report:
        keep(report, "one", "", "\x1b[31mzwölf\ud800\x1b[0m")
        assert report.write(OUTCOME, NOW) == ""
    assert {path.name for path in directory.iterdir()} == FILES
    assert (directory / "log.txt").read_bytes() == "one\n\nzwölf?\n".encode()
    assert json.loads((directory / "result.json").read_text("utf-8")) == OUTCOME.to_json()
    assert 'data-lines="1,3"' in (directory / "report.html").read_text("utf-8")
    assert "Run 42" in (directory / "junit.xml").read_text("utf-8")


def test_the_page_quotes_the_errors_near_the_end_of_the_failed_step(tmp_path):
    """With their numbers in the whole log, together with the last lines."""
    step = StepResult("Build", "", State.FAILED, id="b")
    with Report(str(tmp_path)) as report:
        log = joblog(Sheet(), keeper=report)
        for step_id, lines in (
            ("other", ["error: of another step"]),
            ("b", [f"retry {n}: error: connection refused" for n in range(50)]),
            ("b", ["\x1b[31mAssertionError: expected 3\x1b[0m"]),
            ("other", ["between"]),
            ("b", [f"cleaning up {chr(97 + n)}" for n in range(26)]),
        ):
            log.show(LogLines(step_id, step_id, "", tuple(lines)))
        assert report.write(OUTCOME.but(steps=(step,)), NOW, log.excerpts) == ""
    head = (tmp_path / "report.html").read_text("utf-8").partition("Steps and log</h2>")[0]
    shown = re.findall(r'<span class="number">|href="#L(\d+)"[^>]*>\d+</a>', head)
    texts = re.findall(r'class="text">([^<]*)<', head)
    assert shown[:3] == ["52", "", "60"]
    assert texts[:3] == ["AssertionError: expected 3", "… 7 lines", "cleaning up g"]
    assert len(texts) == 22


def test_the_log_is_there_while_it_comes(tmp_path):
    """A killed job leaves its log up to the last line, and nothing else."""
    with Report(str(tmp_path)) as report:
        keep(report, "one")
        assert (tmp_path / "log.txt").read_text() == "one\n"
        assert [path.name for path in tmp_path.iterdir()] == ["log.txt"]


def test_without_a_log_only_the_result_is_written(tmp_path):
    """What an earlier job left there stays."""
    (tmp_path / "log.txt").write_text("of the run\n")
    with Report(str(tmp_path), with_log=False) as report:
        assert not report.keeps_log
        assert report.write(OUTCOME, NOW) == ""
    assert {path.name for path in tmp_path.iterdir()} == {"log.txt", "result.json"}
    assert (tmp_path / "log.txt").read_text() == "of the run\n"


def test_a_directory_that_cannot_be_created_is_reported(tmp_path):
    """The job continues, and a sentence names the directory."""
    (tmp_path / "file").write_text("")
    with Report(str(tmp_path / "file" / "report")) as report:
        keep(report, "one")
        assert f"Can't write the report to {tmp_path}/file/report: " in report.write(OUTCOME, NOW)


@pytest.mark.parametrize("name", ["result.json", "report.html"])
def test_a_file_that_cannot_be_written_is_reported(tmp_path, name):
    """The other files are written."""
    (tmp_path / name).mkdir()
    with Report(str(tmp_path)) as report:
        keep(report, "one")
        assert "Can't write the report" in report.write(OUTCOME, NOW)
    assert (tmp_path / "log.txt").read_text() == "one\n"
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == FILES - {name}


def test_a_full_disk_ends_nothing(tmp_path):
    """The job continues, the reason is reported once, and no half or empty file is left."""
    program = f"""
import resource, signal
from pathlib import Path
from opsera_step.outcome import Outcome
from opsera_step.report import Report
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
with Report({str(tmp_path / "r")!r}) as report:
    for line in ("one", "x" * 5000, "three"):
        report.keep("b", "Build", "", [line])
    print(report.write(Outcome("failed", 1, "m", run_count=42), 1_767_225_600.0))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.count(": File too large.") == 1
    left = {path.name: path.read_text() for path in (tmp_path / "r").iterdir()}
    assert set(left) == {"result.json", "junit.xml"}
    assert json.loads(left["result.json"])["runCount"] == 42
    assert left["junit.xml"].rstrip().endswith("</testsuites>")


@pytest.mark.parametrize("target", ["../../outside", "../mine"])
def test_no_file_of_a_report_follows_a_link(tmp_path, monkeypatch, target, capfd):
    """Links that are committed under the names of a report are replaced by its files."""
    directory = tmp_path / "ws" / "opsera-report"
    directory.mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "ws")
    for path in (tmp_path / "outside", tmp_path / "ws" / "mine"):
        path.write_text("old")
    for name in (*FILES, "answer.json", "annotations.json"):
        (directory / name).symlink_to(target)
    with Report("opsera-report", tmp_path / "ws") as report:
        keep(report, "one")
        assert report.write(OUTCOME, NOW) == ""
    with Report("opsera-report", tmp_path / "ws", is_answer=True) as report:
        assert report.write(OUTCOME.but(answer="{}"), NOW) == ""
    environ = {"GITLAB_CI": "true", "CI_PROJECT_DIR": str(tmp_path / "ws")}
    platform = detect(environ, io.StringIO(), FakeClock())
    assert platform.write_links("opsera-report", {"Opsera": "https://x"}) == ""
    assert [path.name for path in directory.iterdir() if path.is_symlink()] == []
    assert (directory / "log.txt").read_text() == "one\n"
    assert (tmp_path / "outside").read_text() == (tmp_path / "ws" / "mine").read_text() == "old"
    assert capfd.readouterr().out == ""


def test_an_earlier_report_is_named(tmp_path):
    """A line names the run whose report is replaced, or the files if none is known."""
    with Report(str(tmp_path)) as report:
        assert report.note == ""
        report.write(OUTCOME.but(pipeline_name="Deploy\x1b[2J\n::error::x"), NOW)
    with Report(str(tmp_path)) as report:
        name = "Deploy ::error::x"
        assert report.note == f"Replacing the report of run 42 of “{name}” in {tmp_path}."
    (tmp_path / "junit.xml").write_text("<mine/>")
    for spoilt in ("", "[" * 100_000, "[]", '{"runCount": "x"}'):
        (tmp_path / "result.json").write_text(spoilt)
        report = Report(str(tmp_path))
        with report:
            assert report.note == f"Replacing log.txt, result.json, junit.xml in {tmp_path}."
            assert not (tmp_path / "junit.xml").exists()
        (tmp_path / "junit.xml").write_text("<mine/>")
    with Report(str(tmp_path), is_answer=True) as query:
        assert query.note == ""


def test_the_time_of_each_line(tmp_path):
    """With `timestamps`, each line of log.txt starts with the time of its record."""
    with Report(str(tmp_path), timestamps=True) as report:
        report.keep("b", "Build", "", ["one", "two"], NOW)
        report.keep("b", "Build", "", ["three"])
    stamp = "2026-01-01T00:00:00.000Z"
    assert (tmp_path / "log.txt").read_text() == f"{stamp} one\n{stamp} two\nthree\n"


def test_a_bug_of_our_own_ends_nothing(tmp_path):
    """It is reported, and nothing more."""
    with Report(str(tmp_path)) as report:
        failure = report.write(OUTCOME.but(elapsed="a bug"), NOW)
    assert "TypeError" in failure


def test_a_long_log_takes_no_memory(tmp_path):
    """What is kept in memory of 40,000 lines is less than a hundredth of them."""
    import tracemalloc  # noqa: PLC0415 - slows everything down while it is loaded

    lines = tuple(f"{n} {n * 2654435761 % 2**32:x} " + "x" * 100 for n in range(400))
    tracemalloc.start()
    try:
        with Report(str(tmp_path)) as report:
            keep(report, *lines)
            before = tracemalloc.get_traced_memory()[0]
            for _ in range(99):
                keep(report, *lines)
            grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert (tmp_path / "log.txt").stat().st_size > 4_000_000
    assert grown < 50_000
