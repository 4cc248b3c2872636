"""Requests and responses on real sockets: faults on the wire, limits, and what they leave open."""

from __future__ import annotations

import gzip
import json
import os
import signal
import socket
import threading
import time
import zlib
from contextlib import ExitStack, suppress

import pytest

from opsera_step.api import State
from opsera_step.api.transport import MAX_RETRY_AFTER
from opsera_step.clock import FakeClock
from opsera_step.errors import (
    ApiError,
    Cancelled,
    Forbidden,
    Malformed,
    NotFound,
    Redirected,
    Rejected,
    Unauthorized,
    Unavailable,
    Unreachable,
)
from opsera_step.signals import Signals
from tests.support.client import (
    PIPELINE,
    RUN,
    RUNNING,
    TOKEN,
    assert_readable,
    connect,
    error_after,
    error_of,
    soon,
)
from tests.support.wire import Wire, close, http, ok, reset, sends, serving

# --- statuses -------------------------------------------------------------------------------------

REFUSED = (400, 402, 409, 422, 425, 451)
UNKNOWN = (408, 500, 502, 503, 504, 599)
KINDS: dict[int, type[ApiError]] = {
    **dict.fromkeys((301, 302, 303, 304, 307, 308), Redirected),
    **dict.fromkeys(REFUSED, Rejected),
    **dict.fromkeys((429, *UNKNOWN), Unavailable),
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
}


@pytest.mark.parametrize("status", KINDS)
def test_each_status_is_an_error_of_its_kind(status):
    """Each status becomes its kind of error, with the status and the reason in the message."""
    error = error_after(http(status, b'{"message": "the reason"}'))
    assert type(error) is KINDS[status]
    assert_readable(error)
    assert error.message.endswith(f"(HTTP {status}{': the reason' if status >= 400 else ''}).")
    assert error.detail.endswith("/api/v1/pipeline/status")
    assert error.detail.startswith("POST http://127.0.0.1:")
    assert error.transient is (status in (302, 303, 304, 307, 429, *UNKNOWN))
    assert getattr(error, "throttled", False) is (status == 429)
    # A temporary redirect may have had an effect.
    error = error_after(http(status, b"", Location="/elsewhere"))
    assert error.never_accepted is (status not in (*UNKNOWN, 302, 303, 304, 307))


@pytest.mark.parametrize(("value", "refused"), [("7", True), ("0", True), ("soon", False)])
def test_503_with_retry_after_is_a_refusal(value, refused):
    """A 503 that names a time was not accepted; other 5xx leave it open whatever they name."""
    assert error_after(http(503, Retry_After=value)).never_accepted is refused
    assert not error_after(http(502, Retry_After=value)).never_accepted


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (" 7 ", 7), ("0", 0),
        ("Thursday, 01-Jan-26 00:02:00 GMT", 120),
        ("Thu Jan  1 00:02:00 2026", 120),
        ("Thu, 01 Jan 2026 00:02:00 -0000", 120),
        ("Thu, 01 Jan 2026 01:02:00 +0100", 120),
        ("Wed, 31 Dec 2025 23:00:00 GMT", 0),
        ("9" * 400, MAX_RETRY_AFTER),
        ("Thu, 01 Jan 2099 00:00:00 GMT", MAX_RETRY_AFTER),
        ("", None), ("soon", None), ("-5", None), ("1.5", None), ("\xb2", None),
        ("Thu, 99 Jan 2026 00:02:00 GMT", None), ("Thu, 01 Jan 99999 00:02:00 GMT", None),
    ],
)  # fmt: skip
def test_retry_after(monkeypatch, value, seconds):
    """Seconds and each form of HTTP date are read, in any time zone; more than an hour is cut."""
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        for status in (429, 503):
            error = error_after(http(status, Retry_After=value), clock=FakeClock())
            assert error.retry_after == (None if seconds is None else pytest.approx(seconds))
    finally:
        monkeypatch.delenv("TZ")
        time.tzset()


def test_the_rejected_token_is_named_by_its_source():
    """A 401 shows where the token came from, so that the user can renew it."""
    error = error_after(http(401), token_source="OPSERA_TOKEN")
    assert error.message == "Opsera rejected the access token from OPSERA_TOKEN (HTTP 401)."
    assert error_after(http(401)).message == "Opsera rejected the access token (HTTP 401)."


def test_a_broken_body_does_not_hide_the_status():
    """A refusal counts as one even if its body never arrives whole."""
    error = error_after(sends(b"HTTP/1.1 429 X\r\nContent-Length: 99\r\n\r\n{"))
    assert error.never_accepted and error.throttled


# --- where the token is sent ----------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 307])
def test_redirects_are_never_followed(status):
    """Neither to another host nor on this one; the error names the target."""
    with serving(ok(RUNNING)) as other:
        for target in (f"{other.url}/x", "/login"):
            with serving(http(status, Location=target), ok(RUNNING)) as wire:
                error = error_of(wire.url)
            assert isinstance(error, Redirected) and target in error.message
            assert len(wire.requests) == 1
    assert other.connections == 0


def test_a_redirect_to_anything_is_readable():
    """Whatever a redirect names, the error is one short line."""
    for target in ("http://[::1", "/caf\xe9", "//", "http://a b/", "http://127.0.0.1:99999/",
                   "x" * 5000, "http://user:pass@127.0.0.1/", ""):  # fmt: skip
        error = error_after(http(302, Location=target))
        assert type(error) is Redirected
        assert_readable(error)


def test_a_redirect_that_adds_a_slash_has_a_remedy():
    """The API has no slash at the end, so something in between adds it."""
    error = error_after(http(301, Location="/api/v1/pipeline/status/"))
    assert not error.transient and "adds a slash" in error.hint


def test_a_redirect_of_the_api_to_another_host_names_the_base_url():
    """If the same path is on another host, that is the base_url to set."""
    error = error_after(http(308, Location="https://api.example.test/x/api/v1/pipeline/status"))
    assert "set base_url to https://api.example.test/x." in error.hint


def test_netrc_cannot_replace_the_token(tmp_path):
    """A login for the host in ~/.netrc is not sent instead of the token."""
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password secret\n")
    (tmp_path / ".netrc").chmod(0o600)
    with serving(ok(RUNNING)) as wire:
        connect(wire.url).status(RUN, soon())
    assert wire.requests[0].headers["authorization"] == f"Bearer {TOKEN}"


def test_after_a_401_the_token_is_read_again():
    """The next request has the token of the file; without one, it keeps the old."""
    reads: list[object] = ["", FileNotFoundError(), "another.token.entirely", "never read"]

    def reread() -> str:
        found = reads.pop(0)
        if isinstance(found, Exception):
            raise found
        return str(found)

    with serving(http(401), http(401), http(401), http(403), ok(RUNNING)) as wire:
        client = connect(wire.url, reread_token=reread)
        for _ in range(4):
            with pytest.raises((Unauthorized, Forbidden)):
                client.status(RUN, soon())
        client.status(RUN, soon())
    tokens = [one.headers["authorization"] for one in wire.requests]
    assert tokens == [f"Bearer {TOKEN}"] * 3 + ["Bearer another.token.entirely"] * 2
    assert reads == ["never read"]


# --- what broke, and whether the request may have had an effect -----------------------------------


def refused_url() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_a_refused_connection():
    """Nothing was sent, and the message names host and port."""
    url = refused_url()
    error = error_of(url)
    host = url.removeprefix("http://")
    assert error.message == f"Can't connect to {host} (connection refused)."
    assert error.never_accepted and not error.suspect_configuration
    assert_readable(error)


def test_an_unknown_host():
    """Nothing was sent, and base_url is likely wrong."""
    error = error_of("http://no-such-host.invalid")
    assert error.message.startswith("Can't resolve the host name no-such-host.invalid")
    assert error.never_accepted and error.suspect_configuration
    assert_readable(error)


@pytest.mark.parametrize("host", ["a" * 64 + ".invalid", "caf\xe9 .invalid"])
def test_a_host_that_can_not_exist(host):
    """Such an address is a wrong setting, and nothing was sent."""
    error = error_of(f"https://{host}")
    assert type(error) is Unreachable and error.never_accepted and error.suspect_configuration


def test_a_connection_that_times_out():
    """Nothing was sent, and it ends at the deadline."""
    with socket.socket() as listener, ExitStack() as stack:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        # The kernel drops further connections once the queue of those to be accepted is full.
        for _ in range(3):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        time.sleep(0.05)
        started = time.monotonic()
        error = error_of(f"http://127.0.0.1:{listener.getsockname()[1]}", seconds=0.4)
    assert error.never_accepted and error.message.endswith("(timed out).")
    assert time.monotonic() - started < 5
    assert_readable(error)


HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
MAYBE_ACCEPTED = {
    "closed without a response": close,
    "reset": reset,
    "half the headers": sends(HEAD + b"Content-Type: appl"),
    "half a body": sends(HEAD + b"Content-Length: 100\r\n\r\n" + b'{"status": "success"'),
    "whole JSON, but cut off": sends(HEAD + b'Content-Length: 99\r\n\r\n{"status": "success"}'),
    "half a chunk": sends(CHUNKED + b"40\r\n" + b'{"status": "success"}'),
    "no last chunk": sends(CHUNKED + b"15\r\n" + b'{"status": "success"}\r\n'),
    "no size of a chunk": sends(CHUNKED + b"zz\r\n{}\r\n0\r\n\r\n"),
    "not HTTP": sends(b"SSH-2.0-OpenSSH_9.6\r\n"),
    "two lengths": sends(HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n{}"),
    "endless headers": sends(HEAD + b"X-A: b\r\n" * 200 + b"\r\n{}"),
    "a header of 100 KB": sends(HEAD + b"X-A: " + b"b" * 100_000 + b"\r\n\r\n{}"),
    "no gzip": http(200, b"plain", Content_Encoding="gzip"),
    "half a gzip": sends(
        http(200, gzip.compress(json.dumps(RUNNING).encode())[:12], Content_Encoding="gzip")
    ),
    "gzip forty times": http(200, b"x", Content_Encoding=", ".join(["gzip"] * 40)),
}


@pytest.mark.parametrize("name", MAYBE_ACCEPTED)
def test_what_broke_after_sending_may_have_had_an_effect(name):
    """Once the request is out, any fault leaves open whether it had an effect."""
    error = error_after(MAYBE_ACCEPTED[name])
    assert isinstance(error, (Unreachable, Malformed))
    assert error.transient and not error.never_accepted
    assert_readable(error)


def test_an_earlier_error_is_not_taken_for_this_one():
    """A request made while another error is handled reports its own fault only."""
    with serving(reset) as wire:
        try:
            connect(refused_url()).status(RUN, soon())
        except ApiError:
            error = error_of(wire.url)
    assert not error.never_accepted and "The connection to" in error.message


# --- responses ------------------------------------------------------------------------------------

NOT_JSON = {
    "nothing": b"",
    "an HTML page": b"<!doctype html><title>Sign in</title>",
    "words": b"upstream connect error",
    "half a JSON": b'{"status": "success"',
    "deep": b"[" * 200_000,
    "deep and complete": b"[" * 200_000 + b"]" * 200_000,
    "UTF-16": json.dumps(RUNNING).encode("utf-16"),
}


@pytest.mark.parametrize("name", NOT_JSON)
def test_a_body_that_is_not_json(name):
    """It is malformed, shown with its start, and may have had an effect."""
    for content_type in ("application/json", "text/html"):
        error = error_after(http(200, NOT_JSON[name], Content_Type=content_type))
        assert type(error) is Malformed and error.transient and not error.never_accepted
        assert error.message.startswith("Can't read the run status: the response is ")
        assert_readable(error)


def test_an_html_page_is_named_by_its_title():
    """A login page is recognized by its title."""
    error = error_after(http(200, NOT_JSON["an HTML page"]))
    assert "not JSON but an HTML page, “Sign in” (HTTP 200)" in error.message


@pytest.mark.parametrize("status", [200, 204])
def test_an_empty_response(status):
    """A good status without a body is reported as empty."""
    assert f"the response is empty (HTTP {status})" in error_after(http(status)).message


GOOD = json.dumps(RUNNING).encode()
ENCODED = {
    "as a page": http(200, GOOD, Content_Type="text/html; charset=utf-16"),
    "gzip": http(200, gzip.compress(GOOD), Content_Encoding="gzip"),
    "deflate": http(200, zlib.compress(GOOD), Content_Encoding="deflate"),
    "BOM": http(200, b"\xef\xbb\xbf" + GOOD),
    "chunks": CHUNKED + b"".join(b"1\r\n%c\r\n" % byte for byte in GOOD) + b"0\r\n\r\n",
    "trailers": CHUNKED + b"%x\r\n%s\r\n0\r\nX-A: b\r\n\r\n" % (len(GOOD), GOOD),
    "after 100 Continue": b"HTTP/1.1 100 Continue\r\n\r\n" + http(200, GOOD),
    "wrapped": ok({"data": RUNNING}),
    "in a list": ok([RUNNING]),
    "until the connection closes": sends(HEAD + b"\r\n" + GOOD),
}


@pytest.mark.parametrize("name", ENCODED)
def test_a_good_response_in_any_encoding(name):
    """A response is read whatever its type, encoding, or wrapper."""
    with serving(ENCODED[name]) as wire:
        status = connect(wire.url).status(RUN, soon())
    assert (status.state, status.message) == (State.RUNNING, "Step 1 of 3")
    assert wire.requests[0].headers["accept-encoding"] == "gzip"


HOSTILE = (
    b"\x1b[31m::error::x\r\n##[group]y\0\x07" + b"z" * 100_000,
    b'{"message": {"a": ["b"]}}', b'{"message": "' + b"long " * 10_000 + b'"}',
    b'{"message": null, "error": "\\ud800\\u0000 line\\nend"}', b'{"message": 5}', b"[]", b"null",
    b'{"message": "", "error": ""}', b"\xff\xfe\x00", b"<html>" + b"x" * 10_000,
    b"<title>" + b"y" * 10_000,
)  # fmt: skip


@pytest.mark.parametrize("status", [200, 302, 400, 401, 500])
def test_hostile_bodies_make_one_short_line(status):
    """Whatever is in the body of a bad response, the message is one line of bounded length."""
    for body in HOSTILE:
        error = error_after(http(status, body))
        assert len(error.message) < 400
        assert "\n" not in error.message and "\r" not in error.message


# --- time -----------------------------------------------------------------------------------------


def seconds_of(wire: Wire, deadline: float) -> float:
    """Send a request that fails and may have had an effect; return how long that took."""
    started = time.monotonic()
    error = error_of(wire.url, seconds=deadline)
    assert isinstance(error, Unreachable) and not error.never_accepted
    assert_readable(error)
    return time.monotonic() - started


def test_a_hanging_server_does_not_outlast_the_deadline():
    """If no response comes, the request ends at the deadline."""
    with Wire() as wire:
        wire.answers = [wire.hang]
        assert 0.3 <= seconds_of(wire, 0.4) < 1.0


def test_a_deadline_in_the_past_still_leaves_time_for_a_response():
    """A request at the last moment gets a tenth of a second, neither nothing nor forever."""
    with Wire() as wire:
        wire.answers = [ok(RUNNING)]
        assert connect(wire.url).status(RUN, soon(-5)).state is State.RUNNING
    with Wire() as wire:
        wire.answers = [wire.hang]
        assert seconds_of(wire, -5) < 1.0


LONG = HEAD + b"Content-Length: 1000000\r\n"
TRICKLES = {
    "a body": (LONG + b"\r\n", b" "),
    "chunks": (CHUNKED, b"1\r\n \r\n"),
    "gzip": (LONG + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b" " * 1000)[:14], b"\0\0"),
    "a stalled body": (LONG + b"\r\n{", b""),
}


@pytest.mark.parametrize("name", TRICKLES)
def test_a_trickling_body_does_not_outlast_the_deadline(name):
    """A body that arrives byte by byte, or stops arriving, is abandoned at the deadline."""
    with Wire() as wire:
        wire.answers = [wire.trickle(*TRICKLES[name])]
        assert seconds_of(wire, 0.5) < 1.5


def test_a_trickling_error_page_does_not_outlast_the_deadline():
    """The status is known, so the page is not waited for longer than that."""
    with Wire() as wire:
        wire.answers = [wire.trickle(LONG.replace(b"200 OK", b"502 Bad") + b"\r\n", b"x")]
        started = time.monotonic()
        assert "HTTP 502" in error_of(wire.url, seconds=0.5).message
        assert time.monotonic() - started < 1.5


# --- connections ----------------------------------------------------------------------------------


def test_connections_are_kept():
    """All requests use one connection, also after an error."""
    with serving(ok(RUNNING), ok([]), http(500), ok(RUNNING)) as wire:
        client = connect(wire.url)
        client.status(RUN, soon())
        client.logs(RUN, soon(), console_only=True)
        with pytest.raises(Unavailable):
            client.status(RUN, soon())
        client.status(RUN, soon())
    assert [one.connection for one in wire.requests] == [1, 1, 1, 1]


@pytest.mark.parametrize("name", ["run", "stop"])
def test_requests_that_must_not_be_repeated_use_a_new_connection(name):
    """`run` and `stop` never go over a kept connection, which may turn out to be closed."""
    changed = ok({"status": "success", "runCount": 1})
    with serving(ok(RUNNING), changed, ok(RUNNING)) as wire:
        client = connect(wire.url)
        client.status(RUN, soon())
        getattr(client, name)(PIPELINE, soon())
        client.status(RUN, soon())
    assert [one.connection for one in wire.requests] == [1, 2, 2]


def test_a_kept_connection_that_the_server_closed():
    """It is replaced without an error."""
    with serving(sends(ok(RUNNING)), ok(RUNNING)) as wire:
        client = connect(wire.url)
        client.status(RUN, soon())
        time.sleep(0.1)
        client.status(RUN, soon())
    assert [one.connection for one in wire.requests] == [1, 2]


def test_a_connection_with_half_a_response_is_not_used_again():
    """The rest of a response that was given up is not taken for the next response."""
    with Wire() as wire:
        wire.answers = [wire.trickle(LONG + b"\r\n", b" "), ok(RUNNING)]
        client = connect(wire.url)
        with pytest.raises(Unreachable):
            client.status(RUN, soon(0.2))
        assert client.status(RUN, soon()).state is State.RUNNING
    assert [one.connection for one in wire.requests] == [1, 2]


def test_nothing_below_the_client_repeats_a_request():
    """If the server drops a request, it was sent once."""
    with serving(ok(RUNNING), close) as wire:
        client = connect(wire.url)
        client.status(RUN, soon())
        with pytest.raises(Unreachable):
            client.status(RUN, soon())
    assert len(wire.requests) == 2


# --- ETags ----------------------------------------------------------------------------------------


def test_an_unchanged_response_is_not_sent_again():
    """After an ETag, the same request asks for changes only, over the same connection."""
    with serving(ok(RUNNING, ETag='W/"1"'), http(304), ok({"status": "success"})) as wire:
        client = connect(wire.url)
        values = [client.status(RUN, soon()).value for _ in range(3)]
        assert values == ["running", "running", "success"]
        client.status(RUN, soon())
    conditions = [one.headers.get("if-none-match") for one in wire.requests]
    assert conditions == [None, 'W/"1"', 'W/"1"', None]
    assert [one.connection for one in wire.requests] == [1, 1, 1, 1]


def test_the_etag_of_another_request_is_not_sent():
    """A condition belongs to the request with the same body."""
    with serving(ok([], ETag='"1"')) as wire:
        client = connect(wire.url)
        client.logs(RUN, soon(), console_only=True)
        client.logs(RUN, soon(), console_only=False)
    assert [one.headers.get("if-none-match") for one in wire.requests] == [None, None]


def test_a_server_that_refuses_conditions_gets_none():
    """After a 412, the request is repeated without its condition, as are all later ones."""
    with serving(ok(RUNNING, ETag='"1"'), http(412), ok(RUNNING, ETag='"2"')) as wire:
        client = connect(wire.url)
        for _ in range(3):
            assert client.status(RUN, soon()).value == "running"
    conditions = [one.headers.get("if-none-match") for one in wire.requests]
    assert conditions == [None, '"1"', None, None]


# --- the hooks of the caller ----------------------------------------------------------------------


def test_a_signal_ends_the_wait():
    """A signal that comes while a response is awaited ends the request at once, as Cancelled."""
    signals = Signals()
    before = signal.signal(signal.SIGUSR1, lambda *_: signals.notice(signal.SIGTERM))
    try:
        with Wire() as wire:

            def kill(peer: socket.socket) -> None:
                # Only a thread that waits already is woken.
                time.sleep(0.3)
                os.kill(os.getpid(), signal.SIGUSR1)
                wire.hang(peer)

            wire.answers = [kill]
            client = connect(wire.url, guard=signals.guard)
            started = time.monotonic()
            with pytest.raises(Cancelled):
                client.status(RUN, soon(10))
            assert time.monotonic() - started < 2
            # Afterwards the client can still stop the run.
            wire.answers = [ok({"status": "success", "message": "stopping"})]
            assert client.stop(PIPELINE, soon()).message == "stopping"
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_each_request_is_logged():
    """The log gets method, path, status, and time of each request, and nothing secret."""
    entries: list[tuple[str, str, int | None, float]] = []
    with serving(ok(RUNNING), http(503), close) as wire:
        client = connect(wire.url, log_request=lambda *entry: entries.append(entry))
        client.status(RUN, soon())
        for _ in range(2):
            with suppress(ApiError):
                client.pipelines(soon())
    assert [entry[:3] for entry in entries] == [
        ("POST", "/api/v1/pipeline/status", 200),
        ("GET", "/api/v1/pipeline/pipelines", 503),
        ("GET", "/api/v1/pipeline/pipelines", None),
    ]
    assert all(0 <= entry[3] < 5 for entry in entries)
    assert TOKEN not in str(entries)


def test_whether_a_request_ever_succeeded():
    """Only a good response counts: no refusal, page, or broken connection."""
    with serving(http(403), http(200, b"<html>"), close, ok(RUNNING)) as wire:
        client = connect(wire.url)
        for _ in range(3):
            with pytest.raises(ApiError):
                client.status(RUN, soon())
            assert not client.ever_responded
        client.status(RUN, soon())
        assert client.ever_responded


def test_the_clock_skew_is_that_of_the_latest_response():
    """It is what the Date of a response differs from this clock."""
    clock = FakeClock()
    with serving(ok(RUNNING, Date="Wed, 31 Dec 2025 23:59:00 GMT")) as wire:
        client = connect(wire.url, clock)
        assert client.clock_skew is None
        client.status(RUN, soon())
    assert client.clock_skew == pytest.approx(60)


def test_threads_share_no_state_of_a_request():
    """A second thread, such as the watchdog's, can send a request while one waits."""
    with Wire() as wire:
        wire.answers = [wire.hang, ok({"status": "success", "message": "stopping"})]
        client = connect(wire.url)
        errors: list[BaseException] = []

        def wait() -> None:
            try:
                client.status(RUN, soon(1))
            except ApiError as error:
                errors.append(error)

        waiting = threading.Thread(target=wait)
        waiting.start()
        time.sleep(0.1)
        assert client.stop(PIPELINE, soon()).message == "stopping"
        waiting.join()
    assert "No response" in str(errors[0])
