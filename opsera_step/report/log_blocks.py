"""The log as the page carries it: packed blocks of lines, a step's own, made while they come.

A block is base64 of deflated text, so nothing that a log says can be markup, a page of a long log
opens at once, and a browser unpacks only what is looked at. Memory does not grow with the log.
"""

from __future__ import annotations

import base64
import re
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from opsera_step.text.sanitize import plain

TAIL = 20
"""How many of a step's last lines are known by heart."""
MOST_BYTES = 64 * 2**20
"""Most bytes of blocks in a page; of a longer log its middle is left out."""

_LINES = 250
_CHARACTERS = 2**16
_BUFFERED = 2**22
_KEPT_AT_END = 2**23
_PARTS = 500
_TAIL_WIDTH = 2000
_BLOCK = re.compile(
    r'<script type="text/plain" data-step="(\d+)" data-lines="([\d,]+)">'
    r"([A-Za-z0-9+/=]*)</script>\n?"
)


def unpack(block: str) -> Iterator[tuple[int, int, str]]:
    """Return the lines of a block: the number of its step, their own numbers, and their texts."""
    found = _BLOCK.fullmatch(block)
    if found is None:
        return
    step, ranges, packed = found.groups()
    text = zlib.decompress(base64.b64decode(packed), -zlib.MAX_WBITS).decode("utf-8")
    numbers = [int(number) for number in ranges.split(",")]
    pairs = zip(numbers[::2], numbers[1::2], strict=True)
    places = (number for first, count in pairs for number in range(first, first + count))
    for place, line in zip(places, text.split("\n"), strict=True):
        yield int(step), place, line


@dataclass
class StepLog:
    """What is known of one step's lines; `number` is its place in the order of appearance."""

    number: int
    step_id: str
    name: str
    tool: str
    count: int = 0
    first: int = 0
    """The number of its first line in the whole log, counted from 1."""
    last: int = 0
    tail: deque[tuple[int, str]] = field(default_factory=lambda: deque(maxlen=TAIL))
    """Its last lines with their numbers, without colours, cut where they are very long."""
    _lines: list[str] = field(default_factory=list)
    _ranges: list[list[int]] = field(default_factory=list)
    _size: int = 0

    @property
    def is_full(self) -> bool:
        """Whether its lines make a block."""
        return len(self._lines) >= _LINES or self._size >= _CHARACTERS

    def add(self, number: int, line: str) -> int:
        """Add a line of the log; return its size."""
        if self._ranges and sum(self._ranges[-1]) == number:
            self._ranges[-1][1] += 1
        else:
            self._ranges.append([number, 1])
        self.first = self.first or number
        self.last = number
        self.count += 1
        self._lines.append(line)
        self._size += len(line) + 1
        return len(line) + 1

    def remember(self, number: int, line: str) -> None:
        """Take a line for the last ones."""
        line = plain(line)
        self.tail.append((number, line if len(line) <= _TAIL_WIDTH else line[:_TAIL_WIDTH] + "…"))

    def pack(self) -> tuple[str, int, int]:
        """Return the lines so far as a block of the page, how many, and their size; start anew."""
        text = "\n".join(self._lines).encode("utf-8", "replace")
        squeeze = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
        packed = base64.b64encode(squeeze.compress(text) + squeeze.flush()).decode("ascii")
        ranges = ",".join(f"{first},{count}" for first, count in self._ranges)
        done = (len(self._lines), self._size)
        self._lines, self._ranges, self._size = [], [], 0
        step = f'data-step="{self.number}" data-lines="{ranges}"'
        return f'<script type="text/plain" {step}>{packed}</script>\n', *done


class LogBlocks:
    """Takes the lines of a run as they come and writes blocks as soon as they are full."""

    def __init__(self, write: Callable[[str], object], most_bytes: int = MOST_BYTES) -> None:
        """Take where the blocks go, and how many bytes of them at most."""
        self._write, self._room = write, most_bytes
        self._steps: dict[str, StepLog] = {}
        self._buffered = 0
        self._end: deque[tuple[str, int]] = deque()
        self._end_size, self._end_room = 0, min(_KEPT_AT_END, most_bytes // 4)
        self.count = 0
        """How many lines came."""
        self.left_out = 0
        """How many of them the page has no room for."""

    @property
    def steps(self) -> Sequence[StepLog]:
        """The steps that said something, in the order in which they began to."""
        return tuple(self._steps.values())

    def add(self, step_id: str, name: str, tool: str, lines: Sequence[str]) -> None:
        """Take lines of one step."""
        step = self._step(step_id, name, tool)
        for at, line in enumerate(lines, self.count + 1):
            self._buffered += step.add(at, line)
            if step.is_full:
                self._pack(step)
        for at in range(max(0, len(lines) - TAIL), len(lines)):
            step.remember(self.count + 1 + at, lines[at])
        self.count += len(lines)
        if self._buffered > _BUFFERED:
            self._pack_all()

    def finish(self) -> None:
        """Write what is left: the last lines of each step, and the end of a very long log."""
        self._pack_all()
        for block, _ in self._end:
            self._write(block)
        self._end.clear()

    def _step(self, step_id: str, name: str, tool: str) -> StepLog:
        key = step_id or name
        if key not in self._steps and len(self._steps) >= _PARTS:
            key, step_id, name, tool = "…", "", "More steps", ""
        return self._steps.setdefault(key, StepLog(len(self._steps) + 1, step_id, name, tool))

    def _pack_all(self) -> None:
        for step in self._steps.values():
            self._pack(step)

    def _pack(self, step: StepLog) -> None:
        block, count, size = step.pack()
        self._buffered -= size
        if not count:
            return
        if len(block) <= self._room - self._end_room and not self._end:
            self._room -= len(block)
            self._write(block)
            return
        self._end.append((block, count))
        self._end_size += len(block)
        while self._end_size > self._end_room:
            gone, lines = self._end.popleft()
            self._end_size -= len(gone)
            self.left_out += lines
