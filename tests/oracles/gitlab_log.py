"""How GitLab turns the raw log of a job into lines and collapsible sections.

The rules are those of gitlabhq `lib/gitlab/ci/ansi2json/converter.rb` (and `v2/converter.rb`, its
successor, which treats escapes a little differently), `state.rb`, `line.rb`, `style.rb`,
`parser.rb` there, and of `lib/gitlab/regex.rb` for the marker. The limit is that of gitlab-runner,
`helpers/trace/buffer.go`, and the time stamps are those of
`common/buildlogger/internal/timestamper/timestamper.go` there (FF_TIMESTAMPS, on by default since
18.8 at the latest).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

OUTPUT_LIMIT = 4 * 1024 * 1024
"""Default of the runner's `output_limit` (gitlab-runner, common/consts.go)."""

STAMP_SIZE = 32
"""Bytes that the runner puts before each line: time, number and kind of the stream, a flag."""

_CHUNK = 8 * 1024
"""Bytes after which the runner writes a line without its end; the rest is a continuation."""

_STAMP = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z [0-9a-f]{2}[EO][+ ]")

# Neither a line start nor `ESC[0K` is needed in front: the marker counts wherever it stands.
_SECTION = re.compile(
    rb"section_(start|end):(\d+):([a-zA-Z0-9_.-]+)"
    rb"(\[(?:\w+=\w+)(?:, ?\w+=\w+)*\])?"
    rb"\r\x1b\[0K"
)
_SEQUENCE = re.compile(rb"\x1b([@-_])(.*?)([@-~])")
_UNFINISHED = re.compile(rb"\x1b(?:[@-_].*?)?$")
_SEQUENCE_V2 = re.compile(rb"\x1b([@-_])([0-?]*)[ -/]*([@-~])")
_NEWLINE = re.compile(rb"\r*\n")
_TEXT = re.compile(rb".[^\x1b\r\ns]*", re.DOTALL)

_MASKS = {"1": "bold", "3": "italic", "4": "underline", "8": "conceal", "9": "cross"}
_UNMASKS = {
    "21": "bold",
    "22": "bold",
    "23": "italic",
    "24": "underline",
    "28": "conceal",
    "29": "cross",
}


@dataclass
class Line:
    """A line as the viewer shows it; `section` is the innermost open one. `style` is what was
    still set at the line's end, and so continues on the next one."""

    text: str
    section: str | None = None
    header: bool = False
    style: frozenset[str] = frozenset()


@dataclass
class Section:
    """A section: `raw` is its name as written, `name` as GitLab compares it."""

    raw: str
    name: str
    start: int
    depth: int
    options: dict[str, str] = field(default_factory=dict)
    header: str = ""
    end: int | None = None
    crossed: bool = False

    @property
    def closed(self) -> bool:
        """Whether an end of that name came."""
        return self.end is not None


@dataclass
class Log:
    """A job log as read. `erased` holds text that a lone CR wiped from view, `dropped` the
    escape sequences taken out without effect, `stray_ends` the ends of sections not open."""

    lines: list[Line] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)
    stray_ends: list[str] = field(default_factory=list)
    erased: list[str] = field(default_factory=list)
    dropped: list[bytes] = field(default_factory=list)
    swallowed_line_ends: int = 0

    @property
    def text(self) -> str:
        """All that is shown, a line each."""
        return "\n".join(line.text for line in self.lines)

    @property
    def balanced(self) -> bool:
        """Whether the sections are closed, nested properly, unique, and no end is left over."""
        names = [section.name for section in self.sections]
        proper = all(section.closed and not section.crossed for section in self.sections)
        return proper and not self.stray_ends and len(names) == len(set(names))

    def forged(self, own: set[str]) -> list[str]:
        """Names of starts and ends that are not among `own`, as written."""
        names = [*(section.raw for section in self.sections), *self.stray_ends]
        return [name for name in names if name not in own]

    @property
    def leaks(self) -> list[Line]:
        """Lines after which a color or style is still on."""
        return [line for line in self.lines if line.style]


def section_name(raw: str) -> str:
    """A section's name as GitLab compares it (`Converter#sanitize_section_name`)."""
    return re.sub("[^a-z0-9]", "-", raw.lower())


def parse(data: bytes, *, engine: int = 1) -> Log:
    """Read a raw log. `engine` 2 takes escape sequences apart as the newer converter does."""
    reader = _Reader(engine, stamped=_STAMP.match(data) is not None)
    for line in reader.joined(re.findall(rb"[^\n]*\n|[^\n]+", data)):
        reader.consume(line)
    reader.flush(hard=True)
    return reader.log


def stamp(data: bytes, moment: bytes = b"2026-01-01T00:00:00.000000Z") -> bytes:
    """The output of a command as a runner with FF_TIMESTAMPS stores it, written line by line."""
    stored = bytearray()
    for line in re.findall(rb"[^\n]*\n|[^\n]+", data):
        flag = b" "
        for start in range(0, len(line), _CHUNK):
            piece = line[start : start + _CHUNK]
            stored += moment + b" 01O" + flag + piece
            flag = b"+"
            if not piece.endswith(b"\n"):
                stored += b"\n"
    return bytes(stored)


class _Reader:
    def __init__(self, engine: int, *, stamped: bool) -> None:
        self.log = Log()
        self._engine = engine
        self._stamped = stamped
        self._at_start = True
        self._open: list[Section] = []
        self._style: dict[str, str] = {}
        self._buffer = bytearray()
        self._header: Section | None = None
        self._line_sections: list[str] = []

    def joined(self, lines: list[bytes]) -> Iterator[bytes]:
        """Put the pieces of a line together again (`Converter#handle_line`)."""
        if not self._stamped:
            yield from lines
            return
        line = b""
        for number, piece in enumerate(lines):
            following = lines[number + 1] if number + 1 < len(lines) else b""
            is_continued = following[STAMP_SIZE - 1 : STAMP_SIZE] == b"+"
            whole = piece.removesuffix(b"\n") if is_continued else piece
            line += whole[STAMP_SIZE:] if line else whole
            if not is_continued:
                yield line
                line = b""

    def consume(self, line: bytes) -> None:
        position = 0
        while position < len(line):
            position = self._token(line, position)

    def _token(self, line: bytes, position: int) -> int:
        if self._at_start and self._stamped and _looks_stamped(line, position):
            # Text of the command that looks like a stamp is taken for a second one.
            end = position + STAMP_SIZE
            if position:
                self.log.erased.append(line[position:end].decode("utf-8", "replace"))
            return end
        section = _SECTION.match(line, position)
        if section:
            self._section(section)
            return section.end()
        if line[position : position + 1] == b"\x1b":
            return (self._escape_v2 if self._engine == 2 else self._escape_v1)(line, position)
        newline = _NEWLINE.match(line, position)
        if newline:
            self.flush(hard=True)
            return newline.end()
        if line[position : position + 1] == b"\r":
            self._erase()
            return position + 1
        return self._print(line, position)

    def _print(self, line: bytes, position: int) -> int:
        text = _TEXT.match(line, position)
        assert text is not None
        self._buffer += text[0]
        self._at_start = False
        return text.end()

    def _erase(self) -> None:
        if self._buffer:
            self.log.erased.append(self._buffer.decode("utf-8", "replace"))
        self._buffer.clear()
        self._at_start = True

    def _escape_v1(self, line: bytes, position: int) -> int:
        found = _SEQUENCE.match(line, position)
        if found:
            self._sequence(found)
            return found.end()
        if _UNFINISHED.match(line, position):
            return self._terminate(line, position)
        return self._print(line, position)  # the escape itself is shown as a character

    def _escape_v2(self, line: bytes, position: int) -> int:
        indicator = line[position + 1 : position + 2]
        if indicator and not b"@" <= indicator <= b"_":
            return position + 1
        found = _SEQUENCE_V2.match(line, position)
        if not found:
            return self._terminate(line, position)
        self._sequence(found)
        return found.end()

    def _terminate(self, line: bytes, position: int) -> int:
        """The rest of the line is thrown away, its end included: the next line is glued on."""
        rest = line[position:]
        self.log.dropped.append(rest)
        self.log.swallowed_line_ends += rest.endswith(b"\n")
        return len(line)

    def _sequence(self, found: re.Match[bytes]) -> None:
        if found[1] == b"[" and found[3] == b"m":
            codes = found[2].decode("ascii", "replace").split(";")
            _apply(self._style, codes, resets=self._engine == 2)
        else:
            self.log.dropped.append(found[0])

    def _section(self, found: re.Match[bytes]) -> None:
        action, stamp, raw = found[1], int(found[2][-18:]), found[3].decode()
        if action == b"start":
            self._start(raw, stamp, _options(found[4]))
        else:
            self._end(raw, stamp)

    def _start(self, raw: str, stamp: int, options: dict[str, str]) -> None:
        self.flush(hard=False)
        section = Section(raw, section_name(raw), stamp, len(self._open), options)
        # A second start of an open name takes its place among the open ones.
        self._open = [item for item in self._open if item.name != section.name] + [section]
        self.log.sections.append(section)
        self._line_sections.append(section.name)
        self._header = section
        self._at_start = False

    def _end(self, raw: str, stamp: int) -> None:
        name = section_name(raw)
        for section in self._open:
            if section.name == name:
                self.flush(hard=False)
                section.crossed = section is not self._open[-1]
                section.end = stamp
                self._open.remove(section)
                self.flush(hard=False)
                return
        self.log.stray_ends.append(raw)

    def flush(self, *, hard: bool) -> None:
        """End the line at hand; an empty one leaves no trace, as in the viewer."""
        if self._buffer:
            self._emit(self._buffer.decode("utf-8", "replace"), hard=hard)
        self._buffer.clear()
        self._at_start = True
        self._header = None
        self._line_sections = [section.name for section in self._open]

    def _emit(self, text: str, *, hard: bool) -> None:
        if self._header:
            self._header.header = text
        inner = self._line_sections[-1] if self._line_sections else None
        style = frozenset(self._style.values()) if hard else frozenset()
        self.log.lines.append(Line(text, inner, self._header is not None, style))


def _looks_stamped(line: bytes, position: int) -> bool:
    """What GitLab takes for a time stamp: only some of its bytes are looked at."""
    head = line[position : position + STAMP_SIZE]
    marks = ((4, b"-"), (7, b"-"), (10, b"T"), (13, b":"), (26, b"Z"))
    return len(head) == STAMP_SIZE and all(head[at : at + 1] == mark for at, mark in marks)


def _options(raw: bytes | None) -> dict[str, str]:
    pairs = raw.decode("utf-8", "replace")[1:-1].split(",") if raw else []
    return dict(pair.split("=", 1) for pair in pairs)


def _apply(style: dict[str, str], commands: list[str], *, resets: bool) -> None:
    """`resets`: whether 39 and 49 are obeyed. The older converter takes their "no color" for
    "no change" (`Style#apply_changes`), so that there only 0 ends a color."""
    while commands and not commands[-1]:
        commands.pop()  # Ruby's split leaves no empty strings at the end
    if not commands:
        style.clear()
    while commands:
        code = commands.pop(0)
        if code not in {"39", "49"} or resets:
            _apply_one(style, code, commands)


def _apply_one(style: dict[str, str], code: str, commands: list[str]) -> None:
    # Codes are compared as text, so that `00` is not `0` and resets nothing.
    if code == "0":
        style.clear()
    elif code in _MASKS:
        style[_MASKS[code]] = _MASKS[code]
    elif code in _UNMASKS:
        style.pop(_UNMASKS[code], None)
    elif code in {"38", "48"}:
        _indexed(style, code, commands)
    elif re.fullmatch("(3|9|4|10)[0-7]", code):
        style["bg" if code[0] in "41" else "fg"] = code
    elif code in {"39", "49"}:
        style.pop("fg" if code == "39" else "bg", None)


def _indexed(style: dict[str, str], code: str, commands: list[str]) -> None:
    """Only the form with 5 is known; the numbers of any other are read as codes themselves."""
    if len(commands) >= 2 and commands[0] == "5":
        del commands[0]
        index = commands.pop(0)
        if index.isdecimal() and int(index[:4]) <= 255:
            style["fg" if code == "38" else "bg"] = f"{code};5;{index}"
