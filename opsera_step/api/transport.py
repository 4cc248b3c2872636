"""One request and its answer: the session, the time it may take, the JSON of a good answer.

Does not retry and does not wait: who calls knows whether a call may be repeated.
"""

from __future__ import annotations

import json
import math
import re
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import timezone
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import requests

from opsera_step.api.bounded import bounded
from opsera_step.api.endpoints import Endpoint
from opsera_step.api.failures import foreign_errors_mapped
from opsera_step.api.session import Session
from opsera_step.api.token import expiry_hint, explain_malformed, read_token
from opsera_step.api.wording import (
    HINT_NOT_OPSERA,
    HINT_OF_THROTTLING,
    hint_of,
    name_of,
    not_json,
    reason_in,
    shorten,
)
from opsera_step.clock import Clock, Deadline
from opsera_step.errors import (
    ApiError,
    Forbidden,
    Malformed,
    NotFound,
    Redirected,
    Rejected,
    Unauthorized,
    Unavailable,
)

CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 30.0
LONGEST_RETRY_AFTER = 3600.0
_LEAST_WAIT = 0.1
"""Seconds that even a call begun at the last moment may take."""
MOST_BYTES = 512 << 20
"""Bytes of an answer, unpacked; a thousand large records stay well below it."""
_CHUNK = 1 << 16
_TELLING = (400, 404, 409, 410, 422)
"""The refusals that tell of what was asked for; any other is hardly Opsera's."""
_START = 4096
"""Bytes of an answer that are enough to say what it is when it is no JSON."""

_SCALAR = rb'(?:"[^"\\]*"|[-+.\w]+)'
_LIST = re.compile(
    rb'(?:\xef\xbb\xbf)?\s*(?:\{\s*(?:"\w+"\s*:\s*' + _SCALAR + rb'\s*,\s*)*"data"\s*:\s*)?\[\s*\{'
)
"""How a list of objects begins, bare or beside its count in a `{"data": …}` wrapper."""

Guard = Callable[[], AbstractContextManager[Any]]


class Transport:
    """Requests to one host, with one token."""

    def __init__(
        self, base_url: str, token: str, clock: Clock, *, ca_bundle: str, agent: str, guard: Guard
    ) -> None:
        """Prepare a session; `guard` surrounds each wait for the network (for cancelling).

        Raises:
            InvalidInput: when the CA bundle can't be read.

        """
        self._base_url, self._clock, self._guard = base_url.rstrip("/"), clock, guard
        self._session, self._token = Session(base_url, token, ca_bundle, agent), token
        self.ever_responded = False
        """Whether any call ever got an answer of the API."""
        self.clock_skew: float | None = None
        """Seconds by which this machine's clock is ahead of the newest answer's Date."""

    @property
    def proxy(self) -> str:
        """Address of the proxy that is asked to get there; empty when there is none."""
        return self._session.proxy

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scopes that the token says it has; none where it tells nothing."""
        return read_token(self._token).scopes

    def trust(self) -> ssl.SSLContext:
        """Make a context that trusts what the session trusts, for looking at a certificate."""
        return self._session.trust()

    def ask(self, call: Endpoint, body: Mapping[str, object] | None, deadline: Deadline) -> Any:
        """Send one request and return the JSON of a good answer."""
        if not call.repeatable:
            # A kept connection may turn out closed by the server only after the request went out.
            self._session.close()
        with self._exchange(call, body, deadline) as response:
            raw = self._read(response, call, deadline)
        data = self._judge(call, response, raw)
        self.ever_responded = True
        return data

    def read_prefix(
        self, call: Endpoint, body: Mapping[str, object] | None, deadline: Deadline
    ) -> tuple[Any, bool]:
        """Send one request; return the JSON of a good answer, and whether that is the whole of it.

        A long list is read only so far that it shows to be one: it is given as an empty list.
        """
        with self._exchange(call, body, deadline) as response:
            is_good = 200 <= response.status_code < 300
            raw = self._read(response, call, deadline, until_list=is_good)
        if is_good and _shows_a_list(raw):
            self.ever_responded = True
            return [], False
        data = self._judge(call, response, raw)
        self.ever_responded = True
        return data, True

    @contextmanager
    def _exchange(
        self, call: Endpoint, body: Mapping[str, object] | None, deadline: Deadline
    ) -> Iterator[requests.Response]:
        """Send a request and give its answer, with its body yet to be read in the block."""
        with self._guard(), foreign_errors_mapped(call, self._base_url):
            wait = min(READ_TIMEOUT, max(_LEAST_WAIT, deadline.remaining))
            with bounded(wait):
                response = self._session.request(
                    call.method,
                    self._base_url + call.path,
                    params=call.query,
                    json=body,
                    timeout=(min(CONNECT_TIMEOUT, wait), wait),
                    allow_redirects=False,
                    stream=True,
                )
            self._compare_clocks(response.headers.get("Date"))
            with closing(response):
                yield response

    def _read(
        self,
        response: requests.Response,
        call: Endpoint,
        deadline: Deadline,
        *,
        until_list: bool = False,
    ) -> bytearray:
        left, raw = min(2 * READ_TIMEOUT, max(_LEAST_WAIT, deadline.remaining)), bytearray()
        with bounded(left):
            for chunk in _chunks(response, call):
                raw += chunk
                if until_list and _shows_a_list(raw):
                    break
        return raw

    def _judge(self, call: Endpoint, response: requests.Response, raw: bytearray) -> Any:
        status, what = response.status_code, f"{name_of(call)} answered HTTP {response.status_code}"
        if 300 <= status < 400:
            target = response.headers.get("Location", "an unknown address")
            redirected = Redirected(f"{what}, a redirect to {shorten(target)}.")
            # These two may stand for "done, look there", as after a form.
            redirected.never_accepted = status not in (302, 303)
            raise redirected
        if status >= 400:
            raise self._refusal(status, what, response, raw)
        try:
            text = raw.decode("utf-8-sig", "replace")
            del raw[_START:]  # An answer can be huge: not twice while its JSON is read.
            return json.loads(text, parse_int=_whole, parse_float=_finite, parse_constant=str)
        except (ValueError, RecursionError):  # RecursionError: nested without end.
            start = shorten(raw.decode("utf-8", "replace"))
            if call.may_be_text and start.replace(" ", "").isalpha():
                return start
            raise Malformed(
                f"{what}, but not with JSON: it is {not_json(start)}.", hint_of(start)
            ) from None

    def _refusal(
        self, status: int, what: str, response: requests.Response, raw: bytearray
    ) -> ApiError:
        message = f"{what}{reason_in(bytes(raw))}"
        if status == 401:
            hint = explain_malformed(self._token)
            hint = hint or expiry_hint(read_token(self._token), self._clock.time())
            return Unauthorized(message, hint or None)
        if status == 403:
            forbidden = Forbidden(message)
            forbidden.by_page = raw[:_START].lstrip().startswith(b"<")
            return forbidden
        if status == 404:
            path = urlsplit(self._base_url).path
            hint = f"Usually base_url is the host alone: here it has the path {path}."
            return NotFound(message, hint if path else None)
        if status >= 500 or status in (408, 425, 429):
            error = Unavailable(message)
            error.throttled = status == 429
            error.hint = HINT_OF_THROTTLING if error.throttled else error.hint
            error.retry_after = self._retry_after(response.headers.get("Retry-After"))
            return error
        return Rejected(message, None if status in _TELLING else HINT_NOT_OPSERA)

    def _retry_after(self, value: str | None) -> float | None:
        """Read Retry-After, seconds or an HTTP date (RFC 9110, section 10.2.3).

        More than an hour is some clock's mistake rather than meant.
        """
        if value is None:
            return None
        if value.strip().isdecimal():
            return min(LONGEST_RETRY_AFTER, float(value.strip()[:9]))
        moment = _moment(value)
        if moment is None:
            return None
        return min(LONGEST_RETRY_AFTER, max(0.0, moment - self._clock.time()))

    def _compare_clocks(self, date: str | None) -> None:
        moment = _moment(date) if date is not None else None
        if moment is not None:
            self.clock_skew = self._clock.time() - moment


def _whole(digits: str) -> int | str:
    """Read a whole number; one of thousands of digits, which Python refuses, stays a text."""
    try:
        return int(digits)
    except ValueError:
        return digits


def _finite(digits: str) -> float | str:
    """Read a number; one beyond all floats stays a text, for JSON can't write infinity."""
    number = float(digits)
    return number if math.isfinite(number) else digits


def _moment(date: str) -> float | None:
    """Read an HTTP date as seconds since 1970 (RFC 9110, section 5.6.7)."""
    try:
        moment = parsedate_to_datetime(date)
        # Without a zone, as in the oldest form, it is UTC like the others.
        moment = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
        return moment.timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def _shows_a_list(raw: bytearray) -> bool:
    """Whether the start of a long answer shows that it is a list, bare or wrapped."""
    return len(raw) >= _CHUNK and _LIST.match(raw, 0, 2 * _CHUNK) is not None


def _chunks(response: requests.Response, call: Endpoint) -> Iterator[bytes]:
    """Read the body as it comes."""
    size = 0
    while chunk := response.raw.read1(_CHUNK, decode_content=True):
        size += len(chunk)
        if size > MOST_BYTES:
            raise Malformed(f"{name_of(call)} answered with more than {MOST_BYTES >> 20} MiB.")
        yield chunk
