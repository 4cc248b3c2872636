"""A company network: TLS with a private CA, and a host that only a proxy can reach."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tests.platforms.running import run

HOST = "opsera.internal"
"""A host name that doesn't resolve."""
_BLOCK = 65536


class Authority:
    """A private CA, with a certificate for HOST and this machine.

    Made by openssl, because the workflows that use it have no development requirements.
    """

    def __init__(
        self, directory: Path, openssl: str = "openssl", address: str = "127.0.0.1"
    ) -> None:
        self.bundle, self.key = directory / "authority.pem", directory / "authority.key"
        self.certificate, self.own_key = directory / "server.pem", directory / "server.key"
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
    """Accepts connections on a free port and handles each in a thread."""

    def __init__(self, answer: Callable[[socket.socket], None], address: str = "127.0.0.1") -> None:
        self._answer = answer
        self._listening = socket.create_server((address, 0))
        self.port: int = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Stop accepting."""
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
    """Serve a local plain server over TLS."""
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
    """Tunnel every CONNECT to one local port, and record the requests in `seen`."""

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
    """Copy bytes in both directions until both sides are closed."""
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
