"""The folder `report_dir`: written while the job goes on, and never a reason to fail."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from opsera_step.outcome import Outcome
from opsera_step.report import Report

OUTCOME = Outcome("failed", 1, "Größe", run_count=42)


def test_the_log_and_the_result_are_written(tmp_path):
    """The folder is made, with the full log and the outcome as JSON."""
    with Report(str(tmp_path / "a" / "b")) as report:
        for line in ("one", "", "zwölf"):
            report.keep_line(line)
        assert report.write_result(OUTCOME) == ""
    folder = tmp_path / "a" / "b"
    assert (folder / "log.txt").read_bytes() == "one\n\nzwölf\n".encode()
    assert json.loads((folder / "result.json").read_text("utf-8")) == OUTCOME.to_json()


def test_the_log_is_there_while_it_comes(tmp_path):
    """Of a job that is killed the log is there up to its last line."""
    with Report(str(tmp_path)) as report:
        report.keep_line("one")
        assert (tmp_path / "log.txt").read_text() == "one\n"


def test_no_folder_no_report(tmp_path, monkeypatch):
    """Without report_dir nothing is written anywhere."""
    monkeypatch.chdir(tmp_path)
    with Report("") as report:
        report.keep_line("one")
        assert report.write_result(OUTCOME) == ""
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    """When the folder can't be made the job goes on, and a sentence names the folder."""
    (tmp_path / "file").write_text("")
    with Report(str(tmp_path / "file" / "report")) as report:
        report.keep_line("one")
        assert f"The report in {tmp_path}/file/report can't be written: " in report.write_result(
            OUTCOME
        )


def test_a_result_that_cannot_be_written_is_told(tmp_path):
    """The log may be fine where the result is not."""
    (tmp_path / "result.json").mkdir()
    with Report(str(tmp_path)) as report:
        report.keep_line("one")
        assert "can't be written" in report.write_result(OUTCOME)
    assert (tmp_path / "log.txt").read_text() == "one\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_ends_nothing(tmp_path):
    """When the disk is full the rest of the log is left out, told once, and the job goes on."""
    (tmp_path / "log.txt").symlink_to("/dev/full")
    with Report(str(tmp_path)) as report:
        report.keep_line("one")
        report.keep_line("two")
        assert "No space left" in report.write_result(OUTCOME)


def test_a_lone_surrogate_ends_nothing(tmp_path):
    """Text that is no Unicode is written with a question mark."""
    with Report(str(tmp_path)) as report:
        report.keep_line("a\ud800b")
        assert report.write_result(OUTCOME.but(message="a\ud800b")) == ""
    assert (tmp_path / "log.txt").read_text() == "a?b\n"
    assert json.loads((tmp_path / "result.json").read_text())["message"] == "a?b"


def test_an_old_report_is_replaced(tmp_path):
    """A report of an earlier job in the same folder does not mix with this one."""
    for line in ("old and longer", "new"):
        with Report(str(tmp_path)) as report:
            report.keep_line(line)
            report.write_result(OUTCOME)
    assert (tmp_path / "log.txt").read_text() == "new\n"
