"""The HTTP proxy that the environment names for a host, and the hosts that NO_PROXY excepts.

A proxy's password is kept apart from its address, so that no message can contain it.
"""

from __future__ import annotations

import base64
import re
import urllib.request
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote

from opsera_step.errors import InvalidInput

_VARIABLES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
_LABEL = r"[^\x00-\x20\x7f:\[\]@.]{1,63}"
_HOST_AND_PORT = re.compile(
    rf"(\[[0-9A-Fa-f:.%\w]+\]|{_LABEL}(?:\.{_LABEL})*\.?)(?::([0-9]{{1,5}}))?"
)
_DEFAULT_PORTS = {"http": 80, "https": 443}


class Proxy(NamedTuple):
    """A proxy, and the variable that names it."""

    scheme: str
    host: str
    port: int
    source: str
    authorization: str = ""
    """The value of the header Proxy-Authorization; empty if the proxy needs no password."""

    @property
    def url(self) -> str:
        """The address without user and password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def address(self) -> str:
        """Host and port, for messages."""
        return self.url.partition("//")[2]

    def __repr__(self) -> str:
        """Show it without its password."""
        return f"Proxy({self.url} from {self.source})"


def find_proxy(host: str, port: int, environ: Mapping[str, str]) -> Proxy | None:
    """Return the proxy for HTTPS requests to a host; None if they are direct.

    Raises:
        InvalidInput: if the variable for it holds no address of an HTTP proxy.
    """
    source = next((name for name in _VARIABLES if environ.get(name, "").strip()), "")
    exceptions = environ.get("no_proxy", "") or environ.get("NO_PROXY", "")
    if not source:
        return _system_proxy(host)
    if is_excepted(host, port, exceptions):
        return None
    return parse_proxy(environ[source].strip(), source)


def parse_proxy(value: str, source: str) -> Proxy:
    """Parse the address of a proxy: `[http://][user:password@]host[:port]`.

    User and password end at the last `@`, so that each character may be in a password; those that
    are percent-encoded are decoded.

    Raises:
        InvalidInput: if it can't be parsed; the message does not contain the value.
    """
    scheme, has_scheme, rest = value.partition("://")
    if not has_scheme or not scheme.isalnum():
        scheme, rest = "http", value
    scheme = scheme.lower()
    if scheme.startswith("socks"):
        raise InvalidInput([f"Unsupported proxy in {source}: SOCKS. Use an HTTP proxy."])
    login, _, address = rest.rpartition("@")
    found = _HOST_AND_PORT.fullmatch(re.split(r"[/?#]", address, maxsplit=1)[0])
    port = int(found[2] or _DEFAULT_PORTS.get(scheme, 0)) if found else 0
    if found is None or scheme not in _DEFAULT_PORTS or not 0 < port < 65536:
        # The value is not shown: it may contain a password.
        raise InvalidInput(
            [f"Invalid proxy address in {source}. Use [http://][USER:PASSWORD@]HOST[:PORT]."]
        )
    authorization = ""
    if login:
        user, _, password = login.partition(":")
        plain = f"{unquote(user)}:{unquote(password)}".encode()
        authorization = f"Basic {base64.b64encode(plain).decode('ascii')}"
    return Proxy(scheme, found[1].strip("[]"), port, source, authorization)


def is_excepted(host: str, port: int, exceptions: str) -> bool:
    """Whether a value of NO_PROXY covers a host.

    It takes `*`, domains with or without a leading dot or `*.` (each with its subdomains), IP
    addresses with or without brackets, networks such as 10.0.0.0/8 or fd00::/8, and any of these
    with a port.
    """
    host = host.strip("[]").rstrip(".").lower()
    return any(
        _covers(entry.lower(), host, port) for entry in re.split(r"[\s,]+", exceptions) if entry
    )


def _covers(entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    with_port = re.fullmatch(r"(\[[^\]]*\]|[^:]+):([0-9]+)", entry)
    if with_port is not None:
        entry = with_port[1]
        if with_port[2].lstrip("0") != str(port):
            return False
    entry = entry.strip("[]").rstrip(".")
    if ":" in host or re.fullmatch(r"[0-9.]+", host):
        return entry == host or _is_in_network(host, entry)
    domain = entry.removeprefix("*").removeprefix(".")
    return bool(domain) and (host == domain or host.endswith(f".{domain}"))


def _is_in_network(host: str, network: str) -> bool:
    # Most jobs need no proxy, so they don't wait for this to load.
    import ipaddress  # noqa: PLC0415

    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def _system_proxy(host: str) -> Proxy | None:
    """Return the proxy of the settings of Windows or macOS; elsewhere there are none."""
    value = urllib.request.getproxies().get("https", "").strip()
    is_direct = not value or urllib.request.proxy_bypass(host)
    return None if is_direct else parse_proxy(value, "the system's proxy settings")
