"""A task: its runs as a function of time, the object by which the API shows it, and its log."""

from __future__ import annotations

from itertools import takewhile

from opsera_step.simulator import places
from opsera_step.simulator.identifiers import fixed_id, timestamp
from opsera_step.simulator.scenario import ACCOUNT, TaskRun, TaskSpec
from opsera_step.simulator.switches import Switches
from opsera_step.simulator.timeline import Emission, emissions

_BORN_DAYS = 60

_Fields = dict[str, object]


class Task:
    """One task; nothing of the API starts it, so its runs come in the scenario's time."""

    def __init__(self, spec: TaskSpec, began: int) -> None:
        """Take up a task; `began` is the wall clock of the beginning in milliseconds."""
        self.spec = spec
        self._began = began

    def describe(self, now: float, switches: Switches) -> _Fields:
        """Return the task object of the API."""
        spec, (count, run) = self.spec, self._newest(now)
        changed = -_BORN_DAYS * 86400.0 if run is None else min(now, run.at + run.duration)
        return {
            "_id": spec.id,
            "tags": list(spec.tags),
            "name": spec.name,
            "description": spec.description,
            "type": spec.type,
            "tool_identifier": spec.tool,
            "active": spec.active,
            "configuration": spec.configuration,
            "status": _state(run, now, switches),
            "roles": [],
            "account": ACCOUNT,
            "owner": spec.owner.id,
            "createdAt": self._stamp(-_BORN_DAYS * 86400.0),
            "updatedAt": self._stamp(changed),
            "__v": 0,
            "owner_name": spec.owner.name,
            "run_count": count,
            "message": "" if run is None or now < run.at + run.duration else run.message,
            "jenkinsIds": [],
            **spec.record,
        }

    def records(self, now: float, switches: Switches, run_count: int | None) -> list[_Fields]:
        """Return the log records of all runs, or of one, that are there by now, oldest first."""
        records: list[_Fields] = []
        for count, run in self._runs(now):
            if run_count in (None, count):
                records += self._log(count, run, now, switches)
        return records

    def _runs(self, now: float) -> list[tuple[int, TaskRun]]:
        begun = [run for run in self.spec.runs if run.at <= now]
        return list(enumerate(begun, self.spec.run_count + 1))

    def _newest(self, now: float) -> tuple[int, TaskRun | None]:
        runs = self._runs(now)
        return runs[-1] if runs else (self.spec.run_count, None)

    def _log(self, count: int, run: TaskRun, now: float, switches: Switches) -> list[_Fields]:
        records: list[_Fields] = []
        growing: dict[int, tuple[_Fields, str]] = {}
        written = takewhile(lambda one: run.at + one.at <= now, emissions(run.log))
        for number, emission in enumerate(written):
            record, text = growing.get(id(emission.entry), ({}, ""))
            if emission.first or not record:
                record = self._record(count, number, run, emission, switches)
                records.append(record)
            text += emission.text
            growing[id(emission.entry)] = (record, text) if emission.entry.growing else ({}, "")
            place = emission.entry.place or self.spec.place or switches.place
            places.put(_ended(text, switches), place, record)
        return records

    def _record(
        self, count: int, number: int, run: TaskRun, emission: Emission, switches: Switches
    ) -> _Fields:
        entry, at = emission.entry, self._stamp(run.at + emission.at)
        return {
            "_id": fixed_id("task log", self.spec.id, count, number),
            "task_id": self.spec.id,
            "run_count": count,
            "name": self.spec.name,
            "log_type": entry.action or "console output",
            "type": self.spec.type,
            "tool_identifier": self.spec.tool,
            "message": entry.message or "Console log output.",
            "status": entry.status or switches.spell("running"),
            "step_configuration": {},
            "createdAt": at,
            "updatedAt": at,
            **entry.record,
        }

    def _stamp(self, seconds: float) -> str:
        return timestamp(self._began + round(seconds * 1000))


def _state(run: TaskRun | None, now: float, switches: Switches) -> str:
    if run is None:
        return "created"
    state = "running" if now < run.at + run.duration else run.result
    return switches.spell(state)


def _ended(text: str, switches: Switches) -> str:
    crlf = switches.line_ends == "crlf"
    return text.replace("\r\n", "\n").replace("\n", "\r\n") if crlf else text
