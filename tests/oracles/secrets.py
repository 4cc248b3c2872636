"""Finds a secret in output, in any form in which programs print secrets.

Forms of the secret: as it is, in hex, and in base64 at each of the three alignments. Views of the
data: as it is, and without line ends, line prefixes, color codes, and invisible characters; each of
them also URL-decoded and JSON-unescaped. Every form is searched for in every view, so that mixtures
are found too. Encodings: RFC 3986, RFC 4648, RFC 8259.
"""

from __future__ import annotations

import base64
import bisect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_ANSI = rb"\x1b\[[0-?]*[ -/]*[@-~]|\xc2\x9b[0-?]*[ -/]*[@-~]"
_WEIGHTLESS = rb"\xe2\x80[\x8b-\x8f]|\xe2\x81\xa0|\xef\xbb\xbf|\xc2\xad|\x00"
_STAMP = rb"(?:\d{4}-\d\d-\d\dT[\d:.]+Z )?"
_PREFIX = rb"[ \t]*(?:(?:[|>#:*+-]|\xe2\x94[\x82\x83\x86])[ \t]*)?"
_JSON = re.compile(rb"\\(?:u[0-9a-fA-F]{4}|[\"\\/bfnrt])")
_URL = re.compile(rb"%[0-9a-fA-F]{2}")
_JSON_SHORT = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t"}


@dataclass(frozen=True)
class Leak:
    """What was found: the form, as in `base64 in split, url`, where it is in the data, and how much
    of the secret's form it holds. `whole` is false if only a run of it was found."""

    form: str
    start: int
    end: int
    found: bytes
    whole: bool


def find(secret: str, data: bytes, *, min_run: int = 12) -> list[Leak]:
    """All traces of a secret in data. `min_run` is the number of consecutive characters of the
    secret that counts as a leak already (a shorter secret must appear whole)."""
    if not secret:
        raise ValueError("an empty secret is everywhere")
    leaks: dict[tuple[int, int], Leak] = {}
    for view in _views(data):
        for leak in _search(secret.encode("utf-8", "surrogatepass"), view, min_run):
            leaks.setdefault((leak.start, leak.end), leak)
    return sorted(leaks.values(), key=lambda leak: (leak.start, leak.end))


@dataclass(frozen=True)
class _View:
    """Data after a transformation, with the places where it came from."""

    name: str
    data: bytes
    starts: tuple[int, ...]  # where in `data` a piece starts
    origins: tuple[int, ...]  # and where that piece starts in the original

    def origin(self, position: int) -> int:
        piece = bisect.bisect_right(self.starts, position) - 1
        return self.origins[piece] + position - self.starts[piece]


def _views(data: bytes) -> Iterator[_View]:
    plain = _View("", data, (0,), (0,))
    seen: set[bytes] = set()
    for base in (plain, *_joined(plain)):
        for view in (base, *_decoded(base)):
            if view.data not in seen:
                seen.add(view.data)
                yield view


def _joined(plain: _View) -> Iterator[_View]:
    """Line ends are taken out alone, then with a guessed prefix, since that may look like a part
    of the secret."""
    codes = rb"(?:" + _ANSI + rb"|" + _WEIGHTLESS + rb")*"
    for prefix in (b"", _STAMP + _PREFIX):
        lead = rb"[\r\n]+" + codes + prefix
        pattern = re.compile(lead + rb"|" + _ANSI + rb"|" + _WEIGHTLESS)
        yield _transform(plain, "split", pattern, lambda match: b"")


def _decoded(base: _View) -> Iterator[_View]:
    yield _transform(base, "url", _URL, _from_url)
    yield _transform(base, "json", _JSON, _from_json)


def _transform(
    view: _View, name: str, pattern: re.Pattern[bytes], replace: Callable[[re.Match[bytes]], bytes]
) -> _View:
    pieces: list[bytes] = []
    starts: list[int] = []
    origins: list[int] = []
    length = position = 0
    for match in pattern.finditer(view.data):
        for piece, origin in (
            (view.data[position : match.start()], position),
            (replace(match), match.start()),
        ):
            pieces.append(piece)
            starts.append(length)
            origins.append(view.origin(origin))
            length += len(piece)
        position = match.end()
    pieces.append(view.data[position:])
    name = ", ".join(filter(None, (view.name, name)))
    return _View(name, b"".join(pieces), (*starts, length), (*origins, view.origin(position)))


def _from_url(match: re.Match[bytes]) -> bytes:
    return bytes.fromhex(match[0][1:].decode())


def _from_json(match: re.Match[bytes]) -> bytes:
    if match[0][1:2] == b"u":
        return match[0].decode("unicode_escape").encode("utf-8", "surrogatepass")
    return _JSON_SHORT.get(match[0][1:], match[0][1:])


def _search(secret: bytes, view: _View, min_run: int) -> Iterator[Leak]:
    run = min(min_run, len(secret))
    lower = view.data.lower()
    yield from _runs("raw", secret, view.data, view, run)
    yield from _runs("hex", secret.hex().encode(), lower, view, 2 * run)
    for needle, whole in _base64_needles(secret):
        # A window of the secret covers that many whole sextets, wherever it begins.
        least = min((8 * run - 4) // 6, whole)
        for name, text in (("base64", needle), ("base64url", needle.translate(_TO_URLSAFE))):
            yield from _runs(name, text, view.data, view, max(least, 4))


_TO_URLSAFE = bytes.maketrans(b"+/", b"-_")


def _base64_needles(secret: bytes) -> Iterator[tuple[bytes, int]]:
    """The characters that depend on nothing but the secret, for each place in a triple of bytes
    at which it may begin."""
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + secret + b"\0\0")
        first = (8 * shift + 5) // 6
        last = 8 * (shift + len(secret)) // 6
        needle = encoded[first:last]
        if len(needle) >= 4:
            yield needle, len(needle)


def _runs(form: str, needle: bytes, hay: bytes, view: _View, least: int) -> Iterator[Leak]:
    """Maximal runs of the needle's characters in the hay. A run of `least` characters holds one
    of the needle's blocks of half that length, so only these are looked for."""
    size = max((least + 1) // 2, 1)
    reported: set[tuple[int, int]] = set()
    for offset in range(0, len(needle) - size + 1, size):
        block = needle[offset : offset + size]
        index = hay.find(block)
        while index >= 0:
            start, end = _extend(needle, hay, offset, index, size)
            if end - start >= least and (start, end) not in reported:
                reported.add((start, end))
                yield _leak(form, needle, view, start, end)
            index = hay.find(block, index + 1)


def _extend(needle: bytes, hay: bytes, offset: int, index: int, size: int) -> tuple[int, int]:
    back = 0
    while back < min(offset, index) and needle[offset - back - 1] == hay[index - back - 1]:
        back += 1
    room = min(len(needle) - offset, len(hay) - index)
    while size < room and needle[offset + size] == hay[index + size]:
        size += 1
    return index - back, index + size


def _leak(form: str, needle: bytes, view: _View, start: int, end: int) -> Leak:
    name = f"{form} in {view.name}" if view.name else form
    whole = end - start >= len(needle)
    return Leak(name, view.origin(start), view.origin(end - 1) + 1, view.data[start:end], whole)
