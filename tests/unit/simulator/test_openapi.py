"""The description of the API, and the simulator compared with it by generated requests."""

from __future__ import annotations

import subprocess
import sys

import pytest
import requests
import yaml

from opsera_step.simulator import Simulator, SpeedClock
from opsera_step.simulator.routes import ENDPOINTS
from tests.support import long_after


def _get(simulator, path):
    return requests.get(f"{simulator.url}/simulator/{path}", timeout=50)


def test_it_is_served_in_both_forms(start):
    """YAML and JSON have the same content."""
    sim = start().sim
    text, data = _get(sim, "openapi.yml"), _get(sim, "openapi.json")
    assert text.headers["Content-Type"].startswith("application/yaml")
    assert data.headers["Content-Type"].startswith("application/json")
    assert yaml.safe_load(text.text) == data.json()


def test_it_describes_every_call(start):
    """Each call is there by its name, with its scopes and every possible error."""
    paths = _get(start().sim, "openapi.json").json()["paths"]
    described = {
        (method.upper(), path): one for path, item in paths.items() for method, one in item.items()
    }
    endpoints = {(one.method, one.path): one for one in ENDPOINTS}
    assert {key: one["operationId"] for key, one in described.items()} == {
        key: endpoint.name for key, endpoint in endpoints.items()
    }
    for key, one in described.items():
        scopes = one["description"].partition("Scopes: ")[2].partition(".")[0].split(", ")
        assert tuple(scopes) == endpoints[key].scopes
        assert {"200", "401", "403"} <= set(one["responses"])
        assert ("requestBody" in one) == (key[0] == "POST")
        assert key[0] == "GET" or {"400", "404"} <= set(one["responses"])


@pytest.mark.timeout(240)
@pytest.mark.parametrize("phases", long_after(1, ["coverage", "examples,fuzzing,stateful"]))
def test_generated_requests_break_nothing(tmp_path, phases):
    """Whatever is sent, nothing fails and no response contradicts the description."""
    pytest.importorskip("schemathesis")
    with Simulator("approval", clock=SpeedClock(30)) as sim:
        command = [
            *(sys.executable, "-m", "schemathesis.cli", "run"),
            f"{sim.url}/simulator/openapi.json",
            *("--header", f"Authorization: Bearer {sim.token}"),
            *("--max-examples", "4", "--generation-deterministic", "--no-color"),
            *("--phases", phases),
        ]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        answered = {(request.call, request.status) for request in sim.requests}
    names = {endpoint.name for endpoint in ENDPOINTS}
    assert {name for name, status in answered if status == 200} >= names - {"task_logs"}
    assert not {status for _, status in answered} & {500}
