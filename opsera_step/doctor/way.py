"""The checks of the way to the API: its address, its name, the proxy, the connection."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import datetime, timezone
from typing import Any
from urllib.parse import urlsplit

from opsera_step.api import OpseraClient, format_span
from opsera_step.clock import Clock, Deadline
from opsera_step.doctor import network
from opsera_step.doctor.check import Check, Level, fault, good, skipped, warning
from opsera_step.doctor.unconnected import unconnected
from opsera_step.errors import ExitCode

STEP_SECONDS = 5.0
"""Most seconds for each step."""
_CERTIFICATE_SOON = 14 * 86400.0
_NAMES = ("dns", "proxy", "connection")


class Way:
    """The way of one client to its API."""

    def __init__(
        self,
        client: OpseraClient,
        base_url: str,
        ca_bundle: str,
        environ: Mapping[str, str],
        clock: Clock,
        until: Deadline,
        guard: Callable[[], AbstractContextManager[Any]],
    ) -> None:
        """Take what leads there.

        Raises:
            ValueError: when the proxy's address can't be read.

        """
        self._client, self._ca_bundle, self._environ = client, ca_bundle, environ
        self._clock, self._until, self._guard = clock, until, guard
        self._route = network.Route.to(base_url, client.proxy)
        self._is_https = urlsplit(base_url).scheme == "https"

    def checks(self) -> Iterator[Check]:
        """Yield the checks; after the first that fails the others are skipped."""
        failed = ""
        for name, check in zip(_NAMES, (self._dns, self._proxy, self._connection), strict=True):
            done = skipped(name, f"The check {failed} failed.") if failed else check()
            yield done
            failed = failed or (name if done.level is Level.FAULT else "")

    def _dns(self) -> Check:
        host = self._route.first_host
        of_proxy = " (the proxy; it finds the API's host itself)" if self._route.proxy_host else ""
        if network.is_address(host):
            return skipped("dns", f"{host} is an address already{of_proxy}.")
        try:
            with self._guard():
                found = network.resolve(host, self._seconds())
        except OSError as error:
            says = f"{host} can't be resolved{of_proxy}: {network.reason_of(error)}."
            remedy = (
                "Look for a slip in base_url, or in the proxy's variable; else ask who runs this "
                "machine's network whether it resolves hosts of the Internet."
            )
            return fault("dns", says, remedy, code=ExitCode.API)
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        return good("dns", f"{host} is {found[0]}{more}{of_proxy}.")

    def _proxy(self) -> Check:
        route = self._route
        if not route.proxy_host:
            unused = network.any_variable(self._environ)
            if unused:
                why = "plain http never takes it" if not self._is_https else "NO_PROXY says so"
                return good("proxy", f"{unused} is set, but not used for this host: {why}.")
            return good("proxy", "None is set.")
        known = ", with a user name and a password" if route.proxy_header else ""
        via = f"{route.proxy_host}:{route.proxy_port}"
        return good("proxy", f"{via} (from {self._variable() or 'the environment'}{known})")

    def _variable(self) -> str:
        return self._client.proxy.source if self._client.proxy is not None else ""

    def _connection(self) -> Check:
        route, name = self._route, "connection"
        if not route.plain_proxy:
            return skipped(name, "Such a proxy can't be looked through here.")
        try:
            with self._guard():
                if self._is_https:
                    return self._judged(self._certificate())
                network.connect(route, self._seconds).close()
        except ssl.SSLCertVerificationError as error:
            return self._untrusted(error)
        except ssl.SSLError as error:
            reason = (error.reason or "no reason given").replace("_", " ").lower()
            says = f"{route.host}:{route.port} does not speak TLS as it should: {reason}."
            remedy = "Usually a wrong port in base_url, or something on the way that breaks TLS."
            return fault(name, says, remedy, code=ExitCode.API)
        except OSError as error:
            says, remedy = unconnected(error, route, self._variable())
            return fault(name, says, remedy, code=ExitCode.API)
        return good(name, f"{route.host}:{route.port} answers; plain http, to this machine only.")

    def _certificate(self) -> network.Certificate:
        return network.certificate(
            self._route, self._client.trust.context or ssl.create_default_context(), self._seconds
        )

    def _judged(self, found: network.Certificate) -> Check:
        left = found.ends - self._clock.time()
        bundle = "; ca_bundle is trusted too" * bool(self._ca_bundle)
        says = (
            f"{found.protocol}; the certificate of {found.subject}, from {found.issuer}, is good "
            f"until {_day(found.ends)}{bundle}."
        )
        if left < _CERTIFICATE_SOON:
            remedy = f"It ends in {format_span(left)}: it has to be renewed at the server."
            return warning("connection", says, remedy)
        return good("connection", says)

    def _untrusted(self, error: ssl.SSLCertVerificationError) -> Check:
        with self._guard():
            found = network.untrusted_certificate(self._route, self._seconds)
        why = error.verify_message.rstrip(".") or "no reason given"
        says = f"The TLS certificate of {self._route.host} is not trusted here: {why}."
        if found is not None:
            says += f" It is that of {found.subject}, from {found.issuer}, "
            ended = found.ends < self._clock.time()
            says += f"{'and ended on' if ended else 'good until'} {_day(found.ends)}."
        if "expired" in why:
            remedy = "It has to be renewed at the server, unless this machine's clock is wrong."
        elif "match" in why or "not valid for" in why:
            remedy = "It is another host's: check base_url, and what else may answer in its place."
        else:
            more = "; that in use now does not have it" if self._ca_bundle else ""
            remedy = (
                "Usually a private CA, or a proxy that re-signs TLS: give the certificate of that "
                f"CA in ca_bundle{more}."
            )
        return fault("connection", says, remedy, code=ExitCode.API)

    def _seconds(self) -> float:
        return max(0.1, min(STEP_SECONDS, self._until.remaining))


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d")
