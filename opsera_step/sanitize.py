"""Make untrusted text safe to print: control characters, escape sequences, and the token.

What stays is what a reader wants: characters, and colours (SGR) that end with their line. What is
special to one platform (GitHub's `::` and `##[`) is that platform's own affair.
Sources: ECMA-48 for the sequences, https://invisible-island.net/xterm/ctlseqs/ctlseqs.html.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from urllib.parse import quote

RESET = "\x1b[0m"

_ESCAPES = re.compile(
    r"""
    (?:\x1b\[|\x9b) (?P<sgr>[0-9;:]*) m            # SGR: colours, kept
  | (?:\x1b\[|\x9b) [0-?]* [ -/]* [@-~]?           # any other CSI: cursor, erase, modes
  | (?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])           # OSC, DCS, SOS, PM, APC: a string …
      [^\x07\x1b\x9c\n\r]* (?:\x07|\x1b\\|\x9c)?   # … up to its end, or the end of the line
  | \x1b [ -/]* [0-~]?                             # two-character sequences, character sets
    """,
    re.VERBOSE,
)
_STRAY = re.compile(r"[\x00-\x08\x0e-\x1a\x7f-\x84\x86-\x9f\ud800-\udfff]")
# Characters at which some readers of a log break a line, though it is none for us.
_OTHER_BREAKS = re.compile("[\x0b\x0c\x1c-\x1f\x85\u2028\u2029]")
# Explicit direction controls: they can show text in another order than it is read.
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")
_NEEDS_CARE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_FRAME_NOISE = re.compile(r"[\d\s.,:;%/|\\\[\]()<>=#*+~_━╸╺─█▉▊▋▌▍▎▏░▒▓⠀-⣿-]+|[kKMGT]?i?B(?:/s)?\b")
_CONCEAL = "8"


class LineCleaner:
    """Turn the lines of one stream of untrusted text into lines that are safe to print.

    Colours carry over from line to line within the stream, as a terminal would show them, but
    each line that comes out begins and ends without colour. With `colour` off all are dropped.
    """

    def __init__(self, colour: bool = True) -> None:
        """Keep colours, or drop them."""
        self._colour = colour
        self._active: list[str] = []

    def clean(self, line: str) -> str:
        """Return the line without anything that a terminal or a log viewer would obey."""
        if not self._active and not _NEEDS_CARE.search(line):
            return line
        before = "".join(self._active)
        body = _ESCAPES.sub(self._keep_colour, line)
        body = _OTHER_BREAKS.sub(" ", body)
        body = _STRAY.sub("", body.translate(_SURROGATES))
        body = _BIDI.sub(lambda found: f"<U+{ord(found.group()):04X}>", body)
        if not _ESCAPES.sub("", body):
            return ""
        body = before + body
        return body + RESET if "\x1b" in body and not body.endswith(RESET) else body

    def _keep_colour(self, found: re.Match[str]) -> str:
        parameters = found.group("sgr")
        if parameters is None or not self._colour:
            return ""
        codes = [code for code in parameters.split(";") if code != _CONCEAL]
        if parameters and not codes:
            return ""
        sequence = f"\x1b[{';'.join(codes)}m"
        if not "".join(codes).strip("0"):
            self._active.clear()
        else:
            # A stream that only ever adds colours must not make its lines grow without end.
            self._active = [*self._active[-7:], sequence]
        return sequence


_SURROGATES = {code: "\ufffd" for code in range(0xD800, 0xE000)}


def clean_inline(text: str, limit: int = 500) -> str:
    """Return a name or a message as one safe line without colours, cut to `limit` characters."""
    cleaner = LineCleaner(colour=False)
    line = " ".join(part for part in (cleaner.clean(raw) for raw in split_lines(text)) if part)
    line = " ".join(line.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def split_lines(text: str) -> Iterator[str]:
    """Split at line ends; a bare CR ends a line too, but a redrawn progress line shows once.

    A terminal shows of `10%\\r20%\\r100%` the last only. Frames that differ just in figures and
    bars are such redraws; a CR between different texts keeps both.
    """
    for line in text.split("\n"):
        if "\r" not in line:
            yield line
            continue
        yield from _settle_frames(line.rstrip("\r").split("\r"))


def _settle_frames(frames: list[str]) -> Iterator[str]:
    shown = [frame for frame in frames if frame.strip()] or [""]
    for frame, following in zip(shown, [*shown[1:], None]):
        if following is None or not _redraws(frame, following):
            yield frame


def _redraws(frame: str, following: str) -> bool:
    words, next_words = _words(frame), _words(following)
    return next_words[: len(words)] == words and bool(words or not next_words)


def _words(frame: str) -> list[str]:
    return _FRAME_NOISE.sub(" ", _ESCAPES.sub("", frame)).split()


class Redactor:
    """Replace a secret, in all forms in which it might show, by `***`.

    Forms: raw, URL-encoded, base64 (at each of the three alignments, both alphabets), hex, and
    pieces of it where a line end cut it in two. Lines are given one by one.
    """

    MASK = "***"
    _EDGE = 8
    """A cut piece this long at the edge of a line is taken for the secret's."""

    def __init__(self, secret: str) -> None:
        """Prepare the forms; an empty or very short secret redacts nothing but itself."""
        self._forms = _forms_of(secret) if secret else []
        pattern = "|".join(re.escape(form) for form in sorted(self._forms, key=len, reverse=True))
        self._whole = re.compile(pattern) if pattern else None
        self._edged = [form for form in self._forms if len(form) >= 2 * self._EDGE]

    def redact(self, line: str) -> str:
        """Return the line without the secret or pieces of it at its ends."""
        if self._whole is None:
            return line
        line = self._whole.sub(self.MASK, line)
        for form in self._edged:
            line = self._redact_edges(line, form)
        return line

    def _redact_edges(self, line: str, form: str) -> str:
        start = line.find(form[-self._EDGE :])
        if start >= 0 and form.endswith(line[: start + self._EDGE]):
            line = self.MASK + line[start + self._EDGE :]
        end = line.rfind(form[: self._EDGE])
        if end >= 0 and form.startswith(line[end:]):
            return line[:end] + self.MASK
        # A wrapped secret leaves lines that are nothing but a middle piece of it.
        middle = line.strip()
        if len(middle) >= 2 * self._EDGE and middle in form:
            return line.replace(middle, self.MASK)
        return line


def _forms_of(secret: str) -> list[str]:
    raw = secret.encode("utf-8", "surrogatepass")
    forms = {secret, quote(secret, safe=""), raw.hex(), raw.hex().upper()}
    for shift in range(3):
        # Of base64 only the characters that depend on the secret alone are the same each time.
        encoded = base64.b64encode(b"\0" * shift + raw).decode("ascii")
        first = -(-shift * 8 // 6)
        last = (shift + len(raw)) * 8 // 6
        piece = encoded[first:last]
        forms |= {piece, piece.replace("+", "-").replace("/", "_")}
    shortest = min(4, len(secret))
    return [form for form in forms if len(form) >= shortest]
