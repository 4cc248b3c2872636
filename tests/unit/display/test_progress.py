"""The steps below the log: done, going on, to come; told from whose lines come."""

from __future__ import annotations

import pytest

from opsera_step.api import Step
from opsera_step.clock import FakeClock
from opsera_step.display.progress import StepProgress


def board(*names: str) -> tuple[StepProgress, FakeClock]:
    clock = FakeClock()
    made = StepProgress(clock.monotonic)
    made.plan([Step(name, name) for name in names], lambda text, limit: text[:limit])
    return made, clock


def test_steps_go_from_to_come_to_done():
    """A step goes on from its first line until a later one speaks; then it stands as done."""
    made, clock = board("Build", "Test", "Deploy")
    assert made.lines(9) == [("○ Build", ""), ("○ Test", ""), ("○ Deploy", "")]
    made.spoke("Build")
    clock.sleep(5)
    assert made.lines(9)[0] == ("● Build", "5s")
    made.spoke("Build")
    clock.sleep(2)
    made.spoke("Test")
    clock.sleep(60)
    assert made.lines(9) == [("✓ Build", "7s"), ("● Test", "1m00s"), ("○ Deploy", "")]


def test_steps_that_go_on_side_by_side():
    """Steps whose lines come mixed all go on; one that falls silent is done."""
    made, clock = board("A", "B", "C")
    for _ in range(3):
        for name in "ABC":
            made.spoke(name)
            clock.sleep(0.2)
    assert [text[0] for text, _ in made.lines(9)] == ["●", "●", "●"]
    clock.sleep(9)
    made.spoke("C")
    assert [text[0] for text, _ in made.lines(9)] == ["✓", "✓", "●"]


def test_a_gate_waits_until_the_run_goes_on():
    """A gate stands as waiting, for how long; a step that was passed in silence is not made up."""
    made, clock = board("Build", "Notify", "Approve", "Deploy")
    made.spoke("Build")
    made.waits("Approve")
    clock.sleep(65)
    assert made.lines(9)[1:] == [("· Notify", ""), ("‖ Approve", "1m05s"), ("○ Deploy", "")]
    made.goes_on()
    assert made.lines(9)[2] == ("● Approve", "1m05s")
    made.waits("Approve")
    made.spoke("Deploy")
    assert made.lines(9)[2:] == [("✓ Approve", "1m05s"), ("● Deploy", "0s")]


def test_what_is_not_in_the_plan_is_no_step():
    """Lines of an unknown step, and gates of none, change nothing."""
    made, _ = board("Build")
    made.spoke("other")
    made.waits("other")
    assert made.lines(9) == [("○ Build", "")]


def test_inactive_steps_are_left_out():
    """A step that is switched off is never to come."""
    made = StepProgress(FakeClock().monotonic)
    made.plan([Step("a", "A"), Step("b", "B", active=False)], lambda text, _limit: text)
    assert made.lines(9) == [("○ A", "")]


@pytest.mark.parametrize("count", [2, 4, 8, 60])
@pytest.mark.parametrize("room", [0, 1, 2, 3, 4, 7])
def test_the_step_that_goes_on_is_always_in_sight(count, room):
    """Of many steps those around now are shown; the others are summed up, none is forgotten."""
    names = [f"S{number}" for number in range(count)]
    for current in names:
        made, _ = board(*names)
        made.spoke(current)
        lines = [text for text, _ in made.lines(room)]
        assert len(lines) <= room
        if room:
            assert f"● {current}" in lines
        if room > 2:
            sums = [int(line.split()[1]) for line in lines if "steps" in line]
            assert sum(sums) + len(lines) - len(sums) == count
