"""Who may do what: every call, role, and kind of access, as the API's page states it."""

from __future__ import annotations

import pytest

PLAN = [{"name": "Build", "duration": 1}]
OBJECTS = ("own", "granted", "open", "closed")
"""The access to an object: the user's own, by name, for all, or for none."""

IDS = {
    kind: {access: f"{n}{m}" * 12 for m, access in enumerate(OBJECTS)}
    for n, kind in enumerate(("pipelineId", "toolId", "taskId"), 1)
}

CALLS = (
    "POST pipeline/run", "POST pipeline/status", "POST pipeline/reset", "POST pipeline/stop",
    "POST pipeline/summary", "POST pipeline/logs", "GET pipeline/pipelines", "GET registry/tools",
    "POST registry/summary", "POST registry/update", "GET logs/user/actions",
    "GET logs/user/tokens", "GET tasks", "POST tasks/summary", "POST tasks/status", "GET logs/task",
)  # fmt: skip

BY_ROLE = {"Site Admin": 200, "Power User": 200, "plain": 403}
LISTS = {
    "GET pipeline/pipelines": BY_ROLE, "GET registry/tools": BY_ROLE,
    "GET logs/user/actions": BY_ROLE, "GET logs/user/tokens": BY_ROLE,
    "GET tasks": {**BY_ROLE, "plain": 200},
}  # fmt: skip
"""The response to calls that are about no single object, by role."""

ITEMS = {
    **{("Site Admin", access): 200 for access in OBJECTS},
    **{("Power User", access): 403 if access == "closed" else 200 for access in OBJECTS},
    **{("plain", access): 200 if access in ("own", "granted") else 403 for access in OBJECTS},
}
"""The response to calls about an object, by role and access."""

NAME = "Toni Vale"


def scenario():
    """Return one with a pipeline, a tool, and a task of each kind of access."""
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
    start_of_path = call.split()[1].split("/")[0]
    return {"pipeline": "pipelineId", "registry": "toolId"}.get(start_of_path, "taskId")


def send(api, call, token, access):
    method, path = call.split()
    kind = kind_of(call)
    sent = {} if call in LISTS else {kind: IDS[kind][access]}
    sent |= {"tool": {"name": "New"}} if path == "registry/update" else {}
    return api.call(method, path, token, **sent).status_code


@pytest.mark.parametrize("role", ["Site Admin", "Power User", "plain"])
def test_every_role_and_access(api, role):
    """A call succeeds if the user may use the object, else it is 403."""
    token = api.sim.issue_token(role=role, user=NAME)
    for call in CALLS:
        for access in OBJECTS:
            expected = LISTS[call][role] if call in LISTS else ITEMS[role, access]
            assert (call, access, send(api, call, token, access)) == (call, access, expected)


@pytest.mark.parametrize(
    ("role", "seen"),
    [
        ("Site Admin", ["own", "granted", "open", "closed"]),
        ("Power User", ["own", "granted", "open"]),
        ("plain", ["own", "granted"]),
    ],
)
def test_lists_contain_what_the_user_may_use(api, role, seen):
    """Lists leave out what the user may not use."""
    token = api.sim.issue_token(role=role, user=NAME)
    tasks = api.call("GET", "tasks", token).json()
    assert [one["_id"] for one in tasks["data"]] == [IDS["taskId"][one] for one in seen]
    if role != "plain":
        for path, kind in (("pipeline/pipelines", "pipelineId"), ("registry/tools", "toolId")):
            found = api.call("GET", path, token).json()
            assert [one["_id"] for one in found] == [IDS[kind][one] for one in seen]


def test_the_order_of_checks(api):
    """Expiry comes before the user, the user before deactivation, and these before the scope."""
    sim = api.sim
    closed = {"pipelineId": IDS["pipelineId"]["closed"]}
    expired = sim.issue_token("tasks", user=NAME, expires_in=-1)
    inactive = sim.issue_token("tasks", role="plain", user=NAME)
    right = sim.issue_token("pipeline", user=NAME)
    sim.set_user(NAME, valid=False)
    for token in (expired, inactive):
        sim.deactivate_token(token)

    def response(token, **sent):
        got = api.call("POST", "pipeline/run", token, **sent)
        return got.status_code, got.json()["message"]

    owner = "Unauthorized: the owner of the token is not a valid user."
    assert response(expired, **closed) == (401, "Unauthorized")
    assert response(inactive, **closed) == (401, owner)
    sim.set_user(NAME)
    assert response(inactive, **closed) == (401, "Unauthorized: the token was deactivated.")
    assert response(sim.issue_token("tasks", user=NAME)) == (403, "Forbidden")
    assert response(right) == (400, "pipelineId is required.")
    assert response(right, pipelineId="0" * 24)[0] == 404
    assert response(right, **closed) == (403, "Forbidden")


def test_the_user_of_the_scenario(start):
    """Open objects are open to the owner of the first token, whatever their role."""
    api = start({**scenario(), "power_user": False})
    for access, status in (("own", 403), ("granted", 403), ("open", 200), ("closed", 403)):
        sent = {"pipelineId": IDS["pipelineId"][access]}
        assert api.call("POST", "pipeline/summary", **sent).status_code == status
    assert [one["_id"] for one in api.get("tasks")["data"]] == [IDS["taskId"]["open"]]
    assert api.call("GET", "pipeline/pipelines").status_code == 403


def test_the_request_is_checked_before_the_object(api):
    """A request that no object could take is 400, whether or not the object exists."""
    requests = [
        ("POST", "pipeline/status", "pipelineId", {"runCount": "x"}),
        ("POST", "pipeline/logs", "pipelineId", {"runCount": 1.5}),
        ("POST", "registry/update", "toolId", {"tool": 5}),
        ("POST", "registry/update", "toolId", {"tool": {"name": 5}}),
        ("GET", "logs/task", "taskId", {"page": 0}),
        ("GET", "logs/task", "taskId", {"count": "x"}),
    ]
    token = api.sim.issue_token(role="plain", user=NAME)
    for method, path, kind, sent in requests:
        for thing in ("0" * 24, IDS[kind]["closed"], IDS[kind]["own"]):
            assert api.call(method, path, token, **{kind: thing}, **sent).status_code == 400


def test_access_can_change(api):
    """Granting and revoking access takes effect at once."""
    token = api.sim.issue_token(role="plain", user=NAME)
    pipeline = {"pipelineId": IDS["pipelineId"]["closed"]}
    for access, status in ((False, 403), ([NAME], 200), (["Kim"], 403), (True, 403), (NAME, 200)):
        api.sim.set_access(pipeline["pipelineId"], access)
        assert api.call("POST", "pipeline/status", token, **pipeline).status_code == status
    with pytest.raises(KeyError, match="nothing has the ID x"):
        api.sim.set_access("x", True)


def test_a_token_for_a_role(start):
    """A token can be issued for a user with a role; if there is none, one is created."""
    api = start()
    for role in ("site-admin", "POWER_USER", "plain"):
        api.sim.issue_token(role=role)
    users = [one["user"] for one in api.sim.tokens()[2:]]
    assert users == ["Robin Weber", "Alex Kim", "Dana Ortiz"]
    bare = start({"pipelines": [{"name": "P", "plan": PLAN}], "users": []})
    bare.sim.issue_token(role="Site Admin")
    assert bare.sim.tokens()[-1]["user"] == "A Site Admin"
    assert [one["role"] for one in bare.sim.users()] == ["Power User", "Site Admin"]


def test_tokens_expire(start, small):
    """A token is valid until its time has come; the first one can have a scope."""
    api = start(small(token={"scope": "pipeline-readonly", "lifetime": 90}))
    assert api.post("status").status_code == 200
    assert api.post("run").status_code == 403
    token = api.sim.issue_token(expires_in=60)
    assert api.call("GET", "tasks", token).status_code == 200
    api.clock.sleep(60)
    assert api.call("GET", "tasks", token).status_code == 401
    assert api.post("status").status_code == 200
    api.clock.sleep(30)
    assert api.post("status").status_code == 401
    assert api.call("GET", "tasks", api.sim.expired_token).status_code == 401
