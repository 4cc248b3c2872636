"""The chart of the steps: readable at any number, and no name of a step is obeyed."""

from __future__ import annotations

import re

import pytest

from opsera_step.api import State
from opsera_step.report.gantt import MOST_BARS, gantt, label
from opsera_step.runs import StepResult
from tests.oracles import hostile

NOON = 1_700_000_000.0
BAR = re.compile(r"    [✓✗■‖·] ([^:;#%`<>{}\"|\[\]\n]+) :((?:done|crit|active), )*(\d+), (\d+)")
"""A bar as Mermaid's grammar reads it, its name free of all that begins something else there."""


def step(name: str, start: float, took: float, state: State | None = State.SUCCESS) -> StepResult:
    return StepResult(name, "", state, took, NOON + start)


def test_without_times_there_is_no_chart():
    """What is not known is not drawn."""
    assert gantt([StepResult("Build"), StepResult("Test", seconds=4.0)]) == ([], 0)
    assert gantt([]) == ([], 0)


def test_each_state_has_its_sign_and_its_kind():
    """States can be told apart without colours too."""
    lines, shown = gantt(
        [step(str(state), n, 1.0, state) for n, state in enumerate([*State, None])]
    )
    assert shown == len(State) + 1
    assert [line.strip()[0] for line in lines[5:]] == ["✓", "✗", "■", "‖", "·", "·", "·"]
    assert sum("crit" in line for line in lines) == 2


@pytest.mark.parametrize(
    ("length", "interval", "axis"),
    [
        (0.0, "1second", "%H:%M:%S"),
        (8.0, "1second", "%H:%M:%S"),
        (70.0, "10second", "%H:%M:%S"),
        (600.0, "2minute", "%H:%M:%S"),
        (7200.0, "15minute", "%H:%M"),
        (86400.0 * 3, "10hour", "%H:%M"),
        (86400.0 * 900, "10day", "%H:%M"),
    ],
)
def test_the_axis_suits_the_length(length, interval, axis):
    """However long the run there are a few ticks, each with a text of its own."""
    lines, _ = gantt([step("Build", 0, length)])
    assert f"    tickInterval {interval}" in lines
    assert f"    axisFormat {axis}" in lines


def test_of_many_steps_the_longest_and_the_bad_ones_are_shown():
    """Sixty bars can't be told apart: the longest are shown, in their order, and all bad ones."""
    steps = [step(f"S{n}", n * 100.0, n + 1.0) for n in range(60)]
    steps[0] = step("S0", 0.0, 0.1, State.FAILED)
    lines, shown = gantt(steps)
    names = [re.findall(r"S\d+", line)[0] for line in lines[5:]]
    assert shown == len(names) == MOST_BARS
    assert names == ["S0", *(f"S{n}" for n in range(31, 60))]


def test_a_step_without_length_can_be_seen():
    """A step that took no time still has a bar."""
    lines, _ = gantt([step("A", 0.0, 0.0), step("B", 0.0, 1000.0)])
    found = [BAR.fullmatch(line) for line in lines[5:]]
    assert [int(one[4]) - int(one[3]) for one in found if one] == [4000, 1_000_000]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Unit tests", "Unit tests"),
        ("section a : b; c #1 %% d", "section a b c 1 d"),
        ("日本語 ビルド", "日本語 ビルド"),
        ("```<b>&amp;", "b amp"),
        ("", "step"),
        (":::", "step"),
        ("x" * 99, "x" * 31 + "…"),
    ],
)
def test_a_name_is_letters_and_digits(name, shown):
    """Mermaid can quote no name, so what it might obey is left out of it."""
    assert label(name) == shown


def test_hostile_names_are_obeyed_by_nobody():
    """Of hundreds of hostile names each is one bar, and nothing but a bar."""
    for sample in hostile.samples(31, 400):
        lines, _ = gantt([step(" ".join(sample.text.split()), 0.0, 5.0)])
        assert BAR.fullmatch(lines[-1]), lines[-1]
        assert len(lines) == 6
