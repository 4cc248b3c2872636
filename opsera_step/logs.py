"""The log as one ordered stream: LogCursor turns snapshots of the log call into new lines.

The log call gives the newest 1000 records, newest first, without a cursor; records may grow, come
late, share a time stamp or lack an ID. Pure: no network, no clock. The cursor keeps no text but
unfinished last lines: for each record only how much of it was given out, and hashes to know it by.
"""

from __future__ import annotations

import re
from array import array
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from opsera_step.models import LogRecord

WINDOW = 1000
"""Most records that one answer of the log call holds (API page, `pipeline/logs`)."""

_REMEMBERED = 5 * WINDOW
_MOST_LINE_HASHES = 128
_OBJECT_ID = re.compile(r"[0-9a-f]{24}")

_Key = tuple[object, ...]


@dataclass(frozen=True)
class Piece:
    """New text of one record, to be shown as whole lines; without its last line end."""

    record: LogRecord
    text: str


@dataclass(frozen=True)
class Gap:
    """Records went by between two snapshots, or before the first.

    `at_most` is how many may be missing: a bound from the IDs, an estimate from the rate of the
    records when `estimated`, or None where nothing tells.
    """

    at_most: int | None
    estimated: bool = False


@dataclass(frozen=True)
class Batch:
    """What a snapshot brought that was not there before, oldest first."""

    pieces: tuple[Piece, ...] = ()
    gap: Gap | None = None
    new_records: int = 0


@dataclass
class _Given:
    """What was given out of a record: how many characters, their hash, and hashes of its lines."""

    length: int = 0
    digest: int = hash("")
    line_hashes: array[int] | None = None
    seen_length: int = -1

    def is_start_of(self, text: str) -> bool:
        """Whether the text begins with what was given out."""
        return len(text) >= self.length and hash(text[: self.length]) == self.digest

    def take(self, text: str, end: int) -> None:
        """Remember that the text was given out up to `end`."""
        self.length, self.digest = end, hash(text[:end])
        few = text.count("\n", 0, end) < _MOST_LINE_HASHES
        lines = text[:end].removesuffix("\n").split("\n") if few and end else ()
        self.line_hashes = array("q", map(hash, lines)) if few else None

    def same_lines(self, text: str) -> int:
        """Return how far a rewritten text still has the lines that were given out."""
        end = 0
        for line_hash in self.line_hashes or ():
            line_end = text.find("\n", end)
            stop = len(text) if line_end < 0 else line_end
            if hash(text[end:stop]) != line_hash:
                break
            end = min(stop + 1, len(text))
        return end


@dataclass(frozen=True)
class _Held:
    """An unfinished last line that was held back, and the record's state once it is given out."""

    piece: Piece | None
    length: int
    digest: int


class LogCursor:
    """Merge snapshots of a run's log into one stream: each line once, in order.

    Feed it each answer of the log call with `advance`, newest record first as it came, and call
    `flush` when nothing more will come.
    """

    def __init__(self, window: int = WINDOW) -> None:
        """Start before the first line; `window` is how many records an answer can hold."""
        self._window = window
        self._given: OrderedDict[_Key, _Given] = OrderedDict()
        self._held: dict[_Key, _Held] = {}
        self._newest: LogRecord | None = None
        self._growth_seen = False

    def advance(self, snapshot: Sequence[LogRecord]) -> Batch:
        """Take a snapshot and return what is new in it."""
        ordered = in_order(snapshot)
        known, new = self._recognise(ordered)
        gap = self._find_gap(ordered, overlap=len(new) < len(ordered))
        pieces = self._release_vanished(known)
        newest_of_step = {record.step_id: position for position, record in enumerate(ordered)}
        for position, (key, record) in enumerate(zip(known, ordered)):
            last_of_step = newest_of_step[record.step_id] == position
            pieces.append(self._new_text(key, record, may_grow=last_of_step))
        self._remember(known, ordered)
        return Batch(tuple(filter(None, pieces)), gap, len(new))

    def flush(self) -> Batch:
        """Return the unfinished last lines that were held back; the stream is over."""
        return Batch(tuple(filter(None, self._release_vanished(()))))

    def _recognise(self, ordered: Sequence[LogRecord]) -> tuple[list[_Key], set[_Key]]:
        """Give each record its key; return the keys, and those that were never seen."""
        keys: list[_Key] = []
        used: set[_Key] = set()
        for record in ordered:
            key = (record.id,) if record.id else self._key_by_text(record, used)
            keys.append(key)
            used.add(key)
        new = {key for key in keys if key not in self._given}
        for key in new:
            self._given[key] = _Given()
        return keys, new

    def _key_by_text(self, record: LogRecord, used: set[_Key]) -> _Key:
        """Find which record without ID this is: of its time and step, with the same text so far."""
        group = (record.created, record.step_id, record.step_name, record.action)
        best: _Key | None = None
        number = 0
        while (key := (*group, number)) in self._given or key in used:
            number += 1
            if key in used or not (given := self._given[key]).is_start_of(record.text):
                continue
            if best is None or given.length > self._given[best].length:
                best = key
        return best or (*group, number)

    def _new_text(self, key: _Key, record: LogRecord, *, may_grow: bool) -> Piece | None:
        given, text = self._given[key], record.text
        unchanged = given.seen_length == len(text)
        if given.length and not given.is_start_of(text):
            given.take(text, given.same_lines(text))
            self._growth_seen = True
        elif 0 <= given.seen_length < len(text):
            self._growth_seen = True
        given.seen_length = len(text)
        end = len(text)
        if may_grow and not unchanged and ("\n" in text or self._growth_seen):
            end = max(text.rfind("\n") + 1, given.length)
        self._held.pop(key, None)
        piece = _piece(record, given.length, end)
        given.take(text, end)
        if end < len(text):
            self._held[key] = _Held(_piece(record, end, len(text)), len(text), hash(text))
        return piece

    def _release_vanished(self, present: Iterable[_Key]) -> list[Piece | None]:
        """Give out what was held back of records that are no longer in the window."""
        released = []
        for key in self._held.keys() - set(present):
            held = self._held.pop(key)
            given = self._given[key]
            given.length, given.digest, given.line_hashes = held.length, held.digest, None
            released.append(held.piece)
        return released

    def _find_gap(self, ordered: Sequence[LogRecord], *, overlap: bool) -> Gap | None:
        if len(ordered) < self._window or overlap:
            return None
        if self._newest is None:
            return Gap(None)
        return measure_gap(self._newest, ordered)

    def _remember(self, keys: Iterable[_Key], ordered: Sequence[LogRecord]) -> None:
        for key in keys:
            self._given.move_to_end(key)
        while len(self._given) > max(_REMEMBERED, 5 * self._window):
            self._given.popitem(last=False)
        candidates = [record for record in (self._newest, *ordered[-1:]) if record is not None]
        self._newest = max(candidates, key=_age_key, default=None)


def in_order(snapshot: Sequence[LogRecord]) -> list[LogRecord]:
    """Return the records oldest first: by time, then by ID where all of one time have one.

    The server's own order decides where neither does. A record without a readable time takes
    that of the record before it.
    """
    times: list[float] = []
    oldest_first = list(reversed(snapshot))
    for record in oldest_first:
        times.append(record.created if record.created is not None else (times or [0.0])[-1])
    by_time = sorted(zip(times, range(len(times))))
    ordered: list[LogRecord] = []
    for _, tied in groupby(by_time, key=lambda pair: pair[0]):
        records = [oldest_first[position] for _, position in tied]
        if len(records) > 1 and all(_OBJECT_ID.fullmatch(record.id) for record in records):
            records.sort(key=lambda record: record.id)
        ordered += records
    return ordered


def measure_gap(before: LogRecord, ordered: Sequence[LogRecord]) -> Gap:
    """Tell how many records may lie between the newest known one and the oldest of a window.

    ObjectIds of one process count up (https://www.mongodb.com/docs/manual/reference/bson-types/:
    4 bytes time, 5 bytes random, 3 bytes counter); else the rate of the window is taken.
    """
    oldest, newest = ordered[0], ordered[-1]
    ids = (before.id, oldest.id)
    if all(_OBJECT_ID.fullmatch(one) for one in ids) and before.id[8:18] == oldest.id[8:18]:
        return Gap((int(oldest.id[18:], 16) - int(before.id[18:], 16) - 1) % 2**24)
    if before.created is None or oldest.created is None or newest.created is None:
        return Gap(None)
    spread = max(newest.created - oldest.created, 0.001)
    missing = (oldest.created - before.created) * len(ordered) / spread
    return Gap(max(1, round(missing)), estimated=True)


def _piece(record: LogRecord, start: int, end: int) -> Piece | None:
    """Cut whole lines out of a record's text; the end of a line shown before is no new line."""
    text = record.text
    if 0 < start < end and text[start - 1] != "\n":
        start += text.startswith("\r\n", start) + text.startswith(("\n", "\r\n"), start)
    return Piece(record, text[start:end].removesuffix("\n")) if start < end else None


def _age_key(record: LogRecord) -> tuple[float, str]:
    return (record.created or 0.0, record.id)
