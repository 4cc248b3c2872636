"""docs/simulator.md says what is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from opsera_step.simulator import (
    CALLS,
    KINDS,
    PLACES,
    describe_switches,
    load_scenario,
    scenario_names,
)

PAGE = (Path(__file__).parents[3] / "docs" / "simulator.md").read_text("utf-8")


def _blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("block", _blocks("python"))
def test_python_examples_run(block):
    """The examples in Python run as they stand."""
    exec(compile(block, "docs/simulator.md", "exec"), {})


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
    for name, default, takes, meaning in describe_switches():
        (row,) = re.findall(rf"^\| `{name}` \|.*$", section, re.MULTILINE)
        assert meaning in row
        assert not default or f"`{default}`" in row
        assert name == "place" or all(word in row for word in takes.split())


def test_faults_and_places_are_listed():
    """Every kind of fault, every call and every place is listed."""
    assert all(f"| `{kind}` | {meaning} |" in PAGE for kind, meaning in KINDS.items())
    assert all(f"`{word}`" in PAGE for word in (*CALLS, *PLACES))
