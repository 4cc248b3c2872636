"""Each kind of fault, when it applies, and whether the request takes effect."""

from __future__ import annotations

import email.utils

import pytest
import requests

from opsera_step.simulator import CALLS, KINDS, Fault, ScenarioError, load_scenario

DROPPED = requests.ConnectionError


def _outcomes(api, call, times, **body):
    """Send a call some times; return the statuses, or names of exceptions."""
    outcomes = []
    for _ in range(times):
        try:
            outcomes.append(str(api.post(call, **body).status_code))
        except requests.RequestException as error:
            outcomes.append(type(error).__name__)
    return outcomes


def test_times_and_recovery(start):
    """A fault applies as often as configured, to its call only."""
    api = start(faults=[Fault(call="status", kind="http", status=502, times=3)])
    assert _outcomes(api, "summary", 1) == ["200"]
    assert _outcomes(api, "status", 5, runCount=41) == ["502", "502", "502", "200", "200"]


def test_nth_and_every(start):
    """A fault can start with the n-th call, and apply to every so many."""
    api = start(faults=[Fault(call="status,summary", status=500, nth=3, times=1)])
    assert _outcomes(api, "summary", 5) == ["200", "200", "500", "200", "200"]
    api = start(faults=[Fault(call="summary", status=500, nth=2, every=3)])
    assert _outcomes(api, "summary", 6) == ["200", "500", "200", "200", "500", "200"]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault(status=503, after=10, until=20), "200 200 503 503 200 200"),
        (Fault(status=503, after=10), "200 200 503 503 503 503"),
        (Fault(status=503, until=10), "503 503 200 200 200 200"),
        (Fault(status=503, after=10, nth=2, times=1), "200 200 200 503 200 200"),
        (Fault(status=503, after=5, until=10, since="run"), "200 200 200 200 200 200"),
    ],
)
def test_a_window_of_time(start, fault, expected):
    """A fault can be limited to a time; calls outside of it do not count."""
    api = start(faults=[fault])
    outcomes = []
    for _ in range(6):
        outcomes += _outcomes(api, "summary", 1)
        api.clock.sleep(5)
    assert outcomes == expected.split()


def test_windows_since_a_run_and_since_it_was_added(start):
    """The time can count from our latest run, or from when the fault was added."""
    api = start("busy", faults=[Fault(call="summary", status=503, since="run", after=2, until=4)])
    api.clock.sleep(3)
    assert _outcomes(api, "summary", 1) == ["200"]
    api.run(3)
    assert _outcomes(api, "summary", 1) == ["503"]
    api.sim.clear_faults()
    api.sim.add_fault(Fault(call="summary", status=500, since="added", after=2, until=4))
    assert _outcomes(api, "summary", 1) == ["200"]
    api.clock.sleep(2)
    assert _outcomes(api, "summary", 1) == ["500"]
    api.clock.sleep(2)
    assert _outcomes(api, "summary", 1) == ["200"]


def test_match(start):
    """A fault can apply to some requests of a call only; others do not count."""
    fault = Fault(call="logs", status=500, match='"console output"', nth=2)
    api = start(faults=[fault])
    outcomes = [api.post("logs", **body).status_code for body in
                ({}, {"type": "console output"}, {}, {"type": "console output"})]  # fmt: skip
    assert outcomes == [200, 200, 200, 500]
    api = start(faults=[Fault(call="tools,tasks", status=500, match="/tasks")])
    assert api.call("GET", "registry/tools").status_code == 200
    assert api.call("GET", "tasks").status_code == 500


def test_every_call_can_fail(start):
    """Each call is known to faults by its name, and to the request log."""
    api = start()
    tool, task = {"toolId": "65a4f00dc0ffee0000000101"}, {"taskId": "65a4f00dc0ffee0000000201"}
    requests_by_call = {
        "actions": lambda: api.act("status"),
        "pipelines": lambda: api.call("GET", "pipeline/pipelines"),
        "tools": lambda: api.call("GET", "registry/tools"),
        "tool_summary": lambda: api.call("POST", "registry/summary", **tool),
        "tool_update": lambda: api.call("POST", "registry/update", tool={}, **tool),
        "user_actions": lambda: api.call("GET", "logs/user/actions"),
        "token_uses": lambda: api.call("GET", "logs/user/tokens"),
        "tasks": lambda: api.call("GET", "tasks"),
        "task_summary": lambda: api.call("POST", "tasks/summary", **task),
        "task_status": lambda: api.call("POST", "tasks/status", **task),
        "task_logs": lambda: api.call("GET", "logs/task", **task),
    }
    for call in CALLS:
        api.sim.add_fault(Fault(call=call, status=599))
        send = requests_by_call.get(call, lambda call=call: api.post(call))
        assert (call, send().status_code) == (call, 599)
        assert (api.sim.requests[-1].call, api.sim.requests[-1].fault) == (call, "http")
        api.sim.clear_faults()
        assert (call, send().status_code) == (call, 200)


def test_probability_is_seeded(start):
    """The same seed gives the same failures."""
    fault = Fault(status=500, probability=0.5)
    first, again, other = (
        _outcomes(start(seed=seed, faults=[fault]), "summary", 30) for seed in (1, 1, 2)
    )
    assert first == again != other
    assert 5 < first.count("500") < 25


DAMAGED = {"half", "drip", "truncated", "content_type", "latency"}
"""Faults of the real response."""


@pytest.mark.parametrize(
    ("kind", "effect"),
    [*((kind, True) for kind in KINDS), *((kind, False) for kind in KINDS if kind not in DAMAGED)],
)
def test_effect(start, kind, effect):
    """A fault applies before or after the run was accepted; a damaged response only after it."""
    location = "http://127.0.0.1:9/" if kind == "redirect" else ""
    fault = Fault(call="run", kind=kind, times=1, effect=effect, location=location)
    api = start(faults=[fault])
    _outcomes(api, "run", 1)
    assert len(api.sim.runs()) == int(effect)
    request = api.sim.requests[0]
    assert (request.effect, request.fault) == (effect, kind)
    assert request.run_count == (42 if effect else None)
    assert api.ask("run")["status"] == "executed"


def test_hang_and_latency_pass_on_the_clock(start):
    """Waiting costs simulated time, and no real time."""
    faults = [
        Fault(call="summary", kind="hang", seconds=300, times=1),
        Fault(call="status", kind="latency", seconds=7, times=1),
    ]
    api = start(faults=faults)
    assert _outcomes(api, "summary", 1) == ["ConnectionError"]
    assert api.sim.now == 300
    assert _outcomes(api, "status", 1, runCount=41) == ["200"]
    assert api.sim.now == 307


@pytest.mark.parametrize(("effect", "accepted"), [(None, 60), (False, 60), (True, 0)])
def test_latency_before_and_after(start, effect, accepted):
    """A run is accepted after the delay, or with `effect` before it."""
    api = start(faults=[Fault(call="run", kind="latency", seconds=60, effect=effect)])
    api.ask("run")
    assert (api.sim.runs()[0].accepted_at, api.sim.now) == (accepted, 60)


def test_half_a_response(start):
    """The connection is closed after half of the announced bytes."""
    api = start(faults=[Fault(kind="half", times=1)])
    with pytest.raises((requests.exceptions.ChunkedEncodingError, DROPPED), match="IncompleteRead"):
        api.post("summary")
    assert api.post("summary").status_code == 200


def test_truncated_json(start):
    """The HTTP response is complete and its JSON is not."""
    answer = start(faults=[Fault(kind="truncated")]).post("summary")
    assert (answer.status_code, answer.text[:8]) == (200, '{"_id": ')
    with pytest.raises(requests.JSONDecodeError):
        answer.json()


def test_html_and_empty(start):
    """A page, or nothing, is sent with 200."""
    faults = [Fault(kind="html", times=1), Fault(kind="empty", times=1)]
    api = start(faults=faults)
    page = api.post("summary")
    assert (page.status_code, page.text[:9]) == (200, "<!DOCTYPE")
    assert page.headers["Content-Type"].startswith("text/html")
    empty = api.post("summary")
    assert (empty.status_code, empty.text, empty.headers["Content-Length"]) == (200, "", "0")


def test_wrong_content_type(start):
    """The correct JSON is labeled as text."""
    answer = start(faults=[Fault(kind="content_type")]).post("summary")
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert answer.json()["name"] == "Deploy shop"


@pytest.mark.parametrize(
    ("value", "shown"), [(0.5, "0.5"), (31_536_000, "31536000"), ("soon", "soon")]
)
def test_retry_after(start, value, shown):
    """Retry-After is sent in seconds, however many, or as it is."""
    api = start(faults=[Fault(status=429, retry_after=value)])
    assert api.post("summary").headers["Retry-After"] == shown


def test_retry_after_as_a_date(start):
    """Retry-After can be a date of the simulation's clock."""
    api = start(faults=[Fault(status=503, retry_after=90, retry_after_as="date")])
    date = email.utils.parsedate_to_datetime(api.post("summary").headers["Retry-After"])
    assert date.timestamp() == api.clock.time() + 90


def test_drip(start):
    """The body arrives in pieces; the time between them passes on the clock."""
    api = start(faults=[Fault(kind="drip", seconds=50)])
    assert api.ask("summary")["name"] == "Deploy shop"
    assert api.sim.now == 50


def test_redirect(start):
    """A redirect names its target; the status can be chosen."""
    faults = [Fault(kind="redirect", status=307, location="https://elsewhere.example/x")]
    answer = start(faults=faults).post("summary")
    assert (answer.status_code, answer.headers["Location"]) == (307, faults[0].location)


def test_faults_come_before_authentication(start):
    """The error of a gateway does not depend on the token."""
    api = start(faults=[Fault(status=502)])
    api.session.headers["Authorization"] = "Bearer x"
    assert api.post("summary").status_code == 502
    assert not api.sim.requests[0].authorized


def test_a_run_continues_during_an_outage(start):
    """The run is not affected by the failures of the API."""
    api = start("outage")
    api.ask("run")
    outcomes = set()
    for _ in range(60):
        outcomes |= set(_outcomes(api, "status", 1, runCount=42)) | set(_outcomes(api, "logs", 1))
        api.clock.sleep(0.5)
    assert {"200", "429", "500", "502", "503", "ConnectionError"} <= outcomes
    api.sim.clear_faults()
    assert api.status(42) == "success"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"call": "runs"}, "call takes run, status, .* not 'runs'"),
        ({"kind": "explode"}, "kind takes latency, .* not 'explode'"),
        ({"since": "now"}, "since takes start, run, added, not 'now'"),
        ({"retry_after": "a\nb"}, "retry_after takes printable ASCII"),
        ({"kind": "redirect"}, "needs a location"),
        ({"kind": "half", "effect": False}, "the request always takes effect"),
        ({"nth": 0}, "nth and every start at 1"),
        ({"probability": 2}, "probability is between 0 and 1"),
        ({"status": 99}, "status takes 200 to 599, not 99"),
        ({"kind": "hang", "seconds": 2e9}, "seconds takes 0 to 1000000000 seconds"),
    ],
)
def test_impossible_faults(values, message):
    """A fault that makes no sense is rejected, in Python and in a scenario."""
    with pytest.raises(ValueError, match=message):
        Fault(**values)
    scenario = {"pipelines": [{"name": "P", "plan": [{"name": "S"}]}], "faults": [values]}
    with pytest.raises(ScenarioError, match=rf"^scenario: faults\[0\]: .*{message}"):
        load_scenario(scenario)
