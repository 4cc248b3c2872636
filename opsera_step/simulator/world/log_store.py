"""The log of one run: sorted records, and the latest of them as JSON.

Only as many records are kept as a response can ever contain. The console lines that the run
wrote are kept separately, as what a reader of the log is expected to find.
"""

from __future__ import annotations

import json
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from json.encoder import encode_basestring_ascii
from random import Random

from opsera_step.simulator.identifiers import timestamp

CONSOLE = "console output"
OCTOPUS_TOPIC = "opsera.pipeline.octopus.console.log"
_MARK = "\0 goes here \0"

_Fields = dict[str, object]


def _parts(text: str) -> _Fields:
    middle = text.find("\n", len(text) // 2) + 1 or len(text)
    halves = [half for half in (text[:middle], text[middle:]) if half]
    return {f"part{n}": {"id": n, "log": half} for n, half in enumerate(halves, 1)}


_API_RESPONSE: dict[str, Callable[[str], object]] = {
    "jenkinsConsoleLog": lambda text: {"jenkinsConsoleLog": text},
    "jenkins_console_log": lambda text: {"jenkins_console_log": text},
    "consoleLog": lambda text: {"consoleLog": text},
    "consoleLog_parts": lambda text: {"consoleLog": _parts(text)},
    "octopus": lambda text: {"message": text},
    "buildLog": lambda text: {"buildLog": text},
    "api_response": lambda text: text,
    "apiResponse": lambda text: {"apiResponse": {"message": {"message": text}}},
    "api_response_message": lambda text: {"message": text},
    "message": lambda _: {},
    "json": lambda text: {"output": text},
}


def put_text(text: str, place: str, record: _Fields) -> None:
    """Write console text into a record, in the named place."""
    record["api_response"] = _API_RESPONSE[place](text)
    if place == "message":
        record["message"] = text
    configuration = record.get("step_configuration")
    if place == "octopus" and isinstance(configuration, dict):
        record["step_configuration"] = {**configuration, "topic": OCTOPUS_TOPIC}


def visible_text(text: str, place: str) -> str:
    """Return what a reader of the record finds as its console text."""
    return json.dumps(_API_RESPONSE["json"](text)) if place == "json" else text


@dataclass(frozen=True)
class RecordTemplate:
    """What many records have in common: their run, their step, their user, and their kind."""

    pipeline_id: str
    run_number: int
    user: _Fields = field(default_factory=dict)
    step_id: str = ""
    step_name: str = ""
    step_index: int | None = None
    tool: _Fields = field(default_factory=dict)
    action: str = CONSOLE
    status: str = "running"
    message: str = "Console log output."
    place: str = "jenkinsConsoleLog"
    extra: _Fields = field(default_factory=dict)

    @cached_property
    def pieces(self) -> list[str] | None:
        """The JSON of its records in pieces: ID, text, and two times go in between.

        None where the pieces differ between records.
        """
        if self.action != CONSOLE or self.place == "consoleLog_parts" or self.extra:
            return None
        blank = Record(0, _MARK, 0, 0, self, _MARK).fields()
        marked = json.dumps(blank | {"createdAt": _MARK, "updatedAt": _MARK})
        return marked.split(json.dumps(_MARK))


@dataclass(slots=True)
class Record:
    """One log record. Times are wall-clock milliseconds."""

    seq: int
    id: str | None
    created: int
    updated: int
    template: RecordTemplate
    text: str = ""
    version: int = 0

    def encode(self, escaped: bool = True) -> str:
        """Return the record as JSON."""
        pieces = self.template.pieces if escaped else None
        if pieces is None or self.id is None:
            return json.dumps(self.fields(), ensure_ascii=escaped)
        start, before_text, before_created, before_updated, end = pieces
        return (
            f'{start}"{self.id}"{before_text}{encode_basestring_ascii(self.text)}{before_created}'
            f'"{timestamp(self.created)}"{before_updated}"{timestamp(self.updated)}"{end}'
        )

    def fields(self) -> _Fields:
        """Return the record as plain data."""
        template = self.template
        fields: _Fields = {} if self.id is None else {"_id": self.id}
        fields |= {"pipeline_id": template.pipeline_id, "run_count": template.run_number}
        fields |= {"step_id": template.step_id} if template.step_id else {}
        fields["step_name"] = template.step_name
        fields |= {} if template.step_index is None else {"step_index": template.step_index}
        fields |= {"action": template.action, "message": template.message}
        fields |= {"status": template.status, **template.user}
        if template.tool:
            fields["tool_identifier"] = template.tool.get("tool_identifier", "")
            fields["step_configuration"] = {"tool": template.tool}
        if template.action == CONSOLE:
            put_text(self.text, template.place, fields)
        fields |= {"createdAt": timestamp(self.created), "updatedAt": timestamp(self.updated)}
        return fields | template.extra


class LogStore:
    """The records of one run. The latest `window` of them can be read."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._all: list[Record] = []
        self._console: list[Record] = []
        self.version = 0
        """Changes with every change of the log."""
        self._responses: dict[bool, tuple[int, list[str]]] = {}
        self._encoded: dict[bool, dict[int, tuple[int, str]]] = {False: {}, True: {}}

    def add(self, record: Record) -> None:
        """Make a record visible."""
        self.version += 1
        self._insert(self._all, record)
        if record.template.action == CONSOLE:
            self._insert(self._console, record)

    def touch(self, record: Record) -> None:
        """Note that a record was changed in place."""
        record.version += 1
        self.version += 1

    def clear(self) -> None:
        """Delete all records."""
        self.version += 1
        self._all.clear()
        self._console.clear()

    def latest(self, *, console: bool, ties: str, rng: Random, escaped: bool) -> list[str]:
        """Return the latest records as JSON, latest first."""
        version, texts = self._responses.get(console, (-1, []))
        if version != self.version or ties == "shuffled":
            window = self._latest(self._console if console else self._all, ties, rng)
            texts = self._texts(window, console, escaped)
            self._responses[console] = (self.version, texts)
        return texts

    def recent_text(self, records: int) -> str:
        """Return the console text of the latest records, oldest first."""
        return "".join(record.text for record in self._console[-records:])

    def _insert(self, kept: list[Record], record: Record) -> None:
        if not kept or kept[-1].created < record.created:  # nearly always, and cheaper
            kept.append(record)
        else:
            insort(kept, record, key=lambda one: (one.created, one.seq))
        if len(kept) > 4 * self._window + 1000:
            del kept[: len(kept) - 2 * self._window]

    def _latest(self, kept: list[Record], ties: str, rng: Random) -> list[Record]:
        start = max(0, len(kept) - self._window)
        if start and ties != "stable":
            # Any of the records that tie with the oldest one returned may be returned.
            start = bisect_left(kept, kept[start].created, key=lambda record: record.created)
        latest = kept[: start - 1 if start else None : -1]
        if ties != "stable":
            latest = _reordered(latest, ties, rng)
        return latest[: self._window]

    def _texts(self, window: Iterable[Record], console: bool, escaped: bool) -> list[str]:
        # Each record is encoded once; those that left the window are dropped.
        old = self._encoded[console]
        new: dict[int, tuple[int, str]] = {}
        for record in window:
            known = old.get(record.seq)
            if known is None or known[0] != record.version:
                known = (record.version, record.encode(escaped))
            new[record.seq] = known
        self._encoded[console] = new
        return [text for _, text in new.values()]


def _reordered(latest: list[Record], ties: str, rng: Random) -> list[Record]:
    result: list[Record] = []
    for _, group in groupby(latest, key=lambda record: record.created):
        tied = list(group)[::-1]
        if ties == "shuffled":
            rng.shuffle(tied)
        result.extend(tied)
    return result


class ExpectedLog:
    """The console lines of a run, once each, in the order in which they became visible."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._unfinished: dict[int, str] = {}

    def add(self, record: Record, text: str, finished: bool) -> None:
        """Add text of a record. Its last line waits for more unless the record is finished."""
        *lines, rest = (self._unfinished.pop(record.seq, "") + text).split("\n")
        if rest and not finished:
            self._unfinished[record.seq] = rest
        elif rest:
            lines.append(rest)
        self._lines += [line.removesuffix("\r") for line in lines]

    def lines(self) -> list[str]:
        """Return all lines so far."""
        return [*self._lines, *self._unfinished.values()]
