"""Values that look like the real ones: ObjectIds, timestamps, and access tokens."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from datetime import datetime, timezone
from functools import lru_cache
from random import Random

_OBJECT_ID = re.compile(r"[0-9a-fA-F]{24}")


def is_object_id(value: object) -> bool:
    """Return whether a value is a string of 24 hexadecimal digits."""
    return isinstance(value, str) and _OBJECT_ID.fullmatch(value) is not None


def timestamp(milliseconds: int) -> str:
    """Format milliseconds since 1970 as the API does: `2021-07-30T16:13:52.109Z`."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{_second(seconds)}.{rest:03d}Z"


@lru_cache
def _second(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, timezone.utc):%Y-%m-%dT%H:%M:%S}"


def fixed_id(*words: object) -> str:
    """Return the same 24 hexadecimal digits for the same words."""
    return hashlib.sha256("/".join(map(str, words)).encode()).hexdigest()[:24]


class ObjectIds:
    """One writer of MongoDB ObjectIds: a time in seconds, five random bytes, and a counter."""

    def __init__(self, rng: Random) -> None:
        """Draw the random bytes and the start of the counter."""
        self._random = f"{rng.getrandbits(40):010x}"
        self._counter = rng.getrandbits(23)

    def next(self, seconds: float) -> str:
        """Return the next ID, created at the given wall-clock time."""
        self._counter = (self._counter + 1) & 0xFFFFFF
        return f"{int(seconds) & 0xFFFFFFFF:08x}{self._random}{self._counter:06x}"


def jwt(user_id: str, scope: str, issued: float, expires: float, rng: Random) -> str:
    """Return a token in the form of a JWT, with a random signature."""
    header = _part({"alg": "HS256", "typ": "JWT"})
    payload = _part({"user": user_id, "scope": scope, "iat": int(issued), "exp": int(expires)})
    signature = _base64url(rng.getrandbits(256).to_bytes(32, "big"))
    return f"{header}.{payload}.{signature}"


def _part(content: dict[str, object]) -> str:
    return _base64url(json.dumps(content, separators=(",", ":")).encode())


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
