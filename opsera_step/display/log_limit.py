"""The input `log_limit`: the head and the tail of a log within a number of bytes. Pure."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence

_TAIL_SHARE = 0.25
_CUT = "… "
_CUT_SIZE = len(_CUT.encode()) + 1
_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")


class LogLimit:
    """Lets the first lines pass and keeps the last ones; what is between goes to the full log only.

    Sizes count UTF-8 bytes with line ends. Without a limit everything passes. Of a line that takes
    more than half of the tail's room its own end is kept.
    """

    def __init__(self, most_bytes: int | None) -> None:
        """Take the limit; None for none."""
        self._tail_room = int((most_bytes or 0) * _TAIL_SHARE)
        self._head_room = None if most_bytes is None else most_bytes - self._tail_room
        self._tail: deque[tuple[str, int]] = deque()
        self._tail_size = 0
        self.reached = False
        """Whether lines are being held back."""
        self.left_out_lines = 0
        self.left_out_bytes = 0

    def admit(self, lines: Sequence[str]) -> list[str]:
        """Return those of the lines that may be printed now; keep or count the others."""
        if self._head_room is None:
            return list(lines)
        passed = []
        for line in lines:
            size = len(line.encode("utf-8", "replace")) + 1
            if not self.reached and size <= self._head_room:
                self._head_room -= size
                passed.append(line)
            else:
                self.reached = True
                self._keep(line, size)
        return passed

    def spend(self, size: int) -> None:
        """Count bytes that are printed beside the lines, such as the headlines of steps."""
        if self._head_room is not None:
            self._head_room -= size

    def tail(self) -> list[str]:
        """Return the last lines that were held back, as many as there is room for."""
        return [line for line, _ in self._tail]

    def _keep(self, line: str, size: int) -> None:
        if size > self._tail_room // 2:
            line, size = self._end_of(line, size)
        self._tail.append((line, size))
        self._tail_size += size
        while self._tail and self._tail_size > self._tail_room:
            _, gone = self._tail.popleft()
            self._tail_size -= gone
            self.left_out_lines += 1
            self.left_out_bytes += gone

    def _end_of(self, line: str, size: int) -> tuple[str, int]:
        """Cut a line that would empty the tail: its own end stays."""
        room = self._tail_room // 2 - _CUT_SIZE
        if room <= 0:
            return line, size
        end = line.encode("utf-8", "replace")[-room:].decode("utf-8", "ignore")
        place = len(line) - len(end)
        # Not from within a colour's code, of which the rest would show as text.
        code = _COLOUR.match(line, line.rfind("\x1b", 0, place)) if "\x1b" in line[:place] else None
        kept = _CUT + (line[code.end() :] if code and code.end() > place else end)
        kept_size = len(kept.encode("utf-8", "replace")) + 1
        self.left_out_bytes += size - kept_size
        return kept, kept_size
