"""Text of the API is data: through each platform's real output, whatever it holds.

The judges are `tests.oracles`, which import nothing of this package.
"""

from __future__ import annotations

import io
import itertools

import pytest

from opsera_step.clock import FakeClock
from opsera_step.display import JobLog, LogLimit, print_result
from opsera_step.outcome import Outcome
from opsera_step.platforms import platform_class
from opsera_step.runs import events
from opsera_step.simulator import Simulator
from opsera_step.text import MASK, Scrubber, split_lines
from tests.oracles import (
    github_files,
    github_runner,
    gitlab_dotenv,
    gitlab_log,
    hostile,
    secrets,
    terminal,
)
from tests.support import scenes
from tests.support.hostile import forms, play_hostile, texts
from tests.support.jobs import play

pytestmark = pytest.mark.timeout(180)
COUNTS = [5_000, pytest.param(100_000, marks=pytest.mark.long)]
"""Samples for each of the four platforms, other ones for each."""
BATCH = 100
TOKEN = "tok_PhoNey+Secret/0123456789=="
LONGEST_FORM = 400
OWN_COMMANDS = {"add-mask", "group", "endgroup", "error", "warning"}


def drawn(log: str) -> list[str]:
    """Return the lines of a terminal: what was erased, our own moving line, is gone."""
    return [line.rpartition("\r\x1b[K")[2] for line in log.split("\n")]


def obeyed_on_github(log: bytes) -> github_runner.Runner:
    """Let the runner read a log, and hold what it obeyed against what we may ask of it."""
    runner = github_runner.Runner().feed(log)
    assert {found.name for found in runner.commands} <= OWN_COMMANDS
    assert all(found.version == 2 for found in runner.commands)
    assert runner.forged == []
    assert runner.unrecognized == []
    assert not runner.stopped
    assert runner.balanced
    return runner


def obeyed_on_gitlab(log: bytes) -> gitlab_log.Log:
    """Let both of GitLab's readers read a log, and hold what they obeyed to what we may ask.

    Each reads it as it is, and as a runner stores it that stamps each line.
    """
    for engine, stored in itertools.product((1, 2), (log, gitlab_log.stamp(log))):
        found = gitlab_log.parse(stored, engine=engine)
        own = {f"opsera_step_{number}" for number in range(1, len(found.sections) + 1)}
        assert found.forged(own) == []
        assert found.balanced
        assert not found.leaks
        assert not found.swallowed_line_ends
        assert set(found.erased) <= {""}
        assert set(found.dropped) <= {b"\x1b[0K"}
    return gitlab_log.parse(log)


def obeyed_on_a_screen(log: str) -> None:
    """A terminal or a log viewer prints, ends lines and sets colors that end with their line."""
    assert terminal.effects(log) == []


class Played:
    """A job log of thousands of samples, printed by a real platform."""

    def __init__(self, platform: str, seed: int, count: int) -> None:
        """Print all samples: as lines, and now and then as names, messages and sentences."""
        self.count = count
        self.out, self.clock = io.StringIO(), FakeClock()
        self.leaked: set[str] = set()
        environ = {"TERM": "xterm"}
        self.sink = platform_class(platform)(environ, self.out, self.clock)
        self.scrubber = Scrubber(TOKEN)
        self.log = JobLog(self.sink, self.scrubber, self.clock, LogLimit(None))
        samples = texts(seed, count)
        leaks = itertools.cycle(forms(TOKEN))
        for start in range(0, count, BATCH):
            leak = next(leaks)
            lines = [*samples[start + 2 : start + BATCH], f"leak {leak}"]
            self.print(samples[start], samples[start + 1], lines)
            self.leaked |= {leak}
        self.log.finish()
        name, message = (self.scrubber.inline(text, 200) for text in samples[40:42])
        outcome = Outcome("failed", 1, message, "", "p", name, 42, failed_step=name)
        print_result(outcome, self.log, log_wanted=True)

    def print(self, name: str, message: str, lines: list[str]) -> None:
        """Print a batch as a step's, with a hostile name, and quote a hostile message."""
        split = tuple(itertools.chain.from_iterable(map(split_lines, lines)))
        # By turns a step that is new and one that was there before.
        step_id = f"{len(name) % 7}"
        self.log.show(events.LogLines(step_id, name, message[:100], split))
        self.log.show(events.Note(message, warning=True))

    @property
    def raw(self) -> bytes:
        return self.out.getvalue().encode("utf-8", "replace")


def no_token_in(played: Played) -> None:
    """The token is never readable in the output, and each occurrence is masked."""
    printed = b"\n\n".join(one[:LONGEST_FORM] for one in played.raw.split(b"leak ")[1:])
    assert secrets.find(TOKEN, printed) == []
    assert played.leaked == set(forms(TOKEN))
    assert max(map(len, played.leaked)) < LONGEST_FORM
    assert printed.count(MASK.encode()) >= played.count / BATCH


@pytest.mark.parametrize("count", COUNTS)
def test_nothing_is_obeyed_on_github(count):
    """No sample runs a workflow command, forges a group, or stops ours."""
    played = Played("github", 5, count)
    runner = obeyed_on_github(played.raw)
    assert len(runner.groups) > 30
    assert [one.level for one in runner.annotations] == ["error", "warning"]
    no_token_in(played)


@pytest.mark.parametrize("count", COUNTS)
def test_nothing_is_obeyed_on_gitlab(count):
    """No sample opens or ends a section, erases text, or leaves a color on."""
    played = Played("gitlab", 6, count)
    log = obeyed_on_gitlab(played.raw)
    assert len(log.sections) > 30
    no_token_in(played)


@pytest.mark.parametrize("count", COUNTS)
def test_nothing_is_obeyed_on_a_terminal(count):
    """No sample moves the cursor, sets a title, or leaves a color on."""
    played = Played("terminal", 7, count)
    obeyed_on_a_screen("\n".join(drawn(played.out.getvalue())))
    no_token_in(played)


@pytest.mark.parametrize("count", COUNTS)
def test_nothing_is_obeyed_elsewhere(count):
    """No sample leaves an escape in a log without colors."""
    played = Played("plain", 8, count)
    obeyed_on_a_screen(played.out.getvalue())
    assert "\x1b" not in played.out.getvalue()
    no_token_in(played)


@pytest.mark.parametrize("platform", ["plain", "github", "gitlab", "terminal"])
def test_harmless_lines_are_left_alone(platform):
    """What tools usually print comes out unchanged on every platform."""
    out = io.StringIO()
    sink = platform_class(platform)({"TERM": "xterm"}, out, FakeClock())
    harmless = [one.text for one in hostile.samples(9, 3000) if one.harmless]
    log = JobLog(sink, Scrubber(TOKEN), FakeClock(), LogLimit(None))
    for text in harmless:
        log.show(events.LogLines("", "", "", tuple(split_lines(text))))
    log.end_group()
    assert drawn(out.getvalue())[1 : len(harmless) + 1] == harmless


def test_a_hostile_job_on_github(tmp_path):
    """A whole job on GitHub: no command but ours, outputs and summary as they should be."""
    job, token = play_hostile(tmp_path, "github", report_dir=str(tmp_path / "report"))
    runner = obeyed_on_github(job.log.encode("utf-8", "replace"))
    outputs = github_files.outputs((tmp_path / "github_output").read_bytes())
    summary = github_files.summary((tmp_path / "github_step_summary").read_bytes())
    assert (job.code, outputs.error, summary.error) == (1, None, None)
    assert set(outputs.values) == set(scenes.OUTPUTS)
    assert outputs.values["status"] == "failed"
    assert runner.masks == [token]
    for written in ("github_output", "github_step_summary", "report/log.txt", "report/result.json"):
        assert secrets.find(token, (tmp_path / written).read_bytes()) == []
    assert secrets.find(token, "\n".join(runner.log).encode("utf-8", "replace")) == []


def test_a_hostile_job_on_gitlab(tmp_path):
    """A whole job on GitLab: no section but ours, and a report within the rules."""
    job, token = play_hostile(tmp_path, "gitlab")
    obeyed_on_gitlab(job.log.encode("utf-8", "replace"))
    report = gitlab_dotenv.check((tmp_path / "opsera.env").read_bytes())
    assert (job.code, report.violations) == (1, [])
    assert report.variables["OPSERA_STATUS"] == "failed"
    assert secrets.find(token, job.log.encode("utf-8", "replace")) == []
    assert secrets.find(token, (tmp_path / "opsera.env").read_bytes()) == []


def test_a_hostile_job_elsewhere(tmp_path):
    """A whole job elsewhere: no escape, one line for each output, the token nowhere."""
    job, token = play_hostile(tmp_path, "plain")
    obeyed_on_a_screen(job.log)
    lines = (tmp_path / "opsera.env").read_text("utf-8").splitlines()
    assert job.code == 1
    assert [line.partition("=")[0] for line in lines if not line.startswith("OPSERA_")] == []
    assert len(lines) == len(scenes.OUTPUTS)
    assert secrets.find(token, job.log.encode("utf-8", "replace")) == []


@pytest.mark.parametrize("platform", ["plain", "github", "gitlab"])
def test_the_hostile_demo(tmp_path, platform):
    """The scenario `hostile` of the demo does no harm either."""
    clock = FakeClock()
    with Simulator("hostile", clock=clock, seed=1) as simulator:
        job = play(simulator, clock, tmp_path, platform)
        token = simulator.token
    raw = job.log.encode("utf-8", "replace")
    judge = {"github": obeyed_on_github, "gitlab": obeyed_on_gitlab}.get(platform)
    if judge is not None:
        judge(raw)
    else:
        obeyed_on_a_screen(job.log)
    shown = b"\n".join(line for line in raw.split(b"\n") if not line.startswith(b"::add-mask::"))
    assert secrets.find(token, shown) == []
