"""Each switch changes what it says and nothing else."""

from __future__ import annotations

import json

import pytest

from opsera_step.simulator.switches import SwitchError, Switches, describe_switches, parse_switches


def _ran(api, seconds=60):
    api.ask("run")
    api.clock.sleep(seconds)
    return api


@pytest.mark.parametrize(
    ("busy_answer", "status", "counted"),
    [
        ("executed", "executed", True),
        ("queued", "queued", True),
        ("executed_bare", "executed", False),
        ("queued_bare", "queued", False),
    ],
)
def test_busy_answer(start, busy_answer, status, counted):
    """A run while another goes is answered in one of four ways and queued in each."""
    api = start("busy", switches={"busy_answer": busy_answer})
    answer = api.ask("run")
    assert (answer["status"], "runCount" in answer) == (status, counted)
    assert [run.state for run in api.sim.runs()] == ["running", "queued"]


def test_busy_answer_refused(start):
    """A run while another goes can be refused."""
    api = start("busy", switches={"busy_answer": "refused"})
    assert api.ask("run")["status"] == "failed"
    assert len(api.sim.runs()) == 1


def test_run_answer_bare(start):
    """Run on a pipeline at rest can be answered without a count."""
    answer = start(switches={"run_answer": "bare"}).ask("run")
    assert answer["status"] == "executed"
    assert "runCount" not in answer


def test_run_count_as_text(start):
    """The count can come as a text."""
    assert start(switches={"run_count_as": "text"}).ask("run")["runCount"] == "42"


@pytest.mark.parametrize(
    ("switch", "call", "body"),
    [
        ("no_access_status", "run", {}),
        ("unknown_pipeline_status", "run", {"pipelineId": "f" * 24}),
        ("bad_token_status", "run", {}),
    ],
)
def test_error_statuses(start, small, switch, call, body):
    """The HTTP status of an error can be another one."""
    access = switch != "no_access_status"
    api = start(small(pipeline={"access": access}), switches={switch: 418})
    if switch == "bad_token_status":
        api.session.headers["Authorization"] = "Bearer x"
    assert api.post(call, **body).status_code == 418


def test_refusal_status(start):
    """A refused run can have an HTTP status of its own."""
    answer = start("paused-refusal", switches={"refusal_status": 409}).post("run")
    assert (answer.status_code, answer.json()["status"]) == (409, "failed")


@pytest.mark.parametrize(
    ("form", "beginning"), [("json", "{"), ("text", "404: "), ("html", "<!DOCTYPE"), ("empty", "")]
)
def test_error_body(start, form, beginning):
    """An error's body comes in one of four forms."""
    answer = start(switches={"error_body": form}).post("run", pipelineId="f" * 24)
    assert answer.text.startswith(beginning)
    assert bool(answer.text) == (form != "empty")


@pytest.mark.parametrize("form", ["bare", "data", "counted"])
def test_list_answers(start, form):
    """Lists come bare, in data, or with their count."""
    api = _ran(start(switches={"list_answers": form}))
    url = f"{api.sim.url}/api/v1/pipeline/pipelines"
    for answer in (api.ask("logs"), api.session.get(url, timeout=5).json()):
        listed = answer if form == "bare" else answer["data"]
        assert isinstance(listed, list)
        assert form != "counted" or answer["count"] == len(listed)


def test_object_and_action_answers(start):
    """Objects and the answers of actions can be wrapped, each apart."""
    wrapped = start(switches={"object_answers": "data"})
    assert wrapped.ask("summary")["data"]["name"] == "Deploy shop"
    assert wrapped.ask("run")["runCount"] == 42
    wrapped = start(switches={"action_answers": "data"})
    assert wrapped.ask("run")["data"]["runCount"] == 42
    assert wrapped.ask("status", runCount=42)["data"]["status"] == "running"
    assert wrapped.ask("stop")["data"]["status"] == "success"
    assert wrapped.ask("reset")["data"]["status"] == "success"


def test_json_text(start, small):
    """Other scripts come as escapes or as UTF-8."""
    scenario = small({"text": "日本\ud800\n"})
    escaped = _ran(start(scenario)).post("logs").content
    assert rb"\u65e5\u672c\ud800" in escaped
    plain = _ran(start(scenario, switches={"json_text": "utf8"})).post("logs").content
    assert "日本".encode() + b"\xed\xa0\x80" in plain


@pytest.mark.parametrize("known", [True, False])
def test_queued_known(start, known):
    """Status may not know a run that is queued."""
    api = start("busy", switches={"queued_known": known})
    api.ask("run")
    assert api.post("status", runCount=43).status_code == (200 if known else 404)
    api.clock.sleep(16)
    assert api.status(43) == "running"


def test_queued_run_count(start):
    """workflow.run_count can count a queued run at once."""
    api = start("busy", switches={"queued_run_count": "at_once"})
    api.ask("run")
    assert api.ask("summary")["workflow"]["run_count"] == 43


@pytest.mark.parametrize(
    ("unseen_status", "http", "word"),
    [("404", 404, None), ("400", 400, None), ("unknown", 200, "unknown")],
)
def test_unseen_status(start, unseen_status, http, word):
    """For some seconds status does not know a new run, and says so in one of three ways."""
    api = start(switches={"unseen_seconds": 5, "unseen_status": unseen_status})
    api.ask("run")
    api.clock.sleep(4)
    answer = api.post("status", runCount=42)
    assert answer.status_code == http
    assert word is None or answer.json()["status"] == word
    assert api.ask("status")["status"] == "success"
    api.clock.sleep(1)
    assert api.status(42) == "running"


@pytest.mark.parametrize(("unseen_logs", "http"), [("empty", 200), ("400", 400), ("404", 404)])
def test_unseen_logs(start, unseen_logs, http):
    """For some seconds logs do not know a new run."""
    api = start(switches={"unseen_seconds": 5, "unseen_logs": unseen_logs})
    api.ask("run")
    api.clock.sleep(4)
    answer = api.post("logs", runCount=42)
    assert answer.status_code == http
    assert http != 200 or answer.json() == []
    api.clock.sleep(1)
    assert len(api.ask("logs", runCount=42)) > 2


def test_status_without_run_count(start):
    """Status without a count is about the newest run, or a bad request."""
    api = start()
    api.ask("run")
    assert api.ask("status")["status"] == "running"
    strict = start(switches={"status_without_run_count": "400"})
    assert strict.post("status").status_code == 400


def test_summary_lag(start):
    """workflow.run_count can lag behind."""
    api = start(switches={"summary_lag": 3})
    api.ask("run")
    api.clock.sleep(2)
    assert api.ask("summary")["workflow"]["run_count"] == 41
    api.clock.sleep(1)
    assert api.ask("summary")["workflow"]["run_count"] == 42


def test_status_lag(start, small):
    """Status can lag behind."""
    api = start(small(), switches={"status_lag": 3})
    api.ask("run")
    api.clock.sleep(12)
    assert api.status(5) == "running"
    api.clock.sleep(1)
    assert api.status(5) == "success"


def test_log_lag(start, small, texts):
    """All records, and what grows, can turn up later than they were written."""
    grows = {"at": 3, "pieces": ["b", "c\n"], "growing": True, "every": 1}
    api = start(small({"text": "a\n"}, grows), switches={"log_lag": 2})
    api.ask("run")
    assert api.ask("logs") == []
    api.clock.sleep(2)
    assert texts(api.ask("logs", type="console output")) == ["a\n"]
    api.clock.sleep(3.5)
    assert texts(api.ask("logs", type="console output")) == ["a\n", "b"]
    api.clock.sleep(0.5)
    assert texts(api.ask("logs", type="console output")) == ["a\n", "bc\n"]
    assert api.sim.console_text() == ["a", "bc"]


def test_spelling(start):
    """State words can be spelled otherwise, wherever they appear."""
    spelling = {"success": "Successful", "running": "processing event"}
    api = start(switches={"spelling": spelling})
    api.ask("run")
    assert api.status(42) == "processing event"
    api.clock.sleep(60)
    assert api.status(42) == "Successful"
    assert api.ask("summary")["workflow"]["last_run"]["status"] == "Successful"
    statuses = {record["status"] for record in api.ask("logs")}
    assert statuses == {"Successful", "processing event"}


def test_spelling_of_rejected(start):
    """A rejected run is called failed unless it is spelled otherwise."""
    assert Switches().spell("rejected") == "failed"
    api = start("approval-denied", switches={"spelling": "rejected=Rejected,failed=FAILURE"})
    assert _ran(api).status(42) == "Rejected"


@pytest.mark.parametrize(("kind", "writers"), [("objectid", 1), ("scattered", 3)])
def test_record_ids(start, kind, writers):
    """IDs are ObjectIds of one or of several writers."""
    records = _ran(start(switches={"record_ids": kind})).ask("logs")
    assert len({record["_id"][8:18] for record in records}) == writers
    assert len({record["_id"] for record in records}) == len(records)


def test_record_ids_missing(start):
    """Records can lack their IDs."""
    records = _ran(start(switches={"record_ids": "missing"})).ask("logs")
    assert not any("_id" in record for record in records)


def test_step_index_missing(start):
    """Records can lack the index of their step."""
    records = _ran(start(switches={"step_index": "missing"})).ask("logs")
    assert not any("step_index" in record for record in records)


def test_ties(start, small, texts):
    """Records of one time come in a stable, reversed or changing order."""
    names = [f"{letter}\n" for letter in "abcdefgh"]
    same = {"at": 1, "pieces": names, "every": 0}
    orders = {}
    for kind in ("stable", "reversed", "shuffled"):
        api = _ran(start(small(same), switches={"ties": kind}))
        orders[kind] = [tuple(texts(api.ask("logs", type="console output"))) for _ in range(4)]
    assert set(orders["stable"]) == {tuple(names)}
    assert set(orders["reversed"]) == {tuple(reversed(names))}
    assert len(set(orders["shuffled"])) > 1


def test_ties_at_the_edge_of_the_window(start, small, texts):
    """When ties are cut by the window, the order decides which of them are left."""
    same = {"at": 1, "pieces": ["a", "b", "c", "d"], "every": 0}
    for kind, left in (("stable", ["c", "d"]), ("reversed", ["b", "a"])):
        api = _ran(start(small(same), switches={"ties": kind, "window": 2}))
        assert texts(api.ask("logs", type="console output")) == left


def test_place(start, small):
    """The usual place of console text can be another one."""
    api = _ran(start(small({"text": "a"}), switches={"place": "buildLog"}))
    assert api.ask("logs", type="console output")[0]["api_response"] == {"buildLog": "a"}


def test_line_ends(start, small, texts):
    """Console text can have CRLF line ends."""
    api = _ran(start(small({"text": "a\nb\r\n"}), switches={"line_ends": "crlf"}))
    assert texts(api.ask("logs", type="console output")) == ["a\r\nb\r\n"]
    assert api.sim.console_text() == ["a", "b"]


def test_start_records(start):
    """Who started a run may not be told, or there may be no record of the start."""
    unnamed = _ran(start(switches={"start_records": "without_user"})).ask("logs")
    assert not any("user_id" in record for record in unnamed)
    assert unnamed[-1]["step_name"] == "start pipeline"
    none = _ran(start(switches={"start_records": "none"})).ask("logs")
    assert none[-1]["step_name"] == "Build"


@pytest.mark.parametrize("resumes", [True, False])
def test_resume_after_failure(start, resumes):
    """A run after a failure can go on at the step that failed, unless reset."""
    api = start("resting-failed", switches={"resume_after_failure": resumes})
    _ran(api)
    built = any(record["step_name"] == "Build" for record in api.ask("logs"))
    assert built is not resumes
    again = start("resting-failed", switches={"resume_after_failure": resumes})
    again.ask("reset")
    assert any(record["step_name"] == "Build" for record in _ran(again).ask("logs"))


@pytest.mark.parametrize("clears", [True, False])
def test_reset_clears_logs(start, clears):
    """Reset can delete the log of the newest run."""
    api = _ran(start(switches={"reset_clears_logs": clears}))
    api.ask("reset")
    assert (api.ask("logs", runCount=42) == []) is clears


def test_stop_idle(start):
    """Stop of a pipeline at rest succeeds, fails or is a bad request."""
    assert start().ask("stop")["status"] == "success"
    assert start(switches={"stop_idle": "failed"}).ask("stop")["status"] == "failed"
    assert start(switches={"stop_idle": "400"}).post("stop").status_code == 400


@pytest.mark.parametrize(("clears", "state"), [(True, "stopped"), (False, "success")])
def test_stop_clears_queue(start, clears, state):
    """Stop can drop queued runs too."""
    api = start("busy", switches={"stop_clears_queue": clears})
    api.ask("run")
    api.ask("stop")
    api.clock.sleep(40)
    assert [run.state for run in api.sim.runs()] == ["stopped", state]


def test_switches_from_a_command_line():
    """Switches typed by a user are read by their type."""
    typed = ["window=50", "log-lag=1.5", "queued_known=no", "spelling=success=ok,failed=bad"]
    switches = Switches().with_values(parse_switches(typed))
    assert (switches.window, switches.log_lag, switches.queued_known) == (50, 1.5, False)
    assert switches.spelling == {"success": "ok", "failed": "bad"}


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("nothing", "1", "there is no switch named 'nothing'"),
        ("window", "many", "window takes a whole number, not 'many'"),
        ("window", "-1", "window takes a whole number"),
        ("log_lag", True, "log_lag takes a number of seconds"),
        ("queued_known", "perhaps", "queued_known takes true or false"),
        ("ties", "random", "ties takes stable, reversed, shuffled, not 'random'"),
        ("spelling", "success", "spelling takes"),
        ("spelling", {"done": "x"}, "spelling takes"),
        ("spelling", 5, "spelling takes"),
    ],
)
def test_wrong_switches(name, value, said):
    """A switch that is wrong is refused in a sentence."""
    with pytest.raises(SwitchError, match=said):
        Switches().with_values({name: value})


def test_setting_without_a_value():
    """A setting needs an equals sign."""
    with pytest.raises(SwitchError, match="name=value"):
        parse_switches(["ties"])


def test_every_switch_is_described():
    """Each switch has a meaning and says what it takes."""
    rows = describe_switches()
    assert {row[0] for row in rows} == set(vars(Switches()))
    assert all(takes and meaning for _, _, takes, meaning in rows)
    assert json.dumps(rows)


def test_switches_as_an_object(start):
    """Switches can be handed over as they are, in place of the scenario's."""
    api = start("unknown-word", switches=Switches(window=3))
    assert api.sim.switches == Switches(window=3)
