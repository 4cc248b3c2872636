"""A stand-in for Opsera whose every reply a test can decide, for what the simulator never does.

It has one pipeline, with run 6 as its latest run; a run that is started follows `timeline` and
writes `records`. By default a run is short, and its last step has records: after a success a job
waits for those of steps that have none.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from tests.support.tokens import jwt

PIPELINE = "65a4f00dc0ffee0123456789"
_STEP_IDS = "65a4f00dc0ffee00000000"


@dataclass(frozen=True)
class Record:
    """A console record, some seconds after the start of the run."""

    at: float
    text: str
    step: int = 0
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    """A request that came, some seconds after the start of the server."""

    call: str
    body: Mapping[str, Any]
    authorization: str
    at: float


@dataclass(frozen=True)
class Reply:
    """A reply; a `status` of 0 resets the connection."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


RESET = Reply(0)
Script = Callable[[int, Mapping[str, Any]], Reply | None]
"""What to reply to a call, given how often it was made before and its body; None for the usual."""


def only(nth: int, reply: Reply) -> Script:
    """Reply so to one call, counted from 0."""
    return lambda count, _: reply if count == nth else None


class Opsera:
    """The server: `with Opsera(...) as opsera`."""

    pipeline_id = PIPELINE
    token = jwt({"user": "us", "exp": 4_102_444_800})

    def __init__(
        self,
        timeline: Sequence[tuple[float, str]] = ((0, "running"), (0.6, "success")),
        records: Sequence[Record] = (Record(0.1, "compiling\n"), Record(0.3, "built\n")),
        steps: Sequence[str] = ("Build",),
        scripts: Mapping[str, Script] | None = None,
        latest: str = "success",
    ) -> None:
        self.timeline, self.records, self.steps = timeline, records, steps
        self.scripts = scripts or {}
        self.latest = latest
        self.run_number = 6
        self.requests: list[Request] = []
        self._started: float | None = None
        self._stopped = False
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> Opsera:  # noqa: PYI034 - Self came with Python 3.11
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def status(self) -> str:
        """The status of the latest run."""
        if self._stopped:
            return "stopped"
        if self._started is None:
            return self.latest
        elapsed = time.time() - self._started
        return [status for at, status in self.timeline if at <= elapsed][-1]

    @property
    def started(self) -> bool:
        """Whether a run was started."""
        return self._started is not None

    @property
    def stopped(self) -> bool:
        """Whether a stop call was accepted."""
        return self._stopped

    def count(self, call: str) -> int:
        """Return how many requests of a call came."""
        return sum(request.call == call for request in self.requests)

    def _reply(self, call: str, body: Mapping[str, Any], authorization: str) -> Reply:
        with self._lock:
            before = self.count(call)
            at = time.monotonic() - self._began
            self.requests.append(Request(call, body, authorization, at))
            script = self.scripts.get(call)
            scripted = script(before, body) if script else None
            if scripted is not None:
                return scripted
            if authorization != f"Bearer {self.token}":
                return Reply(401, {"message": "Unauthorized"})
            usual = getattr(self, f"_{call}", None)
            return usual(body) if usual else Reply(404, {"message": "Not Found"})

    def _pipelines(self, _: Mapping[str, Any]) -> Reply:
        return Reply(200, [self._pipeline()])

    def _summary(self, _: Mapping[str, Any]) -> Reply:
        return Reply(200, self._pipeline())

    def _run(self, _: Mapping[str, Any]) -> Reply:
        self.run_number += 1
        self._started, self._stopped = time.time(), False
        body = {"status": "executed", "message": "submitted", "runCount": self.run_number}
        return Reply(200, body)

    def _status(self, body: Mapping[str, Any]) -> Reply:
        number = body.get("runCount", self.run_number)
        status = self.status if number == self.run_number else "success"
        return Reply(200, {"status": status, "message": f"Run {number}: {status}"})

    def _logs(self, body: Mapping[str, Any]) -> Reply:
        records = list(reversed(self._log()))[:1000]
        if "type" in body:
            records = [one for one in records if one["action"] == body["type"]]
        return Reply(200, records)

    def _stop(self, _: Mapping[str, Any]) -> Reply:
        self._stopped = True
        return Reply(200, {"status": "success", "message": "The pipeline has been stopped."})

    def _reset(self, _: Mapping[str, Any]) -> Reply:
        return Reply(200, {"status": "success", "message": "The pipeline has been reset."})

    def _pipeline(self) -> dict[str, Any]:
        status = self.status
        plan = [
            {"_id": step_id(number), "name": name, "active": True,
             "tool": {"tool_identifier": "jenkins"}}
            for number, name in enumerate(self.steps)
        ]  # fmt: skip
        at = 0 if status == "running" else -1
        state = "running" if status == "running" else "stopped"
        last = {"step_id": plan[at]["_id"], "status": state}
        group = "failed" if status.startswith("fail") else status
        if group in ("running", "success", "failed"):
            last[group] = {"step_id": plan[at]["_id"], "status": status}
        workflow = {
            "run_count": self.run_number,
            "plan": plan,
            "last_step": last,
            "last_run": {"run_count": self.run_number, "status": status},
        }
        updated = _timestamp(self._started or time.time())
        return {"_id": PIPELINE, "name": "Shop", "updatedAt": updated, "workflow": workflow}

    def _log(self) -> list[dict[str, Any]]:
        if self._started is None:
            return []
        elapsed = time.time() - self._started
        return [
            {
                "_id": f"65a4f00dc0ffee0001{number:06x}",
                "pipeline_id": PIPELINE,
                "run_count": self.run_number,
                "step_id": step_id(record.step),
                "step_name": self.steps[record.step],
                "step_index": record.step,
                "action": "console output",
                "status": "running",
                "message": "",
                "createdAt": _timestamp(self._started + record.at),
                "api_response": {"jenkinsConsoleLog": record.text},
                **record.fields,
            }
            for number, record in enumerate(self.records)
            if record.at <= elapsed
        ]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        opsera = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                call = self.path.partition("?")[0].rpartition("/")[2]
                authorization = self.headers.get("Authorization", "")
                self._send(opsera._reply(call, json.loads(data or b"{}"), authorization))

            do_GET = do_POST  # noqa: N815 - http.server calls it so

            def _send(self, reply: Reply) -> None:
                if reply.status == 0:
                    linger = struct.pack("ii", 1, 0)
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    self.close_connection = True
                    return
                data = json.dumps(reply.body).encode()
                self.send_response(reply.status)
                headers = {"Content-Type": "application/json", **reply.headers}
                for name, value in {**headers, "Content-Length": str(len(data))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                """Print nothing."""

        return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Ignore clients that go away."""


def step_id(number: int) -> str:
    """Return the ID of a step."""
    return f"{_STEP_IDS}{number:02x}"


def _timestamp(seconds: float) -> str:
    text = datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
