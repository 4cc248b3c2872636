"""The demonstration: every scenario, as each platform would show it."""

from __future__ import annotations

import io
import re

import pytest

from opsera_step.cli.demo import DemoHost, list_scenarios, play
from opsera_step.clock import FakeClock
from opsera_step.config import Setting
from opsera_step.signals import Signals
from opsera_step.simulator import scenario_names
from tests.oracles import github_runner, gitlab_log, secrets, terminal

SETTINGS = {"show_outputs": True, "scenario": "success", "speed": 1.0, "flags": {}, "seed": 1}


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


def demo(platform: str, out: io.StringIO | None = None, **options) -> tuple[int, str]:
    """Run a demo on a fake clock; return its exit code and its log."""
    out = out or io.StringIO()
    stage = DemoHost(out, {"TERM": "xterm"}, Signals(), platform)
    return play(stage, **{**SETTINGS, "clock": FakeClock(), **options}), out.getvalue()


def test_the_list_has_every_scenario():
    """`demo --list` has a line for each scenario, with what happens in it."""
    out = io.StringIO()
    list_scenarios(out)
    shown = dict(line.split(maxsplit=1) for line in out.getvalue().splitlines())
    assert list(shown) == list(scenario_names())
    assert {"success", "failure", "hostile"} <= set(shown)
    assert all(text.strip().endswith(".") for text in shown.values())


@pytest.mark.parametrize(("scenario", "code"), [("success", 0), ("approval", 8)])
def test_the_exit_code_is_the_jobs(scenario, code):
    """A demo ends with the exit code of its scenario's job, and prints it."""
    ended, log = demo("plain", scenario=scenario)
    assert ended == code
    assert f"Exit code {code}. Outputs for later steps:" in log
    assert "  OPSERA_RUN_COUNT=42\n" in log
    # Which command that is depends on how it was started.
    assert "Next: add --list to this command" in log and "opsera-step demo" not in log


@pytest.mark.parametrize("platform", ["auto", "plain", "github", "gitlab", "terminal"])
def test_each_platform_can_be_shown(platform):
    """The log looks as it would on that platform, files and summary included."""
    code, log = demo(platform, Tty() if platform == "terminal" else None)
    assert code == 0
    assert ("::group::" in log) is (platform == "github")
    assert ("Step summary (Markdown):" in log) is (platform == "github")
    assert ("section_start:" in log) is (platform == "gitlab")
    assert ("\r\x1b[K" in log) is (platform == "terminal")
    assert ("[opsera] --- Build" in log) is (platform in ("auto", "plain"))


def test_a_demo_is_a_real_job():
    """What the demo shows stands up to the judges of a real job log."""
    github, gitlab = demo("github")[1], demo("gitlab")[1]
    assert github_runner.Runner().feed(github.encode()).balanced
    assert gitlab_log.parse(gitlab.encode()).balanced


@pytest.mark.parametrize("how", ["option", "OPSERA_ON_PAUSED"])
def test_inputs_of_the_job_are_taken(how):
    """How the job is to behave can be typed, or set in the environment as in a job."""
    out, options = io.StringIO(), {}
    environ = {"TERM": "xterm", "OPSERA_PIPELINE": "another", how: "wait"}
    if how == "option":
        options = {"on_paused": Setting("wait", "--on-paused")}
    stage = DemoHost(out, environ, Signals(), "plain", options)
    settings = {**SETTINGS, "show_outputs": False, "scenario": "approval"}
    code = play(stage, **settings, clock=FakeClock())
    assert code == 0
    assert "is waiting for approval at" in out.getvalue()


def test_the_token_shows_nowhere():
    """Not even the demo shows its token."""
    log = demo("plain")[1]
    token = re.search(r"add-mask::(.*)", demo("github")[1])
    assert token and secrets.find(token[1], log.encode()) == []
    assert terminal.effects(log) == []
