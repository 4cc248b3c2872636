"""HTTP/1.1 with connections that stay open, and responses that break on purpose."""

from __future__ import annotations

import contextlib
import gzip
import os
import socket
import struct
import threading
import traceback
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from opsera_step.simulator.responses import HttpRequest, Response, error_response

Respond = Callable[[HttpRequest], Response]

LARGEST_BODY = 64 * 1024 * 1024
"""The most bytes that a request body may have."""

_POLL_SECONDS = 0.01
_CLOSE_SECONDS = 5.0
_DRIPS = 10
_SMALLEST_TO_COMPRESS = 1000
_NO_LINGER = struct.pack("ii", 1, 0)


class _TooLarge(Exception):
    """A request body above the limit."""


class _Handler(BaseHTTPRequestHandler):
    """Handles the requests of one connection."""

    protocol_version = "HTTP/1.1"
    # Otherwise the body of a response waits until the client has acknowledged its headers.
    disable_nagle_algorithm = True
    server: _Server

    def __getattr__(self, name: str) -> Any:
        """Handle every method of HTTP alike."""
        if name.startswith("do_"):
            return self._respond
        raise AttributeError(name)

    def _respond(self) -> None:
        try:
            request = self._read()
        except _TooLarge:
            response = self._unreadable(413, f"The body is larger than {LARGEST_BODY} bytes.")
        except ValueError:
            response = self._unreadable(400, "The request is malformed.")
        else:
            response = self._response_to(request)
        if response.delivery in ("close", "reset"):
            self._drop(reset=response.delivery == "reset")
        else:
            self._send(response)

    def _response_to(self, request: HttpRequest) -> Response:
        try:
            return self.server.http.respond(request)
        except Exception:  # noqa: BLE001 - a bug of the simulator must not look like silence
            return error_response(500, f"Bug in the simulator: {traceback.format_exc()}")

    def _read(self) -> HttpRequest:
        """Read a request completely. Raises ValueError where its end is unclear."""
        parts = urlsplit(self.path)
        query: dict[str, str] = {}
        for name, value in parse_qsl(parts.query, keep_blank_values=True):
            query.setdefault(name, value)
        return HttpRequest(
            method=self.command,
            target=self.path,
            path=unquote(parts.path),
            query=query,
            headers=self.headers,
            body=self._read_body(),
            client=str(self.client_address[0]),
        )

    def _read_body(self) -> bytes:
        lengths = {length.strip() for length in self.headers.get_all("Content-Length", [])}
        coding = self.headers.get("Transfer-Encoding", "").strip().lower()
        if coding == "chunked":
            return self._read_chunks()
        if coding or len(lengths) > 1:
            raise ValueError("unclear where the body ends")
        length = _number(lengths.pop(), 10) if lengths else 0
        if length > LARGEST_BODY:
            raise _TooLarge
        return self._read_exactly(length)

    def _read_chunks(self) -> bytes:
        body = bytearray()
        while True:
            size = _number(self.rfile.readline(100).split(b";")[0].strip().decode("latin-1"), 16)
            if len(body) + size > LARGEST_BODY:
                raise _TooLarge
            if size == 0:
                while self.rfile.readline(65536).strip():  # trailers
                    pass
                return bytes(body)
            body += self._read_exactly(size)
            if self.rfile.readline(3) != b"\r\n":
                raise ValueError("a chunk is longer than it says")

    def _read_exactly(self, size: int) -> bytes:
        data = self.rfile.read(size)
        if len(data) < size:
            raise ValueError("the body is shorter than it says")
        return data

    def _unreadable(self, status: int, message: str) -> Response:
        # Nothing else can be read from the connection, because more of this request may come.
        self.close_connection = True
        return error_response(status, message)

    def _send(self, response: Response) -> None:
        body, headers = response.body, dict(response.headers)
        accepts = "gzip" in self.headers.get("Accept-Encoding", "")
        if accepts and self.server.http.compresses() and len(body) >= _SMALLEST_TO_COMPRESS:
            body = gzip.compress(body, 6, mtime=0)
            headers["Content-Encoding"] = "gzip"
        self.send_response(response.status)
        self.send_header("Content-Type", response.content_type)
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if response.delivery == "half":
            self.wfile.write(body[: len(body) // 2])
            self._drop(reset=False)
        elif response.delivery == "drip":
            self._drip(body, response.seconds)
        elif self.command != "HEAD":
            self.wfile.write(body)

    def _drip(self, body: bytes, seconds: float) -> None:
        size = max(1, -(-len(body) // _DRIPS))
        for start in range(0, len(body), size):
            self.server.http.wait_for(seconds / _DRIPS)
            self.wfile.write(body[start : start + size])

    def _drop(self, *, reset: bool) -> None:
        self.close_connection = True
        if reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            os.close(self.connection.detach())
        else:
            self.connection.shutdown(socket.SHUT_RDWR)

    def date_time_string(self, timestamp: float | None = None) -> str:
        """Return the time of the simulated world."""
        return super().date_time_string(self.server.http.time() if timestamp is None else timestamp)

    def version_string(self) -> str:
        """Return the name of the server."""
        return "opsera-step-simulator"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Print nothing."""


class _Server(ThreadingHTTPServer):
    """Accepts connections, and remembers the open ones in order to end them."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 1024

    def __init__(self, address: tuple[str, int], http: HttpServer) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.http = http
        self.connections: set[socket.socket] = set()
        self.ended = threading.Condition()
        """Notified when a connection has ended."""
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Bind without looking up the host's name, which can take seconds."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start a thread for a connection."""
        self.connections.add(request)
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Handle a connection until it ends."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self.ended:
                self.connections.discard(request)
                self.ended.notify_all()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that disconnect."""


class HttpServer:
    """A server in a thread of its own."""

    def __init__(
        self,
        host: str,
        port: int,
        respond: Respond,
        *,
        time: Callable[[], float],
        wait_for: Callable[[float], None],
        compresses: Callable[[], bool],
    ) -> None:
        """Listen, and handle requests with `respond`. Port 0 is any free port."""
        self.respond, self.time, self.wait_for = respond, time, wait_for
        self.compresses = compresses
        self._server = _Server((host, port), self)
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
        """Stop listening, end all connections, and wait for requests in progress."""
        server = self._server
        server.shutdown()
        self._thread.join()
        server.server_close()
        with server.ended:
            for connection in list(server.connections):
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            server.ended.wait_for(lambda: not server.connections, _CLOSE_SECONDS)


def _number(text: str, base: int) -> int:
    digits = "0123456789abcdef"[:base]
    if not text or len(text) > 18 or any(digit not in digits for digit in text.lower()):
        raise ValueError("not a length")
    return int(text, base)
