"""A simulator on a fake clock, and a plain HTTP client for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import requests

from opsera_step.simulator import FakeClock, Simulator

TIMEOUT = 50
"""Seconds for a request: far more than any takes, also on a busy machine."""


class Api:
    """A simulator, its clock, and its calls by name."""

    def __init__(self, sim: Simulator, clock: FakeClock, session: requests.Session) -> None:
        self.sim = sim
        self.clock = clock
        self.session = session
        session.headers["Authorization"] = f"Bearer {sim.token}"

    def post(self, call: str, **body: Any) -> requests.Response:
        """Send a call about the first pipeline, unless the body names another."""
        whole = {"pipelineId": self.sim.pipeline_id, **body}
        url = f"{self.sim.url}/api/v1/pipeline/{call}"
        return self.session.post(url, json=whole, timeout=TIMEOUT, allow_redirects=False)

    def ask(self, call: str, **body: Any) -> Any:
        """Send such a call and return the JSON of the response."""
        return self.post(call, **body).json()

    def call(self, method: str, path: str, token: str = "", **sent: Any) -> requests.Response:
        """Send any call, with the arguments in the query of a GET or the body of a POST."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        place = {"params" if method == "GET" else "json": sent}
        url = f"{self.sim.url}/api/v1/{path}"
        return self.session.request(method, url, headers=headers, timeout=TIMEOUT, **place)

    def get(self, path: str, **query: Any) -> Any:
        """Return the JSON of the response to a GET."""
        return self.call("GET", path, **query).json()

    def act(self, action: Any, *targets: Any, **more: Any) -> requests.Response:
        """Send an action of the second version of the API, by default to the first pipeline."""
        target = list(targets) or [self.sim.pipeline_id]
        body = {"action": action, "type": "pipeline", "version": 1, "target": target, **more}
        return self.session.post(f"{self.sim.url}/api/v2/actions", json=body, timeout=TIMEOUT)

    def run(self, seconds: float = 0, **body: Any) -> int:
        """Start a run and let time pass; return the number of the run."""
        number = self.ask("run", **body)["runCount"]
        self.clock.sleep(seconds)
        return int(number)

    def status(self, run_count: int) -> str:
        """Return the status of a run."""
        return self.ask("status", runCount=run_count)["status"]

    def console(self, **body: Any) -> list[str]:
        """Return the console texts of the log, oldest first, where the default field holds them."""
        records = self.ask("logs", type="console output", **body)
        return [record["api_response"]["jenkinsConsoleLog"] for record in reversed(records)]

    def derived(self) -> str:
        """Return the state that the portal derives from the summary."""
        last = self.ask("summary")["workflow"]["last_step"]
        if last.get("running", {}).get("paused"):
            return "paused"
        if last.get("status") == "running":
            return "running"
        if last.get("failed", {}).get("step_id"):
            return "failed"
        return "success" if last.get("success", {}).get("step_id") else "stopped"

    def admin(self, path: str, **body: Any) -> Any:
        """Send a request to the admin API."""
        return requests.post(f"{self.sim.url}/simulator/{path}", json=body, timeout=TIMEOUT).json()


Start = Callable[..., Api]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start simulators, which are closed at the end of the test."""
    with ExitStack() as stack:

        def start_one(scenario: Any = "success", **options: Any) -> Api:
            clock = FakeClock()
            sim = stack.enter_context(Simulator(scenario, clock=clock, **options))
            session = stack.enter_context(requests.Session())
            return Api(sim, clock, session)

        yield start_one


@pytest.fixture
def small() -> Callable[..., dict[str, Any]]:
    """Make a scenario with one pipeline whose only step writes the given log entries."""

    def make(*log: dict[str, Any], step: Any = None, pipeline: Any = None, **rest: Any) -> Any:
        only = {"name": "Build", "duration": 10, "log": list(log), **(step or {})}
        first = {"name": "Small", "run_count": 4, "start_delay": 0, "step_gap": 0}
        return {"pipelines": [{**first, "plan": [only], **(pipeline or {})}], **rest}

    return make
