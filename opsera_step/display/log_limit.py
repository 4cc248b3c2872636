"""The input `log_limit`: print the head and the tail of a log within a number of bytes."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Sequence

_TAIL_SHARE = 0.25
_CUT = "… "
_COLOR = re.compile(r"\x1b\[[0-9;:]*m")


def _utf8_size(text: str) -> int:
    return len(text.encode("utf-8", "replace"))


class LogLimit:
    """Passes the first lines and keeps the last ones; the middle is only in the full log.

    Sizes are in bytes of UTF-8 with line ends. Without a limit everything passes. Of a line that
    takes more than half of the room for the tail, its end is kept.
    """

    def __init__(self, most_bytes: int | None) -> None:
        self.most_bytes = most_bytes
        self.reached = False
        """Whether lines are being held back."""
        self.omitted_lines = 0
        self.omitted_bytes = 0
        self._tail_room = int((most_bytes or 0) * _TAIL_SHARE)
        self._tail: deque[tuple[str, int]] = deque()
        self._tail_size = 0
        self._passed = 0
        self._size: Callable[[str], int] = _utf8_size
        self._used: Callable[[], int] = lambda: self._passed

    def count_like(self, size: Callable[[str], int], used: Callable[[], int]) -> None:
        """Count as the platform does whose limit it is.

        `size` is how many bytes a text takes there, `used` how many are used up by everything
        that was printed, not just by lines of the log.
        """
        self._size, self._used = size, used

    def admit(self, lines: Sequence[str]) -> list[str]:
        """Return those of the lines that may be printed now; keep or count the others."""
        if self.most_bytes is None:
            return list(lines)
        room = self.most_bytes - self._tail_room - self._used()
        passed = []
        for line in lines:
            size = self._size(f"{line}\n")
            if not self.reached and size <= room:
                room -= size
                self._passed += size
                passed.append(line)
            else:
                self.reached = True
                self._keep(line, size)
        return passed

    def tail(self) -> list[str]:
        """Return the last lines that were held back, as many as there is room for."""
        room = min(self._tail_room, max(0, (self.most_bytes or 0) - self._used()))
        self._fit(room)
        return [line for line, _ in self._tail]

    def _keep(self, line: str, size: int) -> None:
        if size > self._tail_room // 2:
            line, size = self._end_of(line, size)
        self._tail.append((line, size))
        self._tail_size += size
        self._fit(self._tail_room)

    def _fit(self, room: int) -> None:
        while self._tail and self._tail_size > room:
            _, size = self._tail.popleft()
            self._tail_size -= size
            self.omitted_lines += 1
            self.omitted_bytes += size

    def _end_of(self, line: str, size: int) -> tuple[str, int]:
        """Cut a line that would empty the tail: its end stays."""
        room = self._tail_room // 2 - self._size(f"{_CUT}\n")
        if room <= 0:
            return line, size
        end = line.encode("utf-8", "replace")[-room:].decode("utf-8", "ignore")
        start = len(line) - len(end)
        # Not from within the code of a color, because the rest of it would show as text.
        code = _COLOR.match(line, line.rfind("\x1b", 0, start)) if "\x1b" in line[:start] else None
        kept = _CUT + (line[code.end() :] if code and code.end() > start else end)
        kept_size = self._size(f"{kept}\n")
        self.omitted_bytes += size - kept_size
        return kept, kept_size
