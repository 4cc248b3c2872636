"""OpseraClient: one short method per call of the customer API over one request function.

Maps every foreign error to the tree of `errors`; nothing of requests or urllib3 gets out. It does
not retry and does not wait: who calls knows whether a call may be repeated, and `Call.repeatable`
says so for each. Source of the calls: https://docs.opsera.io (customer API page).
"""

from __future__ import annotations

import json
import ssl
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from datetime import timezone
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

from opsera_step import __version__
from opsera_step.calls import LOGS, PIPELINES, RESET, RUN, STATUS, STOP, SUMMARY, Call
from opsera_step.errors import (
    ApiError,
    BadInput,
    Forbidden,
    Malformed,
    NotFound,
    Redirected,
    Rejected,
    Unauthorized,
    Unavailable,
    Unreachable,
)
from opsera_step.models import (
    CONSOLE_OUTPUT,
    LogRecord,
    Pipeline,
    Run,
    RunAnswer,
    RunStatus,
    parse_list,
    parse_object,
    parse_pipeline,
    parse_record,
    parse_run_answer,
    parse_status,
)
from opsera_step.timing import Clock, Deadline

CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 30.0
LONGEST_RETRY_AFTER = 3600.0
_LEAST_WAIT = 0.1
"""Seconds that even a call begun at the last moment may take."""
MOST_BYTES = 512 << 20
"""Bytes of an answer, unpacked; a thousand large records stay well below it."""
_CHUNK = 1 << 16
_SHOWN_OF_BODY = 200

Guard = Callable[[], AbstractContextManager[Any]]
T = TypeVar("T")


class OpseraClient:
    """The customer API of one tenant, with one token."""

    def __init__(
        self,
        base_url: str,
        token: str,
        clock: Clock,
        *,
        ca_bundle: str = "",
        agent: str = "",
        guard: Guard = nullcontext,
    ) -> None:
        """Prepare a session; `guard` surrounds each wait for the network (for cancelling).

        Raises:
            BadInput: when the CA bundle can't be read.

        """
        self._base_url, self._clock, self._guard = base_url.rstrip("/"), clock, guard
        self._session = _Session()
        self._session.auth = _Bearer(token)
        self._session.headers["User-Agent"] = f"opsera-step/{__version__} {agent}".strip()
        self._session.headers["Accept"] = "application/json"
        if urlsplit(base_url).scheme == "https":
            self._session.mount("https://", _TlsAdapter(ca_bundle))
        self._settle_environment()
        self.ever_answered = False
        """Whether any call ever got an answer of the API."""

    def _settle_environment(self) -> None:
        """Take proxies and CA bundle of the environment once; requests would at every call."""
        self._session.trust_env = False
        if urlsplit(self._base_url).scheme != "https":
            return  # Plain http is for this machine only: the token must not reach a proxy.
        found = requests.Session().merge_environment_settings(self._base_url, {}, None, None, None)
        self._session.proxies, self._session.verify = found["proxies"], found["verify"]
        if isinstance(found["verify"], str) and not Path(found["verify"]).exists():
            raise BadInput(
                [f"REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE: there is no {found['verify']!r} here"]
            )

    def run(self, pipeline_id: str, deadline: Deadline) -> RunAnswer:
        """Start a run; never call this again unless the error says `never_accepted`."""
        data = self._ask(RUN, {"pipelineId": pipeline_id}, deadline)
        return _shaped(parse_run_answer(data), RUN)

    def status(self, run: Run, deadline: Deadline) -> RunStatus:
        """Ask how a run, current or past, stands."""
        body = {"pipelineId": run.pipeline_id, "runCount": run.count}
        return _shaped(parse_status(self._ask(STATUS, body, deadline)), STATUS)

    def summary(self, pipeline_id: str, deadline: Deadline) -> Pipeline:
        """Ask for the pipeline object."""
        data = self._ask(SUMMARY, {"pipelineId": pipeline_id}, deadline)
        pipeline = _shaped(parse_pipeline(data), SUMMARY)
        if pipeline.id.lower() != pipeline_id.lower():
            raise Malformed("pipeline/summary answered with another pipeline than was asked for.")
        return pipeline

    def logs(self, run: Run, deadline: Deadline, *, console_only: bool) -> list[LogRecord]:
        """Ask for the newest 1000 activity records of a run, newest first.

        All that came is returned: an answer may not be filtered although that was asked for.
        """
        body: dict[str, object] = {"pipelineId": run.pipeline_id, "runCount": run.count}
        if console_only:
            body["type"] = CONSOLE_OUTPUT
        items = _shaped(parse_list(self._ask(LOGS, body, deadline)), LOGS)
        return [parse_record(item) for item in items]

    def stop(self, pipeline_id: str, deadline: Deadline) -> str:
        """Ask the pipeline to stop after its current operation; return the API's message."""
        return self._message(STOP, pipeline_id, deadline)

    def reset(self, pipeline_id: str, deadline: Deadline) -> str:
        """Put the pipeline back to its first step; return the API's message."""
        return self._message(RESET, pipeline_id, deadline)

    def pipelines(self, deadline: Deadline) -> list[Pipeline]:
        """List the pipelines that the token's owner sees; the API gives 1000 at most."""
        items = _shaped(parse_list(self._ask(PIPELINES, None, deadline)), PIPELINES)
        return [pipeline for item in items if (pipeline := parse_pipeline(item)) is not None]

    def _message(self, call: Call, pipeline_id: str, deadline: Deadline) -> str:
        data = self._ask(call, {"pipelineId": pipeline_id}, deadline)
        answer = _shaped(parse_run_answer(data), call)
        if answer.refused:
            said = _as_sentence(answer.message or answer.word)
            raise Rejected(f"{_name(call)} answered with a refusal: {said}")
        return answer.message

    def _ask(self, call: Call, body: Mapping[str, object] | None, deadline: Deadline) -> Any:
        """Send one request and return the JSON of a good answer."""
        if not call.repeatable:
            # A kept connection may turn out closed by the server only after the request went out.
            self._session.close()
        with self._guard(), _foreign_errors_mapped(call, self._base_url):
            wait = min(READ_TIMEOUT, max(_LEAST_WAIT, deadline.remaining))
            response = self._session.request(
                call.method,
                self._base_url + call.path,
                json=body,
                timeout=(min(CONNECT_TIMEOUT, wait), wait),
                allow_redirects=False,
                stream=True,
            )
            with closing(response):
                left = min(2 * READ_TIMEOUT, max(_LEAST_WAIT, deadline.remaining))
                until = Deadline.after(self._clock, left)
                raw = b"".join(_chunks(response, call, until))
        data = self._judge(call, response, raw)
        self.ever_answered = True
        return data

    def _judge(self, call: Call, response: requests.Response, raw: bytes) -> Any:
        status, what = response.status_code, f"{_name(call)} answered HTTP {response.status_code}"
        if 300 <= status < 400:
            target = response.headers.get("Location", "an unknown address")
            redirected = Redirected(f"{what}, a redirect to {_shorten(target)}.")
            # These two may stand for "done, look there", as after a form.
            redirected.never_accepted = status not in (302, 303)
            raise redirected
        if status >= 400:
            raise self._refusal(status, what, response, raw)
        try:
            # RecursionError: nested without end; ValueError: also numbers of thousands of digits.
            return json.loads(raw.decode("utf-8-sig", "replace"))
        except (ValueError, RecursionError):
            start = _shorten(raw.decode("utf-8", "replace"))
            seen = f"it starts with “{start}”" if start else "it is empty"
            raise Malformed(f"{what}, but not with JSON: {seen}.") from None

    def _refusal(self, status: int, what: str, response: requests.Response, raw: bytes) -> ApiError:
        message = f"{what}{_reason(raw)}"
        if status == 401:
            return Unauthorized(message)
        if status == 403:
            return Forbidden(message)
        if status == 404:
            return NotFound(message)
        if status >= 500 or status in (408, 425, 429):
            error = Unavailable(message)
            error.throttled = status == 429
            error.retry_after = self._retry_after(response.headers.get("Retry-After"))
            return error
        return Rejected(message)

    def _retry_after(self, value: str | None) -> float | None:
        """Read Retry-After, seconds or an HTTP date (RFC 9110, section 10.2.3).

        More than an hour is some clock's mistake rather than meant.
        """
        if value is None:
            return None
        if value.strip().isdecimal():
            return min(LONGEST_RETRY_AFTER, float(value.strip()[:9]))
        try:
            moment = parsedate_to_datetime(value)
            # Without a zone, as in the oldest form, it is UTC like the others.
            moment = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
            pause = moment.timestamp() - self._clock.time()
            return min(LONGEST_RETRY_AFTER, max(0.0, pause))
        except (ValueError, TypeError, OverflowError):
            return None


_UNUSABLE = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
    urllib3.exceptions.LocationValueError,
    urllib3.exceptions.ProxySchemeUnknown,
    urllib3.exceptions.ProxySchemeUnsupported,
)
_Ground = tuple[type[BaseException] | tuple[type[BaseException], ...], str, bool, bool]
_GROUNDS: tuple[_Ground, ...] = (
    (ssl.SSLCertVerificationError, "its TLS certificate is not trusted here", True, True),
    (urllib3.exceptions.NameResolutionError, "its host name can't be resolved", True, True),
    (urllib3.exceptions.ProxyError, "the proxy does not let us through", True, True),
    # Before the time-out, of which urllib3 takes it for a kind.
    (urllib3.exceptions.NewConnectionError, "no connection could be made", True, False),
    (urllib3.exceptions.ConnectTimeoutError, "no connection came about in time", True, False),
    (_UNUSABLE, "its address, or that of the proxy, can't be used", True, True),
    (ssl.SSLError, "TLS failed", False, True),
    (urllib3.exceptions.ReadTimeoutError, "no answer came in time", False, False),
    (BaseException, "the connection broke off", False, False),
)
"""Of what an error consists, what to say of it, whether the request can't have been sent, and
whether a wrong setting is likely; the first that fits."""
_HINT_OF_CERTIFICATE = (
    "Usually a private CA, or a proxy that re-signs TLS: give its certificate in ca_bundle. One "
    "that is out of date, or another host's, has to be mended at the server."
)


class _Session(requests.Session):
    """Looks at no redirect: requests would read its body without end, and trip on its target."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None


class _Bearer(requests.auth.AuthBase):
    """The token as a header. As `auth` it also keeps requests from taking one out of ~/.netrc."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class _TlsAdapter(HTTPAdapter):
    """HTTPS that trusts the system's CA certificates, those of requests, and the user's own."""

    def __init__(self, ca_bundle: str) -> None:
        self._context = ssl.create_default_context()
        if ca_bundle:
            try:
                self._context.load_verify_locations(cafile=ca_bundle)
            except (OSError, ssl.SSLError) as error:
                raise BadInput(
                    [f"ca_bundle: {ca_bundle!r} is no readable PEM file of certificates ({error})"]
                ) from None
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options, ssl_context=self._context)

    def proxy_manager_for(self, *args: Any, **options: Any) -> urllib3.ProxyManager:
        manager: urllib3.ProxyManager = super().proxy_manager_for(
            *args, **options, ssl_context=self._context
        )
        return manager


@contextmanager
def _foreign_errors_mapped(call: Call, base_url: str) -> Iterator[None]:
    """Turn what requests and urllib3 raise into an error of ours that says what is known."""
    earlier = sys.exc_info()[1]
    try:
        yield
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        raise _unreachable(f"{_name(call)} at {base_url}", error, earlier) from None


def _unreachable(what: str, error: BaseException, earlier: BaseException | None) -> Unreachable:
    chain = list(_causes(error, earlier))
    kind, sentence, never_sent, suspect = next(
        ground for ground in _GROUNDS if any(isinstance(one, ground[0]) for one in chain)
    )
    if kind is ssl.SSLCertVerificationError:
        reasons = (str(getattr(one, "verify_message", "")) for one in chain)
        sentence += f" ({next(filter(None, reasons), 'no reason given').rstrip('.')})"
    unreachable = Unreachable(f"{what} failed: {sentence}.")
    unreachable.never_accepted = never_sent
    unreachable.suspect_configuration = suspect
    if kind is ssl.SSLCertVerificationError:
        unreachable.hint = _HINT_OF_CERTIFICATE
    return unreachable


def _causes(error: BaseException, earlier: BaseException | None) -> Iterator[BaseException]:
    """Walk an error's reasons: requests wraps urllib3's errors, which wrap those of the system.

    What was being handled `earlier`, when the call began, is none of them.
    """
    pending, seen = [error], {id(earlier)}
    while pending:
        one = pending.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        linked = (one.__cause__, one.__context__, getattr(one, "reason", None), *one.args)
        pending += [link for link in linked if isinstance(link, BaseException)]


def _chunks(response: requests.Response, call: Call, until: Deadline) -> Iterator[bytes]:
    """Read the body as it comes, so that a trickling answer can't outlast the deadline."""
    size = 0
    while chunk := response.raw.read1(_CHUNK, decode_content=True):
        size += len(chunk)
        if size > MOST_BYTES:
            raise Malformed(f"{_name(call)} answered with more than {MOST_BYTES >> 20} MiB.")
        yield chunk
        if until.expired:
            raise Unreachable(f"{_name(call)} failed: its answer did not end in time.")


def _shaped(value: T | None, call: Call) -> T:
    if value is None:
        raise Malformed(f"{_name(call)} answered JSON of an unknown shape.")
    return value


def _reason(raw: bytes) -> str:
    """Give the message of an error's body, after a colon; HTML pages say nothing of use."""
    text = raw.decode("utf-8-sig", "replace").strip()
    try:
        answer = parse_object(json.loads(text))
    except (ValueError, RecursionError):
        return "." if text.startswith("<") or not text else f": {_as_sentence(text)}"
    message = next((v for v in map((answer or {}).get, ("message", "error")) if v), "")
    return f": {_as_sentence(str(message))}" if message else "."


def _as_sentence(text: str) -> str:
    text = _shorten(text)
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."


def _shorten(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _SHOWN_OF_BODY else text[:_SHOWN_OF_BODY] + "…"


def _name(call: Call) -> str:
    return call.path.removeprefix("/api/v1/")
