"""A schedule: from one seed a scenario, the API's habits, its faults, other people, the inputs."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from opsera_step.simulator import Fault

FAULT_KINDS = (
    "http", "http", "http", "reset", "close", "half", "truncated", "html", "empty",
    "content_type", "hang", "latency", "redirect",
)  # fmt: skip
CALLS = ("*", "run", "run", "status", "status", "logs", "logs", "summary", "stop")
STATUSES = (500, 502, 503, 504, 429, 429, 408)
PLATFORMS = ("plain", "github", "gitlab")


@dataclass(frozen=True)
class Schedule:
    """Everything that one job meets; durations in seconds."""

    seed: int
    scenario: dict[str, Any]
    flags: dict[str, Any]
    faults: tuple[Fault, ...]
    inputs: dict[str, str]
    platform: str
    cancel_at: float | None
    somebody_first: bool
    kinds: tuple[str, ...] = field(default=())

    def describe(self) -> str:
        """Tell it in a few lines, for the report of a failure."""
        lines = [f"seed {self.seed}: platform {self.platform}, inputs {self.inputs}"]
        lines.append(f"  flags {self.flags}, cancel at {self.cancel_at}")
        lines.append(f"  somebody else's run first: {self.somebody_first}")
        lines += [f"  {fault}" for fault in self.faults]
        lines += [f"  {step}" for step in self.scenario["pipelines"][0]["plan"]]
        lines.append(f"  timetable {self.scenario.get('timetable')}")
        return "\n".join(lines)


def make(seed: int) -> Schedule:
    """Make the schedule of a seed."""
    rng = random.Random(seed)
    return Schedule(
        seed=seed,
        scenario=_scenario(rng),
        flags=_flags(rng),
        faults=tuple(_fault(rng) for _ in range(rng.choice((0, 1, 1, 2, 3, 6)))),
        inputs=_inputs(rng),
        platform=rng.choice(PLATFORMS),
        cancel_at=rng.uniform(0, 120) if rng.random() < 0.25 else None,
        somebody_first=rng.random() < 0.15,
    )


def _scenario(rng: random.Random) -> dict[str, Any]:
    # A record that turns up late beyond the window of 1000 can't be known of, so not both.
    kinds = rng.choice((("lines", "rate", "growing"), ("lines", "growing", "late", "anonymous")))
    steps = [_step(rng, number, kinds) for number in range(rng.randint(1, 4))]
    if rng.random() < 0.25:
        broken = rng.choice(steps)
        broken["result"] = "failed"
    if rng.random() < 0.25:
        decision = rng.choice(("approve", "reject", "wait"))
        gate = {"decision": decision, "after": rng.uniform(1, 200)}
        if decision == "wait":
            del gate["after"]
        steps.insert(rng.randint(0, len(steps)), {"name": "Gate", "tool": "approval", "gate": gate})
    pipeline = {"name": "Deploy shop", "run_count": rng.choice((0, 1, 41)), "plan": steps}
    return {"pipelines": [pipeline], "timetable": _timetable(rng)}


def _step(rng: random.Random, number: int, kinds: tuple[str, ...]) -> dict[str, Any]:
    name = f"Step {number}"
    log = [_log(rng, f"s{number}p{part}", kinds) for part in range(rng.randint(0, 3))]
    # Late lines come close together: those that come 5 s apart come while the step runs.
    least = max((5.0 * len(part["lines"]) for part in log if part.get("every") == 5), default=0.0)
    duration = max(rng.uniform(0, 90), len(log) * least)
    return {"name": name, "tool": "jenkins", "duration": duration, "log": log}


def _log(rng: random.Random, mark: str, kinds: tuple[str, ...]) -> dict[str, Any]:
    """Make one part of a step's log; every line in it is like no other in the run."""
    kind = rng.choice(kinds)
    lines = [f"{mark} line {number}" for number in range(rng.randint(1, 40))]
    if kind == "rate":
        rate, seconds = rng.choice((5, 50, 150)), rng.uniform(1, 10)
        return {"text": f"{mark} record {{n}}\n", "rate": rate, "seconds": seconds}
    if kind == "growing":
        return {"pieces": [f"{line}\n" for line in lines], "every": 0.7, "growing": True}
    every = rng.choice((0, 0.1, 1, 5))
    extra: dict[str, Any] = {"late": rng.uniform(0, 1.2)} if kind == "late" else {}
    extra |= {"id": False} if kind == "anonymous" else {}
    return {"lines": lines, "every": every, **extra}


def _timetable(rng: random.Random) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = []
    if rng.random() < 0.1:
        entries.append({"at": rng.uniform(0, 2), "do": "run", "since": "start", "user": "Dana"})
    if rng.random() < 0.1:
        entries.append({"at": rng.uniform(0, 60), "do": "stop", "since": "run", "user": "Dana"})
    return entries


def _flags(rng: random.Random) -> dict[str, Any]:
    habits: dict[str, tuple[Any, ...]] = {
        "error_body": ("json", "text", "html", "empty"),
        "list_format": ("bare", "data", "counted"),
        "object_format": ("bare", "data"),
        "action_format": ("bare", "data"),
        "run_response": ("with_count", "with_count", "without_count"),
        "busy_response": (
            "executed",
            "queued",
            "executed_without_count",
            "queued_without_count",
            "refused",
        ),
        "run_count_type": ("number", "string"),
        "queued_visible": (True, False),
        "queued_run_count": ("at_start", "at_request"),
        "new_run_hidden_seconds": (0.0, 3.0, 12.0),
        "unknown_run_status": ("404", "400", "unknown"),
        "unknown_run_logs": ("empty", "400", "404"),
        "run_count_lag": (0.0, 0.0, 8.0, 60.0),
        "status_lag": (0.0, 0.0, 4.0),
        "log_lag": (0.0, 0.0, 1.5),
        "record_ids": ("objectid", "objectid", "scattered"),
        "tie_order": ("stable", "reversed", "shuffled"),
        "place": ("jenkinsConsoleLog", "consoleLog_parts", "message", "api_response", "octopus"),
        "line_ends": ("lf", "crlf"),
        "start_record": (True, False),
        "record_users": ("id", "name", "both", "missing"),
    }
    chosen = rng.sample(sorted(habits), rng.randint(0, 8))
    return {name: rng.choice(habits[name]) for name in chosen}


def _fault(rng: random.Random) -> Fault:
    kind = rng.choice(FAULT_KINDS)
    details: dict[str, Any] = {"call": rng.choice(CALLS), "kind": kind}
    if kind == "http":
        details["status"] = rng.choice(STATUSES)
        details["effect"] = rng.random() < 0.4
        if rng.random() < 0.4:
            details["retry_after"] = rng.choice((1, 20, 90))
        # What the server refuses to take has no effect (see the guarantee about starting runs).
        refused = details["status"] == 429 or (
            details["status"] == 503 and "retry_after" in details
        )
        details["effect"] = details["effect"] and not refused
    if kind in ("reset", "close", "html", "empty", "hang"):
        details["effect"] = rng.random() < 0.5
    if kind in ("hang", "latency"):
        details["seconds"] = rng.uniform(0.1, 45)
    if kind == "redirect":
        details["location"] = "https://login.example/sso"
    return Fault(**details, **_when(rng))


def _when(rng: random.Random) -> dict[str, Any]:
    how = rng.choice(("first", "some", "window", "chance"))
    if how == "first":
        return {"times": rng.randint(1, 3)}
    if how == "some":
        return {"nth": rng.randint(1, 20), "times": rng.randint(1, 8)}
    after = rng.uniform(0, 150)
    window = {"after": after, "until": after + rng.uniform(1, 400)}
    return window if how == "window" else {**window, "probability": rng.uniform(0.1, 0.9)}


def _inputs(rng: random.Random) -> dict[str, str]:
    inputs = {"timeout": rng.choice(("30m", "30m", "30m", "2m", "45"))}
    for name, values in {
        "on_busy": ("queue", "attach", "fail"),
        "on_paused": ("fail", "wait"),
        "on_timeout": ("stop", "leave"),
        "reset": ("never", "auto"),
        "logs": ("console", "console", "all", "none"),
        "poll_interval": ("auto", "auto", "5", "20"),
        "wait": ("true", "true", "true", "true", "false"),
    }.items():
        inputs[name] = rng.choice(values)
    return inputs
