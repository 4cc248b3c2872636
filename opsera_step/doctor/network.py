"""Whether the API can be reached: URL, DNS, proxy, connection, clock, and the response itself.

The connection is that of the client which a job uses, so that what is found here holds there.
"""

from __future__ import annotations

import re
import socket
import threading
from contextlib import suppress
from datetime import datetime, timezone
from urllib.parse import urlsplit

from opsera_step.api import HINT_NOT_OPSERA, format_span
from opsera_step.clock import format_duration
from opsera_step.doctor.check import Check, fail, fail_with, ok, skip, warn, warn_with
from opsera_step.doctor.examination import MAX_SKEW, Examination, NotTested
from opsera_step.errors import (
    AuthError,
    ExitCode,
    Forbidden,
    InvalidInput,
    NotFound,
    Unreachable,
)

_CERTIFICATE_SOON = 14 * 86400.0
"""Seconds before its expiry at which a certificate is worth a warning."""
_PROXY_VARIABLES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")


def check_base_url(exam: Examination) -> Check:
    """Check the URL of the API, and the files and variables that belong to the connection."""
    if "base_url" in exam.invalid:
        return skip("base_url", "Skipped (no valid base_url).", blocks=True)
    try:
        exam.connect()
    except InvalidInput as error:
        return fail("base_url", error.message, "", code=ExitCode.INVALID_INPUT)
    source = exam.source_of("base_url") or "default"
    return ok("base_url", f"{exam.inputs.base_url} ({source})")


def check_dns(exam: Examination) -> Check:
    """Resolve the host that this machine connects to: that of the API, or the proxy."""
    proxy = exam.client.proxy
    host = proxy.host if proxy is not None else urlsplit(exam.inputs.base_url).hostname or ""
    what = f"{host} (the proxy)" if proxy is not None else host
    if is_ip_address(host):
        return skip("dns", f"Skipped (IP address {host}).")
    try:
        with exam.guard():
            found = resolve(host, exam.seconds())
    except OSError as error:
        reason = error.strerror or str(error)
        source = proxy.source if proxy is not None else "base_url"
        return fail(
            "dns",
            f"Can't resolve {what}: {reason[:1].lower()}{reason[1:].rstrip('.')}.",
            f"Check the host name in {source}, and the DNS settings of this machine.",
            code=ExitCode.API,
        )
    more = f" and {len(found) - 1} more" if len(found) > 1 else ""
    return ok("dns", f"{what} resolves to {found[0]}{more}.")


def check_proxy(exam: Examination) -> Check:
    """Show which proxy is used, and why."""
    proxy = exam.client.proxy
    if proxy is not None:
        login = ", with a login" if proxy.authorization else ""
        return ok("proxy", f"{proxy.address} (from {proxy.source}{login})")
    variable = next((one for one in _PROXY_VARIABLES if exam.environ.get(one, "").strip()), "")
    if not variable:
        return ok("proxy", "No proxy configured.")
    is_plain = not exam.inputs.base_url.startswith("https:")
    reason = "plain HTTP never uses a proxy" if is_plain else "NO_PROXY excludes this host"
    return ok("proxy", f"{variable} is set but not used: {reason}.")


def check_connection(exam: Examination) -> Check:
    """Connect as a job does, and look at the server's certificate."""
    error = exam.probe()
    host = urlsplit(exam.inputs.base_url).netloc
    if isinstance(error, NotTested):
        return skip("connection", error.message, blocks=True)
    if isinstance(error, Unreachable):
        details = _untrusted(exam) if error.is_certificate else []
        if error.hint == Unreachable.hint:
            error.hint = (
                f"Check base_url, and that no firewall blocks connections to {host}. If a proxy "
                f"is required, set HTTPS_PROXY."
            )
        # What it would show is shown here.
        error.hint = re.sub(r" ?The doctor command shows [^.]*\.", "", error.hint)
        return fail_with("connection", error, *details)
    certificate = exam.client.certificate
    if certificate is None:
        return ok("connection", f"Connected to {host} (plain HTTP).")
    message = (
        f"Connected to {host} ({certificate.protocol}). The certificate of {certificate.subject}, "
        f"issued by {certificate.issuer}, is valid until {_day(certificate.expires)}."
    )
    left = certificate.expires - exam.clock.time()
    if left < _CERTIFICATE_SOON:
        hint = f"Renew the certificate on the server: it expires in {format_span(left)}."
        return warn("connection", message, hint)
    return ok("connection", message)


def _untrusted(exam: Examination) -> list[str]:
    """Describe a certificate that is not trusted, if it can be read."""
    with exam.guard():
        found = exam.client.fetch_certificate(exam.seconds())
    if found is None:
        return []
    issuer = f"was issued by {found.issuer}"
    return [
        f"The certificate is for {found.subject}, {issuer}, and expires on {_day(found.expires)}."
    ]


def check_clock(exam: Examination) -> Check:
    """Compare this machine's clock with the Date of the response."""
    skew = exam.client.clock_skew
    if skew is None:
        return skip("clock", "Skipped (the response has no date).")
    if abs(skew) <= MAX_SKEW:
        return ok("clock", "In sync (within 1 min).")
    side = "ahead of" if skew > 0 else "behind"
    return warn(
        "clock",
        f"This machine's clock is {format_duration(abs(skew))} {side} the server's.",
        "Correct the clock. Otherwise times in logs and reports are wrong, and tokens and "
        "certificates may be rejected.",
    )


def check_api(exam: Examination) -> Check:
    """Judge the response to a request that lists pipelines."""
    error, took = exam.probe(), f"{exam.probe_seconds * 1000:.0f} ms"
    if error is None:
        return ok("api", f"Reachable ({took}).")
    if isinstance(error, Forbidden) and error.by_page:
        return warn("api", f"{error.message} It is an HTML page.", HINT_NOT_OPSERA)
    if isinstance(error, AuthError):
        return ok("api", f"Reachable ({took}).")
    if isinstance(error, NotFound):
        return warn_with("api", error)
    return fail_with("api", error)


def is_ip_address(host: str) -> bool:
    """Whether a host is given as an IP address."""
    for family in (socket.AF_INET, socket.AF_INET6):
        with suppress(OSError, ValueError):
            socket.inet_pton(family, host)
            return True
    return False


def resolve(host: str, seconds: float) -> list[str]:
    """Resolve a host in a thread, because the system's lookup has no time limit.

    Raises:
        OSError: if it has no address; TimeoutError if the lookup takes too long.
    """
    result: list[list[str] | OSError] = []

    def look_up() -> None:
        try:
            found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            result.append(list(dict.fromkeys(str(one[4][0]) for one in found)))
        except OSError as error:
            result.append(error)
        except UnicodeError:
            result.append(OSError("invalid host name"))

    thread = threading.Thread(target=look_up, daemon=True)
    thread.start()
    thread.join(seconds)
    if not result:
        raise TimeoutError(f"no response within {seconds:.0f} s")
    if isinstance(result[0], OSError):
        raise result[0]
    return result[0]


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d")
