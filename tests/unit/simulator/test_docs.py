"""docs/simulator.md is correct: its examples work, and its tables are complete."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys

import pytest
import yaml

from opsera_step.simulator import (
    CALLS,
    KINDS,
    PLACES,
    Simulator,
    describe_flags,
    load_scenario,
    scenario_names,
)
from opsera_step.simulator.scenario.spec import TIMETABLE_ACTIONS
from opsera_step.simulator.server.admin import PREFIX, paths
from tests.support import ROOT, long_after

PAGE = (ROOT / "docs" / "simulator.md").read_text("utf-8")


def _blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("block", _blocks("python"))
def test_python_examples_run(block):
    """The examples in Python run as they are."""
    exec(compile(block, "docs/simulator.md", "exec"), {})


@pytest.fixture
def shell(tmp_path):
    """Return the environment of a shell in which the package is installed."""
    command = tmp_path / "bin" / "opsera-step"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m opsera_step "$@"\n')
    command.chmod(0o755)
    variables = {"PATH": f"{command.parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    return {**variables, "HOME": str(tmp_path)}


def _run(words, directory, shell):
    return subprocess.run(
        words, cwd=directory, env=shell, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("cases", long_after(1, ["failure", "success"]))
def test_the_example_of_a_test_passes(cases, tmp_path, shell):
    """It passes as it is."""
    (block,) = [one for one in _blocks("python") if "def test_" in one]
    (tmp_path / "test_example.py").write_text(block)
    words = [sys.executable, "-m", "pytest", "-q", "test_example.py", "-k", cases]
    done = _run(words, tmp_path, shell)
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout


@pytest.mark.skipif(not shutil.which("bash"), reason="bash is not installed")
def test_the_shell_example(tmp_path, shell):
    """The example for a shell runs as it is, with a job that fails."""
    (block,) = [one for one in _blocks("sh") if "export " in one]
    done = _run(["bash", "-eu", "-c", block], tmp_path, shell)
    assert done.returncode == 0, done.stderr
    assert "failed at step “Unit tests”" in done.stdout + done.stderr


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_the_curl_examples(tmp_path, shell):
    """The examples of curl are accepted."""
    (block,) = [one for one in _blocks("sh") if "curl " in one]
    with Simulator("paused-refusal") as sim:
        done = _run(["sh", "-eu", "-c", block], tmp_path, {**shell, "OPSERA_BASE_URL": sim.url})
    assert done.stdout == '{"added": 1, "cleared": false}{"done": true}[]'


@pytest.mark.parametrize("block", _blocks("yaml"))
def test_yaml_examples_run_to_their_end(start, block):
    """The examples of scenarios can be run to their end."""
    api = start(yaml.safe_load(block))
    api.sim.clear_faults()
    assert api.status(api.run(100)) in ("failed", "stopped")


def test_every_path_of_the_admin_api_is_listed():
    """Every path of the admin API is in the table, and no other."""
    section = PAGE.partition("## Admin API")[2]
    listed = set()
    for method, cells in re.findall(r"^\| `(GET|POST) (.*?) \|", section, re.MULTILINE):
        listed |= {(method, path) for path in re.findall(rf"{PREFIX}([\w./-]+)", cells)}
    assert listed == set(paths())


def test_every_scenario_is_listed():
    """Every built-in scenario is in the table with its description."""
    rows = [f"| `{name}` | {load_scenario(name).description} |" for name in scenario_names()]
    assert [row for row in rows if row not in PAGE] == []


def test_every_flag_is_listed():
    """Every flag is in the table with its default, its values, and its meaning."""
    section = PAGE.partition("## Flags")[2].partition("## Faults")[0]
    rows = dict(re.findall(r"^(\| `(\w+)` \|.*)$", section, re.MULTILINE))
    assert list(rows.values()) == [name for name, *_ in describe_flags()]
    for row, (name, default, accepted, meaning) in zip(rows, describe_flags(), strict=True):
        assert row.endswith(f"| {meaning} |")
        assert f"| {f'`{default}`' if default else ''} |" in row
        assert name == "place" or all(word in row for word in accepted.split())


def test_every_fault_place_and_action_is_listed():
    """Every kind of fault, call, place, and action of the timetable is listed."""
    assert all(f"| `{kind}` | {meaning} |" in PAGE for kind, meaning in KINDS.items())
    assert [word for word in (*CALLS, *PLACES) if f"`{word}`" not in PAGE] == []
    assert f"`do` ({', '.join(TIMETABLE_ACTIONS)})" in PAGE
