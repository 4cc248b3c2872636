"""The way to the API, looked at piece by piece: name, proxy, connection, certificate.

No request is sent here, and so no token. Every step has a time limit.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from opsera_step.api import Proxy

_NO_CHECK_TIME = 0x200000
"""OpenSSL's X509_V_FLAG_NO_CHECK_TIME, for which `ssl` has no name."""
_MOST_ADDRESSES = 4
_VARIABLES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")

Patience = Callable[[], float]
"""Tells how many seconds the next step may take."""


@dataclass(frozen=True)
class Route:
    """Where the API is, and the proxy on the way there."""

    host: str
    port: int
    proxy_host: str = ""
    proxy_port: int = 0
    proxy_header: str = ""
    """`Proxy-Authorization`, where the proxy's address has credentials."""
    plain_proxy: bool = True
    """Whether it is a proxy that can be looked at here: one of plain HTTP."""

    @property
    def first_host(self) -> str:
        """The host that has to be found from here."""
        return self.proxy_host or self.host

    @classmethod
    def to(cls, base_url: str, proxy: Proxy | None) -> Route:
        """Read the route out of both addresses."""
        url = urlsplit(base_url)
        host, port = url.hostname or "", url.port or (443 if url.scheme == "https" else 80)
        if proxy is None:
            return cls(host, port)
        plain = proxy.scheme == "http"
        return cls(host, port, proxy.host, proxy.port, proxy.authorization, plain)


@dataclass(frozen=True)
class Certificate:
    """What a server's certificate says."""

    subject: str
    issuer: str
    ends: float
    """Seconds since 1970."""
    protocol: str


class ProxyDown(OSError):
    """No connection to the proxy itself."""


class ProxyRefused(OSError):
    """The proxy answered, but opened no tunnel; `status` is 0 where it is none of HTTP."""

    def __init__(self, status: int, words: str) -> None:
        """Take its answer."""
        super().__init__(words)
        self.status = status


def any_variable(environ: Mapping[str, str]) -> str:
    """Name a variable that sets a proxy, used or not."""
    return next((name for name in _VARIABLES if environ.get(name)), "")


def is_address(host: str) -> bool:
    """Whether a host is given by its number."""
    for family in (socket.AF_INET, socket.AF_INET6):
        with suppress(OSError, ValueError):
            socket.inet_pton(family, host)
            return True
    return False


def resolve(host: str, seconds: float) -> list[str]:
    """Find the addresses of a host; in a thread, for the system's lookup knows no time limit.

    Raises:
        OSError: when there are none; TimeoutError when the lookup takes too long.

    """
    found: list[list[str] | OSError] = []

    def look() -> None:
        try:
            answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            found.append(list(dict.fromkeys(str(one[4][0]) for one in answers)))
        except OSError as error:
            found.append(error)
        except UnicodeError:
            found.append(OSError("it is no host name"))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    thread.join(seconds)
    if not found:
        raise TimeoutError(f"no answer within {seconds:.0f} s")
    if isinstance(found[0], OSError):
        raise found[0]
    return found[0]


def connect(route: Route, patience: Patience) -> socket.socket:
    """Open a connection to the API's host, through the proxy if there is one.

    Raises:
        OSError: when that fails.

    """
    if not route.proxy_host:
        return _open(route.host, route.port, patience)
    try:
        opened = _open(route.proxy_host, route.proxy_port, patience)
    except OSError as error:
        raise ProxyDown(reason_of(error)) from None
    try:
        _ask_for_tunnel(opened, route)
    except http.client.HTTPException:
        opened.close()
        raise ProxyRefused(0, "it does not answer as one") from None
    except BaseException:
        opened.close()
        raise
    return opened


def _open(host: str, port: int, patience: Patience) -> socket.socket:
    """Connect to one of a host's addresses; they share the time, of which each gets its own."""
    addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[:_MOST_ADDRESSES]
    share = patience() / len(addresses)
    for last, (_, _, _, _, address) in enumerate(addresses, 1 - len(addresses)):
        try:
            return socket.create_connection((str(address[0]), port), share)
        except OSError:
            if last == 0:
                raise
    raise OSError("it has no address")


def reason_of(error: OSError) -> str:
    """Say why, in the system's words."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return (error.strerror or str(error) or type(error).__name__).rstrip(".")


def _ask_for_tunnel(opened: socket.socket, route: Route) -> None:
    """Ask a proxy for a tunnel to the API's host (RFC 9110, section 9.3.6)."""
    host = f"[{route.host}]" if ":" in route.host else route.host
    lines = [f"CONNECT {host}:{route.port} HTTP/1.1", f"Host: {host}:{route.port}"]
    if route.proxy_header:
        lines.append(f"Proxy-Authorization: {route.proxy_header}")
    opened.sendall("\r\n".join([*lines, "", ""]).encode("ascii", "replace"))
    with http.client.HTTPResponse(opened, method="CONNECT") as answer:
        answer.begin()
        if answer.status != http.HTTPStatus.OK:
            raise ProxyRefused(answer.status, f"{answer.status} {answer.reason}".rstrip())


def certificate(route: Route, context: ssl.SSLContext, patience: Patience) -> Certificate:
    """Make a TLS connection that is verified, and read the server's certificate.

    Raises:
        OSError: when that fails; ssl.SSLCertVerificationError when it is not trusted.

    """
    opened = connect(route, patience)
    with closing(opened), context.wrap_socket(opened, server_hostname=route.host) as secured:
        return _read(secured)


def untrusted_certificate(route: Route, patience: Patience) -> Certificate | None:
    """Read a certificate that is not trusted, to say whose it is; None if that can't be done.

    Python tells nothing of a certificate that it has not verified. So it is taken as it is first,
    and then trusted for one more connection, over which nothing is sent.
    """
    blind = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    blind.check_hostname, blind.verify_mode = False, ssl.CERT_NONE
    with suppress(OSError, ValueError):
        opened = connect(route, patience)
        with closing(opened), blind.wrap_socket(opened, server_hostname=route.host) as secured:
            raw = secured.getpeercert(binary_form=True)
        seeing = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        seeing.check_hostname = False
        seeing.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VerifyFlags(_NO_CHECK_TIME)
        seeing.load_verify_locations(cadata=raw or b"")
        return certificate(route, seeing, patience)
    return None


def _read(secured: ssl.SSLSocket) -> Certificate:
    told: Mapping[str, Any] = secured.getpeercert() or {}
    return Certificate(
        subject=_name(told.get("subject")),
        issuer=_name(told.get("issuer")),
        ends=ssl.cert_time_to_seconds(str(told.get("notAfter"))),
        protocol=secured.version() or "",
    )


def _name(parts: Any) -> str:
    """Name a certificate's holder: by its common name, and its organization if it has one."""
    pairs = dict(pair for part in parts or () for pair in part)
    common, organization = pairs.get("commonName", ""), pairs.get("organizationName", "")
    if common and organization:
        return f"{common}, {organization}"
    return str(common or organization or "a nameless one")
