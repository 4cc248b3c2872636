"""Things that look like the real ones: ObjectIds, time stamps and access tokens."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import datetime, timezone
from functools import lru_cache
from random import Random


def timestamp(milliseconds: int) -> str:
    """Write milliseconds since 1970 as the API does: `2021-07-30T16:13:52.109Z`."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{_second(seconds)}.{rest:03d}Z"


@lru_cache
def _second(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, timezone.utc):%Y-%m-%dT%H:%M:%S}"


def fixed_id(*words: object) -> str:
    """Return the 24 hexadecimal digits that always belong to the given words."""
    return hashlib.sha256("/".join(map(str, words)).encode()).hexdigest()[:24]


class ObjectIds:
    """A writer of MongoDB ObjectIds: the second, five random bytes of its own, and a counter."""

    def __init__(self, rng: Random) -> None:
        """Draw the writer's own bytes and where its counter begins."""
        self._own = f"{rng.getrandbits(40):010x}"
        self._counter = rng.getrandbits(23)

    def next(self, seconds: float) -> str:
        """Return the next ID, written at the given wall-clock time."""
        self._counter = (self._counter + 1) & 0xFFFFFF
        return f"{int(seconds) & 0xFFFFFFFF:08x}{self._own}{self._counter:06x}"


def jwt(user_id: str, scope: str, issued: float, expires: float, rng: Random) -> str:
    """Write a token of the shape of a JWT; nobody can check its signature."""
    header = _part({"alg": "HS256", "typ": "JWT"})
    payload = _part({"user": user_id, "scope": scope, "iat": int(issued), "exp": int(expires)})
    signature = _encoded(rng.getrandbits(256).to_bytes(32, "big"))
    return f"{header}.{payload}.{signature}"


def _part(content: dict[str, object]) -> str:
    return _encoded(json.dumps(content, separators=(",", ":")).encode())


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
