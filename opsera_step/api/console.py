"""Where the console text of an activity log record is: one of many places, as the portal looks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from opsera_step.api.fields import JsonObject, object_at, text_at, whole_number

OCTOPUS_CONSOLE_TOPIC = "opsera.pipeline.octopus.console.log"


def console_text(item: JsonObject) -> str:
    """Find the console text of a record: the first of the places where the portal looks.

    A place counts when it holds text; an empty string does not hide what stands further down.
    """
    answer = item.get("api_response")
    if isinstance(answer, dict):
        for text in _console_places(item, answer):
            if text:
                return text
    elif isinstance(answer, str) and answer:
        return answer
    return text_at(item, "message") or (_as_json(answer) if answer else "")


def _console_places(item: JsonObject, answer: JsonObject) -> Iterator[str]:
    """Look one place after the other, no further than is needed: there are many records."""
    yield text_at(answer, "jenkinsConsoleLog")
    yield text_at(answer, "jenkins_console_log")
    yield _joined_parts(answer.get("consoleLog"))
    if text_at(object_at(item, "step_configuration"), "topic") == OCTOPUS_CONSOLE_TOPIC:
        yield text_at(answer, "message")
    yield text_at(answer, "buildLog")
    yield text_at(object_at(object_at(answer, "apiResponse"), "message"), "message")
    yield text_at(answer, "message")


def _joined_parts(value: Any) -> str:
    """Join a `consoleLog`: a string, or `{id, log}` parts, as values of an object or in a list."""
    if isinstance(value, str):
        return value
    values = list(value.values()) if isinstance(value, dict) else value
    parts = [one for one in values if isinstance(one, dict)] if isinstance(values, list) else []
    if all(whole_number(part.get("id")) is not None for part in parts):
        parts.sort(key=lambda part: whole_number(part.get("id")) or 0)
    return "\n".join(text_at(part, "log").removesuffix("\n") for part in parts)


def _as_json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        # What could just be read may be nested too deep to be written.
        return ""
