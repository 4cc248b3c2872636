"""Where the bars of a timeline are."""

from __future__ import annotations

import pytest

from opsera_step.api import State
from opsera_step.report.timeline import SCALE, timeline
from opsera_step.runs import StepResult


def step(began: float | None, seconds: float | None, state=State.SUCCESS, waited=None):
    return StepResult("x", "", state, seconds, began, waited=waited)


def test_bars_lie_where_their_time_is():
    """The scale goes from the first beginning to the last end, in the plan's order."""
    found = timeline((step(100.0, 10.0), step(110.0, 30.0, waited=20.0)))
    assert (found.began, found.length) == (100.0, 40.0)
    assert [(bar.x, bar.width, bar.wait) for bar in found.bars] == [(0, 250, 0), (250, 750, 500)]
    assert [(bar.start, bar.took, bar.is_open) for bar in found.bars] == [
        (0.0, 10.0, False),
        (10.0, 30.0, False),
    ]


def test_what_is_not_known_has_no_bar():
    """A step without a beginning or without a duration is left out, and moves no other."""
    found = timeline((step(None, 5.0), step(7.0, None), step(100.0, 10.0)))
    assert found.bars[:2] == (None, None)
    assert (found.bars[2].x, found.bars[2].width) == (0, SCALE)
    assert timeline((step(None, None),)).bars == (None,)
    assert timeline(()).ticks == ()


@pytest.mark.parametrize("state", [State.RUNNING, State.PAUSED])
def test_what_has_not_ended_goes_on_to_the_edge(state):
    """The bar of a step that still runs or waits ends with the scale."""
    bar = timeline((step(0.0, 50.0), step(50.0, 1.0, state), step(50.0, 50.0))).bars[1]
    assert (bar.x, bar.width, bar.is_open) == (500, 500, True)
    assert bar.wait == (500 if state is State.PAUSED else 0)


@pytest.mark.parametrize("began", [0.0, 3600.0])
def test_the_shortest_can_be_seen(began):
    """A step of no time is still a line, also at the very end of the scale."""
    bar = timeline((step(0.0, 3600.0), step(began, 0.0))).bars[1]
    assert bar.width > 0
    assert bar.x + bar.width <= SCALE
    only = timeline((step(5.0, 0.0),))
    assert only.bars[0].width > 0
    assert only.ticks == ()


@pytest.mark.parametrize(
    ("length", "seconds"),
    [
        (4.0, [1, 2, 3, 4]),
        (14.0, [5, 10]),
        (75.0, [15, 30, 45, 60, 75]),
        (7200.0, [1800, 3600, 5400, 7200]),
        (86400.0 * 400, [86400 * 100 * n for n in (1, 2, 3, 4)]),
    ],
)
def test_the_scale_has_few_round_marks(length, seconds):
    """At most five marks, at times that people count in."""
    ticks = timeline((step(0.0, length),)).ticks
    assert [second for _, second in ticks] == seconds
    assert [place for place, _ in ticks] == [round(1000 * one / length) for one in seconds]
