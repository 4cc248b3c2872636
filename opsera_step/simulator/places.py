"""Where a log record keeps its console text: a function for each place that the API uses."""

from __future__ import annotations

import json
from collections.abc import Callable

OCTOPUS_TOPIC = "opsera.pipeline.octopus.console.log"

_Fields = dict[str, object]


def _parts(text: str) -> _Fields:
    middle = text.find("\n", len(text) // 2) + 1 or len(text)
    halves = [half for half in (text[:middle], text[middle:]) if half]
    return {f"part{n}": {"id": n, "log": half} for n, half in enumerate(halves, 1)}


_IN_API_RESPONSE: dict[str, Callable[[str], object]] = {
    "jenkinsConsoleLog": lambda text: {"jenkinsConsoleLog": text},
    "jenkins_console_log": lambda text: {"jenkins_console_log": text},
    "consoleLog": lambda text: {"consoleLog": text},
    "consoleLog_parts": lambda text: {"consoleLog": _parts(text)},
    "octopus": lambda text: {"message": text},
    "buildLog": lambda text: {"buildLog": text},
    "api_response": lambda text: text,
    "apiResponse": lambda text: {"apiResponse": {"message": {"message": text}}},
    "api_response_message": lambda text: {"message": text},
    "message": lambda _: {},
    "json": lambda text: {"output": text},
}


def put(text: str, place: str, record: _Fields) -> None:
    """Write console text into a record at the named place."""
    record["api_response"] = _IN_API_RESPONSE[place](text)
    if place == "message":
        record["message"] = text
    configuration = record.get("step_configuration")
    if place == "octopus" and isinstance(configuration, dict):
        record["step_configuration"] = {**configuration, "topic": OCTOPUS_TOPIC}


def shown(text: str, place: str) -> str:
    """Return what a reader of the record sees as its console text."""
    return json.dumps(_IN_API_RESPONSE["json"](text)) if place == "json" else text
