"""What the log cursor remembers of records: how much was given out, and by what to know them again.

Lengths and hashes only, no text.
"""

from __future__ import annotations

from array import array
from collections import OrderedDict
from dataclasses import dataclass, field

from opsera_step.api import LogRecord

_MOST_LINE_HASHES = 128

Key = tuple[object, ...]
"""What a record is known by: its ID; else its group and a number."""


@dataclass(slots=True)
class Given:
    """A record as it was last seen, and what was given out of it: lengths and hashes, no text."""

    seen_length: int = -1
    seen_digest: int = 0
    doubted: int | None = None
    """Hash of a shorter text that came later, and was not believed yet."""
    length: int = 0
    digest: int = hash("")
    lines: array[int] = field(default_factory=lambda: array("q"))
    """Hashes of the last lines that were given out; they begin at `base`."""
    base: int = 0
    base_digest: int = hash("")

    def is_as_seen(self, text: str) -> bool:
        """Whether the text is the one that was seen last."""
        return len(text) == self.seen_length and hash(text) == self.seen_digest

    def is_start_of(self, text: str) -> bool:
        """Whether the text begins with what was given out."""
        return len(text) >= self.length and hash(text[: self.length]) == self.digest

    def is_outdated(self, text: str) -> bool:
        """Whether the text is from an answer older than others before: it lacks what was seen.

        A shorter text is believed when it comes twice and holds something new.
        """
        if len(text) >= self.seen_length:
            self.doubted = None
            return False
        digest = hash(text)
        twice, self.doubted = self.doubted == digest, digest
        return not twice or self.same_lines(text)[1] == len(text)

    def see(self, text: str) -> None:
        """Remember the text as the last one seen."""
        self.seen_length, self.seen_digest = len(text), hash(text)

    def take(self, text: str, end: int) -> None:
        """Remember that the text was given out up to `end`."""
        first = text.rfind("\n", 0, self.length) + 1
        if self.base <= first < self.length:
            self.lines.pop()  # a line that was not whole yet
        if first < self.base or len(self.lines) + text.count("\n", first, end) > _MOST_LINE_HASHES:
            first = _last_lines(text, end, _MOST_LINE_HASHES // 2)
            self.base, self.base_digest, self.lines = first, hash(text[:first]), array("q")
        if first < end:
            self.lines.extend(map(hash, text[first:end].removesuffix("\n").split("\n")))
        self.length, self.digest = end, hash(text[:end])

    def take_all(self) -> None:
        """Remember that the text was given out as far as it was seen."""
        self.length = self.base = self.seen_length
        self.digest = self.base_digest = self.seen_digest
        self.lines = array("q")

    def rewind(self, text: str) -> None:
        """Go back to where a rewritten text still has the lines that were given out."""
        same, self.length = self.same_lines(text)
        self.digest = hash(text[: self.length])
        if self.length < self.base:
            self.base, self.base_digest = self.length, self.digest
        del self.lines[same:]

    def same_lines(self, text: str) -> tuple[int, int]:
        """Count the hashed lines that a rewritten text still begins with, and find their end."""
        if hash(text[: self.base]) != self.base_digest:
            return 0, 0
        same, end = 0, self.base
        for line_hash in self.lines:
            line_end = text.find("\n", end)
            stop = len(text) if line_end < 0 else line_end
            if hash(text[end:stop]) != line_hash:
                break
            same, end = same + 1, min(stop + 1, len(text))
        return same, end


class Nameless:
    """The records without ID that are remembered, to find again those of a snapshot."""

    def __init__(self, memory: OrderedDict[Key, Given], window: int) -> None:
        """Sort the memory, in the order in which they were last seen, by what does not change."""
        self._texts: dict[Key, dict[tuple[int, int], list[Key]]] = {}
        self._newest: dict[Key, Key] = {}
        for rank, key in enumerate(reversed(memory)):
            # Without a time too, a record that passed by is like any later one of the same text.
            if len(key) > 1 and (key[0] is not None or rank < window):
                one, texts = memory[key], self._texts.setdefault(key[:-1], {})
                texts.setdefault((one.seen_length, one.seen_digest), []).append(key)
                self._newest.setdefault(key[:-1], key)

    def same(self, record: LogRecord) -> Key | None:
        """Find the record with the same text."""
        texts = self._texts.get(group_of(record), {})
        keys = texts.get((len(record.text), hash(record.text)))
        return keys.pop() if keys else None

    def grown(self, record: LogRecord) -> Key | None:
        """Find the record with the longest beginning of the text; without time, the newest only."""
        group = group_of(record)
        texts = self._texts.get(group, {})
        shorter = {length for length, _ in texts if length < len(record.text)}
        for length in sorted(shorter, reverse=True):
            keys = texts.get((length, hash(record.text[:length])))
            if keys and (record.created is not None or keys[0] == self._newest[group]):
                return keys.pop(0)
        return None


def group_of(record: LogRecord) -> Key:
    """Return what does not change in a record and may tell it from others."""
    return record.created, record.step_id, record.step_name, record.action


def _last_lines(text: str, end: int, lines: int) -> int:
    """Return where the last so many lines before `end` begin."""
    for _ in range(lines):
        end = text.rfind("\n", 0, max(0, end - 1)) + 1
    return end
