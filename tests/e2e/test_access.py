"""Who may do what: each call with each scope and role, through the command line and real HTTP.

What is expected is written down from the API page, not taken from the client's own table.
"""

from __future__ import annotations

import pytest

from opsera_step.clock import FakeClock
from opsera_step.errors import ExitCode
from opsera_step.simulator import Simulator
from tests.support import long_after, scenes
from tests.support.jobs import play
from tests.support.shell import LOCKED_TASK, LOCKED_TOOL, TASK, TOOL, ask, fast, opsera

API, READ_API = "api", "api api-readonly"
READ_PIPELINE = f"{READ_API} pipeline pipeline-readonly"
READ_REGISTRY = f"{READ_API} registry registry-readonly"
READ_TASKS = f"{READ_API} tasks tasks-readonly"
AUDIT = f"{API} security-logs"
SCOPES = (
    "api", "api-readonly", "pipeline", "pipeline-readonly", "registry", "registry-readonly",
    "tasks", "tasks-readonly", "security-logs",
)  # fmt: skip
CALLS = {
    ("status",): (READ_PIPELINE, False),
    ("summary",): (READ_PIPELINE, False),
    ("logs", "--format", "json"): (READ_PIPELINE, False),
    ("pipelines",): (READ_PIPELINE, True),
    ("tool", "list"): (READ_REGISTRY, True),
    ("tool", "show", TOOL): (READ_REGISTRY, False),
    ("tool", "update", TOOL, "--set", "description=new", "--yes"): (f"{API} registry", False),
    ("audit", "actions"): (AUDIT, True),
    ("audit", "tokens"): (AUDIT, True),
    ("task", "list"): (READ_TASKS, False),
    ("task", "show", TASK): (READ_TASKS, False),
    ("task", "status", TASK): (READ_TASKS, False),
    ("task", "logs", TASK): (f"{AUDIT} tasks tasks-readonly", False),
    ("reset",): (f"{API} pipeline", False),
    ("run", "--no-wait"): (f"{API} pipeline", False),
    ("stop",): (f"{API} pipeline", False),
}
"""The sixteen calls as commands: the scopes that may, and whether it takes a Power User."""
PAGE = {
    ("status",): f"{API} pipeline pipeline-readonly",
    ("summary",): f"{API} pipeline",
    ("logs", "--format", "json"): f"{API} pipeline pipeline-readonly",
    ("pipelines",): f"{API} pipeline",
    ("tool", "list"): f"{API} registry",
    ("tool", "show", TOOL): f"{API} registry",
    ("task", "list"): API,
    ("task", "show", TASK): API,
    ("task", "status", TASK): API,
    ("task", "logs", TASK): AUDIT,
}
"""The scopes that the API page states, of calls for which more scopes may work."""


@pytest.mark.parametrize(
    ("scopes", "role"),
    long_after(2, [("page", "plain"), ("wide", "Power User"), ("page", "Power User"),
                   ("page", "Site Admin"), ("wide", "plain"), ("wide", "Site Admin")]),
)  # fmt: skip
@pytest.mark.parametrize("scope", SCOPES)
def test_every_call_with_every_scope_and_role(scopes, scope, role):
    """What the API allows ends with 0, all else with 4, nothing on stdout, and what it takes."""
    wrong = []
    with fast("slow", flags={"scopes": scopes}) as simulator:
        for thing in (simulator.pipeline_id, TOOL, TASK):
            simulator.set_access(thing, ["Jo Doe", "Alex Kim"])
        simulator.set_user("Jo Doe", role=role)
        token = simulator.issue_token(scope, user="Jo Doe", role=role)
        simulator.start_run()
        for words, (wide, for_power_users) in CALLS.items():
            accepted = PAGE.get(words, wide) if scopes == "page" else wide
            allowed = scope in accepted.split() and (role != "plain" or not for_power_users)
            if words == ("stop",) and not allowed:
                # A read-only token may still see that no run is in progress.
                ask(simulator, "POST", "pipeline/run", json={"pipelineId": simulator.pipeline_id})
            done = opsera(simulator, *words, token=token)
            if done.code != (ExitCode.SUCCESS if allowed else ExitCode.AUTH):
                wrong.append((words, done))
            if not allowed and "HTTP 403" not in done.out + done.err:
                wrong.append((words, done))
    assert wrong == []


# The list of tasks has what its reader may use, and nothing else.
OF_ONE_OBJECT = [
    words for words, (_, power) in CALLS.items() if not power and words[1:] != ("list",)
]


@pytest.mark.parametrize("words", OF_ONE_OBJECT)
def test_an_object_without_access(words):
    """A request about an object that the token's owner can't access ends with 4."""
    with fast() as simulator:
        simulator.set_access(simulator.pipeline_id, ["Robin Weber"])
        token = simulator.issue_token("api", user="Sam Okafor")
        locked = [{TOOL: LOCKED_TOOL, TASK: LOCKED_TASK}.get(word, word) for word in words]
        done = opsera(simulator, *locked, token=token)
        assert done.code == ExitCode.AUTH
        assert "no access to this" in done.out + done.err


@pytest.mark.parametrize("words", [words for words, (_, power) in CALLS.items() if power])
def test_a_list_for_power_users_has_a_hint(words):
    """A list that a plain user may not see names the role that it takes."""
    with fast() as simulator:
        done = opsera(simulator, *words, token=simulator.issue_token("api", user="Dana Ortiz"))
        assert (done.code, done.out) == (ExitCode.AUTH, "")
        assert "Power User" in done.err


@pytest.mark.parametrize("words", CALLS)
def test_a_bad_token(words):
    """An unknown or deactivated token ends with 4 and a remedy."""
    with fast() as simulator:
        token = simulator.issue_token("api")
        simulator.deactivate_token(token)
        for bad in (token, "eyJhbGciOiJub25lIn0.eyJ4IjoxfQ.c2lnbmF0dXJl"):
            done = opsera(simulator, *words, token=bad)
            assert done.code == ExitCode.AUTH
            assert "HTTP 401" in done.out + done.err
            assert "Create a new token in Opsera" in done.out + done.err
            assert bad not in done.out + done.err


@pytest.mark.parametrize("command", ["watch", "status", "logs"])
@pytest.mark.parametrize("run_count", [{}, {"run_count": "42"}])
def test_a_token_for_status_and_logs_is_enough(tmp_path, command, run_count):
    """With the pipeline's ID these need no summary, as the vendor's page grants it."""
    clock = FakeClock()
    with Simulator(scenes.PASSES, clock=clock, seed=1) as simulator:
        simulator.start_run()
        clock.sleep(60)
        token = simulator.issue_token(scope="pipeline-readonly")
        inputs = {"command": command, "token": token, **run_count}
        job = play(simulator, clock, tmp_path, **inputs)
    assert job.code == 0, job.log
    assert "42" in job.log


@pytest.mark.parametrize("words", [("watch",), ("status",), ("logs",)])
@pytest.mark.parametrize("scope", ["pipeline-readonly", "registry"])
def test_an_unknown_latest_run(words, scope):
    """If the log has no record and the token may not read the pipeline, run_count is the advice."""
    with fast() as simulator:
        token = simulator.issue_token(scope)
        done = opsera(simulator, *words, token=token)
        assert done.code == ExitCode.AUTH
        assert ("Or set run_count" in done.err + done.out) is (scope == "pipeline-readonly")
        given = opsera(simulator, "status", "--run-count", "41", token=token)
        assert (given.code == 0) is (scope == "pipeline-readonly")
