"""Single values of the API's JSON. A missing value, or one of a wrong type, is empty or None.

Nothing here raises. JSON objects are tested for `dict`, which is cheaper than for `Mapping` where
there are thousands of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

JsonObject = Mapping[str, Any]

_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(:\d\d)?(?:[.,](\d+))?\s*(?:Z|([+-]\d\d):?(\d\d))?",
    re.ASCII | re.IGNORECASE,
)
_LARGEST_COUNT = 2**53
_EARLIEST, _LATEST = 0.0, 7_258_118_400.0
"""Times from 1970 up to 2200 are taken as meant; an API date of year 1 or 9999 is no time."""

_OBJECT_ID = re.compile(r"[0-9a-fA-F]{24}")


def text_at(data: JsonObject | None, key: str) -> str:
    """Read a string; empty if there is none."""
    value = data.get(key) if data is not None else None
    return value if isinstance(value, str) else ""


def object_at(data: JsonObject, key: str) -> JsonObject:
    """Read an object; empty if there is none."""
    value = data.get(key)
    return value if isinstance(value, dict) else {}


def whole_number(value: Any) -> int | None:
    """Read a whole number, which may come as a string; a boolean is no number."""
    if isinstance(value, str) and re.fullmatch(r"\s*[0-9]{1,16}\s*", value):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= _LARGEST_COUNT else None


def parse_time(value: Any) -> float | None:
    """Read an ISO 8601 time as seconds since 1970 UTC; without a zone it is UTC.

    None if it is no time, or one before 1970 or after 2199.
    """
    found = _TIME.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        return None
    date, minute, second, fraction, hours, minutes = found.groups(default="")
    try:
        # Written as every Python reads it: before 3.11 fewer forms are valid.
        zone = f"{hours or '+00'}:{minutes or '00'}"
        time = f"{minute}{second or ':00'}.{fraction[:6]:0<6}"
        seconds = datetime.fromisoformat(f"{date}T{time}{zone}").timestamp()
    except (ValueError, OverflowError):
        return None
    return seconds if _EARLIEST <= seconds < _LATEST else None


def format_timestamp(seconds: float) -> str:
    """Format seconds since 1970 as the API does: UTC, with milliseconds; "" if it is no time."""
    try:
        moment = datetime.fromtimestamp(seconds, timezone.utc)
    except (ValueError, OverflowError, OSError):
        return ""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def is_object_id(value: str) -> bool:
    """Whether this is an ID of the API: 24 hexadecimal digits."""
    return _OBJECT_ID.fullmatch(value) is not None
