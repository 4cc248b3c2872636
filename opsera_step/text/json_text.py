"""JSON that holds no character that a terminal or a job log would interpret."""

from __future__ import annotations

import json
import re
from typing import Any

DANGEROUS = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069\u200b-\u200f\ufeff]|(?<=#)#(?=\\[)")
_SURROGATE = re.compile("[\ud800-\udfff]")


def json_text(data: Any, *, indent: int | None = 2) -> str:
    """Write JSON in which dangerous characters are escaped, so that it reads back as it was.

    A lone surrogate becomes U+FFFD: its escape would be valid for Python, but not for jq.
    """
    separators = (",", ":") if indent is None else None
    text = json.dumps(data, ensure_ascii=False, indent=indent, separators=separators)
    text = DANGEROUS.sub(lambda found: f"\\u{ord(found.group()):04x}", text)
    return _SURROGATE.sub("\ufffd", text)
