"""HTTP: a threaded server with connections that stay open, and answers that break on purpose."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
import traceback
from collections.abc import Callable
from typing import Any

from werkzeug.exceptions import BadRequest, RequestEntityTooLarge
from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler
from werkzeug.wrappers import Request as HttpRequest

from opsera_step.simulator.wire import Answer, error_answer

Respond = Callable[[HttpRequest], Answer]
Wall = Callable[[], float]

LARGEST_BODY = 64 * 1024 * 1024
"""How many bytes a request may have."""

_POLL_SECONDS = 0.01
_PATIENCE = 5.0
_NO_LINGER = struct.pack("ii", 1, 0)


class _Handler(WSGIRequestHandler):
    """Speaks HTTP/1.1 on one connection.

    NOTE: Werkzeug's own way of answering closes the connection after each answer; this one keeps
    it, which is sound because every request is read to its end and every answer says its length.
    """

    protocol_version = "HTTP/1.1"
    # Without this an answer's body waits for the client to acknowledge its headers.
    disable_nagle_algorithm = True
    server: _Server

    def run_wsgi(self) -> None:
        """Answer one request."""
        try:
            answer = self._answered(self._read())
        except RequestEntityTooLarge:
            answer = self._unread(413, f"The body is larger than {LARGEST_BODY} bytes.")
        except (BadRequest, OSError, ValueError):
            answer = self._unread(400, "The request is no sound HTTP.")
        if answer.delivery in ("close", "reset"):
            self._drop(answer.delivery == "reset")
        else:
            self._send(answer)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing, whatever was asked for."""

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""

    def date_time_string(self, timestamp: float | None = None) -> str:
        """Tell the time of the simulated world."""
        return super().date_time_string(self.server.wall() if timestamp is None else timestamp)

    def version_string(self) -> str:
        """Name the server."""
        return "opsera-step-simulator"

    def _read(self) -> HttpRequest:
        """Read a request to its end."""
        lengths = {length.strip() for length in self.headers.get_all("Content-Length", [])}
        coding = self.headers.get("Transfer-Encoding", "chunked").strip().lower()
        if len(lengths) > 1 or not all(map(_is_length, lengths)) or coding != "chunked":
            raise ValueError("nobody can tell where this request ends")
        request = HttpRequest(self.make_environ())
        request.max_content_length = LARGEST_BODY
        request.get_data(cache=True)
        return request

    def _unread(self, status: int, message: str) -> Answer:
        """Refuse a request of which more may come: nothing else can be read after it."""
        self.close_connection = True
        return error_answer(status, message)

    def _answered(self, request: HttpRequest) -> Answer:
        try:
            return self.server.respond(request)
        except Exception:  # noqa: BLE001 - a fault of the simulator must not look like silence
            return error_answer(500, f"The simulator itself failed: {traceback.format_exc()}")

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if answer.delivery == "half":
            self.wfile.write(answer.body[: len(answer.body) // 2])
            self._drop(reset=False)
        elif self.command != "HEAD":
            self.wfile.write(answer.body)

    def _drop(self, reset: bool) -> None:
        self.close_connection = True
        if reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            os.close(self.connection.detach())
        else:
            self.connection.shutdown(socket.SHUT_RDWR)


class _Server(ThreadedWSGIServer):
    """Listens, and remembers open connections so that it can end them."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, host: str, port: int, respond: Respond, wall: Wall) -> None:
        self.respond = respond
        self.wall = wall
        self.connections: set[socket.socket] = set()
        self.left = threading.Condition()
        """Told of each connection that has ended."""
        # Bound here, because Werkzeug ends the whole process when it cannot bind.
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.create_server((host, port), family=family, backlog=128) as listening:
            super().__init__(host, port, _no_application, _Handler, fd=listening.fileno())

    def process_request(self, request: Any, client_address: Any) -> None:
        """Take up a connection."""
        self.connections.add(request)
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer on a connection until it ends."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self.left:
                self.connections.discard(request)
                self.left.notify_all()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Let a client that went away go."""


class HttpServer:
    """A server in a thread of its own."""

    def __init__(self, host: str, port: int, respond: Respond, wall: Wall) -> None:
        """Listen and answer; port 0 takes any that is free. `wall` tells the time."""
        self._server = _Server(host, port, respond, wall)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_SECONDS,), daemon=True
        )
        self.port = int(self._server.server_address[1])
        self._thread.start()

    def wait(self) -> None:
        """Wait until the server is closed."""
        while self._thread.is_alive():
            self._thread.join(1.0)

    def close(self) -> None:
        """Stop listening, end all connections, and wait for what is being done on them."""
        server = self._server
        server.shutdown()
        self._thread.join()
        with server.left:
            for connection in list(server.connections):
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            server.left.wait_for(lambda: not server.connections, _PATIENCE)


def _is_length(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19  # digits of 2⁶³


def _no_application(*_: Any) -> list[bytes]:
    return []
