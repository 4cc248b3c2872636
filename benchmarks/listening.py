"""Servers for measuring: one that notes the first byte, one with prepared responses."""

from __future__ import annotations

import json
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from benchmarks.children import PIPELINE

_REFUSAL = (
    b"HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\n"
    b"Content-Length: 2\r\nConnection: close\r\n\r\n{}"
)
WINDOW = 1000
NEW_EACH_TIME = 400
"""Records of the window that are new in each response."""
RUN = 42
STEP = "5f0c4e1b2d3a4c5b6e7f8092"


class FirstByte:
    """Accepts connections, notes when the first byte of a request comes, and refuses it."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        """Listen; with a context, TLS."""
        self._context = context
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._moments: queue.Queue[float] = queue.Queue()
        scheme = "http" if context is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def moment(self, seconds: float = 30.0) -> float:
        """Wait for the first byte of the next request."""
        return self._moments.get(timeout=seconds)

    def close(self) -> None:
        """Stop listening."""
        self._listening.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                raw, _ = self._listening.accept()
                with suppress(OSError):
                    self._respond(raw)

    def _respond(self, raw: socket.socket) -> None:
        with raw, self._context.wrap_socket(raw, True) if self._context else raw as connection:
            connection.settimeout(10)
            if not connection.recv(1):
                return
            self._moments.put(time.perf_counter())
            connection.recv(1 << 16)
            connection.sendall(_REFUSAL)


class Run:
    """A run whose log advances with each response, as fast as it is requested."""

    def __init__(self, records: int, text: Callable[[int], str], new: int = NEW_EACH_TIME) -> None:
        """Prepare this many records; `text` returns the text of each."""
        self._records, self._text, self._new = records, text, new
        self._seen = 0
        self._encoded: dict[int, bytes] = {}
        self.calls: dict[str, int] = {}
        self.bytes_out = 0

    def response(self, path: str) -> bytes:
        """Respond to one call."""
        call = path.rpartition("/")[2]
        self.calls[call] = self.calls.get(call, 0) + 1
        body = self._logs() if call == "logs" else json.dumps(self._plain(call)).encode()
        self.bytes_out += len(body)
        return body

    def _plain(self, call: str) -> dict[str, Any]:
        if call == "run":
            return {"status": "executed", "message": "", "runCount": RUN}
        in_progress = self._seen < self._records
        if call == "status":
            return {"status": "running" if in_progress else "success", "message": ""}
        count = RUN if self.calls.get("run") else RUN - 1
        plan = [{"_id": STEP, "name": "Build", "active": True}]
        return {
            "_id": PIPELINE,
            "name": "Benchmark",
            "workflow": {"run_count": count, "plan": plan, "last_step": {}, "last_run": {}},
        }

    def _logs(self) -> bytes:
        self._seen = min(self._records, self._seen + self._new)
        first = max(0, self._seen - WINDOW)
        for gone in [number for number in self._encoded if number < first]:
            del self._encoded[gone]
        latest_first = range(self._seen - 1, first - 1, -1)
        return b"[" + b",".join(self._record(number) for number in latest_first) + b"]"

    def _record(self, number: int) -> bytes:
        known = self._encoded.get(number)
        if known is None:
            known = self._encoded[number] = json.dumps(_record(number, self._text(number))).encode()
        return known


def _record(number: int, text: str) -> dict[str, Any]:
    at = 1_767_225_600_000 + number
    created = datetime.fromtimestamp(at / 1000, timezone.utc).isoformat(timespec="milliseconds")
    created = created.replace("+00:00", "Z")
    return {
        "_id": f"{at // 1000:08x}0a1b2c3d4e{number % 2**24:06x}",
        "pipeline_id": PIPELINE,
        "run_count": RUN,
        "step_id": STEP,
        "step_name": "Build",
        "step_index": 0,
        "action": "console output",
        "message": "Console log output.",
        "status": "running",
        "tool_identifier": "jenkins",
        "step_configuration": {
            "tool": {"tool_identifier": "jenkins", "configuration": {"jobType": "BUILD"}}
        },
        "api_response": {"jenkinsConsoleLog": text},
        "createdAt": created,
        "updatedAt": created,
    }


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    played: Run


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_POST(self) -> None:
        """Respond to one call."""
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = self.server.played.response(self.path)
        self.send_response(200)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Suppress the log."""


@contextmanager
def playing(run: Run) -> Iterator[str]:
    """Serve a prepared run; yield the base URL."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.played = run
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
