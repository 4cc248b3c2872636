"""Links that a pull request commits: the process writes nothing where they lead."""

from __future__ import annotations

import os

import pytest

from opsera_step.simulator import Simulator
from tests.support import scenes
from tests.support.jobs import Files, Process, wait_until
from tests.support.shell import run_here
from tests.support.standin import Opsera

pytestmark = pytest.mark.skipif(os.name != "posix", reason="symbolic links")
FAST = {"poll_interval": "0.2", "timeout": "30s"}


@pytest.fixture
def checkout(tmp_path):
    """A checkout with a secret beside it."""
    (tmp_path / "ws" / ".git").mkdir(parents=True)
    (tmp_path / "ws" / ".git" / "config").write_text("[core]\n")
    (tmp_path / "outside").write_text("old\n")
    return tmp_path / "ws"


@pytest.mark.parametrize("platform", ["plain", "gitlab"])
@pytest.mark.parametrize("target", ["../outside", "/dev/stdout", "/dev/null"])
def test_an_output_file_that_is_a_link_elsewhere_is_refused(checkout, platform, target):
    """Before the first request; on GitLab no link survives as the job's dotenv report."""
    (checkout / "opsera.env").symlink_to(target)
    with Opsera() as opsera:
        job = run_here(opsera, Files(checkout, platform))
    assert (job.code, opsera.requests) == (2, [])
    assert "output_file: opsera.env is a link" in job.log
    assert "OPSERA_STATUS" not in job.log
    assert (checkout.parent / "outside").read_text() == "old\n"
    if platform == "gitlab":
        assert not (checkout / "opsera.env").is_symlink()
        assert job.outputs["OPSERA_STATUS"] == "error"


def test_an_output_file_behind_a_link_in_the_checkout_is_written_through(checkout):
    """As users do it who share one file between jobs."""
    (checkout / "shared").mkdir()
    (checkout / "opsera.env").symlink_to("shared/outputs.env")
    with Opsera() as opsera:
        job = run_here(opsera, Files(checkout), wait="false")
    assert job.code == 0
    assert (checkout / "opsera.env").is_symlink()
    assert "OPSERA_STATUS=running" in (checkout / "shared" / "outputs.env").read_text()


@pytest.mark.parametrize("path", [".", "../ws", "link", "link/report", "sub/link"])
def test_a_report_directory_that_is_refused(checkout, path):
    """The checkout itself, and every directory behind a link."""
    (checkout / "sub").mkdir()
    for link in ("link", "sub/link"):
        (checkout / link).symlink_to(checkout.parent)
    with Opsera() as opsera:
        job = run_here(opsera, Files(checkout), report_dir=path)
    assert (job.code, opsera.requests) == (2, [])
    assert f"report_dir: {path} " in job.log
    assert sorted(one.name for one in checkout.parent.iterdir()) == ["outside", "ws"]


def test_report_files_that_are_links_are_replaced(checkout):
    """A committed log.txt that leads to .git/config would turn log lines into executed code."""
    directory = checkout / "opsera-report"
    directory.mkdir()
    for name, target in (
        ("log.txt", "../.git/config"),
        ("result.json", "/dev/stdout"),
        ("report.html", "../../outside"),
        ("junit.xml", "../missing"),
        ("annotations.json", "../../outside"),
    ):
        (directory / name).symlink_to(target)
    with Opsera() as opsera:
        job = Process(opsera, Files(checkout, "gitlab"), report_dir="opsera-report", **FAST).wait()
    assert job.code == 0
    assert "Replacing log.txt, result.json, report.html, junit.xml in opsera-report." in job.log
    assert [one.name for one in directory.iterdir() if one.is_symlink()] == []
    assert "built" in (directory / "log.txt").read_text()
    assert (checkout / ".git" / "config").read_text() == "[core]\n"
    assert (checkout.parent / "outside").read_text() == "old\n"
    assert not (checkout / "missing").exists()
    assert "schemaVersion" not in job.log


def test_two_jobs_in_one_report_directory(checkout):
    """The second one prints a warning and keeps the first report; sequential jobs are fine."""
    inputs = {"report_dir": "r", "output_file": "o", "wait": "false"}
    with Opsera([(0, "running"), (90, "success")]) as opsera:
        first = Process(opsera, Files(checkout), **{**inputs, "wait": "true", **FAST})
        wait_until(lambda: "compiling" in Files(checkout).text("r/log.txt"))
        with Opsera() as other:
            second = Process(other, Files(checkout), **inputs).wait()
            opsera.timeline = [(0, "failed")]
            done = first.wait()
            third = Process(other, Files(checkout), **inputs).wait()
    assert (done.code, second.code, third.code) == (1, 0, 0)
    assert "Another job is writing a report to r, so this job doesn't write one." in second.log
    assert "Replacing the report of run 7" in third.log


def test_a_named_pipe_as_output_file_does_not_hang(checkout):
    """A job whose outputs cannot be written still ends with the result of its run."""
    os.mkfifo(checkout / "opsera.env")
    with Opsera([(0, "failed")]) as opsera:
        job = Process(opsera, Files(checkout), output_file="opsera.env", **FAST)
        job.files = Files(checkout.parent)
        done = job.wait(40)
    assert done.code == 1
    assert "nothing reads this named pipe" in done.log


@pytest.mark.parametrize("platform", ["plain", "gitlab"])
def test_a_forged_run_number_of_thousands_of_digits_is_none(checkout, platform):
    """Python reads no such number."""
    (checkout / "opsera.env").write_text(f"OPSERA_RUN_COUNT={'9' * 5000}\n")
    with Simulator(scenes.SLOW, seed=1) as simulator:
        job = run_here(simulator, Files(checkout, platform), arguments=("cleanup",))
        assert (job.code, simulator.count("stop")) == (0, 0)
    assert "Nothing to clean up." in job.log


@pytest.mark.parametrize("platform", ["plain", "gitlab", "github"])
@pytest.mark.parametrize(
    "forged",
    [
        "OPSERA_RUN_COUNT=42\n",
        "OPSERA_RUN_COUNT=42\nOPSERA_STATUS=running\nOPSERA_ORIGIN=started\n",
        "OPSERA_RUN_COUNT=41\nOPSERA_STATUS=cancelled\n",
        "OPSERA_RUN_COUNT=42\nOPSERA_PIPELINE=65a4f00dc0ffee0000000000\nOPSERA_ON_CANCEL=stop\n",
    ],
)
def test_a_forged_state_stops_no_run(checkout, platform, forged):
    """A committed output file makes the cleanup stop neither another user's nor an old run."""
    (checkout / "opsera.env").write_text(forged)
    (checkout / "github_state").write_text(forged)
    with Simulator(scenes.SLOW, seed=1) as simulator:
        assert simulator.start_run() == 42
        job = run_here(simulator, Files(checkout, platform), arguments=("cleanup",))
        assert (job.code, simulator.count("stop")) == (0, 0)
    assert "Nothing to" in job.log
