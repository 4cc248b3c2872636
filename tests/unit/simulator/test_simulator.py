"""The Python API: starting, closing, clocks, threads, and what the package exports."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time

import pytest
import requests

import opsera_step.simulator as package
from opsera_step.clock import FakeClock, SystemClock
from opsera_step.simulator.clocks import SpeedClock
from opsera_step.simulator.simulator import Simulator, serve, serve_forever


def test_every_name_is_there():
    """Each exported name can be loaded; others cannot."""
    assert all(getattr(package, name) is not None for name in package.__all__)
    with pytest.raises(AttributeError, match="nothing"):
        _ = package.nothing


def test_import_is_cheap():
    """Importing the package loads neither Werkzeug nor YAML."""
    code = (
        "import sys, opsera_step.simulator; print(sorted({'yaml', 'werkzeug'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert found.stdout == "[]\n"


def test_simulator_needs_no_client_code():
    """The simulator loads nothing of the package but itself."""
    code = (
        "import sys, opsera_step.simulator.simulator\n"
        "print([m for m in sys.modules if m.startswith('opsera_step.') "
        "and not m.startswith('opsera_step.simulator')])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert found.stdout in ("[]\n", "['opsera_step.clock']\n")


def test_only_while_it_runs():
    """A simulator has a URL and answers only between start and close."""
    simulator = Simulator(clock=FakeClock())
    with pytest.raises(RuntimeError, match="not running"):
        _ = simulator.url
    with simulator:
        url = simulator.url
        assert simulator.start() is simulator
        assert requests.get(f"{url}/simulator/state", timeout=5).status_code == 200
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=5)
    simulator.close()


def test_close_ends_open_connections():
    """A client that keeps its connection open does not hold up the end."""
    with Simulator() as simulator:
        host, port = simulator.url.removeprefix("http://").split(":")
        client = socket.create_connection((host, int(port)), timeout=5)
        client.sendall(b"GET /simulator/state HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 200")
    with client:
        while client.recv(65536):
            pass


def test_port_in_use():
    """A port that is taken is an OSError, not the end of the program."""
    with Simulator() as simulator, pytest.raises(OSError, match="in use"):
        Simulator(port=int(simulator.url.rpartition(":")[2])).start()


@pytest.mark.parametrize(
    ("host", "shown"), [("0.0.0.0", "127.0.0.1"), ("localhost", "localhost"), ("::1", "[::1]")]
)
def test_hosts(host, shown):
    """The URL works from this machine whatever host it listens on."""
    try:
        simulator = Simulator(host=host).start()
    except OSError:
        pytest.skip(f"no {host} here")
    with simulator:
        assert simulator.url.startswith(f"http://{shown}:")
        assert requests.get(f"{simulator.url}/simulator/state", timeout=5).status_code == 200


def test_speed():
    """On a fast clock a long run takes a moment of real time."""
    with serve("success", speed=1000) as simulator:
        headers = {"Authorization": f"Bearer {simulator.token}"}
        body = {"pipelineId": simulator.pipeline_id}
        url = f"{simulator.url}/api/v1/pipeline"
        requests.post(f"{url}/run", json=body, headers=headers, timeout=5)
        time.sleep(0.05)
        answer = requests.post(f"{url}/status", json=body, headers=headers, timeout=5)
        assert answer.json()["status"] == "success"


def test_speed_clock():
    """The clock runs and sleeps at its speed."""
    clock, real = SpeedClock(100), time.monotonic()
    before, wall = clock.monotonic(), clock.time()
    clock.sleep(1)
    assert 1 <= clock.monotonic() - before < 90
    assert time.monotonic() - real < 0.9
    assert clock.time() > wall
    with pytest.raises(ValueError, match="above 0"):
        SpeedClock(0)


def test_system_clock():
    """The machine's own clock will do."""
    with Simulator(clock=SystemClock()) as simulator:
        assert 0 <= simulator.now < 5


def test_serve_forever():
    """Serving goes on until the simulator is closed."""
    simulator = serve()
    thread = threading.Thread(target=serve_forever, args=(simulator,))
    thread.start()
    assert requests.get(f"{simulator.url}/simulator/state", timeout=5).status_code == 200
    simulator.close()
    thread.join(5)
    assert not thread.is_alive()


def test_many_threads(start):
    """Requests of many threads at once do not disturb each other."""
    api = start("busy")
    answers = []

    def ask():
        headers = {"Authorization": f"Bearer {api.sim.token}"}
        url = f"{api.sim.url}/api/v1/pipeline/run"
        body = {"pipelineId": api.sim.pipeline_id}
        answers.append(requests.post(url, json=body, headers=headers, timeout=5).json())

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer["runCount"] for answer in answers) == list(range(43, 63))


def test_own_failures_are_told(start, monkeypatch):
    """A fault of the simulator itself is an answer that says so."""
    api = start()
    monkeypatch.setattr(api.sim, "_gate", None)
    answer = api.post("run")
    assert answer.status_code == 500
    assert "The simulator itself failed" in answer.json()["message"]
