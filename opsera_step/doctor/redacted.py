"""Describe responses without their content, for a file that users attach to an issue. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from opsera_step.api import is_object_id, redact_tokens
from opsera_step.text import Scrubber

_DEEPEST = 7
_MOST_KEYS = 80
_WORD_KEYS = ("status", "action", "tool_identifier", "log_type")
"""Keys whose values are words of the API."""
_WORD = re.compile(r"[A-Za-z][A-Za-z _-]{0,39}")
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")
_UNOPENED = ("configuration", "parameters", "threshold", "notification")
"""Keys of objects whose own keys may be the customer's."""
_TIME = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.(?P<fraction>\d+))?)?(?P<zone>Z|[+-]\d\d:?\d\d)?"
)
_LONGEST_MESSAGE = 300
_PRIVATE = (
    (re.compile(r"https?://\S+"), "<url>"),
    (re.compile(r"[^\s@\"']+@[^\s@\"']+"), "<email>"),
    (re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE), "<uuid>"),
    (re.compile(r"\b[0-9a-f]{24}\b", re.IGNORECASE), "<id>"),
    (re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b"), "<ip>"),
    (re.compile(r"(?:(?:[a-z0-9-]|<name>)+\.)+(?:[a-z]{2,}\b|<name>)", re.IGNORECASE), "<host>"),
    (re.compile(r"[A-Za-z0-9+/_-]{32,}={0,2}"), "<text>"),
    (re.compile(r"(?P<quote>[\"'`])[^\"'`]{1,200}(?P=quote)|[“‘][^”’]{1,200}[”’]"), "<quoted>"),
)


def shape_of(value: Any, key: str = "", depth: int = 0) -> Any:
    """Return JSON data with the kind of each value in place of the value.

    Words of the API, such as a status, stay. Of a list only the first item is described.
    """
    if isinstance(value, Mapping):
        if key in _UNOPENED or depth >= _DEEPEST:
            return f"object with {len(value)} keys"
        shown: dict[str, Any] = {}
        for name, one in list(value.items())[:_MOST_KEYS]:
            public = name if _KEY.fullmatch(name) and not is_object_id(name) else "<key>"
            shown.setdefault(public, shape_of(one, public, depth + 1))
        return shown
    if isinstance(value, list):
        first = [shape_of(value[0], key, depth + 1)] if value and depth < _DEEPEST else []
        return {"items": len(value), "first": first}
    return _kind(value, key)


def _kind(value: Any, key: str) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "number"
    if is_object_id(value):
        return "object ID"
    if kind := time_format(value):
        return f"time ({kind})"
    if key in _WORD_KEYS and _WORD.fullmatch(value):
        return f"text: {value}"
    return "text" if value else "empty text"


def public_word(value: str) -> str:
    """Return a word of the API; something else could be the customer's."""
    return value if _WORD.fullmatch(value) else "<text>"


def time_format(value: Any) -> str:
    """Return how a time is written, such as `UTC with 3 decimals`; empty if it is none."""
    found = _TIME.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return ""
    zone = {"Z": "UTC", None: "no time zone"}.get(found["zone"], "offset")
    return f"{zone} with {len(found['fraction'] or '')} decimals"


def message_of(text: str, scrubber: Scrubber, private: Iterable[str]) -> str:
    """Return the text of an error without names, IDs, addresses, and anything in quotation marks.

    `private` are names that are known from the requests and other responses.
    """
    text = redact_tokens(scrubber.text(text))
    for name in sorted(private, key=len, reverse=True):
        text = re.sub(re.escape(name), "<name>", text, flags=re.IGNORECASE)
    for pattern, replacement in _PRIVATE:
        text = pattern.sub(replacement, text)
    return scrubber.inline(text, _LONGEST_MESSAGE)


def names_in(data: Any, depth: int = 0) -> set[str]:
    """Return the names of people and things in an object, as far as its keys show them."""
    if depth > _DEEPEST or not isinstance(data, (list, Mapping)):
        return set()
    if isinstance(data, list):
        return {name for one in data for name in names_in(one, depth + 1)}
    found = {name for one in data.values() for name in names_in(one, depth + 1)}
    for key, value in data.items():
        is_name = key == "name" or key.endswith(("_name", "Name", "owner", "email", "account"))
        if is_name and isinstance(value, str) and len(value) >= 3:
            found.add(value)
    return found
