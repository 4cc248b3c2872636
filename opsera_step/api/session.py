"""The HTTP session of one tenant and token: TLS trust, proxy, headers, one adapter for all URLs."""

from __future__ import annotations

import os
import ssl
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import urllib3

from opsera_step import __version__
from opsera_step.api.http import requests
from opsera_step.api.proxy import Proxy, find_proxy
from opsera_step.errors import InvalidInput

_BUNDLE_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_OPENSSL_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


class Session(requests.Session):
    """Sends requests, and the token, to one host only.

    Redirects are not even looked at: requests would read their bodies without a limit.
    """

    def __init__(
        self,
        base_url: str,
        token: str,
        ca_bundle: str = "",
        agent: str = "",
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        """Read proxy and CA certificates of the environment, once.

        Raises:
            InvalidInput: if a CA bundle or the proxy's address can't be used.
        """
        super().__init__()
        parts = urlsplit(base_url)
        self.auth = self.bearer = Bearer(token)
        self.headers["User-Agent"] = f"opsera-step/{__version__} {agent}".strip()
        self.headers["Accept"] = "application/json"
        self.headers["Accept-Encoding"] = "gzip"
        self.trust_env = False
        self.proxy: Proxy | None = None
        self.trust = Trust()
        if parts.scheme == "https":
            # Plain http is for this machine only: its token must not reach a proxy.
            self.proxy = find_proxy(parts.hostname or "", parts.port or 443, environ)
            self.trust = make_trust(ca_bundle, environ)
            self.proxies = {"https": self.proxy.url} if self.proxy is not None else {}
        self.adapters.clear()
        # The empty prefix fits each URL, however it is written.
        self.mount("", _Adapter(self.trust.context, self.proxy))

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Ignore redirects."""


class Bearer(requests.auth.AuthBase):
    """The token as a header. As `auth` it also keeps requests from reading ~/.netrc."""

    def __init__(self, token: str) -> None:
        self.token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the header."""
        request.headers["Authorization"] = f"Bearer {self.token}"
        return request


class _Adapter(requests.adapters.HTTPAdapter):
    """The connections: with our TLS context, and the proxy's password as a header."""

    def __init__(self, context: ssl.SSLContext | None, proxy: Proxy | None) -> None:
        self._context, self._proxy = context, proxy
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options, ssl_context=self._context)

    def proxy_manager_for(self, *args: Any, **options: Any) -> urllib3.ProxyManager:
        manager: urllib3.ProxyManager = super().proxy_manager_for(
            *args, **options, ssl_context=self._context, proxy_ssl_context=self._context
        )
        return manager

    def proxy_headers(self, proxy: str) -> dict[str, str]:
        login = self._proxy.authorization if self._proxy is not None else ""
        return {"Proxy-Authorization": login} if login else {}

    def cert_verify(self, *_: Any) -> None:
        """Leave it to the context, which has all certificates already."""


class Trust(NamedTuple):
    """Whose certificates are accepted."""

    context: ssl.SSLContext | None = None
    sources: tuple[str, ...] = ()
    """What the user has named: ca_bundle and variables, each with its path."""
    missing: tuple[str, ...] = ()
    """Variables that name a file or directory that isn't there; OpenSSL ignores these."""


def make_trust(ca_bundle: str, environ: Mapping[str, str]) -> Trust:
    """Trust the CA certificates of the system or of requests, and those that the user names.

    From Python 3.13 on a new context demands extensions that many private CAs lack, though curl,
    git, and Node accept them (VERIFY_X509_STRICT). Where the user names a CA, that is not asked.

    Raises:
        InvalidInput: if ca_bundle, REQUESTS_CA_BUNDLE, or CURL_CA_BUNDLE can't be read.
    """
    named = [("ca_bundle", ca_bundle)] if ca_bundle else []
    # As in requests, the first of these replaces the certificates that requests contains.
    bundle = next(((name, environ[name]) for name in _BUNDLE_VARIABLES if environ.get(name)), None)
    named += [bundle] if bundle is not None else []
    of_openssl = [(name, environ[name]) for name in _OPENSSL_VARIABLES if environ.get(name)]
    for name, path in of_openssl:
        if _exists(path) and not (Path(path).is_file() or Path(path).is_dir()):
            # OpenSSL would wait for the other end of a pipe forever.
            raise InvalidInput([f"{name}: {path!r} is not a file. Use a PEM file."])
    context = ssl.create_default_context()
    if bundle is None:
        context.load_verify_locations(cafile=requests.utils.DEFAULT_CA_BUNDLE_PATH)
    for name, path in named:
        _load(context, name, path)
    missing = tuple(f"{name} ({path})" for name, path in of_openssl if not _exists(path))
    sources = [f"{name} ({path})" for name, path in (*named, *of_openssl) if _exists(path)]
    if sources:
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return Trust(context, tuple(sources), missing)


def _exists(path: str) -> bool:
    try:
        return Path(path).exists()
    except (OSError, ValueError):
        return False


def _load(context: ssl.SSLContext, name: str, path: str) -> None:
    problem = ""
    try:
        mode = Path(path).stat().st_mode
        if stat.S_ISDIR(mode) and name != "ca_bundle":
            context.load_verify_locations(capath=path)
        elif stat.S_ISREG(mode):
            context.load_verify_locations(cafile=path)
        else:
            # A named pipe without a writer would block forever.
            problem = f"{path!r} is not a file. Use a PEM file."
    except ssl.SSLError:
        problem = (
            f"{path!r} contains no CA certificates. Use a PEM file: each certificate is between "
            "the lines BEGIN CERTIFICATE and END CERTIFICATE."
        )
    except (OSError, ValueError) as error:
        problem = f"can't read {path!r}: {getattr(error, 'strerror', None) or 'invalid path'}."
    if "-----BEGIN" in path:
        problem = (
            "the value is a certificate, not the path of a file. Save it to a file, and set the "
            "path of that."
        )
    if problem:
        raise InvalidInput([f"{name}: {problem}"])
