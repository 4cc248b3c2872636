"""Exchanges that end in time: no wait for bytes is longer than what is left of the whole.

The time-out of a socket counts from each byte anew, so that headers that trickle in, or answers
of `100 Continue` without end, would outlast it for ever.
"""

from __future__ import annotations

import http.client
import io
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection

from opsera_step.clock import Deadline, SystemClock

_until: ContextVar[Deadline | None] = ContextVar("until", default=None)


@contextmanager
def bounded(seconds: float) -> Iterator[None]:
    """Let what is sent and read in this block take no more than some seconds of real time."""
    token = _until.set(Deadline.after(SystemClock(), seconds))
    try:
        yield
    finally:
        _until.reset(token)


def _left(otherwise: float | None) -> float | None:
    """Seconds that are left in the block.

    Raises:
        TimeoutError: when none are.

    """
    until = _until.get()
    if until is None:
        return otherwise
    if until.expired:
        raise TimeoutError("timed out")
    return until.remaining


class _Timed(io.RawIOBase):
    """What a socket receives; each wait is cut to what is left."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket) -> None:
        self._raw, self._sock = raw, sock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(_left(self._sock.gettimeout()))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        # The answer to a proxy's CONNECT is one of these too.
        self.fp = io.BufferedReader(_Timed(self.fp.detach(), sock))


class _HttpConnection(HTTPConnection):
    response_class = _Response

    def _new_conn(self) -> socket.socket:
        return _connected(self, super()._new_conn)


class _HttpsConnection(HTTPSConnection):
    response_class = _Response

    def _new_conn(self) -> socket.socket:
        return _connected(self, super()._new_conn)


def _connected(connection: HTTPConnection, connect: Any) -> socket.socket:
    """Connect; what is left then is the time for the TLS handshake and for sending."""
    sock: socket.socket = connect()
    sock.settimeout(_left(connection.timeout))
    return sock


class _HttpPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _HttpConnection


class _HttpsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _HttpsConnection


_POOLS = {"http": _HttpPool, "https": _HttpsPool}


class BoundedAdapter(HTTPAdapter):
    """Makes connections that obey `bounded`."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Make the connections' pool."""
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **options: Any) -> urllib3.ProxyManager:
        """Make the pool of connections by way of a proxy."""
        manager: urllib3.ProxyManager = super().proxy_manager_for(*args, **options)
        manager.pool_classes_by_scheme = _POOLS
        return manager
