"""What a terminal would obey in a text, other than printing it, ending lines and setting colors.

A small parser of control functions after ECMA-48 and xterm's ctlseqs, with the states of the usual
VT500 diagram: ground, escape, control sequence, control string.
"""

from __future__ import annotations

from dataclasses import dataclass, field

_CSI_KINDS = {
    **dict.fromkeys("ABCDEFGHIZ`adefksu", "cursor"),
    **dict.fromkeys("JKX@LMPST", "erase"),
    **dict.fromkeys("hl", "mode"),
    **dict.fromkeys("cnxy", "report"),
    "b": "repeat",
    "g": "tabs",
    "i": "print",
    "p": "reset",
    "q": "mode",
    "r": "margins",
    "t": "window",
}
_ESC_KINDS = {
    **dict.fromkeys("78DEHMFVW", "cursor"),
    **dict.fromkeys("NOno|}~", "charset"),
    **dict.fromkeys("=>lm", "mode"),
    "Z": "report",
    "c": "reset",
    "\\": "string end",
}
_ESC_INTERMEDIATE_KINDS = {**dict.fromkeys("()*+-./,$%", "charset"), "#": "erase", " ": "mode"}
_STRINGS = {"P": "dcs", "]": "osc", "X": "sos", "^": "pm", "_": "apc"}
_CONTROLS = {
    "\a": "bell",
    "\b": "cursor",
    "\v": "cursor",
    "\f": "cursor",
    "\r": "cursor",
    "\x0e": "charset",
    "\x0f": "charset",
}
_BIDI = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"

_ATTRIBUTES = {
    **dict.fromkeys((1, 2), "weight"),
    **dict.fromkeys((3, 20), "slant"),
    **dict.fromkeys((4, 21), "underline"),
    **dict.fromkeys((5, 6), "blink"),
    7: "inverse",
    8: "conceal",
    9: "crossed",
    **dict.fromkeys(range(11, 20), "font"),
    26: "spacing",
    **dict.fromkeys((*range(30, 39), *range(90, 98)), "foreground"),
    **dict.fromkeys((*range(40, 49), *range(100, 108)), "background"),
    **dict.fromkeys((51, 52), "frame"),
    53: "overline",
    58: "underline color",
    **dict.fromkeys(range(60, 65), "ideogram"),
    **dict.fromkeys((73, 74), "script"),
}
_ENDS = {
    10: "font",
    22: "weight",
    23: "slant",
    24: "underline",
    25: "blink",
    27: "inverse",
    28: "conceal",
    29: "crossed",
    39: "foreground",
    49: "background",
    50: "spacing",
    54: "frame",
    55: "overline",
    59: "underline color",
    65: "ideogram",
    75: "script",
}


@dataclass(frozen=True)
class Effect:
    """Something a terminal does: what kind of thing, the characters for it, and their place."""

    kind: str
    text: str
    position: int


@dataclass
class Screen:
    """What came of a text: the effects, and the characters that were printed (line ends and tabs
    among them)."""

    effects: list[Effect] = field(default_factory=list)
    printed: str = ""

    @property
    def kinds(self) -> set[str]:
        """The kinds of the effects."""
        return {effect.kind for effect in self.effects}


def effects(text: str) -> list[Effect]:
    """All a terminal would do, except printing, ending a line (LF, CRLF), TAB, and colors that
    end with their line.

    Kinds: cursor, erase, mode, margins, report, repeat, tabs, print, window, reset, charset,
    osc, dcs, sos, pm, apc, c1, bell, bidi, conceal, control, escape, csi, string end, unfinished,
    and sgr-leak for a color or style still on where a line ends.
    """
    return screen(text).effects


def printed(text: str) -> str:
    """The characters that reach the screen."""
    return screen(text).printed


def screen(text: str) -> Screen:
    """Run a text through a terminal."""
    terminal = _Terminal(text)
    terminal.run()
    return terminal.screen


class _Terminal:
    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.screen = Screen()
        self.attributes: set[str] = set()
        self._printed: list[str] = []

    def run(self) -> None:
        while self.position < len(self.text):
            self._ground()
        if self.attributes:
            self._effect("sgr-leak", len(self.text))
        self.screen.printed = "".join(self._printed)

    def _effect(self, kind: str, start: int) -> None:
        self.screen.effects.append(Effect(kind, self.text[start : self.position], start))

    def _ground(self) -> None:
        start = self.position
        char = self.text[start]
        self.position += 1
        if char == "\x1b":
            self._escape(start)
        elif "\x80" <= char <= "\x9f":
            self._effect("c1", start)
            self._introduced(chr(ord(char) - 0x40), start)
        elif char < " " or char == "\x7f":
            self._control(char, start)
        else:
            self._printed.append(char)
            if char in _BIDI:
                self._effect("bidi", start)

    def _control(self, char: str, start: int) -> None:
        if char == "\n":
            if self.attributes:
                self._effect("sgr-leak", start)
            self._printed.append(char)
        elif char == "\t":
            self._printed.append(char)
        elif char != "\r" or self.text[start + 1 : start + 2] != "\n":
            self._effect(_CONTROLS.get(char, "control"), start)

    def _next(self) -> str:
        """The next character of a sequence, or nothing at the end of the text."""
        char = self.text[self.position : self.position + 1]
        self.position += len(char)
        return char

    def _escape(self, start: int) -> None:
        intermediates = ""
        while True:
            char = self._next()
            if " " <= char <= "/":
                intermediates += char
            elif self._broken(char, start):
                return
            elif char < " ":
                self._control(char, self.position - 1)
            else:
                break
        if intermediates:
            self._effect(_ESC_INTERMEDIATE_KINDS.get(intermediates[0], "escape"), start)
        else:
            self._introduced(char, start)

    def _broken(self, char: str, start: int) -> bool:
        """Whether the text ends here, or the sequence is given up for another one."""
        if char and char not in "\x18\x1a\x1b" and not "\x80" <= char <= "\x9f":
            return False
        if char and char not in "\x18\x1a":
            self.position -= 1  # begins a sequence itself
        self._effect("unfinished", start)
        return True

    def _introduced(self, char: str, start: int) -> None:
        if char == "[":
            self._csi(start)
        elif char in _STRINGS:
            self._string(_STRINGS[char], start)
        else:
            self._effect(_ESC_KINDS.get(char, "escape"), start)

    def _csi(self, start: int) -> None:
        body = ""
        while True:
            char = self._next()
            if self._broken(char, start):
                return
            if "@" <= char <= "~":
                break
            if char < " ":
                self._control(char, self.position - 1)
            elif char < "@":
                body += char
            elif char != "\x7f":
                self._printed.append(char)  # not part of a sequence, and no end of it either
        self._dispatch(body, char, start)

    def _dispatch(self, body: str, final: str, start: int) -> None:
        if final == "m" and not body.strip("0123456789;:"):
            self._sgr(body, start)
        elif final == "m":
            self._effect("mode", start)
        else:
            self._effect(_CSI_KINDS.get(final, "csi"), start)

    def _sgr(self, body: str, start: int) -> None:
        codes = body.split(";")
        while codes:
            code, _, sub = codes.pop(0).partition(":")
            number = int(code[:9] or 0)
            if number in {38, 48, 58} and not sub:
                del codes[: {"5": 2, "2": 4}.get(codes[0] if codes else "", 1)]
            self._attribute(number, off=number == 4 and sub == "0")
            if number == 8:
                self._effect("conceal", start)

    def _attribute(self, number: int, *, off: bool) -> None:
        if number == 0:
            self.attributes.clear()
        elif number in _ENDS:
            self.attributes.discard(_ENDS[number])
        elif off:
            self.attributes.discard("underline")
        elif number in _ATTRIBUTES:
            self.attributes.add(_ATTRIBUTES[number])

    def _string(self, kind: str, start: int) -> None:
        """A control string: all up to its terminator is swallowed, line ends included."""
        self._effect(kind, start)
        while True:
            char = self._next()
            if char == "\x9c" or (char == "\a" and kind == "osc"):
                return
            if char == "\x1b" and self.text[self.position : self.position + 1] == "\\":
                self.position += 1
                return
            if self._broken(char, start):
                return
