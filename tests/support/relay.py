"""A proxy in front of a simulator that changes its responses."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import requests

from opsera_step.simulator import Simulator


class Relay:
    """Forwards requests to a simulator, and applies `change` to the responses, which it keeps."""

    def __init__(self, simulator: Simulator, change: Callable[[Any], Any]) -> None:
        self.answers: dict[str, Any] = {}
        relay = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {"Authorization": self.headers["Authorization"]}
                if body:
                    headers["Content-Type"] = "application/json"
                came = requests.request(
                    self.command, simulator.url + self.path, data=body, headers=headers, timeout=20
                )
                said = change(came.json())
                relay.answers[self.path.partition("?")[0].removeprefix("/api/v1/")] = said
                data = json.dumps(said).encode()
                self.send_response(came.status_code)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST  # noqa: N815 - http.server calls it so

            def log_message(self, *_: object) -> None:
                """Print nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> Relay:  # noqa: PYI034 - Self came with Python 3.11
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
