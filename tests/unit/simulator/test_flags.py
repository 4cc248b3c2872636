"""Each flag changes what it describes, and each of its values is one response of the API."""

from __future__ import annotations

import email.utils
import gzip
import json

import pytest

from opsera_step.simulator import (
    Fault,
    Flags,
    ScenarioError,
    describe_flags,
    parse_flags,
)

TOOL, CRM = "65a4f00dc0ffee0000000101", "65a4f00dc0ffee0000000201"


# Access and errors


@pytest.mark.parametrize(
    ("flag", "call", "body"),
    [
        ("forbidden_status", "run", {}),
        ("not_found_status", "run", {"pipelineId": "f" * 24}),
        ("malformed_id_status", "run", {"pipelineId": "f" * 23}),
        ("invalid_token_status", "run", {}),
    ],
)
def test_statuses_of_errors(start, small, flag, call, body):
    """The HTTP status of an error can be another one."""
    api = start(small(pipeline={"access": flag != "forbidden_status"}), flags={flag: 418})
    if flag == "invalid_token_status":
        api.session.headers["Authorization"] = "Bearer x"
    assert api.post(call, **body).status_code == 418


@pytest.mark.parametrize(
    ("form", "start_of_body"),
    [("json", '{"status": 404'), ("string", '"Pipeline fff'), ("text", "404: "),
     ("html", "<!DOCTYPE"), ("empty", "")],
)  # fmt: skip
def test_error_body(start, form, start_of_body):
    """An error has a body in one of five forms."""
    response = start(flags={"error_body": form}).post("run", pipelineId="f" * 24)
    assert response.status_code == 404
    assert response.text.startswith(start_of_body)
    assert bool(response.text) == (form != "empty")


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


@pytest.mark.parametrize("form", ["bare", "data", "counted"])
def test_list_format(start, form):
    """Documented arrays come bare, in data, or with their count."""
    api = start(flags={"list_format": form})
    api.run(60)
    for response in (api.ask("logs"), api.get("pipeline/pipelines")):
        listed = response if form == "bare" else response["data"]
        assert isinstance(listed, list)
        assert form != "counted" or response["count"] == len(listed)


@pytest.mark.parametrize(
    ("form", "keys"), [("counted", ["count", "data"]), ("data", ["data"]), ("bare", [])]
)
def test_counted_list_format(start, form, keys):
    """Documented counted lists come without their count, or bare."""
    response = start(flags={"counted_list_format": form}).get("tasks")
    assert (list(response) if isinstance(response, dict) else []) == keys


def test_object_and_action_format(start):
    """Objects and the responses of actions can be wrapped, each independently."""
    wrapped = start(flags={"object_format": "data"})
    assert wrapped.ask("summary")["data"]["name"] == "Deploy shop"
    assert wrapped.run() == 42
    wrapped = start(flags={"action_format": "data"})
    assert wrapped.ask("run")["data"]["runCount"] == 42
    assert wrapped.ask("status", runCount=42)["data"]["status"] == "running"
    assert wrapped.ask("stop")["data"]["status"] == "success"
    assert wrapped.ask("reset")["data"]["status"] == "success"


def test_json_encoding(start, small):
    """Non-ASCII text comes as escapes or as UTF-8."""
    scenario = small({"text": "日本\ud800\n"})
    escaped, utf8 = start(scenario), start(scenario, flags={"json_encoding": "utf8"})
    for api in (escaped, utf8):
        api.run(60)
    assert rb"\u65e5\u672c\ud800" in escaped.post("logs").content
    assert "日本".encode() + b"\xed\xa0\x80" in utf8.post("logs").content


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
    assert gzip.compress(plain.content, 6, mtime=0)[:2] == b"\x1f\x8b"


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
    [
        ("executed", "executed", True),
        ("queued", "queued", True),
        ("executed_without_count", "executed", False),
        ("queued_without_count", "queued", False),
    ],
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


@pytest.mark.parametrize("response", ["failed", "400", "403", "409", "423"])
@pytest.mark.parametrize(
    ("wording", "part"),
    [("locked", "is locked."), ("locked_by", "has been locked by Robin Weber."),
     ("permission", "do not have permission"), ("generic", "could not be completed")],
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
    ("flag", "http", "word"),
    [("404", 404, None), ("400", 400, None), ("unknown", 200, "unknown")],
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


@pytest.mark.parametrize(("flag", "http"), [("empty", 200), ("400", 400), ("404", 404)])
def test_unknown_run_logs(start, flag, http):
    """For some seconds, logs does not return a new run."""
    api = start(flags={"new_run_hidden_seconds": 5, "unknown_run_logs": flag})
    api.run(4)
    response = api.post("logs", runCount=42)
    assert response.status_code == http
    assert http != 200 or response.json() == []
    api.clock.sleep(1)
    assert len(api.ask("logs", runCount=42)) > 2


def test_status_without_run_count(start):
    """Status without a number is about the latest run, or a bad request."""
    api = start()
    api.run()
    assert api.ask("status")["status"] == "running"
    assert start(flags={"status_without_run_count": "400"}).post("status").status_code == 400


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


def test_late_growth(start, small):
    """What a growing record gains is late, too."""
    grows = {"at": 3, "pieces": ["b", "c\n"], "growing": True, "every": 1}
    api = start(small({"text": "a\n"}, grows), flags={"log_lag": 2})
    api.run(5.5)
    assert api.console() == ["a\n", "b"]
    api.clock.sleep(0.5)
    assert api.console() == ["a\n", "bc\n"]
    assert api.sim.console_text() == ["a", "bc"]


@pytest.mark.parametrize("word", ["success", "failed", "stopped", "paused"])
@pytest.mark.parametrize("where", ["both", "status", "summary"])
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


def test_place(start, small):
    """The usual field of console text can be another one."""
    api = start(small({"text": "a"}), flags={"place": "buildLog"})
    api.run(60)
    assert api.ask("logs", type="console output")[0]["api_response"] == {"buildLog": "a"}


@pytest.mark.parametrize(("kind", "writers"), [("objectid", 1), ("scattered", 3), ("missing", 0)])
def test_record_ids(start, kind, writers):
    """IDs are ObjectIds of one or of several writers, or missing."""
    api = start(flags={"record_ids": kind})
    api.run(60)
    records = api.ask("logs")
    ids = {record["_id"] for record in records if "_id" in record}
    assert len({one[8:18] for one in ids}) == writers
    assert len(ids) == (len(records) if writers else 0)


def test_step_index(start):
    """Records can lack the index of their step."""
    api = start(flags={"step_index": "missing"})
    api.run(60)
    assert not any("step_index" in record for record in api.ask("logs"))


def test_tie_order(start, small):
    """Records of one time come in a stable, reversed, or changing order."""
    names = [f"{letter}\n" for letter in "abcdefgh"]
    orders = {}
    for kind in ("stable", "reversed", "shuffled"):
        api = start(small({"at": 1, "pieces": names, "every": 0}), flags={"tie_order": kind})
        api.run(60)
        orders[kind] = {tuple(api.console()) for _ in range(4)}
    assert orders["stable"] == {tuple(names)}
    assert orders["reversed"] == {tuple(reversed(names))}
    assert len(orders["shuffled"]) > 1


def test_ties_at_the_edge_of_the_window(start, small):
    """When the window cuts ties, the order decides which of them are left."""
    same = {"at": 1, "pieces": ["a", "b", "c", "d"], "every": 0}
    for kind, left in (("stable", ["c", "d"]), ("reversed", ["b", "a"])):
        api = start(small(same), flags={"tie_order": kind, "log_window": 2})
        api.run(60)
        assert api.console() == left


def test_line_ends(start, small):
    """Console text can have CRLF line ends."""
    api = start(small({"text": "a\nb\r\n"}), flags={"line_ends": "crlf"})
    api.run(60)
    assert api.console() == ["a\r\nb\r\n"]
    assert api.sim.console_text() == ["a", "b"]


def test_start_record(start):
    """The log of a run can lack the record of its start."""
    api = start(flags={"start_record": False})
    api.run(60)
    assert api.ask("logs")[-1]["step_name"] == "Build"


@pytest.mark.parametrize("users", ["id", "name", "both", "missing"])
@pytest.mark.parametrize("actors", ["actor", "starter"])
@pytest.mark.parametrize("names", [True, False])
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


# Tasks and audit logs


def test_task_status(start):
    """The status of a task can come as plain text."""
    response = start(flags={"task_status": "text"}).call("POST", "tasks/status", taskId=CRM)
    assert (response.text, response.headers["Content-Type"][:10]) == ("success", "text/plain")


def test_pages_of_task_logs(start):
    """Order, first page, and count can be others."""
    flags = {"task_log_order": "oldest_first", "first_page": "zero", "count_field": "total"}
    api = start(flags=flags)
    first = api.get("logs/task", taskId=CRM, page=0, count=4)
    assert (first["count"], len(first["data"]), first["data"][0]["run_count"]) == (9, 4, 1)
    assert len(api.get("logs/task", taskId=CRM, page=2, count=4)["data"]) == 1


def test_timescale(start):
    """An older version of the API ignores the timescale."""
    api = start(flags={"timescale": "ignored"})
    week = api.get("logs/user/actions")["count"]
    assert api.get("logs/user/actions", timescale="30s")["count"] == week
    assert api.get("logs/user/actions", timescale="1y")["count"] == week


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
        ("log_window", -1, "log_window: expected a whole number"),
        ("log_lag", True, "log_lag: expected a number from 0"),
        ("queued_visible", "perhaps", "queued_visible: expected true or false, got 'perhaps'"),
        ("tie_order", "random", "tie_order: expected one of stable, reversed, shuffled, got 'rand"),
        ("spelling", "success", "spelling: expected a mapping, got 'success'"),
        ("spelling", {"done": "x"}, "spelling takes queued, running, .* not 'done'"),
    ],
)
def test_invalid_flags(name, value, message):
    """An invalid flag is rejected with its name."""
    with pytest.raises(ScenarioError, match=message):
        Flags().with_values({name: value})


def test_every_flag_is_described():
    """Each flag has a meaning and the values that it accepts."""
    rows = describe_flags()
    assert [row[0] for row in rows] == list(vars(Flags()))
    assert all(accepted and meaning for _, _, accepted, meaning in rows)
    assert {row[0]: row[1] for row in rows}["etag"] == "false"
    assert json.dumps(rows)


def test_flags_replace_those_of_the_scenario(start):
    """A Flags object replaces the flags of the scenario; a mapping changes some of them."""
    assert start("unknown-status", flags=Flags(log_window=3)).sim.flags == Flags(log_window=3)
    changed = start("unknown-status", flags={"log_window": 3}).sim.flags
    assert changed == Flags(log_window=3, spelling={"success": "concluded"})


def test_a_rate_limited_request_meets_no_fault(start):
    """A request above the limit does not count for faults."""
    api = start(flags={"rate_limit": 1}, faults=[Fault(call="summary", status=500, nth=2)])
    assert [api.post("summary").status_code for _ in range(2)] == [200, 429]
    api.clock.sleep(60)
    assert api.post("summary").status_code == 500
