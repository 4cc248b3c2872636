"""What was sent in a request, read as JSON."""

from __future__ import annotations

import json
import math

DEEPEST = 100
"""How deep arrays and objects may lie in each other; what is read can so be written again."""


def plain_json(raw: bytes) -> object:
    """Read JSON; None for all that is none, or that could not be written again."""
    try:
        value: object = json.loads(raw, parse_float=_finite, parse_constant=_finite)
    except (ValueError, RecursionError):
        return None
    return value if _is_flat(value, DEEPEST) else None


def _is_flat(value: object, left: int) -> bool:
    if not isinstance(value, (dict, list)):
        return True
    items = value.values() if isinstance(value, dict) else value
    return left > 0 and all(_is_flat(item, left - 1) for item in items)


def _finite(text: str) -> float:
    """Read a number that can be written as JSON again."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number
