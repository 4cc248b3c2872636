"""The session of one tenant and token: what it trusts, which proxy it takes, who it says it is."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3

from opsera_step import __version__
from opsera_step.api.bounded import BoundedAdapter
from opsera_step.errors import InvalidInput


class Session(requests.Session):
    """Sends the token to one host alone.

    It looks at no redirect: requests would read its body without end, and trip on its target.
    """

    def __init__(self, base_url: str, token: str, ca_bundle: str, agent: str) -> None:
        """Take what is configured, and proxy and CA bundle of the environment.

        Raises:
            InvalidInput: when a CA bundle can't be read.

        """
        super().__init__()
        self._base_url, self._ca_bundle = base_url, ca_bundle
        self.auth = _Bearer(token)
        self.headers["User-Agent"] = f"opsera-step/{__version__} {agent}".strip()
        self.headers["Accept"] = "application/json"
        is_tls = urlsplit(base_url).scheme == "https"
        self.mount(base_url, _TlsAdapter(ca_bundle) if is_tls else BoundedAdapter())
        # Once; requests would at every call.
        self.trust_env = False
        if is_tls:
            # Plain http is for this machine only: the token must not reach a proxy.
            self._settle_environment()

    @property
    def proxy(self) -> str:
        """Address of the proxy that is asked to get there; empty when there is none."""
        return requests.utils.select_proxy(self._base_url, self.proxies) or ""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Find no redirect in any answer."""

    def trust(self) -> ssl.SSLContext:
        """Make a context that trusts what this session trusts."""
        context, verify = ssl.create_default_context(), self.verify
        known = Path(verify if isinstance(verify, str) else requests.utils.DEFAULT_CA_BUNDLE_PATH)
        context.load_verify_locations(**{"capath" if known.is_dir() else "cafile": str(known)})
        if self._ca_bundle:
            context.load_verify_locations(cafile=self._ca_bundle)
        return context

    def _settle_environment(self) -> None:
        found = requests.Session().merge_environment_settings(self._base_url, {}, None, None, None)
        self.proxies, self.verify = found["proxies"], found["verify"]
        if isinstance(found["verify"], str) and not Path(found["verify"]).exists():
            where = f"there is no file {found['verify']!r} here"
            what = "name a PEM file that is, or take the variable away"
            raise InvalidInput([f"REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE: {where}; {what}."])


class _Bearer(requests.auth.AuthBase):
    """The token as a header. As `auth` it also keeps requests from taking one out of ~/.netrc."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class _TlsAdapter(BoundedAdapter):
    """HTTPS that trusts the system's CA certificates, those of requests, and the user's own."""

    def __init__(self, ca_bundle: str) -> None:
        self._context = ssl.create_default_context()
        if ca_bundle:
            try:
                self._context.load_verify_locations(cafile=ca_bundle)
            except (OSError, ssl.SSLError) as error:
                raise InvalidInput([_unusable(ca_bundle, error)]) from None
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options, ssl_context=self._context)

    def proxy_manager_for(self, *args: Any, **options: Any) -> urllib3.ProxyManager:
        manager: urllib3.ProxyManager = super().proxy_manager_for(
            *args, **options, ssl_context=self._context
        )
        return manager


def _unusable(ca_bundle: str, error: OSError) -> str:
    """Say why a CA bundle can't be used; errors of OpenSSL are OSErrors too."""
    if not isinstance(error, ssl.SSLError):
        return f"ca_bundle: {ca_bundle!r} can't be read: {error.strerror or error}."
    return (
        f"ca_bundle: {ca_bundle!r} is no PEM file of certificates: it takes those of the CA, each "
        "between BEGIN CERTIFICATE and END CERTIFICATE."
    )
