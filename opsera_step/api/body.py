"""Response bodies as JSON, with bounds on their size and on the number of values.

A list is parsed while it arrives, record by record, so that its text is never held as a whole: a
log response costs little more memory than its records. A body that is cut off at the size limit
still yields the records that arrived before.
"""

from __future__ import annotations

import codecs
import json
import math
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

MAX_BYTES = 64 << 20
"""The most bytes of a response, unpacked. A thousand log records of 60 KB each stay below it."""
MAX_RECORD = 32 << 20
"""The most characters of one record, or of a body that is no list. Opsera stores records in
MongoDB, whose limit is 16 MB. While a record is parsed it is in memory twice, so that the whole
response takes at most 1.5 times `MAX_BYTES`."""
_WHOLE = 4 << 20
"""Up to this many characters a body is parsed at once; longer lists are parsed as they arrive."""
_START = 4096

_SCALAR = r'(?:"[^"\\]*"|[-+.\w]+)'
_LIST = re.compile(r'\s*(?:\{\s*(?:"\w+"\s*:\s*' + _SCALAR + r'\s*,\s*)*"data"\s*:\s*)?\[(?=\s*\{)')
"""The start of a list of objects, bare or beside its count in a `{"data": …}` wrapper."""
_SPACE = re.compile(r"[ \t\n\r]*")


class InvalidJson(Exception):
    """The body is no JSON, or nested too deep."""


class TooManyValues(Exception):
    """The JSON holds more values than are accepted; each costs memory however short it is."""


class BodyParser:
    """Parses a body of JSON that arrives in chunks; use `feed`, then `finish` once."""

    def __init__(self, max_values: int) -> None:
        self._decode: Callable[..., str] = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._max_values = max_values
        self._pending: list[str] = []
        self._pending_size = 0
        self._parse_at: float = _WHOLE
        self._separators = 0
        """An upper bound for the number of values so far; it counts those in strings too."""
        self._head = ""
        """Of a list: the text up to and including its bracket."""
        self._has_ended = False
        """Of a list: whether its closing bracket came."""
        self._items: list[Any] = []
        self._counted = self._values = 0
        self.is_full = False
        """Whether a record is too large, so that nothing after the records before it is parsed."""
        self.start = ""
        """The first characters, enough for a message about a body that is no JSON."""

    @property
    def is_list(self) -> bool:
        """Whether the start of the body shows a list of objects."""
        return bool(self._head) or _LIST.match(self.start) is not None

    def feed(self, chunk: bytes) -> None:
        """Add a chunk.

        Raises:
            InvalidJson: if this can't become valid JSON.
            TooManyValues: if there are more values than accepted.

        """
        # Faster than to count each separator.
        self._separators += len(chunk) - len(chunk.translate(None, b",[{"))
        text = self._decode(chunk)
        self._add(text if self._pending_size or self._head else text.removeprefix("\ufeff"))
        if self._pending_size >= self._parse_at and not self._has_ended:
            self._parse_records()
        self.is_full = self.is_full or self._pending_size > MAX_RECORD

    def finish(self) -> Any:
        """Return the whole body as JSON.

        Raises:
            InvalidJson: if it is none.
            TooManyValues: if there are more values than accepted.

        """
        self._add(self._decode(b"", final=True))
        if not self._head:
            text = self._take()
            self._check_values(text)
            return _decode(text)
        if not self._has_ended:
            self._parse_records()
        if not self._has_ended:
            raise InvalidJson("the list has no end")
        envelope = _decode(f"{self._head}]{self._take()}")
        if isinstance(envelope, dict):
            envelope["data"] = self._items
            return envelope
        return self._items

    def finish_cut(self) -> list[Any] | None:
        """Return the records that arrived whole, of a body that is cut off; None if it is no list.

        Raises:
            InvalidJson: if this can't be the start of valid JSON.
            TooManyValues: if there are more values than accepted.

        """
        if not self._has_ended:
            self._parse_records()
        return self._items if self._head else None

    def _add(self, text: str) -> None:
        self._pending.append(text)
        self._pending_size += len(text)
        if len(self.start) < _START:
            self.start += text[: _START - len(self.start)]

    def _take(self) -> str:
        text = "".join(self._pending)
        self._pending.clear()
        self._pending_size = 0
        return text

    def _parse_records(self) -> None:
        """Parse the records that are there as a whole, and keep the rest of the text."""
        text, at = self._take(), 0
        self._check_values(text)
        if not self._head:
            found = _LIST.match(text)
            if found is None:
                # Not a list of objects: it is parsed at the end.
                self._parse_at = math.inf
                self._keep(text)
                return
            self._head, at = found[0], found.end()
        for item, end in _records(text, at):
            self._items.append(item)
            at = end
            self._has_ended = text[at - 1] == "]"
        rest = text[at:]
        self._keep(rest)
        # A long record is tried again only once its text has doubled.
        self._parse_at = max(_WHOLE, min(2 * len(rest), MAX_RECORD))
        # With one wide character in it, each takes up to four bytes.
        self.is_full = len(rest) >= MAX_RECORD or sys.getsizeof(rest) > MAX_BYTES

    def _keep(self, text: str) -> None:
        self._pending = [text]
        self._pending_size = len(text)

    def _check_values(self, text: str) -> None:
        """Count exactly only if the cheap upper bound is too high; logs are full of commas."""
        if self._separators < self._max_values:
            return
        for item in self._items[self._counted :]:
            self._values += _count_values(item)
        self._counted = len(self._items)
        if self._values + _count_separators_outside_strings(text) >= self._max_values:
            raise TooManyValues(f"more than {self._max_values} values")


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


def _count_values(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + sum(map(_count_values, value.values()))
    if isinstance(value, list):
        return 1 + sum(map(_count_values, value))
    return 1


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
