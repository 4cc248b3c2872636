"""What an access token says of itself: a JWT carries its end and perhaps its scope, in the open.

Nothing here is verified, for only Opsera has the key: it is a hint for the user, never a decision.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from opsera_step.api.fields import JsonObject, text_at
from opsera_step.clock import format_duration

NO_TIMEOUT = 86400.0
"""Seconds that a token should last where the job has no limit: no platform's job lasts longer."""
_LONGEST = 1 << 16
_YEAR_10000 = 253_402_300_800
_LEAST_MILLISECONDS = 100_000_000_000
"""As seconds this is in the year 5138, as milliseconds in 1973."""
_SCOPES = ("scope", "scopes", "scp")
"""The claims in which scopes are usually told; which one Opsera uses is not documented."""

_LIKE_A_TOKEN = re.compile(r"(?<![\w-])[\w-]{10,}\.[\w-]{10,}\.[\w-]{10,}")
_A_JWT = re.compile(r"(?<![\w-])eyJ[\w-]{7,}(?:\.[\w-]*){0,2}")
"""A JWT, also cut off: `{"` in base64, which each of them begins with (RFC 7519, section 3)."""


class TokenFacts(NamedTuple):
    """What could be read from a token; times in seconds since 1970 UTC."""

    is_jwt: bool = False
    expires: float | None = None
    issued: float | None = None
    scopes: tuple[str, ...] = ()
    not_before: float | None = None
    """Before this moment it is not good."""

    def seconds_left(self, now: float) -> float | None:
        """Return the seconds until it expires, below 0 when it has; None when it does not say."""
        return None if self.expires is None else self.expires - now


def read_token(token: str) -> TokenFacts:
    """Read what a token says of itself; of one that is no JWT nothing is known."""
    parts = token.split(".")
    if len(token) > _LONGEST or len(parts) != 3 or not all(parts):
        return TokenFacts()
    header, claims = _decoded(parts[0]), _decoded(parts[1])
    if header is None or claims is None:
        return TokenFacts()
    return TokenFacts(
        is_jwt=True,
        expires=_moment(claims.get("exp")),
        issued=_moment(claims.get("iat")),
        scopes=_scopes(claims),
        not_before=_moment(claims.get("nbf")),
    )


def expiry_warning(facts: TokenFacts, now: float, timeout: float | None) -> str:
    """Say that a token ends before a job may, so that nobody is surprised hours later.

    Nothing of one that has ended by this machine's clock: the API knows better.
    """
    left = facts.seconds_left(now)
    longest = NO_TIMEOUT if timeout is None else timeout
    if left is None or not 0 < left < longest:
        return ""
    limit = f"the timeout of {format_duration(timeout)}" if timeout else "a run of a day"
    return (
        f"The access token expires in {format_span(left)}, before {limit}. A run that takes longer "
        "can then be neither followed nor stopped: use a token that lasts longer."
    )


def expiry_hint(facts: TokenFacts, now: float) -> str:
    """Say what to do about a token that was not accepted, if it is out of date or not yet good."""
    left = facts.seconds_left(now)
    if facts.not_before is not None and facts.not_before > now:
        return (
            "By this machine's clock the access token becomes good only in "
            f"{format_span(facts.not_before - now)} (its claim nbf): wait until "
            "then, or use another."
        )
    if left is None or left > 0:
        return ""
    return (
        f"By this machine's clock the access token expired {format_span(-left)} ago: create a new "
        "one in Opsera (user profile, access tokens) and update the secret that holds it."
    )


_ODD: Sequence[tuple[re.Pattern[str], str]] = (
    (
        re.compile(r"[\"'].*|.*[\"']", re.DOTALL),
        "It begins or ends with a quotation mark, which is not part of it: take that away.",
    ),
    (
        re.compile(r"[$%].*|.*\{\{.*", re.DOTALL),
        "It is the name of a variable that was not replaced by its value.",
    ),
    (
        re.compile(r"bearer\b.*", re.DOTALL | re.IGNORECASE),
        "It begins with the word Bearer, which is not part of it: take that away.",
    ),
    (
        re.compile(r"\w*token\w*[\"']? *[:=].*", re.DOTALL | re.IGNORECASE),
        "A name stands in front of it, which is not part of it: take that away.",
    ),
    (re.compile(r".*[\r\n].*", re.DOTALL), "It has several lines: give the token alone."),
    (
        re.compile(r"eyJ(?!.*\..*\.).*|eyJ.*\..*\..*\..*", re.DOTALL),
        "It begins like a JWT but has not its three parts: copy it anew, whole.",
    ),
)
"""What a token looks like that was put in its place wrongly, and what to say of it."""


def explain_malformed(token: str) -> str:
    """Say what may have gone wrong where a token was put in its place; nothing if it looks well."""
    return next((says for pattern, says in _ODD if pattern.fullmatch(token)), "")


def format_span(seconds: float) -> str:
    """Write how far away a moment is: `40 s`, `25 min`, `3 h`, `12 days`."""
    for unit, size in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s"


def _decoded(part: str) -> JsonObject | None:
    """Read a part: Base64 for URLs without its padding, and JSON in it (RFC 7515)."""
    try:
        raw = base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
        data = json.loads(raw)
    except (ValueError, binascii.Error, RecursionError):
        return None
    return data if isinstance(data, dict) else None


def _moment(value: Any) -> float | None:
    """Read a NumericDate (RFC 7519); what lies outside of four-digit years is none.

    It is in seconds, but some write milliseconds: as seconds those are thousands of years away.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if _LEAST_MILLISECONDS <= value < 1000 * _YEAR_10000:
        value = value / 1000
    return float(value) if 0 < value < _YEAR_10000 else None


def _scopes(claims: JsonObject) -> tuple[str, ...]:
    """Read scopes: one text with blanks between them (RFC 8693), or a list of texts."""
    for name in _SCOPES:
        value = claims.get(name)
        if isinstance(value, list):
            return tuple(one for one in value if isinstance(one, str) and one)
        if text_at(claims, name):
            return tuple(text_at(claims, name).replace(",", " ").split())
    return ()


def contains_token(value: str) -> bool:
    """Whether a text in the wrong place may be an access token, which is a JWT."""
    return _LIKE_A_TOKEN.search(value) is not None


def redact_tokens(text: str) -> str:
    """Hide what looks like a token in words of the user: one may stand in a wrong place."""
    return _A_JWT.sub("***", text)


def token_identities(token: str) -> frozenset[str]:
    """Return the IDs in a JWT's payload that may be its owner's: ObjectIds; none if unreadable.

    The signature is of no matter here: the token is our own.
    """
    parts = token.split(".")
    if len(parts) != 3:
        return frozenset()
    try:
        payload = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return frozenset(_object_ids(payload))
    except (binascii.Error, ValueError, RecursionError):
        return frozenset()


def _object_ids(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [found for inner in value.values() for found in _object_ids(inner)]
    if isinstance(value, list):
        return [found for inner in value for found in _object_ids(inner)]
    is_id = isinstance(value, str) and len(value) == 24
    return [value.lower()] if is_id and set(value.lower()) <= set("0123456789abcdef") else []
