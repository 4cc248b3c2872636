"""A network with a private authority: a name that answers over TLS, reached through a proxy."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tests.platforms.running import run

HOST = "opsera.internal"
"""A host that no name server knows, so that only the proxy can reach it."""
_BLOCK = 65536


class Authority:
    """A private certificate authority, and a certificate of it for HOST and this machine."""

    def __init__(self, folder: Path, openssl: str = "openssl", address: str = "127.0.0.1") -> None:
        """Make the two, good for a day."""
        self.bundle, self.key = folder / "authority.pem", folder / "authority.key"
        self.certificate, self.own_key = folder / "server.pem", folder / "server.key"
        new = (openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2")
        ours = ("-subj", "/CN=A private authority", "-keyout", self.key, "-out", self.bundle)
        extra = "keyUsage=critical,keyCertSign,cRLSign"
        _make(new, *ours, "-addext", extra)
        names = f"subjectAltName=DNS:{HOST},DNS:localhost,IP:127.0.0.1,IP:{address}"
        signed = ("-subj", f"/CN={HOST}", "-keyout", self.own_key, "-out", self.certificate)
        _make(
            new, *signed, "-addext", names, "-addext", "basicConstraints=critical,CA:FALSE",
            "-CA", self.bundle, "-CAkey", self.key,
        )  # fmt: skip
        self.bundle.chmod(0o644)


class Relay:
    """Takes connections on a free port of this machine and hands each to a thread."""

    def __init__(self, answer: Callable[[socket.socket], None], address: str = "127.0.0.1") -> None:
        """Listen at once."""
        self._answer = answer
        self._listening = socket.create_server((address, 0))
        self.port: int = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more."""
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):  # Closed.
            while True:
                connection, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            self._answer(connection)


def tls(authority: Authority, port: int, address: str = "127.0.0.1") -> Relay:
    """Answer over TLS for a server of this machine that can't."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.certificate, authority.own_key)

    def answer(connection: socket.socket) -> None:
        with (
            context.wrap_socket(connection, server_side=True) as client,
            socket.create_connection(("127.0.0.1", port)) as server,
        ):
            join(client, server)

    return Relay(answer, address)


def proxy(port: int, seen: list[str]) -> Relay:
    """Tunnel every CONNECT to one port of this machine, and note what was asked for."""

    def answer(client: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            more = client.recv(_BLOCK)
            if not more:
                return
            head += more
        method, target, *_ = head.decode("latin-1").split()
        seen.append(f"{method} {target}")
        if method != "CONNECT":
            client.sendall(b"HTTP/1.1 405 Only CONNECT\r\nContent-Length: 0\r\n\r\n")
            return
        with socket.create_connection(("127.0.0.1", port)) as server:
            client.sendall(b"HTTP/1.1 200 Go on\r\n\r\n")
            join(client, server)

    return Relay(answer)


def join(one: socket.socket, other: socket.socket) -> None:
    """Pass bytes in both directions until both sides have ended."""
    back = threading.Thread(target=_pass_on, args=(other, one), daemon=True)
    back.start()
    _pass_on(one, other)
    back.join()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while block := source.recv(_BLOCK):
            target.sendall(block)
    with suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)


def _make(command: tuple[str, ...], *more: object) -> None:
    done = run([*command, *more], 60)
    assert done.ok, done
