"""The log in the page: compressed blocks of lines, each of one step, written as they arrive.

A block is base64 of deflated text, so that nothing in a log can be markup, the page of a long log
opens at once, and a browser unpacks only what is looked at. Memory does not grow with the log.
"""

from __future__ import annotations

import base64
import re
import zlib
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from opsera_step.text import plain

TAIL = 20
"""How many of a step's last lines are remembered."""
MOST_BYTES = 64 * 2**20
"""Most bytes of blocks in a page; of a longer log the middle is left out."""
LONGEST_LINE = 20_000
"""Characters of a line in the page; the rest of a longer one is in log.txt alone."""

_LINES = 250
_CHARACTERS = 2**16
_BUFFERED = 2**22
_KEPT_AT_END = 2**23
_PARTS = 500
_TAIL_WIDTH = 2000
_CUT_COLOR = re.compile(r"\x1b[^m]*\Z")


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
    """Its last lines with their numbers, without colors, cut where they are very long."""
    _lines: list[str] = field(default_factory=list)
    _ranges: list[list[int]] = field(default_factory=list)
    _times: list[list[int]] = field(default_factory=list)
    _size: int = 0

    @property
    def is_full(self) -> bool:
        """Whether its lines make a block."""
        return len(self._lines) >= _LINES or self._size >= _CHARACTERS

    def add(self, number: int, line: str, created: float | None) -> int:
        """Add a line of the log; return its size."""
        if self._ranges and sum(self._ranges[-1]) == number:
            self._ranges[-1][1] += 1
        else:
            self._ranges.append([number, 1])
        moment = 0 if created is None else max(0, int(created * 1000))
        if self._times and self._times[-1][0] == moment:
            self._times[-1][1] += 1
        else:
            self._times.append([moment, 1])
        self.first = self.first or number
        self.last = number
        self.count += 1
        line = _fitted(line)
        self._lines.append(line)
        self._size += len(line) + 1
        return len(line) + 1

    def remember(self, number: int, line: str) -> None:
        """Take a line for the last ones."""
        line = plain(line[: 2 * _TAIL_WIDTH])
        self.tail.append((number, line if len(line) <= _TAIL_WIDTH else line[:_TAIL_WIDTH] + "…"))

    def pack(self) -> tuple[str, int, int]:
        """Return the lines so far as a block, their number, and their size; start a new block."""
        text = "\n".join(self._lines).encode("utf-8", "replace")
        squeeze = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
        packed = base64.b64encode(squeeze.compress(text) + squeeze.flush()).decode("ascii")
        attributes = f'data-step="{self.number}" data-lines="{_joined(self._ranges)}"'
        if any(moment for moment, _ in self._times):
            attributes += f' data-times="{_joined(self._times)}"'
        done = (len(self._lines), self._size)
        self._lines, self._ranges, self._times, self._size = [], [], [], 0
        return f'<script type="text/plain" {attributes}>{packed}</script>\n', *done


class LogBlocks:
    """Takes the lines of a run as they arrive and writes blocks as soon as they are full."""

    def __init__(self, write: Callable[[str], object], most_bytes: int = MOST_BYTES) -> None:
        """Take where the blocks go, and how many bytes of them at most."""
        self._write, self._room = write, most_bytes
        self._steps: dict[str, StepLog] = {}
        self._buffered = 0
        self._end: deque[tuple[str, int]] = deque()
        self._end_size, self._end_room = 0, min(_KEPT_AT_END, most_bytes // 4)
        self.count = 0
        """How many lines there are."""
        self.left_out = 0
        """How many of them the page has no room for."""

    @property
    def steps(self) -> Sequence[StepLog]:
        """The steps with lines, in the order of their first ones."""
        return tuple(self._steps.values())

    def add(
        self, step_id: str, name: str, tool: str, lines: Sequence[str], created: float | None = None
    ) -> None:
        """Take lines of one step, with the time of their record in seconds since 1970."""
        step = self._step(step_id, name, tool)
        for at, line in enumerate(lines, self.count + 1):
            self._buffered += step.add(at, line, created)
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


def _joined(pairs: Sequence[Sequence[int]]) -> str:
    return ",".join(f"{first},{count}" for first, count in pairs)


def _fitted(line: str) -> str:
    """Cut a very long line: a browser would search and draw it for minutes."""
    if len(line) <= LONGEST_LINE:
        return line
    more = f" … and {len(line) - LONGEST_LINE:,} more characters in log.txt"
    return _CUT_COLOR.sub("", line[:LONGEST_LINE]) + "\x1b[0m" + more
