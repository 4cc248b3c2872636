"""The state file: what outlives a process, even one that was killed."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys

import pytest
import requests

from opsera_step.clock import FakeClock
from opsera_step.simulator.simulator import Simulator
from opsera_step.simulator.state import StateError

TOOL = "65a4f00dc0ffee0000000101"


class Process:
    """The command `simulator` in a process of its own, with room for so many bytes in a file."""

    def __init__(self, path, room=resource.RLIM_INFINITY):
        words = ["-m", "opsera_step", "simulator", "--scenario", "approval", "--state", str(path)]
        command = [sys.executable, *words]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        lines = [self.process.stdout.readline().strip() for _ in range(4)]
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (room, -1))
        self.url, *rest = lines
        told = dict(line.split("=", 1) for line in rest)
        self.token, self.pipeline = told["OPSERA_TOKEN"], told["OPSERA_PIPELINE"]

    def ask(self, method, path, token=None, **sent):
        headers = {"Authorization": f"Bearer {token or self.token}"}
        place = {"json": sent} if sent else {}
        url = f"{self.url}/{path}"
        return requests.request(method, url, headers=headers, timeout=5, **place)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()


def test_it_survives_a_kill(tmp_path):
    """Everything that was answered before SIGKILL is still so afterwards."""
    path = tmp_path / "state.jsonl"
    first = Process(path)
    issued = first.ask("POST", "simulator/tokens", scope="tasks", user="Kim", role="plain").json()
    assert first.ask("POST", "api/v1/pipeline/run", pipelineId=first.pipeline).status_code == 200
    update = {"toolId": TOOL, "tool": {"name": "Renamed"}}
    changed = first.ask("POST", "api/v1/registry/update", **update).json()
    first.ask("GET", "api/v1/tasks", issued["token"])
    uses = first.ask("GET", "api/v1/logs/user/tokens").json()
    first.kill()
    with path.open("ab") as file:
        file.write(b'{"at": 5, "do": "reset", "pipel')

    second = Process(path)
    try:
        assert second.token == first.token
        again = second.ask("POST", "api/v1/registry/summary", toolId=TOOL).json()
        assert again == changed
        summary = second.ask("POST", "api/v1/pipeline/summary", pipelineId=second.pipeline).json()
        assert summary["workflow"]["run_count"] == 42
        status = {"pipelineId": second.pipeline, "runCount": 42}
        answer = second.ask("POST", "api/v1/pipeline/status", **status).json()
        assert answer["status"] == "running"
        now = second.ask("GET", "api/v1/logs/user/tokens").json()
        assert now["data"][4:] == uses["data"]
        assert second.ask("GET", "api/v1/tasks", issued["token"]).status_code == 200
    finally:
        second.kill()
    assert all(json.loads(line) for line in path.read_text().splitlines())


def test_a_full_disk(tmp_path):
    """What cannot be kept is refused, is not done, and leaves a file that can be read."""
    path = tmp_path / "state.jsonl"
    first, said = Process(path, room=2000), []
    for number in range(20):
        update = {"toolId": TOOL, "tool": {"name": f"Name {number}"}}
        said.append(first.ask("POST", "api/v1/registry/update", **update))
    codes = [answer.status_code for answer in said]
    good = codes.count(200)
    assert 0 < good < 20
    assert codes == [200] * good + [503] * (20 - good)
    assert said[-1].json()["message"] == f"{path} cannot be written: File too large"
    assert first.ask("POST", "simulator/tokens", scope="tasks").status_code == 503
    state = first.ask("GET", "simulator/state").json()
    assert (len(state["tokens"]), state["tools"][0]["name"]) == (2, f"Name {good - 1}")
    first.kill()
    second = Process(path)
    try:
        state = second.ask("GET", "simulator/state").json()
        assert state["tools"][0]["name"] == f"Name {good - 1}"
        assert second.ask("GET", "api/v1/tasks").status_code == 200
    finally:
        second.kill()


def test_the_world_goes_on_as_if_nothing_had_been(tmp_path):
    """A simulation that was begun again says the same as one that went through."""

    def played(pause):
        clock, path = FakeClock(), tmp_path / f"{pause}.jsonl"
        sim = Simulator("paused-refusal", clock=clock, seed=3, state=path)
        sim.reject()
        clock.sleep(5)
        sim.start_by_somebody_else(user="Kim")
        clock.sleep(7.25)
        sim.set_access(TOOL, ["Kim"])
        sim.deactivate(sim.issue_token("tasks"))
        if pause:
            sim.release()
            clock.sleep(3600)
            sim = Simulator("paused-refusal", clock=clock, seed=3, state=path)
        else:
            clock.sleep(3600)
        sim.approve()
        clock.sleep(600)
        seen = sim.state()
        world = sim._gate.world
        logs = [
            run.log.newest(console=False, ties="stable", rng=world.ties, escaped=True)
            for pipeline in world.pipelines.values()
            for run in pipeline.runs.values()
        ]
        actions = world.audit.actions(world.milliseconds(), "")
        sim.release()
        return seen, logs, actions, sim.console_text()

    assert played(pause=True) == played(pause=False)


def test_time_never_goes_back(tmp_path):
    """After a fast simulation time goes on where it had come to."""
    path = tmp_path / "state.jsonl"
    fast, slow = FakeClock(), FakeClock()
    with Simulator("success", clock=fast, state=path) as sim:
        fast.sleep(500)
        sim.start_by_somebody_else()
    with Simulator("success", clock=slow, state=path) as sim:
        assert sim.now == 500
        slow.sleep(4)
        assert sim.runs()[0].state == "running"
        assert sim.now == 504


def test_reset_empties_the_file(tmp_path):
    """A new world is new in the file as well; the token stays good through both."""
    path, clock = tmp_path / "state.jsonl", FakeClock()
    with Simulator("success", clock=clock, state=path) as sim:
        sim.start_by_somebody_else()
        clock.sleep(9)
        token = sim.token
        sim.restart()
        assert len(path.read_text().splitlines()) == 2
    with Simulator("success", clock=clock, state=path) as sim:
        assert (sim.token, sim.runs()) == (token, [])
        sim.restart()
        assert sim.token == token


def test_one_at_a_time(tmp_path):
    """Two simulators do not share a file."""
    path = tmp_path / "state.jsonl"
    with (
        Simulator(clock=FakeClock(), state=path),
        pytest.raises(StateError, match="in use by another simulator"),
    ):
        Simulator(clock=FakeClock(), state=path)


def test_a_file_that_went_on_without_us(tmp_path):
    """Whoever let go of a file does not write to it after another did."""
    path = tmp_path / "state.jsonl"
    with Simulator(clock=FakeClock(), state=path) as first:
        pass
    with Simulator(clock=FakeClock(), state=path) as second:
        second.start_by_somebody_else()
    text = path.read_text()
    with pytest.raises(StateError, match="was changed by another simulator"):
        first.start_by_somebody_else()
    assert (first.runs(), path.read_text()) == ([], text)


@pytest.mark.parametrize("text", ["my notes", '{"opsera"', '{"opsera_step_simulator": 1}\nnotes'])
def test_files_without_a_last_line_end(tmp_path, text):
    """A file of somebody else is left as it is, whatever it ends with."""
    path = tmp_path / "notes.txt"
    path.write_text(text)
    with pytest.raises(StateError, match="is no state file of this simulator"):
        Simulator(clock=FakeClock(), state=path)
    assert path.read_text() == text


def test_a_beginning_that_was_cut_off(tmp_path):
    """A file in which not even the first line is whole begins anew."""
    path = tmp_path / "state.jsonl"
    path.write_text('{"opsera_step_simulator": 1, "scen')
    with Simulator(clock=FakeClock(), state=path) as sim:
        assert sim.runs() == []
    assert len(path.read_text().splitlines()) == 1


HEADER = {"opsera_step_simulator": 1, "scenario": "success", "seed": 1, "began": 0.0}


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([{**HEADER, "scenario": "busy"}], "holds the state of scenario 'busy' with seed 1"),
        ([{**HEADER, "seed": 2}], "with seed 2; go on with that one"),
        ([{"anything": 1}], "is no state file of this simulator"),
        ([{**HEADER, "opsera_step_simulator": 2}], "in format 2, this one has 1"),
        ([{**HEADER, "began": 1e300}], "is no state file of this simulator"),
        (["no JSON"], "line 1 is not JSON"),
        ([[1]], "line 1 is not a JSON object"),
        ([HEADER, {"at": 0, "do": "fly"}], "line 2 fits nothing here"),
        ([HEADER, {"at": 0, "do": "catch_up"}], "line 2 fits nothing here"),
        ([HEADER, {"at": 0, "do": "reset", "pipeline_id": "x", "user": "K"}], "line 2 fits"),
        ([HEADER, {"do": "reset"}], "line 2 fits nothing here; if the scenario was changed"),
        ([HEADER, {"at": 0, "do": "use", "token_id": "x", "target": "y"}], "line 2 fits"),
    ],
)
def test_files_of_another_kind(tmp_path, lines, said):
    """A file that is no state of this scenario is refused and left as it is."""
    path = tmp_path / "state.jsonl"
    text = "".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines)
    path.write_text(text)
    with pytest.raises(StateError) as caught:
        Simulator("success", clock=FakeClock(), state=path)
    assert said in str(caught.value)
    assert path.read_text() == text


def test_file_that_cannot_be(tmp_path):
    """A path that cannot be written is told."""
    with pytest.raises(StateError, match="cannot be used: No such file or directory"):
        Simulator(clock=FakeClock(), state=tmp_path / "no" / "state.jsonl")


@pytest.mark.parametrize("path", ["/dev/full", "/dev/zero", "/"])
def test_what_is_no_file(path):
    """A device or a folder is not read."""
    with pytest.raises(StateError, match="cannot be used: it is no file"):
        Simulator(clock=FakeClock(), state=path)
