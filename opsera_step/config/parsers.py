"""What the inputs' values may be: parsers from text to types, each raising ValueError alone."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import SplitResult, urlsplit

from opsera_step.api.fields import is_object_id
from opsera_step.api.token import contains_token

Parser = Callable[[str], Any]

_COUNT = re.compile(r"0*([1-9][0-9]{0,17})")
_DURATION = re.compile(
    r"(?:(\d{1,6}) *h)? *(?:(\d{1,6}) *m)? *(?:(\d{1,9}) *s)?|(\d{1,9})", re.IGNORECASE | re.ASCII
)
_SECONDS = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?|\.[0-9]{1,9}")
_SIZE = re.compile(r"(\d{1,12}(?:\.\d{1,6})?) *(?:([kmg])i?)?b?", re.IGNORECASE | re.ASCII)
_HOST_NAME = re.compile(r"[^\W_](?:[\w.-]*\w)?\.?")
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


def parse_path(value: str) -> str:
    """Check that a path can be one of this system."""
    if "\0" in value:
        raise ValueError
    # How Python gives paths to the system; half of a surrogate pair fails here, as a ValueError.
    value.encode("utf-8", "surrogateescape")
    return value


def parse_token(value: str) -> str:
    """Check that a token can go into an HTTP header as it is."""
    if not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError
    return value


def parse_pipeline(value: str) -> str:
    """Bring an ID into its usual spelling; leave a name alone, but a token is none."""
    if value.startswith("eyJ") and contains_token(value):
        raise ValueError
    return value.lower() if is_object_id(value) else value


def parse_count(value: str) -> int:
    """Read a run count: a whole number from 1."""
    return int(_matched(_COUNT, value)[1])


def parse_bool(value: str) -> bool:
    """Read a switch as YAML users write it."""
    word = value.lower()
    if word not in _TRUE + _FALSE:
        raise ValueError
    return word in _TRUE


def parse_duration(value: str) -> float | None:
    """Read `90`, `90s`, `45m`, `2h30m` as seconds; 0 is None, no limit."""
    groups = _matched(_DURATION, value).groups()
    if not any(groups):
        raise ValueError
    hours, minutes, seconds, bare = (int(group or 0) for group in groups)
    return float(hours * 3600 + minutes * 60 + seconds + bare) or None


def parse_poll_interval(value: str) -> float | None:
    """Read `auto` as None, else a number of seconds from 0.1 on, or a duration."""
    if value.lower() == "auto":
        return None
    is_number = _SECONDS.fullmatch(value) is not None
    seconds = float(value) if is_number else parse_duration(value) or 0.0
    if not 0.1 <= seconds <= 3600.0:
        raise ValueError
    return seconds


def parse_log_limit(value: str) -> int | None:
    """Read a size in bytes, also as `500KB` or `3.5MiB` (steps of 1024); 0 is None, no limit."""
    found = _matched(_SIZE, value)
    size = float(found[1]) * 1024.0 ** " kmg".index((found[2] or " ").lower())
    if 0.0 < size < 1.0:
        # Less than a byte must not become no limit.
        raise ValueError
    return int(size) or None


def parse_base_url(value: str) -> str:
    """Check an address: https, or http to this very machine; nothing but host, port and path."""
    url = urlsplit(value)
    secure = url.scheme == "https" or (url.scheme == "http" and is_loopback(url.hostname or ""))
    # Looked for in the text: of `https://host?` urlsplit says that its query is empty.
    extras = set("@?#\\ ") & set(value)
    if not secure or extras or not value.isprintable() or not _has_good_host(url):
        raise ValueError
    if "/api/v1" in url.path:
        raise ValueError
    return value.rstrip("/")


def _has_good_host(url: SplitResult) -> bool:
    """Whether host and port can be connected to; raises ValueError for a port that is none."""
    if url.netloc.endswith(":") or url.port == 0:
        return False
    if url.netloc.startswith("["):
        return ipaddress.IPv6Address(url.hostname or "").scope_id is None
    return _HOST_NAME.fullmatch(url.hostname or "") is not None


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def choice(*words: str) -> Parser:
    """Make a parser of one of some words, in any case."""

    def parse(value: str) -> str:
        if value.lower() not in words:
            raise ValueError
        return value.lower()

    return parse


def _matched(pattern: re.Pattern[str], value: str) -> re.Match[str]:
    found = pattern.fullmatch(value)
    if found is None:
        raise ValueError
    return found


_API_HOST = re.compile(r"api\.([a-z0-9-]+)\.opsera\.io|([a-z0-9-]+)-api\.opsera\.io")


def derive_portal_url(base_url: str) -> str:
    """Return the address of the portal that belongs to an API address; empty if unknown.

    The pairs are those of Opsera's own hosts; the simulator serves a page at its own address.
    """
    url = urlsplit(base_url)
    host = url.hostname or ""
    if is_loopback(host):
        return base_url
    if host == "app.opsera.io":
        return "https://portal.opsera.io"
    found = _API_HOST.fullmatch(host)
    if found is None:
        return ""
    return f"https://portal.{found[1]}.opsera.io" if found[1] else f"https://{found[2]}.opsera.io"
