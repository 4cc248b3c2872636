"""A task: its runs as a function of time, the object that the API returns, and its log."""

from __future__ import annotations

from itertools import takewhile

from opsera_step.simulator.identifiers import fixed_id, timestamp
from opsera_step.simulator.scenario.flags import Flags
from opsera_step.simulator.scenario.spec import ACCOUNT, TaskRun, TaskSpec
from opsera_step.simulator.scenario.timeline import Emission, emissions
from opsera_step.simulator.world.log_store import put_text

_AGE = 60 * 86400.0

_Fields = dict[str, object]


class Task:
    """One task. No call of the API starts it, so the scenario sets when it runs."""

    def __init__(self, spec: TaskSpec, start: int) -> None:
        """Create a task; `start` is the wall clock of the start in milliseconds."""
        self.spec = spec
        self._start = start

    def describe(self, now: float, flags: Flags) -> _Fields:
        """Return the task object of the API."""
        spec, (number, run) = self.spec, self._latest(now)
        changed = -_AGE if run is None else min(now, run.end)
        return {
            "_id": spec.id,
            "tags": list(spec.tags),
            "name": spec.name,
            "description": spec.description,
            "type": spec.type,
            "tool_identifier": spec.tool,
            "active": spec.active,
            "configuration": spec.configuration,
            "status": _status(run, now, flags),
            "roles": [],
            "account": ACCOUNT,
            "owner": spec.owner.id,
            "createdAt": self._timestamp(-_AGE),
            "updatedAt": self._timestamp(changed),
            "__v": 0,
            "owner_name": spec.owner.name,
            "run_count": number,
            "message": "" if run is None or now < run.end else run.message,
            "jenkinsIds": [],
            **spec.record,
        }

    def records(self, now: float, flags: Flags, run_number: int | None) -> list[_Fields]:
        """Return the log records so far of all runs, or of one, oldest first."""
        records: list[_Fields] = []
        for number, run in self._runs(now):
            if run_number in (None, number):
                records += self._log(number, run, now, flags)
        return records

    def _runs(self, now: float) -> list[tuple[int, TaskRun]]:
        started = [run for run in self.spec.runs if run.at <= now]
        return list(enumerate(started, self.spec.run_count + 1))

    def _latest(self, now: float) -> tuple[int, TaskRun | None]:
        runs = self._runs(now)
        return runs[-1] if runs else (self.spec.run_count, None)

    def _log(self, number: int, run: TaskRun, now: float, flags: Flags) -> list[_Fields]:
        records: list[_Fields] = []
        growing: dict[int, tuple[_Fields, str]] = {}
        written = takewhile(lambda one: run.at + one.at <= now, emissions(run.log))
        for index, emission in enumerate(written):
            record, text = growing.get(id(emission.entry), ({}, ""))
            if emission.first or not record:
                record = self._record(number, index, run, emission, flags)
                records.append(record)
            text += emission.text
            growing[id(emission.entry)] = (record, text) if emission.entry.growing else ({}, "")
            place = emission.entry.place or self.spec.place or flags.place
            put_text(_with_line_ends(text, flags), place, record)
        return records

    def _record(
        self, number: int, index: int, run: TaskRun, emission: Emission, flags: Flags
    ) -> _Fields:
        entry, at = emission.entry, self._timestamp(run.at + emission.at)
        return {
            "_id": fixed_id("task log", self.spec.id, number, index),
            "task_id": self.spec.id,
            "run_count": number,
            "name": self.spec.name,
            "log_type": entry.action or "console output",
            "type": self.spec.type,
            "tool_identifier": self.spec.tool,
            "message": entry.message or "Console log output.",
            "status": entry.status or flags.spell("running"),
            "step_configuration": {},
            "createdAt": at,
            "updatedAt": at,
            **entry.record,
        }

    def _timestamp(self, seconds: float) -> str:
        return timestamp(self._start + round(seconds * 1000))


def _status(run: TaskRun | None, now: float, flags: Flags) -> str:
    if run is None:
        return "created"
    return flags.spell("running" if now < run.end else run.result)


def _with_line_ends(text: str, flags: Flags) -> str:
    crlf = flags.line_ends == "crlf"
    return text.replace("\r\n", "\n").replace("\n", "\r\n") if crlf else text
