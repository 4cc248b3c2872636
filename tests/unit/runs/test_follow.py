"""Following a run: against an Opsera of a few lines that plays its part on a fake clock."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TypeVar

import pytest

from opsera_step.api import LogRecord, Pipeline, Run, RunStatus, State, Step, state_of
from opsera_step.clock import Deadline, FakeClock
from opsera_step.errors import (
    ApiError,
    Forbidden,
    Malformed,
    NotFound,
    Redirected,
    Rejected,
    Unauthorized,
    Unavailable,
    Unreachable,
)
from opsera_step.runs import EndReason, events
from opsera_step.runs.follow import DRAIN_CAP, Follower, FollowPolicy
from opsera_step.runs.retry import HEARTBEAT, LONGEST_OUTAGE
from opsera_step.runs.turn import NEW_RUN_GRACE

RUN = Run("65a4f00dc0ffee0123456789", 42)
FOREVER = float("inf")
STEP = Step("s1", "Build", "jenkins")
GATE = Step("s2", "Approve production", "approval")
PLAN = (STEP, GATE)
E = TypeVar("E", bound=events.Event)


def http(status: int, retry_after: float | None = None) -> ApiError:
    """Make the error that the client makes of an HTTP code."""
    kinds = {400: Rejected, 401: Unauthorized, 403: Forbidden, 404: NotFound, 302: Redirected}
    error = kinds.get(status, Unavailable)(f"the call answered HTTP {status}.")
    if isinstance(error, Unavailable):
        error.throttled, error.retry_after = status == 429, retry_after
    return error


def record(number: int, text: str) -> LogRecord:
    """A console record of the one step."""
    return LogRecord(
        id=f"65000000{'ab' * 5}{number:06x}",
        created=float(number),
        step_id=STEP.id,
        step_name=STEP.name,
        step_index=0,
        action="console output",
        status="",
        message="",
        tool="jenkins",
        user_id="",
        text=text,
    )


@dataclass
class Opsera:
    """One pipeline as a schedule: what each call says from which second on; calls are counted."""

    clock: FakeClock
    words: list[tuple[float, str | ApiError]]
    """What the status call says: a word with `|` and a message, or an error."""
    lines: list[tuple[float, str]] = field(default_factory=list)
    """When each log record turns up."""
    log_errors: list[tuple[float, float, ApiError]] = field(default_factory=list)
    status_errors: list[tuple[float, float, ApiError]] = field(default_factory=list)
    summary_errors: list[tuple[float, float, ApiError]] = field(default_factory=list)
    pipelines: list[tuple[float, Pipeline]] = field(default_factory=list)
    latency: float = 0.1
    calls: list[tuple[float, str]] = field(default_factory=list)
    runs_ahead: dict[int, list[tuple[float, str | ApiError]]] = field(default_factory=dict)

    @property
    def now(self) -> float:
        return self.clock.monotonic()

    def times(self, call: str) -> list[float]:
        """When a call was made."""
        return [at for at, name in self.calls if name == call]

    def status(self, run: Run, deadline: Deadline) -> RunStatus:
        self._called("status" if run == RUN else "status of another", self.status_errors)
        said = self._now(self.words if run == RUN else self.runs_ahead[run.count])
        if isinstance(said, ApiError):
            raise said
        word, _, message = said.partition("|")
        return RunStatus(state_of(word), word, message)

    def summary(self, pipeline_id: str, deadline: Deadline) -> Pipeline:
        self._called("summary", self.summary_errors)
        return self._now(self.pipelines) if self.pipelines else pipeline(State.RUNNING)

    def logs(self, run: Run, deadline: Deadline, *, console_only: bool) -> list[LogRecord]:
        self._called("logs", self.log_errors)
        there = [record(n, text) for n, (at, text) in enumerate(self.lines) if at <= self.now]
        return there[::-1][:1000]

    def _called(self, name: str, errors: list[tuple[float, float, ApiError]]) -> None:
        self.calls.append((self.now, name))
        self.clock.sleep(self.latency)
        for since, until, error in errors:
            if since <= self.now < until:
                raise error

    def _now(self, schedule: list[tuple[float, E]]) -> E:
        return [what for at, what in schedule if at <= self.now or at == 0][-1]


def pipeline(state: State, count: int = RUN.count, **fields: object) -> Pipeline:
    made = Pipeline(RUN.pipeline_id, "Deploy shop", count, state, PLAN, current_step_id="s1")
    return replace(made, **fields)


@dataclass
class Seen:
    """What following gave: events with their times."""

    all: list[tuple[float, events.Event]]
    follower: Follower

    def of(self, kind: type[E]) -> list[E]:
        return [one for _, one in self.all if isinstance(one, kind)]

    def times(self, kind: type[events.Event]) -> list[float]:
        return [at for at, one in self.all if isinstance(one, kind)]

    @property
    def lines(self) -> list[str]:
        return [line for one in self.of(events.LogLines) for line in one.lines]

    @property
    def ended(self) -> events.Ended:
        ends = self.of(events.Ended)
        assert len(ends) == 1 and isinstance(self.all[-1][1], events.Ended)
        return ends[0]

    @property
    def end(self) -> float:
        return self.all[-1][0]


def follower_of(
    opsera: Opsera, timeout: float | None = 3600.0, *, fresh: bool = True,
    behind: int | None = None, **policy: object,
) -> Follower:  # fmt: skip
    deadline = Deadline.after(opsera.clock, timeout)
    return Follower(
        opsera, RUN, FollowPolicy(**policy), opsera.clock, deadline, random.Random(3).random,
        fresh=fresh, behind=behind,
    )  # fmt: skip


def follow(opsera: Opsera, timeout: float | None = 3600.0, **options: object) -> Seen:
    """Follow to the end."""
    follower = follower_of(opsera, timeout, **options)
    seen = [(opsera.now, event) for event in follower.follow()]
    return Seen(seen, follower)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


# --- the plain way --------------------------------------------------------------------------------


def test_a_run_from_its_start_to_its_end(clock):
    """Each line comes once, within seconds, and the end comes with the verdict and a whole log."""
    lines = [(n, f"line {n}\n") for n in range(60)]
    seen = follow(Opsera(clock, [(0, "running"), (60, "success|all well")], lines))
    assert seen.lines == [text.strip() for _, text in lines]
    assert seen.ended == events.Ended(
        EndReason.FINAL, RunStatus(State.SUCCESS, "success", "all well"), log_complete=True
    )
    assert [one.status.value for one in seen.of(events.StateChanged)] == ["running", "success"]
    assert seen.end < 75


@pytest.mark.parametrize("word", ["success", "failed", "Failure", "stopped", "ABORTED", "rejected"])
def test_each_final_word_ends_it(clock, word):
    """Each final word ends it as it came; the state is what the word means."""
    seen = follow(Opsera(clock, [(0, word)]), fresh=False)
    assert seen.ended.status == RunStatus(state_of(word), word)
    assert seen.ended.reason is EndReason.FINAL


@pytest.mark.parametrize("word", ["running", "Running", "processing event"])
def test_an_idle_hour_costs_few_calls(clock, word):
    """Waiting for an hour of silence takes about 300 calls, those of its heartbeats included."""
    opsera = Opsera(clock, [(0, word), (3600, "success")])
    follow(opsera, 7200)
    assert len(opsera.calls) <= 320


def test_lines_show_within_a_second_or_two_while_they_flow(clock):
    """While lines flow each shows about a second after it is there."""
    lines = [(n * 0.7, "x\n") for n in range(140)]
    opsera = Opsera(clock, [(0, "running"), (100, "success")], lines)
    follower = follower_of(opsera)
    late = []
    for event in follower.follow():
        if isinstance(event, events.LogLines):
            late += [opsera.now - at for at, _ in opsera.lines[len(late) : len(late) + 1]]
    assert max(late) < 2.6
    assert sorted(late)[len(late) // 2] < 1.2


def test_logs_none_asks_for_no_log(clock):
    """With logs: none only the status is asked for, and the log counts as not seen."""
    opsera = Opsera(clock, [(0, "running"), (30, "success")])
    seen = follow(opsera, logs="none")
    assert "logs" not in Counter(name for _, name in opsera.calls)
    assert seen.end < 40 and not seen.ended.log_complete


def test_a_fixed_interval_is_kept(clock):
    """With an interval of the user's own both calls come at it."""
    opsera = Opsera(clock, [(0, "running"), (100, "success")])
    follow(opsera, poll_interval=7.0)
    times = opsera.times("status")
    assert all(6.9 < later - at < 7.3 for at, later in pairwise(times))


# --- a new run ------------------------------------------------------------------------------------

NOT_YET: dict[str, str | ApiError] = {"400": http(400), "404": http(404), "unknown": "unknown"}


@pytest.mark.parametrize("said", NOT_YET.values(), ids=NOT_YET)
def test_a_new_run_may_be_unknown_for_a_while(clock, said):
    """A run that was just started may be unknown to status and log for some seconds."""
    opsera = Opsera(
        clock, [(0, said), (14, "running"), (40, "success")], [(20, "hello\n")],
        log_errors=[(0, 15, http(404))],
    )  # fmt: skip
    seen = follow(opsera)
    assert seen.lines == ["hello"]
    assert seen.ended.status.state is State.SUCCESS and seen.ended.log_complete
    assert seen.of(events.Note) == [] and seen.of(events.Retrying) == []


@pytest.mark.parametrize("said", [http(400), http(404)])
def test_a_run_that_stays_unknown_is_an_error(clock, said):
    """After its grace a run that the status call does not know ends it with that error."""
    with pytest.raises(Rejected):
        follow(Opsera(clock, [(0, said)], pipelines=[(0, pipeline(State.STOPPED))]))
    assert NEW_RUN_GRACE <= clock.monotonic() < NEW_RUN_GRACE + 10


@pytest.mark.parametrize("behind", [None, 41])
def test_a_run_that_is_unknown_until_the_time_is_up_says_why(clock, behind):
    """The reason that Opsera gave is in the end of a run that it never told of."""
    ahead = pipeline(State.RUNNING, 41 if behind else RUN.count)
    seen = follow(Opsera(clock, [(0, http(400))], pipelines=[(0, ahead)]), 15.0, behind=behind)
    assert seen.ended.reason is EndReason.TIMEOUT
    assert "HTTP 400" in seen.ended.detail


@pytest.mark.parametrize("said", [http(400), http(404)])
def test_an_old_run_that_is_unknown_is_an_error_at_once(clock, said):
    """A run that was not just started has no grace."""
    with pytest.raises(Rejected):
        follow(Opsera(clock, [(0, said)]), fresh=False)
    assert clock.monotonic() < 1


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("fresh", [True, False])
def test_a_bad_token_is_an_error_at_once(clock, status, fresh):
    """401 and 403 of the status call end it even in the grace of a new run."""
    with pytest.raises((Unauthorized, Forbidden)):
        follow(Opsera(clock, [(0, http(status))]), fresh=fresh)
    assert clock.monotonic() < 1


@pytest.mark.parametrize("missing", [http(404), http(400), None], ids=["404", "400", "empty"])
def test_a_quick_run_whose_log_comes_late_loses_no_line(clock, missing):
    """A new run that ends before the log call knows of it is waited for, not taken as silent."""
    opsera = Opsera(clock, [(0, "running"), (2, "success")], [(9, "hello\n"), (9, "done\n")])
    if missing is not None:
        opsera.log_errors = [(0, 9, missing)]
    seen = follow(opsera)
    assert seen.lines == ["hello", "done"]
    assert seen.ended.log_complete
    assert seen.of(events.Note) == []


def test_a_quick_run_without_a_log_is_not_waited_for_long(clock):
    """A new run that ends and prints nothing is over when its grace is."""
    seen = follow(Opsera(clock, [(0, "success")]))
    assert seen.ended.log_complete and seen.end < NEW_RUN_GRACE + 5


# --- the queue ------------------------------------------------------------------------------------

QUEUED: dict[str, str | ApiError] = {**NOT_YET, "queued": "queued", "pending": "Pending"}


@pytest.mark.parametrize("interval", [None, 45.0])
@pytest.mark.parametrize("counted", [False, True], ids=["not counted", "counted already"])
@pytest.mark.parametrize("said", QUEUED.values(), ids=QUEUED)
def test_a_queued_run_is_waited_for(clock, said, counted, interval):
    """However the API speaks of a queued run, it is waited for as long as another one goes."""
    ahead = pipeline(State.RUNNING, RUN.count if counted else 41)
    opsera = Opsera(
        clock, [(0, said), (1800, "running"), (1860, "success")], [(1810, "hello\n")],
        pipelines=[(0, ahead), (1799, pipeline(State.RUNNING))],
        runs_ahead={41: [(0, "running"), (1799, "success")]},
    )  # fmt: skip
    if not isinstance(said, str):
        opsera.log_errors = [(0, 1802, said)]
    seen = follow(opsera, behind=41, poll_interval=interval)
    assert [one.behind for one in seen.of(events.Queued)] == [41]
    assert seen.lines == ["hello"]
    assert seen.ended.status.state is State.SUCCESS
    beats = [one for one in seen.of(events.Heartbeat) if one.queued_behind == 41]
    assert len(beats) >= 20


def test_an_hour_in_the_queue_costs_few_calls(clock):
    """Behind another run the log is not read each time, for there is none; the rest goes on."""
    opsera = Opsera(
        clock, [(0, "queued"), (3600, "running"), (3660, "success")], [(3601, "hello\n")],
        pipelines=[(0, pipeline(State.RUNNING)), (3599, pipeline(State.RUNNING))],
        runs_ahead={41: [(0, "running"), (3599, "success")]},
    )  # fmt: skip
    seen = follow(opsera, 7200, behind=41)
    assert seen.lines == ["hello"]
    assert sum(at < 3600 for at, _ in opsera.calls) <= 360


def test_a_queued_run_outlives_an_outage(clock):
    """An outage while a run is queued and unknown does not eat up its grace."""
    opsera = Opsera(
        clock, [(0, http(404)), (600, "running"), (660, "success")],
        pipelines=[(0, pipeline(State.RUNNING, 41)), (600, pipeline(State.RUNNING))],
    )  # fmt: skip
    broken = [(100.0, 300.0, http(502))]
    opsera.status_errors = opsera.summary_errors = opsera.log_errors = broken
    seen = follow(opsera, behind=41)
    assert seen.ended.status.state is State.SUCCESS


def test_a_new_run_outlives_an_outage(clock):
    """An outage right after the start does not eat up the grace of a new run."""
    opsera = Opsera(clock, [(0, http(404)), (70, "running"), (80, "success")])
    opsera.status_errors = opsera.summary_errors = opsera.log_errors = [(1.0, 60.0, http(502))]
    assert follow(opsera).ended.status.state is State.SUCCESS


def test_queued_behind_one_run_after_the_other(clock):
    """Each run that is in the way is told once."""
    opsera = Opsera(
        clock, [(0, "queued"), (200, "running"), (260, "success")],
        pipelines=[(0, pipeline(State.RUNNING, 40)), (100, pipeline(State.RUNNING, 41)),
                   (200, pipeline(State.RUNNING))],
    )  # fmt: skip
    assert [one.behind for one in follow(opsera).of(events.Queued)] == [40, 41]


def test_no_queue_is_told_when_the_run_has_left_it(clock):
    """A queued run that goes straight into a pause is not told as queued any more."""
    opsera = Opsera(
        clock, [(0, "queued"), (100, "paused"), (400, "success")],
        pipelines=[(0, pipeline(State.RUNNING, 41)), (100, pipeline(State.PAUSED))],
    )  # fmt: skip
    beats = [
        one for at, one in follow(opsera, wait_when_paused=True).all
        if isinstance(one, events.Heartbeat) and at > 110
    ]  # fmt: skip
    assert beats and {one.queued_behind for one in beats} == {None}


# --- pauses ---------------------------------------------------------------------------------------

PAUSED = pipeline(State.PAUSED, current_step_id=GATE.id)


def test_a_pause_ends_it_with_its_gate_and_a_whole_log(clock):
    """A pause ends it, when that is wanted, after the log has been read up to it."""
    opsera = Opsera(
        clock, [(0, "running"), (30, "paused|waits for ann")],
        [(29, "before\n"), (33, "late\n")], pipelines=[(0, PAUSED)],
    )  # fmt: skip
    seen = follow(opsera)
    assert seen.of(events.PausedAt) == [events.PausedAt(GATE, "waits for ann")]
    assert seen.lines == ["before", "late"]
    assert (seen.ended.reason, seen.ended.log_complete) == (EndReason.PAUSED, True)
    assert seen.ended.status.state is State.PAUSED


def test_a_pause_is_waited_through_each_time(clock):
    """Waiting lives through pause, resumption and the next pause, and tells each pause once."""
    opsera = Opsera(
        clock,
        [(0, "running"), (30, "paused"), (330, "running"), (360, "paused"), (500, "running"),
         (520, "success")],
        [(345, "between\n")],
        pipelines=[(0, PAUSED)],
    )  # fmt: skip
    seen = follow(opsera, wait_when_paused=True)
    assert len(seen.of(events.PausedAt)) == 2
    assert seen.lines == ["between"]
    assert seen.ended.status.state is State.SUCCESS


def test_a_pause_whose_gate_is_not_known(clock):
    """A summary that fails takes nothing but the gate's name."""
    opsera = Opsera(clock, [(0, "paused")], summary_errors=[(0, FOREVER, http(500))])
    assert follow(opsera).of(events.PausedAt) == [events.PausedAt(None, "")]


def test_a_pause_that_outlasts_the_timeout_is_a_timeout(clock):
    """Waiting for somebody ends when the time is up."""
    seen = follow(Opsera(clock, [(0, "paused")]), 600, wait_when_paused=True)
    assert seen.ended.reason is EndReason.TIMEOUT
    assert seen.ended.status.state is State.PAUSED


# --- words never seen before ----------------------------------------------------------------------


def test_an_unknown_word_is_waited_through_while_the_pipeline_goes(clock):
    """A word never seen before is no end while the pipeline is in this very run."""
    opsera = Opsera(clock, [(0, "frobnicating"), (900, "success")])
    seen = follow(opsera, fresh=False)
    assert seen.ended.status.state is State.SUCCESS and seen.end > 900


@pytest.mark.parametrize("state", [State.SUCCESS, State.STOPPED, State.FAILED])
def test_an_unknown_word_of_a_run_that_rests_is_never_success(clock, state):
    """When the pipeline rests for several looks, the verdict is unknown rather than good."""
    opsera = Opsera(clock, [(0, "frobnicated")], pipelines=[(0, pipeline(state))])
    seen = follow(opsera, fresh=False)
    assert seen.ended.reason is EndReason.LOST
    assert seen.ended.status.state is State.UNKNOWN
    assert "frobnicated" in seen.ended.detail
    assert 10 < seen.end < 120


@pytest.mark.parametrize(("word", "state"), [("failed", State.FAILED), ("success", State.SUCCESS)])
def test_an_unknown_word_is_settled_by_the_last_run(clock, word, state):
    """Where the pipeline says how this very run ended, that is the verdict."""
    rests = pipeline(state, last_run_count=RUN.count, last_run_status=word)
    seen = follow(Opsera(clock, [(0, "frobnicated")], pipelines=[(0, rests)]), fresh=False)
    assert (seen.ended.reason, seen.ended.status.state) == (EndReason.FINAL, state)


def test_an_unknown_word_of_a_run_that_was_overtaken(clock):
    """When the pipeline is in a later run, this one does not go any more."""
    opsera = Opsera(clock, [(0, "frobnicated")], pipelines=[(0, pipeline(State.RUNNING, 43))])
    assert follow(opsera, fresh=False).ended.reason is EndReason.LOST


def test_an_unknown_word_while_the_pipeline_cannot_be_asked(clock):
    """A summary that fails proves nothing, so following goes on."""
    opsera = Opsera(
        clock, [(0, "frobnicated"), (600, "success")], summary_errors=[(0, FOREVER, http(500))]
    )
    assert follow(opsera, fresh=False).ended.status.state is State.SUCCESS


# --- the end of the log ---------------------------------------------------------------------------


@pytest.mark.parametrize("fresh", [True, False])
def test_lines_that_trail_the_final_status_are_read(clock, fresh):
    """Lines that go on for half a minute after the final status are all there."""
    lines = [(n * 2.5, f"line {n}\n") for n in range(24)]
    seen = follow(Opsera(clock, [(0, "running"), (30, "failed")], lines), fresh=fresh)
    assert len(seen.lines) == 24 and seen.ended.log_complete
    assert seen.ended.status.state is State.FAILED


def test_a_log_without_end_is_cut(clock):
    """A log that never stands still after the end is read for a minute, and is incomplete."""
    lines = [(n * 1.0, f"line {n}\n") for n in range(600)]
    seen = follow(Opsera(clock, [(0, "running"), (30, "success")], lines))
    assert not seen.ended.log_complete
    assert 30 + DRAIN_CAP <= seen.end < 30 + DRAIN_CAP + 10
    assert seen.ended.status.state is State.SUCCESS


def test_a_log_without_end_is_cut_soon_after_the_timeout(clock):
    """With the timeout near, the log gets ten seconds after the end, not a minute."""
    lines = [(n * 1.0, f"line {n}\n") for n in range(600)]
    seen = follow(Opsera(clock, [(0, "running"), (30, "success")], lines), 33)
    assert seen.end < 45 and seen.ended.reason is EndReason.FINAL


def test_a_log_call_that_fails_at_the_end(clock):
    """When the log call fails after the end, the log is given up in a minute, not the verdict."""
    opsera = Opsera(
        clock, [(0, "running"), (30, "success")], [(10, "hello\n"), (29.9, "lost\n")],
        log_errors=[(28, FOREVER, http(502))],
    )  # fmt: skip
    seen = follow(opsera)
    assert seen.lines == ["hello"] and not seen.ended.log_complete
    assert seen.ended.status.state is State.SUCCESS and seen.end < 100


def test_a_log_call_that_recovers_at_the_end(clock):
    """A log call that fails for a while after the end still gives its last lines."""
    opsera = Opsera(
        clock, [(0, "running"), (30, "success")], [(10, "hello\n"), (29.9, "last\n")],
        log_errors=[(28, 50, http(502))],
    )  # fmt: skip
    seen = follow(opsera)
    assert seen.lines == ["hello", "last"] and seen.ended.log_complete


def test_a_log_that_is_refused_is_told_once(clock):
    """A refused log call is one warning; the verdict is untouched and the log incomplete."""
    opsera = Opsera(clock, [(0, "running"), (600, "success")], log_errors=[(0, FOREVER, http(403))])
    seen = follow(opsera)
    (note,) = seen.of(events.Note)
    assert note.warning and "The log can't be read" in note.text
    assert seen.ended.status.state is State.SUCCESS and not seen.ended.log_complete
    assert len(opsera.times("logs")) < 20


def test_a_log_that_was_refused_is_tried_once_more_at_the_end(clock):
    """A log call that was refused before the end is tried again after it."""
    opsera = Opsera(
        clock, [(0, "running"), (60, "success")], [(5, "hello\n")],
        log_errors=[(0, 45, http(403))],
    )  # fmt: skip
    seen = follow(opsera, fresh=False)
    assert seen.lines == ["hello"] and seen.ended.log_complete


# --- the timeout ----------------------------------------------------------------------------------


def test_the_timeout_ends_it_on_time(clock):
    """When the time is up it ends within seconds, with the last status that was heard."""
    seen = follow(Opsera(clock, [(0, "running")], [(290, "late\n")]), 300)
    assert seen.ended.reason is EndReason.TIMEOUT
    assert seen.ended.status.state is State.RUNNING and not seen.ended.log_complete
    assert 300 <= seen.end < 301
    assert seen.lines == ["late"]


@pytest.mark.parametrize("word", ["success", "failed", "stopped"])
def test_a_run_that_ends_at_the_boundary_has_ended(clock, word):
    """The status is asked once more when the time is up, so an end is not taken for a timeout."""
    seen = follow(Opsera(clock, [(0, "running"), (299.9, word)]), 300)
    assert seen.ended.reason is EndReason.FINAL


@pytest.mark.parametrize("error", [http(502), http(404), http(401), Unreachable("broken.")])
def test_a_boundary_without_an_answer_is_a_timeout(clock, error):
    """Whatever the last look gives that is no answer, the end is the timeout."""
    opsera = Opsera(clock, [(0, "running")], status_errors=[(299.95, FOREVER, error)])
    seen = follow(opsera, 300)
    assert seen.ended.reason is EndReason.TIMEOUT and seen.end < 311


def test_a_timeout_of_nothing_is_still_one_look(clock):
    """With no time at all the status is asked once."""
    opsera = Opsera(clock, [(0, "success")])
    assert follow(opsera, 0).ended.reason is EndReason.FINAL


# --- outages --------------------------------------------------------------------------------------

TRANSIENT = {
    "500": http(500), "502": http(502), "429": http(429), "302": http(302),
    "reset": Unreachable("the call failed."), "HTML": Malformed("the call answered HTML."),
}  # fmt: skip


@pytest.mark.parametrize("error", TRANSIENT.values(), ids=TRANSIENT)
def test_an_outage_is_lived_through_and_told_once(clock, error):
    """An outage of all calls is told once, its end once, and no line is lost."""
    lines = [(n * 10.0, f"line {n}\n") for n in range(90)]
    opsera = Opsera(clock, [(0, "running"), (900, "success")], lines)
    opsera.log_errors = opsera.status_errors = opsera.summary_errors = [(100.0, 700.0, error)]
    seen = follow(opsera)
    assert len(seen.of(events.Retrying)) == len(seen.of(events.Recovered)) == 1
    assert 104 < seen.times(events.Retrying)[0] < 180
    assert 700 < seen.times(events.Recovered)[0] < 745
    assert 580 < seen.of(events.Recovered)[0].elapsed < 650
    assert len(seen.lines) == 90 and seen.ended.log_complete


def test_single_faults_are_not_worth_a_line(clock):
    """A fault now and then is lived through without a word."""
    opsera = Opsera(clock, [(0, "running"), (300, "success")])
    opsera.status_errors = [(at, at + 1.5, http(502)) for at in range(10, 290, 20)]
    seen = follow(opsera)
    assert seen.of(events.Retrying) == seen.of(events.Recovered) == []


def test_each_outage_is_told(clock):
    """A second outage is told like the first."""
    opsera = Opsera(clock, [(0, "running"), (600, "success")])
    opsera.status_errors = [(100.0, 160.0, http(502)), (300.0, 460.0, http(503))]
    seen = follow(opsera)
    assert ["502" in one.error for one in seen.of(events.Retrying)] == [True, False]
    assert len(seen.of(events.Recovered)) == 2


def test_an_outage_of_the_log_alone(clock):
    """While only the log call fails, the status is followed and each minute says what is wrong."""
    lines = [(n * 10.0, f"line {n}\n") for n in range(60)]
    opsera = Opsera(clock, [(0, "running"), (700, "success")], lines)
    opsera.log_errors = [(50.0, 500.0, http(502))]
    seen = follow(opsera)
    beats = [one for one in seen.of(events.Heartbeat) if "502" in one.error]
    assert len(beats) >= 5
    assert len(seen.lines) == 60 and seen.ended.log_complete


def test_an_outage_at_the_end_is_lived_through(clock):
    """A run that ended during an outage is reported when the API is back."""
    opsera = Opsera(clock, [(0, "running"), (200, "failed")], [(199, "the reason\n")])
    opsera.status_errors = opsera.log_errors = [(100.0, 1000.0, http(503))]
    seen = follow(opsera)
    assert seen.lines == ["the reason"]
    assert seen.ended.status.state is State.FAILED and seen.end < 1050


def test_without_a_timeout_an_endless_outage_ends_it(clock):
    """Where the user set no timeout, an hour without an answer ends it as lost."""
    opsera = Opsera(clock, [(0, "running")], status_errors=[(100, FOREVER, http(502))])
    seen = follow(opsera, None)
    assert seen.ended.reason is EndReason.LOST and "502" in seen.ended.detail
    assert LONGEST_OUTAGE < seen.end < LONGEST_OUTAGE + 200


def test_without_a_timeout_an_endless_run_is_followed(clock):
    """Without a timeout a run may take a day."""
    seen = follow(Opsera(clock, [(0, "running"), (86_400, "success")]), None)
    assert seen.ended.reason is EndReason.FINAL


# --- throttling -----------------------------------------------------------------------------------


def test_retry_after_is_obeyed(clock):
    """For as long as the server asks for, the call that it refused is not made."""
    opsera = Opsera(clock, [(0, "running"), (300, "success")])
    opsera.status_errors = opsera.log_errors = [(50.0, 60.0, http(429, 45.0))]
    follow(opsera)
    for call in ("status", "logs"):
        hit = next(at for at in opsera.times(call) if at >= 49.9)
        assert all(not hit < at < hit + 45 for at in opsera.times(call))


def test_429_slows_and_recovers(clock):
    """429 without Retry-After slows all calls down; when it is over the speed comes back."""
    lines = [(n * 2.0, "x\n") for n in range(300)]
    opsera = Opsera(clock, [(0, "running"), (600, "success")], lines)
    opsera.log_errors = [(100.0, 160.0, http(429))]
    seen = follow(opsera)

    def calls_in(since: float, until: float) -> int:
        return sum(since <= at < until for at, _ in opsera.calls)

    assert calls_in(40, 100) > 40
    assert calls_in(100, 160) < 25
    assert calls_in(400, 460) > 40
    assert len(seen.lines) == 300


# --- never looks dead -----------------------------------------------------------------------------


def silences(seen: Seen) -> list[float]:
    """The times between what is shown."""
    times = [0.0, *(at for at, one in seen.all if not isinstance(one, events.Tick))]
    return [later - at for at, later in pairwise(times)]


LULLS: dict[str, dict[str, object]] = {
    "auto": {},
    "no log": {"logs": "none"},
    "every five minutes": {"poll_interval": 300.0},
    "every second": {"poll_interval": 1.0},
    "with ticks": {"tick": 1.0},
    "in a pause": {"wait_when_paused": True},
}


@pytest.mark.parametrize("name", LULLS)
def test_a_line_a_minute(clock, name):
    """When nothing happens one line a minute says so, at any poll interval, and never more."""
    word = "paused" if name == "in a pause" else "running"
    seen = follow(Opsera(clock, [(0, word), (3600, "success")]), None, **LULLS[name])
    assert max(silences(seen)[:-1]) < HEARTBEAT + 21
    beats = seen.times(events.Heartbeat)
    assert len(beats) >= 44
    assert all(later - at >= HEARTBEAT for at, later in pairwise(beats))


OUTAGES = {
    "of all": ("status_errors", "log_errors", "summary_errors"),
    "of the status": ("status_errors",),
    "of the log": ("log_errors",),
}


@pytest.mark.parametrize("error", [http(502), http(429), http(429, 400.0)])
@pytest.mark.parametrize("name", OUTAGES)
def test_a_line_a_minute_in_an_outage(clock, name, error):
    """In an outage too, however slow the calls get, no minute passes without a word."""
    opsera = Opsera(clock, [(0, "running"), (3000, "success")])
    for errors in OUTAGES[name]:
        setattr(opsera, errors, [(100.0, 2900.0, error)])
    assert max(silences(follow(opsera))) < HEARTBEAT + 35


def test_a_heartbeat_says_what_runs(clock):
    """A heartbeat names the step, the state, and for how long nothing has come."""
    opsera = Opsera(clock, [(0, "running"), (600, "success")], [(100, "x\n")])
    last = follow(opsera).of(events.Heartbeat)[-1]
    assert last.step == STEP and last.status.value == "running" and not last.error
    assert 380 < last.idle_seconds < 500


def test_a_heartbeat_tells_the_summary_again_while_nothing_changes(clock):
    """In a silence each second heartbeat asks for the pipeline; after a change the next one."""
    opsera = Opsera(clock, [(0, "running"), (900, "success")], [(500, "x\n")])
    seen = follow(opsera)
    asked, beats = opsera.times("summary"), seen.times(events.Heartbeat)
    assert len(beats) >= 9
    assert any(500 < at <= 600 for at in asked)
    assert len(asked) <= len(beats) / 2 + 2


def test_a_heartbeat_names_no_step_of_another_run(clock):
    """While the pipeline is in another run its step is not ours."""
    another = [(0.0, pipeline(State.RUNNING, 43))]
    opsera = Opsera(clock, [(0, "running"), (300, "success")], pipelines=another)
    assert {one.step for one in follow(opsera).of(events.Heartbeat)} == {None}


def test_ticks_come_as_often_as_wanted(clock):
    """A display that moves gets its ticks, also while nothing happens."""
    seen = follow(Opsera(clock, [(0, "running"), (300, "success")]), tick=0.5)
    times = seen.times(events.Tick)
    assert len(times) > 500
    assert max(b - a for a, b in pairwise(times)) < 1.2


def test_the_wall_clock_does_not_matter(clock):
    """A wall clock that is set forward or back changes nothing."""
    for at in range(5, 100, 10):
        clock.call_at(at, lambda at=at: clock.jump_wall(86_400 * (-1) ** at * at))
    lines = [(n * 1.0, f"line {n}\n") for n in range(90)]
    seen = follow(Opsera(clock, [(0, "running"), (100, "success")], lines), 600)
    assert len(seen.lines) == 90 and seen.end < 115
    assert seen.ended.log_complete


# --- answers that contradict each other -----------------------------------------------------------


def test_the_first_final_word_counts(clock):
    """A run that goes on after it was failed is failed: that was its end."""
    opsera = Opsera(clock, [(0, "running"), (30, "failed"), (35, "running"), (90, "success")])
    seen = follow(opsera)
    assert seen.ended.status.state is State.FAILED and seen.end < 60


def test_a_pipeline_that_rests_does_not_end_a_running_run(clock):
    """The status call alone says that a run has ended, whatever the pipeline object says."""
    rests = [(0.0, pipeline(State.FAILED, 40))]
    opsera = Opsera(clock, [(0, "running"), (300, "success")], pipelines=rests)
    assert follow(opsera).ended.status.state is State.SUCCESS


def test_a_message_that_changes_is_told(clock):
    """The same word with another message is a change."""
    opsera = Opsera(clock, [(0, "running|1 of 2"), (20, "running|2 of 2"), (60, "success")])
    changes = [one.status.message for one in follow(opsera).of(events.StateChanged)]
    assert changes == ["1 of 2", "2 of 2", ""]


# --- whether a stop call is safe ------------------------------------------------------------------


def current_when(opsera: Opsera, at: float, **options: object) -> bool:
    """Follow until some second, as a job that is cancelled then, and tell `is_current`."""
    follower = follower_of(opsera, None, **options)
    opsera.clock.call_at(at, lambda: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        for _ in follower.follow():
            pass
    return follower.is_current


CURRENT: dict[str, tuple[list[tuple[float, str | ApiError]], bool]] = {
    "running": ([(0, "running")], True),
    "paused": ([(0, "paused")], True),
    "queued": ([(0, "queued")], False),
    "pending": ([(0, "pending")], False),
    "created": ([(0, "Created")], False),
    "a new word": ([(0, "frobnicating")], False),
    "not known yet": ([(0, http(404))], False),
    "queued, then running": ([(0, "queued"), (20, "running")], True),
    "running, then queued again": ([(0, "running"), (20, "queued")], False),
}


@pytest.mark.parametrize("name", CURRENT)
def test_is_current_only_when_the_api_said_so(clock, name):
    """A run counts as the one that goes only when the API said of it that it is going."""
    words, current = CURRENT[name]
    opsera = Opsera(clock, words, pipelines=[(0, pipeline(State.RUNNING, 41))])
    assert current_when(opsera, 60, wait_when_paused=True) is current


def test_is_current_does_not_outlive_an_outage(clock):
    """What the API said before a long outage is no proof any more: another run may go by now."""
    opsera = Opsera(clock, [(0, "running")], status_errors=[(100, FOREVER, http(502))])
    assert current_when(opsera, 600) is False


def test_is_current_lives_through_a_single_fault(clock):
    """One fault just before does not make the answer of some seconds ago worthless."""
    opsera = Opsera(clock, [(0, "running")], status_errors=[(100, FOREVER, http(502))])
    assert current_when(opsera, 101) is True


def test_is_current_goes_stale_at_a_slow_interval(clock):
    """Asked every ten minutes, the API's last word is too old to stop by after nine."""
    assert current_when(Opsera(clock, [(0, "running")]), 550, poll_interval=600.0) is False


def test_is_current_in_a_silent_hour(clock):
    """At the slowest pace of our own the last answer is always young enough."""
    assert current_when(Opsera(clock, [(0, "running")]), 3599) is True
