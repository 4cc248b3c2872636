"""Requests to the API: one request, one response as JSON, within time and size limits.

Nothing here retries or waits: the caller knows whether a request may be repeated.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from datetime import timezone
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple, TypeVar

import urllib3

from opsera_step.api import failures
from opsera_step.api.body import MAX_BYTES, BodyParser, InvalidJson
from opsera_step.api.certificate import Certificate, read_certificate
from opsera_step.api.endpoints import Endpoint
from opsera_step.api.failures import Route
from opsera_step.api.fields import JsonObject
from opsera_step.api.http import requests
from opsera_step.api.listing import Listing, Parsed, parse_listing
from opsera_step.api.models import RunResponse, parse_run_response
from opsera_step.api.session import Session
from opsera_step.api.token import expiry_hint, explain_malformed, read_token
from opsera_step.clock import Clock, Deadline, SystemClock
from opsera_step.errors import Malformed, Rejected

CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 30.0
BODY_TIMEOUT = 120.0
"""The most seconds for a response to arrive completely, once it has started."""
MAX_RETRY_AFTER = 3600.0
_MIN_TIMEOUT = 0.5
"""Seconds that a request gets even if it starts at the deadline."""
_CHUNK = 1 << 16
_MAX_ERROR_BYTES = 1 << 16
_MAX_RAW_BYTES = 1 << 24
_MAX_CACHED_BYTES = 1 << 20
"""Responses up to this size are kept for If-None-Match, so that they cost no memory to speak of."""

T = TypeVar("T")
K = TypeVar("K", bound=Parsed)
Guard = Callable[[], AbstractContextManager[Any]]
RequestLog = Callable[[str, str, "int | None", float], None]
"""Called after each request with its method, path, status (None without one), and seconds."""


class Response(NamedTuple):
    """The JSON of a successful response."""

    data: Any
    is_cut: bool = False
    """Whether it exceeded the size limit, and `data` is the list of the records before that."""


class RawResponse(NamedTuple):
    """A response as it came, also one that is an error."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_cut: bool
    """Whether only the start of the body is here."""


class _Cached(NamedTuple):
    request: str
    etag: str
    data: Any


class Transport:
    """Sends requests to one tenant, with one token."""

    def __init__(
        self,
        session: Session,
        base_url: str,
        clock: Clock,
        *,
        guard: Guard,
        token_source: str = "",
        reread_token: Callable[[], str] | None = None,
        log_request: RequestLog | None = None,
    ) -> None:
        self._session, self._base_url, self._clock = session, base_url.rstrip("/"), clock
        self._guard, self._log_request = guard, log_request
        self._token_source, self._reread_token = token_source, reread_token
        self._cache: dict[str, _Cached] = {}
        self._uses_etags = True
        self.route = Route(self._base_url, session.proxy, session.trust)
        self.certificate: Certificate | None = None
        """The server's certificate, after `read_prefix` over HTTPS got a response."""
        self.ever_responded = False
        """Whether any request was successful."""
        self.clock_skew: float | None = None
        """Seconds by which this machine's clock is ahead of the Date of the latest response."""

    @property
    def token(self) -> str:
        """The access token."""
        return self._session.bearer.token

    @token.setter
    def token(self, token: str) -> None:
        self._session.bearer.token = token

    def send(
        self,
        endpoint: Endpoint,
        body: Mapping[str, object] | None,
        deadline: Deadline,
        *,
        may_be_cut: bool = False,
    ) -> Response:
        """Send one request and return the JSON of its response.

        A response beyond the size limit is an error, or cut off if that is allowed.

        Raises:
            ApiError: see there.
        """
        if not endpoint.repeatable:
            # A kept connection may turn out to be closed only after the request was sent.
            self._session.close()
        request = json.dumps([endpoint.query, body], sort_keys=True)
        cached = self._cache.get(endpoint.path) if self._uses_etags else None
        if cached is not None and cached.request != request:
            cached = None
        with self._exchange(endpoint, body, deadline, cached) as response:
            if cached is not None and response.status_code in (304, 412):
                self._uses_etags = response.status_code == 304
                _ = response.content  # There is none, or a short one: this keeps the connection.
                result, size = Response(cached.data), 0
            else:
                result, size = self._read(response, endpoint, deadline, may_be_cut=may_be_cut)
        if cached is not None and not size:
            # A server may refuse a condition on a POST (RFC 9110, section 13.1.2).
            return result if self._uses_etags else self.send(endpoint, body, deadline)
        etag = response.headers.get("ETag", "")
        self._cache.pop(endpoint.path, None)
        if etag and endpoint.repeatable and not result.is_cut and size <= _MAX_CACHED_BYTES:
            self._cache[endpoint.path] = _Cached(request, etag, result.data)
        self.ever_responded = True
        return result

    def read_prefix(
        self, endpoint: Endpoint, body: Mapping[str, object] | None, deadline: Deadline
    ) -> Response:
        """Send one request; of a long list read only as much as shows that it is one.

        Such a list is returned as an empty one that is cut.
        """
        with self._exchange(endpoint, body, deadline, None) as response:
            self.certificate = read_certificate(getattr(response.raw.connection, "sock", None))
            result, _ = self._read(response, endpoint, deadline, until_list=True)
        self.ever_responded = True
        return result

    def send_raw(
        self,
        endpoint: Endpoint,
        body: Mapping[str, object] | None,
        deadline: Deadline,
        etag: str = "",
    ) -> RawResponse:
        """Send one request and return the response as it came; with an ETag, if it differs.

        Raises:
            ApiError: if no response comes.
        """
        cached = _Cached("", etag, None) if etag else None
        data, is_cut = b"", False
        with self._exchange(endpoint, body, deadline, cached) as response:
            limit = min(BODY_TIMEOUT, max(_MIN_TIMEOUT, deadline.remaining))
            for chunk in _chunks(response, limit):
                data += chunk
                if len(data) > _MAX_RAW_BYTES:
                    is_cut = True
                    break
        return RawResponse(response.status_code, response.headers, data, is_cut)

    @contextmanager
    def _exchange(
        self,
        endpoint: Endpoint,
        body: Mapping[str, object] | None,
        deadline: Deadline,
        cached: _Cached | None,
    ) -> Iterator[requests.Response]:
        """Send a request and provide its response, with the body yet to be read."""
        timeout = min(READ_TIMEOUT, max(_MIN_TIMEOUT, deadline.remaining))
        started, status = self._clock.monotonic(), None
        try:
            with self._guard(), failures.map_errors(endpoint, self.route):
                response = self._session.request(
                    endpoint.method,
                    self._base_url + endpoint.path,
                    params=endpoint.query,
                    json=body,
                    headers={"If-None-Match": cached.etag} if cached is not None else None,
                    timeout=(min(CONNECT_TIMEOUT, timeout), timeout),
                    allow_redirects=False,
                    stream=True,
                )
                status = response.status_code
                self._compare_clocks(response.headers.get("Date"))
                with closing(response):
                    yield response
        finally:
            if self._log_request is not None:
                seconds = self._clock.monotonic() - started
                self._log_request(endpoint.method, endpoint.path, status, seconds)

    def _read(
        self,
        response: requests.Response,
        endpoint: Endpoint,
        deadline: Deadline,
        *,
        may_be_cut: bool = False,
        until_list: bool = False,
    ) -> tuple[Response, int]:
        """Read the body; return its JSON, and its size in bytes."""
        status = response.status_code
        chunks = _chunks(response, min(BODY_TIMEOUT, max(_MIN_TIMEOUT, deadline.remaining)))
        if 300 <= status < 400:
            target = response.headers.get("Location", "")
            raise failures.redirected(status, target, endpoint, self.route)
        if status >= 400:
            raise self._refusal(response, _read_start(chunks), endpoint)
        parser, size = BodyParser(endpoint.max_values), 0
        try:
            for chunk in chunks:
                size += len(chunk)
                parser.feed(chunk)
                if size > MAX_BYTES or parser.exceeded:
                    return self._cut(parser, endpoint, allowed=may_be_cut), size
                if until_list and size >= _CHUNK and parser.is_list:
                    return Response([], is_cut=True), size
            data = parser.finish()
            if parser.exceeded:
                return self._cut(parser, endpoint, allowed=may_be_cut), size
            return Response(data), size
        except MemoryError:
            failure = failures.too_large("not enough memory", endpoint, self.route)
        except InvalidJson:
            text = parser.start.strip()
            if endpoint.may_be_text and text.replace(" ", "").isalpha():
                return Response(text), size
            failure = failures.not_json(status, parser.start, endpoint, self.route)
        finally:
            # Errors keep the variables of this function alive, and with them the whole response.
            del parser
        raise failure

    def _cut(self, parser: BodyParser, endpoint: Endpoint, *, allowed: bool) -> Response:
        records = parser.finish_cut() if allowed else None
        if records is None:
            limit = parser.exceeded or f"more than {MAX_BYTES >> 20} MiB"
            raise failures.too_large(limit, endpoint, self.route)
        return Response(records, is_cut=True)

    def _refusal(self, response: requests.Response, body: bytes, endpoint: Endpoint) -> Exception:
        facts = read_token(self.token)
        token_hint = explain_malformed(self.token) or expiry_hint(facts, self._clock.time())
        if response.status_code == 401:
            self._renew_token()
        return failures.refused(
            response.status_code,
            body,
            endpoint,
            self.route,
            token_source=self._token_source,
            token_hint=token_hint,
            token_scopes=facts.scopes,
            retry_after=self._retry_after(response.headers.get("Retry-After")),
        )

    def _renew_token(self) -> None:
        """Use the token as it is now in its file, from the next request on."""
        if self._reread_token is not None:
            # The old one is kept while the file can't be read or is being written.
            with suppress(OSError, ValueError):
                self.token = self._reread_token() or self.token

    def _retry_after(self, value: str | None) -> float | None:
        """Parse Retry-After: seconds or an HTTP date (RFC 9110, section 10.2.3).

        More than an hour is an error of some clock rather than meant.
        """
        if value is None:
            return None
        if value.strip().isdecimal():
            return min(MAX_RETRY_AFTER, float(value.strip()[:9]))
        moment = _parse_date(value)
        if moment is None:
            return None
        return min(MAX_RETRY_AFTER, max(0.0, moment - self._clock.time()))

    def _compare_clocks(self, date: str | None) -> None:
        moment = _parse_date(date) if date is not None else None
        if moment is not None:
            self.clock_skew = self._clock.time() - moment


class Caller:
    """Calls endpoints over a transport: what the clients have in common."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def call(
        self,
        endpoint: Endpoint,
        body: Mapping[str, object] | None,
        deadline: Deadline,
        parse: Callable[[Any], T | None],
    ) -> T:
        """Send a request and return what `parse` makes of the response.

        Raises:
            ApiError: if the request fails; Malformed if `parse` returns None.
        """
        return self.parse(self._transport.send(endpoint, body, deadline).data, endpoint, parse)

    def call_list(
        self, endpoint: Endpoint, deadline: Deadline, read: Callable[[JsonObject], K]
    ) -> Listing[K]:
        """Send a request and return the response as a list, each item as `read` reads it."""
        return self.call(endpoint, None, deadline, lambda data: parse_listing(data, read))

    def parse(self, data: Any, endpoint: Endpoint, parse: Callable[[Any], T | None]) -> T:
        """Return what `parse` makes of a response.

        Raises:
            Malformed: if it returns None.
        """
        try:
            value = parse(data)
        except MemoryError:
            what = "not enough memory"
            raise failures.too_large(what, endpoint, self._transport.route) from None
        if value is None:
            raise failures.unexpected(data, endpoint, self._transport.route)
        return value

    def raise_if_refused(self, data: Any, endpoint: Endpoint) -> RunResponse | None:
        """Parse a response that may be a refusal although its HTTP status is 200.

        Raises:
            Rejected: if it is one.
        """
        response = parse_run_response(data)
        if response is not None and response.refused:
            reason = failures.as_sentence(response.message or response.value)
            error = Rejected(f"Opsera did not {endpoint.action}: {reason}")
            error.hint = failures.rejected_hint(endpoint, reason)
            error.detail = self._transport.route.detail(endpoint)
            raise error
        return response

    def check_id(self, found: T, found_id: str, asked_id: str, endpoint: Endpoint) -> T:
        """Return what was found if it has the ID that was asked for.

        Raises:
            Malformed: if it has another one.
        """
        if found_id.lower() != asked_id.lower():
            what = f"Can't {endpoint.action}: the response is about another {endpoint.resource}."
            error = Malformed(what)
            error.detail = self._transport.route.detail(endpoint)
            raise error
        return found


def _read_start(chunks: Iterator[bytes]) -> bytes:
    """Read the body of an error, or what arrives of it: the status is what counts."""
    body = b""
    with suppress(requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError):
        for chunk in chunks:
            body += chunk
            if len(body) >= _MAX_ERROR_BYTES:
                break
    return body


def _chunks(response: requests.Response, seconds: float) -> Iterator[bytes]:
    """Read the body as it arrives, for at most this many seconds.

    The timeout of a socket restarts with each byte, so it is set again for each chunk.
    """
    deadline = Deadline.after(SystemClock(), seconds)
    connection = response.raw.connection
    while not deadline.expired:
        sock = getattr(connection, "sock", None)
        if sock is not None:
            sock.settimeout(min(READ_TIMEOUT, max(_MIN_TIMEOUT, deadline.remaining)))
        chunk = response.raw.read1(_CHUNK, decode_content=True)
        if not chunk:
            return
        yield chunk
    raise TimeoutError("timed out")


def _parse_date(date: str) -> float | None:
    """Parse an HTTP date as seconds since 1970 (RFC 9110, section 5.6.7)."""
    try:
        moment = parsedate_to_datetime(date)
        # Without a zone, as in the oldest form, it is UTC like the others.
        moment = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
        return moment.timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
