"""One call and the shape of its answer: what all calls of the client have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from opsera_step.api.endpoints import Endpoint
from opsera_step.api.fields import JsonObject
from opsera_step.api.listing import Kept, Listing, parse_listing
from opsera_step.api.models import RunResponse, parse_object, parse_run_answer
from opsera_step.api.transport import Transport
from opsera_step.api.wording import (
    HINT_NOT_OPSERA,
    as_sentence,
    forbidden_hint,
    message_of,
    name_of,
    rejected_hint,
)
from opsera_step.clock import Deadline
from opsera_step.errors import Forbidden, Malformed, NotFound, Rejected

T = TypeVar("T")
K = TypeVar("K", bound=Kept)
_NOT_OPSERA = (
    "Usually something else than Opsera answers at base_url; if it is Opsera, a newer opsera-step "
    "may know it: update it, or report what it says."
)


class Asking:
    """Sends calls over a transport."""

    def __init__(self, transport: Transport) -> None:
        """Take the transport."""
        self._transport = transport

    def ask(self, call: Endpoint, body: Mapping[str, object] | None, deadline: Deadline) -> Any:
        """Send a call and return the JSON of its answer; a refusal says what this call takes."""
        with self.explained(call):
            return self._transport.ask(call, body, deadline)

    @contextmanager
    def explained(self, call: Endpoint) -> Iterator[None]:
        """Give a refusal of this call the hint that fits what it takes."""
        try:
            yield
        except Rejected as error:
            is_missing = isinstance(error, NotFound)
            is_general = error.hint == type(error).hint
            if is_general and (
                not is_missing or call.resource != "pipeline" or call.method == "GET"
            ):
                error.hint = rejected_hint(call, is_missing=is_missing) or error.hint
            raise
        except Forbidden as error:
            error.hint = forbidden_hint(call, self._transport.scopes)
            if error.by_page:
                error.hint += f" But it came as a page of HTML. {HINT_NOT_OPSERA}"
            raise

    def call(
        self,
        call: Endpoint,
        body: Mapping[str, object] | None,
        deadline: Deadline,
        parse: Callable[[Any], T | None],
    ) -> T:
        """Send a call and return what `parse` makes of its answer.

        Raises:
            Malformed: when it can make nothing of it.

        """
        return understood(self.ask(call, body, deadline), call, parse)

    def call_list(
        self, call: Endpoint, deadline: Deadline, read: Callable[[JsonObject], K]
    ) -> Listing[K]:
        """Send a call and return its answer as a list, each item as `read` reads it."""
        return self.call(call, None, deadline, lambda data: parse_listing(data, read))


def understood(data: Any, call: Endpoint, parse: Callable[[Any], T | None]) -> T:
    """Return what `parse` makes of an answer.

    Raises:
        Malformed: when it can make nothing of it.

    """
    value = parse(data)
    if value is None:
        said = message_of(parse_object(data))
        raise Malformed(f"{name_of(call)} answered JSON of an unknown shape{said}", _NOT_OPSERA)
    return value


def granted(data: Any, call: Endpoint) -> RunResponse | None:
    """Read an answer that may be a refusal, whatever the HTTP code says; None if it says neither.

    Raises:
        Rejected: when it is one.

    """
    answer = parse_run_answer(data)
    if answer is not None and answer.refused:
        said = as_sentence(answer.message or answer.value)
        raise Rejected(f"{name_of(call)} answered with a refusal: {said}", rejected_hint(call))
    return answer


def same(found: T, identity: str, asked: str, call: Endpoint) -> T:
    """Return what was found if it is what was asked for.

    Raises:
        Malformed: when it is something else.

    """
    if identity.lower() != asked.lower():
        what = f"{name_of(call)} answered with another {call.resource} than was asked for."
        raise Malformed(what, _NOT_OPSERA)
    return found
