"""A person at a terminal: colours, and a last line that moves and leaves no trace."""

from __future__ import annotations

import re
import shutil
import unicodedata
from collections.abc import Mapping, Sequence
from typing import TextIO

from opsera_step.platforms.base import ERROR, WARNING, Platform

_ERASE_LINE = "\r\x1b[K"
_BOLD, _DIM, _RED, _YELLOW, _PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[33m", "\x1b[0m"
_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_SGR = re.compile(r"\x1b\[[0-9;:]*m")


def can_move_cursor(environ: Mapping[str, str], out: TextIO) -> bool:
    """Whether this is a terminal on which a line can be drawn anew."""
    return out.isatty() and environ.get("TERM", "") not in ("", "dumb")


class Terminal(Platform):
    """An interactive terminal."""

    name = "terminal"
    colour = True
    tick = 0.5
    _frame = 0
    _status_shown = False

    def say(self, text: str, level: str = "") -> None:
        """Print a line of ours, coloured by its level."""
        colour = {WARNING: _YELLOW, ERROR: _RED}.get(level, _DIM)
        self._write([self._paint(text, colour)])

    def open_group(self, title: str) -> None:
        """Print a headline."""
        self.close_group()
        self._write([self._paint(f"── {title} ", _BOLD)])
        self._group_open = True

    def annotate(self, level: str, title: str, text: str) -> None:
        """Print the message so that it stands out."""
        colour = {WARNING: _YELLOW, ERROR: _RED}.get(level, _PLAIN)
        self._write([f"{self._paint(title, _BOLD + colour)}: {text}"])

    def status_line(self, text: str) -> None:
        """Draw the moving line; empty text takes it away."""
        if not text and not self._status_shown:
            return
        self._frame = (self._frame + 1) % len(_FRAMES)
        width = shutil.get_terminal_size().columns - 1
        line = _fit(f"{_FRAMES[self._frame]} {text}", width) if text else ""
        self._put(_ERASE_LINE + self._paint(line, _DIM))
        self._status_shown = bool(text)

    def _write(self, lines: Sequence[str]) -> None:
        if self._status_shown:
            self._put(_ERASE_LINE)
            self._status_shown = False
        super()._write(lines)

    def _paint(self, text: str, colour: str) -> str:
        return f"{colour}{text}{_PLAIN}" if self.colour and text else text


def _fit(text: str, width: int) -> str:
    """Cut text to a number of terminal columns; wide characters take two."""
    text = _SGR.sub("", text)
    used = 0
    for position, character in enumerate(text):
        used += 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if used > width:
            return text[: max(0, position - 1)] + "…"
    return text
