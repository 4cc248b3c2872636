"""The client against a real server on a real socket, so that every fault on the wire is real."""

from __future__ import annotations

import gzip
import inspect
import json
import os
import re
import signal
import socket
import threading
import time
import zlib
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Any

import pytest
import requests
import urllib3

from opsera_step.api import STATUS, OpseraClient, Run, State
from opsera_step.api.failures import foreign_errors_mapped
from opsera_step.api.transport import LONGEST_RETRY_AFTER
from opsera_step.clock import Deadline, FakeClock, SystemClock
from opsera_step.errors import (
    ApiError,
    Cancelled,
    Forbidden,
    InvalidInput,
    Malformed,
    NotFound,
    Redirected,
    Rejected,
    Unauthorized,
    Unavailable,
    Unreachable,
)
from opsera_step.signals import Cancellation
from tests.support.authority import Authority
from tests.support.wire import Answer, Proxy, Wire, close, http, ok, reset, sends, serving

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1cyJ9.c2lnbmF0dXJl"
PIPELINE = "65a4f00dc0ffee0123456789"
RUN = Run(PIPELINE, 42)
RUNNING = {"status": "running", "message": "Step 1 of 3"}


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch, tmp_path):
    """No proxy, CA bundle or ~/.netrc of the machine that the tests run on."""
    for name in tuple(os.environ):
        if name.lower().endswith("_proxy") or name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


def connect(url: str, clock: Any = None, **options: Any) -> OpseraClient:
    return OpseraClient(url, TOKEN, clock or SystemClock(), **options)


def soon(seconds: float = 5.0) -> Deadline:
    return Deadline.after(SystemClock(), seconds)


def error_of(url: str, seconds: float = 5.0, **options: Any) -> ApiError:
    """Ask for a status and return the error that comes."""
    with pytest.raises(ApiError) as caught:
        connect(url, **options).status(RUN, soon(seconds))
    return caught.value


def error_after(*answers: Answer, **options: Any) -> ApiError:
    with serving(*answers) as wire:
        return error_of(wire.url, **options)


SENTENCE = re.compile(r"[a-z]+/[a-z]+ (at https?://\S+ failed|failed|answered|.*)[^\n\r]*[.…”]")


def assert_readable(error: ApiError) -> None:
    """Check that an error reads as a sentence of ours: no token, no Python, no line ends."""
    text = error.message + " " + error.hint
    assert TOKEN not in text and TOKEN.split(".")[2] not in text
    assert SENTENCE.fullmatch(error.message), error.message
    assert not re.search(r"urllib3|requests\.|HTTPConnection|<class|object at 0x|Errno|\(b'", text)
    assert error.hint.endswith(".")
    assert len(error.message) < 400


# --- the requests ---------------------------------------------------------------------------------

RECORD = {"_id": "a", "action": "console output", "api_response": "hello"}
ACTIVITY = {"_id": "b", "action": "run", "message": "started"}
BARE = {"_id": "c", "message": "from an older server"}
PIPELINE_OBJECT = {"_id": PIPELINE, "name": "Deploy shop", "workflow": {"run_count": 41}}
ONLY_ID = {"pipelineId": PIPELINE}
WITH_RUN = {"pipelineId": PIPELINE, "runCount": 42}
CONSOLE = {**WITH_RUN, "type": "console output"}
CALLS: dict[str, tuple[Callable[[OpseraClient], Any], str, str, dict[str, Any] | None, Any]] = {
    "run": (lambda c: c.run(PIPELINE, soon()), "POST", "pipeline/run", ONLY_ID,
            {"status": "executed", "runCount": 42}),
    "status": (lambda c: c.status(RUN, soon()), "POST", "pipeline/status", WITH_RUN, RUNNING),
    "summary": (lambda c: c.summary(PIPELINE, soon()), "POST", "pipeline/summary", ONLY_ID,
                PIPELINE_OBJECT),
    "console log": (lambda c: c.logs(RUN, soon(), console_only=True), "POST", "pipeline/logs",
                    CONSOLE, [RECORD]),
    "whole log": (lambda c: c.logs(RUN, soon(), console_only=False), "POST", "pipeline/logs",
                  WITH_RUN, [RECORD]),
    "stop": (lambda c: c.stop(PIPELINE, soon()), "POST", "pipeline/stop", ONLY_ID,
             {"status": "success", "message": "stopping"}),
    "reset": (lambda c: c.reset(PIPELINE, soon()), "POST", "pipeline/reset", ONLY_ID,
              {"status": "success", "message": "reset"}),
    "pipelines": (lambda c: c.pipelines(soon()), "GET", "pipeline/pipelines", None,
                  [PIPELINE_OBJECT]),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_each_call_sends_its_request(name):
    """Each call sends exactly one request: its method, path and JSON, the token and who asks."""
    ask, method, path, body, answer = CALLS[name]
    with serving(ok(answer)) as wire:
        ask(connect(wire.url, agent="(github)"))
    (request,) = wire.requests
    assert (request.method, request.path) == (method, f"/api/v1/{path}")
    assert (json.loads(request.body) if request.body else None) == body
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.headers["accept"] == "application/json"
    assert re.fullmatch(r"opsera-step/\d\S* \(github\)", request.headers["user-agent"])
    assert request.headers.get("content-type") == (None if body is None else "application/json")


def test_a_slash_at_the_end_of_base_url_is_not_doubled():
    """`base_url` may end with a slash."""
    with serving(ok(RUNNING)) as wire:
        connect(wire.url + "/").status(RUN, soon())
    assert wire.requests[0].path == "/api/v1/pipeline/status"


@pytest.mark.parametrize("wrap", [lambda data: data, lambda data: {"data": data}])
def test_answers_are_read_bare_or_wrapped(wrap):
    """A list or an object is read with and without `{"data": …}` around it."""
    answers = [ok(wrap(one)) for one in ([RECORD], PIPELINE_OBJECT, [PIPELINE_OBJECT])]
    with serving(*answers) as wire:
        client = connect(wire.url)
        assert [one.text for one in client.logs(RUN, soon(), console_only=True)] == ["hello"]
        assert client.summary(PIPELINE, soon()).run_count == 41
        assert [one.name for one in client.pipelines(soon()).items] == ["Deploy shop"]


def test_a_log_comes_whole():
    """Where the server ignores the filter all records are returned, so that none is miscounted."""
    with serving(ok([RECORD, ACTIVITY, BARE])) as wire:
        client = connect(wire.url)
        assert [one.id for one in client.logs(RUN, soon(), console_only=True)] == ["a", "b", "c"]


@pytest.mark.parametrize("name", ["stop", "reset"])
def test_a_refusal_with_http_200_is_an_error(name):
    """`status: failed` in the body of a stop or reset is a refusal, whatever the HTTP code says."""
    refusal = ok({"status": "failed", "message": "not now"})
    with serving(refusal) as wire, pytest.raises(Rejected) as caught:
        CALLS[name][0](connect(wire.url))
    assert caught.value.message == f"pipeline/{name} answered with a refusal: not now."


def test_a_refused_run_is_an_answer():
    """A run that is refused with HTTP 200 is no error of the client."""
    with serving(ok({"status": "failed", "message": "in a paused state"})) as wire:
        answer = connect(wire.url).run(PIPELINE, soon())
    assert answer.refused and answer.run_count is None


# --- HTTP codes -----------------------------------------------------------------------------------

SEEN_AND_REFUSED = (400, 402, 405, 406, 409, 410, 413, 415, 422, 431, 451)
TROUBLE = (408, 425, 429, 500, 501, 502, 503, 504, 520, 599)
KIND_OF_STATUS: dict[int, type[ApiError]] = {
    **dict.fromkeys((301, 302, 303, 304, 307, 308), Redirected),
    **dict.fromkeys(SEEN_AND_REFUSED, Rejected),
    **dict.fromkeys(TROUBLE, Unavailable),
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
}


@pytest.mark.parametrize("status", KIND_OF_STATUS)
def test_each_http_code_has_its_error(status):
    """Each HTTP code becomes its kind of error, with the code and the API's reason in it."""
    error = error_after(http(status, b'{"message": "the reason"}'))
    assert type(error) is KIND_OF_STATUS[status]
    assert error.message.startswith(f"pipeline/status answered HTTP {status}")
    assert_readable(error)
    if status >= 400:
        assert error.message.endswith(": the reason.")
    assert error.transient is (status < 400 or status in TROUBLE)
    assert getattr(error, "throttled", False) is (status == 429)


@pytest.mark.parametrize("status", KIND_OF_STATUS)
def test_what_was_certainly_not_accepted(status):
    """Refusals certainly did nothing; trouble and an answered form (302, 303) may have."""
    error = error_after(http(status, b"", Location="/elsewhere"))
    assert error.never_accepted is (status not in (*TROUBLE, 302, 303))


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7), (" 7 ", 7), ("0", 0), ("120", 120),
        ("Thu, 01 Jan 2026 00:02:00 GMT", 120),
        ("Thursday, 01-Jan-26 00:02:00 GMT", 120),
        ("Thu Jan  1 00:02:00 2026", 120),
        ("Thu, 01 Jan 2026 00:02:00 -0000", 120),
        ("Thu, 01 Jan 2026 01:02:00 +0100", 120),
        ("Wed, 31 Dec 2025 23:00:00 GMT", 0),
        ("", None), ("soon", None), ("-5", None), ("1.5", None), ("1e3", None), ("\xb2", None),
        ("Thu, 99 Jan 2026 00:02:00 GMT", None), ("Thu, 01 Jan 99999 00:02:00 GMT", None),
        (",", None), ("0 ", 0), ("12:00", None),
    ],
)  # fmt: skip
def test_retry_after(monkeypatch, value, seconds):
    """Retry-After is read as seconds and as each form of HTTP date, in any time zone of ours."""
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        error = error_after(http(429, Retry_After=value), clock=FakeClock())
    finally:
        monkeypatch.delenv("TZ")
        time.tzset()
    assert error.retry_after == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize("value", ["86400", "9" * 400, "Thu, 01 Jan 2099 00:00:00 GMT"])
def test_an_endless_retry_after_is_an_hour(value):
    """Nobody is made to wait for days by a server, or by a clock that is wrong."""
    assert error_after(http(503, Retry_After=value)).retry_after == LONGEST_RETRY_AFTER


# --- where the token goes -------------------------------------------------------------------------

HOSTILE_TARGETS = (
    "http://[::1", "/caf\xe9", "//", "http://", "javascript:alert(1)", "http://a b/", "\\\\x\\y",
    "http://127.0.0.1:99999/", "x" * 5000, "http://user:pass@127.0.0.1/", "",
)  # fmt: skip


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_never_followed(status):
    """A redirect to another host or to this one is an error that names the target, no request."""
    with serving(ok(RUNNING)) as other:
        for target in (f"{other.url}/x", "/login"):
            with serving(http(status, Location=target), ok(RUNNING)) as wire:
                error = error_of(wire.url)
            assert isinstance(error, Redirected) and target in error.message
            assert len(wire.requests) == 1
    assert other.connections == 0


@pytest.mark.parametrize("target", HOSTILE_TARGETS)
def test_a_redirect_to_anything_is_a_redirect(target):
    """Whatever nonsense a redirect names, it is one of our errors and reads well."""
    error = error_after(http(302, Location=target))
    assert type(error) is Redirected
    assert len(error.message) < 400 and "\n" not in error.message


def test_a_redirect_without_a_target():
    """A redirect may lack its target."""
    assert "an unknown address" in error_after(http(307)).message


def test_netrc_cannot_replace_the_token(tmp_path):
    """What ~/.netrc says of the host does not go where the token belongs."""
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password secret\n")
    (tmp_path / ".netrc").chmod(0o600)
    with serving(ok(RUNNING)) as wire:
        connect(wire.url).status(RUN, soon())
    assert wire.requests[0].headers["authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
def test_plain_http_goes_through_no_proxy(monkeypatch, name):
    """Plain http is for this machine only, so its token reaches no proxy in the clear."""
    with serving(ok(RUNNING)) as proxy, serving(ok(RUNNING)) as wire:
        monkeypatch.setenv(name, proxy.url)
        connect(wire.url).status(RUN, soon())
    assert (len(wire.requests), proxy.connections) == (1, 0)


# --- what can have been seen ----------------------------------------------------------------------


def refused_url() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_a_refused_connection_was_never_accepted():
    """Where nobody listens, the request was certainly not seen."""
    error = error_of(refused_url())
    assert type(error) is Unreachable and error.never_accepted
    assert "no connection could be made" in error.message
    assert_readable(error)


def test_an_unknown_host_was_never_accepted():
    """Where the name can't be resolved, the request was not seen and base_url is suspect."""
    error = error_of("http://no-such-host.invalid")
    assert type(error) is Unreachable and error.never_accepted and error.suspect_configuration
    assert "its host name can't be resolved" in error.message
    assert_readable(error)


@pytest.mark.parametrize("host", ["a" * 64 + ".invalid", "x..invalid", "caf\xe9 .invalid"])
def test_a_host_that_cannot_be(host):
    """An address that cannot be is told as one, and was never accepted."""
    error = error_of(f"https://{host}")
    assert type(error) is Unreachable and error.never_accepted and error.suspect_configuration


def test_a_connection_that_never_comes_about_was_never_accepted():
    """A connect time-out means that nothing was sent, and it comes by the deadline."""
    with socket.socket() as listener, ExitStack() as stack:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        # The kernel drops whoever comes once the queue of those to be accepted is full.
        for _ in range(3):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        time.sleep(0.05)
        began = time.monotonic()
        error = error_of(f"http://127.0.0.1:{listener.getsockname()[1]}", seconds=0.4)
    assert error.never_accepted and "no connection came about in time" in error.message
    assert time.monotonic() - began < 5
    assert_readable(error)


HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
MAYBE_SEEN: dict[str, Answer] = {
    "closed without an answer": close,
    "reset": reset,
    "half a status line": sends(b"HTTP/1."),
    "half the headers": sends(HEAD + b"Content-Type: appl"),
    "half an answer": sends(HEAD + b"Content-Length: 100\r\n\r\n" + b'{"status": "success"'),
    "whole JSON, but cut off": sends(HEAD + b'Content-Length: 99\r\n\r\n{"status": "success"}'),
    "no chunk": sends(CHUNKED),
    "half a chunk": sends(CHUNKED + b"40\r\n" + b'{"status": "success"}'),
    "no last chunk": sends(CHUNKED + b"15\r\n" + b'{"status": "success"}\r\n'),
    "no size of a chunk": sends(CHUNKED + b"zz\r\n{}\r\n0\r\n\r\n"),
    "a negative chunk": sends(CHUNKED + b"-5\r\n{}\r\n0\r\n\r\n"),
    "not HTTP": sends(b"SSH-2.0-OpenSSH_9.6\r\n"),
    "no number": sends(b"HTTP/1.1 two OK\r\n\r\n{}"),
    "two lengths": sends(HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n{}"),
    "endless headers": sends(HEAD + b"X-A: b\r\n" * 200 + b"\r\n{}"),
    "a header of 100 KB": sends(HEAD + b"X-A: " + b"b" * 100_000 + b"\r\n\r\n{}"),
    "no gzip": http(200, b"plain", Content_Encoding="gzip"),
    "half a gzip": sends(
        http(200, gzip.compress(json.dumps(RUNNING).encode())[:12], Content_Encoding="gzip")
    ),
    "no deflate": http(200, b"plain", Content_Encoding="deflate"),
    "gzip forty times": http(200, b"x", Content_Encoding=", ".join(["gzip"] * 40)),
}


@pytest.mark.parametrize("name", MAYBE_SEEN)
def test_what_broke_after_sending_may_have_been_seen(name):
    """Once the request is out, any fault leaves open whether it took effect; it can be repeated."""
    error = error_after(MAYBE_SEEN[name])
    assert isinstance(error, (Unreachable, Malformed))
    assert error.transient and not error.never_accepted
    assert_readable(error)


def test_an_earlier_error_is_not_taken_for_this_one():
    """A call made while another one's error is handled tells of its own fault only."""
    with serving(reset) as wire:
        try:
            connect(refused_url()).status(RUN, soon())
        except ApiError:
            error = error_of(wire.url)
    assert not error.never_accepted
    assert "the connection broke off" in error.message


# --- what an answer may hold ----------------------------------------------------------------------

NO_JSON: dict[str, bytes] = {
    "nothing": b"",
    "blanks": b" \r\n ",
    "a page": b"<!doctype html><title>Sign in</title>",
    "words": b"upstream connect error",
    "half a JSON": b'{"status": "success"',
    "two JSONs": b"{}{}",
    "a deep JSON": b"[" * 200_000,
    "a deep JSON that ends": b"[" * 200_000 + b"]" * 200_000,
    "NUL": b"\0" * 100,
    "UTF-16": json.dumps(RUNNING).encode("utf-16"),
}


@pytest.mark.parametrize("content_type", ["application/json", "text/html"])
@pytest.mark.parametrize("name", NO_JSON)
def test_an_answer_that_is_no_json(name, content_type):
    """Anything but JSON is malformed, told with its beginning, and may have taken effect."""
    error = error_after(http(200, NO_JSON[name], Content_Type=content_type))
    assert type(error) is Malformed and error.transient and not error.never_accepted
    assert error.message.startswith("pipeline/status answered HTTP 200, but not with JSON: it ")


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_an_empty_answer_is_told_as_empty(status):
    """A good code without a body is no answer."""
    assert error_after(http(status)).message.endswith("but not with JSON: it is empty.")


@pytest.mark.parametrize("data", [None, True, 5, 1.5, [], {}, [[]], {"data": 5}, [1, 2], ""])
@pytest.mark.parametrize("name", [name for name in CALLS if not name.endswith("log")])
def test_json_of_another_shape(name, data):
    """JSON without what the call is asked for is malformed, for each call."""
    with serving(ok(data)) as wire:
        if name == "pipelines" and isinstance(data, list):
            assert CALLS[name][0](connect(wire.url)).items == ()
            return
        with pytest.raises(Malformed, match="answered JSON of an unknown shape") as caught:
            CALLS[name][0](connect(wire.url))
    assert_readable(caught.value)


GOOD_BODY = json.dumps(RUNNING).encode()
ENCODED: dict[str, bytes] = {
    "as a page": http(200, GOOD_BODY, Content_Type="text/html; charset=utf-16"),
    "without a type": http(200, GOOD_BODY),
    "gzip": http(200, gzip.compress(GOOD_BODY), Content_Encoding="gzip"),
    "deflate": http(200, zlib.compress(GOOD_BODY), Content_Encoding="deflate"),
    "bare deflate": http(200, zlib.compress(GOOD_BODY)[2:-4], Content_Encoding="deflate"),
    "BOM": http(200, b"\xef\xbb\xbf" + GOOD_BODY),
    "chunks": CHUNKED + b"".join(b"1\r\n%c\r\n" % byte for byte in GOOD_BODY) + b"0\r\n\r\n",
    "trailers": CHUNKED + b"%x\r\n%s\r\n0\r\nX-A: b\r\n\r\n" % (len(GOOD_BODY), GOOD_BODY),
    "after 100 Continue": b"HTTP/1.1 100 Continue\r\n\r\n" + http(200, GOOD_BODY),
    "padded": http(200, b"\r\n \t" + GOOD_BODY + b"\r\n"),
    "wrapped": ok({"data": RUNNING}),
    "in a list": ok([RUNNING]),
}


@pytest.mark.parametrize("name", ENCODED)
def test_a_good_answer_however_it_comes(name):
    """The answer is read whatever its type, encoding or packing."""
    with serving(ENCODED[name]) as wire:
        status = connect(wire.url).status(RUN, soon())
    assert (status.state, status.message) == (State.RUNNING, "Step 1 of 3")


def test_an_answer_until_the_connection_is_closed():
    """Without a length the answer ends with the connection."""
    with serving(sends(HEAD + b"\r\n" + GOOD_BODY)) as wire:
        assert connect(wire.url).status(RUN, soon()).state is State.RUNNING


def test_invalid_utf8_costs_a_character_not_the_answer():
    """Bytes that are no UTF-8 become replacement characters."""
    with serving(http(200, b'[{"_id": "a", "message": "caf\xe9 \xff"}]')) as wire:
        (record,) = connect(wire.url).logs(RUN, soon(), console_only=True)
    assert record.text == "caf\N{REPLACEMENT CHARACTER} \N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "1.5", '"x"', "null"])
def test_numbers_that_are_none(number):
    """A run count that is no whole number is taken as missing."""
    with serving(http(200, b'{"status": "executed", "runCount": %s}' % number.encode())) as wire:
        assert connect(wire.url).run(PIPELINE, soon()).run_count is None


@pytest.mark.parametrize("digits", [5_000, 1_000_000])
def test_a_number_of_very_many_digits(digits):
    """A number too long to be one is taken as missing, wherever in the answer it is."""
    body = b'{"status": "executed", "runCount": %s, "x": -%s}' % ((b"9" * digits,) * 2)
    began = time.monotonic()
    with serving(http(200, body)) as wire:
        assert connect(wire.url).run(PIPELINE, soon()).run_count is None
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999", "-2.5E+400", "9" * 5000])
def test_a_number_that_cannot_be_held_is_kept_as_text(number):
    """What Python has no number for stays as it came, so that it can be written as JSON again."""
    with serving(http(200, b'{"status": "running", "x": [%s, 1.5, 7]}' % number.encode())) as wire:
        whole = connect(wire.url).status(RUN, soon()).response
    assert whole["x"] == [number, 1.5, 7]
    assert json.dumps(whole, allow_nan=False)


@pytest.mark.parametrize("depth", [50, 200, 300, 400, 600, 900, 950, 990, 1100, 1500, 3000, 9000])
@pytest.mark.parametrize("status", [200, 400])
def test_nesting_of_any_depth(depth, status):
    """Deep nesting, even as deep as JSON can just be read, is text or malformed, never a crash."""
    nest = b"[" * depth + b"]" * depth
    body = b'[{"_id": "a", "action": "console output", "api_response": {"x": %s}}]' % nest
    body = body if status == 200 else b'{"message": %s}' % nest
    with serving(http(status, body)) as wire, suppress(Malformed, Rejected):
        (record,) = connect(wire.url).logs(RUN, soon(), console_only=True)
        assert record.text.count("[") == depth


def test_fifty_megabytes():
    """An answer of 50 MB is read within seconds."""
    line = "x" * 99 + "\n"
    records = [{"_id": f"{n:024x}", "api_response": line * 1000} for n in range(500)]
    answer = ok(records)
    began = time.monotonic()
    with serving(answer) as wire:
        got = connect(wire.url).logs(RUN, soon(30), console_only=True)
    assert sum(len(one.text) for one in got) == 50_000_000
    assert time.monotonic() - began < 5


# --- time -----------------------------------------------------------------------------------------


def seconds_of(wire: Wire, deadline: float) -> float:
    """Ask, expect an error that may have been seen, and return how long that took."""
    began = time.monotonic()
    error = error_of(wire.url, seconds=deadline)
    assert isinstance(error, Unreachable) and not error.never_accepted
    assert_readable(error)
    return time.monotonic() - began


def test_a_hanging_server_does_not_outlast_the_deadline():
    """When no answer comes, the call ends at the deadline."""
    with Wire() as wire:
        wire.answers = [wire.hang]
        assert 0.3 <= seconds_of(wire, 0.4) < 1.0


def test_a_deadline_in_the_past_still_leaves_time_for_an_answer():
    """A call begun at the last moment is given a tenth of a second, not none and not for ever."""
    with Wire() as wire:
        wire.answers = [ok(RUNNING)]
        assert connect(wire.url).status(RUN, soon(-5)).state is State.RUNNING
    with Wire() as wire:
        wire.answers = [wire.hang]
        assert seconds_of(wire, -5) < 1.0


LONG = HEAD + b"Content-Length: 1000000\r\n"
TRICKLES = {
    "headers": (HEAD + b"X-Slow: ", b"x"),
    "a word of status": (b"HTTP/1.1 200 ", b"O"),
    "goes on and on": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a body": (LONG + b"\r\n", b" "),
    "chunks": (CHUNKED, b"1\r\n \r\n"),
    "a page of an error": (LONG.replace(b"200 OK", b"502 Bad") + b"\r\n", b"x"),
    "a redirect": (LONG.replace(b"200 OK", b"302 Found") + b"Location: /x\r\n\r\n", b"x"),
    "gzip": (LONG + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b" " * 1000)[:14], b"\0\0"),
}


@pytest.mark.parametrize("name", TRICKLES)
def test_a_trickling_server_does_not_outlast_the_deadline(name):
    """An answer that comes drop by drop is given up at the deadline."""
    with Wire() as wire:
        wire.answers = [wire.trickle(*TRICKLES[name])]
        assert seconds_of(wire, 0.5) < 1.5


def test_a_server_that_stalls_in_its_answer():
    """An answer that stops in the middle is given up at the deadline."""
    with Wire() as wire:
        wire.answers = [lambda peer: (peer.sendall(LONG + b"\r\n{"), wire.hang(peer))[1]]
        assert seconds_of(wire, 0.5) < 1.5


def test_a_trickling_tls_handshake_does_not_outlast_the_deadline():
    """A server that never ends its part of the handshake is given up at the deadline."""
    hello = b"\x16\x03\x03\x3f\xff\x02\x00\x3f\xfb"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        over = threading.Event()

        def answer() -> None:
            peer = listener.accept()[0]
            with peer, suppress(OSError):
                peer.sendall(hello)
                while not over.wait(0.05):
                    peer.sendall(b"\0")

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        began = time.monotonic()
        error = error_of(f"https://127.0.0.1:{listener.getsockname()[1]}", seconds=0.5)
        took = time.monotonic() - began
        over.set()
        thread.join(5)
    assert isinstance(error, Unreachable)
    assert 0.4 <= took < 10


# --- connections ----------------------------------------------------------------------------------


def test_connections_are_kept():
    """Call after call goes over one connection."""
    with serving(ok(RUNNING), ok([RECORD]), http(500), ok(RUNNING)) as wire:
        client = connect(wire.url)
        client.status(RUN, soon())
        client.logs(RUN, soon(), console_only=True)
        with pytest.raises(Unavailable):
            client.status(RUN, soon())
        client.status(RUN, soon())
    assert [one.connection for one in wire.requests] == [1, 1, 1, 1]


@pytest.mark.parametrize("name", ["run", "stop"])
def test_what_must_not_be_repeated_goes_over_a_new_connection(name):
    """A `run` or `stop` never goes over a kept connection, which may turn out to be closed."""
    with serving(ok(RUNNING), ok(CALLS[name][4]), ok(RUNNING)) as wire:
        client = connect(wire.url)
        client.status(RUN, soon())
        CALLS[name][0](client)
        client.status(RUN, soon())
    assert [one.connection for one in wire.requests] == [1, 2, 2]


def test_a_kept_connection_that_the_server_closed():
    """A connection that the server has closed meanwhile is replaced without an error."""
    with serving(sends(ok(RUNNING)), ok(RUNNING)) as wire:
        client = connect(wire.url)
        client.status(RUN, soon())
        time.sleep(0.1)
        client.status(RUN, soon())
    assert [one.connection for one in wire.requests] == [1, 2]


def test_a_connection_with_half_an_answer_is_not_used_again():
    """After an answer that was given up, the rest of it is not taken for the next answer."""
    with Wire() as wire:
        slow = wire.trickle(LONG + b"\r\n", b" ")
        wire.answers = [slow, ok(RUNNING)]
        client = connect(wire.url)
        with pytest.raises(Unreachable):
            client.status(RUN, soon(0.2))
        assert client.status(RUN, soon()).state is State.RUNNING
    assert [one.connection for one in wire.requests] == [1, 2]


def test_a_lost_request_is_not_repeated_behind_our_back():
    """When the server drops a request, nothing below the client sends it again."""
    with serving(ok(RUNNING), close) as wire:
        client = connect(wire.url)
        client.status(RUN, soon())
        with pytest.raises(Unreachable):
            client.status(RUN, soon())
    assert len(wire.requests) == 2


# --- nothing foreign gets out, nothing of ours gets lost ------------------------------------------


def _foreign() -> list[type[BaseException]]:
    modules = (requests.exceptions, urllib3.exceptions)
    found = {
        one
        for module in modules
        for one in vars(module).values()
        if inspect.isclass(one) and issubclass(one, Exception) and not issubclass(one, Warning)
        if one.__module__.startswith(("requests", "urllib3"))
    }
    return sorted(found, key=lambda one: (one.__module__, one.__name__))


@pytest.mark.parametrize("kind", _foreign(), ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_no_foreign_exception_gets_out(kind):
    """Each exception class of requests and urllib3 becomes an error of ours."""
    foreign = kind.__new__(kind)
    mapped = foreign_errors_mapped(STATUS, "https://opsera.test")
    with pytest.raises(Unreachable) as caught, mapped:
        raise foreign
    assert_readable(caught.value)
    assert caught.value.__suppress_context__


def test_a_signal_gets_out_and_the_guard_is_around_the_wait():
    """A signal that comes while an answer is awaited ends the call at once, as Cancelled."""
    cancellation = Cancellation()
    before = signal.signal(signal.SIGUSR1, lambda *_: cancellation.notice(signal.SIGTERM))
    try:
        with Wire() as wire:

            def kill(peer: socket.socket) -> None:
                # Only a thread that waits already is woken; GRACE is for all others.
                time.sleep(0.3)
                os.kill(os.getpid(), signal.SIGUSR1)
                wire.hang(peer)

            wire.answers = [kill]
            client = connect(wire.url, guard=cancellation.guard)
            began = time.monotonic()
            with pytest.raises(Cancelled):
                client.status(RUN, soon(10))
            assert time.monotonic() - began < 2
            # Afterwards it is there to stop the run with.
            wire.answers = [ok({"status": "success", "message": "stopping"})]
            assert client.stop(PIPELINE, soon()).message == "stopping"
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_whether_the_api_ever_answered():
    """Only a good answer counts as one: not a refusal, a page or a broken connection."""
    with serving(http(403), http(200, b"<html>"), close, ok({"status": "running"})) as wire:
        client = connect(wire.url)
        for _ in range(3):
            with pytest.raises((ApiError, Forbidden)):
                client.status(RUN, soon())
            assert not client.ever_responded
        client.status(RUN, soon())
        assert client.ever_responded


HOSTILE = (
    b"\x1b[31m::error::x\r\n##[group]y\0\x07" + b"z" * 100_000,
    b'{"message": {"a": ["b"]}}', b'{"message": "' + b"long " * 10_000 + b'"}',
    b'{"message": null, "error": "\\ud800\\u0000 line\\nend"}', b'{"message": 5}', b"[]", b"null",
    b'{"message": "", "error": ""}', b"\xff\xfe\x00", b"<html>" + b"x" * 10_000,
)  # fmt: skip


@pytest.mark.parametrize("body", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("status", [200, 302, 400, 401, 500])
def test_hostile_bodies_make_one_short_line(status, body):
    """Whatever the body of a bad answer holds, the error is one line of bounded length."""
    error = error_after(http(status, body))
    assert len(error.message) < 400
    assert "\n" not in error.message and "\r" not in error.message
    assert error.message.startswith("pipeline/status answered ")


# --- TLS and proxies ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def test_a_private_ca_works_with_ca_bundle(authority):
    """With its CA in ca_bundle a tenant with a private certificate is reached."""
    with serving(ok(RUNNING), tls=authority.context()) as wire:
        client = connect(wire.url, ca_bundle=authority.bundle)
        assert client.status(RUN, soon()).state is State.RUNNING
        client.status(RUN, soon())
    assert wire.connections == 1


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_a_private_ca_works_with_the_usual_variables(monkeypatch, authority, name):
    """The variables that other tools know for a CA bundle work too."""
    monkeypatch.setenv(name, authority.bundle)
    with serving(ok(RUNNING), tls=authority.context()) as wire:
        assert connect(wire.url).status(RUN, soon()).state is State.RUNNING


def test_a_private_ca_without_ca_bundle_gives_the_hint(authority):
    """Without it nothing is sent, and the hint names ca_bundle."""
    with serving(ok(RUNNING), tls=authority.context()) as wire:
        error = error_of(wire.url)
    assert type(error) is Unreachable and error.never_accepted and error.suspect_configuration
    assert "ca_bundle" in error.hint and "certificate" in error.message
    assert wire.requests == []
    assert_readable(error)


def test_a_certificate_for_another_host_is_refused(authority):
    """A trusted certificate of another host is none, and the error says that it is another's."""
    with serving(ok(RUNNING), tls=authority.context("other.test")) as wire:
        error = error_of(wire.url, ca_bundle=authority.bundle)
    assert error.never_accepted and wire.requests == []
    assert "not valid for '127.0.0.1'" in error.message
    assert_readable(error)


def test_a_server_that_speaks_no_tls():
    """An https address at a plain server is told as a fault of TLS."""
    with serving(sends(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as wire:
        error = error_of(wire.url.replace("http:", "https:"), seconds=1)
    assert isinstance(error, Unreachable) and error.transient
    assert_readable(error)


@pytest.mark.parametrize("content", [None, b"", b"no PEM", b"\xff\xfe\0"])
def test_a_ca_bundle_that_is_none_is_bad_input(tmp_path, content):
    """A ca_bundle that is missing, empty or no PEM is told as bad input before any request."""
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidInput, match="ca_bundle"):
        connect("https://opsera.test", ca_bundle=str(path))


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_ca_bundle_of_the_environment_that_is_not_there(monkeypatch, tmp_path, name):
    """A variable that names a bundle which is not in this container is bad input too."""
    monkeypatch.setenv(name, str(tmp_path / "none.pem"))
    with pytest.raises(InvalidInput, match=name):
        connect("https://opsera.test")


@pytest.mark.parametrize("name", ["https_proxy", "HTTPS_PROXY", "all_proxy"])
def test_the_proxy_is_used_and_sees_no_token(monkeypatch, authority, name):
    """HTTPS goes through the proxy of the environment, which learns the host and no token."""
    with Proxy() as proxy, serving(ok(RUNNING), tls=authority.context()) as wire:
        proxy.answers = [proxy.join]
        monkeypatch.setenv(name, proxy.url)
        client = connect(wire.url, ca_bundle=authority.bundle)
        assert client.status(RUN, soon()).state is State.RUNNING
    (seen,) = proxy.requests
    assert (seen.method, seen.path) == ("CONNECT", f"127.0.0.1:{wire.port}")
    assert "authorization" not in seen.headers


@pytest.mark.parametrize("value", ["127.0.0.1", "*", "127.0.0.0/8"])
def test_no_proxy_is_honoured(monkeypatch, authority, value):
    """A host in NO_PROXY is reached directly."""
    with Proxy(close) as proxy, serving(ok(RUNNING), tls=authority.context()) as wire:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", value)
        client = connect(wire.url, ca_bundle=authority.bundle)
        assert client.status(RUN, soon()).state is State.RUNNING
    assert proxy.connections == 0


@pytest.mark.parametrize("answer", [http(407), http(403), http(502)])
def test_a_proxy_that_refuses(monkeypatch, answer):
    """Where the proxy does not let us through, nothing was sent to the API, and we say so."""
    with Proxy(answer) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("//", "//me:proxy-secret@"))
        error = error_of("https://opsera.test")
    assert type(error) is Unreachable and error.never_accepted and error.suspect_configuration
    assert "the proxy does not let us through" in error.message
    assert "proxy-secret" not in error.message + error.hint
    assert_readable(error)


@pytest.mark.parametrize(
    "value", ["http://", "ftp://127.0.0.1:1", "http://[::1", "socks5://127.0.0.1:1"]
)
def test_a_proxy_that_cannot_be(monkeypatch, value):
    """A proxy address that can't be used is a wrong setting, not an outage."""
    monkeypatch.setenv("HTTPS_PROXY", value)
    error = error_of("https://opsera.test")
    assert type(error) is Unreachable and error.never_accepted and error.suspect_configuration
    assert_readable(error)
