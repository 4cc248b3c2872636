"""An interactive terminal: colors, and lines at the bottom that are redrawn and removed."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import TextIO

from opsera_step.platforms.base import (
    DEBUG,
    ERROR,
    WARNING,
    Platform,
    first_sentence,
    headed,
    in_ci,
    label,
)
from opsera_step.text import columns_of, cut

_ERASE_LINE, _UP = "\r\x1b[K", "\x1b[A"
_BOLD, _DIM, _RED, _YELLOW, _PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[33m", "\x1b[0m"
_COLORS = {"✓": "\x1b[32m", "●": "\x1b[36;1m", "✗": _RED, "‖": _YELLOW}
"""Colors of lines that are drawn, by their first sign; the others are dim."""
_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_RULE = "─" * 24
_MOST_LINES = 12
_SHARE = 3
_WIDEST = 60
_WORD = re.compile(r"\s*\S+")
_SGR = re.compile(r"\x1b\[[0-9;:]*m")


def can_move_cursor(environ: Mapping[str, str], out: TextIO) -> bool:
    """Whether this is an interactive terminal on which lines can be redrawn.

    Some CI systems give their jobs a pseudo-terminal, and keep all that is drawn there.
    """
    return not in_ci(environ) and out.isatty() and environ.get("TERM", "") not in ("", "dumb")


def window_size(environ: Mapping[str, str], out: TextIO) -> os.terminal_size:
    """Return the columns and lines of the window that a stream is shown in.

    COLUMNS and LINES apply if the stream has no size; without these it is 80 by 24.
    """
    try:
        columns, lines = os.get_terminal_size(out.fileno())
    except (OSError, ValueError, AttributeError):
        columns = lines = 0
    return os.terminal_size(
        (columns or _number(environ, "COLUMNS", 80), lines or _number(environ, "LINES", 24))
    )


class Terminal(Platform):
    """An interactive terminal."""

    name = "terminal"
    color = True
    tick = 0.5
    _frame = 0
    _drawn: tuple[int, ...] = ()
    """The width of each line that is drawn below the log."""
    _painted = ""
    """The lines that are drawn, with their colors."""

    def print_message(self, text: str, level: str = "") -> None:
        """Print one of our messages, colored by its level."""
        color = {WARNING: _YELLOW, ERROR: _RED}.get(level) or _COLORS.get(text[:1], _DIM)
        shown = text if level != DEBUG else f"{label(level)}{text}"
        self._write([self._paint(line, color) for line in self._wrapped(shown)])

    def open_group(self, title: str) -> None:
        """Print a headline."""
        self.close_group()
        self._write([self._paint(f"── {title} ", _BOLD)])
        self._group_open = True

    def annotate(self, level: str, title: str, text: str, details: Sequence[str] = ()) -> None:
        """Print the message so that it stands out."""
        color = {WARNING: _YELLOW, ERROR: _RED}.get(level, _PLAIN)
        shown = headed(title, text)
        bold = len(title) if shown != text else len(first_sentence(text))
        lines = []
        for line in (part for one in shown.split("\n") for part in self._wrapped(one)):
            start = line[: max(0, bold)]
            lines.append(self._paint(start, _BOLD + color) + line[len(start) :])
            bold -= len(line) + 1
        self._write(lines)

    @property
    def room(self) -> int:
        """A part of the window's height, so that the log stays in sight."""
        return max(1, min(_MOST_LINES, self._window.lines // _SHARE) - 1)

    def draw(self, lines: Sequence[tuple[str, str]]) -> None:
        """Draw lines below the log in place of those before; without any, remove these.

        The last line gets a spinner. None is as wide as the window, because a line that
        wraps could not be erased.
        """
        if not lines and not self._drawn:
            return
        self._frame = (self._frame + 1) % len(_FRAMES)
        width = self._window.columns - 1
        drawn = [_RULE[:width]] if len(lines) > 1 else []
        drawn += [_fit(line, width) for line in _aligned(lines[:-1], width)]
        drawn += [_fit(f"{_FRAMES[self._frame]} {text}", width) for text, _ in lines[-1:]]
        painted = (self._paint(line, _COLORS.get(line[:1], _DIM)) for line in drawn)
        self._painted = "\n".join(painted)
        self._put(self._erasure() + self._painted)
        self._drawn = tuple(map(columns_of, drawn))

    @property
    def _window(self) -> os.terminal_size:
        return window_size(self._environ, self._out)

    def _erasure(self) -> str:
        """Erase what is drawn; in a window that was made narrower its lines take more rows."""
        if not self._drawn:
            return ""
        width = max(1, self._window.columns)
        rows = sum(max(1, -(-one // width)) for one in self._drawn)
        return _ERASE_LINE + f"{_UP}{_ERASE_LINE}" * (rows - 1)

    def _write(self, lines: Sequence[str]) -> None:
        erasure = self._erasure()
        if self._drawn and max(self._drawn) >= self._window.columns:
            # The window was made narrower; the next drawing fits it.
            self._drawn, self._painted = (), ""
        # What is drawn comes back in the same write: without it for a moment the screen flickers.
        self._put(erasure + "".join(f"{line}\n" for line in lines) + self._painted)

    def _wrapped(self, text: str) -> list[str]:
        """Break a message between words where it is wider than the window; URLs stay whole."""
        width = max(20, self._window.columns)
        return [part for line in text.split("\n") for part in _wrapped_line(line, width)]

    def _paint(self, text: str, color: str) -> str:
        return f"{color}{text}{_PLAIN}" if self.color and text else text


def _number(environ: Mapping[str, str], name: str, default: int) -> int:
    value = environ.get(name, "")
    return int(value) if value.isdecimal() and 0 < len(value) < 6 and int(value) else default


def _aligned(lines: Sequence[tuple[str, str]], width: int) -> list[str]:
    """Put the times into a column of their own, where there is room for it."""
    longest = max((columns_of(text) for text, _ in lines), default=0)
    times = max((len(time) for _, time in lines), default=0)
    room = min(longest, _WIDEST, max(8, width - times - 2))
    fitted = ((_fit(text, room), time) for text, time in lines)
    return [
        f"{text}{' ' * (room - columns_of(text))}  {time:>{times}}" if time else text
        for text, time in fitted
    ]


def _wrapped_line(line: str, width: int) -> list[str]:
    lines, current = [], ""
    for word in _WORD.findall(line):
        if current and columns_of(current + word) > width:
            lines.append(current)
            current = word.lstrip()
        else:
            current += word
    return [*lines, current]


def _fit(text: str, width: int) -> str:
    """Cut text to a number of terminal columns, without its colors."""
    return cut(_SGR.sub("", text), width)
