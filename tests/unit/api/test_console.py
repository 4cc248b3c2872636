"""Where a record holds its console text."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from opsera_step.api.models import console_text as console


class TestConsoleText:
    """The places of console text."""

    PLACES = (
        lambda text: {"api_response": {"jenkinsConsoleLog": text}},
        lambda text: {"api_response": {"jenkins_console_log": text}},
        lambda text: {"api_response": {"consoleLog": text}},
        lambda text: {
            "api_response": {"message": text},
            "step_configuration": {"topic": "opsera.pipeline.octopus.console.log"},
        },
        lambda text: {"api_response": {"buildLog": text}},
        lambda text: {"api_response": {"apiResponse": {"message": {"message": text}}}},
        lambda text: {"api_response": {"message": text}},
        lambda text: {"message": text},
    )

    @pytest.mark.parametrize("number", range(len(PLACES)))
    def test_each_place(self, number: int):
        """Text is found in each place, and an earlier place takes precedence."""
        assert console(self.PLACES[number]("text\nof it")) == "text\nof it"
        item: dict[str, Any] = {"api_response": {}}
        for place in reversed(self.PLACES[number:]):
            found = place(f"place {self.PLACES.index(place)}")
            item["api_response"] |= found.pop("api_response", {})
            item |= found
        # The fourth place is the seventh, under a topic.
        assert console(item) == f"place {number}"

    def test_an_empty_place_does_not_hide_the_next(self):
        """A place without text is skipped, whatever is there."""
        for empty, place in product(("", None, {}, [], 0, False, 5), self.PLACES[:-1]):
            assert console({**place(empty), "message": "below"}) == "below"

    def test_a_bare_string(self):
        """`api_response` may be the text itself."""
        assert console({"api_response": "text", "message": "other"}) == "text"
        assert console({"api_response": "", "message": "other"}) == "other"

    @pytest.mark.parametrize(
        ("parts", "text"),
        [
            ({"a": {"id": 2, "log": "two"}, "b": {"id": 1, "log": "one\n"}}, "one\ntwo"),
            ({"a": {"id": "10", "log": "ten"}, "b": {"id": "9", "log": "nine"}}, "nine\nten"),
            ({"a": {"id": "x", "log": "first"}, "b": {"id": 1, "log": "second"}}, "first\nsecond"),
            ({"a": {"id": "9" * 5000, "log": "first"}, "b": {"log": "second"}}, "first\nsecond"),
            ([{"id": 2, "log": "two"}, {"id": 1, "log": "one"}], "one\ntwo"),
            ({"a": {"id": 1, "log": "a\n"}, "b": 7, "c": None}, "a"),
        ],
    )
    def test_parts(self, parts: Any, text: str):
        """A `consoleLog` of parts is joined in the order of their numbers."""
        assert console({"api_response": {"consoleLog": parts}}) == text

    def test_else_the_json(self):
        """If no place holds text, the JSON of `api_response` is the text."""
        assert console({"api_response": {"ä": [1, None]}}) == '{"ä": [1, null]}'
        assert console({"api_response": [1, 2]}) == "[1, 2]"
        assert [console({"api_response": value}) for value in ("", {}, [], None, 0, False)] == [
            ""
        ] * 6
        assert console({}) == ""

    def test_json_nested_too_deep(self):
        """JSON that is nested too deep to be written has no text."""
        value: Any = []
        for _ in range(100_000):
            value = [value]
        assert console({"api_response": value}) == ""
