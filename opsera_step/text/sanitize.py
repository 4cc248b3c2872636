"""Make untrusted text safe to print: control characters and escape sequences.

What stays is readable characters, and colors (SGR) that end with their line. What is special to one
platform (GitHub's `::` and `##[`) is that platform's concern; the token is the redactor's. Pure.
Sources: ECMA-48 for the sequences, https://invisible-island.net/xterm/ctlseqs/ctlseqs.html.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import islice

RESET = "\x1b[0m"

_ESCAPES = re.compile(
    r"""
    [\x1b\x90\x98\x9b\x9d-\x9f]                    # one class first: that makes searching quick
    (?: (?:(?<=\x1b)\[|(?<=\x9b))
        (?: (?P<sgr>[0-9;:]*) m                     # SGR: colors, kept
          | [0-?]* [ -/]* [@-~]? )                  # any other CSI: cursor, erase, modes
      | (?:(?<=\x1b)[\]PX^_]|(?<=[^\x1b\x9b]))      # OSC, DCS, SOS, PM, APC: a string …
        [^\x07\x1b\x9c\n\r]* (?:\x07|\x1b\\|\x9c)?  # … up to its end, or the end of the line
      | [ -/]* [0-~]? )                             # two-character sequences, character sets
    """,
    re.VERBOSE,
)
_COLORS = re.compile(r"\x1b\[[0-9;:]*m")
_ONLY_COLORS = re.compile(r"(?:\x1b\[[0-9;:]*m)*")
# Besides the escape sequences: controls, lone surrogates, characters at which some readers of a log
# break a line, and explicit direction controls, which can show text in another order than it is.
_UNSAFE = re.compile(
    "[\x00-\x08\x0a-\x1a\x1c-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
_NEEDS_CARE = re.compile(f"\x1b|{_UNSAFE.pattern}")
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")
_BREAKS = frozenset("\n\x0b\x0c\r\x1c\x1d\x1e\x1f\x85\u2028\u2029")
_FIGURES = re.compile(
    r"(?<!\w)\d[\d.,:]*\s?(?:(?:[kKMGT]?i?B|[kKMGT]?bit)(?:/s|ps)?\b|ms\b|[smhd]\b)?"
    r"|[\s.,:;%/|\\\[\]()<>=#*+~_━╸╺─█▉▊▋▌▍▎▏░▒▓⠀-⣿-]+"
)
_PROGRESS = re.compile(
    r"\d\s?%|--:--|\d\s?[kKMGT]?i?B/s|\d\s?/\s?\d[\d.]*\s?[kKMGT]i?B\b"
    r"|[━╸╺█▉▊▋▌▍▎▏░▒▓⠀-⣿]|[=#>][ .-]*\]|\x1b\[\d?K"
)
"""What shows that a line is redrawn: a percentage, a rate, a bar, a spinner, an erased line."""

_PERCENTAGE = re.compile(r"(\d{1,3}(?:\.\d{1,3})?)\s?%")
_SPINNER = " |/\\-"
_FRAME = re.compile(r"[^\r]+")
_FRAMES = 10_000
_BLOCK = 1 << 16

_SGR_CODE = re.compile(r"[345]8;(?:5;\d{1,3}|2;\d{1,3};\d{1,3};\d{1,3})(?![^;])|\d+")
_ON = {code: code for code in (1, 2, 3, 4, 5, 7, 9)} | {6: 5, 21: 4}
_ON |= dict.fromkeys((*range(30, 38), *range(90, 98)), 38)
_ON |= dict.fromkeys((*range(40, 48), *range(100, 108)), 48)
"""Which attribute an SGR code sets. What is not in here (fonts, frames, conceal) is dropped."""
_OFF = {0: (0,), 22: (1, 2), 23: (3,), 24: (4,), 25: (5,), 27: (7,)}
_OFF |= {29: (9,), 39: (38,), 49: (48,), 55: (53,), 59: (58,)}
_LONGEST_SGR = 200
_MOST_COLORS = 16
_MOST_SEQUENCES = 50_000


class LineCleaner:
    """Turns the lines of one stream of untrusted text into lines that are safe to print.

    Colors carry over from line to line within the stream, as a terminal would show them, but each
    returned line begins and ends without color. With `color` false they are dropped.
    """

    def __init__(self, color: bool = True) -> None:
        self._color = color
        self._style: dict[int, str] = {}

    @property
    def is_plain(self) -> bool:
        """Whether no color of an earlier line carries over."""
        return not self._style

    def clean(self, line: str) -> str:
        """Return the line without anything that a terminal or a log viewer would interpret."""
        # isprintable() is false for all that needs care, and much quicker than the search.
        if not self._style and (line.isprintable() or not _NEEDS_CARE.search(line)):
            return line
        before = f"\x1b[{';'.join(self._style.values())}m" if self._style else ""
        # Each color that is kept takes memory; a line with very many of them is no log.
        keeps = line.count("\x1b") <= _MOST_SEQUENCES
        body = _UNSAFE.sub(_replaced, _ESCAPES.sub(self._keep_color if keeps else "", line))
        if _ONLY_COLORS.fullmatch(body):
            return ""
        body = before + body
        return body + RESET if "\x1b" in body and not body.endswith(RESET) else body

    def _keep_color(self, found: re.Match[str]) -> str:
        parameters = found["sgr"]
        if parameters is None or not self._color:
            return ""
        sequence, changes = _read_sgr(parameters[:_LONGEST_SGR])
        for attribute, code in changes:
            if attribute == 0:
                self._style.clear()
            elif code:
                self._style[attribute] = code
            else:
                self._style.pop(attribute, None)
        return sequence


@lru_cache(1024)
def _read_sgr(parameters: str) -> tuple[str, list[tuple[int, str]]]:
    """Return the sequence that is kept of SGR, and which attributes it sets or (with "") ends."""
    if ":" in parameters:
        return "", []  # underline styles and color spaces that log viewers don't know
    codes: list[str] = []
    changes: list[tuple[int, str]] = []
    for code in _SGR_CODE.findall(re.sub(r"(?<![^;])(?![^;])", "0", parameters)):
        kind, extended = int(code.partition(";")[0]), ";" in code
        attribute = kind if extended else _ON.get(kind)
        if attribute is None and kind not in _OFF:
            continue
        codes.append(code if extended else str(kind))
        changes += [(attribute, codes[-1])] if attribute else [(one, "") for one in _OFF[kind]]
    return f"\x1b[{';'.join(codes)}m" if codes else "", changes


def _replaced(found: re.Match[str]) -> str:
    character = found.group()
    if character in _BREAKS:
        return " "
    if _BIDI.match(character):
        return f"<U+{ord(character):04X}>"
    return "\ufffd" if character >= "\ud800" else ""


def clean_inline(text: str, limit: int = 500) -> str:
    """Return a name or a message as one safe line without colors, cut to `limit` characters."""
    cleaner = LineCleaner(color=False)
    line = " ".join(part for part in (cleaner.clean(raw) for raw in split_lines(text)) if part)
    line = " ".join(line.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def split_lines(text: str, start: int = 0, end: int | None = None) -> Iterator[str]:
    r"""Split a text, or a part of it, at line ends.

    A bare CR ends a line too, but a redrawn progress line shows once. A terminal shows only the
    last of `10%\r20%\r100%`. Frames that show progress and differ only in figures and bars are such
    redraws; a CR between any other texts keeps both. Where most CRs are between other texts, the
    log has CR line ends, and its progress lines are lines too.
    """
    end = len(text) if end is None else end
    while start <= end:
        # In blocks, because a list of all lines can take many times the memory of the text.
        block_end = text.find("\n", start + _BLOCK, end)
        block_end = end if block_end < 0 else block_end
        for line in text[start:block_end].split("\n"):
            if "\r" in line:
                yield from _settle_frames(line)
            else:
                yield line
        start = block_end + 1


def _settle_frames(line: str) -> Iterator[str]:
    """Split at CRs, without the frames that the next one redraws; but keep their colors."""
    last = ""
    frames = (found.group() for found in _FRAME.finditer(line))
    while block := list(islice(frames, _FRAMES)):
        *settled, last = _settle_block([last, *block])
        yield from settled
    yield last


def _settle_block(frames: Iterable[str]) -> list[str]:
    raw: list[str] = []
    plain: list[str] = []
    colors = ""
    for frame in frames:
        text = frame if frame.isprintable() else _ESCAPES.sub("", frame)
        if text.strip():
            raw.append(colors + frame)
            plain.append(text)
            colors = ""
        else:
            # Only the codes matter: colors that last, and that the line was erased.
            colors += "".join(found.group() for found in _ESCAPES.finditer(frame))
    redrawn = [
        _redraws(before, after, one + two)
        for before, after, one, two in zip(plain, plain[1:], raw, raw[1:], strict=False)
    ]
    if 2 * sum(redrawn) < len(redrawn):
        redrawn = [False] * len(redrawn)
    settled: list[str] = []
    shown = ""
    for frame, is_redrawn in zip(raw, [*redrawn, True], strict=False):
        shown = _colors_of(shown) + frame
        if not is_redrawn:
            settled.append(shown)
            shown = ""
    return [*settled, shown + _colors_of(colors)]


def _redraws(before: str, after: str, raw: str) -> bool:
    """Whether a frame shows the progress of the one before it, rather than other text."""
    if not _PROGRESS.search(raw):
        # A spinner of ASCII characters turns, and nothing else changes.
        return before != after and before.strip(_SPINNER) == after.strip(_SPINNER)
    (words, share), (next_words, next_share) = _progress_of(before), _progress_of(after)
    # Progress does not go back.
    return (
        share <= next_share and next_words[: len(words)] == words and bool(words or not next_words)
    )


@lru_cache(4)
def _progress_of(frame: str) -> tuple[list[str], float]:
    """Return the words of a frame, and its percentage, 0 if it has none."""
    share = _PERCENTAGE.search(frame)
    return _FIGURES.sub(" ", frame).split(), float(share[1]) if share else 0


def _colors_of(text: str) -> str:
    found = (match.group() for match in _ESCAPES.finditer(text) if match["sgr"] is not None)
    return "".join(deque(found, _MOST_COLORS))


def plain(line: str) -> str:
    """Return a cleaned line without its colors."""
    return _COLORS.sub("", line) if "\x1b" in line else line
