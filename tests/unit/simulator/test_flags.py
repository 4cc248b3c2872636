"""Each flag changes what it describes, and each of its values is one response of the API."""

from __future__ import annotations

import email.utils

import pytest

from opsera_step.simulator import Flags, ScenarioError, parse_flags

# Access and errors


@pytest.mark.parametrize("flag", ["forbidden_status", "invalid_token_status"])
def test_statuses_of_errors(start, small, flag):
    """The HTTP status of an error can be another one."""
    api = start(small(pipeline={"access": flag != "forbidden_status"}), flags={flag: 418})
    if flag == "invalid_token_status":
        api.session.headers["Authorization"] = "Bearer x"
    assert api.post("run").status_code == 418


@pytest.mark.parametrize("form", ["seconds", "date", "missing"])
def test_rate_limit(start, form):
    """Above the limit requests are refused until a minute has passed since the first one."""
    api = start(flags={"rate_limit": 3, "rate_limit_retry_after": form})
    api.run()
    api.clock.sleep(10)
    statuses = [api.post("summary").status_code for _ in range(3)]
    assert statuses == [200, 200, 429]
    refused = api.post("summary")
    value = refused.headers.get("Retry-After")
    if form == "seconds":
        assert value == "51"
    elif form == "date":
        assert email.utils.parsedate_to_datetime(value).timestamp() == api.clock.time() + 51
    else:
        assert value is None
    assert not api.sim.requests[-1].effect
    api.clock.sleep(51)
    assert [api.post("summary").status_code for _ in range(2)] == [200, 429]
    api.sim.restart()
    assert [api.post("summary").status_code for _ in range(4)] == [200, 200, 200, 429]


# Form of responses


def test_compression(start):
    """Large responses are compressed for clients that accept gzip."""
    api = start(flags={"compression": "gzip"})
    api.run(30)
    response = api.post("logs")
    assert response.headers["Content-Encoding"] == "gzip"
    assert int(response.headers["Content-Length"]) < len(response.content) / 3
    assert len(response.json()) > 40
    api.session.headers["Accept-Encoding"] = "identity"
    plain = api.post("logs")
    assert plain.content == response.content
    assert "Content-Encoding" not in plain.headers


def test_etag(start, small):
    """An unchanged log is 304 for a client that sends the ETag of what it has."""
    api = start(small({"lines": ["a", "b"], "every": 5}), flags={"etag": True})
    api.run()
    first = api.post("logs", type="console output")
    tag = first.headers["ETag"]
    api.session.headers["If-None-Match"] = tag
    same = api.post("logs", type="console output")
    assert (same.status_code, same.content, same.headers["ETag"]) == (304, b"", tag)
    api.clock.sleep(5)
    changed = api.post("logs", type="console output")
    assert (changed.status_code, len(changed.json())) == (200, 2)
    assert changed.headers["ETag"] != tag
    assert "ETag" not in start().post("logs").headers


# Starting a run


@pytest.mark.parametrize(
    ("busy_response", "status", "counted"),
    [("queued", "queued", True), ("executed_without_count", "executed", False)],
)
def test_busy_response(start, busy_response, status, counted):
    """A run while another is in progress is queued, with one of four responses."""
    api = start("busy", flags={"busy_response": busy_response})
    response = api.ask("run")
    assert (response["status"], "runCount" in response) == (status, counted)
    assert [run.state for run in api.sim.runs()] == ["running", "queued"]


def test_busy_response_refused(start):
    """A run while another is in progress can be refused."""
    api = start("busy", flags={"busy_response": "refused"})
    assert api.ask("run")["status"] == "failed"
    assert len(api.sim.runs()) == 1


def test_run_response(start):
    """The response to run on an idle pipeline can have no number, or a string."""
    response = start(flags={"run_response": "without_count"}).ask("run")
    assert response["status"] == "executed"
    assert "runCount" not in response
    assert start(flags={"run_count_type": "string"}).ask("run")["runCount"] == "42"


def test_refused_run_status(start):
    """A refused run can have an HTTP status of its own."""
    response = start("paused-refusal", flags={"refused_run_status": 409}).post("run")
    assert (response.status_code, response.json()["status"]) == (409, "failed")


@pytest.mark.parametrize(
    ("response", "wording", "part"),
    [("failed", "locked", "is locked."), ("400", "locked_by", "has been locked by Robin Weber."),
     ("403", "permission", "do not have permission"), ("423", "generic", "could not be completed")],
)  # fmt: skip
def test_locked(start, small, response, wording, part):
    """A locked pipeline refuses a run, in one of several ways and wordings."""
    flags = {"locked_response": response, "locked_message": wording}
    api = start(small(pipeline={"locked": True}), flags=flags)
    refused = api.post("run")
    assert refused.status_code == (200 if response == "failed" else int(response))
    assert part in refused.json()["message"]
    assert api.sim.runs() == []


# The queue


@pytest.mark.parametrize("visible", [True, False])
def test_queued_visible(start, visible):
    """Status may not return a run that is queued."""
    api = start("busy", flags={"queued_visible": visible})
    api.run()
    assert api.post("status", runCount=43).status_code == (200 if visible else 404)
    api.clock.sleep(16)
    assert api.status(43) == "running"


def test_queued_run_count(start):
    """workflow.run_count can count a queued run at once."""
    api = start("busy", flags={"queued_run_count": "at_request"})
    api.run()
    assert api.ask("summary")["workflow"]["run_count"] == 43


@pytest.mark.parametrize(
    ("flag", "state"), [("start", "failed"), ("wait", "queued"), ("drop", "stopped")]
)
def test_queue_after_failure(start, flag, state):
    """After a failed run the queue continues, waits for a success, or is dropped."""
    api = start("failure", flags={"queue_after_failure": flag})
    api.run()
    api.run(60)
    assert [run.state for run in api.sim.runs()] == ["failed", state]


def test_a_waiting_queue_continues_after_a_success(start, small):
    """A run that succeeds lets the queue continue; a run on the idle pipeline starts at once."""
    api = start(
        small(step={"result": ["failed", "success"]}), flags={"queue_after_failure": "wait"}
    )
    api.run()
    api.run(20)
    assert [run.state for run in api.sim.runs()] == ["failed", "queued"]
    api.run(30)
    assert [run.state for run in api.sim.runs()] == ["failed", "success", "success"]


# What is known when


@pytest.mark.parametrize(
    ("flag", "http", "word"), [("404", 404, None), ("unknown", 200, "unknown")]
)
def test_unknown_run_status(start, flag, http, word):
    """For some seconds, status does not return a new run."""
    api = start(flags={"new_run_hidden_seconds": 5, "unknown_run_status": flag})
    api.run(4)
    response = api.post("status", runCount=42)
    assert response.status_code == http
    assert word is None or response.json()["status"] == word
    assert api.ask("status")["status"] == "success"
    api.clock.sleep(1)
    assert api.status(42) == "running"


def test_lags(start, small):
    """Status, the run count, the summary's state, and the log can each be late."""
    lags = {"status_lag": 3, "run_count_lag": 2, "summary_lag": 5, "log_lag": 1}
    api = start(small({"text": "a"}), flags=lags)
    api.run()
    seen = []
    for _ in range(17):
        records = len(api.ask("logs", runCount=5, type="console output"))
        count = api.ask("summary")["workflow"]["run_count"]
        seen.append((api.status(5), count, api.derived(), records))
        api.clock.sleep(1)
    assert [row[0] for row in seen] == ["queued"] * 3 + ["running"] * 10 + ["success"] * 4
    assert [row[1] for row in seen] == [4] * 2 + [5] * 15
    assert [row[2] for row in seen] == ["success"] * 5 + ["running"] * 10 + ["success"] * 2
    assert [row[3] for row in seen] == [0] + [1] * 16


@pytest.mark.parametrize(
    ("word", "where"), [("success", "both"), ("failed", "status"), ("paused", "summary")]
)
def test_flicker(start, word, where):
    """Between two steps a run looks final for a moment, then it is running again."""
    flags = {"flicker_seconds": 1, "flicker_status": word, "flicker_in": where}
    plan = [{"name": "One", "duration": 2}, {"name": "Two", "duration": 2}]
    api = start({"pipelines": [{"name": "P", "start_delay": 0, "plan": plan}]}, flags=flags)
    api.run()
    seen = []
    for _ in range(6):
        api.clock.sleep(0.9)
        seen.append((api.status(1), api.derived()))
    status = "running" if where == "summary" else word
    summary = "running" if where == "status" else word
    running = ("running", "running")
    assert seen == [running, running, (status, summary), running, running, ("success", "success")]
    assert api.sim.runs()[0].state == "success"


def test_spelling(start):
    """States can be spelled in another way, wherever they appear."""
    spelling = {"success": "Successful", "running": "processing event"}
    api = start(flags={"spelling": spelling})
    api.run()
    assert api.status(42) == "processing event"
    api.clock.sleep(60)
    assert api.status(42) == "Successful"
    assert api.ask("summary")["workflow"]["last_run"]["status"] == "Successful"
    assert {record["status"] for record in api.ask("logs")} == {"Successful", "processing event"}
    flags = parse_flags(["spelling=rejected=Rejected,failed=FAILURE"])
    assert start("approval-denied").run(60) == 42
    api = start("approval-denied", flags=flags)
    assert api.status(api.run(60)) == "Rejected"
    assert Flags().spell("rejected") == "failed"


# Log records


def test_ties_at_the_edge_of_the_window(start, small):
    """When the window cuts ties, the order decides which of them are left."""
    same = {"at": 1, "pieces": ["a", "b", "c", "d"], "every": 0}
    for kind, left in (("stable", ["c", "d"]), ("reversed", ["b", "a"])):
        api = start(small(same), flags={"tie_order": kind, "log_window": 2})
        api.run(60)
        assert api.console() == left


@pytest.mark.parametrize(
    ("users", "actors", "names"),
    [("id", "actor", True), ("name", "starter", False), ("both", "actor", False),
     ("missing", "starter", True)],
)  # fmt: skip
def test_users_of_records(start, users, actors, names):
    """Records name who started, approved, and stopped a run by ID, by name, or not at all."""
    flags = {"record_users": users, "record_actors": actors, "names_in_messages": names}
    api = start("approval", flags=flags)
    api.run(18)
    api.sim.approve(by="Kim Lee")
    api.clock.sleep(1)
    api.sim.stop_run(user="Kim Lee")
    api.clock.sleep(5)
    records = api.ask("logs")
    wanted = {"started": "Alex Kim"}
    wanted |= dict.fromkeys(
        ("approved", "requested"), "Kim Lee" if actors == "actor" else "Alex Kim"
    )
    for word, name in wanted.items():
        (record,) = [one for one in records if f"was {word}" in one["message"]]
        shown = "Kim Lee" if word != "started" else "Alex Kim"
        assert (f" by {shown}." in record["message"]) == names
        user_id = record.get("user_id", "")
        assert (len(user_id) == 24) == (users in ("id", "both"))
        assert (user_id == name) == (users == "name")
        assert record.get("user_name") == (name if users == "both" else None)


# Stopping and resetting


@pytest.mark.parametrize("resumes", [True, False])
def test_resume_after_failure(start, resumes):
    """A run after a failure can resume at the failed step, unless the pipeline was reset."""
    api = start("previous-failed", flags={"resume_after_failure": resumes})
    api.run(60)
    assert any(record["step_name"] == "Build" for record in api.ask("logs")) is not resumes
    api = start("previous-failed", flags={"resume_after_failure": resumes})
    api.ask("reset")
    api.run(60)
    assert any(record["step_name"] == "Build" for record in api.ask("logs"))


@pytest.mark.parametrize(
    ("flag", "status", "word", "state"),
    [("stops", 200, "success", "stopped"), ("failed", 200, "failed", "running"),
     ("400", 400, 400, "running")],
)  # fmt: skip
def test_reset_running(start, flag, status, word, state):
    """Reset stops a run in progress, or is refused."""
    api = start(flags={"reset_running": flag})
    api.run(2)
    response = api.post("reset")
    assert (response.status_code, response.json()["status"]) == (status, word)
    assert api.sim.runs()[0].state == state


@pytest.mark.parametrize("clears", [True, False])
def test_reset_clears_logs(start, clears):
    """Reset can delete the log of the latest run."""
    api = start(flags={"reset_clears_logs": clears})
    api.run(60)
    api.ask("reset")
    assert (api.ask("logs", runCount=42) == []) is clears


@pytest.mark.parametrize(
    ("flag", "status", "word"), [("success", 200, "success"), ("failed", 200, "failed"),
                                 ("400", 400, 400)],
)  # fmt: skip
def test_stop_idle(start, flag, status, word):
    """Stop on an idle pipeline succeeds, fails, or is a bad request."""
    response = start(flags={"stop_idle": flag}).post("stop")
    assert (response.status_code, response.json()["status"]) == (status, word)


@pytest.mark.parametrize(("clears", "state"), [(True, "stopped"), (False, "success")])
def test_stop_clears_queue(start, clears, state):
    """Stop can drop queued runs, too."""
    api = start("busy", flags={"stop_clears_queue": clears})
    api.run()
    api.ask("stop")
    api.clock.sleep(40)
    assert [run.state for run in api.sim.runs()] == ["stopped", state]


# Flags themselves


def test_flags_from_a_command_line():
    """Flags typed by a user are read by their type."""
    typed = ["log_window=50", "log-lag=1.5", "queued_visible=no", "spelling=success=ok,failed=bad"]
    flags = Flags().with_values(parse_flags([*typed, "unknown_run_status=400"]))
    assert (flags.log_window, flags.log_lag, flags.queued_visible) == (50, 1.5, False)
    assert flags.spelling == {"success": "ok", "failed": "bad"}
    assert flags.unknown_run_status == "400"
    with pytest.raises(ScenarioError, match="flag 'etag' has no value; write it as etag=VALUE"):
        parse_flags(["etag"])


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("nothing", "1", "unknown flag 'nothing'; known flags: action_format"),
        ("log_window", "many", "log_window: expected a whole number from 0 to 1e.10, got 'many'"),
        ("queued_visible", "perhaps", "queued_visible: expected true or false, got 'perhaps'"),
        ("tie_order", "random", "tie_order: expected one of stable, reversed, shuffled, got 'rand"),
        ("spelling", {"done": "x"}, "spelling takes queued, running, .* not 'done'"),
    ],
)
def test_invalid_flags(name, value, message):
    """An invalid flag is rejected with its name."""
    with pytest.raises(ScenarioError, match=message):
        Flags().with_values({name: value})


def test_flags_replace_those_of_the_scenario(start):
    """A Flags object replaces the flags of the scenario; a mapping changes some of them."""
    assert start("unknown-status", flags=Flags(log_window=3)).sim.flags == Flags(log_window=3)
    changed = start("unknown-status", flags={"log_window": 3}).sim.flags
    assert changed == Flags(log_window=3, spelling={"success": "concluded"})
