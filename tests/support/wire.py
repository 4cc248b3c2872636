"""A server whose responses the test decides byte by byte, and a proxy."""

from __future__ import annotations

import json
import select
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

Answer = bytes | Callable[[socket.socket], None]


@dataclass
class Request:
    """A request; `connection` is the number of its connection, from 1."""

    connection: int
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Wire:
    """A server that sends the given responses, bytes or functions; the last one is repeated."""

    def __init__(self, *answers: Answer, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self.connections = 0
        self.answers = list(answers)
        self._tls = tls
        self._over = threading.Event()
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> Wire:  # noqa: PYI034 - Self came with Python 3.11
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        for one in (self._listener, *self._sockets):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in self._threads:
            thread.join(5)

    def pause(self, seconds: float) -> None:
        """Wait, but not beyond the end of the test."""
        if self._over.wait(seconds):
            raise OSError("the test is over")

    def hang(self, _: socket.socket) -> None:
        """Send nothing until the test ends."""
        self.pause(60)

    def trickle(self, head: bytes, drop: bytes, every: float = 0.05) -> Answer:
        """Return a response that sends `head` once, then `drop` again and again."""

        def answer(peer: socket.socket) -> None:
            peer.sendall(head)
            while True:
                self.pause(every)
                peer.sendall(drop)

        return answer

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                peer, _ = self._listener.accept()
                self._sockets.append(peer)
                self.connections += 1
                self._start(self._serve, peer, self.connections)

    def _serve(self, peer: socket.socket, number: int) -> None:
        # SSLError is an OSError too.
        with suppress(OSError):
            peer.settimeout(20)
            if self._tls is not None:
                peer = self._tls.wrap_socket(peer, server_side=True)
                self._sockets.append(peer)
            while (request := _read_request(peer, number)) is not None:
                self.requests.append(request)
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                if callable(answer):
                    answer(peer)
                    break
                peer.sendall(answer)
        peer.close()


def _read_request(peer: socket.socket, number: int) -> Request | None:
    data = b""
    while b"\r\n\r\n" not in data:
        more = peer.recv(65536)
        if not more:
            return None
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
    while len(body) < int(headers.get("content-length", "0")):
        body += peer.recv(65536)
    method, path, _ = first.split(" ")
    return Request(number, method, path, headers, body)


def http(status: int, body: bytes = b"", **headers: str) -> bytes:
    """Return a response; underscores in header names become hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    fields = {"Content-Length": str(len(body)), **named}
    lines = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def ok(data: Any, **headers: str) -> bytes:
    return http(200, json.dumps(data).encode(), Content_Type="application/json", **headers)


def reset(peer: socket.socket) -> None:
    """Close the connection with a RST."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def close(peer: socket.socket) -> None:
    """Close without a response."""


def sends(data: bytes) -> Answer:
    """Return a response that sends bytes and closes the connection."""
    return lambda peer: peer.sendall(data)


@contextmanager
def serving(*answers: Answer, **options: Any) -> Iterator[Wire]:
    with Wire(*answers, **options) as wire:
        yield wire


class Proxy(Wire):
    """A proxy that records its requests."""

    def join(self, peer: socket.socket) -> None:
        """Accept a CONNECT and copy bytes in both directions until one side closes."""
        host, _, port = self.requests[-1].path.partition(":")
        with socket.create_connection((host, int(port)), timeout=5) as far, suppress(ValueError):
            peer.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            other = {peer: far, far: peer}
            # The test closes `peer` at its end.
            while peer.fileno() >= 0:
                for one in select.select([peer, far], [], [], 5)[0]:
                    data = one.recv(65536)
                    if not data:
                        return
                    other[one].sendall(data)
