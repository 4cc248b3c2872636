"""The Python API: starting, closing, clocks, and what the package exports."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest
import requests

from opsera_step.simulator import FakeClock, Simulator, SpeedClock


def _modules_after_import():
    code = "import sys, opsera_step.simulator; print(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    return set(done.stdout.split())


def test_the_import_is_light_and_shares_only_the_clock():
    """Importing the package loads no YAML, and nothing of the client."""
    loaded = _modules_after_import()
    assert "yaml" not in loaded
    own = {name for name in loaded if name.startswith("opsera_step.")}
    assert {name for name in own if not name.startswith("opsera_step.simulator")} == {
        "opsera_step.clock"
    }


def test_only_between_start_and_close():
    """A simulator has a URL and responds only while it runs."""
    simulator = Simulator(clock=FakeClock())
    with pytest.raises(RuntimeError, match="not running"):
        _ = simulator.url
    with simulator:
        url = simulator.url
        assert simulator.start() is simulator
        assert requests.get(f"{url}/simulator/state", timeout=50).status_code == 200
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=50)
    simulator.close()


@pytest.mark.parametrize(
    ("host", "shown"), [("0.0.0.0", "127.0.0.1"), ("localhost", "localhost"), ("::1", "[::1]")]
)
def test_hosts(host, shown):
    """The URL works on this machine, whatever host it listens on."""
    try:
        simulator = Simulator(host=host).start()
    except OSError:
        pytest.skip(f"no {host} here")
    with simulator:
        assert simulator.url.startswith(f"http://{shown}:")
        assert requests.get(f"{simulator.url}/simulator/state", timeout=50).status_code == 200


def test_a_fast_clock():
    """On a fast clock a long run takes a moment, and a sleep is short."""
    clock, real = SpeedClock(1000), time.monotonic()
    with Simulator(clock=clock) as simulator:
        headers = {"Authorization": f"Bearer {simulator.token}"}
        body = {"pipelineId": simulator.pipeline_id}
        url = f"{simulator.url}/api/v1/pipeline"
        requests.post(f"{url}/run", json=body, headers=headers, timeout=50)
        clock.sleep(50)
        response = requests.post(f"{url}/status", json=body, headers=headers, timeout=50)
        assert response.json()["status"] == "success"
    assert clock.monotonic() >= 50
    assert time.monotonic() - real < 20
    with pytest.raises(ValueError, match="greater than 0"):
        SpeedClock(0)


def test_wait_until_closed():
    """Waiting ends when another thread closes the simulator."""
    simulator = Simulator().start()
    thread = threading.Thread(target=simulator.wait)
    thread.start()
    assert requests.get(f"{simulator.url}/simulator/state", timeout=50).status_code == 200
    simulator.close()
    thread.join(5)
    assert not thread.is_alive()


@pytest.mark.parametrize(("host", "warns"), [("127.0.0.1", False), ("0.0.0.0", True)])
def test_the_command(host, warns):
    """The command prints the URL and the variables, and warns where others can reach it."""
    words = [sys.executable, "-m", "opsera_step", "simulator", "--host", host]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(words, **pipes) as process:
        lines = [process.stdout.readline() for _ in range(4)]
        process.terminate()
        rest, errors = process.communicate(timeout=20)
    assert (process.returncode, rest) == (0, "")
    assert lines[0].startswith("http://127.0.0.1:")
    names = [line.partition("=")[0] for line in lines[1:]]
    assert names == ["OPSERA_BASE_URL", "OPSERA_PIPELINE", "OPSERA_TOKEN"]
    assert ("Listening on 0.0.0.0: everyone who can reach this port" in errors) == warns
