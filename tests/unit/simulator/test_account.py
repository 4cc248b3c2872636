"""The calls on tools, tasks and audit logs: what they answer and what they change."""

from __future__ import annotations

import pytest

TOOL, VAULT = "65a4f00dc0ffee0000000101", "65a4f00dc0ffee0000000105"
CRM, CLUSTER, COMPARE = (f"65a4f00dc0ffee000000020{n}" for n in (1, 2, 3))


def test_tools(start):
    """The list has whole tools; the summary has the same."""
    api = start()
    tools = api.get("registry/tools")
    assert [one["name"] for one in tools] == [
        "Shop Jenkins",
        "Shop SonarQube",
        "Production cluster",
        "Old Bitbucket",
    ]
    assert api.call("POST", "registry/summary", toolId=TOOL).json() == tools[0]
    assert tools[0]["tool_identifier"] == "jenkins"
    assert tools[0]["owner_name"] == "Robin Weber"


def test_update_replaces_root_properties(start):
    """What is sent is replaced as a whole, what is not stays; three properties are left alone."""
    api = start()
    before = api.call("POST", "registry/summary", toolId=TOOL).json()
    api.clock.sleep(5)
    changes = {"name": "Jenkins", "configuration": {"jUserId": "ci"}, "contacts": ["Kim"]}
    harmless = {"_id": "f" * 24, "createdAt": "x", "updatedAt": 7}
    answer = api.call("POST", "registry/update", toolId=TOOL, tool={**changes, **harmless})
    expected = {**before, **changes, "updatedAt": "2026-01-01T00:00:05.000Z"}
    assert answer.json() == expected
    assert api.get("registry/tools")[0] == expected


@pytest.mark.parametrize(
    ("sent", "status", "said"),
    [
        ({}, 400, "toolId is required."),
        ({"toolId": 5, "tool": {}}, 400, "toolId is required."),
        ({"toolId": "0" * 24, "tool": {}}, 404, f"Tool {'0' * 24} was not found."),
        ({"toolId": VAULT, "tool": {}}, 403, "Forbidden"),
        ({"toolId": TOOL}, 400, "tool must be an object with the properties to replace."),
        ({"toolId": TOOL, "tool": []}, 400, "tool must be an object with"),
        ({"toolId": TOOL, "tool": {"name": 5}}, 400, "name of a tool must be a string."),
        ({"toolId": TOOL, "tool": {"configuration": None}}, 400, "must be an object."),
        ({"toolId": TOOL, "tool": {"active": 1}}, 400, "active of a tool must be true or false."),
    ],
)
def test_wrong_updates(start, sent, status, said):
    """An update that cannot be is refused and changes nothing."""
    api = start()
    before = api.get("registry/tools")
    answer = api.call("POST", "registry/update", **sent)
    assert answer.status_code == status
    assert said in answer.json()["message"]
    assert api.get("registry/tools") == before


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999", "-Infinity"])
def test_numbers_that_are_none(start, number):
    """What could not be written as JSON again is not read."""
    api = start()
    body = f'{{"toolId": "{TOOL}", "tool": {{"port": {number}}}}}'
    headers = {"Content-Type": "application/json"}
    url = f"{api.sim.url}/api/v1/registry/update"
    assert api.session.post(url, data=body, headers=headers, timeout=5).status_code == 400


def test_a_body_that_is_too_deep(start):
    """A body of endless brackets is a bad request."""
    api = start()
    headers = {"Content-Type": "application/json"}
    url = f"{api.sim.url}/api/v1/registry/update"
    body = '{"tool":' + "[" * 200_000
    assert api.session.post(url, data=body, headers=headers, timeout=5).status_code == 400


def test_tasks(start):
    """The list is counted; the task has what the API's own example has."""
    api = start()
    tasks = api.get("tasks")
    assert (tasks["count"], [one["status"] for one in tasks["data"]]) == (
        4,
        ["success", "success", "running", "created"],
    )
    task = api.call("POST", "tasks/summary", taskId=CRM).json()
    assert task == tasks["data"][0]
    assert set(task) == {
        "_id", "tags", "name", "description", "type", "tool_identifier", "active",
        "configuration", "status", "roles", "account", "owner", "createdAt", "updatedAt", "__v",
        "owner_name", "run_count", "message", "jenkinsIds",
    }  # fmt: skip
    assert (task["run_count"], task["message"]) == (3, "[Git Merge Action]: Synch up successful")


def test_a_task_goes_on(start):
    """A task that runs ends in its time, and its log grows."""
    api = start()
    assert api.call("POST", "tasks/status", taskId=COMPARE).json() == "running"
    assert api.get("logs/task", taskId=COMPARE)["count"] == 2
    api.clock.sleep(60)
    assert api.call("POST", "tasks/status", taskId=COMPARE).json() == "success"
    assert api.get("logs/task", taskId=COMPARE)["count"] == 4


def test_task_status_as_bare_text(start):
    """The state can come without quotes."""
    answer = start(switches={"task_status": "text"}).call("POST", "tasks/status", taskId=CRM)
    assert (answer.text, answer.headers["Content-Type"][:10]) == ("success", "text/plain")


def test_task_logs(start):
    """Records of all runs come newest first, or those of one run."""
    api = start()
    every, one = api.get("logs/task", taskId=CRM), api.get("logs/task", taskId=CRM, runCount=2)
    assert (every["count"], one["count"]) == (9, 3)
    assert [record["run_count"] for record in every["data"]] == [3] * 3 + [2] * 3 + [1] * 3
    times = [record["createdAt"] for record in every["data"]]
    assert times == sorted(times, reverse=True)
    assert one["data"][0]["status"] == "failed"
    assert {"run_count", "name", "log_type", "type", "message", "status", "createdAt"} <= set(
        one["data"][0]
    )
    assert api.get("logs/task", taskId=CRM, runCount=9) == {"count": 0, "data": []}


def test_task_logs_have_text_in_every_place(start):
    """One task tells of itself in all the places where console text can be."""
    records = start().get("logs/task", taskId=CLUSTER)["data"][::-1]
    shapes = [record["api_response"] for record in records]
    assert [next(iter(one), "") if isinstance(one, dict) else "text" for one in shapes] == [
        "jenkinsConsoleLog", "jenkins_console_log", "consoleLog", "consoleLog", "message",
        "buildLog", "text", "apiResponse", "message", "", "output",
    ]  # fmt: skip
    assert records[4]["step_configuration"] == {"topic": "opsera.pipeline.octopus.console.log"}
    assert records[9]["message"] == "cluster build-7 is ready\n"


def test_task_logs_by_body(start):
    """The parameters can be in a body instead."""
    api = start()
    url = f"{api.sim.url}/api/v1/logs/task"
    body = {"taskId": CRM, "runCount": 1, "page": 1, "count": 2}
    answer = api.session.get(url, json=body, timeout=5).json()
    assert [record["run_count"] for record in answer["data"]] == [1, 1]


def test_growing_task_log(start, small):
    """A record that grows shows what there is by now."""
    log = [{"at": 0, "growing": True, "every": 10, "pieces": ["a", "b", "c\n"]}]
    task = {"name": "T", "runs": [{"at": -15, "log": log}], "place": "buildLog"}
    api = start(small(tasks=[task]), switches={"line_ends": "crlf"})
    task_id = api.get("tasks")["data"][0]["_id"]
    for text in ("ab", "abc\r\n"):
        (record,) = api.get("logs/task", taskId=task_id)["data"]
        assert record["api_response"] == {"buildLog": text}
        api.clock.sleep(10)


def test_pages_of_a_task_log(start):
    """Pages follow each other without a gap, and end."""
    api = start("crowded")
    task = api.get("tasks")["data"][0]["_id"]
    pages = [api.get("logs/task", taskId=task, page=n, count=700)["data"] for n in (1, 2, 3, 4)]
    assert [len(page) for page in pages] == [700, 700, 100, 0]
    assert len({record["_id"] for page in pages for record in page}) == 1500
    assert len(api.get("logs/task", taskId=task, count=5000)["data"]) == 1000
    assert len(api.get("logs/task", taskId=task)["data"]) == 1000


def test_switches_of_task_logs(start):
    """Order, first page and count can be other ones."""
    switches = {"task_log_order": "oldest_first", "first_page": "zero", "count_tells": "all"}
    api = start(switches=switches)
    first = api.get("logs/task", taskId=CRM, page=0, count=4)
    assert (first["count"], len(first["data"]), first["data"][0]["run_count"]) == (9, 4, 1)
    assert len(api.get("logs/task", taskId=CRM, page=2, count=4)["data"]) == 1


@pytest.mark.parametrize(
    ("form", "keys"), [("counted", ["count", "data"]), ("data", ["data"]), ("bare", [])]
)
def test_counted_answers(start, form, keys):
    """Counted lists can come without their count, or bare."""
    answer = start(switches={"counted_answers": form}).get("tasks")
    assert (list(answer) if isinstance(answer, dict) else []) == keys


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("logs/task", {}),
        ("logs/task", {"taskId": CRM, "page": 0}),
        ("logs/task", {"taskId": CRM, "page": ""}),
        ("logs/task", {"taskId": CRM, "count": "many"}),
        ("logs/task", {"taskId": CRM, "count": "٣"}),
        ("logs/task", {"taskId": CRM, "runCount": -1}),
        ("logs/user/actions", {"date": "yesterday"}),
        ("logs/user/actions", {"date": "20260101"}),
        ("logs/user/actions", {"date": ""}),
        ("logs/user/actions", {"date": "2026-02-30"}),
        ("logs/user/actions", {"count": 0}),
        ("logs/user/tokens", {"date": "2026-1-1"}),
    ],
)
def test_wrong_queries(start, path, query):
    """A query that says something impossible is a bad request."""
    assert start().call("GET", path, **query).status_code == 400


@pytest.mark.parametrize("path", ["tasks/summary", "tasks/status"])
@pytest.mark.parametrize(
    ("sent", "status"), [({"x": 1}, 400), ({"taskId": "0" * 24}, 404), ({"taskId": CRM}, 200)]
)
def test_task_ids(start, path, sent, status):
    """A task is asked for by its ID."""
    assert start().call("POST", path, **sent).status_code == status


def test_token_log(start):
    """Every use of a token is in the log at once, also one that was refused."""
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


def test_token_log_by_scope_and_day(start):
    """Uses can be asked for by scope and by day."""
    api = start()
    api.call("GET", "tasks", api.sim.issue_token("tasks"))
    assert api.get("logs/user/tokens", scope="tasks")["count"] == 1
    assert api.get("logs/user/tokens", date="2026-01-01", scope="registry")["count"] == 0
    days = {one["createdAt"][:10] for one in api.get("logs/user/tokens", date="2025-12-05")["data"]}
    assert days == {"2025-12-05"}


def test_action_log(start):
    """What changes something is in the log, whoever did it; what only reads is not."""
    api = start("busy")
    api.ask("run")
    api.ask("summary")
    api.ask("stop")
    api.ask("reset")
    api.call("POST", "registry/update", toolId=TOOL, tool={"name": "J"})
    api.call("POST", "registry/update", toolId=VAULT, tool={"name": "J"})
    api.sim.start_by_somebody_else(user="Kim")
    newest = api.get("logs/user/actions", count=6)["data"]
    assert [(one["type"], one["action"]) for one in newest] == [
        ("pipeline", "run"),
        ("registry", "update"),
        ("pipeline", "reset"),
        ("pipeline", "stop"),
        ("pipeline", "run"),
        ("pipeline", "run"),
    ]
    assert [one["user_email"].partition("@")[0] for one in newest] == [
        "kim", "alex.kim", "alex.kim", "alex.kim", "alex.kim", "dana.ortiz"
    ]  # fmt: skip
    assert (newest[1]["target_id"], newest[2]["target_id"]) == (TOOL, api.sim.pipeline_id)
    assert newest[5]["createdAt"] == "2025-12-31T23:59:56.000Z"
    only = api.get("logs/user/actions", type="registry", date="2026-01-01")
    assert (only["count"], only["data"]) == (1, [newest[1]])


def test_a_decision_is_an_action(start):
    """Who approved at a gate can be read, once."""
    api = start("paused-refusal")
    assert [api.sim.approve(by="Kim"), api.sim.approve(by="Kim")] == [True, False]
    newest = api.get("logs/user/actions")["data"][0]
    assert (newest["action"], newest["user_email"]) == ("approve", "kim@shop.example")


@pytest.mark.parametrize(("path", "most"), [("actions", 60), ("tokens", 90)])
def test_the_last_seven_days(start, path, most):
    """Without a date only a week is shown; older entries are there by their date."""
    api = start()
    week = api.get(f"logs/user/{path}")["data"]
    assert 10 < len(week) < most / 2
    assert week[-1]["createdAt"] >= "2025-12-25T00:00:00.000Z"
    assert api.get(f"logs/user/{path}", date="2025-12-10")["count"] > 0
    api.ask("run")

    def newest_of_the_beginning():
        entries = api.get(f"logs/user/{path}")["data"]
        return [one for one in entries if one["createdAt"] == "2026-01-01T00:00:00.000Z"]

    api.clock.sleep(7 * 86400 - 1)
    assert newest_of_the_beginning()
    api.clock.sleep(2)
    assert not newest_of_the_beginning()


@pytest.mark.parametrize(
    "path",
    ["pipeline/pipelines", "registry/tools", "tasks", "logs/user/actions", "logs/user/tokens"],
)
@pytest.mark.parametrize(("tells", "count"), [("shown", 1000), ("all", 1500)])
def test_at_most_a_thousand(start, path, tells, count):
    """No list is longer than 1000, whatever there is."""
    answer = start("crowded", switches={"count_tells": tells}).get(path)
    data = answer["data"] if isinstance(answer, dict) else answer
    assert len(data) == 1000
    assert isinstance(answer, list) or answer["count"] - count in (0, 1)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"users": [{"name": "K", "role": "king"}]}, "users[0].role must be one of Site Admin"),
        ({"tools": [{"tool": "x"}]}, "tools[0].name must be a text"),
        ({"tools": [{"name": "x", "access": 5}]}, "tools[0].access must be a list of texts"),
        ({"tasks": [{"name": "x", "repeat": "y"}]}, "tasks[0].repeat must be a whole number"),
        ({"tasks": [{"name": "x", "runs": [{}]}]}, "tasks[0].runs[0].at must be a number"),
        ({"tasks": 5}, "tasks must be a list, not 5"),
        ({"audit": {"days": "x"}}, "audit.days must be a number"),
        ({"token": {"scope": "x"}}, "token.scope must be one of api"),
    ],
)
def test_wrong_scenarios(start, small, more, said):
    """What is wrong with an account is said with its place."""
    with pytest.raises(ValueError, match="must be") as caught:
        start(small(**more))
    assert said in str(caught.value)
