"""The calls on tools, tasks, and audit logs: what they return and what they change."""

from __future__ import annotations

import pytest

TOOL, VAULT = "65a4f00dc0ffee0000000101", "65a4f00dc0ffee0000000105"
CRM, COMPARE = "65a4f00dc0ffee0000000201", "65a4f00dc0ffee0000000203"


def test_tools(start):
    """The list has whole tools, and the summary is the same."""
    api = start()
    tools = api.get("registry/tools")
    names = ["Shop Jenkins", "Shop SonarQube", "Production cluster", "Old Bitbucket"]
    assert [one["name"] for one in tools] == names
    assert api.call("POST", "registry/summary", toolId=TOOL).json() == tools[0]
    assert (tools[0]["tool_identifier"], tools[0]["owner_name"]) == ("jenkins", "Robin Weber")


def test_an_update_replaces_root_properties(start):
    """What is sent is replaced, the rest stays, and three properties are never changed."""
    api = start()
    before = api.call("POST", "registry/summary", toolId=TOOL).json()
    api.clock.sleep(5)
    changes = {"name": "Jenkins", "configuration": {"jUserId": "ci"}, "contacts": ["Kim"]}
    ignored = {"_id": "f" * 24, "createdAt": "x", "updatedAt": 7}
    response = api.call("POST", "registry/update", toolId=TOOL, tool={**changes, **ignored})
    expected = {**before, **changes, "updatedAt": "2026-01-01T00:00:05.000Z"}
    assert response.json() == expected
    assert api.get("registry/tools")[0] == expected


@pytest.mark.parametrize(
    ("sent", "status", "message"),
    [
        ({}, 400, "toolId is required."),
        ({"toolId": "0" * 24, "tool": {}}, 404, f"Tool {'0' * 24} was not found."),
        ({"toolId": VAULT, "tool": {}}, 403, "Forbidden"),
        ({"toolId": TOOL}, 400, "tool must be an object with the properties to replace."),
        ({"toolId": TOOL, "tool": {"name": 5}}, 400, "name of a tool must be a string."),
        ({"toolId": TOOL, "tool": {"configuration": None}}, 400, "must be an object."),
        ({"toolId": TOOL, "tool": {"active": 1}}, 400, "active of a tool must be true or false."),
    ],
)
def test_invalid_updates(start, sent, status, message):
    """An invalid update is refused and changes nothing."""
    api = start()
    before = api.get("registry/tools")
    response = api.call("POST", "registry/update", **sent)
    assert response.status_code == status
    assert message in response.json()["message"]
    assert api.get("registry/tools") == before


@pytest.mark.parametrize("value", ["1e999", "[" * 99 + "]" * 99])
def test_values_that_could_not_be_returned(start, value):
    """What could not be written as JSON again is a bad request."""
    api = start()
    body = f'{{"toolId": "{TOOL}", "tool": {{"port": {value}}}}}'
    headers = {"Content-Type": "application/json"}
    url = f"{api.sim.url}/api/v1/registry/update"
    assert api.session.post(url, data=body, headers=headers, timeout=50).status_code == 400
    assert api.call("GET", "registry/tools").status_code == 200


def test_tasks(start):
    """The list is counted, and a task has the properties of the documented example."""
    api = start()
    tasks = api.get("tasks")
    states = [one["status"] for one in tasks["data"]]
    assert (tasks["count"], states) == (4, ["success", "success", "running", "created"])
    task = api.call("POST", "tasks/summary", taskId=CRM).json()
    assert task == tasks["data"][0]
    assert set(task) == {
        "_id", "tags", "name", "description", "type", "tool_identifier", "active",
        "configuration", "status", "roles", "account", "owner", "createdAt", "updatedAt", "__v",
        "owner_name", "run_count", "message", "jenkinsIds",
    }  # fmt: skip
    assert (task["run_count"], task["message"]) == (3, "[Git Merge Action]: Synch up successful")


def test_a_running_task_ends(start):
    """A task ends at its time, and its log grows."""
    api = start()
    assert api.call("POST", "tasks/status", taskId=COMPARE).json() == "running"
    assert api.get("logs/task", taskId=COMPARE)["count"] == 2
    api.clock.sleep(60)
    assert api.call("POST", "tasks/status", taskId=COMPARE).json() == "success"
    assert api.get("logs/task", taskId=COMPARE)["count"] == 4


def test_task_logs(start):
    """The records of all runs, or of one, latest first; the parameters may be in the body."""
    api = start()
    every, one = api.get("logs/task", taskId=CRM), api.get("logs/task", taskId=CRM, runCount=2)
    assert (every["count"], one["count"]) == (9, 3)
    assert [record["run_count"] for record in every["data"]] == [3] * 3 + [2] * 3 + [1] * 3
    times = [record["createdAt"] for record in every["data"]]
    assert times == sorted(times, reverse=True)
    keys = {"run_count", "name", "log_type", "type", "message", "status", "createdAt"}
    assert keys <= set(one["data"][0])
    assert api.get("logs/task", taskId=CRM, runCount=9) == {"count": 0, "data": []}
    body = {"taskId": CRM, "runCount": 1, "page": 1, "count": 2}
    response = api.session.get(f"{api.sim.url}/api/v1/logs/task", json=body, timeout=50).json()
    assert [record["run_count"] for record in response["data"]] == [1, 1]


def test_a_growing_task_log(start, small):
    """A growing record contains what was written so far."""
    log = [{"at": 0, "growing": True, "every": 10, "pieces": ["a", "b", "c\n"]}]
    task = {"name": "T", "runs": [{"at": -15, "log": log}], "place": "buildLog"}
    api = start(small(tasks=[task]), flags={"line_ends": "crlf"})
    task_id = api.get("tasks")["data"][0]["_id"]
    for text in ("ab", "abc\r\n"):
        (record,) = api.get("logs/task", taskId=task_id)["data"]
        assert record["api_response"] == {"buildLog": text}
        api.clock.sleep(10)


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("logs/task", {}), ("logs/task", {"taskId": CRM, "page": 0}),
        ("logs/task", {"taskId": CRM, "count": "٣"}),
        ("logs/task", {"taskId": CRM, "runCount": -1}),
        ("logs/user/actions", {"date": "yesterday"}), ("logs/user/actions", {"date": "2026-02-30"}),
        ("logs/user/actions", {"timescale": "1y"}), ("logs/user/tokens", {"timescale": "0d"}),
    ],
)  # fmt: skip
def test_invalid_queries(start, path, query):
    """An invalid parameter is a bad request."""
    assert start().call("GET", path, **query).status_code == 400


@pytest.mark.parametrize("path", ["tasks/summary", "tasks/status"])
def test_task_ids(start, path):
    """A task is requested by its ID."""
    api = start()
    for sent, status in (({"x": 1}, 400), ({"taskId": "0" * 24}, 404), ({"taskId": CRM}, 200)):
        assert api.call("POST", path, **sent).status_code == status


def test_the_token_log(start):
    """Every use of a valid token is logged, refused calls too."""
    api = start()
    readonly = api.sim.issue_token("tasks-readonly", role="plain", user="Kim")
    api.clock.sleep(9)
    api.call("GET", "registry/tools", readonly)
    api.call("GET", "tasks", "no.such.token")
    ours, theirs = api.get("logs/user/tokens")["data"][:2]
    assert (ours["target"], theirs["target"]) == ("/v1/logs/user/tokens", "/v1/registry/tools")
    assert (ours["scope"], theirs["scope"]) == ("api", "tasks-readonly")
    assert theirs["token_id"] == api.sim.tokens()[-1]["tokenId"]
    assert ours["createdAt"] == ours["updatedAt"] == "2026-01-01T00:00:09.000Z"
    assert set(ours) == {
        "_id", "token_id", "scope", "target", "user_id", "account", "createdAt", "updatedAt", "__v"
    }  # fmt: skip
    assert ours["user_id"] == api.sim.user_id
    assert api.get("logs/user/tokens", scope="tasks-readonly")["count"] == 1
    assert api.get("logs/user/tokens", date="2026-01-01", scope="registry")["count"] == 0
    days = {one["createdAt"][:10] for one in api.get("logs/user/tokens", date="2025-12-05")["data"]}
    assert days == {"2025-12-05"}


def test_the_action_log(start):
    """Every change is logged with its user; reading is not, nor what was refused."""
    api = start("busy")
    api.run()
    api.ask("summary")
    api.ask("stop")
    api.ask("reset")
    api.call("POST", "registry/update", toolId=TOOL, tool={"name": "J"})
    api.call("POST", "registry/update", toolId=VAULT, tool={"name": "J"})
    api.sim.start_run(user="Kim")
    latest = api.get("logs/user/actions", count=6)["data"]
    actions = [f"{one['type']} {one['action']}" for one in latest]
    assert actions == [
        "pipeline run", "registry update", "pipeline reset", "pipeline stop", "pipeline run",
        "pipeline run",
    ]  # fmt: skip
    assert [one["user_email"].partition("@")[0] for one in latest] == [
        "kim", "alex.kim", "alex.kim", "alex.kim", "alex.kim", "dana.ortiz"
    ]  # fmt: skip
    assert (latest[1]["target_id"], latest[2]["target_id"]) == (TOOL, api.sim.pipeline_id)
    assert latest[5]["createdAt"] == "2025-12-31T23:59:56.000Z"
    only = api.get("logs/user/actions", type="registry", date="2026-01-01")
    assert (only["count"], only["data"]) == (1, [latest[1]])


@pytest.mark.parametrize(("path", "most"), [("actions", 60), ("tokens", 90)])
def test_the_last_seven_days(start, path, most):
    """Without a date only a week is returned; a timescale sets the span."""
    api = start()
    week = api.get(f"logs/user/{path}")["data"]
    assert 10 < len(week) < most / 2
    assert week[-1]["createdAt"] >= "2025-12-25T00:00:00.000Z"
    assert api.get(f"logs/user/{path}", date="2025-12-10")["count"] > 0
    assert api.get(f"logs/user/{path}", timescale="2w")["count"] > len(week) + 2
    recent = api.get(f"logs/user/{path}", timescale="30s")["data"]
    assert all(one["createdAt"] == "2026-01-01T00:00:00.000Z" for one in recent)


@pytest.mark.parametrize(("field", "count"), [("returned", 1000), ("total", 1500)])
def test_at_most_a_thousand(start, field, count):
    """No list is longer than 1000 items, and pages of a task's log end."""
    api = start("crowded", flags={"count_field": field})
    for path in ("pipeline/pipelines", "registry/tools", "tasks", "logs/user/actions",
                 "logs/user/tokens"):  # fmt: skip
        response = api.get(path)
        data = response["data"] if isinstance(response, dict) else response
        assert len(data) == 1000
        assert isinstance(response, list) or count <= response["count"] < count + 10
    task = api.get("tasks")["data"][0]["_id"]
    pages = [api.get("logs/task", taskId=task, page=n, count=700)["data"] for n in (1, 2, 3, 4)]
    assert [len(page) for page in pages] == [700, 700, 100, 0]
    assert len({record["_id"] for page in pages for record in page}) == 1500
