"""What became of each step, from the records and the plan."""

from __future__ import annotations

from opsera_step.api import LogRecord, Pipeline, Run, State, Step
from opsera_step.runs import StepResult
from opsera_step.runs.log_cursor import WINDOW
from opsera_step.runs.steps import failure_of, steps_of, steps_without_records

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
) -> LogRecord:
    """An activity record."""
    return LogRecord("", created, step, name, None, action, status, message, "tool", "", "")


def console(step: str, created: float | None, status: str = "") -> LogRecord:
    return record(step, created, status, "console output")


def results(*records: LogRecord) -> list[tuple[State | None, float | None]]:
    """State and seconds of the active steps; the records are given oldest first."""
    return [(one.state, one.seconds) for one in steps_of(PIPELINE, records[::-1])]


class TestStepsOf:
    """Each active step with what the records tell."""

    def test_names_and_order_are_the_plans(self):
        """The steps come as in the plan, without those that are switched off."""
        assert [(one.name, one.tool) for one in steps_of(PIPELINE, ())] == [
            ("Build", "jenkins"),
            ("Test", ""),
        ]

    def test_a_step_without_records_is_left_open(self):
        """What no record tells is not made up."""
        assert results(record("b", 1.0, "success")) == [(State.SUCCESS, 0.0), (None, None)]

    def test_state_and_time_come_from_the_records(self):
        """The last known word counts, and the time from the first record to the last."""
        assert results(
            record("b", 10.0, "running"),
            console("b", 11.0, "success"),
            record("b", 14.5, "success"),
            record("t", 15.0, "running"),
            record("t", 16.0, "odd word"),
            record("t", 18.0, ""),
        ) == [(State.SUCCESS, 4.5), (State.RUNNING, 3.0)]

    def test_a_step_began_with_its_first_record(self):
        """When it began is what its first record tells; what is out of the window is unknown."""
        rows = [record("t", 15.0, "running"), record("t", 18.0)]
        assert [one.started_at for one in steps_of(PIPELINE, rows[::-1])] == [None, 15.0]
        full = [console("b", float(number)) for number in range(WINDOW)]
        assert [one.started_at for one in steps_of(PIPELINE, full[::-1])] == [None, None]

    def test_the_status_of_console_records_tells_nothing(self):
        """Console text carries a status of its own that is no step's."""
        assert results(console("b", 1.0, "failed"), console("b", 3.0)) == [
            (None, 2.0),
            (None, None),
        ]

    def test_unreadable_times_are_passed_over(self):
        """A record without time counts for the state only."""
        assert results(record("b", None, "failed"))[0] == (State.FAILED, None)
        assert results(record("b", 1.0), record("b", None, "failed"), record("b", 2.0))[0] == (
            State.FAILED,
            1.0,
        )

    def test_records_of_no_step_and_of_unknown_steps_are_passed_over(self):
        """What belongs to no step of the plan changes nothing."""
        assert results(record("", 1.0, "failed"), record("x", 2.0, "failed")) == [(None, None)] * 2

    def test_a_full_window_hides_when_its_first_step_began(self):
        """The step with which a full window begins has no known duration, later ones have."""
        rows = [console("b", float(number)) for number in range(WINDOW - 2)]
        rows += [record("t", 2000.0), record("t", 2003.0, "success")]
        assert results(*rows) == [(None, None), (State.SUCCESS, 3.0)]
        assert results(*rows[1:])[0] == (None, WINDOW - 4)

    def test_lines_tell_when_a_step_went_on_whose_records_are_gone(self):
        """Lines that were read in time; a single one does not tell how long its step took."""
        window = [console("t", 100.0 + n) for n in range(WINDOW)][::-1]
        lines = {"b": (10.0, 90.0), "t": (95.0, 99.0)}
        build, test = steps_of(PIPELINE, window, lines)
        assert (build.state, build.started_at, build.seconds) == (None, 10.0, 80.0)
        assert (test.state, test.started_at, test.seconds) == (
            None,
            95.0,
            100.0 + WINDOW - 1 - 95.0,
        )
        assert steps_of(PIPELINE, window, {"b": (10.0, 10.0)})[0].seconds is None
        assert steps_of(PIPELINE, [record("b", 11.0)], lines)[0].started_at == 11.0

    def test_without_records_the_plan_and_the_lines_tell(self):
        """What became of a step is not known then, nor that one did not begin."""
        build, test = steps_without_records(PIPELINE, {"b": (10.0, 90.0)})
        assert (build.name, build.tool, build.started_at) == ("Build", "jenkins", 10.0)
        assert (build.state, build.seconds, test.started_at) == (None, None, None)
        assert not test.not_started

    def test_waiting_is_added_up(self):
        """From each word that it is paused to the next other word; what it says then is kept."""
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
        build, test = steps_of(PIPELINE, rows[::-1])
        assert (build.waited, build.message, build.finished_at) == (6.5, "approved", 18.5)
        assert (test.waited, test.message, test.finished_at) == (None, "asks", None)

    def test_what_it_says_is_kept_of_a_failure(self):
        """A step's own words are kept where it failed or stopped, not where all is well."""
        rows = [
            record("b", 1.0, "success", message="done"),
            record("t", 2.0, "failed", message="2 failed"),
            console("t", 3.0),
        ]
        build, test = steps_of(PIPELINE, rows[::-1])
        assert (build.message, test.message) == ("", "2 failed")
        assert (build.finished_at, test.finished_at) == (1.0, 3.0)
        assert (build.id, test.id) == ("b", "t")

    def test_what_not_started_is_known_unless_its_records_may_be_gone(self):
        """Out of a full window may be the records of the steps before its first one only."""
        assert [one.not_started for one in steps_of(PIPELINE, ())] == [True, True]
        build, test = steps_of(PIPELINE, [record("b", 1.0, "running")])
        assert (build.not_started, test.not_started) == (False, True)
        build, test = steps_of(PIPELINE, [console("t", float(n)) for n in range(WINDOW)][::-1])
        assert (build.not_started, test.not_started) == (False, False)
        build, test = steps_of(PIPELINE, [console("b", float(n)) for n in range(WINDOW)][::-1])
        assert (build.not_started, test.not_started) == (False, True)

    def test_as_json_and_made_safe(self):
        """For the output it is plain data; for showing its texts go through a cleaner."""
        result = StepResult("a\nb", "t\n", State.FAILED, 1.26, 2.5)
        assert result.to_json() == {
            "name": "a\nb",
            "tool": "t\n",
            "state": "failed",
            "seconds": 1.3,
            "startedAt": "1970-01-01T00:00:02.500Z",
        }
        assert StepResult("x").to_json() == {
            "name": "x",
            "tool": "",
            "state": None,
            "seconds": None,
            "startedAt": None,
        }
        waited = StepResult("x", message="a\nb", waited=2.04)
        assert waited.to_json() == StepResult("x").to_json() | {
            "waitedSeconds": 2.0,
            "message": "a\nb",
        }
        safe = result.but_safe(lambda text: text.replace("\n", " "))
        assert (safe.name, safe.tool, safe.seconds) == ("a b", "t ", 1.26)
        assert waited.but_safe(str.upper).message == "A\nB"


class TestFailedStep:
    """Where a run failed."""

    def test_the_last_failure_counts(self):
        """Of several failed steps it is the one that failed last."""
        rows = [record("t", 2.0, "failed"), record("b", 1.0, "failure")]
        assert failure_of(PIPELINE, Run("p", 3), rows).step == TEST

    def test_console_records_do_not_count(self):
        """A word in a console record is no failure; then the pipeline's own word counts."""
        assert failure_of(PIPELINE, Run("p", 7), [console("b", 1.0, "failed")]).step == TEST

    def test_the_pipeline_tells_of_its_newest_run_only(self):
        """For an older run the pipeline's last step says nothing."""
        assert failure_of(PIPELINE, Run("p", 6), []) is None

    def test_a_step_that_the_plan_does_not_have(self):
        """A step that was removed since is named by the record, or by its ID."""
        gone = [record("gone", 1.0, "failed", name="Old step")]
        assert failure_of(PIPELINE, Run("p", 6), gone).step == Step("gone", "Old step", "tool")
        assert (
            failure_of(PIPELINE, Run("p", 6), [record("gone", 1.0, "failed")]).step.name == "gone"
        )
