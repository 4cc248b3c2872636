"""Replace the access token in text by `***`: exact, URL-encoded, JSON-escaped, in hex or base64.

What is searched is not the text itself but *views* of it: one without the characters that do not
show (color codes, line breaks, control characters, everything outside of ASCII, which a token can't
contain), and from that one in which URL escapes and one in which JSON escapes are decoded. Finding
a form is a substring search, which Python does in linear time; an alternation of all forms with
optional separators would take 100 ms to compile for a token of usual length. Pure.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Sequence

MASK = "***"
MIN_LENGTH = 8
"""A shorter secret is not searched for: it would be found within ordinary words."""

_BREAKS = r"\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029"
_SEQUENCE = r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[ -/]+[0-~])?|\x9b(?:[0-?]*[ -/]*[@-~])?"
_HIDDEN = re.compile(rf"{_SEQUENCE}|\A[ \t]+|[{_BREAKS}]+[ \t]*|[^\t -~\x1b\x9b{_BREAKS}]+")
"""Color codes and the like, line breaks with indentation, and all that is not visible ASCII."""
_HIDDEN_CONTROLS = re.compile(
    r"\x1b(?:\[[0-9;:]*m|\([0AB])?|\x9b(?:[0-9;:]*m)?"
    rf"|\A[ \t]+|[{_BREAKS}]+[ \t]*|[^\t -~\x1b\x9b{_BREAKS}]+"
)
"""The same, but of sequences other than colors only the character that they begin with."""
_ESCAPES = {
    "%": re.compile(r"%([0-9A-Fa-f]{2})"),
    "\\": re.compile(r"\\u001[bB]\[[0-9;]*m|\\u([0-9A-Fa-f]{4})|\\(.)", re.DOTALL),
}
"""Escapes of URLs and of JSON by the character that they begin with."""
_TAKEN = {
    "%": re.compile(r"[0-9A-Fa-f]{1,2}"),
    "\\": re.compile(r"u[0-9A-Fa-f]{4}|[0-9;]*m|[0-9A-Fa-f]{1,4}|[bfnrt]"),
}
"""What an unfinished escape before a token, such as the `%` of `50%`, takes off its beginning."""
_CUT_ESCAPE = re.compile(r"(?:%[0-9A-Fa-f]?|\\(?:u[0-9A-Fa-f]{0,3})?)\Z")
_LONGEST_ESCAPE = 6
_CHUNK = 1 << 16
_PLAIN = bytes({*range(0x20, 0x7F), 0x09} - {*b"%\\"})
"""Characters that hide nothing and escape nothing."""
_MAX_ESCAPES = _MAX_HIDDEN = 1_000_000
"""In one line, less than a second of work. A line that has more escapes, or more hidden characters
around a token, is masked as a whole.
"""

Span = tuple[int, int]


class RedactionState:
    """What a stream of lines ended with, to find a token that line ends cut into pieces."""

    __slots__ = ("is_open", "tail")

    def __init__(self) -> None:
        self.tail = ""
        self.is_open = False
        """Whether the last line ended with the beginning of a token, or within an escape."""


class Redactor:
    """Replaces secrets, in each form in which programs print secrets."""

    def __init__(self, *secrets: str) -> None:
        long = [secret for secret in secrets if len(secret) >= MIN_LENGTH]
        self._forms = tuple(form for secret in long for form in _forms_of(secret))
        self._taken_forms = {
            mark: tuple(
                form[taken.end() :]
                for form in self._forms
                if (taken := start.match(form)) and len(form) - taken.end() >= MIN_LENGTH - 2
            )
            for mark, start in _TAKEN.items()
        }
        self._shortest = min(map(len, self._forms), default=0)
        self._longest = max(map(len, self._forms), default=0)
        self._reach = _LONGEST_ESCAPE * self._longest
        """Characters that a form takes at most, if each of its characters is escaped."""
        self._edge = edge = min((min(8, len(secret) // 2) for secret in long), default=0)
        """Characters of a form's beginning that are masked at the end of a line."""
        self._windows = frozenset(
            form[at : at + edge] for form in self._forms for at in range(len(form) - edge + 1)
        )

    def take_harmless(self, lines: Sequence[str], state: RedactionState) -> bool:
        """Take many lines at once if none of them can hide or hold a part of a secret.

        False if they may; then nothing is taken, and each line has to be redacted by itself.
        """
        text = "".join([line.strip(" \t") for line in lines])
        if state.is_open or not text.isascii() or text.encode("ascii").translate(None, _PLAIN):
            return False
        whole = state.tail + text
        starts = {form[: self._edge] for form in self._forms}
        if any(start in whole for start in starts) or self._ends_inside(whole[-self._reach :]):
            return False
        state.tail = whole[-self._reach :]
        return True

    def redact_sequences(self, text: str) -> str:
        """Return the text without a secret that its escape sequences would swallow in part.

        This comes before escape sequences are removed: an unfinished one before a token takes the
        first characters of the token with it, and then the rest is not found.
        """
        if "\x1b" not in text and "\x9b" not in text:
            return text
        return self.redact(text, hidden=_HIDDEN_CONTROLS)

    def redact_shortened(self, text: str) -> str:
        """Return the text without a secret, and without the beginning of one before an ellipsis.

        Text of the API may have been cut before it comes here.
        """
        text = self.redact(text)
        *cut, last = text.split("…")
        return "…".join([*(self.redact(part, RedactionState()) for part in cut), last])

    def redact(
        self, line: str, state: RedactionState | None = None, hidden: re.Pattern[str] = _HIDDEN
    ) -> str:
        """Return the text without the secret.

        With a `state`, which belongs to one stream of lines, a secret is found across line ends,
        and its beginning at the end of a line is masked before the rest of it arrives.
        """
        if not self._forms:
            return line
        text, before, suspect = _visible(line, hidden), "", False
        if state is not None:
            before = state.tail if state.is_open or self._may_continue(text) else ""
            suspect = state.is_open or bool(before and len(text) >= self._edge)
            tail = before + text
            has_escapes = "%" in tail or "\\" in tail
            state.tail = tail[-(self._reach if has_escapes else self._longest) :]
            state.is_open = _CUT_ESCAPE.search(state.tail, len(state.tail) - 5) is not None
            suspect = suspect or self._ends_inside(state.tail)
        if not (suspect or (len(text) >= self._shortest and self._may_hold_form(text))):
            return line  # almost every line
        whole = before + text
        if whole.count("%") + whole.count("\\") > _MAX_ESCAPES:
            return MASK
        spans = list(self._find(whole, open_end=state is not None))
        if state is not None:
            state.is_open |= any(end == len(whole) for _, end in spans)
        if spans and len(line) - len(text) > _MAX_HIDDEN:
            return MASK
        spans = [(max(a - len(before), 0), b - len(before)) for a, b in spans if b > len(before)]
        if not spans:
            return line
        parts: list[str] = []
        done = 0
        for first, end in _origins(spans, _pieces(hidden, line)):
            parts += line[done:first], MASK
            done = end
        return "".join((*parts, line[done:]))

    def _may_hold_form(self, text: str) -> bool:
        return "%" in text or "\\" in text or any(map(text.__contains__, self._forms))

    def _may_continue(self, text: str) -> bool:
        """Whether a line can continue a token: it begins with a piece of one, or is very short."""
        edge = self._edge
        if len(text) < edge or text[:edge] in self._windows:
            return True
        head = text[: edge * _LONGEST_ESCAPE + _LONGEST_ESCAPE]
        return any(
            len(view) < edge or view[:edge] in self._windows for view in _decoded_views(head)
        )

    def _ends_inside(self, text: str) -> bool:
        """Whether the end of a line can be a part of a token."""
        edge = self._edge
        if text[-edge:] in self._windows:
            return True
        last = text[-(edge + 1) * _LONGEST_ESCAPE :]
        return any(view[-edge:] in self._windows for view in _decoded_views(last))

    def _find(self, text: str, *, open_end: bool) -> Iterator[Span]:
        """Find the forms in all views of a text; the spans may overlap."""
        yield from self._find_forms(self._forms, text, open_end=open_end)
        for mark, escape in _ESCAPES.items():
            # Chunks overlap by the longest form, so that memory stays small and nothing is missed.
            for start in range(0, len(text) if mark in text else 0, _CHUNK):
                chunk = text[start : start + _CHUNK + self._reach]
                is_last = open_end and start + len(chunk) == len(text)
                cut = _CUT_ESCAPE.search(chunk, len(chunk) - _LONGEST_ESCAPE) if is_last else None
                chunk = chunk[: cut.start()] if cut else chunk
                forms = self._forms + self._taken_forms[mark]
                found = self._find_forms(forms, escape.sub(_decoded, chunk), open_end=is_last)
                for first, end in _origins(found, _pieces(escape, chunk)):
                    yield start + first, len(text) if cut and end == len(chunk) else start + end

    def _find_forms(self, forms: Sequence[str], view: str, *, open_end: bool) -> Iterator[Span]:
        for form in forms:
            at = view.find(form)
            while at >= 0:
                yield at, at + len(form)
                at = view.find(form, at + len(form))
        last = view[-self._edge :]
        if open_end and last in self._windows:
            for form in forms:
                for found in re.finditer(re.escape(last), form):
                    if view.endswith(form[: found.end()]):
                        yield len(view) - found.end(), len(view)


def _forms_of(secret: str) -> tuple[str, ...]:
    """Return the secret and its encodings: of base64 the characters that depend on it alone."""
    raw = secret.encode("utf-8", "surrogatepass")
    forms = [_visible(secret), raw.hex(), raw.hex().upper()]
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + raw).decode("ascii")
        form = encoded[-(-shift * 4 // 3) : (shift + len(raw)) * 4 // 3]
        forms += form, form.replace("+", "-").replace("/", "_")
    return tuple(dict.fromkeys(form for form in forms if len(form) >= MIN_LENGTH))


def _visible(text: str, hidden: re.Pattern[str] = _HIDDEN) -> str:
    """Return a text without what does not show in it."""
    text = text.strip(" \t")
    if text.isprintable():
        return text if text.isascii() else text.encode("ascii", "ignore").decode("ascii")
    return hidden.sub("", text)


def _decoded_views(text: str) -> list[str]:
    if "%" not in text and "\\" not in text:
        return []
    cut = _CUT_ESCAPE.search(text, max(0, len(text) - _LONGEST_ESCAPE))
    text = text[: cut.start()] if cut else text
    return [escape.sub(_decoded, text) for mark, escape in _ESCAPES.items() if mark in text]


def _decoded(escape: re.Match[str]) -> str:
    code = escape[1]
    if code:
        return chr(int(code, 16)) if 0x20 < int(code, 16) < 0x7F else ""
    # In between the characters of a token \n is a line break, and \/ is how PHP writes a slash.
    character = escape[escape.lastindex] if escape.lastindex else ""
    return "" if character in "bfnrt" else character


def _pieces(pattern: re.Pattern[str], text: str) -> Iterator[tuple[int, int, int]]:
    """Yield what a view was made of: start and end in the text, and length in the view."""
    done = 0
    for found in pattern.finditer(text):
        yield done, found.start(), found.start() - done
        size = len(_decoded(found)) if pattern in _ESCAPES.values() else 0
        yield found.start(), found.end(), size
        done = found.end()
    yield done, len(text), len(text) - done


def _origins(spans: Iterable[Span], pieces: Iterator[tuple[int, int, int]]) -> Iterator[Span]:
    """Translate spans of a view into spans of the text that it was made of, without overlaps."""
    start = end = size = view = 0

    def place(index: int) -> Span:
        nonlocal start, end, size, view
        while index >= view + size:
            view += size
            start, end, size = next(pieces)
        return (start + index - view,) * 2 if size == end - start else (start, end - 1)

    for first, last in _merged(spans):
        yield place(first)[0], place(last - 1)[1] + 1


def _merged(spans: Iterable[Span]) -> Iterator[Span]:
    current: Span | None = None
    for first, end in sorted(spans):
        if current is not None and first <= current[1]:
            current = current[0], max(end, current[1])
            continue
        if current is not None:
            yield current
        current = first, end
    if current is not None:
        yield current
