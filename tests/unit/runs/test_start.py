"""Exactly one run where possible, never two, and never another user's by mistake."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsera_step.api import Pipeline, Run, State
from opsera_step.clock import Deadline, FakeClock
from opsera_step.errors import (
    ApiError,
    ExitCode,
    Forbidden,
    PipelineBusy,
    Rejected,
    RunPaused,
    RunRefused,
    RunUncertain,
    TimedOut,
    Unauthorized,
)
from opsera_step.runs import (
    ATTACHED,
    STARTED,
    Event,
    RunKnown,
    RunState,
    StartPolicy,
    find_unconfirmed_run,
    start_run,
)
from opsera_step.runs.events import Heartbeat, Note
from opsera_step.runs.find import warn_about_duplicate_runs
from opsera_step.runs.start import IDLE_PROOF, MAX_IDLE_PROOF
from tests.support.fake_opsera import (
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
)

ACTIVE = ("running", "paused")


@dataclass
class Played:
    """One start of a run, played to its end on a fake Opsera."""

    api: FakeOpsera
    clock: FakeClock
    state: RunState = field(default_factory=RunState)
    events: list[Event] = field(default_factory=list)
    error: ApiError | None = None

    @property
    def notes(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Note)]

    @property
    def followed(self) -> int | None:
        return self.state.run.count if self.state.run else None


def play(
    api: FakeOpsera,
    policy: StartPolicy | None = None,
    *,
    token: str = "",
    timeout: float | None = HOUR,
    pipeline: Pipeline | None = None,
) -> Played:
    """Start a run on a fake Opsera, as the command `run` does."""
    deadline = Deadline.after(api.clock, timeout)
    played = Played(api, api.clock)
    starting = start_run(
        api,
        pipeline or api.summary(PIPELINE, deadline),
        policy or StartPolicy(),
        token=token or token_of(US),
        clock=api.clock,
        deadline=deadline,
        jitter=lambda: 0.5,
        state=played.state,
    )
    try:
        played.events += list(_collect(starting, played.events))
    except ApiError as error:
        played.error = error
    return played


def _collect(starting, seen):
    for event in starting:
        seen.append(event)
    return ()


def check(played: Played, timeout: float = HOUR) -> None:
    """What holds for every start, whatever happens."""
    api, state, followed = played.api, played.state, played.followed
    assert len(api.ours()) <= 1, "two runs of ours"
    assert played.clock.monotonic() <= timeout + 2.0, "it has to end at the deadline"
    for note in played.notes:
        assert note.endswith((".", "the pipeline was requested")), note
        assert "None" not in note and "  " not in note, note
    assert len(played.notes) <= 10, played.notes
    if played.error is not None:
        uncertain = isinstance(played.error, (RunUncertain, TimedOut))
        assert uncertain or not api.ours(), "it says that nothing was started"
        assert state.requested or not api.ours(), "a cancel would not look for it"
        codes = {RunPaused: ExitCode.PAUSED, TimedOut: ExitCode.TIMEOUT}
        assert played.error.exit_code is codes.get(type(played.error), ExitCode.API)
        return
    known = [event for event in played.events if isinstance(event, RunKnown)]
    assert [event.run for event in known] == [state.run]
    if state.origin == ATTACHED:
        assert not api.ours() and api.times("run") == 0
        return
    assert followed > state.before, "it can't be ours"
    run = api.run_of(followed)
    assert run is not None, "no such run"
    if run.user != US:
        assert any(note.startswith("Found run") for note in played.notes), "adopted silently"
        assert not (state.identities and api.log_names_user and not api.log_lag)
    ahead = api.active_run(run.accepted)
    if run.user == US and ahead is not None and ahead is not run:
        assert state.behind is not None, "a stop call would hit another run"


WAYS = (*FAULTS, *ANSWERS)
CERTAIN = set(WAYS) - {"refused", "refused with old count", "failed with count", "unknown no"}
"""What can happen to a request that must end with our one run, without other users."""


@pytest.mark.parametrize("state", ["success", "failed", "stopped", "never", "running", "paused"])
def test_every_outcome_of_the_request(state):
    """Whatever becomes of the request, in whatever state: at most one run, and only ours."""
    policies = [StartPolicy(on_busy) for on_busy in ("queue", "attach", "fail")]
    policies += [StartPolicy(reset="auto"), StartPolicy("fail", "always")]
    lags = [{}, {"count_lag": 10.0}, {"count_lag": 20.0, "state_lag": 8.0, "log_lag": 5.0}]
    others: list[list[str]] = [[], ["before"], ["after"]]
    owners = [(token_of(US), True), ("opaque", True), (token_of(US), False)]
    for way, policy, lag, around, (token, named) in product(WAYS, policies, lags, others, owners):
        if policy.on_busy != "queue" and state not in ACTIVE:
            continue
        api = FakeOpsera(FakeClock(), state, script=[way], log_names_user=named, **lag)
        api.around = list(around)
        played = play(api, policy, token=token)
        check(played)
        case = (way, policy, lag, around, named, played.error, played.events)
        _check_busy(played, policy, state, case)
        if not around and api.times("run") and way in CERTAIN and state != "paused":
            assert played.error is None, case
            assert [played.followed] == api.ours(), case


def _check_busy(played: Played, policy: StartPolicy, state: str, case: object) -> None:
    was_reset = policy.reset == "always" and state == "paused"
    if state in ACTIVE and policy.on_busy != "queue" and not was_reset:
        assert played.api.times("run") == 0, case
        refused = RunPaused if state == "paused" else PipelineBusy
        assert isinstance(played.error, refused) == (policy.on_busy == "fail"), case
        assert (played.state.origin == ATTACHED) == (policy.on_busy == "attach"), case
    if state == "paused" and policy.on_busy == "queue" and policy.reset == "never":
        assert isinstance(played.error, (RunPaused, RunUncertain)), case
        assert not played.api.ours(), case


SOME_LAGS = st.sampled_from([0.0, 1.0, 7.0, 20.0])


@given(
    state=st.sampled_from(["success", "failed", "stopped", "never", "running", "paused"]),
    script=st.lists(st.sampled_from(WAYS), max_size=4),
    others=st.lists(st.floats(0.0, 400.0), max_size=3),
    pause=st.none() | st.floats(0.0, 400.0),
    lags=st.tuples(SOME_LAGS, SOME_LAGS, SOME_LAGS),
    duration=st.sampled_from([1.0, 25.0, 300.0]),
    policy=st.builds(
        StartPolicy,
        st.sampled_from(["queue", "attach", "fail"]),
        st.sampled_from(["never", "auto", "always"]),
    ),
    token=st.sampled_from([token_of(US), "opaque", token_of(OTHER)]),
    flags=st.tuples(st.booleans(), st.booleans()),
    timeout=st.sampled_from([0.0, 20.0, 120.0, 1800.0]),
)
def test_any_mixture(state, script, others, pause, lags, duration, policy, token, flags, timeout):
    """Faults in a row, busy colleagues, pauses, and lags: the guarantee holds in any mixture."""
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
    if played.error is not None and not isinstance(played.error, (RunUncertain, TimedOut)):
        assert not api.ours()
    if played.state.origin == STARTED:
        assert played.followed > played.state.before
        run = api.run_of(played.followed)
        assert run is not None
        assert run.user == US or any(note.startswith("Found run") for note in played.notes)


class TestSendingAgain:
    """When the request is sent again, and when it must not be."""

    def test_a_refused_connection_is_retried_until_it_works(self):
        """Nothing was accepted, so it is sent again after a pause, as often as it takes."""
        played = play(FakeOpsera(FakeClock(), script=["refused connection"] * 5))
        assert (played.api.times("run"), played.followed) == (6, 6)
        assert len(played.notes) == 1
        assert played.notes[0].endswith("The request was not accepted; retrying.")

    @pytest.mark.parametrize(("way", "wait"), [("429", 45.0), ("503 with Retry-After", 20.0)])
    def test_a_refusal_to_take_requests_is_no_doubt(self, way, wait):
        """429, and 503 with Retry-After, are retried after the given time, without the proof."""
        played = play(FakeOpsera(FakeClock(), script=[way]))
        assert (played.api.times("run"), played.followed) == (2, 6)
        assert wait <= played.clock.monotonic() < wait + 3.0
        assert played.state.in_doubt_since is None

    def test_a_lost_request_is_sent_again_after_the_proof(self):
        """A pipeline that is idle for 30 seconds without a new run has accepted none."""
        played = play(FakeOpsera(FakeClock(), script=["lost request"]))
        assert (played.api.times("run"), played.followed) == (2, 6)
        assert IDLE_PROOF < played.clock.monotonic() < IDLE_PROOF + 10.0
        assert "Checking whether the run was started." in played.notes[0]
        assert played.notes[1] == ("No new run has appeared for 30s; sending the request again.")

    def test_each_further_proof_takes_twice_as_long(self):
        """An idle pipeline is no strict proof, so the next has to last longer."""
        played = play(FakeOpsera(FakeClock(), script=["lost request"] * 3))
        assert played.followed == 6
        waits = [note.split(" for ")[1].split("s;")[0] for note in played.notes if " for " in note]
        assert waits == ["30", "60", "120"]

    @pytest.mark.parametrize(
        "way", ["lost answer", "503 after", "502 with Retry-After", "malformed after"]
    )
    def test_a_touched_pipeline_is_no_proof(self, way):
        """Where the pipeline was changed, nothing is sent again though no new run appears."""
        api = FakeOpsera(FakeClock(), script=[way], count_lag=500.0, notes_changes=True)
        played = play(api)
        assert isinstance(played.error, RunUncertain)
        assert "was changed meanwhile" in played.error.message
        assert (api.times("run"), api.ours()) == (1, [6])

    def test_the_run_is_requested_again_for_an_untouched_pipeline(self):
        """A pipeline that shows its last change, and was not changed, accepted no request."""
        played = play(FakeOpsera(FakeClock(), script=["503 before"], notes_changes=True))
        assert (played.followed, played.api.times("run")) == (6, 2)

    @pytest.mark.parametrize("owner", [token_of(US), "opaque"])
    def test_a_second_run_of_ours_is_reported(self, owner):
        """A run that appears only after a second request is reported, and both are named."""
        lag = {"count_lag": 60.0, "state_lag": 60.0}
        api = FakeOpsera(FakeClock(), script=["lost answer"], duration=600.0, **lag)
        played = play(api, token=owner)
        state = played.state
        assert state.in_doubt_since == 5
        api.clock.sleep(300.0)
        until = Deadline.after(api.clock, 10.0)
        later = list(
            warn_about_duplicate_runs(
                api, state.run, state.in_doubt_since, state.identities, api.clock, until
            )
        )
        assert api.ours() == [6, 7]
        assert not any("as well as" in note for note in played.notes)
        other = 13 - played.followed
        assert f"may have started run {other} as well as run {played.followed}" in later[0].text
        assert api.times("stop") == 0

    def test_a_run_of_another_user_is_no_second_run_of_ours(self):
        """After a request in doubt other people's runs are no reason to warn."""
        api = FakeOpsera(FakeClock(), script=["lost request"])
        state = play(api).state
        api.accept(OTHER)
        api.clock.sleep(300.0)
        until = Deadline.after(api.clock, 10.0)
        assert not list(
            warn_about_duplicate_runs(api, state.run, 5, state.identities, api.clock, until)
        )

    def test_an_error_after_an_unknown_outcome_mentions_it(self, monkeypatch):
        """A later refusal does not hide that an earlier request may have started a run."""
        monkeypatch.setitem(FAULTS, "refusal", (False, Forbidden("pipeline/run: 403.")))
        played = play(FakeOpsera(FakeClock(), script=["lost answer", "refusal"], count_lag=999.0))
        assert isinstance(played.error, Forbidden)
        assert "An earlier request got no usable response" in played.error.message
        assert played.state.requested

    def test_a_run_that_appears_while_waiting_is_followed(self):
        """What came of the first request is found before another one is sent."""
        script = ["lost answer", "refused connection", "refused connection"]
        api = FakeOpsera(FakeClock(), script=script, count_lag=36.0, duration=600.0)
        played = play(api)
        assert (played.followed, api.ours()) == (6, [6])

    def test_runs_from_before_the_second_request_are_not_ours(self):
        """A run that another user started while we could not connect is not taken for ours."""
        api = FakeOpsera(FakeClock(), script=["refused connection"] * 4 + ["lost answer"])
        api.others_at([3.0])
        played = play(api, token="opaque")
        assert (played.followed, api.ours()) == (7, [7])

    def test_on_busy_counts_for_the_second_request_too(self):
        """A pipeline that became busy meanwhile is attached to, or a reason to fail."""
        for on_busy in ("attach", "fail"):
            api = FakeOpsera(FakeClock(), script=["refused connection"] * 4, duration=600.0)
            api.others_at([3.0])
            played = play(api, StartPolicy(on_busy))
            assert api.times("run") < 5
            assert played.followed == (6 if on_busy == "attach" else None)
            assert isinstance(played.error, PipelineBusy) == (on_busy == "fail")

    def test_behind_a_run_in_progress_it_waits(self):
        """While another run is in progress, ours may be queued unseen: only its end can show it."""
        for way, count in (("lost answer", 1), ("lost request", 2)):
            api = FakeOpsera(FakeClock(), "running", script=[way], duration=1000.0)
            played = play(api)
            assert (api.times("run"), played.followed) == (count, 6)
            assert played.clock.monotonic() > 1000.0
            beats = [one for one in played.events if isinstance(one, Heartbeat)]
            assert len(beats) == pytest.approx(1000 / 60, abs=2)
            assert {beat.queued_behind for beat in beats[:-2]} == {5}

    def test_behind_a_run_that_pauses_it_is_not_sent_again(self):
        """A run that paused after our request may hide ours in the queue, until the timeout."""
        api = FakeOpsera(FakeClock(), "running", script=["lost answer"], duration=100.0)
        api.pause_at(20.0)
        played = play(api)
        assert isinstance(played.error, TimedOut)
        assert "before it was known whether the run was started" in played.error.message
        assert (api.times("run"), played.state.requested) == (1, True)

    def test_a_run_of_another_user_proves_nothing_about_ours(self):
        """After another user's run, a lost request is not sent again just because of the token."""
        api = FakeOpsera(FakeClock(), script=["lost request"])
        api.around = ["after"]
        played = play(api)
        assert isinstance(played.error, RunUncertain)
        assert (api.times("run"), api.ours()) == (1, [])
        assert "another user" in played.notes[-1]

    def test_an_outage_in_between_is_uncertain(self):
        """When looking for the run fails permanently, the error has what is not known."""
        api = FakeOpsera(FakeClock(), script=["lost answer"], count_lag=10.0)
        pipeline = api.summary(PIPELINE, Deadline(api.clock, None))
        api.summary_faults = [Forbidden("pipeline/summary answered HTTP 403: no access.")]
        played = play(api, pipeline=pipeline)
        assert isinstance(played.error, RunUncertain)
        assert "looking for it failed: " in played.error.message

    @pytest.mark.parametrize(
        ("way", "timeout"),
        [("refused connection", 20.0), ("lost request", 90.0), ("503 before", HOUR),
         ("lost request", None)],
    )  # fmt: skip
    def test_it_gives_up_in_time(self, way, timeout):
        """Endless faults end at the deadline with exit 124, or without one after an hour."""
        api = FakeOpsera(FakeClock(), script=[way] * 9999)
        played = play(api, timeout=timeout)
        limit = timeout or HOUR + MAX_IDLE_PROOF + 100.0
        if timeout is not None:
            check(played, limit)
            assert isinstance(played.error, TimedOut)
        assert played.error is not None
        assert played.clock.monotonic() <= limit + 1.0
        assert not api.ours()
        assert len(played.notes) <= 10
        assert len(played.events) >= played.clock.monotonic() // 61.0, "it looks dead"

    def test_an_expired_timeout_starts_nothing(self):
        """With no time left no run is requested: its response could only be lost."""
        played = play(FakeOpsera(FakeClock()), timeout=0.1)
        assert played.api.times("run") == 0
        assert not played.state.requested
        assert isinstance(played.error, TimedOut)
        assert "No run was started." in played.error.message

    @pytest.mark.parametrize("error", [Forbidden("403"), Rejected("400")])
    def test_rejections_end_it_at_once(self, error, monkeypatch):
        """A rejected request is reported as it is, and nothing was requested."""
        monkeypatch.setitem(FAULTS, "refusal", (False, error))
        played = play(FakeOpsera(FakeClock(), script=["refusal"]))
        assert played.error is error
        assert (played.api.times("run"), played.state.requested) == (1, False)

    def test_a_401_of_an_accepted_token_is_tried_twice_more(self, monkeypatch):
        """A token that was accepted before gets two more tries in ten seconds."""
        monkeypatch.setitem(FAULTS, "401", (False, Unauthorized("401")))
        assert play(FakeOpsera(FakeClock(), script=["401", "401"])).followed == 6
        played = play(FakeOpsera(FakeClock(), script=["401"] * 3))
        assert isinstance(played.error, Unauthorized)
        assert played.api.times("run") == 3
        assert 10.0 <= played.clock.monotonic() < 13.0


class TestResponses:
    """What the request can return."""

    def test_a_refusal_has_its_reason(self):
        """The API's own text is in the message."""
        played = play(FakeOpsera(FakeClock(), script=["refused"]))
        assert isinstance(played.error, RunRefused)
        assert "the pipeline was requested" in played.error.message

    def test_a_refusal_because_of_a_pause(self):
        """It is exit 8 with status paused, and the hint names the ways out."""
        played = play(FakeOpsera(FakeClock(), "paused"))
        assert isinstance(played.error, RunPaused)
        assert (played.error.exit_code, played.error.status) == (8, "paused")
        assert "reset: auto" in played.error.hint
        assert "paused state" in played.error.message
        assert played.state.run is None and not played.state.requested

    @pytest.mark.parametrize(
        ("state", "text"),
        [("success", "The pipeline is paused."), ("success", "It is awaiting an approval."),
         ("paused", "Conflict.")],
    )  # fmt: skip
    def test_a_pause_reported_by_http_is_one_too(self, monkeypatch, state, text):
        """A 4xx that mentions a pause, or of a paused pipeline, is the same refusal."""
        monkeypatch.setitem(FAULTS, "409", (False, Rejected(text)))
        assert isinstance(play(FakeOpsera(FakeClock(), state, script=["409"])).error, RunPaused)

    def test_a_refusal_with_an_old_number_is_one(self):
        """A run number does not make a refusal an acceptance."""
        played = play(FakeOpsera(FakeClock(), script=["refused with old count"]))
        assert isinstance(played.error, RunRefused)
        assert played.clock.monotonic() < 5.0

    def test_a_refusal_of_a_busy_pipeline_is_waited_for(self):
        """Where Opsera takes no second run, ours is requested when the first has ended."""
        api = FakeOpsera(FakeClock(), "running", script=["refused"], duration=600.0)
        played = play(api)
        assert (api.times("run"), api.ours(), played.followed) == (2, [6], 6)
        assert "Retrying when run 5 has ended." in played.notes[0]
        assert played.state.behind is None
        assert sum(isinstance(one, Heartbeat) for one in played.events) >= 9

    def test_a_locked_pipeline_is_not_waited_for(self, monkeypatch):
        """A lock does not end with the run in progress."""
        api = FakeOpsera(FakeClock(), "running", script=["refused"])
        api.words = "The pipeline is locked by its owner."
        played = play(api)
        assert isinstance(played.error, RunRefused)
        assert "unlock" in played.error.hint
        assert played.clock.monotonic() < 5.0

    @pytest.mark.parametrize("way", ["refused", "lost answer"])
    def test_an_hour_behind_a_run_costs_few_requests(self, way):
        """The longer another run has been in the way, the less often it is looked at."""
        api = FakeOpsera(FakeClock(), "running", script=[way], duration=3600.0)
        played = play(api, timeout=7200.0)
        assert (api.ours(), played.followed) == ([6], 6)
        assert len(api.calls) <= 320

    def test_a_refusal_for_a_pause_that_just_came_is_final(self):
        """Waiting for the end of a paused run is of no use."""
        api = FakeOpsera(FakeClock(), "running", duration=600.0)
        api.pause_at(1.5 * LATENCY)
        played = play(api)
        assert isinstance(played.error, RunPaused)
        assert played.clock.monotonic() < 5.0

    def test_a_refusal_of_a_pipeline_that_looks_paused_for_a_moment(self):
        """Between two steps a run can look paused; it is waited for like any other."""
        api = FakeOpsera(FakeClock(), "running", script=["refused"], duration=60.0)
        api.pause_at(0.5 * LATENCY)
        api.clock.call_at(2.0, lambda: setattr(api, "paused_until", 2.0))
        api.clock.call_at(2.0, lambda: setattr(api.runs[0], "ends", 60.0))
        played = play(api)
        assert (api.times("run"), played.followed, api.ours()) == (2, 6, [6])

    @pytest.mark.parametrize("last", [4, None])
    def test_a_pipeline_that_looks_idle_before_its_latest_run_ended(self, last):
        """Ours may be queued behind that run, so no stop call is sent without a check."""
        api = FakeOpsera(FakeClock(), "running")
        idle = replace(api.summary(PIPELINE, Deadline.after(api.clock, None)), state=State.SUCCESS)
        played = play(api, pipeline=replace(idle, last_run_count=last))
        assert (played.followed, played.state.behind) == (6, 5)
        assert not played.state.is_active(0.0)

    def test_a_run_in_progress_that_is_not_counted_yet(self):
        """It is not taken for ours, although its number appears only after our request."""
        api = FakeOpsera(FakeClock(), "running", script=["no count"], log_names_user=False)
        seen = api.summary(PIPELINE, Deadline.after(api.clock, None))
        played = play(api, pipeline=replace(seen, run_count=4, last_run_count=4))
        assert (api.ours(), played.followed, played.state.behind) == ([6], 6, 5)

    def test_a_refusal_of_a_busy_pipeline_ends_with_the_time(self):
        """The refusal is in the message when the time is up."""
        played = play(FakeOpsera(FakeClock(), "running", script=["refused"]), timeout=30.0)
        assert isinstance(played.error, TimedOut)
        assert "the pipeline was requested" in played.error.message
        assert played.clock.monotonic() <= 30.0

    def test_a_request_is_not_sent_again_without_time_for_its_response(self):
        """The job could not learn the number of its run."""
        api = FakeOpsera(FakeClock(), "running", duration=0.5, script=["refused"])
        played = play(api, timeout=3.0)
        assert isinstance(played.error, TimedOut)
        assert (api.times("run"), api.ours()) == (1, [])

    @pytest.mark.parametrize("way", ["unknown no", "failed with count"])
    def test_an_unrecognized_response_is_looked_into(self, way):
        """An unclear response is never followed by a second request."""
        played = play(FakeOpsera(FakeClock(), script=[way]))
        assert played.api.times("run") == 1
        assert "Unrecognized response" in played.notes[0]
        if way == "unknown no":
            assert isinstance(played.error, RunUncertain)
            assert "“not now”" in played.error.message
        else:
            assert played.followed == 6

    def test_an_accepted_run_is_waited_for(self):
        """An accepted run may take minutes to appear, but not for ever."""
        played = play(FakeOpsera(FakeClock(), script=["no count"], count_lag=200.0))
        assert played.followed == 6
        played = play(FakeOpsera(FakeClock(), script=["no count"], count_lag=2000.0))
        assert isinstance(played.error, RunUncertain)
        assert played.clock.monotonic() < 400.0

    def test_the_run_ahead_is_known(self):
        """A number that was skipped may be in progress, so a stop call has to ask first."""
        api = FakeOpsera(FakeClock())
        api.around = ["before"]
        state = play(api).state
        assert (state.run.count, state.behind) == (7, 6)
        assert play(FakeOpsera(FakeClock())).state.behind is None
        assert play(FakeOpsera(FakeClock(), "running")).state.behind == 5

    def test_the_response_is_kept_as_it_came(self):
        """Commands with JSON output show the API's own response."""
        assert "run" in play(FakeOpsera(FakeClock())).state.responses


class TestWhoseRun:
    """Which of the runs that appear is ours."""

    def test_the_log_may_lag(self):
        """Who started a run is waited for, so that another user's is not taken for ours."""
        api = FakeOpsera(FakeClock(), script=["no count"], log_lag=6.0, duration=30.0)
        api.around = ["before"]
        played = play(api)
        assert (played.followed, api.ours()) == (7, [7])
        assert "Run 6 was started by another user" in played.notes[1]

    def test_a_queued_run_has_no_log_yet(self):
        """Its owner is known once it has started: another user's run is not mistaken for ours."""
        api = FakeOpsera(FakeClock(), "running", script=["lost request"], counts_at_once=True)
        api.around = ["after"]
        played = play(api)
        assert isinstance(played.error, RunUncertain)
        assert (played.followed, api.times("run")) == (None, 1)

    def test_hundreds_of_runs_are_not_looked_through(self):
        """A pipeline whose number was not known before does not cost a request for each run."""
        api = FakeOpsera(FakeClock(), script=["no count"], count=5000)
        played = play(api, pipeline=Pipeline(PIPELINE, "", 0, State.SUCCESS))
        assert "Runs 1 to 5001" in played.error.message
        assert api.times("logs") == 0

    @pytest.mark.parametrize(
        ("users", "found"), [((), None), ((US,), 6), ((OTHER,), None), ((US, OTHER), None)]
    )
    def test_the_run_of_a_request_without_response(self, users, found):
        """A cancelled job takes the very next run for its own, unless it is another user's."""
        api = FakeOpsera(FakeClock(), duration=1.0)
        for user in users:
            api.accept(user)
        api.clock.sleep(1.5)
        until = Deadline.after(api.clock, 2.0)
        run = find_unconfirmed_run(api, PIPELINE, 5, token_of(US), api.clock, until)
        assert run == (None if found is None else Run(PIPELINE, found))

    def test_the_log_of_a_new_run_gets_time_to_show_who_started_it(self):
        """A cancelled job would stop another user's run if the log lags behind the run number."""
        api = FakeOpsera(FakeClock(), log_lag=1.5)
        api.accept(OTHER)
        until = Deadline.after(api.clock, 4.0)
        assert find_unconfirmed_run(api, PIPELINE, 5, token_of(US), api.clock, until) is None

    def test_the_search_for_it_outlives_one_error(self):
        """One 503 while the job is being cancelled does not leave the run behind."""
        api = FakeOpsera(FakeClock())
        api.accept(US)
        api.summary_faults = [unavailable(503)]
        until = Deadline.after(api.clock, 2.0)
        run = find_unconfirmed_run(api, PIPELINE, 5, token_of(US), api.clock, until)
        assert run == Run(PIPELINE, 6)
        api.summary_faults = [unavailable(503)] * 99
        with pytest.raises(ApiError):
            find_unconfirmed_run(
                api, PIPELINE, 5, token_of(US), api.clock, Deadline.after(api.clock, 2.0)
            )


class TestReset:
    """The input `reset`."""

    @pytest.mark.parametrize(
        ("when", "wanted"),
        [("never", ()), ("auto", ("failed", "stopped", "paused")),
         ("always", ("success", "failed", "stopped", "never", "paused"))],
    )  # fmt: skip
    def test_when(self, when, wanted):
        """auto resets after a bad end, always resets all, nothing resets a run in progress."""
        for state in ("success", "failed", "stopped", "never", "running", "paused"):
            api = FakeOpsera(FakeClock(), state)
            play(api, StartPolicy(reset=when))
            assert api.times("reset") == (state in wanted), state

    def test_a_run_in_progress_is_reported(self):
        """always does not end a run in progress, which is reported."""
        played = play(FakeOpsera(FakeClock(), "running"), StartPolicy(reset="always"))
        assert played.notes == ["Not reset, because run 5 is in progress."]

    def test_a_paused_run_is_discarded_although_the_summary_lags(self):
        """The summary may show the pause for some seconds after the reset."""
        api = FakeOpsera(FakeClock(), "paused", state_lag=12.0)
        played = play(api, StartPolicy("fail", "auto"))
        assert played.followed == 6
        assert played.notes[0].startswith("Pipeline reset (it was paused).")

    def test_a_lost_response_to_a_reset_is_retried(self):
        """A reset can be sent twice."""
        api = FakeOpsera(FakeClock(), "failed")
        api.reset_faults = [(True, unavailable(504)), (False, unavailable(502))]
        assert play(api, StartPolicy(reset="auto")).followed == 6
        assert api.times("reset") == 3

    def test_a_run_that_started_during_an_outage_is_not_ended(self):
        """Before a reset is sent again, it is checked whether another run is in progress."""
        api = FakeOpsera(FakeClock(), "failed", duration=600.0)
        api.reset_faults = [(False, unavailable(502, 30.0))]
        api.others_at([10.0])
        played = play(api, StartPolicy(reset="auto"))
        assert api.times("reset") == 1
        assert "Not reset, because run 6 is in progress." in played.notes
        assert (played.followed, played.state.behind) == (7, 6)
        assert not api.broken_off


class TestAttaching:
    """The input `on_busy: attach`."""

    @pytest.mark.parametrize(
        "faults", [[], [unavailable(502), unavailable(500)], [Rejected("404")]]
    )
    def test_it_waits_for_the_number_of_the_run_in_progress(self, faults):
        """While the summary counts the run before, which has ended, that one is not attached to."""
        api = FakeOpsera(FakeClock(), count_lag=10.0)
        api.others_at([0.1])
        api.clock.sleep(1.0)
        api.status_faults = faults
        played = play(api, StartPolicy("attach"))
        assert (played.followed, api.times("run")) == (6, 0)

    def test_it_ends_when_the_number_never_appears(self):
        """A run that is never counted can't be attached to."""
        api = FakeOpsera(FakeClock(), count_lag=9999.0, duration=9999.0)
        api.others_at([0.1])
        api.clock.sleep(1.0)
        played = play(api, StartPolicy("attach"), timeout=300.0)
        assert isinstance(played.error, TimedOut)
        assert "Run 5 has ended" in played.error.message
        assert sum(isinstance(one, Heartbeat) for one in played.events) >= 4

    def test_a_run_without_a_number_is_uncertain(self):
        """Where Opsera does not return which run is in progress, none is followed."""
        pipeline = Pipeline(PIPELINE, "", 0, State.RUNNING)
        played = play(FakeOpsera(FakeClock()), StartPolicy("attach"), pipeline=pipeline)
        assert isinstance(played.error, RunUncertain)
        assert "does not return its number" in played.error.message
