"""Connections on which a whole response arrives within one time limit.

The timeout of a socket restarts with each byte. A server that sends a byte now and then (of a
status line, headers, a body, or trailers) could keep a job waiting forever.
"""

from __future__ import annotations

import io
import socket
from http.client import HTTPResponse
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from opsera_step.clock import Deadline, SystemClock

SILENCE_TIMEOUT = 30.0
"""The most seconds between two parts of a response."""


class _TimedReader(io.RawIOBase):
    """Reads a socket until its initial timeout, in seconds, has passed in total."""

    def __init__(self, sock: socket.socket, raw: io.RawIOBase) -> None:
        self._sock, self._raw = sock, raw
        self._deadline = Deadline.after(SystemClock(), sock.gettimeout())

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._deadline.expired:
            raise TimeoutError("timed out")
        # Never 0, because the socket would not wait at all.
        self._sock.settimeout(min(SILENCE_TIMEOUT, max(0.001, self._deadline.remaining)))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _TimedResponse(HTTPResponse):
    """A response of the API, or of a proxy to CONNECT."""

    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self.fp = io.BufferedReader(_TimedReader(sock, self.fp.detach()))


class _HTTPConnection(HTTPConnection):
    response_class = _TimedResponse


class _HTTPSConnection(HTTPSConnection):
    response_class = _TimedResponse


class _HTTPPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _HTTPConnection


class _HTTPSPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection


def limit_responses(manager: urllib3.PoolManager) -> None:
    """Let the read timeout of a request limit its whole response."""
    manager.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}
