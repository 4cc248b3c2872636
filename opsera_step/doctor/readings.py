"""Observations about the form of one API response. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

from opsera_step.api import is_object_id, object_at, text_at
from opsera_step.api.fields import whole_number
from opsera_step.api.models import OCTOPUS_CONSOLE_TOPIC, parse_list, parse_object, parse_status
from opsera_step.doctor.redacted import public_word


class Reply(NamedTuple):
    """One response of the API."""

    status: int
    headers: Mapping[str, str]
    text: str
    data: Any
    """The JSON; None if it is none."""
    is_json: bool

    @property
    def is_success(self) -> bool:
        """Whether the request was successful."""
        return 200 <= self.status < 300

    @property
    def items(self) -> list[dict[str, Any]]:
        """The objects of a list; empty if it is none."""
        return [dict(one) for one in parse_list(self.data) or ()] if self.is_success else []


def list_form(reply: Reply) -> str:
    """Describe how a list is wrapped."""
    data = reply.data
    if isinstance(data, list):
        return "bare"
    if isinstance(data, dict) and isinstance(data.get("data"), list):
        return "counted" if "count" in data else "data"
    return _form(reply, is_bare=False, is_wrapped=False)


def object_form(reply: Reply) -> str:
    """Describe how an object is wrapped."""
    data = reply.data if isinstance(reply.data, dict) else {}
    return _form(reply, is_bare="_id" in data, is_wrapped=parse_object(data) is not data)


def action_form(reply: Reply) -> str:
    """Describe how a status is wrapped."""
    data = reply.data if isinstance(reply.data, dict) else {}
    is_wrapped = bool(text_at(object_at(data, "data"), "status"))
    return _form(reply, is_bare=isinstance(data.get("status"), str), is_wrapped=is_wrapped)


def _form(reply: Reply, *, is_bare: bool, is_wrapped: bool) -> str:
    if is_bare or is_wrapped:
        return "bare" if is_bare else "data"
    return f"HTTP {reply.status}" if not reply.is_success else "another form"


def text_form(reply: Reply) -> str:
    """Describe how a bare string is sent."""
    if not reply.is_success:
        return f"HTTP {reply.status}"
    if not reply.is_json:
        return "text"
    return "json" if isinstance(reply.data, str) else "another form"


def latest_or(reply: Reply) -> str:
    """Describe the response to a request without a run number."""
    return "latest" if reply.is_success else str(reply.status)


def unknown_status(reply: Reply) -> str:
    """Describe the status of a run that does not exist."""
    found = parse_status(reply.data) if reply.is_success else None
    return str(reply.status) if found is None else public_word(found.value)


def unknown_log(reply: Reply) -> str:
    """Describe the log of a run that does not exist."""
    if not reply.is_success:
        return str(reply.status)
    return "records of another run" if reply.items else "empty"


def error_form(reply: Reply) -> str:
    """Describe the body of an error."""
    text = reply.text.strip()
    if not text:
        return "empty"
    if isinstance(reply.data, dict):
        return "json"
    if isinstance(reply.data, str):
        return "string"
    return "html" if text.startswith("<") else "text"


def error_text(reply: Reply) -> str:
    """Return the text of an error; of a page nothing."""
    if isinstance(reply.data, dict):
        found = (reply.data.get(key) for key in ("message", "error"))
        return next((one for one in found if isinstance(one, str)), "")
    if isinstance(reply.data, str):
        return reply.data
    return "" if error_form(reply) == "html" else reply.text


def encoding_of(reply: Reply) -> str:
    """Describe how non-ASCII characters are sent; empty if there are none."""
    if not reply.text.isascii():
        return "utf8"
    held = json.dumps(reply.data, ensure_ascii=False) if "\\u" in reply.text else ""
    return "" if held.isascii() else "escaped"


def retry_after_form(value: str) -> str:
    """Describe the form of a Retry-After."""
    if not value:
        return "missing"
    return "seconds" if value.strip().isdecimal() else "date"


def id_kind(ids: Sequence[str]) -> str:
    """Describe the IDs of records: ObjectIds of one process have five bytes in common."""
    if not any(ids):
        return "missing"
    if not all(map(is_object_id, ids)):
        return "other IDs"
    return "objectid" if len({one[8:18] for one in ids}) == 1 else "scattered"


def user_kind(record: Mapping[str, Any]) -> str:
    """Describe how a record identifies its user."""
    user, name = text_at(record, "user_id"), text_at(record, "user_name")
    if is_object_id(user):
        return "both" if name else "id"
    return "name" if user or name else "missing"


def index_kind(record: Mapping[str, Any], plan: Sequence[str]) -> str:
    """Describe how a record counts the steps; empty if its step is not in the plan."""
    step = text_at(record, "step_id")
    if step not in plan:
        return ""
    index = whole_number(record.get("step_index"))
    if index is None:
        return "missing"
    return {0: "from_zero", 1: "from_one"}.get(index - plan.index(step), "another number")


def place_of(record: Mapping[str, Any]) -> str:
    """Name the field with the console text, as the simulator's flag does."""
    response = record.get("api_response")
    if isinstance(response, str) and response:
        return "api_response"
    if not isinstance(response, dict):
        return "message"
    topic = text_at(object_at(record, "step_configuration"), "topic")
    parts = response.get("consoleLog")
    places = {
        "jenkinsConsoleLog": text_at(response, "jenkinsConsoleLog"),
        "jenkins_console_log": text_at(response, "jenkins_console_log"),
        "consoleLog" if isinstance(parts, str) else "consoleLog_parts": parts,
        "octopus": topic == OCTOPUS_CONSOLE_TOPIC and text_at(response, "message"),
        "buildLog": text_at(response, "buildLog"),
        "apiResponse": text_at(object_at(object_at(response, "apiResponse"), "message"), "message"),
        "api_response_message": text_at(response, "message"),
        "message": text_at(record, "message"),
    }
    return next((name for name, value in places.items() if value), "json")


def line_end(text: str) -> str:
    """Describe the line ends of a text; empty if there is only one line."""
    return "crlf" if "\r\n" in text else "lf" if "\n" in text else ""


def order_of(times: Sequence[float]) -> str:
    """Describe the order of records by time; empty if unknown."""
    if len(set(times)) < 2:
        return ""
    if list(times) == sorted(times, reverse=True):
        return "latest first"
    return "oldest first" if list(times) == sorted(times) else "no order"


def first_id(reply: Reply | None) -> str:
    """Return the ID of the first item of a list; empty if there is none."""
    return next((text_at(one, "_id") for one in (reply.items if reply else [])), "")


def date_of(value: str) -> float | None:
    """Parse the Date of a response as seconds since 1970."""
    try:
        return parsedate_to_datetime(value).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def joined(words: Iterable[str]) -> str:
    """Join different words."""
    return ", ".join(sorted(set(filter(None, words))))
