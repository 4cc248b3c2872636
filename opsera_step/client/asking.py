"""One call and the shape of its answer: what all calls of the client have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from opsera_step.calls import Call
from opsera_step.client.transport import Transport
from opsera_step.client.wording import forbidden_hint, name_of, rejected_hint
from opsera_step.errors import Forbidden, Malformed, Rejected
from opsera_step.timing import Deadline

T = TypeVar("T")


class Asking:
    """Sends calls over a transport."""

    def __init__(self, transport: Transport) -> None:
        """Take the transport."""
        self._transport = transport

    def ask(self, call: Call, body: Mapping[str, object] | None, deadline: Deadline) -> Any:
        """Send a call and return the JSON of its answer; a refusal says what this call takes."""
        try:
            return self._transport.ask(call, body, deadline)
        except Rejected as error:
            if call.about != "pipeline" or call.method == "GET":
                error.hint = rejected_hint(call)
            raise
        except Forbidden as error:
            error.hint = forbidden_hint(call)
            raise


def same(found: T, identity: str, asked: str, call: Call) -> T:
    """Return what was found if it is what was asked for.

    Raises:
        Malformed: when it is something else.

    """
    if identity.lower() != asked.lower():
        raise Malformed(f"{name_of(call)} answered with another {call.about} than was asked for.")
    return found


def shaped(value: T | None, call: Call) -> T:
    """Return what a parser made of an answer.

    Raises:
        Malformed: when it could make nothing of it.

    """
    if value is None:
        raise Malformed(f"{name_of(call)} answered JSON of an unknown shape.")
    return value
