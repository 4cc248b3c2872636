"""What is no sound HTTP, or no sound JSON: it is refused, and harms nothing that comes later."""

from __future__ import annotations

import json
import socket
import threading
import time

import pytest
import requests

from opsera_step.simulator.clocks import SpeedClock
from opsera_step.simulator.faults import Fault
from opsera_step.simulator.simulator import Simulator

TOOL = "65a4f00dc0ffee0000000101"
POST = "POST /api/v1/pipeline/status HTTP/1.1\r\nConnection: close\r\nAuthorization: Bearer {}\r\n"
GET = "GET /api/v1/registry/tools HTTP/1.1\r\nConnection: close\r\nAuthorization: Bearer {}\r\n"


def _said(sim, text):
    """Send bytes as they are; return the status and the body of the answer."""
    port = int(sim.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(text.format(sim.token).encode("latin-1"))
        whole = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = whole.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


@pytest.mark.parametrize(
    "rest",
    [
        "Content-Length: abc\r\n\r\n{{}}",
        "Content-Length: -5\r\n\r\n{{}}",
        "Content-Length: 99999999999999999999\r\n\r\n{{}}",
        "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{{}} ",
        "Transfer-Encoding: gzip, chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\nzz\r\n{{}}\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n-5\r\n{{}}\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n2\r\n{{}}XX0\r\n\r\n",
    ],
)
def test_requests_without_a_clear_end(start, rest):
    """Where nobody can tell where a request ends, it is refused and the connection closed."""
    sim = start().sim
    status, body = _said(sim, POST + rest)
    assert (status, json.loads(body)["message"]) == (400, "The request is no sound HTTP.")
    assert sim.requests == []


def test_an_address_that_is_none(start):
    """A target that cannot be read is refused as well."""
    text = "GET http://[/api/v1/tasks HTTP/1.1\r\nConnection: close\r\n\r\n"
    assert _said(start().sim, text)[0] == 400


def test_chunks(start):
    """A body in chunks is read as any other."""
    sim = start().sim
    text = json.dumps({"pipelineId": sim.pipeline_id})
    body = f"{len(text):x}\r\n{text}\r\n0\r\n\r\n".replace("{", "{{").replace("}", "}}")
    rest = "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert _said(sim, POST + rest + body)[0] == 200


def test_a_body_that_is_too_large(start):
    """More than anybody sends is not read."""
    status, body = _said(start().sim, POST + "Content-Length: 67108865\r\n\r\n")
    assert (status, json.loads(body)["status"]) == (413, 413)


@pytest.mark.parametrize("body", ["abc", "[]", "[[[[", "1e999"])
def test_a_list_needs_no_body(start, body):
    """What is sent along with a GET that takes nothing does not matter."""
    rest = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    status, answer = _said(start().sim, GET + rest)
    assert (status, len(json.loads(answer))) == (200, 4)


@pytest.mark.parametrize(("depth", "status"), [(97, 200), (98, 200), (99, 400), (5000, 400)])
def test_deep_bodies(start, depth, status):
    """What is accepted, however deep, can be shown by every call and by the journal."""
    api = start()
    text = f'{{"toolId": "{TOOL}", "tool": {{"deep": {"[" * depth}{"]" * depth}}}}}'
    url = f"{api.sim.url}/api/v1/registry/update"
    headers = {"Content-Type": "application/json"}
    assert api.session.post(url, data=text, headers=headers, timeout=5).status_code == status
    assert api.call("GET", "registry/tools").status_code == 200
    for path in ("requests", "state"):
        assert requests.get(f"{api.sim.url}/simulator/{path}", timeout=5).status_code == 200


def test_delays_end_with_the_simulator(tmp_path):
    """Closing ends delays, and waits for what is being done: nothing holds the state afterwards."""
    slow = Fault(call="tasks", kind="latency", seconds=86400)
    path = tmp_path / "state.jsonl"
    sim = Simulator(clock=SpeedClock(20), faults=[slow], state=path).start()
    headers = {"Authorization": f"Bearer {sim.token}"}
    with pytest.raises(requests.Timeout):
        requests.get(f"{sim.url}/api/v1/tasks", headers=headers, timeout=0.3)
    assert not sim.requests[0].effect
    sim.close()
    assert sim.requests[0].effect
    assert '"do": "use"' in path.read_text()
    with Simulator(state=path):
        pass


def test_many_come_and_go():
    """Simulators leave neither threads nor sockets behind."""
    before = threading.active_count()
    sims = [Simulator().start() for _ in range(5)]
    with requests.Session() as session:
        for sim in sims:
            headers = {"Authorization": f"Bearer {sim.token}"}
            assert session.get(f"{sim.url}/api/v1/tasks", headers=headers, timeout=5).ok
        for sim in sims:
            sim.close()
    deadline = time.monotonic() + 20
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.02)
    assert threading.active_count() == before
    for sim in sims:
        with pytest.raises(RuntimeError):
            _ = sim.url
