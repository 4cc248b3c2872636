"""Network errors and refusals: their messages, and whether the request may have had an effect."""

from __future__ import annotations

import inspect
import ssl

import pytest
import requests
import urllib3
from urllib3.exceptions import (
    LocationParseError,
    MaxRetryError,
    NewConnectionError,
    ProtocolError,
    ProxyError,
)

from opsera_step.api import (
    ENDPOINTS,
    LOGS,
    RUN,
    STATUS,
    SUMMARY,
    TOOL_UPDATE,
    TOOLS,
    USER_ACTIONS,
    Proxy,
)
from opsera_step.api.endpoints import ACTIONS, TOOL, endpoint_of
from opsera_step.api.failures import (
    Route,
    causes,
    forbidden_hint,
    map_errors,
    never_sent,
    not_found_hint,
    reason_in,
    refused,
)
from opsera_step.api.session import Trust
from opsera_step.errors import Forbidden, Rejected, Unreachable
from tests.support.client import assert_readable

ROUTE = Route("https://api.opsera.test")
POOL = urllib3.HTTPSConnectionPool("api.opsera.test")
REFUSED = ConnectionRefusedError(111, "Connection refused")


def wrapped(reason: Exception, kind: type[Exception] = requests.ConnectionError) -> Exception:
    """Wrap an error as urllib3 and requests do."""
    return kind(MaxRetryError(POOL, "/x", reason))


def from_cause(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


def untrusted(code: int, message: str) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = code, message
    return error


NEVER_SENT = {
    "proxy down": wrapped(
        ProxyError("Unable to connect", NewConnectionError(POOL, "x")),
        requests.exceptions.ProxyError,
    ),
    "proxy refused": wrapped(
        ProxyError("Unable to connect", OSError("Tunnel connection failed: 403 Forbidden")),
        requests.exceptions.ProxyError,
    ),
    "invalid host": requests.exceptions.InvalidURL(LocationParseError("x")),
    "invalid label": UnicodeError("label empty or too long"),
}
MAYBE_SENT = {
    "broken pipe": requests.ConnectionError(BrokenPipeError(32, "Broken pipe")),
    "TLS after the handshake": wrapped(
        urllib3.exceptions.SSLError(ssl.SSLEOFError(8, "EOF")), requests.exceptions.SSLError
    ),
    "socket timeout": TimeoutError("timed out"),
    "anything": requests.RequestException(),
    "caused by a reset": from_cause(
        requests.ConnectionError(ProtocolError("x")), ConnectionResetError()
    ),
}


@pytest.mark.parametrize("name", NEVER_SENT)
def test_what_was_certainly_never_sent(name):
    """Without a connection, nothing was sent; the request may be sent again."""
    assert never_sent(list(causes(NEVER_SENT[name])))
    error = raised(NEVER_SENT[name])
    assert error.never_accepted and error.transient
    assert_readable(error)


@pytest.mark.parametrize("name", MAYBE_SENT)
def test_what_may_have_been_sent(name):
    """Any other error leaves it open."""
    assert not never_sent(list(causes(MAYBE_SENT[name])))
    error = raised(MAYBE_SENT[name])
    assert not error.never_accepted and error.transient
    assert_readable(error)


def raised(error: BaseException, route: Route = ROUTE) -> Unreachable:
    """Raise a foreign error where a request is sent, and return ours."""
    with pytest.raises(Unreachable) as caught, map_errors(STATUS, route):
        raise error
    assert caught.value.__suppress_context__
    return caught.value


def _foreign() -> list[type[BaseException]]:
    found = {
        one
        for module in (requests.exceptions, urllib3.exceptions)
        for one in vars(module).values()
        if inspect.isclass(one) and issubclass(one, Exception) and not issubclass(one, Warning)
        if one.__module__.startswith(("requests", "urllib3"))
    }
    return sorted(found, key=lambda one: (one.__module__, one.__name__))


def test_no_foreign_exception_gets_out():
    """Each exception of requests and urllib3 becomes one of our errors."""
    assert len(_foreign()) > 40
    for kind in _foreign():
        assert_readable(raised(kind.__new__(kind)))


# --- proxies --------------------------------------------------------------------------------------

PROXY = Proxy("http", "proxy.test", 3128, "HTTPS_PROXY", "Basic c2VjcmV0")
VIA_PROXY = Route("https://api.opsera.test", PROXY)


@pytest.mark.parametrize(
    ("cause", "message", "hint"),
    [
        (from_cause(NewConnectionError(POOL, "x"), REFUSED),
         "Can't connect to the proxy proxy.test:3128 from HTTPS_PROXY (connection refused).",
         "Check HTTPS_PROXY"),
        (OSError("Tunnel connection failed: 407 Proxy Authentication Required"),
         "The proxy proxy.test:3128 from HTTPS_PROXY rejected the login (407 Proxy", "USER:PASS"),
        (OSError("Tunnel connection failed: 502 Bad Gateway"),
         "The proxy proxy.test:3128 from HTTPS_PROXY did not connect to api.opsera.test (502",
         "NO_PROXY"),
    ],
)  # fmt: skip
def test_a_failing_proxy_is_blamed_itself(cause, message, hint):
    """The message contains the proxy with its variable, and not the API's host."""
    error = raised(wrapped(ProxyError("x", cause), requests.exceptions.ProxyError), VIA_PROXY)
    assert error.message.startswith(message)
    assert hint in error.hint and "c2VjcmV0" not in error.message + error.hint
    assert error.suspect_configuration
    assert_readable(error)


def test_a_proxy_that_wants_a_login():
    """Without a user name in the variable, the login is required, not rejected."""
    route = Route("https://api.opsera.test", PROXY._replace(authorization=""))
    cause = OSError("Tunnel connection failed: 407 Proxy Authentication Required")
    error = raised(wrapped(ProxyError("x", cause), requests.exceptions.ProxyError), route)
    assert "requires a login" in error.message


# --- certificates ---------------------------------------------------------------------------------


def test_a_certificate_that_is_refused_for_another_reason():
    """The usual reasons are tested with real certificates."""
    trust = Trust(sources=("ca_bundle (/ca.pem)",))
    error = raised(untrusted(94, "the reason"), Route("https://api.opsera.test", trust=trust))
    assert error.message == "Can't verify the TLS certificate of api.opsera.test (the reason)."
    assert "doctor" in error.hint and "set ca_bundle" not in error.hint
    assert error.suspect_configuration and error.never_accepted
    assert_readable(error)


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"message": "no such run"}', "no such run"),
        (b'{"error": {"message": "no such run"}}', "no such run"),
        (b'{"status": "failed", "data": {"message": "no such run"}}', "no such run"),
        (b'{"metadata": {"message": "no such run", "apiVersion": "v2"}}', "no such run"),
        (b'{"errors": [{"message": "no such run"}, {"message": "x"}]}', "no such run"),
        (b'{"errors": [{"msg": "no such run", "param": "runCount"}]}', "no such run"),
        (b"no such run\n", "no such run"),
        (b"<html><head><title>\n 502 Bad Gateway</title>", "502 Bad Gateway"),
        (b"<html>", ""), (b"{}", ""), (b"7", ""), (b"[" * 100_000, "[" * 200 + "…"),
        (b"a\n\tb " + b"c" * 500, "a b " + "c" * 196 + "…"),
    ],
)  # fmt: skip
def test_the_reason_in_a_body(body, reason):
    """A bare string or the message of an object, as one short line; of a page, its title."""
    assert reason_in(body) == reason


def test_422_of_the_second_version():
    """422 is a rejection with its message, and was not accepted."""
    body = b'{"status": "error", "metadata": {"message": "target is missing", "apiVersion": "v2"}}'
    error = refused(422, body, ACTIONS, ROUTE)
    assert type(error) is Rejected and error.never_accepted
    assert "(HTTP 422: target is missing)" in error.message


@pytest.mark.parametrize(
    ("status", "body"),
    [(423, b""), (400, b'"The pipeline is locked."'), (403, b'{"message": "Pipeline LOCKED"}')],
)
def test_a_locked_pipeline(status, body):
    """A locked pipeline is named as such, whatever the status."""
    error = refused(status, body, RUN, ROUTE)
    assert "is locked" in error.hint and "unlock" in error.hint and error.never_accepted


def test_a_missing_scope_is_named_with_its_label():
    """The hint has the labels of the token dialog, and those scopes only that are documented."""
    assert forbidden_hint(SUMMARY, ["registry"]) == (
        "According to Opsera's documentation, this requires the scope Pipeline Access (pipeline) "
        "or API Access (api); the token has Tool Registry Access (registry). Use another token."
    )
    assert "Pipeline Access (Read Only) (pipeline-readonly)" in forbidden_hint(LOGS, ["tasks"])
    assert forbidden_hint(LOGS, ["openid", "profile"]) == forbidden_hint(LOGS, [])


@pytest.mark.parametrize(
    ("endpoint", "scopes", "hint"),
    [
        (SUMMARY, ["pipeline"], "is sufficient. Likely its owner has no access to this pipelin"),
        (TOOL, ["api"], "is sufficient. Likely its owner has no access to this tool."),
        (TOOLS, ["api"], "Likely its owner is not a Power User or Site Admin"),
        (USER_ACTIONS, [], "Either the token has the wrong scope"),
        (ACTIONS, [], "or its owner has no access to this pipeline."),
    ],
)
def test_a_403_with_a_sufficient_or_unknown_scope(endpoint, scopes, hint):
    """If the scope is sufficient, the owner's access is likely the cause."""
    assert hint in forbidden_hint(endpoint, scopes)


def test_an_html_page_with_403_may_come_from_a_proxy():
    """A firewall's page is not mistaken for Opsera's response."""
    error = refused(403, b" <html><title>Blocked</title>", STATUS, ROUTE)
    assert isinstance(error, Forbidden) and error.by_page
    assert "(HTTP 403: Blocked)" in error.message and "proxy" in error.hint


def test_a_path_in_base_url_is_suspected_of_a_404():
    """Usually base_url is the host only."""
    route = Route("https://api.opsera.test/workflow")
    assert "contains the path /workflow" in not_found_hint(STATUS, route)
    assert "ID of the tool" in not_found_hint(TOOL_UPDATE, ROUTE)


def test_a_method_that_the_api_lacks():
    """The user of `api` chose it; for other commands, the response comes from another server."""
    hint = refused(405, b"", endpoint_of("DELETE", "/api/v1/tasks"), ROUTE).hint
    assert hint == "Check the method and the path."
    assert "proxy" in refused(405, b"", STATUS, ROUTE).hint


def test_only_requests_about_a_run_suspect_the_run_number():
    """Where none was given, the hint would mislead."""
    assert "run number" in not_found_hint(STATUS, ROUTE)
    assert not_found_hint(SUMMARY, ROUTE) == "Check the ID of the pipeline and base_url."


@pytest.mark.parametrize("status", [400, 401, 403, 404, 418, 422, 429, 500])
def test_each_refusal_of_each_endpoint_is_readable(status):
    """Each has what was refused, a remedy, and the request as its detail."""
    for endpoint in (*ENDPOINTS, ACTIONS):
        error = refused(status, b"", endpoint, ROUTE)
        assert_readable(error)
        assert error.detail == f"{endpoint.method} https://api.opsera.test{endpoint.path}"
