"""Results and times of steps, from the records and the plan."""

from __future__ import annotations

import time

import pytest

from opsera_step.api import LogRecord, Pipeline, Run, State, Step
from opsera_step.runs import RunDetails, StepResult
from opsera_step.runs.log_cursor import WINDOW
from opsera_step.runs.steps import Pause, StepHistory

BUILD, TEST, SHIP = (
    Step("b", "Build", "jenkins"),
    Step("t", "Test"),
    Step("s", "Ship", active=False),
)
PIPELINE = Pipeline("p", "P", 7, State.FAILED, (BUILD, TEST, SHIP), failed_step_id="t")


def record(
    step: str,
    created: float | None,
    status: str = "",
    action: str = "step status",
    name: str = "",
    message: str = "",
    **rest: str,
) -> LogRecord:
    """An activity record."""
    values = {"id": "", "text": "", "user_id": "", **rest}
    return LogRecord(
        step_id=step, created=created, status=status, action=action, step_name=name,
        message=message, tool="tool", step_index=None, **values,
    )  # fmt: skip


def console(step: str, created: float | None, status: str = "") -> LogRecord:
    return record(step, created, status, "console output")


def history(*snapshots: list[LogRecord], pipeline: Pipeline = PIPELINE) -> StepHistory:
    """Feed snapshots, each given oldest first."""
    found = StepHistory(pipeline)
    for snapshot in snapshots or ([],):
        found.add(snapshot[::-1])
    return found


def details(*records: LogRecord, state: State | None = None) -> RunDetails:
    return history(list(records)).details(Run("p", 7), state)


def results(*records: LogRecord) -> list[tuple[State | None, float | None]]:
    """State and seconds of the active steps; the records are given oldest first."""
    return [(one.state, one.seconds) for one in details(*records).steps]


def full(step: str, start: float = 0.0) -> list[LogRecord]:
    """A window full of console records of a step."""
    return [console(step, start + number) for number in range(WINDOW)]


class TestOneSnapshot:
    """The information in one response of the log call."""

    def test_names_and_order_are_the_plans(self):
        """The steps come as in the plan, without inactive ones."""
        assert [(one.name, one.tool, one.id) for one in details().steps] == [
            ("Build", "jenkins", "b"),
            ("Test", "", "t"),
        ]

    def test_state_and_times_come_from_the_records(self):
        """The last known status counts, and the time from the first record to the last."""
        rows = [
            record("b", 10.0, "running"),
            console("b", 11.0, "success"),
            record("b", 14.5, "success"),
            record("t", 15.0, "running"),
            record("t", 16.0, "odd word"),
            record("t", 18.0, ""),
        ]
        assert results(*rows) == [(State.SUCCESS, 4.5), (State.RUNNING, 3.0)]
        assert [one.started_at for one in details(*rows).steps] == [10.0, 15.0]

    def test_a_step_without_records_was_not_started(self):
        """Where all records are known, and none is of the step."""
        build, test = details(record("b", 1.0, "success")).steps
        assert (build.not_started, test.not_started) == (False, True)

    def test_the_status_of_console_records_is_ignored(self):
        """Console text carries a status of its own that is no step's."""
        assert results(console("b", 1.0, "failed"), console("b", 3.0)) == [
            (None, 2.0),
            (None, None),
        ]

    def test_unreadable_and_absurd_times_are_left_out(self):
        """A record without time, or dated in year 1 or 9999, counts for the status only."""
        for odd in (None, -62_135_596_800.0, 253_402_300_799.0):
            assert results(record("b", odd, "failed"))[0] == (State.FAILED, None)
            rows = (record("b", 1.0), record("b", odd, "failed"), record("b", 2.0))
            assert results(*rows)[0] == (State.FAILED, 1.0)
            found = details(*rows, state=State.FAILED)
            assert (found.started_at, found.finished_at, found.duration) == (1.0, 2.0, 1.0)

    def test_records_of_no_step_and_of_unknown_steps_are_left_out(self):
        """What belongs to no step of the plan changes nothing."""
        assert results(record("", 1.0, "failed"), record("x", 2.0, "failed")) == [(None, None)] * 2

    def test_waiting_is_added_up(self):
        """From each paused status to the next other one; the message then is kept."""
        rows = [
            record("b", 10.0, "running"),
            record("b", 11.0, "paused"),
            record("b", 12.0, "paused"),
            console("b", 13.0, "running"),
            record("b", 15.0, "running"),
            record("b", 16.0, "paused"),
            record("b", 18.5, "success", message="approved"),
            record("t", 20.0, "paused", message="asks"),
        ]
        build, test = details(*rows).steps
        assert (build.waited, build.message, build.finished_at) == (6.5, "approved", 18.5)
        assert (test.waited, test.message, test.finished_at) == (None, "asks", None)
        assert details(*rows).waiting_for == "Test"

    def test_the_message_of_a_failure_is_kept(self):
        """A step's own message is kept if it failed or stopped, not if all is well."""
        build, test = details(
            record("b", 1.0, "success", message="done"),
            record("t", 2.0, "failed", message="2 failed"),
            console("t", 3.0),
        ).steps
        assert (build.message, test.message) == ("", "2 failed")
        assert (build.finished_at, test.finished_at) == (1.0, 3.0)


class TestRecordsOutOfReach:
    """The log call returns the latest 1000 records only: unknown is never made up."""

    def test_the_first_step_of_a_full_window_may_have_started_earlier(self):
        """Its time is unknown; later steps are complete, and steps after them not started."""
        rows = [*full("b")[2:], record("t", 2000.0), record("t", 2003.0, "success")]
        assert results(*rows) == [(None, None), (State.SUCCESS, 3.0)]
        build, test = details(*full("t")).steps
        assert (build.not_started, build.out_of_reach) == (False, True)
        assert (test.not_started, test.out_of_reach) == (False, True)
        build, test = details(*full("b")).steps
        assert (build.not_started, test.not_started) == (False, True)
        assert details(*full("b")).started_at is None

    def test_windows_that_overlap_lose_nothing(self):
        """Results collected while following stay, however many records come after."""
        first = [record("b", 1.0, "running", id="1"), record("b", 9.0, "success", id="2")]
        rows = [record("t", 10.0 + n, "", "note", id=f"n{n}") for n in range(3000)]
        snapshots = [[*first, *rows[:500]], rows[:1000], rows[900:1900], rows[1800:2800]]
        found = history(*snapshots).details(Run("p", 7), State.SUCCESS)
        build, test = found.steps
        assert (build.state, build.seconds) == (State.SUCCESS, 8.0)
        assert not test.out_of_reach
        assert found.started_at == 1.0

    def test_a_gap_between_windows_leaves_results_unknown(self):
        """A step in progress before a gap may have ended in it."""
        before = [record("b", 1.0, "running", id="1")]
        after = [record("t", 100.0 + n, "", "note", id=f"n{n}") for n in range(WINDOW)]
        build, test = history(before, after).details(Run("p", 7), State.SUCCESS).steps
        assert (build.state, build.started_at, build.out_of_reach) == (None, 1.0, True)
        assert test.out_of_reach

    def test_lines_of_the_stream_show_when_a_step_started(self):
        """Where the records of all types are out of reach, the stream has the times."""
        found = StepHistory(PIPELINE)
        for created in (10.0, 90.0):
            found.saw_line(console("b", created))
        found.saw_line(console("t", 95.0))
        found.add(full("t", 100.0)[::-1])
        build, test = found.details(None, State.SUCCESS).steps
        assert (build.state, build.started_at, build.seconds) == (None, 10.0, 80.0)
        assert (test.started_at, test.seconds) == (95.0, 100.0 + WINDOW - 1 - 95.0)

    def test_a_line_after_a_gap_does_not_show_when_its_step_started(self):
        """A job that attaches late sees the last lines only: the time of the step is unknown."""
        found = StepHistory(PIPELINE)
        found.saw_line(console("b", 100.0), follows_gap=True)
        found.saw_line(console("b", 101.0))
        found.saw_line(console("t", 110.0))
        found.add([record("t", 120.0, "success"), *full("b", 100.0)[::-1][:-1]])
        build, test = found.details(None, State.SUCCESS).steps
        assert (build.started_at, build.seconds) == (None, None)
        assert (test.started_at, test.seconds) == (110.0, 10.0)

    def test_without_any_read_of_all_records_everything_is_unknown(self):
        """A job that was cancelled at once has the plan, but no step as not started."""
        found = StepHistory(PIPELINE)
        found.saw_line(console("b", 10.0))
        build, test = found.details(None, None).steps
        assert (build.name, build.started_at, build.seconds) == ("Build", 10.0, None)
        assert (build.state, test.started_at) == (None, None)
        assert not build.not_started and not test.not_started

    def test_a_record_that_changes_in_place_counts_as_it_is_last(self):
        """The same record may turn from running to success."""
        found = history(
            [record("b", 1.0, "running", id="1")], [record("b", 1.0, "success", id="1")]
        )
        assert found.details(None, None).steps[0].state is State.SUCCESS

    def test_12000_steps_take_no_time(self):
        """Nothing grows with the square of the number of steps."""
        plan = tuple(Step(f"s{n}", f"Step {n}") for n in range(12_000))
        found = StepHistory(Pipeline("p", "P", 7, State.SUCCESS, plan))
        started = time.thread_time()
        for first in range(0, 24_000, 900):
            rows = [
                record(f"s{n // 2}", float(n), ("running", "success")[n % 2], id=str(n))
                for n in range(first, min(first + 1000, 24_000))
            ]
            found.add(rows[::-1])
        steps = found.details(Run("p", 7), State.SUCCESS).steps
        assert time.thread_time() - started < 5.0
        assert {step.state for step in steps} == {State.SUCCESS}
        assert not any(step.out_of_reach for step in steps)


class TestTheRun:
    """The information that records have about the run."""

    def test_times_are_from_the_first_to_the_last_record(self):
        """The end is known only if the run has ended."""
        rows = [record("", 5.0, name="start pipeline"), record("b", 8.0, "success")]
        assert details(*rows).finished_at is None
        found = details(*rows, state=State.SUCCESS)
        assert (found.started_at, found.finished_at, found.duration) == (5.0, 8.0, 3.0)
        assert details(state=State.SUCCESS).duration is None

    def test_who_stopped_it(self):
        """Only if the run was stopped, and a record carries a name."""
        row = record("b", 5.0, "stopped", user="Ann")
        assert details(row, state=State.STOPPED).stopped_by == "Ann"
        assert details(row, state=State.FAILED).stopped_by == ""
        assert details(record("b", 5.0, "stopped"), state=State.STOPPED).stopped_by == ""

    def test_where_it_pauses(self):
        """Since when, and the approver, if a record has it."""
        rows = [record("b", 1.0, "success"), record("t", 2.0, "paused", user="Ann")]
        assert history(rows).pause == Pause("t", 2.0, "Ann")
        assert history([*rows, record("t", 3.0, "success")]).pause is None

    def test_its_branch(self):
        """The last one that a record names."""
        rows = [record("b", 1.0, branch="main"), record("b", 2.0)]
        assert history(rows).branch == "main"

    @pytest.mark.parametrize(
        ("state", "left"),
        [(State.STOPPED, State.STOPPED), (State.SUCCESS, None), (State.FAILED, None),
         (State.RUNNING, State.RUNNING)],
    )  # fmt: skip
    def test_no_step_is_in_progress_after_the_end(self, state, left):
        """Of a stopped run it was stopped; else its result is unknown, not “not started”."""
        step = details(record("b", 1.0, "running"), state=state).steps[0]
        assert step.state is left
        assert not step.not_started
        assert state is not State.STOPPED or step.seconds is None


class TestFailure:
    """Where a run failed."""

    def failure(self, count: int, *rows: LogRecord):
        return history(list(rows)).details(Run("p", count), State.FAILED).failure

    def test_the_last_failure_counts(self):
        """Of several failed steps it is the one that failed last."""
        rows = [record("b", 1.0, "failure"), record("t", 2.0, "failed", message="2 of 9")]
        assert self.failure(3, *rows) == (TEST, "2 of 9")

    def test_the_pipeline_has_only_its_latest_run(self):
        """For an older run, the pipeline's last step is ignored."""
        assert self.failure(6) is None

    def test_the_step_is_shown_as_failed(self):
        """Also if only the pipeline shows it, and only for a failed run."""
        found = details(console("t", 1.0), state=State.FAILED)
        assert [step.state for step in found.steps] == [None, State.FAILED]
        assert details(console("t", 1.0), state=State.SUCCESS).steps[1].state is None

    def test_a_step_that_the_plan_does_not_have(self):
        """A step that was removed since is named by the record, or by its ID."""
        row = record("gone", 1.0, "failed", name="Old step")
        assert self.failure(6, row).step == Step("gone", "Old step", "tool")
        assert self.failure(6, record("gone", 1.0, "failed")).step.name == "gone"


def test_a_result_as_json_and_made_safe():
    """For the output it is plain data; for showing its texts go through a cleaner."""
    result = StepResult("a\nb", "t\n", State.FAILED, 1.26, 2.5)
    assert result.to_json() == {
        "name": "a\nb",
        "tool": "t\n",
        "state": "failed",
        "seconds": 1.3,
        "startedAt": "1970-01-01T00:00:02.500Z",
    }
    empty = {"name": "x", "tool": "", "state": None, "seconds": None, "startedAt": None}
    assert StepResult("x").to_json() == empty
    waited = StepResult("x", message="a\nb", waited=2.04)
    assert waited.to_json() == empty | {"waitedSeconds": 2.0, "message": "a\nb"}
    safe = result.but_safe(lambda text: text.replace("\n", " "))
    assert (safe.name, safe.tool, safe.seconds) == ("a b", "t ", 1.26)
    assert waited.but_safe(str.upper).message == "A\nB"
