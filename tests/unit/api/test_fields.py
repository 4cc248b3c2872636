"""Times of the API; numbers and strings are tested with the models."""

from __future__ import annotations

from opsera_step.api import format_timestamp
from opsera_step.api.fields import parse_time


class TestTimes:
    """ISO 8601, the same on every Python."""

    def test_spellings(self):
        """Zones, fractions of any length, and space are read; without a zone it is UTC."""
        for text in (
            "2021-07-30 16:13:52.109Z", "2021-07-30T16:13:52.109", "2021-07-30T16:13:52.109000123Z",
            " 2021-07-30t16:13:52.109z ", "2021-07-30T18:13:52,109+0200",
            "2021-07-30T06:43:52.109-09:30",
        ):  # fmt: skip
            assert parse_time(text) == 1627661632.109

    def test_short_ones(self):
        """Seconds and their fraction may be missing, or the fraction have one digit."""
        assert parse_time("2021-07-30T16:13:52Z") == 1627661632.0
        assert parse_time("2021-07-30T16:13:52.1Z") == 1627661632.1
        assert parse_time("2021-07-30T16:13Z") == 1627661580.0

    def test_what_is_no_time(self):
        """Anything else is no time; neither is one before 1970 or after 2199."""
        for value in (
            None, 1627661632109, True, "", "now", "2021-07-30", "2021-13-30T16:13:52Z", [],
            "2021-07-30T25:13:52Z", "0000-01-01T00:00:00Z", "2021-07-30T16:13:52+99:00",
            "٢٠٢١-07-30T16:13:52Z", "0001-01-01T00:00:00+23:59", "1969-12-31T23:59:59Z",
            "9999-12-31T23:59:59.999999-23:59", "2200-01-01T00:00:00Z",
        ):  # fmt: skip
            assert parse_time(value) is None, value


def test_a_time_is_formatted_as_the_api_does():
    """It is parsed as the same time again."""
    text = format_timestamp(1627661632.109)
    assert text == "2021-07-30T16:13:52.109Z"
    assert parse_time(text) == 1627661632.109


def test_a_time_that_is_none_is_formatted_as_empty():
    """No number raises."""
    for seconds in (1e300, -1e300, float("inf"), float("nan"), 1e12, -1e12):
        assert format_timestamp(seconds) == ""
