"""Stop calls for our run only, as long as there is time, and the truth about what came of them."""

from __future__ import annotations

from itertools import product

import pytest

from opsera_step.api import Run, RunStatus, State, state_of
from opsera_step.clock import Deadline, FakeClock
from opsera_step.errors import (
    ApiError,
    Forbidden,
    NotFound,
    Rejected,
    TimedOut,
    Unauthorized,
    Unavailable,
)
from opsera_step.runs import STARTED, RunState, StopResult, stop_run
from opsera_step.runs.state import ACTIVE_FOR
from tests.support.fake_opsera import OTHER, PIPELINE, US, FakeOpsera, unavailable, unreachable

BUDGET = 4.0
QUEUED = "is still queued and can't be cancelled"


class Hanging(FakeOpsera):
    """A fake Opsera whose requests hang as configured, and which keeps deadlines like a client."""

    hanging = frozenset()

    def stop(self, pipeline_id, deadline):
        response = super().stop(pipeline_id, deadline)
        self._hang("stop", deadline)
        return response

    def summary(self, pipeline_id, deadline):
        self._hang("summary", deadline)
        return super().summary(pipeline_id, deadline)

    def _hang(self, name, deadline):
        if name in self.hanging:
            self.clock.sleep(max(0.1, deadline.remaining))
            raise unreachable(never_accepted=False)


def world(*users, state="success", duration=600.0, **rest):
    """Make a pipeline whose runs 6, 7, … were requested by some users, one behind the other."""
    api = Hanging(FakeClock(), state, duration=duration, **rest)
    for user in users:
        api.accept(user)
    api.clock.sleep(1.0)
    return api


def stop(api, count, *, is_active=False, budget=BUDGET) -> StopResult:
    started = api.clock.monotonic()
    deadline = Deadline.after(api.clock, budget)
    state = RunState.watching(run := Run(PIPELINE, count))
    result = stop_run(api, run, state, api.clock, deadline, is_active=is_active)
    assert api.clock.monotonic() - started <= budget + 0.5, "it has to end in its time"
    for run in api.runs:
        assert run.user == US or not run.stopped, "another user's run was stopped"
    assert result.sentence.endswith(".")
    assert state.stop == result
    if result.status is not None:
        assert state.status == result.status
    return result


@pytest.mark.parametrize("is_active", [True, False])
def test_our_run_is_stopped_and_confirmed(is_active):
    """A run in progress gets one stop call, and is reported as stopped."""
    api = world(US)
    result = stop(api, 6, is_active=is_active)
    assert (result.sentence, result.failure) == ("Run 6 stopped.", None)
    assert result.status == RunStatus(State.STOPPED, "stopped")
    assert api.times("stop") == 1
    assert (api.calls[0] == "stop") is is_active, "a run known to be active is stopped at once"


def test_a_soft_stop_takes_longer():
    """A run that finishes its operation first is reported as stopping, not as stopped."""
    api = world(US)
    api.stop_faults = [(False, None)]
    result = stop(api, 6)
    assert result.sentence == ("Run 6 is stopping; the current operation finishes first. Stopping.")
    assert (result.status.state, result.failure) == (State.RUNNING, None)


def test_a_paused_run_is_stopped():
    """A run that waits for approval is active."""
    api = world(US)
    api.pause_at(1.0)
    api.clock.sleep(1.0)
    assert stop(api, 6).sentence == "Run 6 stopped."


@pytest.mark.parametrize("users", [(OTHER, US), (OTHER, OTHER, US)])
def test_a_queued_run_is_left_and_reported(users):
    """A queued run can't be withdrawn: the stop call would hit the run ahead."""
    for counts_at_once, knows_queued in product([False, True], repeat=2):
        api = world(*users, counts_at_once=counts_at_once, knows_queued=knows_queued)
        result = stop(api, 5 + len(users))
        assert api.times("stop") == 0
        assert result.is_queued or result.is_unknown
        assert result.failure is None


@pytest.mark.parametrize("counts_at_once", [False, True])
def test_our_run_is_stopped_although_another_is_queued(counts_at_once):
    """A run queued behind ours does not hide that ours is active."""
    api = world(US, OTHER, counts_at_once=counts_at_once)
    assert stop(api, 6).sentence == "Run 6 stopped."


@pytest.mark.parametrize("users", [(US,), (US, OTHER)])
def test_a_run_that_has_ended_is_not_stopped(users):
    """A run that is over stops nothing, least of all the one in progress now."""
    api = world(*users, duration=20.0)
    api.clock.sleep(25.0)
    result = stop(api, 6)
    assert api.times("stop") == 0
    assert result.sentence == "Nothing to stop: run 6 already finished (succeeded)."
    assert result.status.value == "success"


class TestFailures:
    """A stop call that fails is repeated while it would still hit our run."""

    @pytest.mark.parametrize("is_active", [True, False])
    def test_one_failure_is_not_the_end(self, is_active):
        """After any transient error that had no effect, the call is sent again."""
        for error in (
            unavailable(502), unavailable(429, 1.0), unavailable(503, 5.0),
            unreachable(never_accepted=False), unreachable(never_accepted=True),
            Unauthorized("HTTP 401."),
        ):  # fmt: skip
            api = world(US)
            api.stop_faults = [(False, error)]
            result = stop(api, 6, is_active=is_active)
            assert (result.sentence, result.failure) == ("Run 6 stopped.", None)
            assert api.times("stop") == 2

    @pytest.mark.parametrize("lost", [unreachable(never_accepted=False), unavailable(502)])
    def test_a_lost_response_is_settled_by_the_status(self, lost):
        """If the call had an effect, the status shows it, and no other call is sent."""
        api = world(US)
        api.stop_faults = [(True, lost)]
        api.runs[0].ends = 1e9
        api.clock.sleep(1.0)
        result = stop(api, 6)
        assert (result.sentence, result.failure) == ("Run 6 stopped.", None)

    def test_without_a_check_only_a_harmless_call_is_repeated(self):
        """While the status is unknown, a call is repeated only if it certainly had no effect."""
        down = [unavailable(502)] * 99
        api = world(US)
        api.stop_faults, api.status_faults = [(False, unavailable(502))] * 99, list(down)
        result = stop(api, 6, is_active=True)
        assert (api.times("stop"), result.failure.message) == (1, unavailable(502).message)
        api = world(US)
        api.stop_faults = [(False, unavailable(429, 1.0))] * 3
        api.status_faults = list(down)
        stop(api, 6, is_active=True)
        assert api.times("stop") == 4 and api.runs[0].stopped

    @pytest.mark.parametrize("error", [Forbidden("HTTP 403."), Rejected("HTTP 400.")], ids=str)
    def test_a_refused_call_is_reported_at_once(self, error):
        """A refusal is not repeated, and the result has that the run continues."""
        api = world(US)
        api.stop_faults = [(False, error)] * 9
        started = api.clock.monotonic()
        result = stop(api, 6)
        assert result.failure is error
        assert "could not be stopped and may still be in progress" in result.sentence
        assert api.clock.monotonic() - started <= 1.0
        assert api.times("stop") == 1

    @pytest.mark.parametrize("call", ["stop", "status"])
    def test_a_rejected_token_is_tried_twice_more(self, call):
        """A token that was accepted until now may be accepted again; longer it is not tried."""
        api, errors = world(US), [Unauthorized("HTTP 401.")] * 99
        if call == "stop":
            api.stop_faults = [(False, error) for error in errors]
        else:
            api.status_faults = errors
        assert stop(api, 6).failure is errors[0]
        assert api.times(call) == 3

    def test_endless_failures_end_with_the_time(self):
        """When the time is up the result is a failure, so that the post step tries again."""
        api = world(US)
        api.stop_faults = [(False, unavailable(503))] * 99
        result = stop(api, 6)
        assert result.failure is not None
        assert api.times("stop") >= 4

    def test_a_refused_stop_of_a_run_that_just_ended_is_no_failure(self):
        """The API may refuse to stop what has ended by itself in that moment."""
        api = world(US, duration=1.3)
        api.stop_faults = [(False, Rejected("nothing to stop."))]
        result = stop(api, 6)
        assert (result.sentence, result.failure) == (
            "Run 6 succeeded before the stop request.",
            None,
        )
        assert result.status.state is State.SUCCESS

    def test_a_hanging_stop_leaves_time_to_check(self):
        """A stop call without a response does not take all of the time."""
        api = world(US)
        api.hanging = {"stop"}
        result = stop(api, 6, is_active=True)
        assert (result.failure, result.status.state) == (None, State.STOPPED)

    @pytest.mark.parametrize("call", ["status", "summary"])
    def test_one_503_while_checking_does_not_prevent_the_stop(self, call):
        """Whether our run is the active one is checked again, as long as there is time."""
        api = world(US)
        api.status_faults = [unavailable(502), unavailable(502)]
        if call == "summary":
            api.status_faults = [NotFound("HTTP 404.")] * 2
            api.summary_faults = [unavailable(503)]
        assert stop(api, 6).sentence == "Run 6 stopped."

    @pytest.mark.parametrize("errors", [[unavailable(502)] * 99, [Forbidden("HTTP 403.")]])
    def test_without_knowing_nothing_is_stopped(self, errors):
        """When it can't be known whether our run is the active one, nothing is stopped."""
        api = world(US)
        api.status_faults = list(errors)
        result = stop(api, 6)
        assert (api.times("stop"), result.failure) == (0, errors[0])

    def test_a_check_that_takes_all_the_time_stops_nothing(self):
        """A stop call without time for its response is not sent."""
        api = world(US)
        api.status_faults = [NotFound("HTTP 404.")]
        api.hanging = {"summary"}
        assert "could not be stopped" in stop(api, 6).sentence
        api = world(US)
        assert isinstance(stop(api, 6, budget=0.1).failure, TimedOut)
        assert api.times("stop") == 0


class TestUnknownRuns:
    """A run that the status call does not return is judged by the summary."""

    def test_a_run_that_is_not_known_yet_is_stopped(self):
        """A run just started is known by the summary."""
        for state, count in (("success", 6), ("never", 1)):
            api = world(US, state=state)
            api.status_faults = [NotFound("HTTP 404.")]
            assert stop(api, count).sentence == f"Run {count} stopped."

    def test_a_summary_that_looks_idle_for_too_long(self):
        """The latest run, not known to have ended, is in progress, whatever else is shown."""
        api = world(US, state_lag=40.0)
        api.status_faults = [NotFound("HTTP 404.")]
        assert stop(api, 6).sentence == "Run 6 stopped."

    def test_an_unrecognized_status_is_settled_by_the_summary(self):
        """Whether such a run is active is left to the pipeline."""
        api = world(US)
        api.runs[0].word = "finishing"
        api.clock.sleep(700.0)
        assert stop(api, 6).sentence == "Nothing to stop: run 6 is not in progress."

    @pytest.mark.parametrize(
        ("users", "count", "sentence"),
        [((), 6, QUEUED), ((US,), 7, QUEUED), ((US,), 5, "is not in progress"),
         ((OTHER, OTHER, US), 8, QUEUED), ((US, OTHER), 5, "is not in progress")],
    )  # fmt: skip
    def test_the_run_number_tells(self, users, count, sentence):
        """The number of the latest run shows whether a run is queued or over."""
        api = world(*users)
        api.status_faults = [NotFound("HTTP 404.")]
        assert f"un {count} {sentence}" in stop(api, count).sentence
        assert api.times("stop") == 0

    @pytest.mark.parametrize("word", ["success", "failed", "stopped"])
    def test_a_final_status_that_does_not_last(self, word):
        """Between two steps, a run can look final for a moment; it is still stopped."""
        api = world(US)
        moment = RunStatus(state_of(word), word)
        usual, api.status = api.status, lambda run, deadline: moment
        api.clock.call_at(2.5, lambda: setattr(api, "status", usual))
        assert stop(api, 6).sentence == "Run 6 stopped."

    def test_a_final_status_after_the_stop_call_that_does_not_last(self):
        """With the time up before the end is certain, the run is stopping, not failed."""
        api = world(US)
        api.stop_faults = [(False, None)]
        usual = api.status
        api.status = lambda run, deadline: (
            RunStatus(State.FAILED, "failed")
            if api.clock.monotonic() > 3.5
            else usual(run, deadline)
        )
        result = stop(api, 6, is_active=True)
        assert result.sentence.startswith("Run 6 is stopping") and result.status is None

    def test_a_final_status_after_a_rejected_stop_call_that_does_not_last(self):
        """A run that only looks final did not end before the stop request."""
        api = world(US)
        api.stop_faults = [(False, Rejected("HTTP 400."))]
        statuses, usual = [RunStatus(State.SUCCESS, "success")], api.status
        api.status = lambda run, deadline: statuses.pop() if statuses else usual(run, deadline)
        result = stop(api, 6, is_active=True)
        assert result.sentence.startswith("Run 6 could not be stopped")

    def test_a_final_status_that_turns_into_an_unknown_one(self):
        """A run that seemed to have ended may have ended, although a late summary denies it."""
        api = world(US, OTHER, duration=20.0, count_lag=25.0, state_lag=25.0)
        api.clock.sleep(29.0)
        statuses = [RunStatus(State.UNKNOWN, "finishing"), RunStatus(State.SUCCESS, "success")]
        api.status = lambda run, deadline: statuses.pop()
        assert stop(api, 6).is_unknown
        assert api.times("stop") == 0


def test_no_mixture_stops_another_users_run():
    """In every order of runs, at every moment, with every oddity: only ours is ever stopped."""
    orders = [(US,), (OTHER, US), (US, OTHER), (OTHER, US, OTHER), (OTHER, OTHER, US)]
    moments, flags = [0.0, 15.0, 25.0, 45.0, 65.0], [False, True]
    errors: list[ApiError | None] = [None, NotFound("404."), Unavailable("503.")]
    stops = [[], [(True, unavailable(502))], [(False, unavailable(503))]]
    for users, moment, at_once, shows, error, faults in product(
        orders, moments, flags, flags, errors, stops
    ):
        api = world(*users, duration=20.0, counts_at_once=at_once, knows_queued=shows)
        api.clock.sleep(moment)
        api.status_faults, api.stop_faults = [error] if error else [], list(faults)
        ours = api.runs[users.index(US)]
        active = api.active_run(api.clock.monotonic()) is ours
        result = stop(api, ours.count)
        if active and error is None:
            assert ours.stopped, result


class TestWhenAStopIsSafe:
    """A stop call without a check needs a recent observation that this very run is active."""

    def state(self, value, at=100.0) -> RunState:
        state = RunState.watching(Run(PIPELINE, 6))
        status = {"running": State.RUNNING, "paused": State.PAUSED, "queued": State.RUNNING}
        state.observe(RunStatus(status.get(value, State.UNKNOWN), value), at)
        return state

    @pytest.mark.parametrize(
        ("value", "active"),
        [("running", True), ("paused", True), ("queued", False), ("frobnicating", False)],
    )
    def test_only_if_the_status_shows_it(self, value, active):
        """A queued run, or one of unrecognized status, may have another one ahead."""
        assert self.state(value).is_active(101.0) is active

    def test_an_observation_gets_old(self):
        """What was true before a long outage is no proof any more."""
        state = self.state("running")
        assert state.is_active(100.0 + ACTIVE_FOR) and not state.is_active(101.0 + ACTIVE_FOR)

    @pytest.mark.parametrize(("behind", "active"), [(None, True), (5, False)])
    def test_a_run_started_on_an_idle_pipeline_is_safe(self, behind, active):
        """Not observed yet, it has no other run ahead."""
        state = RunState(run=Run(PIPELINE, 6), origin=STARTED, behind=behind)
        assert state.is_active(0.0) is active
        assert not RunState.watching(Run(PIPELINE, 6)).is_active(0.0)
