"""HTTP itself: connections, malformed requests, and what a closed simulator leaves behind."""

from __future__ import annotations

import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection

import pytest
import requests

from opsera_step.simulator import Fault, Simulator, SpeedClock

POST = "POST /api/v1/pipeline/status HTTP/1.1\r\nConnection: close\r\nAuthorization: Bearer {}\r\n"
GET = "GET /api/v1/registry/tools HTTP/1.1\r\nConnection: close\r\nAuthorization: Bearer {}\r\n"


def _exchange(sim, text):
    """Send bytes as they are; return the status and the body of the response."""
    port = int(sim.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=50) as connection:
        connection.sendall(text.format(sim.token).encode("latin-1"))
        whole = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = whole.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


@pytest.mark.parametrize(
    "rest",
    [
        "Content-Length: -5\r\n\r\n{{}}",
        "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{{}} ",
        "Transfer-Encoding: gzip, chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n-5\r\n{{}}\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n2\r\n{{}}XX0\r\n\r\n",
    ],
)
def test_requests_with_an_unclear_end(start, rest):
    """Where the end of a request is unclear it is refused, and the connection closed."""
    sim = start().sim
    status, body = _exchange(sim, POST + rest)
    assert (status, json.loads(body)["message"]) == (400, "The request is malformed.")
    assert sim.requests == []


def test_a_body_in_chunks(start):
    """A chunked body is read to its end, and the connection stays usable."""
    api = start()
    url = f"{api.sim.url}/api/v1/pipeline/summary"
    body = f'{{"pipelineId": "{api.sim.pipeline_id}"}}'.encode()
    headers = {"Content-Type": "application/json"}
    response = api.session.post(url, data=iter([body[:9], body[9:]]), headers=headers, timeout=50)
    assert response.status_code == 200
    assert api.post("summary").status_code == 200


def test_a_body_that_is_too_large(start):
    """A body above the limit is not read."""
    status, body = _exchange(start().sim, POST + "Content-Length: 67108865\r\n\r\n")
    assert (status, json.loads(body)["status"]) == (413, 413)


def test_a_get_needs_no_body(start):
    """What is sent along with a GET that takes nothing does not matter."""
    body = "[[[["
    rest = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    status, response = _exchange(start().sim, GET + rest)
    assert (status, len(json.loads(response))) == (200, 4)


def test_the_connection_stays_open(start):
    """Many requests share one connection, and every response has its length."""
    api = start()
    connection = HTTPConnection(api.sim.url.removeprefix("http://"), timeout=50)
    with closing(connection):
        connection.connect()
        first = connection.sock
        for path in ("pipelines", "pipelines", "nothing"):
            connection.request("GET", f"/api/v1/pipeline/{path}")
            response = connection.getresponse()
            assert int(response.headers["Content-Length"]) == len(response.read()) > 0
            assert connection.sock is first


@pytest.mark.parametrize(("method", "empty"), [("HEAD", True), ("DELETE", False), ("BREW", False)])
def test_other_methods(start, method, empty):
    """Other methods are not allowed; a HEAD has no body."""
    api = start()
    response = api.session.request(method, f"{api.sim.url}/api/v1/pipeline/run", timeout=50)
    assert (response.status_code, response.content == b"") == (405, empty)


def test_close_ends_delays_and_waits_for_requests():
    """Closing ends delays, and waits for requests in progress."""
    slow = Fault(call="tasks", kind="latency", seconds=86400)
    sim = Simulator(clock=SpeedClock(20), faults=[slow]).start()
    headers = {"Authorization": f"Bearer {sim.token}"}
    with pytest.raises(requests.Timeout):
        requests.get(f"{sim.url}/api/v1/tasks", headers=headers, timeout=0.3)
    assert not sim.requests[0].effect
    sim.close()
    assert sim.requests[0].effect


def test_close_ends_open_connections():
    """A client that keeps its connection open does not delay the end."""
    with Simulator() as simulator:
        host, port = simulator.url.removeprefix("http://").split(":")
        client = socket.create_connection((host, int(port)), timeout=50)
        client.sendall(b"GET /simulator/state HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 200")
    with client:
        while client.recv(65536):
            pass


def test_nothing_is_left_behind():
    """Closed simulators leave neither threads nor sockets behind."""
    before = threading.active_count()
    sims = [Simulator().start() for _ in range(5)]
    with requests.Session() as session:
        for sim in sims:
            headers = {"Authorization": f"Bearer {sim.token}"}
            assert session.get(f"{sim.url}/api/v1/tasks", headers=headers, timeout=50).ok
        for sim in sims:
            sim.close()
    deadline = time.monotonic() + 20
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.02)
    assert threading.active_count() == before


def test_two_hundred_clients_at_once(start):
    """Every client gets its response, and every run its own number."""
    api = start("busy")
    ready = threading.Barrier(200)

    def client(_):
        headers = {"Authorization": f"Bearer {api.sim.token}"}
        body = {"pipelineId": api.sim.pipeline_id}
        with requests.Session() as session:
            session.headers.update(headers)
            ready.wait(30)
            url = f"{api.sim.url}/api/v1/pipeline"
            run = session.post(f"{url}/run", json=body, timeout=30).json()["runCount"]
            log = session.post(f"{url}/logs", json=body, timeout=30)
            return run, log.status_code

    with ThreadPoolExecutor(200) as pool:
        results = list(pool.map(client, range(200)))
    assert sorted(run for run, _ in results) == list(range(43, 243))
    assert {status for _, status in results} == {200}


def test_bugs_of_the_simulator_are_reported(start, monkeypatch):
    """A bug in the simulator itself is a response with the error."""
    api = start()
    monkeypatch.setattr(api.sim, "_dispatcher", None)
    response = api.post("run")
    assert response.status_code == 500
    assert "Bug in the simulator" in response.json()["message"]
    monkeypatch.undo()
