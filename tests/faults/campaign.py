"""A campaign: many schedules, and the ledger of what happened in them."""

from __future__ import annotations

import tempfile
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from opsera_step.simulator import LoggedRequest
from tests.faults.judge import RULES, judge, observed
from tests.faults.schedule import CELLS, EVENTS, INTERRUPTS, KINDS, PHASES, Schedule
from tests.faults.world import KILLED, Played, play

Cell = tuple[str, str, str]
Play = Callable[[Schedule, Path], Played]


@dataclass
class Ledger:
    """What happened, how often, and the bounds that were observed."""

    schedules: int = 0
    cells: Counter[Cell] = field(default_factory=Counter)
    """Faults by kind, call, and phase."""
    interrupts: Counter[Cell] = field(default_factory=Counter)
    """What happened to the process of a job, by phase, and what followed a kill."""
    events: Counter[str] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)
    """In how many schedules each rule could have been broken."""
    codes: Counter[int] = field(default_factory=Counter)
    bounds: dict[str, float] = field(default_factory=dict)
    broken: dict[int, list[str]] = field(default_factory=dict)
    """What was broken, by seed."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, schedule: Schedule, play: Play = play) -> Played | None:
        """Play a schedule and take what happened; None if playing failed."""
        try:
            with tempfile.TemporaryDirectory() as directory:
                played = play(schedule, Path(directory))
            broken, chances = judge(played)
        except Exception:  # noqa: BLE001 - to be reported with its seed
            played, broken, chances = None, [traceback.format_exc()], set()
        with self._lock:
            self.schedules += 1
            self.rules.update(chances)
            if broken:
                self.broken[schedule.seed] = broken
            if played is not None:
                self._note(played)
        return played

    def _note(self, played: Played) -> None:
        for request, moment in zip(played.requests, played.moments, strict=False):
            self.cells.update((kind, request.call, moment.phase) for kind in _kinds(request))
        self.events.update(event.do for _, event in played.happened)
        then = played.jobs[1].kind if len(played.jobs) > 1 else ""
        for _, event in played.happened:
            if event.do != "kill":
                self.interrupts[event.do, event.phase, ""] += 1
            elif played.jobs[0].code == KILLED:
                self.interrupts[event.do, event.phase, then] += 1
        self.codes.update(job.code for job in played.jobs)
        for name, value in observed(played):
            self.bounds[name] = max(value, self.bounds.get(name, 0.0))

    def missing(self) -> list[str]:
        """Return the situations that never happened."""
        cells = [" × ".join(cell) for cell in CELLS if not self.cells[cell]]
        rules = [f"a chance to break “{name}”" for name in RULES if not self.rules[name]]
        return [*cells, *rules, *(f"event {name}" for name in EVENTS if not self.events[name])]

    def missing_interrupts(self) -> list[str]:
        """Return the interrupts that never occurred."""
        missing = [cell for cell in INTERRUPTS if not self.interrupts[cell]]
        return [" × ".join(filter(None, cell)) for cell in missing]

    def page(self, missing: list[str]) -> str:
        """Return the ledger as a page, with the situations that are missing."""
        kinds = "".join(f"{kind[:7]:>8}" for kind in KINDS)
        lines = [f"{self.schedules} schedules, {len(self.broken)} broken", "", f"{'':24}{kinds}"]
        for phase, calls in PHASES.items():
            for call in calls:
                counts = "".join(f"{self.cells[kind, call, phase]:>8}" for kind in KINDS)
                lines.append(f"{phase:14} {call:9}{counts}")
        interrupts = list(dict.fromkeys((do, then) for do, _, then in INTERRUPTS))
        names = "".join(f"{f'{do}, {then}' if then else do:>22}" for do, then in interrupts)
        lines += ["", f"{'':14}{names}"]
        for phase in list(PHASES)[:-1]:
            counts = "".join(f"{self.interrupts[do, phase, then]:>22}" for do, then in interrupts)
            lines.append(f"{phase:14}{counts}")
        lines += ["", "Events: " + _counted(self.events), "Exit codes: " + _counted(self.codes)]
        lines += ["", "Schedules in which each rule could have been broken:"]
        lines += [f"{self.rules[name]:8}  {name}" for name in RULES]
        lines += ["", "Longest times observed:"]
        lines += [f"{value:8.1f}s {name}" for name, value in sorted(self.bounds.items())]
        lines += ["", f"{len(missing)} situations never happened", *missing]
        return "\n".join(lines)


def _counted(counter: Counter[str] | Counter[int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counter.items()))


def _kinds(request: LoggedRequest) -> Iterator[str]:
    """Yield the kinds of fault that a request met."""
    for kind in filter(None, request.fault.split(",")):
        if kind != "http":
            yield kind
        elif request.status in (401, 408, 429):
            yield str(request.status)
        else:
            yield f"{request.status // 100}xx"


def shrink(schedule: Schedule, play: Play = play) -> Schedule:
    """Return a smaller schedule that breaks something as well."""
    for smaller in _smaller(schedule):
        ledger = Ledger()
        ledger.run(smaller, play)
        if ledger.broken:
            return shrink(smaller, play)
    return schedule


def _smaller(schedule: Schedule) -> Iterator[Schedule]:
    """Yield the schedule without one of its parts."""
    for name in ("faults", "aimed", "events"):
        parts = getattr(schedule, name)
        for index in range(len(parts)):
            yield replace(schedule, **{name: parts[:index] + parts[index + 1 :]})
    for name in ("flags", "variables"):
        parts = getattr(schedule, name)
        for left_out in parts:
            kept = {key: value for key, value in parts.items() if key != left_out}
            yield replace(schedule, **{name: kept})
    pipeline = schedule.scenario["pipelines"][0]
    for index in range(len(schedule.plan) if len(schedule.plan) > 1 else 0):
        plan = schedule.plan[:index] + schedule.plan[index + 1 :]
        yield replace(schedule, scenario={"pipelines": [{**pipeline, "plan": plan}]})
    for step in range(len(schedule.plan)):
        log = schedule.plan[step].get("log", [])
        for index in range(len(log)):
            plan = list(schedule.plan)
            plan[step] = {**plan[step], "log": log[:index] + log[index + 1 :]}
            yield replace(schedule, scenario={"pipelines": [{**pipeline, "plan": plan}]})
    if schedule.then:
        yield replace(schedule, then="")
    if schedule.other_first:
        yield replace(schedule, other_first=False)
