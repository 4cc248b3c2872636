"""The admin API, and the page that stands in for the portal: neither needs a token."""

from __future__ import annotations

import pytest
import requests


def _get(api, path):
    return requests.get(f"{api.sim.url}/simulator/{path}", timeout=50).json()


def test_state(start):
    """The state contains time, token, pipelines, runs, and faults."""
    api = start("outage")
    api.ask("run")
    api.clock.sleep(0.5)
    state = _get(api, "state")
    assert (state["scenario"], state["seconds"], state["token"]) == ("outage", 0.5, api.sim.token)
    (pipeline,) = state["pipelines"]
    assert (pipeline["runCount"], pipeline["paused"], pipeline["lockedBy"]) == (42, False, "")
    assert (pipeline["runs"][0]["state"], pipeline["runs"][0]["started_by"]) == ("running", "us")
    assert len(state["faults"]) == len(api.sim.scenario.faults)


def test_request_log(start):
    """The log has every request of the API, without the token and without admin requests."""
    api = start()
    api.session.headers["authorization"] = api.session.headers.pop("Authorization")
    api.run(2)
    api.post("status", runCount=99)
    first, second = _get(api, "requests")
    assert (first["call"], first["method"], first["run_count"]) == ("run", "POST", 42)
    assert (first["status"], first["effect"], first["authorized"]) == (200, True, True)
    assert first["body"] == {"pipelineId": api.sim.pipeline_id}
    assert (second["time"], second["status"], second["effect"]) == (2, 404, False)
    assert api.sim.token not in str(first)
    api.ask("stop")
    assert _get(api, "requests")[2]["run_count"] == 42
    assert [request.call for request in api.sim.requests] == ["run", "status", "stop"]
    assert (api.sim.count("run"), api.sim.count("logs")) == (1, 0)


def test_runs_of_other_users(start):
    """Another user starts, stops, reorders, and deletes runs, and locks the pipeline."""
    api = start()
    assert api.admin("run", user="Kim", branch="topic") == {"runCount": 42}
    assert [api.admin("run")["runCount"] for _ in range(2)] == [43, 44]
    assert [run.started_by for run in api.sim.runs()] == ["Kim", "Dana Ortiz", "Dana Ortiz"]
    assert api.sim.runs()[0].branch == "topic"
    assert api.admin("move-to-front", runCount=44) == {"done": True}
    assert api.admin("delete", runCount=43) == {"done": True}
    assert api.admin("stop") == {"done": True}
    assert api.admin("lock", by="Kim") == {"done": True}
    assert api.ask("run")["status"] == "failed"
    assert "locked" in api.admin("run")["message"]
    assert api.admin("unlock") == {"done": True}
    api.clock.sleep(60)
    assert [run.state for run in api.sim.runs()] == ["stopped", "stopped", "success"]
    assert api.admin("approve") == api.admin("reject") == {"done": False}


def test_tokens_users_and_access(start):
    """Tokens, users, and access can be changed."""
    api = start()
    issued = api.admin("tokens", scope="api", role="plain", user="Kim", expiresIn=60)
    assert (issued["scope"], issued["user"], issued["active"]) == ("api", "Kim", True)
    assert issued["expires"] == "2026-01-01T00:01:00.000Z"
    task = {"taskId": "65a4f00dc0ffee0000000205"}
    assert api.admin("access", id=task["taskId"], access=["Kim"]) == {"done": True}
    assert api.call("POST", "tasks/status", issued["token"], **task).json() == "stopped"
    assert api.admin("users", user="Kim", valid=False) == {"done": True}
    assert api.call("POST", "tasks/status", issued["token"], **task).status_code == 401
    assert api.admin("tokens/deactivate", token=issued["token"]) == {"done": True}
    assert _get(api, "tokens") == api.sim.state()["tokens"]
    assert api.sim.state()["tokens"][-1]["active"] is False
    assert {"name": "Kim", "role": "plain", "valid": False} in api.sim.state()["users"]
    assert api.admin("tokens/renew") == {"token": api.sim.token}
    assert "unknown token" in api.admin("tokens/deactivate", token="x")["message"]


def test_faults(start):
    """Faults are added and cleared."""
    api = start()
    added = api.admin("faults", add=[{"call": "run", "kind": "http", "status": 500}])
    assert added == {"added": 1, "cleared": False}
    assert api.post("run").status_code == 500
    assert _get(api, "state")["faults"][0]["applied"] == 1
    assert api.admin("faults", clear=True) == {"added": 0, "cleared": True}
    assert api.post("run").status_code == 200


def test_reset(start, small):
    """Everything starts again. A token that is still valid stays valid, another is replaced."""
    api = start(small(token={"lifetime": 60}))
    api.run(9)
    assert api.admin("reset") == {"done": True}
    assert (api.sim.runs(), api.sim.requests, api.sim.now) == ([], [], 0)
    assert api.run() == 5
    old = api.sim.token
    api.clock.sleep(61)
    api.sim.restart()
    assert api.sim.token != old
    assert api.call("GET", "tasks", api.sim.token).status_code == 200


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        ("nothing", {}, 404, "GET /simulator/state"),
        ("state", {}, 405, "/simulator/state takes GET, not POST"),
        ("approve", {"pipelineId": "x"}, 400, "no pipeline has the ID x"),
        ("delete", {"runCount": 99}, 400, "no run has the number 99"),
        ("faults", [1], 400, "must be a JSON object"),
        ("faults", {"add": [{"kind": "x"}]}, 400, "request body: add[0]: kind takes latency"),
        ("tokens", {"expires_in": 60}, 400, "expires_in: unknown key; known keys: expiresIn, role"),
        ("tokens", {"expiresIn": 1e10}, 400, "a token expires within 3153600000 seconds"),
        ("tokens", {"role": "king"}, 400, "role takes Site Admin"),
        ("tokens", {"scope": "all"}, 400, "scope takes api, api-readonly"),
        ("tokens/deactivate", {}, 400, "token: required, text"),
        ("access", {"id": "x", "access": 5}, 400, "access: expected true or false or a list of"),
        ("reset", {"seed": 5}, 400, "seed: unknown key; known keys: none"),
    ],
)
def test_invalid_requests(start, path, body, status, message):
    """Invalid requests get a 4xx with an error in `message`, and change nothing."""
    api = start()
    before = _get(api, "state")
    response = requests.post(f"{api.sim.url}/simulator/{path}", json=body, timeout=50)
    assert response.status_code == status
    assert message in response.json()["message"]
    assert _get(api, "state") == before


@pytest.mark.parametrize("sent", ["{", "[]", "[" * 5000, "\xff"])
def test_malformed_bodies(start, sent):
    """A body that is not a JSON object does not count as an empty one."""
    sim = start().sim
    tokens = len(sim.tokens())
    url = f"{sim.url}/simulator/tokens"
    response = requests.post(url, data=sent.encode("latin-1"), timeout=50)
    message = "The body must be a JSON object."
    assert (response.status_code, response.json()["message"]) == (400, message)
    assert len(sim.tokens()) == tokens
    assert requests.post(url, timeout=50).ok


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200), ({"Host": "localhost:1234"}, 200), ({"Host": "opsera"}, 200),
        ({"Host": "rebound.example.com"}, 403), ({"Host": "127.0.0.1.example.com:80"}, 403),
        ({"Host": "[::1"}, 403), ({"Host": "localhost:1", "Origin": "http://localhost:1"}, 200),
        ({"Host": "localhost:1", "Origin": "http://localhost:2"}, 403), ({"Origin": "null"}, 403),
    ],
)  # fmt: skip
def test_web_pages_of_other_sites(start, headers, status):
    """No page of another site can use the admin API, or read the portal page, in a browser."""
    sim = start().sim
    assert requests.post(f"{sim.url}/simulator/reset", headers=headers, timeout=50).status_code == (
        status
    )
    assert requests.get(sim.url, headers=headers, timeout=50).status_code == status


def test_the_portal_page(start, small):
    """A link to a pipeline shows its latest run, its steps, and its log, with a decision."""
    gate = {"name": "Approve", "tool": "approval"}
    build = {"name": "<Build>", "duration": 2, "log": [{"text": "\x1b[31m<b>&\x1b[0m\n"}]}
    api = start({"pipelines": [{"name": "<Shop>", "plan": [build, gate]}]})

    def page(path="/"):
        return requests.get(f"{api.sim.url}{path}", timeout=50)

    link = f"/workflow/details/{api.sim.pipeline_id}/summary"
    assert f'<a href="{link}">&lt;Shop&gt;</a>' in page().text
    assert "Latest run: none" in page(link).text
    api.run(1)
    running = page(link)
    assert running.headers["Content-Type"] == "text/html; charset=utf-8"
    assert 'http-equiv="refresh"' in running.text
    assert "<tr><td>&lt;Build&gt;</td><td>running</td></tr>" in running.text
    assert "<tr><td>Approve</td><td>not started</td></tr>" in running.text
    assert "<pre>&lt;b&gt;&amp;\n</pre>" in running.text
    api.clock.sleep(5)
    assert "Approve</button>" in page(link).text
    api.sim.approve()
    api.clock.sleep(5)
    assert "Run 1: success" in page(link).text
    assert 'http-equiv="refresh"' not in page(link).text
    assert page(f"/workflow/details/{'0' * 24}/summary").status_code == 404
    assert api.sim.requests[0].call == "run"
    assert len(api.sim.requests) == 1
