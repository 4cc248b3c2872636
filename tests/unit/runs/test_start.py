"""Exactly one run where possible, never two, and never somebody else's by mistake."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsera_step.api import Pipeline, State
from opsera_step.clock import Deadline, FakeClock
from opsera_step.errors import (
    ApiError,
    ExitCode,
    Forbidden,
    PipelineBusy,
    Rejected,
    RunRefused,
    RunUncertain,
    Unauthorized,
)
from opsera_step.runs import RunState
from opsera_step.runs import StartPolicy as Policy
from opsera_step.runs.events import Event, Heartbeat, Note, RunKnown
from opsera_step.runs.find import LONGEST_SETTLING
from opsera_step.runs.start import Started, Trigger
from tests.unit.fake_opsera import (
    ANSWERS,
    FAULTS,
    HOUR,
    LATENCY,
    OTHER,
    PIPELINE,
    US,
    FakeOpsera,
    token_of,
    unavailable,
    unreachable,
)

ALIVE = ("running", "paused")


@dataclass
class Played:
    """One start of a run, played to its end on a fake Opsera."""

    api: FakeOpsera
    clock: FakeClock
    trigger: Trigger
    events: list[Event] = field(default_factory=list)
    started: Started | None = None
    error: ApiError | None = None

    @property
    def notes(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Note)]

    @property
    def followed(self) -> int | None:
        return self.started.run.count if self.started else None


def play(api: FakeOpsera, policy: Policy | None = None, *, token="", timeout: float | None = HOUR):
    """Start a run on a fake Opsera, as the command `run` does."""
    clock = api.clock
    deadline = Deadline.after(clock, timeout)
    pipeline = api.summary(PIPELINE, deadline)
    trigger = Trigger(api, token or token_of(US), clock, deadline, lambda: 0.5, RunState())
    played = Played(api, clock, trigger)
    starting = trigger.start(pipeline, policy or Policy())
    try:
        while True:
            played.events.append(next(starting))
    except StopIteration as stop:
        played.started = stop.value
    except ApiError as error:
        played.error = error
    return played


def check(played: Played, timeout: float = HOUR) -> None:
    """What has to hold of every start, whatever happened."""
    api, followed = played.api, played.followed
    assert len(api.ours()) <= 1, "two runs of ours"
    assert played.clock.monotonic() <= timeout + 2.0, "it has to end at the deadline"
    _check_notes(played)
    if played.error is not None:
        uncertain = isinstance(played.error, RunUncertain)
        assert uncertain or not api.ours(), "it says that nothing was started"
        assert played.trigger._state.requested or not api.ours(), "a cancel would not look for it"
        assert played.error.exit_code is ExitCode.API
        return
    assert played.started is not None
    assert isinstance(played.events[-1], RunKnown)
    assert played.events[-1].run == played.started.run
    if not played.started.fresh:
        assert not api.ours() and api.times("run") == 0
        return
    assert followed > played.trigger._state.before, "it cannot be ours"
    run = api.run_of(followed)
    assert run is not None, "no such run"
    if run.user != US:
        assert any("taken as ours" in note for note in played.notes), "adopted without a word"
        assert not (
            played.trigger._looking._ownership._identities
            and api.log_names_user
            and not api.log_lag
        )
    ahead = api.going(run.accepted)
    if run.user == US and ahead is not None and ahead is not run:
        assert played.started.behind is not None, "a stop call would hit another run"


def _check_notes(played: Played) -> None:
    for note in played.notes:
        assert note.endswith((".", "as you wish")), note
        assert "None" not in note and "  " not in note, note
    assert len(played.notes) <= 10, played.notes


WAYS = (*FAULTS, *ANSWERS)
CERTAIN = {
    "fine", "success", "no word", "queued with count",
    "refused connection", "lost request", "503 before", "429 before",
    "lost answer", "503 after", "429 after", "malformed after", "no count", "queued", "old count",
    "unknown word",
}  # fmt: skip
"""What can happen to `run` that has to end with our one run, if nobody else is about."""


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("state", ["success", "failed", "stopped", "never", "running", "paused"])
def test_every_way(way, state):
    """Whatever becomes of the `run` call, in whatever state: at most one run, and only ours."""
    policies = [Policy(), Policy("attach"), Policy("fail"), Policy(reset="auto")]
    policies += [Policy("fail", "always")]
    lags = [{}, {"count_lag": 10.0}, {"count_lag": 20.0, "state_lag": 8.0, "log_lag": 5.0}]
    others: list[list[str]] = [[], ["before"], ["after"]]
    owners = [(token_of(US), True), ("opaque", True), (token_of(US), False)]
    for policy, lag, around, (token, named) in product(policies, lags, others, owners):
        if policy.on_busy != "queue" and state not in ALIVE:
            continue
        api = FakeOpsera(FakeClock(), state, script=[way], log_names_user=named, **lag)
        api.around = list(around)
        played = play(api, policy, token=token)
        check(played)
        case = (policy, lag, around, named, played.error, played.events)
        _check_busy(played, policy, state, case)
        if not around and api.times("run") and way in CERTAIN and state != "paused":
            assert played.error is None, case
            assert [played.followed] == api.ours(), case


def _check_busy(played: Played, policy: Policy, state: str, case: object) -> None:
    was_reset = policy.reset == "always" and state == "paused"
    if state in ALIVE and policy.on_busy != "queue" and not was_reset:
        assert played.api.times("run") == 0, case
        assert isinstance(played.error, PipelineBusy) == (policy.on_busy == "fail"), case
        assert (played.started is not None) == (policy.on_busy == "attach"), case
    if state == "paused" and policy.on_busy == "queue" and policy.reset == "never":
        assert isinstance(played.error, (RunRefused, RunUncertain)), case
        assert not played.api.ours(), case


SOME_LAGS = st.sampled_from([0.0, 1.0, 7.0, 20.0])


@settings(derandomize=True, deadline=None, max_examples=500)
@given(
    state=st.sampled_from(["success", "failed", "stopped", "never", "running", "paused"]),
    script=st.lists(st.sampled_from(WAYS), max_size=4),
    others=st.lists(st.floats(0.0, 400.0), max_size=3),
    pause=st.none() | st.floats(0.0, 400.0),
    lags=st.tuples(SOME_LAGS, SOME_LAGS, SOME_LAGS),
    duration=st.sampled_from([1.0, 25.0, 300.0]),
    policy=st.builds(
        Policy,
        st.sampled_from(["queue", "attach", "fail"]),
        st.sampled_from(["never", "auto", "always"]),
    ),
    token=st.sampled_from([token_of(US), "opaque", token_of(OTHER)]),
    flags=st.tuples(st.booleans(), st.booleans()),
    timeout=st.sampled_from([0.0, 20.0, 120.0, 1800.0]),
)
def test_any_mishap(state, script, others, pause, lags, duration, policy, token, flags, timeout):
    """Faults in a row, busy colleagues, pauses and lags: the promises hold in any mixture."""
    count_lag, state_lag, log_lag = lags
    api = FakeOpsera(
        FakeClock(), state, duration=duration, count_lag=count_lag, state_lag=state_lag,
        log_lag=log_lag, counts_at_once=flags[0], log_names_user=flags[1], script=list(script),
    )  # fmt: skip
    api.others_at(others)
    if pause is not None:
        api.pause_at(pause)
    played = play(api, policy, token=token, timeout=timeout)
    assert len(api.ours()) <= 1
    assert played.clock.monotonic() <= timeout + 5 * LATENCY + 2.0
    if played.error is not None and not isinstance(played.error, RunUncertain):
        assert not api.ours()
    if played.started is not None and played.started.fresh:
        assert played.followed > played.trigger._state.before
        run = api.run_of(played.followed)
        assert run is not None
        adopted = any("taken as ours" in note for note in played.notes)
        assert run.user == US or adopted


class TestAskingAgain:
    """When `run` is sent again, and when it must not be."""

    def test_a_refused_connection_is_tried_until_it_works(self):
        """Nothing was accepted, so it is sent again after a pause, as often as it takes."""
        played = play(FakeOpsera(FakeClock(), script=["refused connection"] * 5))
        assert played.api.times("run") == 6
        assert played.followed == 6
        assert [note for note in played.notes if "trying again" in note] == played.notes
        assert len(played.notes) == 1

    def test_a_lost_request_is_sent_again_when_the_pipeline_has_rested(self):
        """A pipeline that rests for 90 s without a new run is taken to have accepted none."""
        played = play(FakeOpsera(FakeClock(), script=["lost request"]))
        assert played.followed == 6
        assert 90.0 < played.clock.monotonic() < 120.0
        assert "Looking whether the run was started all the same." in played.notes[0]
        assert "No new run has shown for 90 s; asking again." in played.notes[1]

    def test_each_further_request_in_doubt_waits_longer(self):
        """Nothing is proved by a rest, so the next has to last twice as long."""
        played = play(FakeOpsera(FakeClock(), script=["lost request"] * 3))
        assert played.followed == 6
        waits = [note.split(" for ")[1].split(" s;")[0] for note in played.notes if " for " in note]
        assert waits == ["90", "180", "360"]

    @pytest.mark.parametrize("way", ["lost answer", "503 after", "429 after", "malformed after"])
    def test_a_run_that_shows_very_late_leaves_traces(self, way):
        """Where the pipeline has changed, nothing is sent again though no new run shows."""
        api = FakeOpsera(FakeClock(), script=[way], count_lag=500.0, notes_changes=True)
        played = play(api)
        assert isinstance(played.error, RunUncertain)
        assert "the pipeline has changed since" in played.error.message
        assert (api.times("run"), api.ours()) == (1, [6])

    def test_a_pipeline_without_traces_is_asked_again(self):
        """One that says when it was changed, and was not, took no request."""
        played = play(FakeOpsera(FakeClock(), script=["503 before"], notes_changes=True))
        assert (played.followed, played.api.times("run")) == (6, 2)

    @pytest.mark.parametrize("owner", [token_of(US), "opaque"])
    def test_a_second_run_of_ours_is_told(self, owner):
        """A run that shows only after a second request is warned of, and both are named."""
        lag = {"count_lag": 120.0, "state_lag": 120.0}
        api = FakeOpsera(FakeClock(), script=["lost answer"], duration=600.0, **lag)
        played = play(api, token=owner)
        twins = [one.text for one in played.trigger.twins(played.started.run) if one.warning]
        api.clock.sleep(300.0)
        later = [one.text for one in played.trigger.twins(played.started.run) if one.warning]
        assert api.ours() == [6, 7]
        assert not twins
        assert f"as well as run {played.followed}" in later[0]
        assert f"Run {13 - played.followed} may have been started by this job" in later[0]
        assert api.times("stop") == 0

    def test_a_run_of_somebody_else_is_no_second_run_of_ours(self):
        """After a request in doubt other people's runs are no reason to warn."""
        api = FakeOpsera(FakeClock(), script=["lost request"])
        played = play(api)
        api.accept(OTHER)
        api.clock.sleep(300.0)
        assert list(played.trigger.twins(played.started.run)) == []

    def test_without_a_doubt_nothing_is_asked_about_second_runs(self):
        """The usual case costs no call."""
        played = play(FakeOpsera(FakeClock()))
        calls = len(played.api.calls)
        assert list(played.trigger.twins(played.started.run)) == []
        assert len(played.api.calls) == calls

    def test_an_error_after_a_doubt_says_so(self, monkeypatch):
        """A later refusal does not hide that an earlier request may have started a run."""
        monkeypatch.setitem(FAULTS, "refusal", (False, Unauthorized("pipeline/run: 401.")))
        played = play(FakeOpsera(FakeClock(), script=["lost answer", "refusal"], count_lag=999.0))
        assert isinstance(played.error, Unauthorized)
        assert "An earlier request to run got no good answer" in played.error.message
        assert played.trigger._state.requested

    def test_a_run_that_shows_while_it_waits_to_ask_again_is_followed(self):
        """What came of the first request is found before another one goes out."""
        script = ["lost answer", "refused connection", "refused connection"]
        api = FakeOpsera(FakeClock(), script=script, count_lag=96.0, duration=600.0)
        played = play(api)
        assert (played.followed, api.ours()) == (6, [6])

    def test_a_lost_answer_is_found(self):
        """A run that was accepted is found, followed, and not started again."""
        played = play(FakeOpsera(FakeClock(), script=["lost answer"], count_lag=20.0))
        assert (played.api.times("run"), played.followed) == (1, 6)
        assert "started after our request by the token's owner" in played.notes[-1]

    def test_retry_after_is_obeyed(self):
        """A throttled request is not sent again before the time that the server named."""
        for way in ("429 before", "429 after"):
            played = play(FakeOpsera(FakeClock(), script=[way]))
            assert played.followed == 6
            assert (played.clock.monotonic() >= 45.0) == (way == "429 before")

    def test_runs_from_before_the_second_request_are_nobody_elses_business(self):
        """A run that somebody started while we could not connect is not taken for ours."""
        api = FakeOpsera(FakeClock(), script=["refused connection"] * 4 + ["lost answer"])
        api.others_at([3.0])
        played = play(api, token="opaque")
        assert (played.followed, api.ours()) == (7, [7])

    def test_on_busy_counts_for_the_second_request_too(self):
        """A pipeline that became busy meanwhile is attached to, or a reason to fail."""
        for on_busy in ("attach", "fail"):
            api = FakeOpsera(FakeClock(), script=["refused connection"] * 4, duration=600.0)
            api.others_at([3.0])
            played = play(api, Policy(on_busy))
            assert api.times("run") < 5
            assert played.followed == (6 if on_busy == "attach" else None)
            assert isinstance(played.error, PipelineBusy) == (on_busy == "fail")

    def test_behind_a_run_that_goes_it_waits(self):
        """While another run goes, ours may be queued unseen: only its end can tell."""
        for way, count in (("lost answer", 1), ("lost request", 2)):
            api = FakeOpsera(FakeClock(), "running", script=[way], duration=1000.0)
            played = play(api)
            assert (api.times("run"), played.followed) == (count, 6)
            assert played.clock.monotonic() > 1000.0
            beats = [one for one in played.events if isinstance(one, Heartbeat)]
            assert len(beats) == pytest.approx(1000 / 60, abs=2)
            assert {beat.queued_behind for beat in beats[:-2]} == {5}

    def test_behind_a_run_that_pauses_it_is_not_sent_again(self):
        """A run that paused after we asked may hide ours in the queue, so it ends uncertain."""
        api = FakeOpsera(FakeClock(), "running", script=["lost answer"], duration=100.0)
        api.pause_at(20.0)
        played = play(api)
        assert isinstance(played.error, RunUncertain)
        assert api.times("run") == 1
        assert "The time is up" in played.error.message

    def test_a_paused_pipeline_took_no_request(self):
        """What was paused before we asked is no queue to wait in: it is soon asked again."""
        played = play(FakeOpsera(FakeClock(), "paused", script=["lost request"]))
        assert isinstance(played.error, RunRefused)
        assert played.clock.monotonic() < 120.0

    def test_a_run_of_somebody_known_proves_nothing_about_ours(self):
        """After a foreign run, a lost request is not sent again on the token's word alone."""
        api = FakeOpsera(FakeClock(), script=["lost request"])
        api.around = ["after"]
        played = play(api)
        assert isinstance(played.error, RunUncertain)
        assert (api.times("run"), api.ours()) == (1, [])
        assert "somebody else" in played.notes[-1]

    def test_an_outage_in_between_ends_uncertain(self):
        """When looking for the run fails for good, the error says what is not known."""
        api = FakeOpsera(FakeClock(), script=["lost answer"], count_lag=10.0)
        played_faults = [Unauthorized("pipeline/summary answered HTTP 401: expired.")]
        pipeline = api.summary(PIPELINE, Deadline(api.clock, None))
        api.summary_faults = list(played_faults)
        trigger = Trigger(api, "", api.clock, Deadline(api.clock, None), lambda: 0.5, RunState())
        with pytest.raises(RunUncertain, match=r"looking for it failed: .*expired"):
            list(trigger.start(pipeline, Policy()))

    @pytest.mark.parametrize("way", ["refused connection", "lost request", "503 before"])
    @pytest.mark.parametrize("timeout", [20.0, 90.0, HOUR, None])
    def test_it_gives_up_in_time(self, way, timeout):
        """Faults without end finish at the deadline, after an hour where there is none."""
        api = FakeOpsera(FakeClock(), script=[way] * 9999)
        played = play(api, timeout=timeout)
        limit = timeout or HOUR + LONGEST_SETTLING + 100.0
        check(played, limit)
        assert played.error is not None
        assert played.clock.monotonic() <= limit + 1.0
        assert not api.ours()
        assert len(played.notes) <= 10
        assert len(played.events) >= played.clock.monotonic() // 61.0, "it looks dead"

    def test_a_time_that_is_up_starts_nothing(self):
        """With no time left no run is asked for: its answer could only be lost."""
        played = play(FakeOpsera(FakeClock()), timeout=0.1)
        assert played.api.times("run") == 0
        assert not played.trigger._state.requested
        assert "time was up" in played.error.message

    @pytest.mark.parametrize("error", [Forbidden("403"), Unauthorized("401"), Rejected("400")])
    def test_refusals_of_http_end_it_at_once(self, error, monkeypatch):
        """A refused request is told as it is, and nothing was asked for."""
        monkeypatch.setitem(FAULTS, "refusal", (False, error))
        played = play(FakeOpsera(FakeClock(), script=["refusal"]))
        assert played.error is error
        assert (played.api.times("run"), played.trigger._state.requested) == (1, False)


class TestAnswers:
    """What `run` answers."""

    def test_a_refusal_says_why(self):
        """The API's own words are in the message."""
        played = play(FakeOpsera(FakeClock(), script=["refused"]))
        assert isinstance(played.error, RunRefused)
        assert "as you wish" in played.error.message

    def test_a_refusal_of_a_paused_pipeline_says_what_to_do(self):
        """The hint names the way out."""
        played = play(FakeOpsera(FakeClock(), "paused"))
        assert isinstance(played.error, RunRefused)
        assert "reset: auto" in played.error.hint
        assert "paused state" in played.error.message

    def test_a_refusal_that_names_the_run_that_is_there_is_one(self):
        """A run count does not make a refusal an acceptance."""
        played = play(FakeOpsera(FakeClock(), script=["refused with old count"]))
        assert isinstance(played.error, RunRefused)
        assert played.clock.monotonic() < 5.0

    def test_a_refusal_of_a_busy_pipeline_is_lived_through(self):
        """Where Opsera takes no second run, ours is asked for when the first has ended."""
        api = FakeOpsera(FakeClock(), "running", script=["refused"], duration=600.0)
        played = play(api)
        assert (api.times("run"), api.ours(), played.followed) == (2, [6], 6)
        assert "Asking again when run 5 has ended." in played.notes[0]
        assert played.started.behind is None
        assert sum(isinstance(one, Heartbeat) for one in played.events) >= 9

    @pytest.mark.parametrize("way", ["refused", "lost answer"])
    def test_an_hour_behind_a_run_costs_few_calls(self, way):
        """The longer another run has been in the way, the less often it is looked at."""
        api = FakeOpsera(FakeClock(), "running", script=[way], duration=3600.0)
        played = play(api, timeout=7200.0)
        assert (api.ours(), played.followed) == ([6], 6)
        assert len(api.calls) <= 320

    def test_a_refusal_for_a_pause_that_just_came_is_final(self):
        """Waiting for a run to end that waits for somebody is of no use."""
        api = FakeOpsera(FakeClock(), "running", duration=600.0)
        api.pause_at(1.5 * LATENCY)
        played = play(api)
        assert isinstance(played.error, RunRefused)
        assert played.clock.monotonic() < 5.0

    def test_a_failure_with_a_new_number_is_looked_into(self):
        """A body that says failed and names a new run is neither a yes nor a no."""
        played = play(FakeOpsera(FakeClock(), script=["failed with count"]))
        assert played.followed == 6
        assert "neither a yes nor a no" in played.notes[0]
        assert "taken as ours" in played.notes[1]

    def test_a_refusal_of_a_busy_pipeline_ends_with_the_time(self):
        """The refusal is what is told when the time is up."""
        played = play(FakeOpsera(FakeClock(), "running", script=["refused"]), timeout=30.0)
        assert isinstance(played.error, RunRefused)
        assert played.clock.monotonic() <= 30.0

    def test_an_unknown_word_is_no_refusal(self):
        """A word never seen before is looked into, never answered with a second request."""
        played = play(FakeOpsera(FakeClock(), script=["unknown no"]))
        assert isinstance(played.error, RunUncertain)
        assert "“not now”" in played.error.message
        assert played.api.times("run") == 1
        assert "neither a yes nor a no" in played.notes[0]

    def test_an_accepted_run_is_waited_for(self):
        """An accepted run may take minutes to show, but not for ever."""
        played = play(FakeOpsera(FakeClock(), script=["no count"], count_lag=200.0))
        assert played.followed == 6
        played = play(FakeOpsera(FakeClock(), script=["no count"], count_lag=2000.0))
        assert isinstance(played.error, RunUncertain)
        assert played.clock.monotonic() < 400.0

    def test_the_run_in_front_is_known(self):
        """A number that was skipped may be going, so a stop call has to ask first."""
        api = FakeOpsera(FakeClock())
        api.around = ["before"]
        played = play(api)
        assert (played.followed, played.started.behind) == (7, 6)
        assert play(FakeOpsera(FakeClock())).started.behind is None
        assert play(FakeOpsera(FakeClock(), "running")).started.behind == 5


class TestWhoseRun:
    """Which of the runs that appear is ours."""

    def test_the_log_may_take_its_time(self):
        """Who started a run is waited for, so that a foreign one is not taken for ours."""
        api = FakeOpsera(FakeClock(), script=["no count"], log_lag=6.0, duration=30.0)
        api.around = ["before"]
        played = play(api)
        assert (played.followed, api.ours()) == (7, [7])
        assert "Run 6 was started by somebody else" in played.notes[1]

    def test_without_a_name_the_only_run_is_taken_with_a_warning(self):
        """Where the log does not say who started a run, the log of the job says that."""
        for named, token in ((False, token_of(US)), (True, "opaque")):
            api = FakeOpsera(FakeClock(), script=["no count"], log_names_user=named)
            played = play(api, token=token)
            assert played.followed == 6
            assert "does not say who started it" in played.notes[-1]
            assert played.events[-2].warning

    def test_two_runs_that_could_be_ours_are_too_many(self):
        """Among several runs without a name no choice is made."""
        api = FakeOpsera(FakeClock(), script=["no count"], counts_at_once=True)
        api.around = ["before"]
        played = play(api, token="opaque")
        assert isinstance(played.error, RunUncertain)
        assert "Runs 6 and 7" in played.error.message
        assert "run_count" in played.error.hint

    def test_two_jobs_with_one_token_are_not_told_apart(self):
        """Two runs by the token's owner could both be ours."""
        api = FakeOpsera(FakeClock(), script=["no count"], counts_at_once=True, duration=5.0)
        api.clock.call_at(1.5 * LATENCY, lambda: api.accept(US))
        played = play(api)
        assert isinstance(played.error, RunUncertain)
        assert played.clock.monotonic() < 30.0

    def test_hundreds_of_runs_are_not_looked_through(self):
        """A pipeline whose number was not known before does not cost a call for each run."""
        api = FakeOpsera(FakeClock(), script=["no count"], count=5000)
        unknown = Pipeline(PIPELINE, "", 0, State.SUCCESS)
        state, deadline = RunState(), Deadline(api.clock, None)
        trigger = Trigger(api, token_of(US), api.clock, deadline, lambda: 0.5, state)
        with pytest.raises(RunUncertain, match="Runs 1 to 5001"):
            list(trigger.start(unknown, Policy()))
        assert api.times("logs") == 0


class TestReset:
    """The input `reset`."""

    @pytest.mark.parametrize("when", ["never", "auto", "always"])
    @pytest.mark.parametrize(
        "state", ["success", "failed", "stopped", "never", "running", "paused"]
    )
    def test_when(self, when, state):
        """auto resets what rests badly, always resets all, nothing resets a run that goes."""
        api = FakeOpsera(FakeClock(), state)
        play(api, Policy(reset=when))
        wanted = {"never": (), "auto": ("failed", "stopped", "paused")}.get(
            when, ("success", "failed", "stopped", "never", "paused")
        )
        assert api.times("reset") == (state in wanted)

    def test_a_run_that_goes_is_told(self):
        """always does not break a run off, and says so."""
        played = play(FakeOpsera(FakeClock(), "running"), Policy(reset="always"))
        assert played.notes == ["Not reset: run 5 is going."]

    def test_a_paused_run_is_given_up_although_the_summary_lags(self):
        """The summary may show the pause for some seconds after the reset."""
        api = FakeOpsera(FakeClock(), "paused", state_lag=12.0)
        played = play(api, Policy("fail", "auto"))
        assert played.followed == 6
        assert played.notes == ["Pipeline reset (it was paused). Done."]

    def test_a_lost_answer_to_a_reset_is_asked_again(self):
        """A reset can be sent twice."""
        api = FakeOpsera(FakeClock(), "failed")
        api.reset_faults = [(True, unreachable(never_accepted=False)), (False, unavailable(502))]
        assert play(api, Policy(reset="auto")).followed == 6
        assert api.times("reset") == 3

    def test_a_run_that_began_during_an_outage_is_not_broken_off(self):
        """Before a reset is sent again, it is looked whether somebody's run is going."""
        api = FakeOpsera(FakeClock(), "failed", duration=600.0)
        api.reset_faults = [(False, unavailable(502, 30.0))]
        api.others_at([10.0])
        played = play(api, Policy(reset="auto"))
        assert api.times("reset") == 1
        assert "Not reset: run 6 is going." in played.notes
        assert (played.followed, played.started.behind) == (7, 6)
        assert not api.broken_off


def test_attaching_waits_for_the_number_of_the_run_that_goes():
    """While the summary still counts the run before, that one, long ended, is not attached to."""
    api = FakeOpsera(FakeClock(), count_lag=10.0)
    api.others_at([0.1])
    api.clock.sleep(1.0)
    played = play(api, Policy("attach"))
    assert (played.followed, api.times("run")) == (6, 0)


def test_attaching_waits_through_an_outage_of_the_status_call():
    """A status call that fails does not make an ended run one to attach to."""
    api = FakeOpsera(FakeClock(), count_lag=10.0)
    api.others_at([0.1])
    api.clock.sleep(1.0)
    api.status_faults = [unavailable(502), unreachable(never_accepted=False)]
    played = play(api, Policy("attach"))
    assert (played.followed, api.times("run")) == (6, 0)


def test_attaching_ends_when_the_number_never_shows():
    """A run that goes without ever being counted can't be attached to."""
    api = FakeOpsera(FakeClock(), count_lag=9999.0, duration=9999.0)
    api.others_at([0.1])
    api.clock.sleep(1.0)
    played = play(api, Policy("attach"), timeout=300.0)
    assert isinstance(played.error, RunUncertain)
    assert "Run 5 has ended, and a newer one does not show." in played.error.message
    assert sum(isinstance(one, Heartbeat) for one in played.events) >= 4


def test_attaching_to_a_run_without_a_number_is_uncertain():
    """Where Opsera does not say which run goes, none is followed."""
    api = FakeOpsera(FakeClock())
    pipeline = Pipeline(PIPELINE, "", 0, State.RUNNING)
    trigger = Trigger(api, "", api.clock, Deadline(api.clock, None), lambda: 0.5, RunState())
    with pytest.raises(RunUncertain, match="does not say which"):
        list(trigger.start(pipeline, Policy("attach")))
