"""JSON that holds no character that a terminal or a job log would act upon."""

from __future__ import annotations

import json
import re
from typing import Any

DANGEROUS = re.compile(
    "[\x7f-\x9f\u2028-\u202e\u2066-\u2069\u200b-\u200f\ufeff\ud800-\udfff]|(?<=#)#(?=\\[)"
)


def json_text(data: Any, *, indent: int | None = 2) -> str:
    """Write JSON that holds no character that a terminal or a job log would act upon."""
    separators = (",", ":") if indent is None else None
    text = json.dumps(data, ensure_ascii=False, indent=indent, separators=separators)
    return DANGEROUS.sub(lambda found: f"\\u{ord(found.group()):04x}", text)
