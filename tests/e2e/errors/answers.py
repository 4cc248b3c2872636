"""What the API refuses, and answers that it does not give."""

from __future__ import annotations

from functools import partial
from typing import Any

from opsera_step.simulator.faults import Fault
from tests.support import scenes
from tests.support.screens import Slip, job, typed
from tests.support.shell import TASK, TOOL

_ID = "037e953a290da17468ff9c7f"
_NOWHERE = "65a4f00dc0ffee0999999999"
_PAGE = "<html><title>Sign in</title></html>"


def _met(title: str, words: str | None, *faults: Fault, **rest: Any) -> Slip:
    """Make a slip that meets faults of the API, or a scenario of its own."""
    simulated = {"faults": list(faults), **rest.pop("simulated", {})}
    make = job if words is None else partial(typed, words=words)
    return make(title, scenario=rest.pop("scenario", scenes.PASSES), simulated=simulated, **rest)


def _http(call: str, status: int, body: str | None = None, **rest: Any) -> Fault:
    return Fault(call=call, status=status, body=body, **rest)


_UNCOUNTED = f'{{"_id": "{_ID}", "name": "Deploy shop", "workflow": {{}}}}'
_RUNNING = f"""{{"_id": "{_ID}", "name": "Deploy shop",
"workflow": {{"last_step": {{"status": "running"}}}}}}"""
_TWINS = {"pipelines": [
    {"name": "Shop", "plan": [scenes.BUILD]},
    {"name": "Shop", "plan": [scenes.BUILD], "id": _NOWHERE},
]}  # fmt: skip
_NEVER_RAN = {"pipelines": [{"name": "New", "plan": [scenes.BUILD]}]}

REFUSALS: tuple[Slip, ...] = (
    typed("a pipeline that is not there", f"status {_NOWHERE}"),
    job("a pipeline that is not there, on GitHub", "github", pipeline=_NOWHERE),
    typed("a pipeline's name that is misspelt", "run 'Deploy shopp'"),
    typed("the number of a run in place of the pipeline", "watch 42"),
    typed("a base_url with a path", "status", prepare=lambda place: {
        "OPSERA_BASE_URL": f"{place.simulator.url}/workflow"}),
    typed("a pipeline's name with another case", "status 'deploy shop'"),
    typed("a name that two pipelines have", "status Shop", scenario=_TWINS),
    typed("a name among more than the API lists", "status nowhere", scenario="crowded"),
    typed("a run that is not there", "status --run-count 999"),
    typed("a run that is not there, to watch", "watch --run-count 999"),
    typed("a run that is not there, for its log", "logs --run-count 999"),
    typed("a run that is not there, to stop", "stop --run-count 999"),
    typed("a pipeline that has never run", "status", scenario=_NEVER_RAN),
    typed("a pipeline that has never run, to stop", "stop", scenario=_NEVER_RAN),
    typed("nothing is going, to stop", "stop"),
    typed("a step that is not there", "logs --step Biuld"),
    typed("a step that is not there, to follow", "logs --follow --step nowhere"),
    typed("a type that no record has", "logs --type nonsense"),
    typed("follow with a format", "logs --follow --format json"),
    typed("follow with a type of its own", "logs --follow --type status"),
    _met("a pipeline that is paused", None, scenario="paused-refusal"),
    _met("a pipeline that is paused, on GitHub", None, scenario="paused-refusal",
         platform="github"),
    _met("a run is going, and on_busy is fail", None, scenario="busy", on_busy="fail"),
    _met("a run is refused while another goes, until the time is up", None, scenario="busy",
         simulated={"switches": {"busy_answer": "refused"}}, timeout="4s"),
    _met("a timeout that leaves no time to start", "run --timeout 1s",
         Fault(call="summary", kind="latency", seconds=2)),
    _met("a run that outlasts the timeout", None, scenario=scenes.SLOW, timeout="30s"),
    _met("the same, and it is left", None, scenario=scenes.SLOW, timeout="30s", on_timeout="leave"),
    _met("a run that waits for somebody", None, scenario=scenes.PAUSES),
    _met("a run that waits for somebody beyond the timeout", None, scenario=scenes.PAUSES,
         on_paused="wait", timeout="2m"),
    _met("a run that fails", None, scenario=scenes.FAILS),
    _met("a run that ends in a word nobody knows", None,
         simulated={"switches": {"spelling": {"success": "concluded"}}}),
    _met("a reset that is refused", "reset", _http("reset", 400, '{"message": "not now"}')),
    _met("a reset that says failed", "reset",
         _http("reset", 200, '{"status": "failed", "message": "It is locked"}')),
    _met("a stop that is refused", "stop", _http("stop", 400, '{"message": "not now"}'),
         scenario="busy"),
    _met("a run that says failed", None,
         _http("run", 200, '{"status": "failed", "message": "The license has ended"}')),
    _met("a run that says failed and no more", None, _http("run", 200, '{"status": "failed"}')),
    _met("a run that is a bad request", None, _http("run", 400, '{"message": "No steps"}')),
    _met("an update that is refused", f"tool update {TOOL} --set description=new --yes",
         _http("tool_update", 400, '{"message": "not now"}')),
    _met("an audit log that is refused", "audit actions --type nonsense",
         _http("user_actions", 400, '{"message": "unknown type"}')),
    _met("a task's log that is refused", f"task logs {TASK}", _http("task_logs", 400, "No.")),
    _met("the log is refused, the run goes on", None,
         _http("logs", 403, '{"message": "no access to logs"}'), scenario=scenes.PASSES),
)  # fmt: skip

ANSWERS: tuple[Slip, ...] = (
    *(_met(f"HTTP {status}", "status --timeout 1s", _http("*", status))
      for status in (402, 405, 413, 429, 500, 502, 503, 504)),
    _met("HTTP 503 without end, in a job", None, _http("*", 503), timeout="10m"),
    _met("HTTP 429 with a long pause", "status --timeout 1s", _http("*", 429, retry_after=3600)),
    _met("HTTP 500 with a page", "status --timeout 1s", _http("*", 500, _PAGE)),
    _met("HTTP 404 with a page", "status", _http("*", 404, _PAGE)),
    _met("a page instead of JSON", "status --timeout 1s", Fault(kind="html")),
    _met("a page instead of JSON, in a job", None, Fault(kind="html"), timeout="2m"),
    _met("an empty answer", "pipelines --timeout 1s", Fault(kind="empty")),
    _met("JSON that is cut off", "summary --timeout 1s", Fault(kind="truncated")),
    _met("half of an answer", "tool list --timeout 1s", Fault(kind="half")),
    _met("JSON of another shape", "status --timeout 1s", _http("summary", 200, "[1, 2]")),
    _met("a list that is none", "task list --timeout 1s", _http("tasks", 200, '"no"')),
    _met("a list that is not all that there is", "task list",
         _http("tasks", 200, '{"count": 9, "data": []}')),
    _met("another pipeline than was asked for", "summary --timeout 1s",
         _http("summary", 200, f'{{"_id": "{_NOWHERE}", "name": "Other"}}')),
    _met("another tool than was asked for", f"tool show {TOOL} --timeout 1s",
         _http("tool_summary", 200, f'{{"_id": "{_NOWHERE}", "name": "Other"}}')),
    _met("a redirect to a page of signing in", "status --timeout 1s",
         Fault(kind="redirect", location="https://login.example/?next=api")),
    _met("a redirect, in a job", None, Fault(kind="redirect", location="https://login.example/"),
         platform="github"),
    _met("a closed connection", "status --timeout 1s", Fault(kind="close")),
    _met("a connection that is reset", "status --timeout 1s", Fault(kind="reset")),
    _met("no answer, and the connection is dropped", "status --timeout 1s",
         Fault(kind="hang", seconds=30)),
    _met("a text of the API with commands and colours", "status",
         _http("*", 400, '{"message": "\\u001b[31m::error::no\\r\\n##[error]no"}')),
    _met("the answer to run is lost, and no run shows", None,
         Fault(call="run", kind="close"), timeout="1m", scenario=scenes.PASSES),
    _met("the answer to run is lost, then nothing answers", None,
         Fault(call="run", kind="close"), _http("summary", 403, nth=2), scenario=scenes.PASSES),
    _met("run is answered without a run count, and none shows", None,
         _http("run", 200, '{"status": "executed"}'), timeout="10m", scenario=scenes.PASSES),
    _met("run is answered with a word nobody knows", None,
         _http("run", 200, '{"status": "pondered"}'), timeout="5m", scenario=scenes.PASSES),
    _met("the status is refused while a run is followed", None,
         _http("status", 403, '{"message": "not any more"}', nth=2), scenario=scenes.PASSES),
    _met("the answer to run is lost, and the time is nearly up", None,
         Fault(call="run", kind="close"), timeout="93s"),
    _met("the answer to run is lost, and it is asked for again", None,
         Fault(call="run", kind="close", times=1)),
    _met("the answer to run is lost, and nobody says whose run it is", None,
         Fault(call="run", kind="close", effect=True, times=1),
         simulated={"switches": {"start_records": "none"}}),
    _met("the request to run never arrives at first", None,
         Fault(call="run", kind="redirect", status=307, location="https://x.example/", times=1)),
    _met("the answer to run is lost, and runs are not counted", None,
         Fault(call="run", kind="close"), _http("summary", 200, _UNCOUNTED)),
    _met("a run is going, nobody knows which", None, _http("summary", 200, _RUNNING),
         on_busy="attach"),
    _met("reset while a run is going", None, scenario="busy", reset="always", wait="false"),
    _met("the API fails until the time is up", None, Fault(call="status", status=503, since="run"),
         timeout="30s", scenario=scenes.SLOW),
    _met("more log than the API gives", None, scenario="flood", log_limit="200"),
    _met("an answer that is nested without end", "summary --timeout 1s",
         _http("summary", 200, "[" * 100_000)),
    _met("a message that goes on and on", "status", _http("*", 400, "x" * 5000)),
)  # fmt: skip
