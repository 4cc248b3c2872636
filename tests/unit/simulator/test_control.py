"""The control plane: looking at the world and taking a hand in it, without a token."""

from __future__ import annotations

import pytest
import requests


def _get(api, path):
    return requests.get(f"{api.sim.url}/simulator/{path}", timeout=5).json()


def test_state(start):
    """The state shows time, token, pipelines, runs and faults."""
    api = start("outage")
    api.ask("run")
    api.clock.sleep(0.5)
    state = _get(api, "state")
    assert (state["scenario"], state["seconds"], state["token"]) == ("outage", 0.5, api.sim.token)
    (pipeline,) = state["pipelines"]
    assert (pipeline["runCount"], pipeline["paused"]) == (42, False)
    assert pipeline["runs"][0]["state"] == "running"
    assert pipeline["runs"][0]["started_by"] == "us"
    assert len(state["faults"]) == len(api.sim.scenario.faults)


def test_requests(start):
    """The journal tells of every API request, without the token and without its own calls."""
    api = start()
    api.ask("run")
    api.clock.sleep(2)
    api.post("status", runCount=99)
    first, second = _get(api, "requests")
    assert (first["call"], first["method"], first["run_count"]) == ("run", "POST", 42)
    assert (first["status"], first["effect"], first["authorized"]) == (200, True, True)
    assert first["body"] == {"pipelineId": api.sim.pipeline_id}
    assert (second["time"], second["status"], second["effect"]) == (2, 404, False)
    assert api.sim.token not in str(first)
    assert [request.call for request in api.sim.requests] == ["run", "status"]
    assert (api.sim.count("run"), api.sim.count("stop")) == (1, 0)


@pytest.mark.parametrize(("wish", "end"), [("approve", "success"), ("reject", "failed")])
def test_decisions(start, wish, end):
    """A run at a gate is approved or rejected."""
    api = start("paused-refusal")
    assert api.control(wish, pipelineId=api.sim.pipeline_id) == {"done": True}
    assert api.control(wish) == {"done": False}
    api.clock.sleep(30)
    assert api.status(42) == end


def test_run_by_somebody_else(start):
    """Somebody else starts a run, or queues it."""
    api = start()
    assert api.control("run-by-somebody-else", user="Kim") == {"runCount": 42}
    assert api.control("run-by-somebody-else") == {"runCount": 43}
    assert [run.started_by for run in api.sim.runs()] == ["Kim", "Dana Ortiz"]


def test_run_by_somebody_else_while_paused(start):
    """A paused pipeline refuses others too."""
    api = start("paused-refusal")
    assert "is paused" in api.control("run-by-somebody-else")["message"]


def test_faults(start):
    """Faults are added and cleared."""
    api = start()
    added = api.control("faults", add=[{"call": "run", "kind": "http", "status": 500}])
    assert added == {"added": 1, "cleared": False}
    assert api.post("run").status_code == 500
    assert _get(api, "state")["faults"][0]["struck"] == 1
    assert api.control("faults", clear=True) == {"added": 0, "cleared": True}
    assert api.post("run").status_code == 200


def test_reset(start):
    """A new world begins; the token stays good."""
    api = start()
    api.ask("run")
    api.clock.sleep(9)
    assert api.control("reset") == {"done": True}
    assert (api.sim.runs(), api.sim.requests, api.sim.now) == ([], [], 0)
    assert api.ask("run")["runCount"] == 42


def test_reset_gives_a_new_token_for_an_expired_one(start, small):
    """After a reset there is always a token that is good."""
    api = start(small(token={"lifetime": 60}))
    first = api.sim.token
    api.clock.sleep(61)
    api.sim.restart()
    assert api.sim.token != first
    api.session.headers["Authorization"] = f"Bearer {api.sim.token}"
    assert api.post("run").status_code == 200


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("nothing", {}, 404, "GET /simulator/state"),
        ("approve", {"pipelineId": "x"}, 400, "no pipeline has the ID x"),
        ("faults", {"add": [{"kind": "x"}]}, 400, "kind takes"),
        ("faults", [1], 400, "must be a JSON object"),
        ("faults", {"add": [5]}, 400, "add[0] must be a mapping, not 5"),
        ("faults", {"add": {}}, 400, "add must be a list"),
        ("faults", {"add": [{"kind": "hang", "seconds": 1e18}]}, 400, "seconds takes seconds, 0"),
        ("faults", {"add": [{"after": -1}]}, 400, "after takes seconds, 0"),
        ("faults", {"add": [{"status": 99}]}, 400, "status takes 200 to 599, not 99"),
        ("faults", {"add": [{"kind": "redirect", "location": "\r"}]}, 400, "printable ASCII"),
        ("faults", {"clear": 1}, 400, "clear must be true or false, not 1"),
        ("tokens", {"expires_in": 60}, 400, "expires_in is unknown; known are expiresIn, role"),
        ("tokens", {"expiresIn": "60"}, 400, "expiresIn must be a number"),
        ("tokens", {"expiresIn": 1e10}, 400, "a token expires within 3153600000 seconds"),
        ("tokens", {"expiresIn": 1e300}, 400, "expiresIn must be a number"),
        ("tokens", {"role": 5}, 400, "role must be a text, not 5"),
        ("tokens", {"role": "king"}, 400, "role takes Site Admin"),
        ("tokens", {"scope": "all"}, 400, "scope takes api, api-readonly"),
        ("tokens/deactivate", {}, 400, "token must be a text, but it is missing"),
        ("users", {"valid": True}, 400, "user must be a text, but it is missing"),
        ("users", {"user": "Kim", "valid": "no"}, 400, "valid must be true or false"),
        ("access", {"id": "x", "access": True}, 400, "nothing has the ID x"),
        ("access", {"id": "x"}, 400, "access must be true, false or a list of users, but it is"),
        ("access", {"id": "x", "access": 5}, 400, "access must be a list of texts, not 5"),
        ("reject", {"pipelineId": []}, 400, "pipelineId must be a text"),
        ("reset", {"seed": 5}, 400, "seed is unknown; known are none"),
        ("state", {}, 405, "/simulator/state takes GET, not POST"),
    ],
)
def test_wrong_wishes(start, path, body, status, said):
    """What cannot be done is answered with a sentence, and changes nothing."""
    api = start()
    before = _get(api, "state")
    answer = requests.post(f"{api.sim.url}/simulator/{path}", json=body, timeout=5)
    assert answer.status_code == status
    assert said in answer.json()["message"]
    assert _get(api, "state") == before


@pytest.mark.parametrize("sent", ["{", "null", "5", "[]", "NaN", "[" * 5000, "\xff"])
def test_wishes_that_are_no_json(start, sent):
    """A body that cannot be read does not count as none."""
    sim = start().sim
    tokens = len(sim.tokens())
    url = f"{sim.url}/simulator/tokens"
    answer = requests.post(url, data=sent.encode("latin-1"), timeout=5)
    assert (answer.status_code, answer.json()["message"]) == (
        400,
        "The body must be a JSON object.",
    )
    assert len(sim.tokens()) == tokens
    assert requests.post(url, timeout=5).ok


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:1234"}, 200),
        ({"Host": "[::1]:1234"}, 200),
        ({"Host": "opsera"}, 200),
        ({"Host": "opsera.test:80"}, 200),
        ({"Host": "simulator.localhost."}, 200),
        ({"Host": "rebound.example.com"}, 403),
        ({"Host": "127.0.0.1.example.com:80"}, 403),
        ({"Host": "[::1"}, 403),
        ({"Host": "localhost:1", "Origin": "http://localhost:1"}, 200),
        ({"Host": "localhost:1", "Origin": "http://localhost:2"}, 403),
        ({"Origin": "https://example.com"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
def test_web_pages_of_others(start, headers, status):
    """No page of another site reaches the control plane through a browser on this machine."""
    url = f"{start().sim.url}/simulator/reset"
    assert requests.post(url, headers=headers, timeout=5).status_code == status
