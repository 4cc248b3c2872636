"""Each kind of fault, when it strikes, and whether the request took effect."""

from __future__ import annotations

import email.utils

import pytest
import requests

from opsera_step.simulator.faults import Fault, FaultError, make_fault

DROPPED = requests.ConnectionError


def _texts(api, call, times, **body):
    """Send a call some times and return what became of it."""
    outcomes = []
    for _ in range(times):
        try:
            outcomes.append(str(api.post(call, **body).status_code))
        except requests.RequestException as error:
            outcomes.append(type(error).__name__)
    return outcomes


def test_times_and_recovery(start):
    """A fault strikes as often as it says, then all is well; other calls are spared."""
    api = start(faults=[Fault(call="status", kind="http", status=502, times=3)])
    assert _texts(api, "summary", 1) == ["200"]
    assert _texts(api, "status", 5, runCount=41) == ["502", "502", "502", "200", "200"]


def test_nth(start):
    """A fault can begin with the n-th call."""
    api = start(faults=[Fault(call="status,summary", status=500, nth=3, times=1)])
    assert _texts(api, "summary", 5) == ["200", "200", "500", "200", "200"]


def test_window_of_time(start):
    """A fault can be bound to seconds of the world."""
    api = start(faults=[Fault(status=503, after=10, until=20)])
    outcomes = []
    for _ in range(6):
        outcomes += _texts(api, "summary", 1)
        api.clock.sleep(5)
    assert outcomes == ["200", "200", "503", "503", "200", "200"]


def test_window_since_our_run(start):
    """A fault can be bound to seconds since our run was accepted."""
    api = start("busy", faults=[Fault(call="summary", status=503, since="run", after=2, until=4)])
    api.clock.sleep(3)
    assert _texts(api, "summary", 1) == ["200"]
    api.ask("run")
    api.clock.sleep(3)
    assert _texts(api, "summary", 1) == ["503"]


def test_probability_is_seeded(start):
    """Chance decides, the same way for the same seed."""
    fault = Fault(status=500, probability=0.5)
    first, again, other = (
        _texts(start(seed=seed, faults=[fault]), "summary", 30) for seed in (1, 1, 2)
    )
    assert first == again != other
    assert 5 < first.count("500") < 25


def test_one_after_the_other(start):
    """Of several faults only one breaks an answer; the next waits for its turn."""
    faults = [Fault(status=500, times=1), Fault(status=503, times=1)]
    assert _texts(start(faults=faults), "summary", 3) == ["500", "503", "200"]


@pytest.mark.parametrize("effect", [False, True])
@pytest.mark.parametrize("kind", ["hang", "close", "reset", "http", "html", "empty", "redirect"])
def test_effect(start, kind, effect):
    """A fault strikes before or after the run was accepted."""
    location = "http://127.0.0.1:9/" if kind == "redirect" else ""
    fault = Fault(call="run", kind=kind, times=1, effect=effect, location=location)
    api = start(faults=[fault])
    _texts(api, "run", 1)
    assert len(api.sim.runs()) == int(effect)
    request = api.sim.requests[0]
    assert (request.effect, request.fault) == (effect, kind)
    assert request.run_count == (42 if effect else None)
    assert api.ask("run")["status"] == "executed"


@pytest.mark.parametrize("kind", ["half", "truncated", "content_type", "latency"])
def test_always_with_effect(start, kind):
    """What spoils or delays a real answer leaves its effect in place."""
    api = start(faults=[Fault(call="run", kind=kind, times=1)])
    _texts(api, "run", 1)
    assert [run.count for run in api.sim.runs()] == [42]


@pytest.mark.parametrize("kind", ["close", "reset", "hang"])
def test_no_answer(start, kind):
    """The connection ends without a word; the next one works."""
    api = start(faults=[Fault(kind=kind, times=1)])
    with pytest.raises(DROPPED) as dropped:
        api.post("summary")
    assert ("reset" in str(dropped.value)) is (kind == "reset")
    assert api.sim.requests[0].status == 0
    assert api.post("summary").status_code == 200


def test_hang_and_latency_pass_on_the_clock(start):
    """Waiting costs time of the world and none of ours."""
    faults = [
        Fault(call="summary", kind="hang", seconds=300, times=1),
        Fault(call="status", kind="latency", seconds=7, times=1),
    ]
    api = start(faults=faults)
    assert _texts(api, "summary", 1) == ["ConnectionError"]
    assert api.sim.now == 300
    assert _texts(api, "status", 1, runCount=41) == ["200"]
    assert api.sim.now == 307


def test_latency_answers_what_is_then(start):
    """A late answer tells the state of the later moment."""
    api = start(faults=[Fault(call="status", kind="latency", seconds=60)])
    api.ask("run")
    assert api.status(42) == "success"


@pytest.mark.parametrize(("effect", "accepted"), [(None, 60), (False, 60), (True, 0)])
def test_latency_before_and_after(start, effect, accepted):
    """A run is accepted after the delay, or with `effect` before it."""
    api = start(faults=[Fault(call="run", kind="latency", seconds=60, effect=effect)])
    api.ask("run")
    assert (api.sim.runs()[0].accepted_at, api.sim.now) == (accepted, 60)


def test_latency_and_another(start):
    """A fault can come late."""
    faults = [Fault(kind="latency", seconds=5, times=1), Fault(status=504, times=1)]
    api = start(faults=faults)
    assert _texts(api, "summary", 1) == ["504"]
    assert api.sim.requests[0].fault == "latency,http"
    assert api.sim.now == 5


def test_half_an_answer(start):
    """The connection is closed when half of the announced bytes have come."""
    api = start(faults=[Fault(kind="half", times=1)])
    with pytest.raises((requests.exceptions.ChunkedEncodingError, DROPPED), match="IncompleteRead"):
        api.post("summary")
    assert api.post("summary").status_code == 200


def test_truncated_json(start):
    """The HTTP answer is whole and its JSON is not."""
    answer = start(faults=[Fault(kind="truncated")]).post("summary")
    assert (answer.status_code, answer.text[:8]) == (200, '{"_id": ')
    with pytest.raises(requests.JSONDecodeError):
        answer.json()


def test_html_and_empty(start):
    """A page, or nothing, comes with 200."""
    faults = [Fault(kind="html", times=1), Fault(kind="empty", times=1)]
    api = start(faults=faults)
    page = api.post("summary")
    assert (page.status_code, page.text[:9]) == (200, "<!DOCTYPE")
    assert page.headers["Content-Type"].startswith("text/html")
    empty = api.post("summary")
    assert (empty.status_code, empty.text, empty.headers["Content-Length"]) == (200, "", "0")


def test_wrong_content_type(start):
    """The right JSON is called text."""
    answer = start(faults=[Fault(kind="content_type")]).post("summary")
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert answer.json()["name"] == "Deploy shop"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 429, 500, 502, 503, 504, 599])
def test_any_http_status(start, status):
    """Any HTTP status can be answered."""
    assert start(faults=[Fault(status=status)]).post("summary").status_code == status


def test_own_body(start):
    """The body of a fault can be given."""
    assert start(faults=[Fault(status=500, body='{"oh": 1}')]).ask("summary") == {"oh": 1}


def test_retry_after(start):
    """Retry-After comes in seconds or as a date of the world's clock."""
    faults = [
        Fault(status=429, retry_after=7, times=1),
        Fault(status=503, retry_after=90, retry_after_as="date", times=1),
    ]
    api = start(faults=faults)
    assert api.post("summary").headers["Retry-After"] == "7"
    date = email.utils.parsedate_to_datetime(api.post("summary").headers["Retry-After"])
    assert date.timestamp() == api.clock.time() + 90


def test_redirect(start):
    """A redirect names its target; the status can be chosen."""
    faults = [Fault(kind="redirect", status=307, location="https://elsewhere.example/x")]
    answer = start(faults=faults).post("summary")
    assert (answer.status_code, answer.headers["Location"]) == (307, faults[0].location)


def test_faults_come_before_the_token_is_looked_at(start):
    """A gateway's errors come whatever the token."""
    api = start(faults=[Fault(status=502)])
    api.session.headers["Authorization"] = "Bearer x"
    assert api.post("summary").status_code == 502
    assert not api.sim.requests[0].authorized


def test_add_and_clear(start):
    """Faults come and go while the simulator runs, the scenario's too."""
    api = start("outage")
    api.sim.clear_faults()
    api.ask("run")
    api.sim.add_fault(Fault(call="*", status=500))
    assert _texts(api, "status", 2, runCount=42) == ["500", "500"]
    api.sim.clear_faults()
    assert _texts(api, "status", 2, runCount=42) == ["200", "200"]


def test_outage_ends_and_the_run_goes_on(start):
    """Through an outage the run takes its course."""
    api = start("outage")
    api.ask("run")
    outcomes = set()
    for _ in range(60):
        outcomes |= set(_texts(api, "status", 1, runCount=42)) | set(_texts(api, "logs", 1))
        api.clock.sleep(0.5)
    assert {"200", "429", "500", "502", "503", "ConnectionError"} <= outcomes
    api.sim.clear_faults()
    assert api.status(42) == "success"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"call": "runs"}, "call takes run, status, .* not 'runs'"),
        ({"call": "run,walk"}, "not 'walk'"),
        ({"kind": "explode"}, "kind takes latency, .* not 'explode'"),
        ({"since": "now"}, "since takes start, run, not 'now'"),
        ({"retry_after_as": "x"}, "retry_after_as takes"),
        ({"kind": "redirect"}, "needs a location"),
        ({"kind": "half", "effect": False}, "always leaves the effect"),
        ({"nth": 0}, "nth starts at 1"),
        ({"probability": 2}, "probability is 0 to 1"),
        ({"nth": "first"}, "nth of a fault takes int, not 'first'"),
        ({"call": None}, "call of a fault takes str, not None"),
        ({"effect": "yes"}, "effect of a fault takes bool"),
        ({"often": 3}, "a fault has no 'often'"),
        ({"seconds": [1]}, "seconds of a fault takes float"),
    ],
)
def test_impossible_faults(values, said):
    """A fault that cannot be is refused in a sentence."""
    with pytest.raises(FaultError, match=said):
        make_fault(values)
