"""Flags: how the simulated API behaves where the documentation of the real one leaves it open.

Each flag has all the answers that the real API might give, so that every one can be tested. A
scenario, the Python API, and the command line can set them. Nothing in this module acts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import Field, dataclass, field, fields, replace
from typing import Any

from opsera_step.simulator.scenario.reader import Place, ScenarioError, build, setting

PLACES = (
    "jenkinsConsoleLog", "jenkins_console_log", "consoleLog", "consoleLog_parts", "octopus",
    "buildLog", "api_response", "apiResponse", "api_response_message", "message", "json",
)  # fmt: skip
"""The fields of a log record that can hold its console text."""

STATES = ("queued", "running", "paused", "success", "failed", "rejected", "stopped")
"""The states of a run, as scenarios and the flag `spelling` name them."""

_SPELLING = {"rejected": "failed"}
_TRUE, _FALSE = ("true", "yes", "on"), ("false", "no", "off")
_SPELLING_MEANING = "status values of the API by state, such as success=Successful"


def _flag(meaning: str, default: Any, *others: str) -> Any:
    """Declare a flag; a default that is a word comes with the other words."""
    choices = (default, *others) if others else ()
    return setting(default, choices=choices, meaning=meaning)


@dataclass(frozen=True)
class Flags:
    """One assumption for every undocumented behavior of the API."""

    # Access and errors
    scopes: str = _flag(
        "scopes that each call accepts: only those that the API's page states, or read-only "
        "scopes for everything that reads",
        "page", "wide",
    )  # fmt: skip
    invalid_token_status: int = _flag(
        "HTTP status for a missing, wrong, expired, or inactive token", 401
    )
    forbidden_status: int = _flag("HTTP status for a wrong scope, or an object without access", 403)
    not_found_status: int = _flag("HTTP status for the ID of no pipeline, tool, or task", 404)
    malformed_id_status: int = _flag("HTTP status for an ID that is not 24 hex digits (v1)", 404)
    error_body: str = _flag(
        "body of an error: an object, a JSON string, plain text, HTML, or nothing",
        "json", "string", "text", "html", "empty",
    )  # fmt: skip
    rate_limit: int = _flag("requests per minute before 429 with Retry-After; 0: no limit", 0)
    rate_limit_retry_after: str = _flag("form of that Retry-After", "seconds", "date", "missing")

    # Form of responses
    list_format: str = _flag(
        "documented arrays: bare, in {data}, or in {count, data}", "bare", "data", "counted"
    )
    counted_list_format: str = _flag(
        "documented counted lists: {count, data}, {data}, or bare", "counted", "data", "bare"
    )
    count_field: str = _flag(
        "count is the number of items returned, or of all items", "returned", "total"
    )
    object_format: str = _flag("summaries and updated tools: bare, or in {data}", "bare", "data")
    action_format: str = _flag("run, status, stop, reset: bare, or in {data}", "bare", "data")
    v2_format: str = _flag(
        "v2 actions: {status, data, metadata}, or {status, message}", "envelope", "plain"
    )
    json_encoding: str = _flag("non-ASCII text: \\u escapes or UTF-8", "escaped", "utf8")
    compression: str = _flag("responses to clients that accept gzip", "none", "gzip")
    etag: bool = _flag("logs sends an ETag and answers If-None-Match with 304", False)

    # Starting a run
    run_response: str = _flag("response to run on an idle pipeline", "with_count", "without_count")
    busy_response: str = _flag(
        "response to run while another run is in progress; all but `refused` queue the run",
        "executed", "queued", "executed_without_count", "queued_without_count", "refused",
    )  # fmt: skip
    run_count_type: str = _flag("JSON type of runCount in responses", "number", "string")
    refused_run_status: int = _flag("HTTP status of a refused run", 200)
    locked_response: str = _flag(
        "run on a locked pipeline: status failed, or an HTTP status",
        "failed", "400", "403", "409", "423",
    )  # fmt: skip
    locked_message: str = _flag(
        "wording of that refusal", "locked", "locked_by", "permission", "generic"
    )
    run_settings: str = _flag(
        "runtime settings in run: honored, ignored, or refused with an HTTP status",
        "honored", "ignored", "400", "422",
    )  # fmt: skip
    settings_when_off: str = _flag(
        "honored settings where the pipeline has dynamic settings off: still honored, ignored, "
        "or the run is refused with status failed or an HTTP status",
        "ignored", "honored", "failed", "400",
    )  # fmt: skip

    # The queue
    queued_visible: bool = _flag("status and logs return a queued run", True)
    queued_run_count: str = _flag(
        "workflow.run_count counts a queued run when it starts, or at once",
        "at_start", "at_request",
    )  # fmt: skip
    queued_numbers: str = _flag(
        "numbers of queued runs after one was deleted or moved", "kept", "renumbered"
    )
    queue_after_failure: str = _flag(
        "after a run that did not succeed, the queue starts, waits, or is dropped",
        "start", "wait", "drop",
    )  # fmt: skip

    # What is known when
    new_run_hidden_seconds: float = _flag("seconds for which a new run is unknown", 0.0)
    unknown_run_status: str = _flag(
        "status of an unknown run: an HTTP status, or `unknown`", "404", "400", "unknown"
    )
    unknown_run_logs: str = _flag(
        "logs of an unknown run: an empty list, or an HTTP status", "empty", "400", "404"
    )
    status_without_run_count: str = _flag("status without runCount", "latest", "400")
    status_lag: float = _flag("seconds by which status is late", 0.0)
    run_count_lag: float = _flag("seconds by which workflow.run_count is late", 0.0)
    summary_lag: float = _flag("seconds by which last_step and last_run are late", 0.0)
    log_lag: float = _flag("seconds by which log records appear late", 0.0)
    flicker_seconds: float = _flag("seconds between steps for which a run looks final", 0.0)
    flicker_status: str = _flag(
        "the status that it shows then", "success", "failed", "stopped", "paused"
    )
    flicker_in: str = _flag("where it shows it", "both", "status", "summary")
    spelling: dict[str, str] = field(default_factory=dict, metadata={"meaning": _SPELLING_MEANING})

    # Log records
    log_window: int = _flag("maximum number of records in one logs response", 1000)
    place: str = _flag("field with the console text, unless the step sets one", *PLACES)
    record_ids: str = _flag(
        "_id of log records: ObjectIds of one writer, of several, or none",
        "objectid", "scattered", "missing",
    )  # fmt: skip
    step_index: str = _flag("step_index of log records", "from_zero", "missing")
    tie_order: str = _flag(
        "order of records with the same createdAt", "stable", "reversed", "shuffled"
    )
    line_ends: str = _flag("line ends in console text", "lf", "crlf")
    start_record: bool = _flag("a run's log begins with a record of its start", True)
    record_users: str = _flag(
        "user of log records: user_id with an ID, or with a name, or an ID and user_name, or none",
        "id", "name", "both", "missing",
    )  # fmt: skip
    record_actors: str = _flag(
        "user of stop and approval records: the one who acted, or who started the run",
        "actor", "starter",
    )  # fmt: skip
    names_in_messages: bool = _flag("messages of log records contain names of users", True)

    # Stopping, resetting, approving
    resume_after_failure: bool = _flag("a run after a failed one resumes at the failed step", False)
    stop_idle: str = _flag("stop on an idle pipeline", "success", "failed", "400")
    stop_clears_queue: bool = _flag("stop also drops queued runs", False)
    reset_running: str = _flag("reset while a run is in progress", "stops", "failed", "400")
    reset_clears_logs: bool = _flag("reset deletes the log of the latest run", False)
    decision_not_paused: str = _flag(
        "approve or reject on a pipeline that is not paused", "failed", "400", "409"
    )

    # Tasks and audit logs
    task_status: str = _flag("tasks/status: a JSON string or plain text", "json", "text")
    task_log_order: str = _flag("order of logs/task", "latest_first", "oldest_first")
    first_page: str = _flag("number of the first page of logs/task", "one", "zero")
    timescale: str = _flag("the query timescale of audit logs", "honored", "ignored")

    def __post_init__(self) -> None:
        """Reject unknown states in `spelling`."""
        if unknown := [state for state in self.spelling if state not in STATES]:
            raise ValueError(f"spelling takes {', '.join(STATES)}, not {unknown[0]!r}")

    def with_values(self, values: Mapping[str, object]) -> Flags:
        """Return a copy with the given flags set."""
        known = tuple(one.name for one in fields(self))
        if unknown := [name for name in values if name not in known]:
            message = f"unknown flag {unknown[0]!r}; known flags: {', '.join(sorted(known))}"
            raise ScenarioError(message, unknown[0], known)
        new = build(Flags, values, Place(""))
        changed = {name: getattr(new, name) for name in values if values[name] is not None}
        if "spelling" in changed:
            changed["spelling"] = {**self.spelling, **changed["spelling"]}
        return replace(self, **changed)

    def spell(self, state: str) -> str:
        """Return the API's word for a state."""
        return self.spelling.get(state, _SPELLING.get(state, state))


def parse_flags(settings: Iterable[str]) -> dict[str, object]:
    """Read `name=value` settings as typed by a user."""
    choices = {one.name: one.metadata.get("choices", ()) for one in fields(Flags)}
    parsed: dict[str, object] = {}
    for typed in settings:
        name, equals, value = typed.partition("=")
        if not equals:
            raise ScenarioError(f"flag {typed!r} has no value; write it as {typed}=VALUE")
        name = name.strip().replace("-", "_")
        parsed[name] = value.strip() if choices.get(name) else _value(value.strip())
    return parsed


def describe_flags() -> list[tuple[str, str, str, str]]:
    """Return the name, the default, the accepted values, and the meaning of every flag."""
    rows = []
    for one in fields(Flags):
        value = getattr(Flags(), one.name)
        default = json.dumps(value) if isinstance(value, bool) else str(value or "")
        default = f"{value:g}" if type(value) in (int, float) else default
        accepted = " ".join(one.metadata.get("choices", ())) or _kind(one)
        rows.append((one.name, default, accepted, str(one.metadata["meaning"])))
    return rows


def _kind(one: Field[Any]) -> str:
    kinds = {bool: "true false", int: "whole number", float: "seconds"}
    return kinds.get(type(getattr(Flags(), one.name)), "state=word,…")


def _value(text: str) -> object:
    """Return what a user means by a typed value."""
    if text.lower() in _TRUE + _FALSE:
        return text.lower() in _TRUE
    if "=" in text:  # spelling=success=Successful,failed=FAILURE
        pairs = [pair.partition("=") for pair in text.split(",")]
        return {state.strip(): word.strip() for state, _, word in pairs}
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
