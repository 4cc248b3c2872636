"""Single values out of the API's JSON, whatever they turn out to be.

A value that is missing or of a wrong type is empty or None; nothing in here raises. JSON objects
are dicts; asking for that rather than for any Mapping makes reading thousands of them cheaper.
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

_OBJECT_ID = re.compile(r"[0-9a-fA-F]{24}")


def text_at(data: JsonObject | None, key: str) -> str:
    """Read a text; empty where there is none."""
    value = data.get(key) if data is not None else None
    return value if isinstance(value, str) else ""


def object_at(data: JsonObject, key: str) -> JsonObject:
    """Read an object; empty where there is none."""
    value = data.get(key)
    return value if isinstance(value, dict) else {}


def whole_number(value: Any) -> int | None:
    """Read a whole number that may come as text; booleans are no numbers."""
    if isinstance(value, str) and re.fullmatch(r"\s*[0-9]{1,16}\s*", value):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= _LARGEST_COUNT else None


def parse_time(value: Any) -> float | None:
    """Read an ISO 8601 time as seconds since 1970; without a zone it is UTC, as the API's are."""
    found = _TIME.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        return None
    date, minute, second, fraction, hours, minutes = found.groups(default="")
    try:
        # Spelled as every Python reads it; before 3.11 it took fewer forms.
        zone = f"{hours or '+00'}:{minutes or '00'}"
        time = f"{minute}{second or ':00'}.{fraction[:6]:0<6}"
        return datetime.fromisoformat(f"{date}T{time}{zone}").timestamp()
    except ValueError:
        return None


def format_timestamp(seconds: float) -> str:
    """Write seconds since 1970 as the API writes a time: UTC, with milliseconds."""
    moment = datetime.fromtimestamp(seconds, timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def is_object_id(value: str) -> bool:
    """Whether it has the form of an ID: 24 hexadecimal digits."""
    return _OBJECT_ID.fullmatch(value) is not None
