"""What requests, urllib3 and the system raise, as an error of ours that says what is known."""

from __future__ import annotations

import re
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import requests
import urllib3

from opsera_step.api.endpoints import Endpoint
from opsera_step.api.wording import name_of
from opsera_step.errors import Unreachable

_UNUSABLE = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
    urllib3.exceptions.LocationValueError,
    urllib3.exceptions.ProxySchemeUnknown,
    urllib3.exceptions.ProxySchemeUnsupported,
)
_Ground = tuple[type[BaseException] | tuple[type[BaseException], ...], str, bool, bool]
_GROUNDS: tuple[_Ground, ...] = (
    (ssl.SSLCertVerificationError, "its TLS certificate is not trusted here", True, True),
    (urllib3.exceptions.NameResolutionError, "its host name can't be resolved", True, True),
    (urllib3.exceptions.ProxyError, "the proxy does not let us through", True, True),
    # Before the time-out, of which urllib3 takes it for a kind.
    (urllib3.exceptions.NewConnectionError, "no connection could be made", True, False),
    (urllib3.exceptions.ConnectTimeoutError, "no connection came about in time", True, False),
    (_UNUSABLE, "its address, or that of the proxy, can't be used", True, True),
    (ssl.SSLError, "TLS failed", False, True),
    (urllib3.exceptions.ReadTimeoutError, "no answer came in time", False, False),
    (BaseException, "the connection broke off", False, False),
)
"""Of what an error consists, what to say of it, whether the request can't have been sent, and
whether a wrong setting is likely; the first that fits."""
_OF_THE_SYSTEM = (
    urllib3.exceptions.ProxyError,
    urllib3.exceptions.NewConnectionError,
    BaseException,
)
_HINT_OF_CERTIFICATE = (
    "Usually a private CA, or a proxy that re-signs TLS: give its certificate in ca_bundle. One "
    "that is out of date, or another host's, has to be mended at the server. A job with command: "
    "doctor says whose certificate it is."
)


@contextmanager
def foreign_errors_mapped(call: Endpoint, base_url: str) -> Iterator[None]:
    """Turn what requests and urllib3 raise into an error of ours that says what is known."""
    earlier = sys.exc_info()[1]
    try:
        yield
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        raise _unreachable(f"{name_of(call)} at {base_url}", error, earlier) from None


def _unreachable(what: str, error: BaseException, earlier: BaseException | None) -> Unreachable:
    chain = list(_causes(error, earlier))
    kind, sentence, never_sent, suspect = next(
        ground for ground in _GROUNDS if any(isinstance(one, ground[0]) for one in chain)
    )
    if kind is ssl.SSLCertVerificationError:
        reasons = (str(getattr(one, "verify_message", "")) for one in chain)
        sentence += f" ({next(filter(None, reasons), 'no reason given').rstrip('.')})"
    else:
        sentence += _reason(kind, chain)
    unreachable = Unreachable(f"{what} failed: {sentence}.")
    unreachable.never_accepted = never_sent
    unreachable.suspect_configuration = suspect
    if kind is ssl.SSLCertVerificationError:
        unreachable.hint = _HINT_OF_CERTIFICATE
    return unreachable


def _reason(kind: object, chain: list[BaseException]) -> str:
    """Say why in the words of the system or of the proxy, in brackets, where they tell more."""
    if kind is _UNUSABLE and any("SOCKS" in str(one) for one in chain):
        return " (it takes an HTTP proxy, none of SOCKS)"
    if kind is ssl.SSLError:
        told = (str(one.reason or "") for one in chain if isinstance(one, ssl.SSLError))
        words = next(filter(None, told), "").replace("_", " ").lower()
    elif kind in _OF_THE_SYSTEM:
        told = (_words_of(one) for one in chain if isinstance(one, OSError))
        words = next(filter(None, told), "")
    else:
        return ""
    return f" ({words})" if words else ""


def _words_of(error: OSError) -> str:
    tunnel = re.search(r"Tunnel connection failed: (\d{3}[^'\"()]{0,80})", str(error))
    return tunnel[1].strip() if tunnel else error.strerror or ""


def _causes(error: BaseException, earlier: BaseException | None) -> Iterator[BaseException]:
    """Walk an error's reasons: requests wraps urllib3's errors, which wrap those of the system.

    What was being handled `earlier`, when the call began, is none of them.
    """
    pending, seen = [error], {id(earlier)}
    while pending:
        one = pending.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        linked = (one.__cause__, one.__context__, getattr(one, "reason", None), *one.args)
        pending += [link for link in linked if isinstance(link, BaseException)]
