"""Who may not use the control plane: web pages that reach this machine through its browser.

The control plane needs no token, so that a page of another site could ask the browser to change
the world, or have its own name lead to this machine and read the answers.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from werkzeug.wrappers import Request as HttpRequest

_OF_NO_SITE = ("localhost", "local", "internal", "test", "lan")


def stranger(http: HttpRequest) -> str:
    """Say why a request is refused; empty if it is welcome."""
    host, origin = http.headers.get("Host", ""), http.headers.get("Origin", "")
    if origin and origin.partition("://")[2] != host:
        return "The control plane takes no requests from web pages of another site."
    if _is_near(http.remote_addr or "") and not _is_no_site(_name(host)):
        return f"The control plane is not reached as {host!r} from this machine; use localhost."
    return ""


def _name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return "?.?"


def _is_near(address: str) -> bool:
    return _is_address(address) and ipaddress.ip_address(address).is_loopback


def _is_no_site(name: str) -> bool:
    """Whether a name can't be one that the owner of a web site leads wherever they like."""
    first, dot, _ = name.rstrip(".").rpartition(".")
    last = name.rstrip(".").rpartition(".")[2]
    return not dot or not first or last in _OF_NO_SITE or _is_address(name)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
