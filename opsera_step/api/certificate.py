"""The TLS certificate of the API's server, also of one that is not trusted. For diagnostics."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Mapping
from contextlib import closing, suppress
from typing import Any, NamedTuple

from opsera_step.api.proxy import Proxy

_NO_CHECK_TIME = 0x200000
"""OpenSSL's X509_V_FLAG_NO_CHECK_TIME, for which `ssl` has no name."""


class Certificate(NamedTuple):
    """What a server's certificate contains."""

    subject: str
    issuer: str
    expires: float
    """Seconds since 1970."""
    protocol: str
    """The version of TLS that was agreed on."""


def read_certificate(sock: object) -> Certificate | None:
    """Read the certificate of a verified connection; None if it has none."""
    if not isinstance(sock, ssl.SSLSocket):
        return None
    found: Mapping[str, Any] = sock.getpeercert() or {}
    expires = str(found.get("notAfter", ""))
    return Certificate(
        subject=_name(found.get("subject")),
        issuer=_name(found.get("issuer")),
        expires=ssl.cert_time_to_seconds(expires) if expires else 0.0,
        protocol=sock.version() or "",
    )


def fetch_untrusted(
    host: str, port: int, proxy: Proxy | None, timeout: float
) -> Certificate | None:
    """Read a certificate that is not trusted, to show who issued it; None if that fails.

    Python parses only certificates that it has verified. So this one is fetched without that, and
    then trusted for one more connection. Nothing is sent over either of them.
    """
    blind = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    blind.check_hostname, blind.verify_mode = False, ssl.CERT_NONE
    with suppress(OSError, ValueError, http.client.HTTPException):
        with closing(_connect(host, port, proxy, blind, timeout)) as connection:
            raw = connection.sock.getpeercert(binary_form=True)
        trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trusting.check_hostname = False
        trusting.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VerifyFlags(_NO_CHECK_TIME)
        trusting.load_verify_locations(cadata=raw)
        with closing(_connect(host, port, proxy, trusting, timeout)) as connection:
            return read_certificate(connection.sock)
    return None


def _connect(
    host: str, port: int, proxy: Proxy | None, context: ssl.SSLContext, timeout: float
) -> http.client.HTTPSConnection:
    if proxy is None:
        connection = http.client.HTTPSConnection(host, port, timeout=timeout, context=context)
    else:
        connection = http.client.HTTPSConnection(
            proxy.host, proxy.port, timeout=timeout, context=context
        )
        login = {"Proxy-Authorization": proxy.authorization} if proxy.authorization else {}
        connection.set_tunnel(host, port, login)
    connection.connect()
    return connection


def _name(parts: Any) -> str:
    """Name the subject or issuer: by its common name, and its organization if it has one."""
    pairs = dict(pair for part in parts or () for pair in part)
    names = (pairs.get("commonName", ""), pairs.get("organizationName", ""))
    return ", ".join(dict.fromkeys(filter(None, names))) or "(no name)"
