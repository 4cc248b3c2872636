"""Single values of the API's JSON: times, here; numbers and texts are tried with the models."""

from __future__ import annotations

from typing import Any

import pytest

from opsera_step.api import format_timestamp
from opsera_step.api.fields import parse_time


class TestTimes:
    """ISO 8601, the same on every Python."""

    @pytest.mark.parametrize(
        "text",
        [
            "2021-07-30T16:13:52.109Z",
            "2021-07-30 16:13:52.109Z",
            "2021-07-30T16:13:52.109",
            "2021-07-30T16:13:52.109000Z",
            "2021-07-30T16:13:52.109000123Z",
            " 2021-07-30t16:13:52.109z ",
            "2021-07-30T18:13:52.109+02:00",
            "2021-07-30T18:13:52,109+0200",
            "2021-07-30T06:43:52.109-09:30",
        ],
    )
    def test_spellings(self, text: str):
        """Zones, fractions of any length and blanks are understood; without a zone it is UTC."""
        assert parse_time(text) == 1627661632.109

    def test_short_ones(self):
        """Seconds and their fraction may be missing, or the fraction have one digit."""
        assert parse_time("2021-07-30T16:13:52Z") == 1627661632.0
        assert parse_time("2021-07-30T16:13:52.1Z") == 1627661632.1
        assert parse_time("2021-07-30T16:13Z") == 1627661580.0

    @pytest.mark.parametrize(
        "value",
        [
            None,
            0,
            1627661632109,
            True,
            "",
            "now",
            "2021-07-30",
            "2021-13-30T16:13:52Z",
            [],
            {},
            "2021-07-30T25:13:52Z",
            "0000-01-01T00:00:00Z",
            "2021-07-30T16:13:52+99:00",
            "٢٠٢١-07-30T16:13:52Z",
        ],
    )
    def test_what_is_no_time(self, value: Any):
        """Anything else is no time."""
        assert parse_time(value) is None

    @pytest.mark.parametrize(
        "text", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59.999999-23:59"]
    )
    def test_the_ends_of_time(self, text: str):
        """The first and the last moment there is do no harm."""
        assert isinstance(parse_time(text), float)


def test_a_time_is_spelled_as_the_api_spells_it():
    """What is written is read back as the same moment."""
    text = format_timestamp(1627661632.109)
    assert text == "2021-07-30T16:13:52.109Z"
    assert parse_time(text) == 1627661632.109
