"""The log as one ordered stream: LogCursor turns snapshots of the log call into new lines.

The log call returns the latest 1000 records, latest first, without a cursor. Records may grow,
arrive late, share a time, or lack an ID, and a response may be older than the one before, or
incomplete. Pure: no network, no clock. The cursor keeps no text but unfinished last lines: of each
record only how much was shown, and hashes of the last lines, to recognize them.
"""

from __future__ import annotations

import re
from array import array
from collections import OrderedDict
from collections.abc import Container, Iterable, Sequence
from dataclasses import replace
from itertools import count, groupby
from operator import itemgetter
from typing import NamedTuple

from opsera_step.api import LogRecord

WINDOW = 1000
"""Most records in one response of the log call (API page, `pipeline/logs`)."""
MAX_LINE_HASHES = 128
_REMEMBERED_WINDOWS = 5
_OBJECT_ID = re.compile(r"[0-9a-f]{24}")
_YEAR_2100 = 4_102_444_800
_EMPTY = hash("")
_NO_LINES = array("q")

Key = tuple[object, ...]
"""What identifies a record: its ID, else its group and a number."""


class RecordState(NamedTuple):
    """What is known of the text of one record: lengths and hashes, no text."""

    seen: int = -1
    """Length of the text when it was last read, and its hash."""
    seen_hash: int = 0
    doubted: int | None = None
    """Hash of a shorter text that came later; it is believed if it comes twice."""
    shown: int = 0
    """Length of the text that was shown."""
    base: int = 0
    base_hash: int = _EMPTY
    """Where the hashed lines start, and the hash of the text before."""
    lines: array[int] = _NO_LINES
    """Hashes of the last lines that were shown, from `base` on; never changed in place."""

    def is_same(self, text: str) -> bool:
        """Whether this is the text that was read last."""
        return len(text) == self.seen and hash(text) == self.seen_hash

    def matching(self, text: str) -> tuple[int, int]:
        """Return how many of the hashed lines this text still has, and where they end."""
        if self.base > len(text) or (self.base and hash(text[: self.base]) != self.base_hash):
            return 0, 0
        same, end = 0, self.base
        for line_hash in self.lines:
            line_end = text.find("\n", end)
            stop = len(text) if line_end < 0 else line_end
            if hash(text[end:stop]) != line_hash:
                # The last line that was shown may continue, if it was not finished then.
                is_last = same == len(self.lines) - 1
                if is_last and hash(text[end : self.shown]) == line_hash:
                    return same + 1, self.shown
                break
            same, end = same + 1, min(stop + 1, len(text))
        return same, end

    def with_shown(self, text: str, end: int) -> RecordState:
        """Return the state after the text was shown up to `end`."""
        first = text.rfind("\n", 0, self.shown) + 1
        lines, base, base_hash = self.lines, self.base, self.base_hash
        if base <= first < self.shown:
            lines = lines[:-1]  # A line that was not finished.
        if first < base or len(lines) + text.count("\n", first, end) > MAX_LINE_HASHES:
            first = base = _last_lines(text, end, MAX_LINE_HASHES // 2)
            base_hash, lines = hash(text[:base]), _NO_LINES
        if first < end:
            added = map(hash, text[first:end].removesuffix("\n").split("\n"))
            lines = lines + array("q", added)
        return self._replace(shown=end, base=base, base_hash=base_hash, lines=lines)

    def rewound(self, text: str, kept: int, kept_end: int) -> RecordState:
        """Return the state for a text that kept only its first `kept` hashed lines."""
        base = min(self.base, kept_end)
        base_hash = self.base_hash if base == self.base else hash(text[:base])
        return self._replace(
            shown=kept_end, base=base, base_hash=base_hash, lines=self.lines[:kept]
        )

    def released(self) -> RecordState:
        """Return the state after all of the text that was read was shown."""
        return self._replace(
            shown=self.seen, base=self.seen, base_hash=self.seen_hash, lines=_NO_LINES
        )


class Merged(NamedTuple):
    """What the text of a record brings: the part from `start` to `end` is new."""

    start: int
    end: int
    state: RecordState
    has_grown: bool = False
    """Whether the text was extended or rewritten since it was read last."""


def merge(state: RecordState, text: str, *, may_grow: bool, others_grow: bool = False) -> Merged:
    """Compare the text of a record with what was shown of it.

    The unfinished last line of a record that may grow is held back once; a text of one line only if
    records of this log grow. A shorter text is taken for an older response, unless it comes twice
    and has something new.
    """
    same = state.is_same(text)
    if same and state.shown == len(text):
        return Merged(state.shown, state.shown, state._replace(doubted=None))
    kept, kept_end = state.matching(text)
    if len(text) < state.seen and (state.doubted != hash(text) or kept_end == len(text)):
        return Merged(state.shown, state.shown, state._replace(doubted=hash(text)))
    has_grown = 0 <= state.seen < len(text)
    if kept < len(state.lines) or kept_end < state.shown:
        has_grown, state = True, state.rewound(text, kept, kept_end)
    start, end = state.shown, len(text)
    if may_grow and not same and ("\n" in text or others_grow or has_grown):
        end = max(text.rfind("\n") + 1, start)
    state = state.with_shown(text, end)
    state = state._replace(seen=len(text), seen_hash=hash(text), doubted=None)
    return Merged(start, end, state, has_grown)


class Piece(NamedTuple):
    """New text of one record, to be shown as whole lines; without its last line end.

    The record comes without its own text. The new text is the part of `source` from `start` to
    `end`: a copy of each would double the memory of a response.
    """

    record: LogRecord
    source: str
    start: int
    end: int

    @property
    def text(self) -> str:
        """The new text."""
        return self.source[self.start : self.end]


class Batch(NamedTuple):
    """What a snapshot brought that was not there before, oldest first."""

    pieces: tuple[Piece, ...] = ()
    has_gap: bool = False
    """Whether records may have passed unseen, between two snapshots or before the first."""
    new_records: int = 0


class LogCursor:
    """Merges snapshots of a run's log into one stream: each line once, in order.

    Pass it each response of the log call, latest record first as it came, and call `flush` when
    nothing more will come.
    """

    def __init__(self, window: int = WINDOW) -> None:
        self._window = window
        self._states: OrderedDict[Key, RecordState] = OrderedDict()
        self._held: dict[Key, Piece] = {}
        self._numbers = count()
        self._latest = float("-inf")
        """The latest time of a record so far."""
        self._growing: dict[Key, LogRecord] = {}
        """The records that were seen to grow and are in reach, without their text."""
        self._growth_seen = False

    def advance(self, snapshot: Sequence[LogRecord], *, is_cut: bool = False) -> Batch:
        """Take a snapshot and return what is new in it.

        `is_cut`: older records may exist although the window is not full.
        """
        ordered = in_order(snapshot)
        keys = self._keys_of(ordered)
        new = {key for key in keys if key not in self._states}
        is_full = is_cut or len(ordered) >= self._window
        has_gap = is_full and bool(ordered) and len(new) == len(set(keys)) and self._moved(ordered)
        self._states.update((key, RecordState()) for key in new)
        # What is missing in a response that is not full, or too old to have it, will come again.
        gone = self._gone(set(keys), ordered) if is_full else []
        pieces = self._release(gone)
        latest_of_step = {_stream(record): place for place, record in enumerate(ordered)}
        has_gap |= self._lost_a_growing_one(gone, latest_of_step)
        for place, (key, record) in enumerate(zip(keys, ordered, strict=True)):
            may_grow = latest_of_step[_stream(record)] == place
            pieces += self._merge(key, record, may_grow=may_grow)
        self._remember(keys, ordered)
        return Batch(tuple(pieces), has_gap, len(new))

    def flush(self) -> Batch:
        """Return the unfinished last lines that were held back; the stream is over."""
        return Batch(tuple(self._release(list(self._held))))

    def _moved(self, ordered: Sequence[LogRecord]) -> bool:
        """Whether a window without a known record is later than all before, or has no times."""
        times = _times(record.created for record in ordered)
        return not times or times[-1] > self._latest

    def _keys_of(self, ordered: Sequence[LogRecord]) -> list[Key]:
        """Return the key of each record: its ID, or a number that it keeps."""
        keys: list[Key] = [(record.id,) for record in ordered]
        without = [place for place, record in enumerate(ordered) if not record.id]
        if without:
            known = RecordsWithoutId(self._states, self._window)
            for find in (known.same, known.grown, self._new_key):
                for place in without:
                    if keys[place] == ("",) and (key := find(ordered[place])) is not None:
                        keys[place] = key
        return keys

    def _new_key(self, record: LogRecord) -> Key:
        return (*_group(record), next(self._numbers))

    def _merge(self, key: Key, record: LogRecord, *, may_grow: bool) -> list[Piece]:
        text = record.text
        before = self._states[key]
        merged = merge(before, text, may_grow=may_grow, others_grow=self._growth_seen)
        self._states[key] = merged.state
        if merged.state.doubted is not None:
            return []
        if merged.has_grown:
            self._growth_seen = True
            self._growing[key] = replace(record, text="", data={})
        self._held.pop(key, None)
        for held in _cut(record, merged.end, len(text)):
            self._held[key] = held._replace(source=held.text, start=0, end=len(held.text))
        return _cut(record, merged.start, merged.end)

    def _gone(self, present: Container[Key], ordered: Sequence[LogRecord]) -> list[Key]:
        """Return which records that may grow are out of reach: older than all of these."""
        oldest = min(_times(record.created for record in ordered), default=float("inf"))
        watched = self._growing | {key: piece.record for key, piece in self._held.items()}
        return [
            key
            for key, record in watched.items()
            if key not in present and (record.created is None or record.created <= oldest)
        ]

    def _lost_a_growing_one(self, gone: list[Key], streams: Container[tuple[str, str]]) -> bool:
        """Whether a record is out of reach that may grow, because none of its step follows."""
        lost = [self._growing.pop(key) for key in gone if key in self._growing]
        return any(_stream(record) not in streams for record in lost)

    def _release(self, gone: list[Key]) -> list[Piece]:
        """Return what was held back of some records."""
        released = [key for key in gone if key in self._held]
        for key in released:
            self._states[key] = self._states[key].released()
        return [self._held.pop(key) for key in released]

    def _remember(self, keys: Iterable[Key], ordered: Sequence[LogRecord]) -> None:
        for key in (*self._held, *keys):
            self._states.move_to_end(key)
        while len(self._states) > _REMEMBERED_WINDOWS * max(WINDOW, self._window):
            self._states.popitem(last=False)
        self._latest = max((self._latest, *_times(record.created for record in ordered)))


class RecordsWithoutId:
    """The remembered records without ID, to recognize those of a snapshot."""

    def __init__(self, memory: OrderedDict[Key, RecordState], window: int) -> None:
        """Index the memory, which is in the order in which records were last seen."""
        self._texts: dict[Key, dict[tuple[int, int], list[Key]]] = {}
        self._latest: dict[Key, Key] = {}
        for rank, key in enumerate(reversed(memory)):
            # Without a time too, a record that passed is like any later one with the same text.
            if len(key) > 1 and (key[0] is not None or rank < window):
                one, texts = memory[key], self._texts.setdefault(key[:-1], {})
                texts.setdefault((one.seen, one.seen_hash), []).append(key)
                self._latest.setdefault(key[:-1], key)

    def same(self, record: LogRecord) -> Key | None:
        """Find the record with the same text."""
        texts = self._texts.get(_group(record), {})
        keys = texts.get((len(record.text), hash(record.text)))
        return keys.pop() if keys else None

    def grown(self, record: LogRecord) -> Key | None:
        """Find the record with the longest start of the text; without time only the latest."""
        group = _group(record)
        texts = self._texts.get(group, {})
        shorter = {length for length, _ in texts if length < len(record.text)}
        for length in sorted(shorter, reverse=True):
            keys = texts.get((length, hash(record.text[:length])))
            if keys and (record.created is not None or keys[0] == self._latest[group]):
                return keys.pop(0)
        return None


def in_order(snapshot: Sequence[LogRecord]) -> list[LogRecord]:
    """Return the records oldest first: by time, then by ID if all with the same time have one.

    Otherwise the server's own order decides. A record without a readable time takes that of the
    record before it.
    """
    times: list[float] = []
    oldest_first = list(reversed(snapshot))
    for record in oldest_first:
        created = plausible(record.created)
        times.append(created if created is not None else (times or [0.0])[-1])
    by_time = sorted(zip(times, range(len(times)), strict=True))
    ordered: list[LogRecord] = []
    for _, tied in groupby(by_time, key=itemgetter(0)):
        records = [oldest_first[position] for _, position in tied]
        if len(records) > 1 and _count_up(records):
            records.sort(key=lambda record: record.id)
        ordered += records
    return ordered


def _count_up(records: Sequence[LogRecord]) -> bool:
    """Whether the IDs count up in the order of creation: ObjectIds of one process.

    https://www.mongodb.com/docs/manual/reference/bson-types/: 4 bytes time, 5 bytes random,
    3 bytes counter.
    """
    ids = [record.id for record in records]
    return all(map(_OBJECT_ID.fullmatch, ids)) and len({one[8:18] for one in ids}) == 1


def _cut(record: LogRecord, start: int, end: int) -> list[Piece]:
    """Cut whole lines out of a record's text; the end of a line shown before is no new line."""
    text = record.text
    if 0 < start < end and text[start - 1] != "\n":
        start += text.startswith("\r", start)
        start += text.startswith("\n", start)
    if start >= end:
        return []
    end -= text.endswith("\n", start, end)
    return [Piece(replace(record, text="", data={}), text, start, end)]


def _last_lines(text: str, end: int, lines: int) -> int:
    """Return where the last lines before `end`, so many, start."""
    for _ in range(lines):
        end = text.rfind("\n", 0, max(0, end - 1)) + 1
    return end


def _group(record: LogRecord) -> Key:
    """Return what does not change in a record and may distinguish it."""
    return record.created, record.step_id, record.step_name, record.action


def _stream(record: LogRecord) -> tuple[str, str]:
    return record.step_id, record.action


def plausible(created: float | None) -> float | None:
    """Return the time of a record if it can be used: from 1970 to 2100, in seconds since 1970."""
    return created if created is not None and 0 <= created < _YEAR_2100 else None


def _times(values: Iterable[float | None]) -> list[float]:
    return [value for value in map(plausible, values) if value is not None]
