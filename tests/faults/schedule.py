"""A schedule: from one seed a scenario, the API's behavior and faults, other users, and a job.

Swarm testing: each schedule draws how often everything happens and leaves out whole classes of it,
because what happens all the time hides what happens only without it (Groce et al., ISSTA 2012).
Each seed also aims one kind of fault at one call in one phase, so that no combination is left to
chance.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from opsera_step.simulator import Fault

PHASES: dict[str, tuple[str, ...]] = {
    "before the run": ("summary", "pipelines", "reset"),
    "starting": ("run", "summary", "logs", "status"),
    "queued": ("status", "summary"),
    "following": ("status", "logs", "summary"),
    "paused": ("status", "logs", "summary"),
    "stopping": ("stop", "status", "summary", "logs"),
    "draining": ("status", "logs", "summary"),
    "post step": ("summary", "logs", "status", "stop"),
}
"""The phases of a job, with the calls that it sends in each."""

KINDS: dict[str, str] = {
    "5xx": "response",
    "429": "response",
    "408": "response",
    "401": "refusal",
    "4xx": "refusal",
    "redirect": "response",
    "html": "response",
    "empty": "response",
    "truncated": "response",
    "content_type": "response",
    "reset": "connection",
    "close": "connection",
    "half": "connection",
    "hang": "slow",
    "latency": "slow",
    "drip": "slow",
}
"""Every kind of fault, with its class."""

CELLS = [(kind, call, phase) for phase, calls in PHASES.items() for call in calls for kind in KINDS]
"""Each kind of fault at each call in each phase: all of these have to happen in a campaign."""

_STRIDE = 167
"""Prime to the number of cells, so that successive seeds aim at different phases."""

SIGNALS = ("SIGTERM", "SIGINT", "SIGHUP")
OTHERS = ("run", "stop", "approve", "reject", "delete")
"""What another user may do."""
EVENTS = (*SIGNALS, "kill", "suspend", "jump", "revoke", "renew", *OTHERS)
CLASSES = (
    *sorted({*KINDS.values()} - {"refusal"}),
    *("forms", "lags", "flicker", "others", "variables", "clock", "interrupts"),
)
"""What a schedule may leave out as a whole. Refusals end a job, so that only some have any."""

INTERRUPTS = [
    (do, phase, then)
    for phase in PHASES
    if phase != "post step"
    for do, then in (
        *((name, "") for name in (*SIGNALS, "suspend")),
        ("kill", "post step"),
        ("kill", "second attempt"),
    )
]
"""What can happen to a process in each phase, and what follows a kill: all of these must occur in a
campaign with real processes."""

PLATFORMS = ("plain", "github", "gitlab")
NAME = "Deploy shop"


@dataclass(frozen=True)
class Event:
    """Something that happens some seconds after a job's nth request of a phase.

    `amount` is in seconds: how long a suspension or by how much a jump of the clock is, and when
    the new token is in its file.
    """

    do: str
    phase: str
    nth: int = 1
    after: float = 0.0
    amount: float = 0.0


@dataclass(frozen=True)
class Schedule:
    """Everything that a job meets; durations in seconds."""

    seed: int
    cell: tuple[str, str, str]
    """What the schedule aims at."""
    scenario: dict[str, Any]
    flags: dict[str, Any]
    faults: tuple[Fault, ...]
    aimed: tuple[tuple[str, Fault], ...]
    """Faults that start with a phase."""
    events: tuple[Event, ...]
    inputs: dict[str, str]
    variables: dict[str, str]
    """Variables of other programs."""
    platform: str
    other_first: bool
    """Whether another user's run is in progress when the job starts."""
    then: str
    """What comes after the job: nothing, `post step`, or `second attempt`."""
    calm_at: float | None
    """When all faults end."""
    classes: frozenset[str] = field(default=frozenset())

    @property
    def plan(self) -> list[dict[str, Any]]:
        """The steps of the pipeline."""
        steps: list[dict[str, Any]] = self.scenario["pipelines"][0]["plan"]
        return steps

    def describe(self) -> str:
        """Return it in a few lines, for the report of a failure."""
        lines = [f"seed {self.seed}, aimed at {' × '.join(self.cell)}"]
        lines.append(f"  {self.platform}, {self.inputs}, {self.variables}")
        lines.append(f"  flags {self.flags}; another run first: {self.other_first}")
        lines += [f"  {fault}" for fault in self.faults]
        lines += [f"  in phase “{phase}”: {fault}" for phase, fault in self.aimed]
        lines += [f"  {event}" for event in self.events]
        lines += [f"  {step}" for step in self.plan]
        return "\n".join([*lines, f"  faults end at {self.calm_at}; then {self.then or 'nothing'}"])


def seeds_for(cell: tuple[str, str, str]) -> Iterator[int]:
    """Yield the seeds of the schedules that aim at a cell."""
    first = CELLS.index(cell) * pow(_STRIDE, -1, len(CELLS)) % len(CELLS)
    return count(first, len(CELLS))


def make(seed: int) -> Schedule:
    """Make the schedule of a seed."""
    cell, rng = CELLS[seed * _STRIDE % len(CELLS)], random.Random(seed)
    classes = frozenset(name for name in CLASSES if rng.random() < 0.5)
    has_refusals = rng.random() < 0.1
    kinds = [
        kind for kind, of in KINDS.items() if of in classes or (of == "refusal" and has_refusals)
    ]
    faults = tuple(_fault(rng, rng.choice(kinds)) for _ in range(_count(rng, 3 if kinds else 0)))
    schedule = Schedule(
        seed=seed,
        cell=cell,
        scenario=_scenario(rng),
        flags=_flags(rng, classes),
        faults=faults,
        aimed=(),
        events=tuple(_events(rng, classes)),
        inputs=_inputs(rng),
        variables=_variables(rng) if "variables" in classes else {},
        platform=rng.choice(PLATFORMS),
        other_first="others" in classes and rng.random() < 0.3,
        then=rng.choice(("", "post step", "second attempt")),
        calm_at=rng.uniform(0, 400) if rng.random() < 0.5 else None,
        classes=classes,
    )
    return _aimed(rng, schedule)


def make_interrupted(seed: int) -> Schedule:
    """Make the schedule of a seed that also aims at an interrupt."""
    do, phase, then = INTERRUPTS[seed % len(INTERRUPTS)]
    schedule = next(one for one in map(make, count(31 * seed)) if one.cell[2] == phase)
    # No others, because they could prevent the phase; stopping starts with a signal.
    before = schedule.events[-1:] if phase == "stopping" and schedule.cell[1] != "logs" else ()
    interrupt = Event(do, phase, amount=20.0 * (do == "suspend"))
    events = (*before, interrupt)
    return replace(schedule, seed=seed, faults=(), events=events, then=then or schedule.then)


def _count(rng: random.Random, most: int) -> int:
    return rng.choice((0, rng.randint(0, most), most))


# The pipeline


def _scenario(rng: random.Random) -> dict[str, Any]:
    # A record that turns up late beyond the window of 1000 can't be known of, so not both.
    floods = rng.random() < 0.1
    kinds = ("lines", "rate", "growing") if floods else ("lines", "growing", "late", "anonymous")
    steps = [_step(rng, number, kinds) for number in range(rng.randint(1, 4))]
    if rng.random() < 0.25:
        rng.choice(steps)["result"] = "failed"
    if rng.random() < 0.25:
        steps.insert(rng.randint(0, len(steps)), _gate(rng))
    pipeline = {"name": NAME, "run_count": rng.choice((0, 1, 41)), "plan": steps}
    pipeline["stop_delay"] = rng.choice((0.0, 2.0, 2.0, 20.0))
    return {"pipelines": [pipeline]}


def _gate(rng: random.Random, *decisions: str) -> dict[str, Any]:
    decision = rng.choice(decisions or ("approve", "reject", "wait"))
    gate = {"decision": decision, "after": rng.uniform(1, 200)}
    if decision == "wait":
        del gate["after"]
    return {"name": "Gate", "tool": "approval", "gate": gate}


def _step(rng: random.Random, number: int, kinds: tuple[str, ...]) -> dict[str, Any]:
    log = [_log(rng, f"s{number}p{part}", kinds) for part in range(rng.randint(0, 3))]
    # A log counts as complete after 3 quiet seconds, so slow lines have to end with their step.
    is_slow = any(part.get("every") == 5 for part in log)
    duration = max(rng.uniform(0, 90), sum(map(_seconds, log)) if is_slow else 0.0)
    return {"name": f"Step {number}", "tool": "jenkins", "duration": duration, "log": log}


def _seconds(part: dict[str, Any]) -> float:
    """Return how long a part of a log takes; the parts of a step come one after the other."""
    lines = part.get("lines") or part.get("pieces") or ()
    return float(len(lines) * part.get("every", 0) + part.get("seconds", 0))


def _log(rng: random.Random, mark: str, kinds: tuple[str, ...]) -> dict[str, Any]:
    """Make one part of a step's log; every line in it is like no other in the run."""
    kind = rng.choice(kinds)
    lines = [f"{mark} line {number}" for number in range(rng.randint(1, 40))]
    if kind == "rate":
        rate, seconds = rng.choice((5, 50, 150)), rng.uniform(1, 10)
        return {"text": f"{mark} record {{n}}\n", "rate": rate, "seconds": seconds}
    if kind == "growing":
        return {"pieces": [f"{line}\n" for line in lines], "every": 0.7, "growing": True}
    extra: dict[str, Any] = {"late": rng.uniform(0, 1.2)} if kind == "late" else {}
    extra |= {"id": False} if kind == "anonymous" else {}
    return {"lines": lines, "every": rng.choice((0, 0.1, 1, 5)), **extra}


FORMS: dict[str, tuple[Any, ...]] = {
    "error_body": ("json", "text", "html", "empty"),
    "list_format": ("bare", "data", "counted"),
    "object_format": ("bare", "data"),
    "action_format": ("bare", "data"),
    "run_response": ("with_count", "without_count"),
    "run_count_type": ("number", "string"),
    "record_ids": ("objectid", "objectid", "scattered", "missing"),
    "tie_order": ("stable", "reversed", "shuffled"),
    "place": ("jenkinsConsoleLog", "consoleLog_parts", "message", "api_response", "octopus"),
    "line_ends": ("lf", "crlf"),
    "start_record": (True, False),
    "record_users": ("id", "name", "both", "missing"),
    "step_index": ("from_zero", "missing"),
    "etag": (True, False),
    "compression": ("none", "gzip"),
    "json_encoding": ("escaped", "utf8"),
    "unknown_run_status": ("404", "400", "unknown"),
    "unknown_run_logs": ("empty", "400", "404"),
    "queued_visible": (True, False),
    "queued_run_count": ("at_start", "at_request"),
    "busy_response": (
        "executed",
        "queued",
        "executed_without_count",
        "queued_without_count",
        "refused",
    ),
    "stop_idle": ("success", "failed", "400"),
}
"""Forms of responses that a job has to take."""
LAGS: dict[str, tuple[float, ...]] = {
    "new_run_hidden_seconds": (3.0, 12.0),
    "run_count_lag": (8.0, 60.0),
    "status_lag": (4.0,),
    "summary_lag": (8.0, 40.0),
    "log_lag": (1.5,),
}


def _flags(rng: random.Random, classes: frozenset[str]) -> dict[str, Any]:
    flags: dict[str, Any] = {}
    for name, values in (FORMS if "forms" in classes else {}).items():
        if rng.random() < 0.3:
            flags[name] = rng.choice(values)
    for name, lags in (LAGS if "lags" in classes else {}).items():
        if rng.random() < 0.4:
            flags[name] = rng.choice(lags)
    if "flicker" in classes:
        flags["flicker_seconds"] = rng.uniform(0.3, 2.5)
        flags["flicker_status"] = rng.choice(("success", "failed", "stopped", "paused"))
        flags["flicker_in"] = rng.choice(("both", "status", "summary"))
    return flags


# The job


def _inputs(rng: random.Random) -> dict[str, str]:
    inputs = {"timeout": rng.choice(("30m", "30m", "30m", "2m", "45"))}
    for name, values in {
        "on_busy": ("queue", "queue", "attach", "fail"),
        "on_paused": ("fail", "wait"),
        "on_timeout": ("auto", "stop", "leave"),
        "on_cancel": ("auto", "auto", "stop", "leave"),
        "reset": ("never", "never", "auto", "always"),
        "logs": ("console", "console", "all", "none"),
        "poll_interval": ("auto", "auto", "auto", "5", "20"),
        "wait": ("true", "true", "true", "true", "true", "false"),
    }.items():
        inputs[name] = rng.choice(values)
    if rng.random() < 0.1:
        inputs["pipeline"] = NAME
    return inputs


def _variables(rng: random.Random) -> dict[str, str]:
    """Draw variables that other programs set, and that must not matter."""
    foreign = {
        "INPUT_PIPELINE": "aaaaaaaaaaaaaaaaaaaaaaaa",
        "INPUT_TOKEN": "a token of another program",
        "INPUT_BASE_URL": "https://127.0.0.1:9",
        "INPUT_WAIT": "perhaps",
        "INPUT_ON_CANCEL": "leave",
        "INPUT_COMMAND": "stop",
        "RUN_COUNT": "7",
        "TIMEOUT": "1",
        "STATE_OTHER": "x",
        "OPSERA_NOT_AN_INPUT": "1",
    }
    names = rng.sample(sorted(foreign), rng.randint(1, len(foreign)))
    return {name: foreign[name] for name in names}


# What goes wrong


def _fault(rng: random.Random, kind: str, call: str = "", **when: Any) -> Fault:
    """Make a fault of a kind; on any call and at any time, unless they are given."""
    calls = ("*", "run", "status", "logs", "summary", "stop", "reset")
    details: dict[str, Any] = {"call": call or rng.choice(calls), **(when or _when(rng))}
    if kind.isdigit() or kind in ("4xx", "5xx"):
        statuses = {"4xx": (400, 403, 404), "5xx": (500, 502, 503, 503, 504)}
        details["status"] = rng.choice(statuses.get(kind, (kind,)))
        details["status"] = int(details["status"])
        if kind in ("429", "5xx") and rng.random() < 0.5:
            details["retry_after"] = rng.choice((1, 20, 90, 600, 3600))
        # What the server refuses to take has no effect; see the guarantee about starting runs.
        certain = kind in ("4xx", "401", "429") or (
            details["status"] == 503 and "retry_after" in details
        )
        return Fault(**details, kind="http", effect=not certain and rng.random() < 0.4)
    if kind in ("reset", "close", "html", "empty", "hang", "redirect"):
        details["effect"] = rng.random() < 0.5
    if kind in ("hang", "latency", "drip"):
        details["seconds"] = rng.uniform(0.1, 45)
    if kind == "redirect":
        details["location"] = rng.choice(
            ("https://login.example/sso", "/", "/api/v1/pipeline/run/")
        )
        details["status"] = rng.choice((302, 303, 307))
    return Fault(**details, kind=kind)


def _when(rng: random.Random) -> dict[str, Any]:
    how = rng.choice(("first", "some", "window", "chance"))
    if how == "first":
        return {"times": rng.randint(1, 3)}
    if how == "some":
        return {"nth": rng.randint(1, 20), "times": rng.randint(1, 8)}
    after = rng.uniform(0, 150)
    window = {"after": after, "until": after + rng.uniform(1, 400)}
    return window if how == "window" else {**window, "probability": rng.uniform(0.1, 0.9)}


def _events(rng: random.Random, classes: frozenset[str]) -> list[Event]:
    chosen: list[str] = []
    if "interrupts" in classes:
        chosen.append(rng.choice((*SIGNALS, "kill", "kill")))
        chosen += rng.choice(((), (), (rng.choice(SIGNALS),)))
    if "others" in classes:
        chosen += rng.choices(OTHERS, k=rng.randint(0, 2))
    if "clock" in classes:
        chosen += rng.choices(("suspend", "jump"), k=rng.randint(1, 2))
    if rng.random() < 0.15:
        chosen.append(rng.choice(("revoke", "renew", "renew")))
    return [_event(rng, do) for do in chosen]


def _event(rng: random.Random, do: str) -> Event:
    phases = [phase for phase in PHASES if phase != "post step"]
    amounts = {"suspend": (1.0, 3000.0), "jump": (-7200.0, 7200.0), "renew": (0.0, 4.0)}
    return Event(
        do,
        rng.choice((*phases, "following", "following")),
        nth=rng.choice((1, 1, 2, 3, rng.randint(1, 30))),
        after=rng.choice((0.0, rng.uniform(0, 2), rng.uniform(0, 60))),
        amount=rng.uniform(*amounts.get(do, (0.0, 0.0))),
    )


# The aim


def _aimed(rng: random.Random, schedule: Schedule) -> Schedule:
    """Aim at the cell: see to it that the phase and its call come, and put the fault there."""
    kind, call, phase = schedule.cell
    fault = _fault(rng, kind, call, since="added", times=rng.randint(1, 3))
    aimed, events, inputs = [(phase, fault)], list(schedule.events), dict(schedule.inputs)
    flags, plan, other_first, then = dict(schedule.flags), list(schedule.plan), False, schedule.then
    inputs |= {"wait": "true", "timeout": "30m", "reset": "never", "on_busy": "queue"}
    lost = _fault(rng, "reset", "run", since="added", times=1)
    if phase not in {"before the run", "starting"} and rng.random() < 0.7:
        # What happens before would often keep the phase from coming.
        schedule = replace(schedule, faults=())
        events = []
    if phase == "before the run":
        inputs |= {"reset": "always"} if call == "reset" else {}
        inputs |= {"pipeline": NAME} if call == "pipelines" else {}
    elif phase == "starting" and call == "status":
        inputs["on_busy"], other_first = "attach", True
    elif phase == "starting" and call != "run":
        aimed.append((phase, replace(lost, effect=call == "logs" or rng.random() < 0.5)))
    elif phase == "queued":
        other_first = True
        plan.append({"name": "Long", "tool": "jenkins", "duration": 60.0})
        flags.pop("busy_response", None)
    elif phase == "following":
        plan.insert(0, {"name": "Silent", "tool": "jenkins", "duration": 150.0})
        inputs["logs"] = inputs["logs"] if call != "logs" else "console"
    elif phase == "paused":
        plan = [step for step in plan if "gate" not in step]
        plan.insert(0, {**_gate(rng, "approve"), "gate": {"decision": "approve", "after": 150.0}})
        inputs["on_paused"] = "wait"
    elif phase == "stopping":
        plan.insert(0, {"name": "Long", "tool": "jenkins", "duration": 90.0})
        when = "following" if call in ("stop", "status") else "starting"
        if call == "logs":
            # At a timeout, the rest of the log is read before the run is stopped.
            inputs |= {"timeout": "45", "logs": "console"}
        else:
            events.append(Event(rng.choice(SIGNALS), when, nth=1 if when == "starting" else 3))
        if call == "summary":
            aimed.append((when, replace(lost, effect=True)))
        inputs["on_cancel"] = "stop"
    elif phase == "post step":
        plan.insert(0, {"name": "Long", "tool": "jenkins", "duration": 90.0})
        events.append(Event("kill", "following", nth=rng.randint(2, 8)))
        inputs["on_cancel"], then = "stop", "post step"
    pipeline = {**schedule.scenario["pipelines"][0], "plan": plan}
    return replace(
        schedule,
        scenario={"pipelines": [pipeline]},
        flags=flags,
        aimed=tuple(aimed),
        events=tuple(events),
        inputs=inputs,
        other_first=other_first or (schedule.other_first and phase != "starting"),
        then=then,
    )
