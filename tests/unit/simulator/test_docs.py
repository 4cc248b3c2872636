"""docs/simulator.md says what is so."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from opsera_step.simulator.control import PREFIX, known_paths
from opsera_step.simulator.faults import CALLS, KINDS
from opsera_step.simulator.loading import load_scenario, scenario_names
from opsera_step.simulator.simulator import Simulator
from opsera_step.simulator.switches import PLACES, describe_switches

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "simulator.md").read_text("utf-8")


def _blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("block", _blocks("python"))
def test_python_examples_run(block):
    """The examples in Python run as they stand."""
    exec(compile(block, "docs/simulator.md", "exec"), {})


@pytest.fixture
def shell(tmp_path):
    """Return the environment of a shell in which the package is installed."""
    command = tmp_path / "bin" / "opsera-step"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m opsera_step "$@"\n')
    command.chmod(0o755)
    paths = {"PATH": f"{command.parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    return {**paths, "HOME": str(tmp_path)}


def _run(words, folder, shell):
    return subprocess.run(
        words, cwd=folder, env=shell, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("block", [one for one in _blocks("python") if "def test_" in one])
def test_examples_of_tests_pass(block, tmp_path, shell):
    """The examples that are tests pass as they stand."""
    (tmp_path / "test_example.py").write_text(block)
    done = _run([sys.executable, "-m", "pytest", "-q", "test_example.py"], tmp_path, shell)
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout


@pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash")
def test_a_workflow_is_tested(tmp_path, shell):
    """The example for a shell runs as it stands, and its job fails as it says."""
    (block,) = [one for one in _blocks("sh") if "export " in one]
    done = _run(["bash", "-eu", "-c", block], tmp_path, shell)
    assert done.returncode == 0, done.stderr
    assert "ERROR: Opsera pipeline failed" in done.stdout + done.stderr


@pytest.mark.skipif(not shutil.which("curl"), reason="there is no curl")
def test_curls(tmp_path, shell):
    """The examples of curl are welcome."""
    (block,) = [one for one in _blocks("sh") if "curl " in one]
    with Simulator("paused-refusal") as sim:
        done = _run(["sh", "-eu", "-c", block], tmp_path, {**shell, "OPSERA_BASE_URL": sim.url})
    assert done.stdout == '{"added": 1, "cleared": false}{"done": true}[]'


def test_paths_are_listed():
    """Every path of the control plane is listed, and no other."""
    section = PAGE.partition("## Control plane")[2]
    told = set()
    for method, paths in re.findall(r"^\| `(GET|POST) (.*?) \|", section, re.MULTILINE):
        told |= {(method, path) for path in re.findall(rf"{PREFIX}([\w./-]+)", paths)}
    assert told == set(known_paths())


@pytest.mark.parametrize("block", _blocks("yaml"))
def test_yaml_examples_play(start, block):
    """The examples of scenarios can be played to their end."""
    api = start(yaml.safe_load(block))
    api.sim.clear_faults()
    count = api.ask("run")["runCount"]
    api.clock.sleep(100)
    assert api.status(count) in ("failed", "stopped")


@pytest.mark.parametrize("name", scenario_names())
def test_scenarios_are_listed(name):
    """Every shipped scenario is listed with its description."""
    assert f"| `{name}` | {load_scenario(name).description} |" in PAGE


def test_switches_are_listed():
    """Every switch is listed with its default, its choices and its meaning."""
    section = PAGE.partition("## Switches")[2].partition("## Faults")[0]
    rows = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    assert rows == [name for name, *_ in describe_switches()]
    for name, default, takes, meaning in describe_switches():
        (row,) = re.findall(rf"^\| `{name}` \|.*$", section, re.MULTILINE)
        assert meaning in row
        assert not default or f"`{default}`" in row
        assert name == "place" or all(word in row for word in takes.split())


def test_faults_and_places_are_listed():
    """Every kind of fault, every call and every place is listed."""
    assert all(f"| `{kind}` | {meaning} |" in PAGE for kind, meaning in KINDS.items())
    assert all(f"`{word}`" in PAGE for word in (*CALLS, *PLACES))
