"""Who may do what: every call, scope, role and kind of access, written down as the API has it."""

from __future__ import annotations

import pytest
import requests

PLAN = [{"name": "Build", "duration": 1}]
OBJECTS = ("own", "granted", "open", "closed")
"""What an object is to the user: theirs, granted to them by name, open to all, or to nobody."""

IDS = {
    kind: {access: f"{n}{m}" * 12 for m, access in enumerate(OBJECTS)}
    for n, kind in enumerate(("pipelineId", "toolId", "taskId"), 1)
}

SCOPES = (
    "api", "api-readonly", "pipeline", "pipeline-readonly", "registry", "registry-readonly",
    "tasks", "tasks-readonly", "security-logs",
)  # fmt: skip

MAY = {
    "POST pipeline/run": "api pipeline",
    "POST pipeline/status": "api api-readonly pipeline pipeline-readonly",
    "POST pipeline/reset": "api pipeline",
    "POST pipeline/stop": "api pipeline",
    "POST pipeline/summary": "api api-readonly pipeline pipeline-readonly",
    "POST pipeline/logs": "api api-readonly pipeline pipeline-readonly",
    "GET pipeline/pipelines": "api api-readonly pipeline pipeline-readonly",
    "GET registry/tools": "api api-readonly registry registry-readonly",
    "POST registry/summary": "api api-readonly registry registry-readonly",
    "POST registry/update": "api registry",
    "GET logs/user/actions": "api security-logs",
    "GET logs/user/tokens": "api security-logs",
    "GET tasks": "api api-readonly tasks tasks-readonly",
    "POST tasks/summary": "api api-readonly tasks tasks-readonly",
    "POST tasks/status": "api api-readonly tasks tasks-readonly",
    "GET logs/task": "api security-logs tasks tasks-readonly",
}
"""The scopes that each call takes."""

LISTS = {
    "GET pipeline/pipelines": {"Site Admin": 200, "Power User": 200, "plain": 403},
    "GET registry/tools": {"Site Admin": 200, "Power User": 200, "plain": 403},
    "GET logs/user/actions": {"Site Admin": 200, "Power User": 200, "plain": 403},
    "GET logs/user/tokens": {"Site Admin": 200, "Power User": 200, "plain": 403},
    "GET tasks": {"Site Admin": 200, "Power User": 200, "plain": 200},
}
"""Calls that are about no single object: what the role makes of them."""

ITEMS = {
    ("Site Admin", "own"): 200,
    ("Site Admin", "granted"): 200,
    ("Site Admin", "open"): 200,
    ("Site Admin", "closed"): 200,
    ("Power User", "own"): 200,
    ("Power User", "granted"): 200,
    ("Power User", "open"): 200,
    ("Power User", "closed"): 403,
    ("plain", "own"): 200,
    ("plain", "granted"): 200,
    ("plain", "open"): 403,
    ("plain", "closed"): 403,
}
"""Calls about an object: what the role and the access make of them."""

NAME = "Toni Vale"


def scenario():
    """Return one with a pipeline, a tool and a task of each kind of access."""
    access = {"own": {"owner": NAME, "access": False}, "granted": {"access": ["Kim", NAME]}}
    access |= {"open": {"access": True}, "closed": {"access": False}}

    def each(kind, **more):
        return [
            {"name": f"{kind} {one}", "id": IDS[kind][one], **access[one], **more}
            for one in OBJECTS
        ]

    return {
        "pipelines": each("pipelineId", plan=PLAN, run_count=3),
        "tools": each("toolId"),
        "tasks": each("taskId"),
    }


@pytest.fixture
def api(start):
    return start(scenario())


def kind_of(call):
    return {"pipeline": "pipelineId", "registry": "toolId"}.get(
        call.split()[1].split("/")[0], "taskId"
    )


@pytest.mark.parametrize("role", ["Site Admin", "Power User", "plain"])
@pytest.mark.parametrize("call", MAY)
def test_every_scope_role_and_access(api, call, role):
    """A call is answered if the scope covers it and the user may use the object; else 403."""
    method, path = call.split()
    kind = kind_of(call)
    expected, answered = {}, {}
    for scope in SCOPES:
        token = api.sim.issue_token(scope, role=role, user=NAME)
        for access in OBJECTS:
            status = LISTS[call][role] if call in LISTS else ITEMS[role, access]
            expected[scope, access] = status if scope in MAY[call].split() else 403
            sent = {} if call in LISTS else {kind: IDS[kind][access]}
            sent |= {"tool": {"name": "New"}} if path == "registry/update" else {}
            answered[scope, access] = api.call(method, path, token, **sent).status_code
    assert answered == expected


@pytest.mark.parametrize(
    ("role", "seen"),
    [
        ("Site Admin", ["own", "granted", "open", "closed"]),
        ("Power User", ["own", "granted", "open"]),
        ("plain", ["own", "granted"]),
    ],
)
def test_lists_have_what_the_user_may_use(api, role, seen):
    """Lists leave out what the user may not use."""
    token = api.sim.issue_token(role=role, user=NAME)
    tasks = api.call("GET", "tasks", token).json()
    assert [one["_id"] for one in tasks["data"]] == [IDS["taskId"][one] for one in seen]
    if role != "plain":
        for path, kind in (("pipeline/pipelines", "pipelineId"), ("registry/tools", "toolId")):
            found = api.call("GET", path, token).json()
            assert [one["_id"] for one in found] == [IDS[kind][one] for one in seen]


def test_order_of_checks(api):
    """Time comes before the user, the user before deactivation, and these before the scope."""
    sim, ask = api.sim, ("POST", "pipeline/run")
    closed = {"pipelineId": IDS["pipelineId"]["closed"]}
    expired = sim.issue_token("tasks", user=NAME, expires_in=-1)
    good = sim.issue_token("tasks", role="plain", user=NAME)
    right = sim.issue_token("pipeline", user=NAME)
    sim.set_user(NAME, valid=False)
    for token in (expired, good):
        sim.deactivate(token)

    def said(token, **sent):
        answer = api.call(*ask, token, **sent)
        return answer.status_code, answer.json()["message"]

    owner = "Unauthorized: the owner of the token is not a valid user."
    assert said(expired, **closed) == (401, "Unauthorized")
    assert said(good, **closed) == (401, owner)
    sim.set_user(NAME)
    assert said(good, **closed) == (401, "Unauthorized: the token was deactivated.")
    wrong = sim.issue_token("tasks", user=NAME)
    assert said(wrong) == (403, "Forbidden")
    assert said(right) == (400, "pipelineId is required.")
    assert said(right, pipelineId="0" * 24)[0] == 404
    assert said(right, **closed) == (403, "Forbidden")


def test_the_user_of_the_scenario(start):
    """What is open is so to the owner of the first token too, whatever their role is."""
    api = start({**scenario(), "power_user": False})
    for access, status in (("own", 403), ("granted", 403), ("open", 200), ("closed", 403)):
        sent = {"pipelineId": IDS["pipelineId"][access]}
        assert api.call("POST", "pipeline/summary", **sent).status_code == status
    seen = api.get("tasks")["data"]
    assert [one["_id"] for one in seen] == [IDS["taskId"]["open"]]
    assert api.call("GET", "pipeline/pipelines").status_code == 403


def test_what_was_sent_comes_before_where_it_goes(api):
    """A request that no object could take is 400, whether or not the object is there."""
    asks = [
        ("POST", "pipeline/status", "pipelineId", {"runCount": "x"}),
        ("POST", "pipeline/logs", "pipelineId", {"runCount": 1.5}),
        ("POST", "registry/update", "toolId", {"tool": 5}),
        ("POST", "registry/update", "toolId", {"tool": {"name": 5}}),
        ("GET", "logs/task", "taskId", {"page": 0}),
        ("GET", "logs/task", "taskId", {"count": "x"}),
    ]
    token = api.sim.issue_token(role="plain", user=NAME)
    for method, path, kind, sent in asks:
        for thing in ("0" * 24, IDS[kind]["closed"], IDS[kind]["own"]):
            assert api.call(method, path, token, **{kind: thing}, **sent).status_code == 400


def test_access_can_be_granted_and_taken(api):
    """What may be used changes at once."""
    token = api.sim.issue_token(role="plain", user=NAME)
    task = {"taskId": IDS["taskId"]["closed"]}
    for access, status in ((False, 403), ([NAME], 200), (["Kim"], 403), (True, 403)):
        api.sim.set_access(task["taskId"], access)
        assert api.call("POST", "tasks/status", token, **task).status_code == status
    api.sim.set_access(task["taskId"], NAME)
    assert api.call("POST", "tasks/status", token, **task).status_code == 200
    with pytest.raises(KeyError, match="nothing has the ID x"):
        api.sim.set_access("x", True)


def test_runs_are_of_whose_token_it_is(api):
    """A run is started by the owner of the token."""
    token = api.sim.issue_token("pipeline", role="plain", user=NAME)
    pipeline = IDS["pipelineId"]["own"]
    assert api.call("POST", "pipeline/run", token, pipelineId=pipeline).status_code == 200
    assert [run.started_by for run in api.sim.runs(pipeline)] == [NAME]


def test_a_token_for_a_role(start):
    """A token can be issued for some user with a role, also for one that nobody has."""
    api = start()
    for role in ("site-admin", "POWER_USER", "plain"):
        api.sim.issue_token(role=role)
    assert [one["user"] for one in api.sim.tokens()[2:]] == [
        "Robin Weber",
        "Alex Kim",
        "Dana Ortiz",
    ]
    bare = start({"pipelines": [{"name": "P", "plan": PLAN}], "users": []})
    bare.sim.issue_token(role="Site Admin")
    assert bare.sim.tokens()[-1]["user"] == "A Site Admin"
    assert [one["role"] for one in bare.sim.users()] == ["Power User", "Site Admin"]


@pytest.mark.parametrize(
    ("wish", "error"),
    [({"scope": "all"}, "scope takes api, api-readonly"), ({"role": "king"}, "role takes Site")],
)
def test_tokens_that_cannot_be(start, wish, error):
    """An unknown scope or role is refused."""
    with pytest.raises(ValueError, match=error):
        start().sim.issue_token(**wish)


def test_a_token_expires(start):
    """A token is good until its time has come."""
    api = start()
    token = api.sim.issue_token(expires_in=60)
    assert api.call("GET", "tasks", token).status_code == 200
    api.clock.sleep(60)
    assert api.call("GET", "tasks", token).status_code == 401


def test_first_token_can_have_a_scope(start, small):
    """The scenario chooses the scope of the token that everything begins with."""
    api = start(small(token={"scope": "pipeline-readonly"}))
    assert api.post("summary").status_code == 200
    assert api.post("run").status_code == 403


def test_control_plane(start):
    """Tokens, users and access can be changed without Python."""
    api = start()
    issued = api.control("tokens", scope="tasks", role="plain", user="Kim", expiresIn=60)
    assert (issued["scope"], issued["user"], issued["active"]) == ("tasks", "Kim", True)
    assert issued["expires"] == "2026-01-01T00:01:00.000Z"
    task = {"taskId": "65a4f00dc0ffee0000000205"}
    assert api.control("access", id=task["taskId"], access=["Kim"]) == {"done": True}
    assert api.call("POST", "tasks/status", issued["token"], **task).json() == "stopped"
    assert api.control("users", user="Kim", valid=False) == {"done": True}
    assert api.call("POST", "tasks/status", issued["token"], **task).status_code == 401
    assert api.control("tokens/deactivate", token=issued["token"]) == {"done": True}
    url = f"{api.sim.url}/simulator/tokens"
    assert requests.get(url, timeout=5).json() == api.sim.state()["tokens"]
    assert api.sim.state()["tokens"][-1]["active"] is False
    assert {"name": "Kim", "role": "plain", "valid": False} in api.sim.state()["users"]
    assert "no such token" in api.control("tokens/deactivate", token="x")["message"]
