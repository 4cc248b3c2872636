"""How a job ends: cancelled at any time, internal errors, hostile text, unwritable files."""

from __future__ import annotations

import base64
import io
import json
import signal
from pathlib import Path
from urllib.parse import quote

import pytest

from opsera_step.clock import FakeClock
from opsera_step.job import Output, run_job, utf8
from opsera_step.signals import Signals
from opsera_step.simulator import Fault, Simulator
from tests.support import scenes
from tests.support.jobs import Files, Finished, inputs_for, play_with
from tests.support.wire import Wire, http, ok

PIPELINE = "65a4f00dc0ffee0123456789"
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1cyJ9.c2lnbmF0dXJl"

EVERY_OUTPUT = {
    "OPSERA_RUN_COUNT", "OPSERA_URL", "OPSERA_STATUS", "OPSERA_MESSAGE", "OPSERA_PIPELINE_ID",
    "OPSERA_PIPELINE_NAME", "OPSERA_DURATION", "OPSERA_FAILED_STEP", "OPSERA_LOG_LINES",
    "OPSERA_LOG_COMPLETE", "OPSERA_RESULT", "OPSERA_STARTED_AT", "OPSERA_FINISHED_AT",
}  # fmt: skip
TRAILS = scenes.scenario(
    scenes.step(
        "Build", scenes.prints(*map(str, range(15)), every=2.0), duration=30, result="failed"
    ),
    flags={"log_lag": 20},
)
"""The run fails after 30 seconds, and its log comes until 20 seconds later."""


def cancelled_at(
    seconds: float, directory: Path, scenario: object = scenes.SLOW, *, other_user: bool = False,
    faults: tuple[Fault, ...] = (), **inputs: str,
) -> tuple[Finished, Simulator]:  # fmt: skip
    """Play a job that gets SIGTERM at some second; `other_user` may have a run in progress."""
    clock, cancellation = FakeClock(), Signals()
    clock.call_at(seconds, lambda: cancellation.notice(signal.SIGTERM))
    with Simulator(scenario, clock=clock, seed=1, faults=list(faults)) as simulator:
        if other_user:
            simulator.start_run()
        return play_with(simulator, clock, Files(directory), cancellation, **inputs), simulator


def test_cancelled_while_the_run_is_active(tmp_path):
    """The run is stopped by one call, soon, and the output status is cancelled."""
    job, simulator = cancelled_at(100, tmp_path)
    assert (job.code, job.outputs["OPSERA_STATUS"]) == (143, "cancelled")
    assert simulator.count("stop") == 1
    assert job.seconds < 105
    assert set(job.outputs) == EVERY_OUTPUT


def test_cancelled_before_anything(tmp_path):
    """A signal before the first call ends it without one."""
    clock, cancellation = FakeClock(), Signals()
    cancellation.notice(signal.SIGTERM)
    with Simulator(scenes.SLOW, clock=clock, seed=1) as simulator:
        job = play_with(simulator, clock, Files(tmp_path), cancellation)
    assert (job.code, job.outputs["OPSERA_STATUS"], simulator.requests) == (143, "cancelled", [])
    assert set(job.outputs) == EVERY_OUTPUT


def test_cancelled_while_queued_stops_no_other_run(tmp_path):
    """A queued run can't be cancelled, and the run of another user ahead of it is left alone."""
    job, simulator = cancelled_at(100, tmp_path, other_user=True)
    assert (job.code, simulator.count("stop")) == (143, 0)
    assert "Run 43 is still queued" in job.outputs["OPSERA_MESSAGE"]


def test_cancelled_while_the_rest_of_the_log_is_read(tmp_path):
    """A run that has ended keeps its result if the job is cancelled while its log trails."""
    job, simulator = cancelled_at(42, tmp_path, TRAILS, poll_interval="2")
    assert (job.code, job.outputs["OPSERA_STATUS"]) == (143, "failed")
    assert simulator.count("stop") == 0


def test_cancelled_in_a_long_outage(tmp_path):
    """After a long outage, the status of the run is checked before the pipeline is stopped."""
    fault = Fault(call="status,logs,summary", kind="http", status=502, after=60, until=400)
    job, simulator = cancelled_at(300, tmp_path, faults=(fault,))
    assert (job.code, job.outputs["OPSERA_STATUS"]) == (143, "cancelled")
    assert simulator.count("stop") == 0
    assert "could not be stopped and may still be in progress" in job.outputs["OPSERA_MESSAGE"]


def test_cancelled_while_the_stop_call_fails(tmp_path):
    """A stop call that fails is repeated while there is time, and then reported."""
    fault = Fault(call="stop", kind="http", status=500)
    job, simulator = cancelled_at(100, tmp_path, faults=(fault,))
    assert job.code == 143 and simulator.count("stop") >= 4
    assert "may still be in progress" in job.outputs["OPSERA_MESSAGE"]


@pytest.mark.parametrize("debug", ["", "true"])
def test_an_internal_error(tmp_path, debug):
    """A fault of our own gives 70, all outputs and a hint; the traceback only when it is wanted."""
    out, clock = io.StringIO(), FakeClock()
    faults = [Fault(call="summary", kind="http", status=503, times=1)]
    with Simulator(scenes.PASSES, clock=clock, seed=1, faults=faults) as simulator:
        environ = inputs_for(simulator, output_file=str(tmp_path / "opsera.env"))
        code = run_job(
            {**environ, "OPSERA_DEBUG": debug}, Output(out), Signals(), clock=clock,
            jitter=lambda: 1 // 0,
        )  # fmt: skip
    outputs = Files(tmp_path).outputs
    assert (code, outputs["OPSERA_STATUS"]) == (70, "error")
    assert set(outputs) == EVERY_OUTPUT
    assert "Report it" in out.getvalue()
    assert ("Traceback" in out.getvalue()) is bool(debug)


def test_outputs_that_cannot_be_written_do_not_change_the_result(tmp_path):
    """An output file in a place that cannot be is a warning; the exit code stays true."""
    clock = FakeClock()
    (tmp_path / "file").write_text("")
    with Simulator(scenes.FAILS, clock=clock, seed=1) as simulator:
        path = str(tmp_path / "file" / "opsera.env")
        job = play_with(simulator, clock, Files(tmp_path), Signals(), output_file=path)
    assert job.code == 1
    assert "Can't write the outputs" in job.log


ECHOES = {
    "as it is": TOKEN,
    "in a header": f"Authorization: Bearer {TOKEN}",
    "in Base64": base64.b64encode(TOKEN.encode()).decode(),
    "in a URL": quote(f"https://x/?token={TOKEN}&a=b"),
}


def play_against(wire: Wire, directory: Path, **inputs: str) -> tuple[int, str, str]:
    """Run a job against a server of a few bytes; return its code, its log and its outputs."""
    out, clock = io.StringIO(), FakeClock()
    given = {
        "token": TOKEN, "pipeline": PIPELINE, "base_url": wire.url, "timeout": "60",
        "output_file": str(directory / "opsera.env"),
        "report_dir": str(directory / "report"), **inputs,
    }  # fmt: skip
    environ = {f"OPSERA_{name.upper()}": value for name, value in given.items()}
    code = run_job({**environ, "OPSERA_DEBUG": "1"}, Output(out), Signals(), clock=clock)
    written = [path.read_text("utf-8") for path in directory.rglob("*") if path.is_file()]
    return code, out.getvalue(), "\n".join(written)


@pytest.mark.parametrize(
    ("status", "echo"), list(zip([200, 302, 401, 500], ECHOES.values(), strict=True))
)
def test_a_server_that_echoes_the_token(tmp_path, status, echo):
    """A token that the server sends back in any response is not in the log or in files."""
    body = json.dumps({"message": echo, "error": echo}).encode()
    with Wire(http(status, body, Location=f"https://other.test/?{echo}")) as wire:
        code, log, files = play_against(wire, tmp_path)
    assert code in (3, 4, 124)
    assert log and files
    assert echo.split(" ")[-1] not in log + files and TOKEN not in log + files


def test_names_that_carry_the_token(tmp_path):
    """A pipeline named with the token, or a status with it, does not get it out either."""
    pipeline = {
        "_id": PIPELINE, "name": f"shop {TOKEN}",
        "workflow": {"run_count": 41, "plan": [{"_id": "s", "name": TOKEN}]},
    }  # fmt: skip
    status = {"status": "success", "message": f"by {TOKEN}"}
    logs = [{"_id": "a", "step_name": TOKEN, "message": f"token={TOKEN}\nnext"}]
    with Wire(ok(pipeline)) as wire:
        wire.answers = [
            ok(pipeline), ok({"status": "executed", "runCount": 42, "message": TOKEN}),
            ok(status), *[ok(logs)] * 20,
        ]  # fmt: skip
        code, log, files = play_against(wire, tmp_path)
    assert code == 0
    assert "next" in log
    assert TOKEN not in log + files


def test_a_closed_log_is_deserted():
    """With stdout closed there is still a stream to write to."""
    assert utf8(None).write("x") == 1
