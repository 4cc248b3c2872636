"""Response bodies as JSON, with bounds on their size, their memory, and the number of values.

A list is parsed while it arrives, record by record, so that its text is never held as a whole: a
log response costs little more memory than its records. A body that is cut off at a limit still
yields the records that arrived before.
"""

from __future__ import annotations

import codecs
import json
import math
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from typing import Any

MAX_BYTES = 64 << 20
"""The most bytes of a response, unpacked."""
_MAX_TEXT = 60 << 20
"""The most bytes of its long strings in memory: a string takes one, two, or four bytes a character.
A thousand log records of 60 KB each stay below it."""
_MAX_MEMORY = 88 << 20
"""The most bytes for the long strings and one record that is being parsed and printed, so that a
response takes at most 1.5 times `MAX_BYTES`. A record of 22 MB fits; Opsera stores records in
MongoDB, whose limit is 16 MB. For one character beyond U+FFFF, Python makes the whole string four
times as large: where that is too much, `?` replaces such characters."""
_LONG = 512
"""Shorter strings are bounded by the number of values."""
_WHOLE = 4 << 20
"""Up to this many characters a body is parsed at once; longer lists are parsed as they arrive."""
_PORTION = 1 << 19
"""Characters after which the records that arrived are parsed."""
_CHECKED = 2 * _PORTION
"""Records in a shorter text are checked only after they are parsed: that is faster, and they need
little memory."""
_START = 4096
_TOO_LONG = "a record is too long"

_SCALAR = r'(?:"[^"\\]*"|[-+.\w]+)'
_LIST = re.compile(r'\s*(?:\{\s*(?:"\w+"\s*:\s*' + _SCALAR + r'\s*,\s*)*"data"\s*:\s*)?\[(?=\s*\{)')
"""The start of a list of objects, bare or beside its count in a `{"data": …}` wrapper."""
_SPACE = re.compile(r"[ \t\n\r]*")
_WIDE, _WIDEST = re.compile(r"\\u(?!00)"), re.compile(r"\\u[dD][89abAB]")
"""Escapes of characters that make a string take two or four bytes a character."""
_WIDE_ESCAPE = re.compile(r"(?<!\\)((?:\\\\)*)\\u(?!00)[0-9A-Fa-f]{4}")


class InvalidJson(Exception):
    """The body is no JSON, or nested too deep."""


class BodyParser:
    """Parses a body of JSON that arrives in chunks; use `feed`, then `finish` once."""

    def __init__(self, max_values: int) -> None:
        self._decode: Callable[..., str] = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._max_values = max_values
        self._pending = bytearray()
        """The text that is not parsed yet, as UTF-8: a string may take four times as much."""
        self._pending_size = 0
        """Its characters."""
        self._width = 1
        """The most bytes that a character of the pending text takes in a string."""
        self._is_narrowed = False
        """Whether wide characters of the pending record are replaced, because it is long."""
        self._parse_at: float = _WHOLE
        self._head = ""
        """Of a list: the text up to and including its bracket."""
        self._has_ended = False
        """Of a list: whether its closing bracket came."""
        self._items: list[Any] = []
        self._values = self._size = 0
        """How many values the items have, and the bytes of their long strings."""
        self.exceeded = ""
        """The limit that is exceeded, so that nothing after the records so far is parsed."""
        self.start = ""
        """The first characters, enough for a message about a body that is no JSON."""

    @property
    def is_list(self) -> bool:
        """Whether the start of the body shows a list of objects."""
        return bool(self._head) or _LIST.match(self.start) is not None

    def feed(self, chunk: bytes) -> None:
        """Add a chunk; it is ignored once a limit is exceeded.

        Raises:
            InvalidJson: if this can't become valid JSON.
        """
        if self.exceeded:
            return
        text = self._decode(chunk)
        self._add(text if self._pending_size or self._head else text.removeprefix("\ufeff"))
        if self._pending_size > self._room:
            self._narrow(self._pending.decode())
        if self._pending_size >= self._parse_at and not (self._has_ended or self.exceeded):
            self._parse_records()

    def finish(self) -> Any:
        """Return the whole body as JSON; None if a limit is exceeded.

        Raises:
            InvalidJson: if it is none.
        """
        self._add(self._decode(b"", final=True))
        if self._head and not self._has_ended:
            self._parse_records()
        text = self._pending.decode()
        if not self._head:
            text = self._check(text)
        if self.exceeded:
            return None
        self._pending.clear()
        if not self._head:
            return _decode(text)
        if not self._has_ended:
            raise InvalidJson("the list has no end")
        envelope = _decode(f"{self._head}]{text}")
        if isinstance(envelope, dict):
            envelope["data"] = self._items
            return envelope
        return self._items

    def finish_cut(self) -> list[Any] | None:
        """Return the records that arrived whole, of a body that is cut off; None if it is no list.

        Raises:
            InvalidJson: if this can't be the start of valid JSON.
        """
        if not (self._has_ended or self.exceeded):
            self._parse_records()
        return self._items if self._head else None

    @property
    def _room(self) -> int:
        """The most characters that can be parsed in addition to the items.

        While a record is parsed it is in memory as UTF-8, as text, in pieces, and as its values.
        """
        each = len(self._pending) / max(1, self._pending_size) + 3 * self._width
        return int((_MAX_MEMORY - self._size) / each)

    def _add(self, text: str) -> None:
        if self._is_narrowed:
            text = _in_latin_1(text)
        self._pending += text.encode()
        self._pending_size += len(text)
        self._width = max(self._width, _width_of(text))
        if len(self.start) < _START:
            self.start += text[: _START - len(self.start)]

    def _parse_records(self) -> None:
        """Parse the records that are there as a whole, and keep the rest of the text."""
        _return_memory()
        text, at = self._pending.decode(), 0
        if not self._head:
            found = _LIST.match(text)
            if found is None:
                # Not a list of objects: it is parsed at the end.
                self._parse_at = math.inf
                return
            self._head, at = found[0], found.end()
        if len(text) > _CHECKED:
            text = self._check(text)
        if self.exceeded:
            return
        for item, end in _records(text, at):
            self._items.append(item)
            at = end
            self._has_ended = text[at - 1] == "]"
            if not self._weigh(item):
                return
        if at:
            rest = text[at:]
            del self._pending[: len(self._pending) - len(rest.encode())]
            self._pending_size = len(rest)
            self._width, self._is_narrowed = _width_of(rest), False
        # A long record is tried again only once its text has doubled, or fills the room.
        size, last = self._pending_size, self._room - _PORTION
        self._parse_at = max(_PORTION, last if size < last < 2 * size else 2 * size)

    def _check(self, text: str) -> str:
        """Return the pending text as it can be parsed within the limits, unless it exceeds one."""
        self._width = max(self._width, _width_of_escapes(text))
        if len(text) > self._room:
            text = self._narrow(text)
        # Count exactly only if the cheap upper bound is too high; logs are full of commas.
        left = self._max_values - self._values
        if _count_separators(text) >= left <= _count_separators_outside_strings(text):
            self._stop(f"more than {self._max_values} values")
        return text

    def _narrow(self, text: str) -> str:
        """Replace the wide characters of the pending text, which is too long with them."""
        self._pending.clear()
        text = _WIDE_ESCAPE.sub(r"\1?", _in_latin_1(text))
        self._pending += text.encode()
        self._pending_size, self._width, self._is_narrowed = len(text), 1, True
        if len(text) > self._room:
            self._stop(_TOO_LONG)
        return text

    def _weigh(self, item: Any) -> bool:
        """Count the values of an item, and the bytes of its long strings; False at a limit."""
        values = [item]
        for value in values:
            if isinstance(value, str):
                self._size += sys.getsizeof(value) if len(value) > _LONG else 0
            elif isinstance(value, dict):
                values += value.values()
            elif isinstance(value, list):
                values += value
        self._values += len(values)
        if self._size > _MAX_TEXT:
            self._stop(f"more than {_MAX_TEXT >> 20} MiB of text")
        elif self._values > self._max_values:
            self._stop(f"more than {self._max_values} values")
        return not self.exceeded

    def _stop(self, limit: str) -> None:
        self.exceeded = self.exceeded or limit
        self._pending.clear()
        self._pending_size = 0


@cache
def _return_memory() -> None:
    """Have glibc return the memory of large strings to the system when they are freed.

    By default it keeps up to twice the size of the largest one that was freed, in pieces. This maps
    strings of 4 MiB or more separately, and keeps at most 8 MiB of free memory at the end of the
    heap; lower limits would cost time. See mallopt(3), M_MMAP_THRESHOLD and M_TRIM_THRESHOLD.
    """
    with suppress(ImportError, OSError, AttributeError, TypeError):
        import ctypes  # noqa: PLC0415 - only large responses need it

        c = ctypes.CDLL(None)
        c.mallopt(-3, 4 << 20)
        c.mallopt(-1, 8 << 20)


def _in_latin_1(text: str) -> str:
    return text if text.isascii() else text.encode("latin-1", "replace").decode("latin-1")


def _width_of(text: str) -> int:
    """Return how many bytes each character takes (PEP 393)."""
    return 1 if text.isascii() else min(4, sys.getsizeof(text) // len(text))


def _width_of_escapes(text: str) -> int:
    """Return how many bytes each character of a string with these escapes may take."""
    if _WIDEST.search(text):
        return 4
    return 2 if _WIDE.search(text) else 1


def _records(text: str, at: int) -> Iterator[tuple[Any, int]]:
    """Yield the whole records from `at` on, each with the position after its comma or bracket.

    Raises:
        InvalidJson: if something else follows a record, or it is nested too deep.
    """
    size = 0
    while True:
        start = at = _end(_SPACE, text, at)
        if len(text) - start > size:
            item, at = _decode_record(text, start)
        else:
            # Likely incomplete. The decoder's error counts all lines before it, so these are few.
            item, at = _decode_record(text[start:], 0)
            at += start
        at = _end(_SPACE, text, at)
        size = at - start
        if at >= len(text):
            return
        if text[at] not in ",]":
            raise InvalidJson("no separator after a record")
        at += 1
        yield item, at
        if text[at - 1] == "]":
            return


def _decode_record(text: str, at: int) -> tuple[Any, int]:
    """Parse a record; the position is the end of the text if that does not hold the whole."""
    try:
        return _DECODER.raw_decode(text, at)
    except ValueError:
        return None, len(text)
    except RecursionError:
        pass
    # Raised here, it does not keep the text alive by the error before it.
    raise InvalidJson("nested too deeply")


def _decode(text: str) -> Any:
    try:
        return _DECODER.decode(text)
    except (ValueError, RecursionError):
        pass
    raise InvalidJson("no JSON")


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return found.end() if found else at


def _count_separators(text: str) -> int:
    return text.count(",") + text.count("[") + text.count("{")


def _count_separators_outside_strings(text: str) -> int:
    count = at = 0
    while True:
        quote = text.find('"', at)
        count += _count_separators(text[at:] if quote < 0 else text[at:quote])
        if quote < 0:
            return count
        at = _end_of_string(text, quote)
        if at < 0:
            return count


def _end_of_string(text: str, start: int) -> int:
    """Return the position after a string; -1 if its end has not come yet."""
    quote = text.find('"', start + 1)
    while quote >= 0:
        last = quote - 1
        while text[last] == "\\":
            last -= 1
        if (quote - last) % 2:
            # An even number of backslashes before it: they escape each other.
            return quote + 1
        quote = text.find('"', quote + 1)
    return -1


def _read_int(digits: str) -> int | str:
    """Read a whole number; one of thousands of digits, which Python refuses, stays a string."""
    try:
        return int(digits)
    except ValueError:
        return digits


def _read_float(digits: str) -> float | str:
    """Read a number; one beyond all floats stays a string, because JSON has no infinity."""
    number = float(digits)
    return number if math.isfinite(number) else digits


_DECODER = json.JSONDecoder(parse_int=_read_int, parse_float=_read_float, parse_constant=str)
