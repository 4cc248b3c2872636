"""The log of one run: records kept sorted, and the window of the newest of them as JSON.

Only as many records are kept as a window can ever show; the console lines that the run really
wrote are kept apart, as the truth that a reader of the log is measured against.
"""

from __future__ import annotations

import json
from bisect import bisect_left, insort
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from json.encoder import encode_basestring_ascii
from random import Random

from opsera_step.simulator import places
from opsera_step.simulator.identifiers import timestamp

CONSOLE = "console output"
_MARK = "\0 goes here \0"


@dataclass(frozen=True)
class Shape:
    """What many records have in common: their run, their step, and what kind they are."""

    pipeline_id: str
    run_count: int
    step_id: str = ""
    step_name: str = ""
    step_index: int | None = None
    tool: dict[str, object] = field(default_factory=dict)
    action: str = CONSOLE
    status: str = "running"
    message: str = "Console log output."
    user_id: str = ""
    place: str = "jenkinsConsoleLog"
    extra: dict[str, object] = field(default_factory=dict)

    @cached_property
    def template(self) -> list[str] | None:
        """The JSON of its records in pieces: ID, text, createdAt and updatedAt go in between.

        None where the pieces differ between records.
        """
        if self.action != CONSOLE or self.place == "consoleLog_parts" or self.extra:
            return None
        blank = Record(0, _MARK, 0, 0, self, _MARK).fields()
        marked = json.dumps(blank | {"createdAt": _MARK, "updatedAt": _MARK})
        return marked.split(json.dumps(_MARK))


@dataclass(slots=True)
class Record:
    """One log record; times are wall-clock milliseconds."""

    seq: int
    id: str | None
    created: int
    updated: int
    shape: Shape
    text: str = ""
    version: int = 0

    def encode(self, escaped: bool = True) -> str:
        """Return the record as the JSON that the API answers."""
        template = self.shape.template
        if template is None or self.id is None or not escaped:
            return json.dumps(self.fields(), ensure_ascii=escaped)
        begin, before_text, before_created, before_updated, end = template
        return (
            f'{begin}"{self.id}"{before_text}{encode_basestring_ascii(self.text)}{before_created}'
            f'"{timestamp(self.created)}"{before_updated}"{timestamp(self.updated)}"{end}'
        )

    def fields(self) -> dict[str, object]:
        """Return the record as plain data."""
        shape = self.shape
        fields: dict[str, object] = {} if self.id is None else {"_id": self.id}
        fields |= {"pipeline_id": shape.pipeline_id, "run_count": shape.run_count}
        fields |= {"step_id": shape.step_id} if shape.step_id else {}
        fields["step_name"] = shape.step_name
        fields |= {} if shape.step_index is None else {"step_index": shape.step_index}
        fields |= {"action": shape.action, "message": shape.message, "status": shape.status}
        fields |= {"user_id": shape.user_id} if shape.user_id else {}
        if shape.tool:
            fields["tool_identifier"] = shape.tool.get("tool_identifier", "")
            fields["step_configuration"] = {"tool": shape.tool}
        if shape.action == CONSOLE:
            places.put(self.text, shape.place, fields)
        fields |= {"createdAt": timestamp(self.created), "updatedAt": timestamp(self.updated)}
        return fields | shape.extra


class LogStore:
    """The records of one run, newest `window` of them to be read."""

    def __init__(self, window: int) -> None:
        """Start empty."""
        self._window = window
        self._all: list[Record] = []
        self._console: list[Record] = []
        self._version = 0
        self._answers: dict[bool, tuple[int, list[str]]] = {}
        self._encoded: dict[bool, dict[int, tuple[int, str]]] = {False: {}, True: {}}

    def add(self, record: Record) -> None:
        """Let a record be seen from now on."""
        self._version += 1
        self._insert(self._all, record)
        if record.shape.action == CONSOLE:
            self._insert(self._console, record)

    def touch(self, record: Record) -> None:
        """Take note that a record was changed in place."""
        record.version += 1
        self._version += 1

    def clear(self) -> None:
        """Forget all records."""
        self._version += 1
        self._all.clear()
        self._console.clear()

    def newest(self, *, console: bool, ties: str, rng: Random, escaped: bool) -> list[str]:
        """Return the newest records as JSON texts, newest first."""
        version, texts = self._answers.get(console, (-1, []))
        if version != self._version or ties == "shuffled":
            window = self._newest(self._console if console else self._all, ties, rng)
            texts = self._texts(window, console, escaped)
            self._answers[console] = (self._version, texts)
        return texts

    def _insert(self, kept: list[Record], record: Record) -> None:
        if not kept or kept[-1].created < record.created:  # nearly always, and cheaper
            kept.append(record)
        else:
            insort(kept, record, key=_written)
        if len(kept) > 4 * self._window + 1000:
            del kept[: len(kept) - 2 * self._window]

    def _newest(self, kept: list[Record], ties: str, rng: Random) -> Iterable[Record]:
        start = max(0, len(kept) - self._window)
        if start and ties != "stable":
            # Of records that tie with the oldest one shown, any may be the ones that are shown.
            start = bisect_left(kept, kept[start].created, key=lambda record: record.created)
        newest = kept[: start - 1 if start else None : -1]
        if ties != "stable":
            newest = _reordered(newest, ties, rng)
        return newest[: self._window]

    def _texts(self, window: Iterable[Record], console: bool, escaped: bool) -> list[str]:
        # Each record is encoded once; those that left the window are forgotten.
        old = self._encoded[console]
        new: dict[int, tuple[int, str]] = {}
        for record in window:
            known = old.get(record.seq)
            if known is None or known[0] != record.version:
                known = (record.version, record.encode(escaped))
            new[record.seq] = known
        self._encoded[console] = new
        return [text for _, text in new.values()]


def _written(record: Record) -> tuple[int, int]:
    return record.created, record.seq


def _reordered(newest: list[Record], ties: str, rng: Random) -> list[Record]:
    result: list[Record] = []
    for _, group in groupby(newest, key=lambda record: record.created):
        tied = list(group)[::-1]
        if ties == "shuffled":
            rng.shuffle(tied)
        result.extend(tied)
    return result


class Truth:
    """The console lines that a run wrote, once each, in the order in which they could be read."""

    def __init__(self) -> None:
        """Start empty."""
        self._lines: list[str] = []
        self._unfinished: dict[int, str] = {}

    def add(self, record: Record, text: str, finished: bool) -> None:
        """Add text of a record; its last line waits for more unless the record is finished."""
        *lines, rest = (self._unfinished.pop(record.seq, "") + text).split("\n")
        if rest and not finished:
            self._unfinished[record.seq] = rest
        elif rest:
            lines.append(rest)
        self._lines += [line.removesuffix("\r") for line in lines]

    def lines(self) -> list[str]:
        """Return all lines so far."""
        return [*self._lines, *self._unfinished.values()]
