"""The steps below the log: done, running, to come; derived from whose lines arrive."""

from __future__ import annotations

import pytest

from opsera_step.api import Step
from opsera_step.clock import FakeClock
from opsera_step.display.progress import StepProgress


def progress(*names: str) -> tuple[StepProgress, FakeClock]:
    clock = FakeClock()
    made = StepProgress(clock.monotonic)
    made.set_plan([Step(name, name) for name in names], lambda text, limit: text[:limit])
    return made, clock


def test_steps_go_from_to_come_to_done():
    """A step is running from its first line until a later one prints lines; then it is done."""
    made, clock = progress("Build", "Test", "Deploy")
    assert made.lines(9) == [("○ Build", ""), ("○ Test", ""), ("○ Deploy", "")]
    made.line_seen("Build")
    clock.sleep(5)
    assert made.lines(9)[0] == ("● Build", "5s")
    made.line_seen("Build")
    clock.sleep(2)
    made.line_seen("Test")
    clock.sleep(60)
    assert made.lines(9) == [("✓ Build", "7s"), ("● Test", "1m"), ("○ Deploy", "")]


def test_parallel_steps_are_all_running():
    """Steps whose lines are interleaved are all running; one that falls silent is done."""
    made, clock = progress("A", "B", "C")
    for _ in range(3):
        for name in "ABC":
            made.line_seen(name)
            clock.sleep(0.2)
    assert [text[0] for text, _ in made.lines(9)] == ["●", "●", "●"]
    clock.sleep(9)
    made.line_seen("C")
    assert [text[0] for text, _ in made.lines(9)] == ["✓", "✓", "●"]


def test_a_gate_waits_until_the_run_resumed():
    """An approval step is waiting, for how long; a step without lines has no result."""
    made, clock = progress("Build", "Notify", "Approve", "Deploy")
    made.line_seen("Build")
    made.paused("Approve")
    clock.sleep(65)
    assert made.lines(9)[1:] == [("· Notify", ""), ("‖ Approve", "1m05s"), ("○ Deploy", "")]
    made.resumed()
    assert made.lines(9)[2] == ("● Approve", "1m05s")
    made.paused("Approve")
    made.line_seen("Deploy")
    assert made.lines(9)[2:] == [("✓ Approve", "1m05s"), ("● Deploy", "0s")]


def test_what_is_not_in_the_plan_is_not_shown():
    """Lines of an unknown step, and pauses at one, change nothing."""
    made, _ = progress("Build")
    made.line_seen("other")
    made.paused("other")
    assert made.lines(9) == [("○ Build", "")]


@pytest.mark.parametrize("count", [2, 8, 60])
@pytest.mark.parametrize("room", [0, 1, 3, 7])
def test_the_current_step_is_always_in_sight(count, room):
    """Of many steps those around the current one are shown; the others are counted."""
    names = [f"S{number}" for number in range(count)]
    for current in names:
        made, _ = progress(*names)
        made.line_seen(current)
        lines = [text for text, _ in made.lines(room)]
        assert len(lines) <= room
        if room:
            assert f"● {current}" in lines
        if room > 2:
            sums = [int(line.split()[1]) for line in lines if "steps" in line]
            assert sum(sums) + len(lines) - len(sums) == count
