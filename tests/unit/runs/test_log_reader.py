"""The log as events: new lines, failures, and when it is complete."""

from __future__ import annotations

from dataclasses import replace

import pytest

from opsera_step.api import LogRecord
from opsera_step.errors import Malformed
from opsera_step.runs import events, lines_of
from opsera_step.runs.log_cursor import WINDOW
from opsera_step.runs.log_reader import QUIET_FOR, LogReader
from opsera_step.runs.polling import PollSchedule
from opsera_step.runs.steps import StepHistory
from tests.support.scripted_opsera import DEPLOY, http, record

OTHER = replace(record(2, "started\n"), action="pipeline status")


class Reading:
    """A reader, and the time."""

    def __init__(self, kind: str = "console") -> None:
        self.schedule, self.now = PollSchedule(lambda: 0.5), 0.0
        self.reader = LogReader(kind, StepHistory(), self.schedule, lambda: 0.5, 0.0)

    def read(self, *records: LogRecord, is_cut=False, is_filtered=True) -> list[events.Event]:
        """Take the records, given oldest first."""
        self.now += 1.0
        return list(
            self.reader.take(records[::-1], self.now, is_cut=is_cut, is_filtered=is_filtered)
        )

    def fail(self, error, *, may_be_unknown=False, accepted=True) -> list[events.Event]:
        self.now += 1.0
        return list(
            self.reader.failed(error, self.now, may_be_unknown=may_be_unknown, accepted=accepted)
        )

    def lines(self, *records: LogRecord, **options: bool) -> list[str]:
        return texts(self.read(*records, **options))

    def complete(self, since: float, *, is_new: bool = False) -> bool:
        return self.reader.is_complete(self.now, since, is_new=is_new)


def texts(seen) -> list[str]:
    return [line for one in seen if isinstance(one, events.LogLines) for line in one.lines]


@pytest.fixture
def reading() -> Reading:
    return Reading()


class TestLines:
    """What one response brings."""

    def test_new_lines_come_with_their_step_and_time(self, reading):
        """A record becomes one event of whole lines."""
        assert reading.read(record(1, "a\nb\r\nc\n")) == [
            events.LogLines("s1", "Build", "jenkins", ("a", "b", "c"), 1.0)
        ]

    def test_a_line_comes_once(self, reading):
        """The same records again bring nothing, a grown one only what is new."""
        assert reading.lines(record(1, "a\n"), record(2, "b\n")) == ["a", "b"]
        assert reading.read(record(1, "a\n"), record(2, "b\n")) == []
        assert reading.lines(record(1, "a\n"), record(2, "b\nc\n")) == ["c"]

    def test_an_unfinished_line_comes_at_the_end(self, reading):
        """What has no line end yet is held back."""
        assert reading.lines(record(1, "a\nhalf")) == ["a"]
        assert texts(reading.reader.flush()) == ["half"]

    @pytest.mark.parametrize("is_filtered", [True, False])
    def test_activity_messages_are_not_shown(self, reading, is_filtered):
        """Where a response has other records too, only console records and those of no type are."""
        rows = (record(1, "a\n"), OTHER, record(3, "c\n", action=""))
        assert reading.lines(*rows, is_filtered=is_filtered) == ["a", "c"]

    def test_all_shows_them(self):
        """With logs: all every record is shown."""
        assert Reading("all").lines(record(1, "a\n"), OTHER) == ["a", "started"]

    def test_a_huge_record_comes_in_portions(self, reading):
        """A thousand lines are one event."""
        seen = reading.read(record(1, "x\n" * 2500))
        assert [len(one.lines) for one in seen] == [1000, 1000, 500]

    def test_records_that_were_read_once(self):
        """Without following, records become lines as well."""
        assert texts(lines_of([record(2, "b"), record(1, "a\n")])) == ["a", "b"]

    def test_the_latest_step_is_known(self, reading):
        """Lines of a later step show that a run continues."""
        reading.read(record(1, "a\n"))
        assert reading.reader.last_step == 0
        reading.read(record(2, "b\n", DEPLOY))
        assert reading.reader.last_step == 2


class TestCompleteness:
    """When every line was seen."""

    def test_it_takes_two_quiet_reads_and_three_seconds(self, reading):
        """Lines trail the end, and each one restarts the quiet time."""
        reading.read(record(1, "a\n"))
        reading.reader.restart_quiet()
        since = reading.now
        seen = []
        for _ in range(5):
            reading.read(record(1, "a\n"))
            seen.append(reading.complete(since))
        assert seen == [False, False, True, True, True]
        reading.read(record(1, "a\n"), record(2, "b\n"))
        assert not reading.complete(since)
        assert reading.reader.quiet_from(since, is_new=False) == reading.now + QUIET_FOR

    @pytest.mark.parametrize("is_cut", [False, True])
    def test_a_read_of_all_records_is_a_quiet_read(self, reading, is_cut):
        """Unless they don't fit into one response: then it may lack console records."""
        reading.reader.restart_quiet()
        for _ in range(9):
            reading.read(is_filtered=False, is_cut=is_cut)
        assert reading.complete(0.0) is not is_cut

    def test_a_full_read_of_all_records_is_one_if_it_has_a_known_line(self, reading):
        """Then no later one can be missing."""
        others = [replace(OTHER, id=f"{n:024x}", created=100.0 + n) for n in range(WINDOW - 1)]
        reading.read(record(1, "a\n"))
        reading.reader.restart_quiet()
        for _ in range(5):
            reading.read(record(1, "a\n"), *others, is_filtered=False)
        assert reading.complete(0.0)

    @pytest.mark.parametrize(("since", "enough"), [(0.5, 7.5), (3.0, 8.5), (60.0, 63.5)])
    def test_an_empty_log_of_a_new_run_takes_longer(self, since, enough):
        """Its records may lag, but a run of three seconds is over within 12."""
        reader = Reading().reader
        assert reader.quiet_from(since, is_new=True) == enough
        assert reader.quiet_from(since, is_new=False) == since + QUIET_FOR

    def test_missing_records_make_it_incomplete(self, reading):
        """A full window without a known record is reported, once."""
        reading.read(*(record(n, f"{n}\n") for n in range(900)))
        rows = [record(n, f"{n}\n") for n in range(1500, 1500 + WINDOW)]
        assert reading.read(*rows)[0] == events.LinesMissing()
        for _ in range(5):
            assert reading.read(*rows) == []
        assert not reading.complete(0.0)

    def test_a_response_that_was_cut_off(self, reading):
        """Its older records are missing, unless they were seen before."""
        rows = [record(n, f"{n}\n") for n in range(20)]
        reading.read(*rows[:10])
        assert texts(reading.read(*rows[5:15], is_cut=True)) == [str(n) for n in range(10, 15)]
        assert reading.read(rows[19], is_cut=True)[0] == events.LinesMissing(too_large=True)

    @pytest.mark.parametrize("recovers", [False, True])
    def test_a_latest_record_that_is_too_large(self, reading, recovers):
        """If no record arrives whole, the log is incomplete, unless a later response is read."""
        reading.read(record(1, "a\n"))
        for _ in range(4):
            assert reading.read(is_cut=True) == []
            assert not reading.complete(0.0)
        if recovers:
            assert reading.lines(record(1, "a\n"), record(2, "b\n")) == ["b"]
            reading.read()
            reading.now += QUIET_FOR
            assert reading.lines(record(1, "a\n"), record(2, "b\n")) == []
        missing = [] if recovers else [events.LinesMissing(too_large=True)]
        assert list(reading.reader.flush()) == missing
        assert reading.complete(0.0) is recovers

    def test_a_filter_that_is_ignored_hides_no_gap(self, reading):
        """A window full of other records may leave out console records."""
        reading.read(record(1, "a\n"))
        others = [replace(OTHER, id=f"{n:024x}", created=100.0 + n) for n in range(WINDOW - 1)]
        assert reading.read(*others, record(2000, "z\n"))[0] == events.LinesMissing()

    def test_none_is_never_complete(self):
        """With logs: none nothing was seen."""
        reading = Reading("none")
        reading.now = 9.0
        assert not reading.reader.is_wanted
        assert reading.reader.is_quiet(9.0, 0.0, is_new=False) and not reading.complete(0.0)


class TestFailures:
    """The log call may fail as it likes."""

    @pytest.mark.parametrize("error", [http(500), http(429), Malformed("an HTML page.")])
    def test_a_failure_is_silent_and_delays_the_next_read(self, reading, error):
        """A passing fault is the reader's error until it is over."""
        assert reading.fail(error) == []
        assert reading.reader.error == error.message
        assert reading.now < reading.reader.retry.not_before < reading.now + 2
        reading.read()
        assert (reading.reader.error, reading.reader.retry.not_before) == ("", 0.0)

    @pytest.mark.parametrize("status", [400, 403, 404])
    def test_a_refusal_is_reported_once_and_retried_after_a_minute(self, reading, status):
        """It is one warning, also if it comes again."""
        (note,) = reading.fail(http(status))
        assert note.warning and f"HTTP {status}" in note.text
        assert reading.reader.retry.not_before == reading.now + 60.0
        assert reading.fail(http(status)) == []
        reading.reader.restart_quiet()
        assert reading.reader.retry.not_before == 0.0, "at the end it is tried again"
        assert reading.fail(http(status)) == []
        reading.now += 5.0
        assert reading.reader.is_quiet(reading.now, 0.0, is_new=False)
        assert not reading.complete(0.0)

    @pytest.mark.parametrize("status", [400, 404])
    def test_a_new_run_may_be_unknown(self, reading, status):
        """While the run may be unknown, 400 and 404 are no refusal."""
        assert reading.fail(http(status), may_be_unknown=True) == []
        assert not reading.reader.refusal

    def test_a_401_gets_two_more_tries(self, reading):
        """A token that was accepted may be refused for a moment."""
        assert reading.fail(http(401)) == reading.fail(http(401)) == []
        assert len(reading.fail(http(401))) == 1
        assert len(Reading().fail(http(401), accepted=False)) == 1

    def test_a_failed_read_is_no_quiet_one(self, reading):
        """After a failure, the count of quiet reads restarts."""
        reading.reader.restart_quiet()
        for _ in range(4):
            reading.read()
        reading.fail(http(502))
        reading.read()
        assert not reading.complete(0.0)
        reading.read()
        assert reading.complete(0.0)
