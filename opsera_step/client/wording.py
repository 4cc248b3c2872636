"""Words for errors: a call's name, what an error's body says, both short enough to print."""

from __future__ import annotations

import json

from opsera_step.calls import Call
from opsera_step.models import parse_object

_SHOWN_OF_BODY = 200


def name_of(call: Call) -> str:
    """Return how a call is named in messages: pipeline/run."""
    return call.path.removeprefix("/api/v1/")


def forbidden_hint(call: Call) -> str:
    """Say what a call takes that this token or its owner may not have."""
    scopes = ", ".join(call.scopes)
    if call.for_power_users:
        owner = "its owner is neither a Power User nor a Site Admin, which this list takes"
    else:
        owner = f"its owner has no access to this {call.about}: grant the access in Opsera"
    return f"Either the token has the wrong scope (this takes one of {scopes}), or {owner}."


def rejected_hint(call: Call) -> str:
    """Say what is usually wrong with a request that was refused, or met nothing."""
    if call.query:
        return "Check what was asked for: IDs, dates (YYYY-MM-DD) and counts."
    if call.method == "GET":
        return "Usually a wrong base_url: check that it is the address of your Opsera tenant."
    return (
        f"Usually a wrong ID of the {call.about}, or a base_url of another tenant: check both "
        "against the address of its page in Opsera."
    )


def reason_in(raw: bytes) -> str:
    """Give the message of an error's body, after a colon; HTML pages say nothing of use."""
    text = raw.decode("utf-8-sig", "replace").strip()
    try:
        answer = parse_object(json.loads(text))
    except (ValueError, RecursionError):
        return "." if text.startswith("<") or not text else f": {as_sentence(text)}"
    message = next((v for v in map((answer or {}).get, ("message", "error")) if v), "")
    return f": {as_sentence(str(message))}" if message else "."


def as_sentence(text: str) -> str:
    """Return a text of the API, shortened, with a full stop."""
    text = shorten(text)
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."


def shorten(text: str) -> str:
    """Return a text of the API as one short line."""
    text = " ".join(text.split())
    return text if len(text) <= _SHOWN_OF_BODY else text[:_SHOWN_OF_BODY] + "…"
