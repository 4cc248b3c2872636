"""Words for errors: a call's name, what an error's body says, both short enough to print."""

from __future__ import annotations

import json
import re
from collections.abc import Collection

from opsera_step.api.endpoints import ENDPOINTS, RESET, RUN, STOP, TOOL_UPDATE, Endpoint
from opsera_step.api.fields import JsonObject
from opsera_step.api.models import parse_object

_SHOWN_OF_BODY = 200
_SHOWN_OF_JSON = 60
HINT_NOT_OPSERA = (
    "Opsera is not known to answer so: usually a proxy on the way does, or base_url is not the "
    "address of your Opsera tenant."
)
HINT_OF_THROTTLING = (
    "Opsera gets more requests than it takes: have fewer jobs ask at the same time, or set a "
    "longer poll_interval."
)


def name_of(call: Endpoint) -> str:
    """Return how a call is named in messages: pipeline/run."""
    return call.path.removeprefix("/api/v1/")


def forbidden_hint(call: Endpoint, scopes: Collection[str] = ()) -> str:
    """Say what a call takes that this token or its owner may not have.

    `scopes` are those that the token says it has: they settle whether it is for want of one.
    """
    takes, has = ", ".join(call.scopes), ", ".join(scopes)
    is_told = any(one in other.scopes for one in scopes for other in ENDPOINTS)
    if is_told and not set(scopes) & set(call.scopes):
        return f"The token's scope is {has}, but this takes one of {takes}: use such a token."
    if call.needs_power_user:
        owner = (
            "its owner is neither a Power User nor a Site Admin, which this list takes: have that "
            "role granted in Opsera, or use the token of somebody who has it"
        )
    else:
        things = (
            f"the {call.resource}s" if call.method == "GET" and not call.query else call.resource
        )
        this = things if things != call.resource else f"this {call.resource}"
        owner = f"its owner has no access to {this}: grant the access in Opsera"
    if is_told:
        return f"The token's scope, {has}, is enough for this, so {owner}."
    return f"Either the token has the wrong scope (this takes one of {takes}), or {owner}."


def rejected_hint(call: Endpoint, *, is_missing: bool = False) -> str:
    """Say what is usually wrong with a request that was refused, or met nothing.

    Nothing where it is about a run or a pipeline as it is asked for: the error says it itself.
    """
    if call is TOOL_UPDATE and not is_missing:
        return "Check the values that were sent against those on the tool's page in Opsera."
    if call in (RUN, STOP, RESET) and not is_missing:
        return "Look at the pipeline's page in Opsera: as it stands this may not be possible."
    if call.query:
        return "Check what was asked for: IDs, dates (YYYY-MM-DD) and counts."
    if call.method == "GET":
        return "Usually a wrong base_url: check that it is the address of your Opsera tenant."
    if call.resource == "pipeline":
        return ""
    return (
        f"Usually a wrong ID of the {call.resource}, or a base_url of another tenant: check both "
        "against the address of its page in Opsera."
    )


def not_json(start: str) -> str:
    """Say what an answer that is no JSON is, by how it starts."""
    if start.startswith("<"):
        title = re.search(r"<title[^>]*>([^<]{1,80})</title", start, re.IGNORECASE)
        return "a page of HTML" + (f", “{title[1].strip()}”" if title else "")
    if start.startswith(("{", "[")):
        return f"cut off or broken, and starts with “{start[:_SHOWN_OF_JSON]}…”"
    return f"“{start}”" if start else "empty"


def hint_of(start: str) -> str | None:
    """Say what usually causes an answer that is no JSON, where that is not what it is of most."""
    if not start.startswith(("{", "[")):
        return None
    return (
        "Usually a proxy on the way that cuts answers off; if it lasts, ask your Opsera "
        "administrator."
    )


def reason_in(raw: bytes) -> str:
    """Give the message of an error's body, after a colon; HTML pages say nothing of use."""
    text = raw.decode("utf-8-sig", "replace").strip()
    try:
        answer = parse_object(json.loads(text))
    except (ValueError, RecursionError):
        return "." if text.startswith("<") or not text else f": {as_sentence(text)}"
    return message_of(answer)


def message_of(answer: JsonObject | None) -> str:
    """Give the message of an answer that is no good, after a colon; else end the sentence."""
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
