"""Parsers of the values of inputs, from text to types; each raises only ValueError."""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from opsera_step.api.fields import is_object_id
from opsera_step.api.token import contains_token, explain_malformed

Parser = Callable[[str], Any]

SHORTEST_TOKEN = 8
"""Characters; a shorter text can't be hidden in a log without hiding half of the log."""

_COUNT = re.compile(r"0*([1-9][0-9]{0,17})")
_DURATION = re.compile(
    r"(?:(\d{1,6}) *h)? *(?:(\d{1,6}) *m)? *(?:(\d{1,9}) *s)?|(\d{1,9})", re.IGNORECASE | re.ASCII
)
_SECONDS = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?|\.[0-9]{1,9}")
_SIZE = re.compile(r"(\d{1,12}(?:\.\d{1,6})?) *(?:([kmg])i?)?b?", re.IGNORECASE | re.ASCII)
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


class InvalidValue(ValueError):
    """An invalid value of an input."""

    def __init__(self, hint: str = "") -> None:
        super().__init__(hint)
        self.hint = hint
        """The likely mistake, in a sentence that does not quote the value."""


# --- Common mistakes ------------------------------------------------------------------------------

_REFERENCE = re.compile(
    r"\$\w+|\$\{\w+\}|%\w+%|.*(?:\$\{\{|\$\[\[).*|\{\{.*\}\}", re.DOTALL | re.ASCII
)
_PATH_REFERENCE = re.compile(r"(?:\$\w+|\$\{\w+\}|%\w+%)(?:[/\\].*)?|.*\$\{\{.*", re.DOTALL)
_QUOTES = "\"'`\u00ab\u00bb\u2018\u2019\u201a\u201c\u201d\u201e\u2039\u203a"
_PAGE = re.compile(r"https?://\S*?(?<![0-9a-f])([0-9a-f]{24})(?![0-9a-f])", re.IGNORECASE)
_FLOAT = re.compile(r"[0-9](?:\.[0-9]+)?e\+?[0-9]{2,3}|[0-9]{20,}\.0+", re.IGNORECASE)
"""An ID such as 615000000000000000000000 after a YAML reader took it for a number."""

UNEXPANDED = "It is a variable that was not expanded."
IN_QUOTES = "Remove the quotation marks; docker --env-file, for example, passes them on."
A_TOKEN = "It looks like an access token, which belongs in the input token."  # noqa: S105


def explain(value: str) -> str:
    """Return what is odd about a value of any input; empty if nothing is."""
    if _REFERENCE.fullmatch(value):
        return UNEXPANDED
    if is_quoted(value):
        return IN_QUOTES
    odd = odd_character(value)
    return f"It contains {odd}." if odd else ""


def is_quoted(value: str) -> bool:
    """Whether there are quotation marks around a value."""
    return len(value) > 1 and value[0] in _QUOTES and value[-1] in _QUOTES


def odd_character(value: str) -> str:
    """Describe a character that looks like a space or is invisible; empty if there is none."""
    for one in value:
        kind = unicodedata.category(one)
        if kind == "Zs" and one != " ":
            what = "a no-break space" if one in "\u00a0\u202f" else "an unusual space"
        elif kind in ("Cc", "Cf", "Zl", "Zp", "Cs", "Cn", "Co"):
            what = "an invisible character"
        else:
            continue
        return f"{what} (U+{ord(one):04X})"
    return ""


def _bare(value: str) -> str:
    """Remove what is not part of an ID: quotation marks, spaces, invisible characters."""
    return "".join(
        one for one in value if one.isascii() and one.isprintable() and one not in "\"'`<> "
    )


# --- Parsers --------------------------------------------------------------------------------------


def parse_text(value: str) -> str:
    """Read a text of one line that is not a variable left unexpanded."""
    if _REFERENCE.fullmatch(value):
        raise InvalidValue(UNEXPANDED)
    if any(unicodedata.category(one) in ("Cc", "Cs", "Zl", "Zp") for one in value):
        raise InvalidValue
    return value


def parse_path(value: str) -> str:
    """Check that a path can be one of this system, and is what the user meant."""
    if "\0" in value:
        raise InvalidValue
    # How Python gives paths to the system; half of a surrogate pair fails here, as a ValueError.
    value.encode("utf-8", "surrogateescape")
    if is_quoted(value):
        raise InvalidValue(IN_QUOTES)
    if _PATH_REFERENCE.fullmatch(value):
        raise InvalidValue("It begins with a variable that was not expanded.")
    if value.startswith("~") and not value.startswith("~/"):
        raise InvalidValue("Only ~/ is expanded, not ~user. Use the full path.")
    return value


def parse_token(value: str) -> str:
    """Check that a token can go into an HTTP header as it is, and can be hidden in a log."""
    if not value.isascii() or not value.isprintable() or " " in value:
        raise InvalidValue(explain_malformed(value))
    if _REFERENCE.fullmatch(value):
        raise InvalidValue(UNEXPANDED)
    if len(value) < SHORTEST_TOKEN:
        raise InvalidValue(f"It has fewer than {SHORTEST_TOKEN} characters.")
    return value


def parse_pipeline(value: str) -> str:
    """Normalize an ID; a name is used unchanged."""
    if is_object_id(value):
        return value.lower()
    page, bare = _PAGE.match(value), _bare(value)
    if value.startswith("eyJ") and contains_token(value):
        raise InvalidValue(A_TOKEN)
    if page is not None:
        raise InvalidValue(f"That is a URL. Use the ID in it: {page[1].lower()}.")
    if value.lower().startswith(("https://", "http://")):
        raise InvalidValue("That is a URL. Use the ID of the pipeline.")
    if _FLOAT.fullmatch(value):
        raise InvalidValue("It looks like an ID that YAML read as a number. Put the ID in quotes.")
    if _REFERENCE.fullmatch(value):
        raise InvalidValue(UNEXPANDED)
    if is_object_id(bare):
        odd = odd_character(value) or "quotation marks or spaces"
        raise InvalidValue(f"It contains {odd}. The ID alone is {bare.lower()}.")
    if any(unicodedata.category(one) in ("Cs", "Zl", "Zp") or one in "\r\n\0" for one in value):
        raise InvalidValue
    return value


def parse_count(value: str) -> int:
    """Read a run number: a whole number from 1."""
    return int(_matched(_COUNT, value)[1])


def parse_bool(value: str) -> bool:
    """Read a boolean as YAML users write it."""
    word = value.lower()
    if word not in _TRUE + _FALSE:
        raise InvalidValue
    return word in _TRUE


def parse_auto_bool(value: str) -> bool | None:
    """Read `auto` as None, else a boolean."""
    return None if value.lower() == "auto" else parse_bool(value)


def parse_duration(value: str) -> float | None:
    """Read `90`, `90s`, `45m`, `2h30m` as seconds; 0 is None, no limit."""
    groups = _matched(_DURATION, value).groups()
    if not any(groups):
        raise InvalidValue
    hours, minutes, seconds, bare = (int(group or 0) for group in groups)
    return float(hours * 3600 + minutes * 60 + seconds + bare) or None


def parse_poll_interval(value: str) -> float | None:
    """Read `auto` as None, else a number of seconds from 0.1 on, or a duration."""
    if value.lower() == "auto":
        return None
    is_number = _SECONDS.fullmatch(value) is not None
    seconds = float(value) if is_number else parse_duration(value) or 0.0
    if not 0.1 <= seconds <= 3600.0:
        raise InvalidValue
    return seconds


def parse_log_limit(value: str) -> int | None:
    """Read a size in bytes, also as `500KB` or `3.5MiB` (steps of 1024); 0 is None, no limit."""
    found = _matched(_SIZE, value)
    size = float(found[1]) * 1024.0 ** " kmg".index((found[2] or " ").lower())
    if 0.0 < size < 1.0:
        # Less than a byte must not become no limit.
        raise InvalidValue
    return int(size) or None


def choice(*words: str) -> Parser:
    """Return a parser that accepts one of these words, in any case."""

    def parse(value: str) -> str:
        if value.lower() not in words:
            raise InvalidValue
        return value.lower()

    return parse


def _matched(pattern: re.Pattern[str], value: str) -> re.Match[str]:
    found = pattern.fullmatch(value)
    if found is None:
        raise InvalidValue
    return found


# --- Addresses ------------------------------------------------------------------------------------

_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_API_HOST = re.compile(r"api\.([a-z0-9-]+)\.opsera\.io|([a-z0-9-]+)-api\.opsera\.io")
_PORTAL_HOST = re.compile(r"portal(?:\.([a-z0-9-]+))?\.opsera\.io")
_DEFAULT_PORTS = {"https": 443, "http": 80}
_IN_A_PATH = "~:@!$&'()*+,;="
"""What a segment of a path may hold unescaped, beside letters, digits and `-._` (RFC 3986)."""


def parse_base_url(value: str) -> str:
    """Check the address of the API and write it in one form.

    The host is lowercase ASCII (internationalized names become Punycode), a default port is left
    out, and the path has neither dot segments nor unescaped characters, so that the session finds
    its own adapter for every request.
    """
    host = urlsplit(value if "//" in value else f"//{value}").hostname or ""
    if host.startswith("portal."):
        raise InvalidValue(_of_portal(host.rstrip(".")))
    if "/workflow/" in value:
        raise InvalidValue("That is the URL of a page. Use the URL of the API.")
    address = parse_url(value)
    if "/api/v1" in urlsplit(address).path:
        raise InvalidValue("Remove /api/v1.")
    return address


def parse_url(value: str) -> str:
    """Check an address: https, or http to this very machine; nothing but host, port and path."""
    if "://" not in value:
        raise InvalidValue(explain(value) or "It must begin with https://.")
    # Looked for in the text: for `https://host?`, urlsplit returns an empty query.
    if set("@?#\\ ") & set(value) or not value.isprintable():
        raise InvalidValue
    url = urlsplit(value)
    host = _normal_host(url.hostname or "", is_bracketed="[" in url.netloc)
    if url.scheme != "https" and not (url.scheme == "http" and is_loopback(host)):
        raise InvalidValue("Only loopback addresses may use http." if url.scheme == "http" else "")
    if url.netloc.endswith(":") or url.port == 0:
        raise InvalidValue
    shown = f"[{host}]" if ":" in host else host
    port = "" if url.port in (None, _DEFAULT_PORTS[url.scheme]) else f":{url.port}"
    return f"{url.scheme}://{shown}{port}{_normal_path(url.path)}"


def _of_portal(host: str) -> str:
    found = _PORTAL_HOST.fullmatch(host)
    if found is None:
        return "That is the URL of the portal. Use the URL of the API."
    api = f"api.{found[1]}.opsera.io" if found[1] else "app.opsera.io"
    return f"That is the URL of the portal. The URL of the API is https://{api}."


def _normal_host(host: str, *, is_bracketed: bool) -> str:
    if is_bracketed:
        address = ipaddress.IPv6Address(host)
        if address.scope_id is not None:
            raise InvalidValue
        return address.compressed
    if not host.isascii():
        # The encoding that requests uses, which has it loaded; most hosts don't need it.
        import idna  # noqa: PLC0415

        host = idna.encode(host, uts46=True).decode("ascii")
    labels = host.removesuffix(".").split(".")
    if len(host) > 253 or not all(map(_LABEL.fullmatch, labels)):
        raise InvalidValue
    return host


def _normal_path(path: str) -> str:
    """Escape a path and resolve its dot segments (RFC 3986, section 5.2.4)."""
    found: list[str] = []
    for segment in path.split("/"):
        plain = unquote(segment, errors="strict")
        if plain == "..":
            found = found[:-1]
        elif plain != ".":
            found.append(quote(plain, safe=_IN_A_PATH))
    joined = "/".join(filter(None, found))
    return f"/{joined}" if joined else ""


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def derive_portal_url(base_url: str) -> str:
    """Return the address of the portal that belongs to an API address; empty if unknown.

    The pairs are those of Opsera's own hosts; the simulator serves a page at its own address.
    """
    url = urlsplit(base_url)
    host = (url.hostname or "").rstrip(".")
    if is_loopback(host):
        return base_url
    if host == "app.opsera.io":
        return "https://portal.opsera.io"
    found = _API_HOST.fullmatch(host)
    if found is None:
        return ""
    return f"https://portal.{found[1]}.opsera.io" if found[1] else f"https://{found[2]}.opsera.io"
