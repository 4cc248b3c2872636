"""Whole job logs as users see them, kept in `golden/`: what reads badly shows in a review.

Control characters are made visible there: ␛ is ESC, ␍ is CR.
"""

from __future__ import annotations

import signal
from typing import Any, NamedTuple

import pytest

from opsera_step.clock import FakeClock
from opsera_step.signals import Signals
from opsera_step.simulator import Simulator
from tests.oracles import github_runner, gitlab_log, terminal
from tests.support import scenes
from tests.support.golden import GOLDEN, assert_golden
from tests.support.jobs import Files, play_with


class Ending(NamedTuple):
    """How a job ends: what is simulated, the inputs, and when it is cancelled."""

    scenario: Any
    inputs: dict[str, str] = {}  # noqa: RUF012 - never changed
    cancelled_at: float | None = None


_SILENT = scenes.step("Load test", {"text": "1,000 users\n"}, duration=900)
ENDINGS = {
    "success": Ending("success"),
    "parallel": Ending("parallel"),
    "failure": Ending("failure"),
    "paused": Ending("approval"),
    "approved": Ending(scenes.APPROVED_LATER, {"on_paused": "wait"}),
    "cancelled": Ending("success", cancelled_at=8.0),
    "timeout": Ending(scenes.scenario(scenes.BUILD, _SILENT), {"timeout": "5m"}),
}
PLATFORMS = ("plain", "github", "gitlab")
_VISIBLE = {code: chr(0x2400 + code) for code in range(32) if code != 0x0A}


def golden(platform: str, ending: str) -> str:
    return (GOLDEN / f"{platform}-{ending}.log").read_text("utf-8")


def raw(platform: str, ending: str) -> bytes:
    """Return a golden log as it was printed."""
    shown = {shown: chr(code) for code, shown in _VISIBLE.items()}
    return golden(platform, ending).translate(str.maketrans(shown)).encode()


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_job_log_is_the_golden_one(tmp_path, platform, ending):
    """The whole job log is the one that was reviewed."""
    clock, signals, played = FakeClock(), Signals(), ENDINGS[ending]
    if played.cancelled_at is not None:
        clock.call_at(played.cancelled_at, lambda: signals.notice(signal.SIGTERM))
    with Simulator(played.scenario, clock=clock, seed=1) as simulator:
        job = play_with(simulator, clock, Files(tmp_path, platform), signals, **played.inputs)
        log = job.log.replace(simulator.url, "https://opsera.test")
        log = log.replace(simulator.token, "TOKEN")
    log = log.translate(_VISIBLE)
    assert_golden(f"{platform}-{ending}.log", log)


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_golden_logs_are_sound(ending):
    """Groups and sections balance, and colors end with their lines."""
    runner = github_runner.Runner().feed(raw("github", ending))
    sections = gitlab_log.parse(raw("gitlab", ending))
    assert runner.balanced and not runner.forged
    assert sections.balanced and not sections.leaks and not sections.swallowed_line_ends
    assert terminal.effects(raw("plain", ending).decode()) == []
    assert [group.title for group in runner.groups] == [one.header for one in sections.sections]


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_platform_shows_the_same_lines(ending):
    """Platforms differ in the frame, never in the lines of the log."""
    github = github_runner.Runner().feed(raw("github", ending))
    gitlab = gitlab_log.parse(raw("gitlab", ending))
    shown = {line for line in terminal.printed("\n".join(github.log)).splitlines() if line.strip()}
    for line in golden("plain", ending).splitlines():
        if line.strip() and not line.startswith("[opsera]"):
            assert line in shown
            assert line in gitlab.text
