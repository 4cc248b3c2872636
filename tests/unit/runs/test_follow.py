"""Following a run, against an Opsera of a few lines on a fake clock."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest

from opsera_step.api import RunStatus, State, state_of
from opsera_step.clock import Deadline, FakeClock
from opsera_step.errors import (
    Forbidden,
    Malformed,
    Rejected,
    Unauthorized,
    Unreachable,
)
from opsera_step.runs import EndReason, FollowPolicy, RunState, events, follow
from opsera_step.runs.follow import MAX_DRAIN, NEW_RUN_GRACE
from opsera_step.runs.retry import HEARTBEAT, LONGEST_OUTAGE
from opsera_step.runs.state import ACTIVE_FOR
from tests.support.scripted_opsera import (
    APPROVAL,
    BUILD,
    DEPLOY,
    FOREVER,
    RUN,
    ScriptedOpsera,
    follow_run,
    http,
    pipeline,
    record,
)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


class TestTheUsualRun:
    """From the start to the end."""

    def test_after_a_long_silence_the_lines_of_the_end_are_read_first(self, clock):
        """Of many records at once, those of one type show more lines than those of all types."""
        lines = [(3599.0, f"line {n}\n") for n in range(900)]
        activity = [(3599.0, record(5000 + n, created=3599.0, action="note")) for n in range(900)]
        changes = [(0, "running"), (3599, "success")]
        opsera = ScriptedOpsera(clock, changes, lines, activity)
        seen = follow_run(opsera, 7200)
        assert seen.lines == [f"line {n}" for n in range(900)] and seen.ended.log_complete
        reads = [name for at, name in opsera.requests if at > 3599 and name in {"log", "activity"}]
        assert reads[0] == "log"

    def test_each_line_once_and_the_result(self, clock):
        """Each line comes once, within seconds, and the end with the status and a whole log."""
        lines = [(n, f"line {n}\n") for n in range(60)]
        seen = follow_run(ScriptedOpsera(clock, [(0, "running"), (60, "success|all well")], lines))
        assert seen.lines == [text.strip() for _, text in lines]
        status = RunStatus(State.SUCCESS, "success", "all well")
        assert seen.ended[:4] == (EndReason.FINAL, status, True, "")
        assert [one.status.value for one in seen.of(events.StateChanged)] == ["running", "success"]
        assert seen.state.status == status
        assert seen.end < 70

    @pytest.mark.parametrize(
        "value", ["success", "failed", "Failure", "stopped", "ABORTED", "rejected"]
    )
    def test_each_final_status_ends_it(self, clock, value):
        """The status is reported as it came; the state is what it means."""
        seen = follow_run(ScriptedOpsera(clock, [(0, value)]), is_new=False)
        assert seen.ended.status == RunStatus(state_of(value), value)
        assert (seen.ended.reason, seen.end < 5) == (EndReason.FINAL, True)

    @pytest.mark.parametrize("options", [{}, {"watched_by_person": True}, {"logs": "none"}])
    def test_an_idle_hour_costs_few_requests(self, clock, options):
        """An hour of silence costs at most 300 requests, those of its heartbeats included."""
        opsera = ScriptedOpsera(clock, [(0, "running"), (3600, "success")])
        follow_run(opsera, 7200, **options)
        assert sum(at < 3600 for at, _ in opsera.requests) <= 305

    def test_logs_none_reads_only_the_results(self, clock):
        """With logs: none no log is read or shown, and it does not count as complete."""
        opsera = ScriptedOpsera(clock, [(0, "running"), (30, "success")], [(5, "hello\n")])
        seen = follow_run(opsera, logs="none")
        assert "log" not in Counter(name for _, name in opsera.requests)
        assert seen.lines == [] and not seen.ended.log_complete
        assert seen.end < 45

    def test_the_stream_asks_for_console_output(self, clock):
        """Reads of all records are rare, and serve the stream as well."""
        lines = [(n * 1.0, f"line {n}\n") for n in range(300)]
        opsera = ScriptedOpsera(clock, [(0, "running"), (300, "success")], lines)
        seen = follow_run(opsera)
        assert len(seen.lines) == 300
        assert len(opsera.times("activity")) < len(opsera.times("log")) / 10

    def test_logs_all_needs_no_other_reads(self, clock):
        """The stream itself has all records, and the results of the steps."""
        lines = [(n * 0.1, f"line {n}\n") for n in range(2000)]
        done = record(9000, created=100.0, action="step status", status="success")
        opsera = ScriptedOpsera(clock, [(0, "running"), (200, "success")], lines, [(100, done)])
        seen = follow_run(opsera, logs="all")
        assert len(seen.lines) >= 2000
        assert not opsera.times("log")
        assert seen.ended.details.steps[0].state is State.SUCCESS
        assert len(opsera.requests) < 150

    def test_a_fixed_interval_is_kept(self, clock):
        """With an interval of the user's own both requests come at it."""
        opsera = ScriptedOpsera(clock, [(0, "running"), (100, "success")])
        follow_run(opsera, poll_interval=7.0)
        for name in ("status", "log"):
            times = [at for at in opsera.times(name) if at < 100]
            assert len(times) >= 12
            assert all(6.9 < later - at < 14.6 for at, later in pairwise(times))

    def test_the_wall_clock_does_not_matter(self, clock):
        """A wall clock that is set forward or back changes nothing."""
        for at in range(5, 100, 10):
            clock.call_at(at, lambda at=at: clock.jump_wall(86_400 * (-1) ** at * at))
        lines = [(n * 1.0, f"line {n}\n") for n in range(90)]
        seen = follow_run(ScriptedOpsera(clock, [(0, "running"), (100, "success")], lines), 600)
        assert len(seen.lines) == 90 and seen.end < 115 and seen.ended.log_complete

    def test_a_changed_message_is_reported(self, clock):
        """The same status with another message is a change."""
        opsera = ScriptedOpsera(
            clock, [(0, "running|1 of 2"), (20, "running|2 of 2"), (60, "success")]
        )
        messages = [one.status.message for one in follow_run(opsera).of(events.StateChanged)]
        assert messages == ["1 of 2", "2 of 2", ""]

    def test_without_a_run_there_is_nothing_to_follow(self, clock):
        """That is a bug of the caller."""
        opsera = ScriptedOpsera(clock, [(0, "success")])
        following = follow(opsera, RunState(), FollowPolicy(), clock, Deadline(clock, None), float)
        with pytest.raises(ValueError, match="no run"):
            next(following)


class TestTheEndIsConfirmed:
    """A final or paused status ends following only after the log was drained and all agree."""

    @pytest.mark.parametrize("first", ["success", "failed", "stopped", "paused"])
    @pytest.mark.parametrize("last", ["success", "failed"])
    @pytest.mark.parametrize("lasting", [0.5, 2.0, 3.0])
    def test_a_status_that_does_not_last(self, clock, first, last, lasting):
        """Between two steps the run looks ended or paused for a moment; then it continues."""
        opsera = ScriptedOpsera(
            clock,
            [(0, "running"), (10, first), (10 + lasting, "running"), (40, last)],
            [(5, "one\n"), (30, "two\n", DEPLOY)],
        )
        seen = follow_run(opsera)
        assert seen.lines == ["one", "two"]
        assert (seen.ended.status.value, seen.ended.log_complete) == (last, True)
        assert seen.of(events.PausedAt) == []

    @pytest.mark.parametrize("first", ["success", "failed", "stopped", "paused"])
    def test_a_status_from_before_a_suspension(self, clock, first):
        """A process that was suspended in the meantime asks again before it ends."""
        opsera = ScriptedOpsera(
            clock, [(0, "running"), (10, first), (12, "running"), (900, "failed")]
        )
        clock.call_at(11.9, lambda: clock.sleep(600.0))
        assert follow_run(opsera, poll_interval=1.0).ended.status.value == "failed"

    @pytest.mark.parametrize("first", ["success", "failed"])
    def test_a_summary_that_contradicts_it(self, clock, first):
        """While the summary shows the run in progress, the status is requested again."""
        opsera = ScriptedOpsera(
            clock,
            [(0, "running"), (10, first), (28, "running"), (60, "failed")],
            pipelines=[(0, pipeline(State.RUNNING)), (60, pipeline(State.FAILED))],
        )
        assert follow_run(opsera).ended.status.value == "failed"

    def test_a_summary_that_lags_for_long_does_not_hold_it_up(self, clock):
        """After half a minute the status counts, whatever the summary shows."""
        opsera = ScriptedOpsera(
            clock, [(0, "running"), (10, "success")], pipelines=[(0, pipeline(State.RUNNING))]
        )
        seen = follow_run(opsera, poll_interval=1.0)
        assert (seen.ended.reason, seen.ended.status.value) == (EndReason.FINAL, "success")
        assert 40 < seen.end < 50

    def test_a_summary_that_shows_the_end_of_this_run_agrees(self, clock):
        """The pipeline may be in progress with another run."""
        for agrees in (
            pipeline(State.RUNNING, 43),
            pipeline(State.RUNNING, last_run_count=42, last_run_status="success"),
        ):
            clock = FakeClock()
            opsera = ScriptedOpsera(
                clock, [(0, "running"), (10, "success")],
                pipelines=[(0, pipeline(State.RUNNING)), (10, agrees)],
            )  # fmt: skip
            assert follow_run(opsera, poll_interval=1.0).end < 20

    def test_it_takes_four_requests(self, clock):
        """The status, two reads of all records, and a summary that shows the same end."""
        ended = pipeline(State.SUCCESS, last_run_count=42, last_run_status="success")
        opsera = ScriptedOpsera(
            clock, [(0, "running"), (30, "success")], [(n, "x\n", DEPLOY) for n in range(30)],
            pipelines=[(0, pipeline(State.RUNNING)), (30, ended)],
        )  # fmt: skip
        seen = follow_run(opsera)
        assert [name for _, name in opsera.requests[-4:]] == [
            "status", "activity", "activity", "summary"
        ]  # fmt: skip
        assert opsera.requests[-4][0] >= 30.0 > opsera.times("status")[-2]
        assert seen.ended.log_complete and seen.end < 38

    @pytest.mark.parametrize(
        ("last", "errors"),
        [
            ({}, []),
            ({"last_run_count": 41, "last_run_status": "success"}, []),
            ({"last_run_count": 42, "last_run_status": "failed"}, []),
            ({}, [(0, FOREVER, http(403))]),
        ],
        ids=["no last run", "another run", "another result", "no permission"],
    )
    def test_the_status_confirms_it_where_the_summary_does_not(self, clock, last, errors):
        """A summary counts only if it shows the same end of the same run."""
        opsera = ScriptedOpsera(
            clock, [(0, "running"), (30, "success")], [(29, "x\n", DEPLOY)],
            pipelines=[(0, pipeline(State.SUCCESS, **last))], summary_errors=errors,
        )  # fmt: skip
        seen = follow_run(opsera)
        assert (seen.ended.status.value, seen.ended.log_complete) == ("success", True)
        assert opsera.requests[-1][1] == "status"

    def test_records_that_keep_coming_hold_it_up(self, clock):
        """A run that looks ended twice, with a quick step in between, has not ended."""
        first = [(0, "running"), (10, "stopped"), (11, "running"), (13, "stopped")]
        quick = record(900, step=APPROVAL, created=13.0, action="step status", status="success")
        opsera = ScriptedOpsera(
            clock, [*first, (15, "running"), (40, "failed")], activity=[(13, quick)],
            pipelines=[(0, pipeline(State.STOPPED))],
        )  # fmt: skip
        assert follow_run(opsera, poll_interval=1.0).ended.status.value == "failed"

    def test_lines_of_a_later_step_contradict_it(self, clock):
        """While lines of later steps come, a final status is not the end."""
        lines = [(5, "one\n"), (12, "two\n", APPROVAL), (20, "three\n", DEPLOY)]
        opsera = ScriptedOpsera(
            clock, [(0, "running"), (10, "success"), (25, "running"), (40, "failed")], lines,
            summary_errors=[(0, FOREVER, http(403))],
        )  # fmt: skip
        seen = follow_run(opsera)
        assert seen.lines == ["one", "two", "three"]
        assert seen.ended.status.value == "failed"

    def test_trailing_lines_of_the_last_step_do_not(self, clock):
        """Where the summary shows the end, late lines of the last step are no contradiction."""
        opsera = ScriptedOpsera(
            clock, [(0, "running"), (10, "success")], [(5, "one\n"), (11, "two\n", DEPLOY)]
        )
        seen = follow_run(opsera)
        assert (seen.lines, seen.ended.log_complete) == (["one", "two"], True)
        assert seen.end < 20

    def test_a_success_without_all_steps_is_waited_for(self, clock):
        """Where the plan has steps that have not started, success may be that of a step only."""
        started = record(900, created=1.0, action="step status", status="running")
        opsera = ScriptedOpsera(
            clock, [(0, "running"), (10, "success"), (16, "running"), (30, "failed")],
            [(5, "one\n")], activity=[(1, started)],
        )  # fmt: skip
        assert follow_run(opsera, poll_interval=1.0).ended.status.value == "failed"
        clock = FakeClock()
        opsera = ScriptedOpsera(clock, [(0, "running"), (10, "success")], [(5, "one\n")])
        seen = follow_run(opsera, poll_interval=1.0)
        assert seen.end < 20
        assert len(opsera.requests) < 45

    def test_a_final_status_that_changes_to_another(self, clock):
        """The last one counts."""
        opsera = ScriptedOpsera(clock, [(0, "running"), (10, "success"), (12, "failed")])
        assert follow_run(opsera).ended.status.value == "failed"

    def test_an_outage_of_the_confirmation_does_not_change_the_result(self, clock):
        """When nothing contradicts it for a minute, the status counts."""
        opsera = ScriptedOpsera(clock, [(0, "running"), (10, "failed")], [(16, "late\n")])
        opsera.status_errors = [(12.0, FOREVER, http(502))]
        seen = follow_run(opsera, poll_interval=1.0)
        assert (seen.ended.reason, seen.ended.status.value) == (EndReason.FINAL, "failed")
        assert seen.end < 10 + MAX_DRAIN + 15

    def test_a_confirmation_after_an_outage_of_the_log_is_tried_more_than_once(self, clock):
        """A status that was read once, between two steps, is not the result."""
        statuses = [(0, "running"), (10, "failed"), (12, "running"), (200, "success")]
        opsera = ScriptedOpsera(clock, statuses, [(5, "one\n")])
        opsera.log_errors = [(10.0, 100.0, http(408))]
        opsera.summary_errors = [(10.0, 100.0, http(408))]
        opsera.status_errors = [(65.0, 72.0, http(408))]
        assert follow_run(opsera, poll_interval=1.0).ended.status.value == "success"

    def test_an_idle_pipeline_does_not_end_a_run(self, clock):
        """Only the status call decides that a run has ended, not the pipeline object."""
        idle = [(0.0, pipeline(State.FAILED, 40))]
        opsera = ScriptedOpsera(clock, [(0, "running"), (300, "success")], pipelines=idle)
        assert follow_run(opsera).ended.status.state is State.SUCCESS


class TestTheEndOfTheLog:
    """Lines trail the final status."""

    @pytest.mark.parametrize("is_new", [True, False])
    def test_lines_that_trail_the_final_status_are_read(self, clock, is_new):
        """Lines that continue for half a minute after the end are all there."""
        lines = [(n * 2.5, f"line {n}\n") for n in range(32)]
        opsera = ScriptedOpsera(clock, [(0, "running"), (30, "failed")], lines)
        seen = follow_run(opsera, is_new=is_new)
        assert len(seen.lines) == 32 and seen.ended.log_complete
        assert seen.ended.status.state is State.FAILED
        assert sum("still reading" in one.text for one in seen.of(events.Note)) == 1

    @pytest.mark.parametrize("error", [http(404), http(400), http(403)])
    def test_a_run_without_a_log_ends_soon_too(self, clock, error):
        """A run that has ended is known; that its log is not is no reason to wait."""
        opsera = ScriptedOpsera(clock, [(0, "running"), (3, "success")])
        opsera.log_errors = [(0.0, FOREVER, error)]
        seen = follow_run(opsera)
        assert seen.end <= 15.0 and not seen.ended.log_complete

    def test_a_run_without_console_text_ends_within_12_seconds(self, clock):
        """A three-second run that prints nothing is over 12 seconds after it started."""
        opsera = ScriptedOpsera(clock, [(0, "running"), (3, "success")])
        seen = follow_run(opsera)
        assert (seen.ended.reason, seen.ended.log_complete) == (EndReason.FINAL, True)
        assert seen.end <= 12.0
        clock = FakeClock()
        seen = follow_run(ScriptedOpsera(clock, [(0, "success")]), is_new=False)
        assert seen.end <= 5.0

    @pytest.mark.parametrize("missing", [http(404), http(400), None], ids=["404", "400", "empty"])
    def test_a_quick_run_whose_log_comes_late_loses_no_line(self, clock, missing):
        """If a new run ends before the log call returns it, its log is waited for."""
        opsera = ScriptedOpsera(
            clock, [(0, "running"), (2, "success")], [(8.5, "hello\n"), (8.5, "done\n")]
        )
        if missing is not None:
            opsera.log_errors = [(0, 8.5, missing)]
        seen = follow_run(opsera)
        assert seen.lines == ["hello", "done"] and seen.ended.log_complete
        assert seen.of(events.Note) == []

    def test_a_log_without_end_is_cut(self, clock):
        """A log that is never quiet is read for a minute after the end, and is incomplete."""
        lines = [(n * 1.0, f"line {n}\n") for n in range(600)]
        seen = follow_run(ScriptedOpsera(clock, [(0, "running"), (30, "success")], lines))
        assert not seen.ended.log_complete
        # While lines come, the status is requested at least every 50 seconds.
        assert 30 + MAX_DRAIN <= seen.end < 55 + MAX_DRAIN
        assert seen.ended.status.state is State.SUCCESS

    def test_a_log_without_end_is_cut_soon_after_the_timeout(self, clock):
        """With the timeout near, the log gets ten seconds after the end, not a minute."""
        lines = [(n * 1.0, f"line {n}\n") for n in range(600)]
        seen = follow_run(ScriptedOpsera(clock, [(0, "running"), (30, "success")], lines), 33)
        assert seen.end < 46 and seen.ended.reason is EndReason.FINAL

    @pytest.mark.parametrize(("until", "lines"), [(FOREVER, ["hello"]), (50, ["hello", "last"])])
    def test_a_log_call_that_fails_at_the_end(self, clock, until, lines):
        """The log is given up after a minute, not the result; if it recovers nothing is lost."""
        opsera = ScriptedOpsera(
            clock, [(0, "running"), (30, "success")], [(10, "hello\n"), (29.9, "last\n")],
            log_errors=[(28, until, http(502))],
        )  # fmt: skip
        seen = follow_run(opsera)
        assert (seen.lines, seen.ended.log_complete) == (lines, until < 60)
        assert seen.ended.status.state is State.SUCCESS and seen.end < 115

    @pytest.mark.parametrize("call", ["status", "log", "summary"])
    def test_a_429_slows_all_requests_down(self, call):
        """After each, also at the end, where requests would follow each other at once."""
        opsera = ScriptedOpsera(FakeClock(), [(0, "running"), (60, "success")], [(1, "hello\n")])
        setattr(opsera, f"{call}_errors", [(20, 90, http(429))])
        follow_run(opsera)
        pairs = list(pairwise(opsera.requests))
        after = [later - at for (at, name), (later, _) in pairs if name == call and 20 <= at < 89]
        assert after and min(after) >= 1.0

    def test_a_refused_log_is_reported_once(self, clock):
        """A refused log call is one warning; the result is untouched, the log incomplete."""
        opsera = ScriptedOpsera(
            clock, [(0, "running"), (600, "success")], log_errors=[(0, FOREVER, http(403))]
        )
        seen = follow_run(opsera)
        (note,) = seen.of(events.Note)
        assert note.warning and note.text.startswith("Could not read the log: ")
        assert seen.ended.status.state is State.SUCCESS and not seen.ended.log_complete
        assert len(opsera.times("log")) + len(opsera.times("activity")) < 25

    def test_a_refused_log_is_tried_once_more_at_the_end(self, clock):
        """A log call that was refused before the end is tried again after it."""
        opsera = ScriptedOpsera(
            clock, [(0, "running"), (60, "success")], [(5, "hello\n")],
            log_errors=[(0, 45, http(403))],
        )  # fmt: skip
        seen = follow_run(opsera, is_new=False)
        assert seen.lines == ["hello"] and seen.ended.log_complete

    def test_missing_records_are_reported_where_they_are_missing(self, clock):
        """If more records pass than a response contains, a warning is printed."""
        lines = [(10.0, f"line {n}\n") for n in range(3000)]
        seen = follow_run(ScriptedOpsera(clock, [(0, "running"), (20, "success")], lines))
        assert len(seen.of(events.LinesMissing)) == 1
        assert len(seen.lines) == 1000 and not seen.ended.log_complete


NOT_YET = {"400": http(400), "404": http(404), "unknown": "unknown"}
QUEUED = {**NOT_YET, "queued": "queued", "pending": "Pending"}


class TestNewRuns:
    """The API may not return a run that was just started."""

    @pytest.mark.parametrize("said", NOT_YET.values(), ids=NOT_YET)
    def test_it_may_be_unknown_for_15_seconds(self, clock, said):
        """A run that was just started may be unknown to status and log."""
        opsera = ScriptedOpsera(
            clock, [(0, said), (14, "running"), (40, "success")], [(20, "hello\n")],
            log_errors=[(0, 14, http(404))],
        )  # fmt: skip
        seen = follow_run(opsera)
        assert seen.lines == ["hello"]
        assert seen.ended.status.state is State.SUCCESS and seen.ended.log_complete
        assert seen.of(events.Note) == [] and seen.of(events.Retrying) == []

    @pytest.mark.parametrize("said", [http(400), http(404)])
    @pytest.mark.parametrize("errors", [[], [(0, FOREVER, http(403))], [(0, FOREVER, http(502))]])
    def test_a_run_that_stays_unknown_is_an_error(self, clock, said, errors):
        """After that, a run that the status call does not return ends the job with that error."""
        opsera = ScriptedOpsera(clock, [(0, said)], pipelines=[(0, pipeline(State.STOPPED))])
        opsera.summary_errors = errors
        with pytest.raises(Rejected):
            follow_run(opsera)
        assert NEW_RUN_GRACE <= clock.monotonic() < NEW_RUN_GRACE + 10

    @pytest.mark.parametrize("behind", [None, 41])
    def test_at_the_timeout_the_reason_is_in_the_detail(self, clock, behind):
        """The final error has the reason why the run was not found."""
        ahead = pipeline(State.RUNNING, 41 if behind else RUN.count)
        opsera = ScriptedOpsera(clock, [(0, http(400))], pipelines=[(0, ahead)])
        seen = follow_run(opsera, 12.0, behind=behind)
        assert seen.ended.reason is EndReason.TIMEOUT
        assert "HTTP 400" in seen.ended.detail

    @pytest.mark.parametrize("said", [http(400), http(404)])
    def test_an_old_run_that_is_unknown_is_an_error_at_once(self, clock, said):
        """A run that was not just started has no such time."""
        with pytest.raises(Rejected):
            follow_run(ScriptedOpsera(clock, [(0, said)]), is_new=False)
        assert clock.monotonic() < 1

    @pytest.mark.parametrize("is_new", [True, False])
    def test_a_403_is_an_error_at_once(self, clock, is_new):
        """A token that may not do this does not get better."""
        with pytest.raises(Forbidden):
            follow_run(ScriptedOpsera(clock, [(0, http(403))]), is_new=is_new)
        assert clock.monotonic() < 1

    def test_an_outage_does_not_use_up_the_time(self, clock):
        """An outage right after the start is not counted."""
        opsera = ScriptedOpsera(clock, [(0, http(404)), (70, "running"), (80, "success")])
        opsera.status_errors = opsera.summary_errors = opsera.log_errors = [(1, 60, http(502))]
        assert follow_run(opsera).ended.status.state is State.SUCCESS


class TestTheQueue:
    """Our run may wait for an earlier one."""

    @pytest.mark.parametrize("interval", [None, 45.0])
    @pytest.mark.parametrize("counted", [False, True], ids=["not counted", "counted already"])
    @pytest.mark.parametrize("said", QUEUED.values(), ids=QUEUED)
    def test_a_queued_run_is_waited_for(self, clock, said, counted, interval):
        """A queued run is waited for as long as another is active, for every response about it."""
        ahead = pipeline(State.RUNNING, RUN.count if counted else 41)
        opsera = ScriptedOpsera(
            clock, [(0, said), (1800, "running"), (1860, "success")], [(1810, "hello\n")],
            pipelines=[(0, ahead), (1799, pipeline(State.RUNNING)),
                       (1860, pipeline(State.SUCCESS))],
            runs_ahead={41: [(0, "running"), (1799, "success")]},
        )  # fmt: skip
        if not isinstance(said, str):
            opsera.log_errors = [(0, 1802, said)]
        seen = follow_run(opsera, behind=41, poll_interval=interval)
        assert [one.behind for one in seen.of(events.Queued)] == [41]
        assert seen.lines == ["hello"]
        assert seen.ended.status.state is State.SUCCESS
        beats = [one for one in seen.of(events.Heartbeat) if one.queued_behind == 41]
        assert len(beats) >= 20

    @pytest.mark.parametrize("counted", [False, True])
    def test_an_hour_in_the_queue_costs_few_requests(self, clock, counted):
        """Behind another run no log is read, and the run ahead is looked at now and then."""
        ahead = pipeline(State.RUNNING, RUN.count if counted else 41)
        opsera = ScriptedOpsera(
            clock, [(0, "queued"), (3600, "running"), (3660, "success")], [(3601, "hello\n")],
            pipelines=[(0, ahead), (3599, pipeline(State.RUNNING)),
                       (3660, pipeline(State.SUCCESS))],
            runs_ahead={41: [(0, "running"), (3599, "success")]},
        )  # fmt: skip
        seen = follow_run(opsera, 7200, behind=41)
        assert seen.lines == ["hello"]
        assert sum(at < 3600 for at, _ in opsera.requests) <= (370 if counted else 310)

    def test_a_run_found_to_be_queued_is_not_known_to_be_active(self, clock):
        """A stop call without a check would stop the run ahead."""
        ahead = [(0, pipeline(State.RUNNING, 41))]
        opsera = ScriptedOpsera(clock, [(0, http(404))], pipelines=ahead)
        seen = follow_run(opsera, 30.0)
        assert (seen.state.behind, seen.state.is_active(seen.end)) == (41, False)

    def test_it_outlives_an_outage(self, clock):
        """An outage while a run is queued and unknown does not end it."""
        opsera = ScriptedOpsera(
            clock, [(0, http(404)), (600, "running"), (660, "success")],
            pipelines=[(0, pipeline(State.RUNNING, 41)), (600, pipeline(State.RUNNING)),
                       (660, pipeline(State.SUCCESS))],
        )  # fmt: skip
        broken = [(100.0, 300.0, http(502))]
        opsera.status_errors = opsera.summary_errors = opsera.log_errors = broken
        assert follow_run(opsera, behind=41).ended.status.state is State.SUCCESS

    def test_each_run_ahead_is_named_once(self, clock):
        """Two runs may be ahead of ours."""
        opsera = ScriptedOpsera(
            clock, [(0, "queued"), (200, "running"), (260, "success")],
            pipelines=[(0, pipeline(State.RUNNING, 40)), (100, pipeline(State.RUNNING, 41)),
                       (200, pipeline(State.RUNNING)), (260, pipeline(State.SUCCESS))],
        )  # fmt: skip
        assert [one.behind for one in follow_run(opsera).of(events.Queued)] == [40, 41]

    def test_a_run_that_left_the_queue_is_not_queued(self, clock):
        """Heartbeats of a run that paused at once mention no run ahead."""
        opsera = ScriptedOpsera(
            clock, [(0, "queued"), (100, "paused"), (400, "success")],
            pipelines=[(0, pipeline(State.RUNNING, 41)), (100, pipeline(State.PAUSED)),
                       (400, pipeline(State.SUCCESS))],
        )  # fmt: skip
        beats = [
            one for at, one in follow_run(opsera, wait_when_paused=True).all
            if isinstance(one, events.Heartbeat) and at > 120
        ]  # fmt: skip
        assert beats and {one.queued_behind for one in beats} == {None}

    def test_a_run_that_may_never_start_is_reported(self, clock):
        """When the run ahead has ended and ours is still queued, it is reported once."""
        idle = pipeline(State.FAILED, 41, last_run_count=41, last_run_status="failed")
        opsera = ScriptedOpsera(
            clock, [(0, "queued")], pipelines=[(0, pipeline(State.RUNNING, 41)), (300, idle)]
        )
        seen = follow_run(opsera, 1800, behind=41)
        (note,) = seen.of(events.Note)
        assert note.warning
        assert "still queued although no run is in progress (run 41: failed)" in note.text
        assert 330 < seen.times(events.Note)[0] < 460
        assert seen.ended.reason is EndReason.TIMEOUT


class TestPauses:
    """A run that waits for approval."""

    def test_a_pause_ends_it_with_its_step_and_a_whole_log(self, clock):
        """A pause ends it, if that is wanted, after the log was read up to it."""
        paused = record(90, step=APPROVAL, created=31.0, action="step status", status="paused")
        opsera = ScriptedOpsera(
            clock, [(0, "running"), (30, "paused|waits for ann")],
            [(29, "before\n"), (33, "late\n")], activity=[(31, replace(paused, user="Ann"))],
        )  # fmt: skip
        seen = follow_run(opsera)
        assert seen.of(events.PausedAt) == [events.PausedAt(APPROVAL, "waits for ann", 31.0, "Ann")]
        assert seen.lines == ["before", "late"]
        assert (seen.ended.reason, seen.ended.log_complete) == (EndReason.PAUSED, True)
        assert seen.ended.status.state is State.PAUSED
        assert seen.ended.details.waiting_for == APPROVAL.name

    def test_a_pause_is_waited_for_each_time(self, clock):
        """Waiting lasts through pause, resumption, and the next pause; each is reported once."""
        opsera = ScriptedOpsera(
            clock,
            [(0, "running"), (30, "paused"), (330, "running"), (360, "paused"), (500, "running"),
             (520, "success")],
            [(345, "between\n")],
        )  # fmt: skip
        seen = follow_run(opsera, wait_when_paused=True)
        assert [one.step for one in seen.of(events.PausedAt)] == [APPROVAL, APPROVAL]
        assert seen.times(events.PausedAt)[0] < 60
        assert seen.lines == ["between"]
        assert seen.ended.status.state is State.SUCCESS

    def test_a_pause_whose_step_is_not_known(self, clock):
        """A summary that fails costs nothing but the name of the step."""
        opsera = ScriptedOpsera(clock, [(0, "paused")], summary_errors=[(0, FOREVER, http(500))])
        assert follow_run(opsera).of(events.PausedAt) == [events.PausedAt(None, "")]

    def test_a_pause_that_outlasts_the_timeout_is_a_timeout(self, clock):
        """Waiting for approval ends when the time is up."""
        seen = follow_run(ScriptedOpsera(clock, [(0, "paused")]), 600, wait_when_paused=True)
        assert seen.ended.reason is EndReason.TIMEOUT
        assert seen.ended.status.state is State.PAUSED

    def test_an_hour_of_waiting_costs_few_requests(self, clock):
        """A pause is as cheap as silence."""
        opsera = ScriptedOpsera(clock, [(0, "paused"), (3600, "success")])
        follow_run(opsera, 7200, wait_when_paused=True)
        assert sum(at < 3600 for at, _ in opsera.requests) <= 305


class TestUnrecognizedStatuses:
    """A status never seen before is no success."""

    def test_it_is_waited_for_while_the_pipeline_is_in_this_run(self, clock):
        """It is no end while the pipeline is in this very run."""
        opsera = ScriptedOpsera(clock, [(0, "frobnicating"), (900, "success")])
        seen = follow_run(opsera, is_new=False)
        assert seen.ended.status.state is State.SUCCESS and seen.end > 900
        assert sum(at < 900 for at, _ in opsera.requests) < 150

    @pytest.mark.parametrize("state", [State.SUCCESS, State.STOPPED, State.FAILED])
    def test_of_an_idle_pipeline_it_is_unknown(self, clock, state):
        """When the pipeline is idle at several looks, the result is unknown rather than good."""
        opsera = ScriptedOpsera(clock, [(0, "frobnicated")], pipelines=[(0, pipeline(state))])
        seen = follow_run(opsera, is_new=False)
        assert seen.ended.reason is EndReason.LOST
        assert seen.ended.status.state is State.UNKNOWN
        assert "Unknown final status “frobnicated”" in seen.ended.detail
        assert 10 < seen.end < 120

    @pytest.mark.parametrize(
        ("value", "state"), [("failed", State.FAILED), ("success", State.SUCCESS)]
    )
    def test_it_is_settled_by_the_last_run(self, clock, value, state):
        """If the pipeline shows how this very run ended, that is the result."""
        idle = pipeline(state, last_run_count=RUN.count, last_run_status=value)
        opsera = ScriptedOpsera(clock, [(0, "frobnicated")], pipelines=[(0, idle)])
        seen = follow_run(opsera, is_new=False)
        assert (seen.ended.reason, seen.ended.status.state) == (EndReason.FINAL, state)
        assert seen.state.status.state is state

    def test_of_a_run_that_was_overtaken_it_is_unknown(self, clock):
        """When the pipeline is in a later run, this one is not active any more."""
        opsera = ScriptedOpsera(
            clock, [(0, "frobnicated")], pipelines=[(0, pipeline(State.RUNNING, 43))]
        )
        assert follow_run(opsera, is_new=False).ended.reason is EndReason.LOST

    def test_a_summary_that_fails_proves_nothing(self, clock):
        """Then following continues."""
        opsera = ScriptedOpsera(
            clock, [(0, "frobnicated"), (600, "success")], summary_errors=[(0, FOREVER, http(500))]
        )
        assert follow_run(opsera, is_new=False).ended.status.state is State.SUCCESS


class TestTheTimeout:
    """When the time is up."""

    def test_it_ends_on_time(self, clock):
        """It ends within seconds, with the last status and the lines so far."""
        seen = follow_run(ScriptedOpsera(clock, [(0, "running")], [(290, "late\nhalf")]), 300)
        assert seen.ended.reason is EndReason.TIMEOUT
        assert seen.ended.status.state is State.RUNNING and not seen.ended.log_complete
        assert 300 <= seen.end < 301
        assert seen.lines == ["late", "half"]

    @pytest.mark.parametrize("value", ["success", "failed", "stopped"])
    def test_a_run_that_has_ended_by_then_is_reported_as_it_ended(self, clock, value):
        """The status is requested once more, so that an end is not taken for a timeout."""
        seen = follow_run(ScriptedOpsera(clock, [(0, "running"), (299.9, value)]), 300)
        assert (seen.ended.reason, seen.ended.status.value) == (EndReason.FINAL, value)
        assert seen.end < 312

    @pytest.mark.parametrize("error", [http(502), http(404), http(401), Unreachable("broken.")])
    def test_a_last_look_without_a_response_is_a_timeout(self, clock, error):
        """Whatever the last look returns that is no status, the end is the timeout."""
        opsera = ScriptedOpsera(clock, [(0, "running")], status_errors=[(299.95, FOREVER, error)])
        seen = follow_run(opsera, 300)
        assert seen.ended.reason is EndReason.TIMEOUT and seen.end < 305
        assert seen.ended.detail == error.message

    def test_a_timeout_of_nothing_is_still_one_look(self, clock):
        """With no time at all the status is requested once."""
        assert (
            follow_run(ScriptedOpsera(clock, [(0, "success")]), 0).ended.reason is EndReason.FINAL
        )


TRANSIENT = {
    "500": http(500), "502": http(502), "429": http(429), "302": http(302),
    "reset": Unreachable("the request failed."), "HTML": Malformed("the response is HTML."),
}  # fmt: skip


class TestOutages:
    """Failures that pass."""

    @pytest.mark.parametrize("error", TRANSIENT.values(), ids=TRANSIENT)
    def test_an_outage_is_reported_once(self, clock, error):
        """An outage of all requests is reported once, and its end, and no line is lost."""
        lines = [(n * 10.0, f"line {n}\n") for n in range(90)]
        opsera = ScriptedOpsera(clock, [(0, "running"), (900, "success")], lines)
        opsera.log_errors = opsera.status_errors = opsera.summary_errors = [(100, 700, error)]
        seen = follow_run(opsera)
        assert len(seen.of(events.Retrying)) == len(seen.of(events.Recovered)) == 1
        assert 104 < seen.times(events.Retrying)[0] < 190
        assert 700 < seen.times(events.Recovered)[0] < 745
        assert 500 < seen.of(events.Recovered)[0].elapsed < 650
        assert len(seen.lines) == 90 and seen.ended.log_complete

    def test_single_failures_are_not_reported(self, clock):
        """A fault now and then is not worth a line."""
        opsera = ScriptedOpsera(clock, [(0, "running"), (300, "success")])
        opsera.status_errors = [(at, at + 1.5, http(502)) for at in range(10, 290, 20)]
        seen = follow_run(opsera)
        assert seen.of(events.Retrying) == seen.of(events.Recovered) == []

    def test_each_outage_is_reported(self, clock):
        """A second outage is reported like the first."""
        opsera = ScriptedOpsera(clock, [(0, "running"), (600, "success")])
        opsera.status_errors = [(100, 160, http(502)), (300, 460, http(503))]
        seen = follow_run(opsera)
        assert ["502" in one.error for one in seen.of(events.Retrying)] == [True, False]
        assert len(seen.of(events.Recovered)) == 2

    def test_an_outage_of_the_log_alone(self, clock):
        """While only the log call fails, the status is followed, with the reason each minute."""
        lines = [(n * 10.0, f"line {n}\n") for n in range(60)]
        opsera = ScriptedOpsera(clock, [(0, "running"), (700, "success")], lines)
        opsera.log_errors = [(50, 500, http(502))]
        seen = follow_run(opsera)
        beats = seen.of(events.Heartbeat)
        assert sum("502" in one.log_error for one in beats) >= 5
        assert not any(one.error for one in beats)
        assert len(seen.lines) == 60 and seen.ended.log_complete

    def test_an_outage_at_the_end(self, clock):
        """A run that ended during an outage is reported when the API is back."""
        opsera = ScriptedOpsera(clock, [(0, "running"), (200, "failed")], [(199, "the reason\n")])
        opsera.status_errors = opsera.log_errors = [(100, 1000, http(503))]
        seen = follow_run(opsera)
        assert seen.lines == ["the reason"]
        assert seen.ended.status.state is State.FAILED and seen.end < 1050

    def test_without_a_timeout_an_hour_ends_it(self, clock):
        """Where the user set no timeout, an hour without a response ends it as lost."""
        opsera = ScriptedOpsera(clock, [(0, "running")], status_errors=[(100, FOREVER, http(502))])
        seen = follow_run(opsera, None)
        assert seen.ended.reason is EndReason.LOST and "502" in seen.ended.detail
        assert LONGEST_OUTAGE < seen.end < LONGEST_OUTAGE + 200

    def test_an_api_that_was_never_reached_gets_30_seconds(self, clock):
        """Then the error ends it, whatever the timeout."""
        opsera = ScriptedOpsera(clock, [(0, "running")], ever_responded=False)
        opsera.status_errors = opsera.log_errors = [(0, FOREVER, Unreachable("no route."))]
        with pytest.raises(Unreachable):
            follow_run(opsera, is_new=False)
        assert 30 < clock.monotonic() < 60

    def test_without_a_timeout_a_run_is_followed_for_a_day(self, clock):
        """A run may take long."""
        seen = follow_run(ScriptedOpsera(clock, [(0, "running"), (86_400, "success")]), None)
        assert seen.ended.reason is EndReason.FINAL

    @pytest.mark.parametrize("lasting", [4.0, 30.0])
    def test_a_401_gets_two_more_tries_in_ten_seconds(self, clock, lasting):
        """A token that was accepted in this job may be refused for a moment."""
        opsera = ScriptedOpsera(clock, [(0, "running"), (100, "success")])
        opsera.status_errors = [(30, 30 + lasting, http(401))]
        if lasting < 10:
            seen = follow_run(opsera, is_new=False, poll_interval=1.0)
            assert seen.ended.status.state is State.SUCCESS
            return
        with pytest.raises(Unauthorized):
            follow_run(opsera, is_new=False, poll_interval=1.0)
        tries = [at for at in opsera.times("status") if at > 29.8]
        assert len(tries) == 3
        assert 9.0 <= tries[-1] - tries[0] <= 12.0

    def test_a_401_for_a_new_run_gets_them_too(self, clock):
        """A run that the status call does not know yet is asked for often, but not after a 401."""
        opsera = ScriptedOpsera(clock, [(0, http(404)), (9, "running"), (60, "success")])
        opsera.status_errors = opsera.log_errors = [(1, 8, http(401))]
        assert follow_run(opsera).ended.status.state is State.SUCCESS


class TestThrottling:
    """The API asks for fewer requests."""

    def test_retry_after_is_obeyed(self, clock):
        """For as long as the server asks for, the request that it refused is not sent."""
        opsera = ScriptedOpsera(clock, [(0, "running"), (300, "success")])
        opsera.status_errors = opsera.log_errors = [(50, 100, http(429, 25.0))]
        follow_run(opsera)
        for name in ("status", "log"):
            hits = [at for at in opsera.times(name) if 49.9 <= at < 100]
            assert all(not hits[0] < at < hits[0] + 25 for at in opsera.times(name))

    def test_an_hour_is_shortened_to_two_minutes_and_reported_at_once(self, clock):
        """No single wait is longer than two minutes, and the wait is reported."""
        opsera = ScriptedOpsera(clock, [(0, "running"), (400, "success")])
        opsera.status_errors = [(50, 100, http(429, 3600.0))]
        seen = follow_run(opsera)
        (event,) = seen.of(events.Retrying)
        assert (event.wait, seen.times(events.Retrying)[0] < 110) == (120.0, True)
        assert "Opsera asked to wait 1h." in event.error
        hit = next(at for at in opsera.times("status") if at >= 49.9)
        assert next(at for at in opsera.times("status") if at > hit) < hit + 121

    def test_retry_after_is_obeyed_in_doubt(self, clock):
        """Also when the status of an ended run is requested again because of a doubt."""
        opsera = ScriptedOpsera(
            clock, [(0, "running"), (10, "success")], pipelines=[(0, pipeline(State.RUNNING))],
            status_errors=[(14, FOREVER, http(429, 25.0))],
        )  # fmt: skip
        follow_run(opsera, poll_interval=1.0)
        asked = [at for at in opsera.times("status") if 13.9 <= at < 10 + MAX_DRAIN]
        assert len(asked) > 1 and all(later - at >= 25.0 for at, later in pairwise(asked))

    def test_the_summary_shows_the_end_meanwhile(self, clock):
        """While the status call has to wait, the end that the summary shows is followed up."""
        ended = pipeline(State.SUCCESS, last_run_count=42, last_run_status="success")
        opsera = ScriptedOpsera(
            clock, [(0, "running"), (60, "success")], [(59, "last\n")],
            pipelines=[(0, pipeline(State.RUNNING)), (60, ended)],
            status_errors=[(20, FOREVER, http(429, 3600.0))],
        )  # fmt: skip
        seen = follow_run(opsera)
        assert (seen.ended.reason, seen.ended.status.value) == (EndReason.FINAL, "success")
        assert seen.lines == ["last"] and seen.ended.log_complete
        assert seen.end < 100

    def test_429_slows_down_and_recovers(self, clock):
        """429 without Retry-After slows all requests down; then the speed comes back."""
        lines = [(n * 2.0, "x\n") for n in range(300)]
        opsera = ScriptedOpsera(clock, [(0, "running"), (600, "success")], lines)
        opsera.log_errors = [(100, 160, http(429))]
        seen = follow_run(opsera)

        def requests_in(since: float, until: float) -> int:
            return sum(since <= at < until for at, _ in opsera.requests)

        assert requests_in(40, 100) > 20
        assert requests_in(100, 160) < 20
        assert requests_in(400, 460) > 20
        assert len(seen.lines) == 300


LULLS: dict[str, dict[str, object]] = {
    "auto": {},
    "no log": {"logs": "none"},
    "every five minutes": {"poll_interval": 300.0},
    "every second": {"poll_interval": 1.0},
    "with ticks": {"tick": 1.0},
    "in a pause": {"wait_when_paused": True},
}
OUTAGES = {
    "of all": ("status_errors", "log_errors", "summary_errors"),
    "of the status": ("status_errors",),
    "of the log": ("log_errors",),
}


class TestItNeverLooksDead:
    """After a minute without output, one line shows what is in progress."""

    @pytest.mark.parametrize("name", LULLS)
    def test_a_line_a_minute(self, clock, name):
        """When nothing happens, one line a minute is printed, at any interval, and never more."""
        value = "paused" if name == "in a pause" else "running"
        opsera = ScriptedOpsera(clock, [(0, value), (3600, "success")])
        seen = follow_run(opsera, None, **LULLS[name])
        assert max(seen.silences[:-1]) < HEARTBEAT + 21
        beats = seen.times(events.Heartbeat)
        assert len(beats) >= 44
        assert all(later - at >= HEARTBEAT - 0.001 for at, later in pairwise(beats))

    def test_a_change_that_prints_nothing_is_no_output(self, clock):
        """A status that looks final for a moment does not delay the line."""
        opsera = ScriptedOpsera(
            clock, [(0, "running"), (50, "success"), (52, "running"), (200, "success")]
        )
        seen = follow_run(opsera, poll_interval=1.0)
        assert 60.0 <= seen.times(events.Heartbeat)[0] < 62.0
        assert seen.of(events.Heartbeat)[0].idle_seconds >= 60.0

    @pytest.mark.parametrize("error", [http(502), http(429), http(429, 400.0)])
    @pytest.mark.parametrize("name", OUTAGES)
    def test_a_line_a_minute_in_an_outage(self, clock, name, error):
        """In an outage too, however slow the requests get, no minute passes without a line."""
        opsera = ScriptedOpsera(clock, [(0, "running"), (3000, "success")])
        for errors in OUTAGES[name]:
            setattr(opsera, errors, [(100, 2900, error)])
        assert max(follow_run(opsera).silences) < HEARTBEAT + 35

    def test_a_heartbeat_shows_what_is_in_progress(self, clock):
        """A heartbeat names the step, the status, and how long nothing has come."""
        opsera = ScriptedOpsera(clock, [(0, "running"), (600, "success")], [(100, "x\n")])
        beats = follow_run(opsera).of(events.Heartbeat)
        assert {one.step for one in beats} == {BUILD}
        assert beats[-1].status.value == "running" and not beats[-1].error
        assert 380 < beats[-1].idle_seconds < 500

    def test_a_heartbeat_names_no_step_of_another_run(self, clock):
        """While the pipeline is in another run its step is not ours."""
        another = [(0.0, pipeline(State.RUNNING, 43))]
        opsera = ScriptedOpsera(clock, [(0, "running"), (300, "success")], pipelines=another)
        assert {one.step for one in follow_run(opsera).of(events.Heartbeat)} == {None}

    def test_a_token_that_may_not_read_the_pipeline_is_enough(self, clock):
        """The summary is never required; after a 403 it is not requested again."""
        opsera = ScriptedOpsera(
            clock, [(0, "running"), (600, "success")], [(100, "x\n")],
            summary_errors=[(0, FOREVER, http(403))],
        )  # fmt: skip
        seen = follow_run(opsera)
        assert seen.ended.status.state is State.SUCCESS and seen.ended.log_complete
        assert len(opsera.times("summary")) == 1

    def test_ticks_come_as_often_as_wanted(self, clock):
        """A display that moves gets its ticks, also while nothing happens."""
        opsera = ScriptedOpsera(clock, [(0, "running"), (300, "success")])
        times = follow_run(opsera, tick=0.5).times(events.Tick)
        assert len(times) > 500
        assert max(b - a for a, b in pairwise(times)) < 1.2


class TestTheState:
    """What others read while a run is followed."""

    @pytest.mark.parametrize(
        ("statuses", "active"),
        [
            ([(0, "running")], True),
            ([(0, "paused")], True),
            ([(0, "queued")], False),
            ([(0, "frobnicating")], False),
            ([(0, "queued"), (20, "running")], True),
            ([(0, "running"), (20, "queued")], False),
        ],
    )
    def test_whether_the_run_is_active(self, clock, statuses, active):
        """A run is active only if the API returned that it is in progress."""
        opsera = ScriptedOpsera(clock, statuses, pipelines=[(0, pipeline(State.RUNNING, 41))])
        seen = follow_run(
            opsera, None, until=lambda: opsera.now > 80, wait_when_paused=True, tick=1
        )
        assert seen.state.is_active(opsera.now) is active

    @pytest.mark.parametrize("lines", [[], [(n * 2.0, "x\n") for n in range(450)]])
    def test_an_observation_is_always_young_enough(self, clock, monkeypatch, lines):
        """At any time of a long run, the last observation still counts for a stop call."""
        observed: list[float] = []
        observe = RunState.observe

        def note(state: RunState, status: RunStatus, now: float) -> None:
            observed.append(now)
            observe(state, status, now)

        monkeypatch.setattr(RunState, "observe", note)
        opsera = ScriptedOpsera(clock, [(0, "running")], lines)
        follow_run(opsera, None, until=lambda: opsera.now > 900, tick=1)
        assert max(b - a for a, b in pairwise([*observed, 900.0])) < ACTIVE_FOR

    def test_what_is_known_when_it_is_broken_off(self, clock):
        """A job that is cancelled has the steps and their times without another request."""
        opsera = ScriptedOpsera(
            clock, [(0, "running")], [(10, "a\n"), (50, "b\n")],
            activity=[(5, record(900, created=5.0, action="step status", status="running"))],
        )  # fmt: skip
        seen = follow_run(opsera, until=lambda: opsera.now > 100, tick=1)
        build, approval, deploy = seen.state.details.steps
        assert (build.state, build.started_at) == (State.RUNNING, 5.0)
        assert approval.not_started and deploy.not_started


class TestTheDetails:
    """Steps, times, and names in the end."""

    def test_a_run_of_any_length_ends_with_all_results(self, clock):
        """5000 activity records and as many lines leave no step without its result."""
        activity, lines = [], []
        for number in range(1000):
            at = number * 0.5
            step = (BUILD, APPROVAL, DEPLOY)[min(2, number // 400)]
            lines.append((at, f"line {number}\n", step))
            activity += [
                (at, record(10_000 + 5 * number + n, step=step, created=at, action="note"))
                for n in range(5)
            ]
        for number, (step, at) in enumerate([(BUILD, 1.0), (APPROVAL, 200.0), (DEPLOY, 400.0)]):
            for status, later in (("running", 0.0), ("success", 99.0)):
                one = record(
                    50_000 + 2 * number + bool(later), step=step, created=at + later,
                    action="step status", status=status,
                )  # fmt: skip
                activity.append((at + later, one))
        activity.sort(key=lambda one: one[0])
        opsera = ScriptedOpsera(clock, [(0, "running"), (500, "success")], lines, activity)
        seen = follow_run(opsera)
        steps = seen.ended.details.steps
        assert [step.state for step in steps] == [State.SUCCESS] * 3
        assert not any(step.out_of_reach or step.not_started for step in steps)
        assert len(seen.lines) == 1000 and seen.ended.log_complete

    def test_times_come_from_the_records(self, clock):
        """Started, finished, and duration are the run's own, not the time of watching."""
        activity = [
            (0, record(900, created=100.0, action="step status", status="running")),
            (0, record(901, created=3700.0, action="step status", status="success")),
        ]
        opsera = ScriptedOpsera(clock, [(0, "success")], activity=activity)
        details = follow_run(opsera, is_new=False).ended.details
        assert (details.started_at, details.finished_at, details.duration) == (
            100.0,
            3700.0,
            3600.0,
        )

    def test_absurd_dates_are_left_out(self, clock):
        """A record dated in year 1 or 9999 changes no time and breaks nothing."""
        activity = [
            (0, record(900, created=100.0, action="step status", status="running")),
            (0, record(901, created=-62_135_596_800.0, action="note")),
            (0, record(902, created=253_402_300_799.0, action="step status", status="success")),
        ]
        opsera = ScriptedOpsera(clock, [(0, "success")], activity=activity)
        details = follow_run(opsera, is_new=False).ended.details
        assert (details.started_at, details.finished_at) == (100.0, 100.0)
        assert details.steps[0].state is State.SUCCESS
