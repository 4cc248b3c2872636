"""Hide a secret in lines of text: as it is, encoded, escaped, spaced out, folded.

What is compared is not the text but its *stream*: its letters and digits, in lower case, nothing
else. So blanks, punctuation and characters of no width make no difference, and `65 79 4a`,
`%65%79%4a` and `65:79:4A` are the same. Pure.
"""

from __future__ import annotations

import base64
import html
import json
import re
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from urllib.parse import quote

_KEPT = b"0123456789abcdefghijklmnopqrstuvwxyz"
_FOLD = bytes(range(256)).lower()
_SEPARATORS = bytes(set(range(256)) - set(_KEPT) - set(_KEPT.upper()))

_PIECE = 12
_SPACED = 16
_LONG = 24
_EDGE = 8
_GRAM = 8
_STRIDE = 4
_SHORTEST_ENCODED = 6
_BLOCK = 1024
_END = b"\n"

# Escapes: with one of a letter or digit it is worth to undo them all.
_ESCAPED = re.compile(
    r"""%(?:25)*(?P<url>[2-7][0-9A-Fa-f])
    | \\(?:u00|x)(?P<code>[2-7][0-9A-Fa-f])
    | &\#(?:[xX]0{0,5}(?P<hex>[2-7][0-9A-Fa-f])|0{0,5}(?P<decimal>[0-9]{2,3}));?
    """,
    re.VERBOSE,
)
_ESCAPED_LETTER = re.compile(
    r"""(?:%(?:25)*|\\(?:u00|x)|&\#[xX]0{0,5})(?:3[0-9]|[46][1-9A-Fa-f]|[57][0-9Aa])
    | &\#[0-9]{2}
    """,
    re.VERBOSE,
)

Span = tuple[int, int]


def stream_of(text: str) -> bytes:
    """Return the letters and digits of a text, in lower case."""
    return text.encode("ascii", "ignore").translate(_FOLD, _SEPARATORS)


class RedactionState:
    """The end of what a stream of lines held before: a folded token goes on over line ends."""

    __slots__ = ("end", "is_open")

    def __init__(self) -> None:
        """Begin with nothing."""
        self.end = b""
        self.is_open = False
        """Whether the last line ended with a piece, which may go on."""


class Redactor:
    """Replace a secret, in all forms in which it might show, by `***`.

    Any piece of a form is found that has at least 12 letters and digits, 16 where blanks are in
    between; at the edge of a line, where a line end may have cut it in two, 8. With a
    RedactionState the pieces may be shorter: then only what comes before the twelfth is shown.
    """

    MASK = "***"

    def __init__(self, secret: str) -> None:
        """Prepare the forms; of a very short secret only those that can't be anything else."""
        texts = _forms_of(secret) if secret else []
        self._exact = [text for text in texts if len(stream_of(text)) < _PIECE]
        compact = _Forms([text for text in texts if len(stream_of(text)) >= _PIECE], _PIECE)
        long = _Forms(_long_forms_of(secret), _LONG)
        self._text, self._kinds = "\n".join(texts), (compact, long)
        self._grams: set[int] = set().union(*compact.grams(), *long.grams())
        self._knows_none = self._grams.isdisjoint

    def redact(self, line: str, trail: RedactionState | None = None) -> str:
        """Return the line without the secret or pieces of it."""
        for form in self._exact:
            line = line.replace(form, self.MASK)
        stream = line.encode("ascii", "ignore").translate(_FOLD, _SEPARATORS)
        size = len(stream)
        if (
            size < _PIECE
            or (trail is not None and trail.is_open)
            # This is `_may_hold`, written out since each line of a log comes by here.
            or not self._knows_none(
                array("Q", stream[: size & -8] + stream[4 : 4 + (size - 4 & -8)] + stream[-8:])
            )
        ):
            spans = self._look_closer(line, stream, trail or RedactionState()) if stream else []
        else:
            spans = []
            if trail is not None:
                trail.end = stream[-_LONG:]
        if ("%" in line or "\\" in line or "&#" in line) and _ESCAPED_LETTER.search(line):
            spans += self._escaped_spans(line)
        return self._without(line, spans) if spans else line

    def _look_closer(self, line: str, stream: bytes, trail: RedactionState) -> list[Span]:
        joined, before = trail.end + stream, len(trail.end)
        spans: list[Span] = []
        places = _Places(line)
        if self._may_hold(joined) or self._may_hold(stream):
            end = self._goes_on(joined, before)
            spans += [(0, end)] if end else []
            spans += [span for span in self._spans(places, stream) if span[0] >= end]
        trail.end, trail.is_open = joined[-_LONG:], bool(spans) and spans[-1][1] == len(stream)
        return [(places.place(start), places.place(end - 1) + 1) for start, end in spans]

    def _goes_on(self, joined: bytes, before: int) -> int:
        """Tell how much of a line goes on with a piece that began in the lines before."""
        for start in range(before):
            end = self._kinds[0].end_of_piece(joined, start)
            if end > before and end - start >= _PIECE:
                return end - before
        return 0

    def _may_hold(self, stream: bytes) -> bool:
        """Whether a closer look is worth it: each piece holds a gram at a multiple of four.

        At the end of a line, where it may be cut off, a gram is looked for at the very end. Grams
        are numbers of eight bytes, so that all of a line are made and looked up at one go.
        """
        size = len(stream)
        if size < _GRAM:
            return False
        words = stream[: size & -8] + stream[4 : 4 + (size - 4 & -8)] + stream[-8:]
        return not self._knows_none(array("Q", words))

    def _spans(self, places: _Places, stream: bytes) -> list[Span]:
        """Find the pieces in the stream, from left to right."""
        spans, done = [], 0
        for start in self._starts(stream):
            if start < done:
                continue
            end = max(kind.end_of_piece(stream, start) for kind in self._kinds)
            if end and (end - start >= _SPACED or not self._is_spaced(places, stream, start, end)):
                spans.append((start, end))
                done = end
        return spans

    def _starts(self, stream: bytes) -> Iterator[int]:
        """Tell where pieces may begin: at or a little before a gram, and at the line's edges."""
        last, done = len(stream), 0
        for first in range(0, last, _BLOCK):
            block = stream[first : first + _BLOCK + _GRAM]
            if not self._may_hold(block):
                continue
            for place in range(0, min(_BLOCK, len(block) - _GRAM + 1), _STRIDE):
                if _words(block[place : place + _GRAM])[0] in self._grams:
                    end = first + place + 1
                    yield from range(max(done, end - _LONG + _GRAM), end)
                    done = end
        yield from range(max(done, last - _PIECE + 1), last - _EDGE + 1)

    def _is_spaced(self, places: _Places, stream: bytes, start: int, end: int) -> bool:
        """Whether blanks are within a piece that is not a whole form: it may be mere words."""
        text = places.text(start, end)
        return len(text.split()) > 1 and not self._kinds[0].has_whole(stream[start:end])

    def _without(self, line: str, spans: list[Span]) -> str:
        parts: list[str] = []
        done = 0
        for first, last in sorted(spans):
            start, end = max(first, done), last
            # Punctuation at the ends of a piece is a part of it where a form has it there.
            while (
                start > done and _is_mark(line[start - 1]) and line[start - 1 : end] in self._text
            ):
                start -= 1
            while end < len(line) and _is_mark(line[end]) and line[start : end + 1] in self._text:
                end += 1
            if start < end:
                parts += line[done:start], self.MASK
                done = end
        return "".join((*parts, line[done:]))

    def _escaped_spans(self, line: str) -> list[Span]:
        """Look again with all escapes undone, for where some characters are escaped, some not."""
        plain, done = "", 0
        begins: list[int] = []
        ends: list[int] = []
        for found in (*_ESCAPED.finditer(line), None):
            start = found.start() if found else len(line)
            begins += range(done, start)
            ends += range(done + 1, start + 1)
            plain += line[done:start]
            if found:
                done = found.end()
                begins.append(start)
                ends.append(done)
                plain += _unescaped(found)
        stream = stream_of(plain)
        if not self._may_hold(stream):
            return []
        places = _Places(plain)
        spans = self._spans(places, stream)
        return [(begins[places.place(a)], ends[places.place(b - 1)]) for a, b in spans]


class _Forms:
    """Forms of a secret of which pieces of a certain length are looked for."""

    def __init__(self, texts: Sequence[str], least: int) -> None:
        """Take the forms as they are written."""
        self._least = least
        self._streams = {stream_of(text): text for text in texts}
        self._all = _END.join((b"", *self._streams, b""))
        edged = (one for one in self._streams if not one.isdigit())
        self._edged = _END.join((b"", *edged, b"")) if least < _LONG else b""
        self._longest = max(map(len, self._streams), default=0)

    def grams(self) -> Iterator[array[int]]:
        """Yield all that a look can hit, as numbers; a long piece has several of them in it."""
        every = 4 if self._least >= _LONG else 1
        for stream in self._streams:
            for place in range(_GRAM * every):
                if place // _STRIDE % every == 0:
                    yield _words(stream[place:])[::every]

    def end_of_piece(self, stream: bytes, start: int) -> int:
        """Find where a piece that begins here ends; 0 when it is none."""
        shortest = start + self._least
        if len(stream) >= shortest and stream[start:shortest] in self._all:
            longest = min(len(stream), start + self._longest)
            while shortest < longest:
                middle = (shortest + longest + 1) // 2
                if stream[start:middle] in self._all:
                    shortest = middle
                else:
                    longest = middle - 1
            return shortest
        return self._end_at_edge(stream, start) if self._edged else 0

    def _end_at_edge(self, stream: bytes, start: int) -> int:
        """Find the end of a shorter piece at the line's edge, or of one that is a whole line."""
        for end in range(min(len(stream), start + _PIECE - 1), start + _EDGE - 1, -1):
            piece = stream[start:end]
            at_start, at_end = start == 0, end == len(stream)
            if (
                (at_start and piece + _END in self._edged)
                or (at_end and _END + piece in self._edged)
                or (at_start and at_end and piece in self._edged)
            ):
                return end
        return 0

    def has_whole(self, piece: bytes) -> bool:
        """Whether a piece is all of a form."""
        return piece in self._streams


def _words(stream: bytes) -> array[int]:
    """Read bytes as numbers of eight bytes each; what is left at the end is dropped."""
    return array("Q", stream[: len(stream) & -8])


class _Places:
    """Where in a text the characters of its stream are."""

    def __init__(self, text: str) -> None:
        """Take the text; a long one is counted block by block."""
        self._text = text
        self._counts: list[int] | None = None

    def place(self, index: int) -> int:
        """Return the place in the text of a character of its stream."""
        if self._counts is None:
            blocks = range(0, len(self._text), _BLOCK)
            sizes = (len(stream_of(self._text[start : start + _BLOCK])) for start in blocks)
            self._counts = [0, *accumulate(sizes)]
        block = bisect_right(self._counts, index) - 1
        left = index - self._counts[block]
        for place in range(block * _BLOCK, len(self._text)):
            character = self._text[place]
            if character.isascii() and character.isalnum():
                if left == 0:
                    return place
                left -= 1
        return len(self._text)

    def text(self, start: int, end: int) -> str:
        """Return the text that a piece of the stream was made of."""
        return self._text[self.place(start) : self.place(end - 1) + 1]


def _is_mark(character: str) -> bool:
    return not character.isalnum() and not character.isspace()


def _unescaped(found: re.Match[str]) -> str:
    """Return the one character that an escape stands for."""
    if found["decimal"]:
        return chr(int(found["decimal"]) % 128)
    return chr(int(found["url"] or found["code"] or found["hex"], 16))


def _forms_of(secret: str) -> list[str]:
    """Return the secret's encodings: of those that work in groups only what is always the same."""
    raw = secret.encode("utf-8", "surrogatepass")
    quoted = quote(raw, safe="")
    forms = {secret[::-1], quoted, _small_digits(quoted), quote(quoted), quote(raw, safe="!'()*")}
    forms |= {raw.hex(), raw.hex().upper(), json.dumps(secret)[1:-1], html.escape(secret)}
    forms |= _base64_of(raw)
    forms = {form for form in forms if len(form) >= _SHORTEST_ENCODED} - {secret}
    return [secret, *sorted(forms, key=len, reverse=True)]


def _long_forms_of(secret: str) -> list[str]:
    """Return encodings that take much more room: escapes, lists of codes, base32, base64 twice."""
    raw = secret.encode("utf-8", "surrogatepass")
    patterns = ("x{:02x}", "0x{:02x}", "u{:04x}", "x{:04x}", "{:d}", "{:03o}", "25{:02x}")
    forms = {"".join(map(pattern.format, raw)) for pattern in patterns}
    forms.update(_aligned(base64.b32encode, raw, 5, 8))
    forms.update(*(_base64_of(form.encode()) for form in _base64_of(raw)))
    return [form for form in forms if len(form) >= _LONG]


def _small_digits(quoted: str) -> str:
    return re.sub("%..", lambda found: found.group().lower(), quoted)


def _base64_of(raw: bytes) -> set[str]:
    forms = set(_aligned(base64.b64encode, raw, 3, 4))
    return forms | {form.replace("+", "-").replace("/", "_") for form in forms}


def _aligned(
    encode: Callable[[bytes], bytes], raw: bytes, group: int, characters: int
) -> Iterator[str]:
    """Encode at each place of a group; yield the characters that depend on the secret alone."""
    for shift in range(group):
        encoded = encode(b"\0" * shift + raw).decode("ascii")
        first = -(-shift * characters // group)
        yield encoded[first : (shift + len(raw)) * characters // group]
