"""A simulator on a fake clock, and a plain HTTP client for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import requests

from opsera_step.clock import FakeClock
from opsera_step.simulator.simulator import Simulator


class Api:
    """A simulator, the clock that it moves on, and calls of its API by name."""

    def __init__(self, sim: Simulator, clock: FakeClock, session: requests.Session) -> None:
        self.sim = sim
        self.clock = clock
        self.session = session
        session.headers["Authorization"] = f"Bearer {sim.token}"

    def post(self, call: str, **body: Any) -> requests.Response:
        """Send a call about the first pipeline, unless the body names another."""
        whole = {"pipelineId": self.sim.pipeline_id, **body}
        url = f"{self.sim.url}/api/v1/pipeline/{call}"
        return self.session.post(url, json=whole, timeout=5, allow_redirects=False)

    def ask(self, call: str, **body: Any) -> Any:
        """Send a call and return the JSON of its answer."""
        return self.post(call, **body).json()

    def call(self, method: str, path: str, token: str = "", **sent: Any) -> requests.Response:
        """Send any call; what is sent goes into the query of a GET and the body of a POST."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        place = {"params" if method == "GET" else "json": sent}
        url = f"{self.sim.url}/api/v1/{path}"
        return self.session.request(method, url, headers=headers, timeout=5, **place)

    def get(self, path: str, **query: Any) -> Any:
        """Return the JSON of the answer to a GET."""
        return self.call("GET", path, **query).json()

    def status(self, run_count: int) -> str:
        """Return the state of a run in the API's words."""
        return self.ask("status", runCount=run_count)["status"]

    def control(self, path: str, **body: Any) -> Any:
        """Send a wish to the control plane."""
        return requests.post(f"{self.sim.url}/simulator/{path}", json=body, timeout=5).json()


Start = Callable[..., Api]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start simulators; they are closed at the end of the test."""
    with ExitStack() as stack:

        def begin(scenario: Any = "success", **options: Any) -> Api:
            clock = FakeClock()
            sim = stack.enter_context(Simulator(scenario, clock=clock, **options))
            session = stack.enter_context(requests.Session())
            return Api(sim, clock, session)

        yield begin


@pytest.fixture
def small() -> Callable[..., dict[str, Any]]:
    """Make a scenario with one pipeline whose only step writes the given log entries."""

    def make(*log: dict[str, Any], step: Any = None, pipeline: Any = None, **rest: Any) -> Any:
        only = {"name": "Build", "duration": 10, "log": list(log), **(step or {})}
        first = {"name": "Small", "run_count": 4, "start_delay": 0, "step_gap": 0}
        return {"pipelines": [{**first, "plan": [only], **(pipeline or {})}], **rest}

    return make


def texts(records: list[dict[str, Any]]) -> list[str]:
    """Return the console texts of log records where the default place is used, oldest first."""
    return [record["api_response"]["jenkinsConsoleLog"] for record in reversed(records)]


@pytest.fixture(name="texts")
def texts_fixture() -> Callable[[list[dict[str, Any]]], list[str]]:
    """Return the console texts of log records, oldest first."""
    return texts


def derived(pipeline: dict[str, Any]) -> str:
    """Return the state of a pipeline by the portal's rule."""
    last = pipeline["workflow"]["last_step"]
    if last.get("running", {}).get("paused"):
        return "paused"
    if last.get("status") == "running":
        return "running"
    if last.get("failed", {}).get("step_id"):
        return "failed"
    return "success" if last.get("success", {}).get("step_id") else "stopped"


@pytest.fixture(name="derived")
def derived_fixture() -> Callable[[dict[str, Any]], str]:
    """Return the state of a pipeline object by the portal's rule."""
    return derived
