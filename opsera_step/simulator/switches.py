"""The open questions about the Opsera API, each a switch, so that both answers can be tested.

What the API's documentation leaves open has a default here and can be set in a scenario, from
Python and on the command line. Nothing in this module acts; it only says what was chosen.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields, replace
from typing import Any

PLACES = (
    "jenkinsConsoleLog",
    "jenkins_console_log",
    "consoleLog",
    "consoleLog_parts",
    "octopus",
    "buildLog",
    "api_response",
    "apiResponse",
    "api_response_message",
    "message",
    "json",
)
"""The places of a log record where the console text can be."""

STATES = ("queued", "running", "paused", "success", "failed", "rejected", "stopped")
"""The states of a run, as scenarios and the switch `spelling` name them."""

_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


class SwitchError(ValueError):
    """A switch that does not exist, or a value that it does not take."""


def _switch(meaning: str, default: Any, *others: str) -> Any:
    """Declare a switch; `others` are the choices besides a default that is a word."""
    choices = (default, *others) if others else ()
    return field(default=default, metadata={"meaning": meaning, "choices": choices})


_SPELLING_MEANS = {"meaning": "spelling of state words, e.g. success=Successful", "choices": ()}


@dataclass(frozen=True)
class Switches:
    """How the simulated API behaves where its documentation leaves that open."""

    bad_token_status: int = _switch(
        "HTTP status for a missing, wrong, expired or inactive token", 401
    )
    no_access_status: int = _switch(
        "HTTP status for a wrong scope, or an object without access", 403
    )
    unknown_pipeline_status: int = _switch(
        "HTTP status for an ID that is no pipeline, tool or task", 404
    )
    refusal_status: int = _switch("HTTP status of a refused run", 200)
    error_body: str = _switch("form of an error's body", "json", "text", "html", "empty")
    list_answers: str = _switch("lists bare, in {data} or {count, data}", "bare", "data", "counted")
    counted_answers: str = _switch(
        "tasks, audit and task logs in {count, data} or {data}, or bare", "counted", "data", "bare"
    )
    count_tells: str = _switch("count is of what is shown, or of all that there is", "shown", "all")
    object_answers: str = _switch("summaries and updated tools bare, or in {data}", "bare", "data")
    action_answers: str = _switch("run, status, stop, reset bare, or in {data}", "bare", "data")
    json_text: str = _switch("other scripts as \\u escapes or as UTF-8", "escaped", "utf8")
    run_answer: str = _switch("run on a pipeline at rest says the run count", "counted", "bare")
    busy_answer: str = _switch(
        "run while another run is going",
        "executed",
        "queued",
        "executed_bare",
        "queued_bare",
        "refused",
    )
    run_count_as: str = _switch("JSON type of runCount in answers", "number", "text")
    queued_known: bool = _switch("status and logs know a queued run", True)
    queued_run_count: str = _switch(
        "workflow.run_count counts a queued run when it starts or at once", "at_start", "at_once"
    )
    unseen_seconds: float = _switch("seconds after run in which the run is unknown", 0.0)
    unseen_status: str = _switch(
        "status of an unknown run: an HTTP status or a state word", "404", "400", "unknown"
    )
    unseen_logs: str = _switch("logs of an unknown run", "empty", "400", "404")
    status_without_run_count: str = _switch("status without runCount", "newest", "400")
    summary_lag: float = _switch("seconds by which workflow.run_count lags behind", 0.0)
    status_lag: float = _switch("seconds by which status lags behind", 0.0)
    log_lag: float = _switch("seconds by which log records turn up late", 0.0)
    spelling: dict[str, str] = field(default_factory=dict, metadata=_SPELLING_MEANS)
    record_ids: str = _switch(
        "_id of log records: ObjectIds of one writer, of several, or none",
        "objectid",
        "scattered",
        "missing",
    )
    step_index: str = _switch("step_index of log records", "from_zero", "missing")
    ties: str = _switch(
        "order of records that share one createdAt", "stable", "reversed", "shuffled"
    )
    window: int = _switch("most records in one answer of logs", 1000)
    place: str = _switch("where the console text is, unless the step says", *PLACES)
    task_status: str = _switch("tasks/status as a JSON string or bare text", "json", "text")
    task_log_order: str = _switch(
        "order of the records of logs/task", "newest_first", "oldest_first"
    )
    first_page: str = _switch("number of the first page of logs/task", "one", "zero")
    line_ends: str = _switch("line ends inside console text", "lf", "crlf")
    start_records: str = _switch(
        "the run's first record names who started it", "with_user", "without_user", "none"
    )
    resume_after_failure: bool = _switch("run goes on at the step that failed", False)
    reset_clears_logs: bool = _switch("reset deletes the log of the current run", False)
    stop_idle: str = _switch("stop of a pipeline at rest", "success", "failed", "400")
    stop_clears_queue: bool = _switch("stop also drops queued runs", False)

    def with_values(self, values: Mapping[str, object]) -> Switches:
        """Return a copy with the given switches set; values may be text as typed by a user."""
        known = {one.name: one for one in fields(self)}
        if unknown := sorted(set(values) - set(known)):
            raise SwitchError(f"there is no switch named {unknown[0]!r}; {_known(known)}")
        read = {name: _read(known[name], value) for name, value in values.items()}
        if "spelling" in read:
            read["spelling"] = {**self.spelling, **read["spelling"]}
        return replace(self, **read)

    def spell(self, state: str) -> str:
        """Return the word that the API uses for a state."""
        return self.spelling.get(state, _SPELLING.get(state, state))


_SPELLING = {"rejected": "failed"}


def parse_switches(settings: list[str]) -> dict[str, str]:
    """Read `name=value` settings of a command line into a mapping."""
    parsed = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise SwitchError(f"a switch is set as name=value, not {setting!r}")
        parsed[name.strip().replace("-", "_")] = value.strip()
    return parsed


def describe_switches() -> list[tuple[str, str, str, str]]:
    """Return name, default, accepted values and meaning of every switch."""
    rows = []
    for one in fields(Switches):
        value = getattr(Switches(), one.name)
        default = json.dumps(value) if isinstance(value, bool) else str(value or "")
        default = f"{value:g}" if isinstance(value, float) else default
        takes = " ".join(one.metadata["choices"]) or _kind(one)
        rows.append((one.name, default, takes, one.metadata["meaning"]))
    return rows


def _known(known: Mapping[str, object]) -> str:
    return f"known are {', '.join(sorted(known))}"


def _kind(one: Field[Any]) -> str:
    kinds = {bool: "true false", int: "whole number", float: "seconds"}
    return kinds.get(type(getattr(Switches(), one.name)), "state=word,…")


def _read(one: Field[Any], value: object) -> Any:
    choices = one.metadata["choices"]
    if one.name == "spelling":
        return _read_spelling(value)
    if choices:
        if str(value) not in choices:
            raise SwitchError(f"switch {one.name} takes {', '.join(choices)}, not {value!r}")
        return str(value)
    return _read_plain(one.name, type(getattr(Switches(), one.name)), value)


def _read_plain(name: str, kind: type, value: object) -> Any:
    word = str(value).lower()
    if kind is bool and word in _TRUE + _FALSE:
        return word in _TRUE
    try:
        if kind is not bool and not isinstance(value, bool) and float(word) >= 0:
            return kind(word)
    except ValueError:
        pass
    expected = {bool: "true or false", int: "a whole number", float: "a number of seconds"}[kind]
    raise SwitchError(f"switch {name} takes {expected}, not {value!r}")


def _read_spelling(value: object) -> dict[str, str]:
    spelled = value
    if isinstance(value, str):
        pairs = [pair.partition("=") for pair in value.split(",") if pair]
        spelled = {state.strip(): word.strip() for state, equals, word in pairs if equals}
        spelled = spelled if len(spelled) == len(pairs) else None
    if not isinstance(spelled, Mapping) or not set(spelled) <= set(STATES):
        states = ", ".join(STATES)
        raise SwitchError(f"switch spelling takes state=word,… with states {states}, not {value!r}")
    return {str(state): str(word) for state, word in spelled.items()}
