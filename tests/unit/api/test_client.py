"""What each call of the client sends, and what it makes of the response."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from opsera_step.api import (
    ENDPOINTS,
    LOGS,
    PIPELINES,
    RUN,
    STATUS,
    OpseraClient,
    endpoint_of,
    make_settings,
)
from opsera_step.api.client import RecordReader
from opsera_step.api.endpoints import ACTIONS
from opsera_step.api.models import parse_record
from opsera_step.errors import Forbidden, InvalidInput, Malformed, Rejected
from tests.support import client as support
from tests.support.client import PIPELINE, RUNNING, TOKEN, connect, soon
from tests.support.wire import http, ok, serving

RECORD = {"_id": "a", "action": "console output", "api_response": "hello"}
ACTIVITY = {"_id": "b", "action": "run", "message": "started"}
PIPELINE_OBJECT = {"_id": PIPELINE, "name": "Deploy shop", "workflow": {"run_count": 41}}
ONLY_ID = {"pipelineId": PIPELINE}
WITH_RUN = {"pipelineId": PIPELINE, "runCount": 42}
SETTINGS = make_settings(
    "main", [("Build", "VERSION", "1.10"), ("Deploy", "env", "x"), ("Build", "b", "")]
)
Call = Callable[[OpseraClient], Any]
CALLS: dict[str, tuple[Call, str, str, dict[str, Any] | None, Any]] = {
    "run": (lambda c: c.run(PIPELINE, soon()), "POST", "v1/pipeline/run", ONLY_ID,
            {"status": "executed", "runCount": 42}),
    "run with settings": (
        lambda c: c.run(PIPELINE, soon(), SETTINGS), "POST", "v1/pipeline/run",
        {**ONLY_ID, "settings": {"branch": "main", "steps": [
            {"name": "Build", "stepParameters": [{"name": "VERSION", "value": "1.10"},
                                                 {"name": "b", "value": ""}]},
            {"name": "Deploy", "stepParameters": [{"name": "env", "value": "x"}]},
        ]}}, {"status": "executed", "runCount": 42}),
    "status": (lambda c: c.status(support.RUN, soon()), "POST", "v1/pipeline/status", WITH_RUN,
               RUNNING),
    "summary": (lambda c: c.summary(PIPELINE, soon()), "POST", "v1/pipeline/summary", ONLY_ID,
                PIPELINE_OBJECT),
    "console log": (lambda c: c.logs(support.RUN, soon(), console_only=True), "POST",
                    "v1/pipeline/logs", {**WITH_RUN, "type": "console output"}, [RECORD]),
    "whole log": (lambda c: c.logs(support.RUN, soon(), console_only=False), "POST",
                  "v1/pipeline/logs", WITH_RUN, [RECORD]),
    "stop": (lambda c: c.stop(PIPELINE, soon()), "POST", "v1/pipeline/stop", ONLY_ID,
             {"status": "success", "message": "stopping"}),
    "reset": (lambda c: c.reset(PIPELINE, soon()), "POST", "v1/pipeline/reset", ONLY_ID,
              {"status": "success", "message": "reset"}),
    "pipelines": (lambda c: c.pipelines(soon()), "GET", "v1/pipeline/pipelines", None,
                  [PIPELINE_OBJECT]),
    "approve": (lambda c: c.act("approve", PIPELINE, soon()), "POST", "v2/actions",
                {"action": "approve", "type": "pipeline", "version": 1, "target": [PIPELINE]},
                {"status": "success", "data": {}, "metadata": {"message": "approved"}}),
    "reject": (lambda c: c.act("reject", PIPELINE, soon(), "not today"), "POST", "v2/actions",
               {"action": "reject", "type": "pipeline", "version": 1, "target": [PIPELINE],
                "message": "not today"}, {"status": "success", "message": "rejected"}),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_each_call_sends_its_request(name):
    """Exactly one request: its method, path, and JSON, the token, and who sends it."""
    call, method, path, body, response = CALLS[name]
    with serving(ok(response)) as wire:
        call(connect(wire.url, agent="(github)"))
    (request,) = wire.requests
    assert (request.method, request.path) == (method, f"/api/{path}")
    assert (json.loads(request.body) if request.body else None) == body
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.headers["accept"] == "application/json"
    assert re.fullmatch(r"opsera-step/\d\S* \(github\)", request.headers["user-agent"])
    assert request.headers.get("content-type") == (None if body is None else "application/json")


@pytest.mark.parametrize("wrap", [lambda data: data, lambda data: {"data": data}])
def test_responses_are_read_bare_or_wrapped(wrap):
    """A list or an object is read with and without `{"data": …}` around it."""
    responses = [ok(wrap(one)) for one in ([RECORD], PIPELINE_OBJECT, [PIPELINE_OBJECT])]
    with serving(*responses) as wire:
        client = connect(wire.url)
        listing = client.logs(support.RUN, soon(), console_only=True)
        assert [one.text for one in listing.items] == ["hello"]
        assert listing.response == wrap([RECORD]) and not listing.is_truncated
        assert client.summary(PIPELINE, soon()).run_count == 41
        assert [one.name for one in client.pipelines(soon()).items] == ["Deploy shop"]


def test_a_log_comes_whole():
    """If the server ignores the filter, all records are returned, so that none is miscounted."""
    with serving(ok([RECORD, ACTIVITY, {"message": "without an ID"}])) as wire:
        client = connect(wire.url)
        records = client.logs(support.RUN, soon(), console_only=True).items
    assert [one.id for one in records] == ["a", "b", ""]


@pytest.mark.parametrize("name", ["stop", "reset", "approve", "reject"])
def test_a_refusal_with_http_200_is_an_error(name):
    """`status: failed` in the body is a refusal, whatever the HTTP status is."""
    with (
        serving(ok({"status": "failed", "message": "not now"})) as wire,
        pytest.raises(Rejected) as caught,
    ):
        CALLS[name][0](connect(wire.url))
    assert caught.value.message.startswith("Opsera did not ")
    assert caught.value.message.endswith(": not now.")


@pytest.mark.parametrize(
    ("response", "message"),
    [({"status": "success", "metadata": {"message": "done"}}, "done"), ({"message": "ok"}, "ok"),
     ("approved", "approved"), ({}, ""), ([], ""), (None, "")],
)  # fmt: skip
def test_the_message_of_an_action(response, message):
    """The shape is not documented, so any that is no refusal counts as done."""
    with serving(ok(response)) as wire:
        assert connect(wire.url).act("approve", PIPELINE, soon()).message == message


def test_a_refused_run_is_a_response():
    """A run that is refused with HTTP 200 is no error of the client."""
    with serving(ok({"status": "failed", "message": "in a paused state"})) as wire:
        response = connect(wire.url).run(PIPELINE, soon())
    assert response.refused and response.run_count is None


@pytest.mark.parametrize("name", ["run", "status", "summary", "stop", "reset", "pipelines"])
def test_json_in_an_unknown_format(name):
    """JSON without what the call needs is malformed, for each call."""
    for data in (None, True, 1.5, [], {}, [[]], {"data": 5}, [1, 2], ""):
        with serving(ok(data)) as wire:
            if name == "pipelines" and isinstance(data, list):
                assert CALLS[name][0](connect(wire.url)).items == ()
                continue
            with pytest.raises(Malformed, match="unknown format") as caught:
                CALLS[name][0](connect(wire.url))
        support.assert_readable(caught.value)


def test_another_pipeline_than_requested():
    """A response about another pipeline is never taken for the right one."""
    with (
        serving(ok({**PIPELINE_OBJECT, "_id": "0" * 24})) as wire,
        pytest.raises(Malformed, match="about another pipeline") as caught,
    ):
        connect(wire.url).summary(PIPELINE, soon())
    support.assert_readable(caught.value)


@pytest.mark.parametrize("depth", [50, 400, 900, 990, 1100, 9000])
@pytest.mark.parametrize("status", [200, 400])
def test_nesting_of_any_depth(depth, status):
    """Deep nesting, even as deep as JSON can just be read, is text or malformed, never a crash."""
    nest = b"[" * depth + b"]" * depth
    body = b'[{"_id": "a", "action": "console output", "api_response": {"x": %s}}]' % nest
    body = body if status == 200 else b'{"message": %s}' % nest
    with serving(http(status, body)) as wire, suppress(Malformed, Rejected):
        (record,) = connect(wire.url).logs(support.RUN, soon(), console_only=True).items
        assert record.text.count("[") == depth


# --- any request ----------------------------------------------------------------------------------


def test_any_request():
    """Method, path, query, and body are sent with the token; the JSON comes back."""
    with serving(ok({"data": [1]}), ok("plain")) as wire:
        client = connect(wire.url)
        found = client.request("get", "/api/v2/things", soon(), query={"a": "1 &2"})
        assert found == {"data": [1]}
        assert client.request("POST", "/api/v2/things", soon(), body={"b": 2}) == "plain"
    first, second = wire.requests
    assert (first.method, first.path, first.body) == ("GET", "/api/v2/things?a=1+%262", b"")
    assert (second.method, json.loads(second.body)) == ("POST", {"b": 2})
    assert first.headers["authorization"] == f"Bearer {TOKEN}"


def test_any_request_has_the_usual_errors():
    """The hint is that of the known endpoint; of others it names the path."""
    with serving(http(403)) as wire:
        with pytest.raises(Forbidden, match="denied the request to read the log"):
            connect(wire.url).request("POST", LOGS.path, soon())
        with pytest.raises(Forbidden, match="denied the request to call /api/v2/things"):
            connect(wire.url).request("GET", "/api/v2/things", soon())


def test_the_token_stays_on_its_host():
    """A path that could lead elsewhere is refused before any request."""
    with serving(ok({})) as wire:
        for path in ("", "api", "//evil.test/x", "http://evil.test/", "/a?b", "/a#b", "/a b",
                     "/\\evil", "/\n"):  # fmt: skip
            with pytest.raises(InvalidInput, match="Invalid path"):
                connect(wire.url).request("GET", path, soon())
    assert wire.requests == []


def test_what_may_be_repeated():
    """All but run, stop, and the actions; of unknown endpoints those that read."""
    unsafe = {one.name for one in (*ENDPOINTS, ACTIONS) if not one.repeatable}
    assert unsafe == {"pipeline/run", "pipeline/stop", "v2/actions"}
    assert len({(one.method, one.path) for one in ENDPOINTS}) == 16
    assert endpoint_of("POST", RUN.path) is RUN and endpoint_of("POST", LOGS.path).repeatable
    assert endpoint_of("GET", "/api/v2/x").repeatable
    assert not endpoint_of("POST", "/api/v2/x").repeatable
    assert not endpoint_of("DELETE", "/api/v2/x").repeatable


# --- probe ----------------------------------------------------------------------------------------


def test_a_probe_reads_the_start_of_a_long_list_only():
    """Of a list of many MB the first part shows that it is one."""
    objects = json.dumps([{"_id": f"{n:024x}", "x": "y" * 1000} for n in range(20_000)]).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (2 * len(objects))
    with serving(head + objects) as wire:
        # The second half never comes.
        connect(wire.url).probe(PIPELINES, None, soon(20))


@pytest.mark.parametrize(
    ("endpoint", "data"), [(PIPELINES, {}), (PIPELINES, [1]), (PIPELINES, "x"), (STATUS, [])]
)
def test_a_probe_that_gets_something_else(endpoint, data):
    """What is not what the endpoint returns is an error."""
    with serving(ok(data)) as wire, pytest.raises(Malformed):
        connect(wire.url).probe(endpoint, None, soon())


# --- the record reader ----------------------------------------------------------------------------


def record(number: int, text: str | None = None, **more: object) -> dict[str, object]:
    return {
        "_id": f"{number:024x}",
        "step_name": "Build",
        "createdAt": "2026-01-01T00:00:00.000Z",
        "api_response": {"jenkinsConsoleLog": f"line {number}" if text is None else text},
        **more,
    }


@pytest.mark.parametrize(
    "second",
    [
        [record(3), record(2), record(1)],
        [record(2, "line 2 goes on"), record(1)],
        [record(2, step_name="Other"), record(1)],
        [record(2, updatedAt="2026-01-01T00:00:01.000Z")],
        [record(1, _id=None), record(2, _id=["no ID"]), {}],
        [record(2), record(2, "another with the same ID"), record(1)],
        [],
    ],
    ids=["more", "grown", "renamed", "updated", "without IDs", "twin", "empty"],
)
def test_it_parses_what_each_response_holds(second):
    """Whatever came before, a response is parsed as it is."""
    reader = RecordReader()
    for items in ([record(2), record(1)], second, [record(2), record(1)], second):
        assert reader.read(items) == [parse_record(item) for item in items]


def test_what_came_before_is_not_parsed_again():
    """An equal record is the one of the response before, so that its text is kept once."""
    reader = RecordReader()
    first = reader.read([record(2), record(1)])
    second = reader.read([record(3), record(2), record(1)])
    assert second[1] is first[0] and second[2] is first[1]
    reader.read([record(4)])
    assert reader.read([record(1)])[0] is not first[1]


def test_long_records_are_not_kept():
    """Nothing of a long record stays in memory."""
    reader = RecordReader()
    first = reader.read([record(1, "x" * 10_000)])
    assert reader.read([record(1, "x" * 10_000)])[0] is not first[0]
