"""What an access token contains: a JWT carries its expiry and perhaps its scope, unencrypted.

Nothing here is verified, because only Opsera has the key: it serves hints, never decisions.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from opsera_step.api.fields import JsonObject, is_object_id, text_at
from opsera_step.clock import format_duration

NO_TIMEOUT = 86400.0
"""Seconds that a token should last if the job has no timeout: no CI job takes longer."""
_MAX_LENGTH = 1 << 16
_YEAR_10000 = 253_402_300_800
_MIN_MILLISECONDS = 100_000_000_000
"""As seconds this is in the year 5138, as milliseconds in 1973."""
_SCOPES = ("scope", "scopes", "scp")
"""The usual claims for scopes; which one Opsera uses is not documented."""

_LIKE_A_TOKEN = re.compile(r"(?<![\w-])[\w-]{10,}\.[\w-]{10,}\.[\w-]{10,}")
_A_JWT = re.compile(r"(?<![\w-])eyJ[\w-]{7,}(?:\.[\w-]*){0,2}")
"""A JWT, perhaps cut off: each starts with `{"` in base64 (RFC 7519, section 3)."""


class TokenFacts(NamedTuple):
    """What a token contains; times in seconds since 1970 UTC."""

    is_jwt: bool = False
    expires: float | None = None
    scopes: tuple[str, ...] = ()
    not_before: float | None = None
    """It is not valid before this time."""

    def seconds_left(self, now: float) -> float | None:
        """Return the seconds until it expires, negative if it has expired; None if unknown."""
        return None if self.expires is None else self.expires - now


def read_token(token: str) -> TokenFacts:
    """Read a token; of one that is no JWT nothing is known."""
    parts = token.split(".")
    if len(token) > _MAX_LENGTH or len(parts) != 3 or not all(parts):
        return TokenFacts()
    header, claims = _decoded(parts[0]), _decoded(parts[1])
    if header is None or claims is None:
        return TokenFacts()
    return TokenFacts(
        is_jwt=True,
        expires=_moment(claims.get("exp")),
        scopes=_scopes(claims),
        not_before=_moment(claims.get("nbf")),
    )


def expiry_warning(facts: TokenFacts, now: float, timeout: float | None) -> str:
    """Return a warning if a token expires before a job may end; empty if not.

    One that has expired by this machine's clock gets none: the API decides.
    """
    left = facts.seconds_left(now)
    longest = NO_TIMEOUT if timeout is None else timeout
    if left is None or not 0 < left < longest:
        return ""
    limit = "and the job has no timeout"
    if timeout:
        limit = f"before the timeout of {format_duration(timeout)}"
    return (
        f"The access token expires in {format_span(left)}, {limit}. After that, the job can "
        f"neither follow nor stop the run. Use a token that expires later."
    )


def expiry_hint(facts: TokenFacts, now: float) -> str:
    """Return a hint about a rejected token that has expired or is not valid yet; empty if neither.

    The hint depends on this machine's clock, which it mentions.
    """
    left = facts.seconds_left(now)
    if facts.not_before is not None and facts.not_before > now:
        return (
            f"By this machine's clock, the token becomes valid in "
            f"{format_span(facts.not_before - now)} (claim nbf). Wait, or use another token."
        )
    if left is None or left > 0:
        return ""
    return (
        f"By this machine's clock, the token expired {format_span(-left)} ago. Create a new token "
        "in Opsera (user profile, access tokens) and update the secret."
    )


_MALFORMED: Sequence[tuple[re.Pattern[str], str]] = (
    (re.compile(r"[\"'].*|.*[\"']", re.DOTALL), "Remove the quotation marks around the token."),
    (re.compile(r"[$%].*|.*\{\{.*", re.DOTALL), "The value is a variable that was not expanded."),
    (re.compile(r"bearer\b.*", re.DOTALL | re.IGNORECASE), "Remove “Bearer” before the token."),
    (
        re.compile(r"\w*token\w*[\"']? *[:=].*", re.DOTALL | re.IGNORECASE),
        "Remove the variable name before the token.",
    ),
    (re.compile(r".*[\r\n].*", re.DOTALL), "The value has several lines. Use the token only."),
    (
        re.compile(r"eyJ(?!.*\..*\.).*|eyJ.*\..*\..*\..*", re.DOTALL),
        "Looks like a truncated JWT. Copy the full token again.",
    ),
)
"""Values that are no token as it was copied, each with what to do about it."""


def explain_malformed(token: str) -> str:
    """Return what may be wrong with the value of a token; empty if it looks right."""
    return next((hint for pattern, hint in _MALFORMED if pattern.fullmatch(token)), "")


def format_span(seconds: float) -> str:
    """Format the time until or since something: `40 s`, `25 min`, `3 h`, `12 days`."""
    for unit, size in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s"


def _decoded(part: str) -> JsonObject | None:
    """Decode a part: JSON in URL-safe Base64 without padding (RFC 7515)."""
    try:
        data = json.loads(
            base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
        )
    except (ValueError, binascii.Error, RecursionError):
        return None
    return data if isinstance(data, dict) else None


def _moment(value: Any) -> float | None:
    """Read a NumericDate (RFC 7519) within years of four digits.

    It is in seconds, but some write milliseconds, which as seconds are thousands of years away.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if _MIN_MILLISECONDS <= value < 1000 * _YEAR_10000:
        value = value / 1000
    return float(value) if 0 < value < _YEAR_10000 else None


def _scopes(claims: JsonObject) -> tuple[str, ...]:
    """Read scopes: a string with spaces between them (RFC 8693), or a list of strings."""
    for name in _SCOPES:
        value = claims.get(name)
        if isinstance(value, list):
            return tuple(one for one in value if isinstance(one, str) and one)
        if text_at(claims, name):
            return tuple(text_at(claims, name).replace(",", " ").split())
    return ()


def contains_token(value: str) -> bool:
    """Whether a value in another place may contain an access token, which is a JWT."""
    return _LIKE_A_TOKEN.search(value) is not None


def redact_tokens(text: str) -> str:
    """Mask what looks like a token, in values of the user that are shown."""
    return _A_JWT.sub("***", text)


def token_identities(token: str) -> frozenset[str]:
    """Return the ObjectIds in a JWT's payload; one may be its owner's. Empty if there is none."""
    parts = token.split(".")
    payload = _decoded(parts[1]) if len(parts) == 3 and len(token) <= _MAX_LENGTH else None
    try:
        return frozenset(_object_ids(payload))
    except RecursionError:
        return frozenset()


def _object_ids(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from _object_ids(inner)
    elif isinstance(value, str) and is_object_id(value):
        yield value.lower()
