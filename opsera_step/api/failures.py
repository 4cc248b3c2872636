"""Network errors and API refusals, as our own errors.

Each message describes what happened, the hint what to do about it, and the detail the request.
"""

from __future__ import annotations

import http.client
import json
import re
import ssl
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    LocationValueError,
    NameResolutionError,
    NewConnectionError,
    ProxyError,
    ProxySchemeUnknown,
    ProxySchemeUnsupported,
    ReadTimeoutError,
)

from opsera_step.api.endpoints import (
    LOGS,
    RESET,
    RUN,
    SCOPE_LABELS,
    STATUS,
    STOP,
    TOOL_UPDATE,
    Endpoint,
    describe_scopes,
)
from opsera_step.api.http import requests
from opsera_step.api.models import parse_message
from opsera_step.api.proxy import Proxy
from opsera_step.api.session import Trust
from opsera_step.errors import (
    ApiError,
    Forbidden,
    Malformed,
    NotFound,
    Redirected,
    Rejected,
    Unauthorized,
    Unavailable,
    Unreachable,
)

_SHOWN_OF_TEXT = 200
_SHOWN_OF_JSON = 60
_FROM_OPSERA = (400, 404, 409, 410, 422, 423)
"""Refusals that are about the request; other 4xx codes hardly come from Opsera."""
_ABOUT_A_RUN = (STATUS.path, LOGS.path)
"""The requests that name a run; the others name only the pipeline."""

HINT_NOT_OPSERA = (
    "This response likely comes from a proxy or another server, not from Opsera. Check base_url "
    "and the proxy settings."
)
_HINT_THROTTLED = (
    "Run fewer jobs at the same time, or set a longer poll_interval, to send fewer requests."
)
_HINT_LOCKED = (
    "The pipeline is locked. Ask its owner or an administrator to unlock it in Opsera, then run "
    "the job again."
)


class Route:
    """Where the requests go, as messages name it."""

    def __init__(
        self, base_url: str, proxy: Proxy | None = None, trust: Trust | None = None
    ) -> None:
        self.base_url, self.proxy, self.trust = base_url, proxy, trust or Trust()
        self.host = urlsplit(base_url).netloc or base_url
        self.target = self.host
        if proxy is not None:
            self.target = f"{self.host} through the proxy {proxy.address}"

    def detail(self, endpoint: Endpoint) -> str:
        """Describe a request, as the technical detail of an error."""
        return f"{endpoint.method} {self.base_url}{endpoint.path}"


# --- errors of the network ------------------------------------------------------------------------


class _Failure(NamedTuple):
    """A kind of network error and what to say about it."""

    kinds: tuple[type[BaseException], ...]
    message: str
    is_setting: bool = False
    """Whether a wrong setting is likelier than an outage."""


_INVALID_URL = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
    LocationValueError,
    ProxySchemeUnknown,
    ProxySchemeUnsupported,
    UnicodeError,
)
_FAILURES = (
    _Failure((NameResolutionError,), "Can't resolve the host name {host}", is_setting=True),
    _Failure((ConnectTimeoutError, NewConnectionError), "Can't connect to {host}"),
    _Failure((requests.exceptions.ConnectTimeout,), "Can't connect to {host}"),
    _Failure(_INVALID_URL, "Can't use the address {host}", is_setting=True),
    _Failure((ssl.SSLError,), "TLS error on the connection to {host}", is_setting=True),
    _Failure(
        (ReadTimeoutError, TimeoutError, requests.exceptions.Timeout),
        "No response from {host} in time",
    ),
    _Failure((BaseException,), "The connection to {host} broke"),
)
"""The first that fits one error of a chain; a failed connection is a kind of timeout in urllib3."""

_BEFORE_SENDING = (
    ssl.SSLCertVerificationError,
    NewConnectionError,
    ConnectTimeoutError,
    ProxyError,
    requests.exceptions.ConnectTimeout,
    requests.exceptions.ProxyError,
    *_INVALID_URL,
)


def never_sent(chain: Sequence[BaseException]) -> bool:
    """Whether a request can't have reached the server: there was no connection to send it over.

    This decides whether `run` may be sent again, so anything else counts as sent. A proxy that
    fails does so before the tunnel is there, and a certificate is rejected before the first byte.
    """
    return any(isinstance(error, _BEFORE_SENDING) for error in chain)


@contextmanager
def map_errors(endpoint: Endpoint, route: Route) -> Iterator[None]:
    """Turn what requests, urllib3, and the system raise into `Unreachable`."""
    try:
        yield
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        raise unreachable(error, endpoint, route) from None


def unreachable(error: BaseException, endpoint: Endpoint, route: Route) -> Unreachable:
    """Return why a request got no response."""
    chain = list(causes(error))
    if any(isinstance(one, (ProxyError, requests.exceptions.ProxyError)) for one in chain):
        result = _proxy_failure(chain, route)
    elif any(isinstance(one, ssl.SSLCertVerificationError) for one in chain):
        result = _certificate_failure(chain, route.host, route.trust)
    else:
        failure = next(one for one in _FAILURES if any(isinstance(e, one.kinds) for e in chain))
        result = Unreachable(f"{failure.message.format(host=route.target)}{_reason(chain)}.")
        result.suspect_configuration = failure.is_setting
    result.never_accepted = never_sent(chain)
    result.detail = route.detail(endpoint)
    return result


def causes(error: BaseException) -> Iterator[BaseException]:
    """Walk an error's causes: requests wraps the errors of urllib3, which wrap the system's."""
    pending, seen = [error], set()
    while pending:
        one = pending.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        linked = (one.__cause__, getattr(one, "reason", None), *one.args)
        pending += [link for link in linked if isinstance(link, BaseException)]


def _proxy_failure(chain: Sequence[BaseException], route: Route) -> Unreachable:
    proxy = route.proxy
    name = f"the proxy {proxy.address} from {proxy.source}" if proxy else "the proxy"
    source = proxy.source if proxy else "HTTPS_PROXY"
    status = _tunnel_status(chain)
    hint = f"Check {source}, and that this machine can connect to the proxy."
    if any(isinstance(one, ssl.SSLCertVerificationError) for one in chain):
        return _certificate_failure(chain, name, route.trust)
    if status.startswith("407"):
        has_login = proxy is not None and proxy.authorization
        message = f"T{name[1:]} {'rejected the' if has_login else 'requires a'} login ({status})."
        hint = f"Check user and password in {source} (http://USER:PASSWORD@HOST:PORT)."
    elif status:
        message = f"T{name[1:]} did not connect to {route.host} ({status})."
        hint = f"Allow {route.host} on the proxy, or add the host to NO_PROXY to bypass it."
    elif any(isinstance(one, NameResolutionError) for one in chain):
        message = f"Can't resolve the host name of {name}{_reason(chain)}."
    else:
        message = f"Can't connect to {name}{_reason(chain)}."
    result = Unreachable(message, hint)
    result.suspect_configuration = True
    return result


def _tunnel_status(chain: Sequence[BaseException]) -> str:
    """Return what a proxy answered to CONNECT: “407 Proxy Authentication Required”."""
    found = (
        re.search(r"Tunnel connection failed: (\d{3}[^'\"()]{0,80})", str(one))
        for one in chain
        if isinstance(one, OSError)
    )
    return next((match[1].strip() for match in found if match), "")


_EXPIRED = (9, 10)
_OTHER_HOST = (62, 64)
_UNKNOWN_ISSUER = (2, 18, 19, 20, 21)


def _certificate_failure(chain: Sequence[BaseException], name: str, trust: Trust) -> Unreachable:
    error = next(one for one in chain if isinstance(one, ssl.SSLCertVerificationError))
    code = getattr(error, "verify_code", 0)
    reason = str(getattr(error, "verify_message", "") or error).rstrip(".")
    result = Unreachable(f"Can't verify the TLS certificate of {name} ({reason}).")
    result.suspect_configuration = result.is_certificate = True
    if code in _OTHER_HOST:
        result.hint = (
            "The certificate is for another host. Check base_url, or fix the certificate there."
        )
    elif code in _EXPIRED:
        result.hint = "Renew the certificate on the server, or correct this machine's clock."
    elif code in _UNKNOWN_ISSUER and trust.sources:
        named = " or ".join(trust.sources)
        result.hint = (
            f"The CA that issued it is not in {named}. Add the certificate of that CA; behind a "
            "proxy that inspects TLS, this is the CA of the proxy."
        )
    elif code in _UNKNOWN_ISSUER:
        result.hint = (
            "If the CA is private, or a proxy inspects TLS, set ca_bundle to a PEM file with the "
            "certificate of that CA. The doctor command shows who issued the certificate."
        )
    else:
        result.hint = "The doctor command shows the certificate and who issued it."
    if trust.missing and code in _UNKNOWN_ISSUER:
        result.hint += f" No such file or directory: {', '.join(trust.missing)}."
    return result


def _reason(chain: Sequence[BaseException]) -> str:
    """Return the operating system's reason in parentheses, if there is one."""
    of_tls = (getattr(one, "reason", "") for one in chain if isinstance(one, ssl.SSLError))
    reason = next(filter(None, of_tls), "")
    if reason:
        return f" ({str(reason).replace('_', ' ').lower()})"
    if any(isinstance(one, (ConnectTimeoutError, NewConnectionError)) for one in chain):
        is_timeout = not any(isinstance(one, NewConnectionError) for one in chain)
        if is_timeout:
            return " (timed out)"
    words = [one.strerror for one in chain if isinstance(one, OSError) and one.strerror]
    return f" ({words[0][0].lower()}{words[0][1:]})" if words else ""


# --- responses that are no success ----------------------------------------------------------------


def redirected(status: int, target: str, endpoint: Endpoint, route: Route) -> Redirected:
    """Return the error for a redirect, which is never followed: the token stays on its host."""
    shown = shorten(target) or "an unknown URL"
    error = Redirected(f"Can't {endpoint.action}: base_url redirects to {shown} (HTTP {status}).")
    # A permanent redirect won't change while the job waits, and the request had no effect. The
    # others may stand for “done, look there”, as after a form.
    error.transient = status not in (301, 308)
    error.never_accepted = status in (301, 308)
    error.detail = route.detail(endpoint)
    try:
        old = urlsplit(route.base_url + endpoint.path)
        new = urlsplit(urljoin(old.geturl(), target))
        is_same_host = (old.scheme, old.netloc) == (new.scheme, new.netloc)
    except ValueError:
        return error
    if is_same_host and new.path == f"{old.path}/":
        error.hint = (
            "The server adds a slash to the path, which the Opsera API does not use. Check that "
            "base_url is the API and not the portal; if it is a reverse proxy, remove its rule "
            "that appends slashes."
        )
    elif not is_same_host and new.netloc and new.path.rstrip("/").endswith(endpoint.path):
        prefix = new.path.rstrip("/").removesuffix(endpoint.path)
        error.hint = (
            f"If this is your tenant's API, set base_url to {new.scheme}://{new.netloc}{prefix}. "
            "Redirects are not followed, so that the token isn't sent to another host."
        )
    return error


def refused(
    status: int,
    body: bytes,
    endpoint: Endpoint,
    route: Route,
    *,
    token_source: str = "",
    token_hint: str = "",
    token_scopes: Collection[str] = (),
    retry_after: float | None = None,
) -> ApiError:
    """Return the error for an HTTP status of 400 or more.

    Not accepted: 429, 503 with Retry-After, and each 4xx but 408. Any other leaves it open whether
    the request had an effect.
    """
    reason = reason_in(body).removeprefix(f"{status} ")
    if reason.casefold() == http.client.responses.get(status, "").casefold():
        reason = ""
    code = f"(HTTP {status}: {reason})" if reason else f"(HTTP {status})"
    error: ApiError
    if status == 401:
        source = f" from {token_source}" if token_source else ""
        error = Unauthorized(
            f"Opsera rejected the access token{source} {code}.", token_hint or None
        )
    elif status == 403:
        error = Forbidden(f"Opsera denied the request to {endpoint.action} {code}.")
        error.by_page = body.lstrip().startswith(b"<")
        error.hint = forbidden_hint(endpoint, token_scopes)
        if error.by_page:
            error.hint += f" The response is an HTML page: {HINT_NOT_OPSERA}"
    elif status == 404:
        error = NotFound(_not_found(endpoint, code), not_found_hint(endpoint, route))
    elif status == 429:
        error = Unavailable(f"Opsera limits the number of requests {code}.", _HINT_THROTTLED)
        error.throttled = error.never_accepted = True
        error.retry_after = retry_after
    elif status == 408 or status >= 500:
        error = Unavailable(f"Opsera failed to {endpoint.action} {code}.")
        error.retry_after = retry_after
        error.never_accepted = status == 503 and retry_after is not None
    else:
        error = Rejected(f"Opsera rejected the request to {endpoint.action} {code}.")
        error.hint = rejected_hint(endpoint, reason) if status in _FROM_OPSERA else HINT_NOT_OPSERA
        if status == 405 and not endpoint.resource:
            error.hint = "Check the method and the path."
    if _means_locked(endpoint, status, reason):
        error.hint = _HINT_LOCKED
    error.detail = route.detail(endpoint)
    return error


def not_json(status: int, start: str, endpoint: Endpoint, route: Route) -> Malformed:
    """Return the error for a successful status with a body that is no JSON."""
    text = shorten(start)
    expected, hint = "the response is not JSON but", None
    if text.startswith("<"):
        title = _title(start)
        what = f"an HTML page, “{title}”" if title else "an HTML page"
    elif text.startswith(("{", "[")):
        what = f"truncated or invalid JSON, starting with “{text[:_SHOWN_OF_JSON]}…”"
        expected = "the response is"
        hint = (
            "A proxy in between may truncate responses. If this persists, contact your "
            "administrator."
        )
    else:
        what = f"“{text}”" if text else "empty"
    error = Malformed(
        f"Can't {endpoint.action}: {expected} {what} (HTTP {status})."
        if text
        else f"Can't {endpoint.action}: the response is empty (HTTP {status}).",
        hint,
    )
    error.detail = route.detail(endpoint)
    return error


def unexpected(data: object, endpoint: Endpoint, route: Route) -> Malformed:
    """Return the error for JSON that is not what the endpoint returns."""
    message = shorten(parse_message(data))
    reason = f" Its message: {as_sentence(message)}" if message else ""
    error = Malformed(
        f"Can't {endpoint.action}: the response has an unknown format.{reason}",
        "Check that base_url is the URL of the Opsera API. If it is, upgrade opsera-step, or "
        "report this response.",
    )
    error.detail = route.detail(endpoint)
    return error


def too_large(what: str, endpoint: Endpoint, route: Route) -> Malformed:
    """Return the error for a response beyond the limits."""
    error = Malformed(
        f"Can't {endpoint.action}: the response is too large ({what}).",
        "If this persists, ask Opsera support why this response is so large.",
    )
    error.detail = route.detail(endpoint)
    return error


def reason_in(body: bytes) -> str:
    """Return the message of an error's body as one short line; of an HTML page, its title."""
    text = body.decode("utf-8-sig", "replace").strip()
    if text.startswith("<"):
        return _title(text)
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return shorten(text).rstrip(".")
    return shorten(parse_message(data)).rstrip(".")


def is_locked(message: str) -> bool:
    """Whether an API message reports a locked pipeline; its exact wording is unknown."""
    return re.search(r"\blocked\b", message, re.IGNORECASE) is not None


def _means_locked(endpoint: Endpoint, status: int, reason: str) -> bool:
    return endpoint.resource == "pipeline" and status < 500 and (status == 423 or is_locked(reason))


def forbidden_hint(endpoint: Endpoint, token_scopes: Collection[str]) -> str:
    """Return what a request requires that this token or its owner may lack."""
    needed = describe_scopes(endpoint.scopes)
    if endpoint.needs_power_user:
        owner = (
            "its owner is not a Power User or Site Admin, which this request requires. Ask for "
            "the role in Opsera, or use the token of a user who has it."
        )
    else:
        is_list = endpoint.method == "GET" and not endpoint.query
        what = f"the {endpoint.resource}s" if is_list else f"this {endpoint.resource}"
        what = what if endpoint.resource not in ("", "audit log") else "it"
        owner = f"its owner has no access to {what}. Grant access in Opsera."
    known = tuple(one for one in token_scopes if one in SCOPE_LABELS)
    if not known or not needed:
        scope = f" (documented: {needed})" if needed else ""
        return f"Either the token has the wrong scope{scope}, or {owner}"
    has = describe_scopes(known)
    if set(known) & set(endpoint.scopes):
        return f"The token's scope, {has}, is sufficient. Likely {owner}"
    return (
        f"According to Opsera's documentation, this requires the scope {needed}; the token has "
        f"{has}. Use another token."
    )


def not_found_hint(endpoint: Endpoint, route: Route) -> str:
    """Return the usual cause of a 404."""
    path = urlsplit(route.base_url).path
    if path:
        return f"base_url contains the path {path}. Usually it is the host only."
    if endpoint.method == "GET":
        return "Check base_url: it must be the URL of your tenant's API."
    if endpoint.path in _ABOUT_A_RUN:
        return "Check the pipeline ID, the run number, and base_url."
    if not endpoint.resource:
        return "Check the path, the IDs in the request, and base_url."
    return f"Check the ID of the {endpoint.resource} and base_url."


def rejected_hint(endpoint: Endpoint, reason: str = "") -> str:
    """Return the usual cause of a rejected request."""
    if _means_locked(endpoint, 200, reason):
        return _HINT_LOCKED
    if endpoint.path == TOOL_UPDATE.path:
        return "Compare the values with the tool's page in Opsera."
    if endpoint.path in (RUN.path, STOP.path, RESET.path):
        return "Check the pipeline in Opsera: its current state may not allow this."
    if endpoint.query:
        return "Check the parameters: IDs, dates (YYYY-MM-DD), and counts."
    if endpoint.method == "GET":
        return "Check base_url: it must be the URL of your tenant's API."
    if endpoint.path in _ABOUT_A_RUN:
        return "Check the pipeline ID and the run number."
    return f"Check the ID of the {endpoint.resource}." if endpoint.resource else ""


def _not_found(endpoint: Endpoint, code: str) -> str:
    if endpoint.method == "GET" or not endpoint.resource:
        return f"Can't {endpoint.action}: nothing found {code}."
    return f"Can't {endpoint.action}: not found {code}."


def _title(page: str) -> str:
    found = re.search(r"<title[^>]{0,200}>([^<]{1,80})</title", page[:4096], re.IGNORECASE)
    return " ".join(found[1].split()) if found else ""


def as_sentence(text: str) -> str:
    """Return a text of the API, shortened, with a full stop."""
    text = shorten(text)
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."


def shorten(text: str) -> str:
    """Return a text of the API as one short line."""
    text = " ".join(text.split())
    return text if len(text) <= _SHOWN_OF_TEXT else text[:_SHOWN_OF_TEXT] + "…"
