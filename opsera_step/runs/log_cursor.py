"""The log as one ordered stream: LogCursor turns snapshots of the log call into new lines.

The log call gives the newest 1000 records, newest first, without a cursor; records may grow, come
late, share a time stamp or lack an ID, and an answer may be older than the one before, or torn.
Pure: no network, no clock. The cursor keeps no text but unfinished last lines: for each record
only how much of it was given out, and hashes to know it by.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Container, Iterable, Sequence
from dataclasses import replace
from itertools import count, groupby
from operator import itemgetter
from typing import NamedTuple

from opsera_step.api import LogRecord
from opsera_step.runs.log_memory import Given, Key, Nameless, group_of

WINDOW = 1000
"""Most records that one answer of the log call holds (API page, `pipeline/logs`)."""

_REMEMBERED = 5 * WINDOW
_OBJECT_ID = re.compile(r"[0-9a-f]{24}")


class Piece(NamedTuple):
    """New text of one record, to be shown as whole lines; without its last line end.

    The record comes without its own text.
    """

    record: LogRecord
    text: str


class Gap(NamedTuple):
    """Records went by between two snapshots, or before the first.

    `at_most` is how many may be missing: a bound from the IDs, an estimate from the rate of the
    records when `estimated`, or None where nothing tells.
    """

    at_most: int | None
    estimated: bool = False


class Batch(NamedTuple):
    """What a snapshot brought that was not there before, oldest first."""

    pieces: tuple[Piece, ...] = ()
    gap: Gap | None = None
    new_records: int = 0


class LogCursor:
    """Merge snapshots of a run's log into one stream: each line once, in order.

    Feed it each answer of the log call with `advance`, newest record first as it came, and call
    `flush` when nothing more will come.
    """

    def __init__(self, window: int = WINDOW) -> None:
        """Start before the first line; `window` is how many records an answer can hold."""
        self._window = window
        self._given: OrderedDict[Key, Given] = OrderedDict()
        self._held: dict[Key, Piece] = {}
        self._numbers = count()
        self._newest = _Newest()
        self._growing: dict[Key, LogRecord] = {}
        """The records that were seen to grow and are in reach, without their text."""
        self._growth_seen = False

    def advance(self, snapshot: Sequence[LogRecord]) -> Batch:
        """Take a snapshot and return what is new in it."""
        ordered = in_order(snapshot)
        keys = self._keys_of(ordered)
        new = {key for key in keys if key not in self._given}
        full = len(ordered) >= self._window
        overlap = any(key in self._given for key in keys)
        gap = self._newest.gap_before(ordered) if full and not overlap else None
        self._given.update((key, Given()) for key in new)
        # What an answer lacks that is not full, or is too old to have it, will come again.
        gone = self._gone(set(keys), ordered) if full else []
        pieces = self._release(gone)
        newest_of_step = {_stream(record): place for place, record in enumerate(ordered)}
        if self._lost_a_growing_one(gone, newest_of_step):
            gap = gap or Gap(None)
        for place, (key, record) in enumerate(zip(keys, ordered, strict=True)):
            last_of_step = newest_of_step[_stream(record)] == place
            pieces += self._new_text(key, record, may_grow=last_of_step)
        self._remember(keys, ordered)
        return Batch(tuple(pieces), gap, len(new))

    def flush(self) -> Batch:
        """Return the unfinished last lines that were held back; the stream is over."""
        return Batch(tuple(self._release(list(self._held))))

    def _keys_of(self, ordered: Sequence[LogRecord]) -> list[Key]:
        """Give each record its key: its ID, or a number that it keeps."""
        keys: list[Key] = [(record.id,) for record in ordered]
        nameless = [place for place, record in enumerate(ordered) if not record.id]
        if nameless:
            known = Nameless(self._given, self._window)
            for find in (known.same, known.grown, self._new_key):
                for place in nameless:
                    if keys[place] == ("",) and (key := find(ordered[place])) is not None:
                        keys[place] = key
        return keys

    def _new_key(self, record: LogRecord) -> Key:
        return (*group_of(record), next(self._numbers))

    def _new_text(self, key: Key, record: LogRecord, *, may_grow: bool) -> list[Piece]:
        given, text, end = self._given[key], record.text, len(record.text)
        unchanged = given.is_as_seen(text)
        if given.is_outdated(text) or (unchanged and given.length == end):
            return []
        if not given.is_start_of(text):
            given.rewind(text)
            self._grew(key, record)
        elif 0 <= given.seen_length < end:
            self._grew(key, record)
        if may_grow and not unchanged and ("\n" in text or self._growth_seen):
            end = max(text.rfind("\n") + 1, given.length)
        piece, held = _cut(record, given.length, end), _cut(record, end, len(text))
        given.take(text, end)
        given.see(text)
        self._held.pop(key, None)
        self._held.update((key, one) for one in held)
        return piece

    def _grew(self, key: Key, record: LogRecord) -> None:
        self._growth_seen = True
        self._growing[key] = replace(record, text="")

    def _gone(self, present: Container[Key], ordered: Sequence[LogRecord]) -> list[Key]:
        """Tell which records that may go on are out of reach: they are older than all of these."""
        oldest = min(_times(record.created for record in ordered), default=float("inf"))
        watched = self._growing | {key: piece.record for key, piece in self._held.items()}
        return [
            key
            for key, record in watched.items()
            if key not in present and (record.created is None or record.created <= oldest)
        ]

    def _lost_a_growing_one(self, gone: list[Key], streams: Container[tuple[str, str]]) -> bool:
        """Whether a record has gone out of reach that may grow on, for nothing follows it."""
        lost = [self._growing.pop(key) for key in gone if key in self._growing]
        return any(_stream(record) not in streams for record in lost)

    def _release(self, gone: list[Key]) -> list[Piece]:
        """Give out what was held back of some records."""
        released = [key for key in gone if key in self._held]
        for key in released:
            self._given[key].take_all()
        return [self._held.pop(key) for key in released]

    def _remember(self, keys: Iterable[Key], ordered: Sequence[LogRecord]) -> None:
        for key in (*self._held, *keys):
            self._given.move_to_end(key)
        while len(self._given) > max(_REMEMBERED, 5 * self._window):
            self._given.popitem(last=False)
        self._newest.see(ordered)


class _Newest:
    """The newest that was seen of all records, to tell how far away a later snapshot begins."""

    def __init__(self) -> None:
        """Start with nothing seen."""
        self._created: float | None = None
        self._id = ""
        self._processes: set[str] = set()

    def see(self, ordered: Sequence[LogRecord]) -> None:
        """Take note of a snapshot."""
        self._created = max(_times((self._created, *(r.created for r in ordered))), default=None)
        self._id = max((self._id, *(record.id for record in ordered)))
        # Two are as good as more: then the IDs do not tell.
        self._processes = set(sorted(self._processes | _processes(ordered))[:2])

    def gap_before(self, ordered: Sequence[LogRecord]) -> Gap | None:
        """Tell how many records may be missing before a window without a known record.

        ObjectIds of one process count up (https://www.mongodb.com/docs/manual/reference/bson-types/:
        4 bytes time, 5 bytes random, 3 bytes counter); else the rate of the window is taken.
        """
        processes = self._processes | _processes(ordered)
        if not self._processes:
            return Gap(None)
        if len(processes) == 1 and "" not in processes:
            highest = max(record.id for record in ordered)
            passed = (int(highest[18:], 16) - int(self._id[18:], 16)) % 2**24
            at_most = passed - len(ordered) if highest > self._id else 0
            return Gap(at_most) if at_most > 0 else None
        return self._estimate(ordered)

    def _estimate(self, ordered: Sequence[LogRecord]) -> Gap:
        times = _times(record.created for record in ordered)
        if self._created is None or not times or times[0] <= self._created:
            return Gap(None)
        per_second = len(ordered) / max(times[-1] - times[0], 0.001)
        return Gap(max(1, round((times[0] - self._created) * per_second)), estimated=True)


def _of_one_process(records: Sequence[LogRecord]) -> bool:
    """Whether the records' IDs count up in the order in which they were made."""
    ids = [record.id for record in records]
    return all(map(_OBJECT_ID.fullmatch, ids)) and len({one[8:18] for one in ids}) == 1


def in_order(snapshot: Sequence[LogRecord]) -> list[LogRecord]:
    """Return the records oldest first: by time, then by ID where all of one time have one.

    The server's own order decides where neither does. A record without a readable time takes
    that of the record before it.
    """
    times: list[float] = []
    oldest_first = list(reversed(snapshot))
    for record in oldest_first:
        times.append(record.created if record.created is not None else (times or [0.0])[-1])
    by_time = sorted(zip(times, range(len(times)), strict=True))
    ordered: list[LogRecord] = []
    for _, tied in groupby(by_time, key=itemgetter(0)):
        records = [oldest_first[position] for _, position in tied]
        if len(records) > 1 and _of_one_process(records):
            records.sort(key=lambda record: record.id)
        ordered += records
    return ordered


def _cut(record: LogRecord, start: int, end: int) -> list[Piece]:
    """Cut whole lines out of a record's text; the end of a line shown before is no new line."""
    text = record.text
    if 0 < start < end and text[start - 1] != "\n":
        start += text.startswith("\r", start)
        start += text.startswith("\n", start)
    if start >= end:
        return []
    return [Piece(replace(record, text="", data={}), text[start:end].removesuffix("\n"))]


def _stream(record: LogRecord) -> tuple[str, str]:
    return record.step_id, record.action


def _times(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _processes(records: Iterable[LogRecord]) -> set[str]:
    """Return the processes that made the IDs; an empty one for an ID that is no ObjectId."""
    return {r.id[8:18] if _OBJECT_ID.fullmatch(r.id) else "" for r in records}
