"""One stop call, for our run only, and the truth about what came of it."""

from __future__ import annotations

from itertools import product

import pytest

from opsera_step.api import Run, RunStatus, State
from opsera_step.clock import Deadline, FakeClock
from opsera_step.errors import ApiError, Forbidden, NotFound, Rejected, Unavailable
from opsera_step.runs import RunState, stop_run
from tests.unit.fake_opsera import (
    OTHER,
    PIPELINE,
    US,
    FakeOpsera,
    unavailable,
    unreachable,
)

BUDGET = 4.0


class Flaky(FakeOpsera):
    """A fake Opsera whose status call fails as told, and which keeps to deadlines like a client."""

    status_faults: list[ApiError] = []  # noqa: RUF012 - set by each test
    hanging = frozenset()

    def status(self, run, deadline):
        if self.status_faults:
            self._call("status")
            raise self.status_faults.pop(0)
        return super().status(run, deadline)

    def stop(self, pipeline_id, deadline):
        said = super().stop(pipeline_id, deadline)
        if "stop" in self.hanging:
            self.clock.sleep(max(0.1, deadline.remaining))
            raise unreachable(never_accepted=False)
        return said

    def summary(self, pipeline_id, deadline):
        if "summary" in self.hanging:
            self.clock.sleep(max(0.1, deadline.remaining))
            raise unreachable(never_accepted=False)
        return super().summary(pipeline_id, deadline)


def world(*users, state="success", duration=600.0, **rest):
    """Make a pipeline whose runs 6, 7, … were asked for by some users, one behind the other."""
    api = Flaky(FakeClock(), state, duration=duration, **rest)
    for user in users:
        api.accept(user)
    api.clock.sleep(1.0)
    return api


def stop(api, count, *, is_current=False, budget=BUDGET):
    began = api.clock.monotonic()
    deadline = Deadline.after(api.clock, budget)
    state = RunState.watching(Run(PIPELINE, count))
    stopped = stop_run(api, state, api.clock, deadline, is_active=is_current)
    assert api.clock.monotonic() - began <= budget + 0.5, "it has to end in its time"
    assert api.times("stop") <= 1, "one stop call only"
    for run in api.runs:
        assert run.user == US or not run.stopped, "somebody else's run was stopped"
    assert stopped.sentence.endswith(".")
    return stopped


@pytest.mark.parametrize("is_current", [True, False])
def test_our_run_is_stopped_and_confirmed(is_current):
    """A run that goes gets one stop call, and is reported as stopped."""
    api = world(US)
    stopped = stop(api, 6, is_current=is_current)
    assert (stopped.sentence, stopped.failure) == ("Run 6 is stopped.", None)
    assert stopped.status == RunStatus(State.STOPPED, "stopped")
    assert api.runs[0].stopped


def test_known_runs_are_stopped_at_once():
    """Where the run is known to go, nothing is asked before the stop call."""
    api = world(US)
    stop(api, 6, is_current=True)
    assert api.calls[0] == "stop"


def test_a_soft_stop_takes_longer():
    """A run that finishes its operation first is said to be asked, not to be stopped."""
    api = world(US)
    api.stop_faults = [(False, None)]
    stopped = stop(api, 6)
    assert stopped.sentence == (
        "Run 6 was asked to stop; it finishes its current operation first. Stopping."
    )
    assert (stopped.status.state, stopped.failure) == (State.RUNNING, None)


def test_a_paused_run_is_stopped():
    """A run that waits at a gate is under way."""
    api = world(US)
    api.pause_at(1.0)
    api.clock.sleep(1.0)
    assert stop(api, 6).sentence == "Run 6 is stopped."


@pytest.mark.parametrize("counts_at_once", [False, True])
@pytest.mark.parametrize("knows_queued", [False, True])
@pytest.mark.parametrize("users", [(OTHER, US), (OTHER, OTHER, US)])
def test_a_run_that_waits_behind_another_is_left(users, counts_at_once, knows_queued):
    """A queued run can't be withdrawn: the stop call would hit the run in front."""
    api = world(*users, counts_at_once=counts_at_once, knows_queued=knows_queued)
    stopped = stop(api, 5 + len(users))
    assert api.times("stop") == 0
    assert "so it was left" in stopped.sentence.replace("so it was left and", "so it was left")


@pytest.mark.parametrize("counts_at_once", [False, True])
def test_our_run_is_stopped_although_another_waits(counts_at_once):
    """A run queued behind ours does not hide that ours is going."""
    api = world(US, OTHER, counts_at_once=counts_at_once)
    assert stop(api, 6).sentence == "Run 6 is stopped."


@pytest.mark.parametrize("users", [(US,), (US, OTHER)])
def test_a_run_that_has_ended_is_not_stopped(users):
    """A run that is over stops nothing, least of all the one that goes now."""
    api = world(*users, duration=20.0)
    api.clock.sleep(25.0)
    stopped = stop(api, 6)
    assert api.times("stop") == 0
    assert stopped.sentence == "Run 6 is not going any more: it is success."
    assert stopped.status.value == "success"


@pytest.mark.parametrize("lost", [unreachable(never_accepted=False), unavailable(502)])
def test_a_lost_answer_is_settled_by_the_status(lost):
    """When the answer of the stop call is lost, the status tells; it is not sent again."""
    api = world(US)
    api.stop_faults = [(True, lost)]
    stopped = stop(api, 6)
    assert (stopped.sentence, stopped.failure) == ("Run 6 is stopped.", None)


@pytest.mark.parametrize(
    ("lost", "least"),
    [(unreachable(never_accepted=False), 3.0), (unreachable(never_accepted=True), 0.0),
     (Forbidden("HTTP 403."), 0.0), (Rejected("HTTP 400."), 0.0)],
    ids=str,
)  # fmt: skip
def test_a_stop_that_had_no_effect_is_told(lost, least):
    """A run that goes on is said to be going on, at once where the call surely had no effect."""
    api = world(US)
    api.stop_faults = [(False, lost)]
    began = api.clock.monotonic()
    stopped = stop(api, 6)
    assert stopped.failure is lost
    assert "could not be stopped and may still be going" in stopped.sentence
    assert least <= api.clock.monotonic() - began <= (least + 1.5 if least else 1.0)


def test_a_refused_stop_of_a_run_that_just_ended_is_no_failure():
    """The API may refuse to stop what has ended by itself in that moment."""
    api = world(US, duration=1.3)
    api.stop_faults = [(False, Rejected("nothing to stop."))]
    stopped = stop(api, 6)
    assert (stopped.sentence, stopped.failure) == ("Run 6 is success.", None)


def test_a_hanging_stop_leaves_time_to_look():
    """A stop call without an answer does not take all of the time."""
    api = world(US)
    api.hanging = {"stop"}
    assert stop(api, 6, is_current=True).sentence == "Run 6 is stopped."


def test_a_hiccup_of_the_status_call_is_lived_through():
    """A failed look does not end the looking."""
    api = world(US)
    api.status_faults = [unavailable(502), unavailable(502)]
    assert stop(api, 6, is_current=True).sentence == "Run 6 is stopped."


def test_one_bad_answer_is_no_reason_to_leave_a_run():
    """When the first look fails it is looked again, and our run is stopped."""
    api = world(US)
    api.status_faults = [unavailable(502)]
    stop(api, 6)
    assert api.times("stop") == 1


@pytest.mark.parametrize("errors", [[unavailable(502)] * 99, [Forbidden("HTTP 403.")]])
def test_without_knowing_nothing_is_stopped(errors):
    """When it can't be asked whether our run is the one that goes, nothing is stopped."""
    api = world(US)
    api.status_faults = list(errors)
    stopped = stop(api, 6)
    assert (api.times("stop"), stopped.failure) == (0, errors[0])


def test_a_bad_answer_is_no_reason_to_leave_a_run():
    """Whether our run is the one that goes is asked again, as long as there is time."""
    api = world(US)
    api.status_faults = [unavailable(502), unavailable(502)]
    assert stop(api, 6).sentence == "Run 6 is stopped."


def test_a_look_that_takes_all_the_time_stops_nothing():
    """A stop call that can't be answered any more is not sent."""
    api = world(US)
    api.status_faults = [NotFound("HTTP 404.")]
    api.hanging = {"summary"}
    assert "could not be stopped" in stop(api, 6).sentence
    api = world(US)
    assert "The time was up" in stop(api, 6, budget=0.1).sentence
    assert api.times("stop") == 0


def test_a_first_run_that_is_not_known_yet_is_stopped():
    """A run just started, which the status call does not know, is known by the summary."""
    for state, count in (("success", 6), ("never", 1)):
        api = world(US, state=state)
        api.status_faults = [NotFound("HTTP 404.")]
        assert stop(api, count).sentence == f"Run {count} is stopped."


def test_the_odd_word_is_settled_by_the_summary():
    """A word of state never seen before leaves it to the pipeline whether the run goes."""
    api = world(US)
    api.runs[0].word = "finishing"
    api.clock.sleep(700.0)
    assert stop(api, 6).sentence == "Run 6 is not going any more."


@pytest.mark.parametrize(
    ("users", "count", "sentence"),
    [((), 6, "has not begun"), ((US,), 7, "has not begun"), ((US,), 5, "is not going any more"),
     ((OTHER, OTHER, US), 8, "has not begun"), ((US, OTHER), 5, "is not going any more")],
)  # fmt: skip
def test_a_run_that_no_status_knows_is_settled_by_the_summary(users, count, sentence):
    """The pipeline's number tells of an unknown run whether it is to come or over."""
    api = world(*users)
    api.status_faults = [NotFound("HTTP 404.")]
    assert f"Run {count} {sentence}" in stop(api, count).sentence
    assert api.times("stop") == 0


def test_a_pipeline_at_rest_is_not_stopped():
    """An unknown run of a pipeline that rests is over."""
    api = world(US, duration=5.0)
    api.clock.sleep(10.0)
    api.status_faults = [NotFound("HTTP 404.")]
    assert stop(api, 6).sentence == "Run 6 is not going any more."
    assert api.times("stop") == 0


def test_no_mixture_stops_a_foreign_run():
    """In every order of runs, at every moment, with every oddity: only ours is ever stopped."""
    orders = [(US,), (OTHER, US), (US, OTHER), (OTHER, US, OTHER), (OTHER, OTHER, US)]
    moments, flags = [0.0, 15.0, 25.0, 45.0, 65.0], [False, True]
    errors: list[ApiError | None] = [None, NotFound("404."), Unavailable("503.")]
    for users, moment, at_once, knows, error in product(orders, moments, flags, flags, errors):
        api = world(*users, duration=20.0, counts_at_once=at_once, knows_queued=knows)
        api.clock.sleep(moment)
        api.status_faults = [error] if error else []
        ours = api.runs[users.index(US)]
        going = api.going(api.clock.monotonic()) is ours
        stopped = stop(api, ours.count)
        if going and error is None:
            assert ours.stopped, stopped
