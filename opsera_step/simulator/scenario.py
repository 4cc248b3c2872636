"""What a scenario is: frozen data that says which pipelines there are and what their runs do."""

from __future__ import annotations

from dataclasses import dataclass, field

from opsera_step.simulator.faults import Fault
from opsera_step.simulator.identifiers import fixed_id
from opsera_step.simulator.switches import Switches
from opsera_step.simulator.timeline import LogEntry, end_of

GATE_TOOLS = ("approval", "user-action", "servicenow")
"""Tools whose steps pause the pipeline until somebody decides."""

DEEDS = ("run", "stop", "reset", "approve", "reject")
"""What somebody can do on the timetable."""


@dataclass(frozen=True)
class User:
    """Somebody who starts runs."""

    name: str
    id: str

    @classmethod
    def named(cls, name: str) -> User:
        """Return the user of that name; the ID follows from it."""
        return cls(name, fixed_id("user", name))


@dataclass(frozen=True)
class Gate:
    """Where a step pauses: the `decision` comes after some seconds, or waits for somebody."""

    decision: str = "wait"
    after: float = 0.0
    by: str = "Robin Weber"


@dataclass(frozen=True)
class StepSpec:
    """One step of a pipeline's plan, and what it does in a run."""

    id: str
    name: str
    tool: str = "jenkins"
    configuration: dict[str, object] = field(default_factory=dict)
    duration: float | None = None
    results: tuple[str, ...] = ("success",)
    message: str = ""
    parallel: bool = False
    gate: Gate | None = None
    place: str = ""
    log: tuple[LogEntry, ...] = ()

    @property
    def seconds(self) -> float:
        """How long the step takes."""
        return end_of(self.log) if self.duration is None else self.duration

    def result(self, attempt: int) -> str:
        """Return how the step ends in the given attempt (0 for the first run); the last repeats."""
        return self.results[min(attempt, len(self.results) - 1)]

    @property
    def tool_object(self) -> dict[str, object]:
        """The `tool` of the step as the API shows it."""
        return {"tool_identifier": self.tool, "configuration": self.configuration}


@dataclass(frozen=True)
class PipelineSpec:
    """One pipeline: what it is, and the timing around its steps."""

    id: str
    name: str
    description: str = ""
    owner: User = User.named("Robin Weber")
    type: tuple[str, ...] = ("sdlc",)
    tags: tuple[str, ...] = ()
    access: bool = True
    run_count: int = 0
    run_count_step: int = 1
    start_delay: float = 0.5
    step_gap: float = 0.2
    stop_delay: float | None = 2.0
    queue_delay: float = 1.0
    plan: tuple[StepSpec, ...] = ()
    trailing: tuple[LogEntry, ...] = ()
    messages: dict[str, str] = field(default_factory=dict)

    @property
    def stages(self) -> list[list[int]]:
        """The indexes of the steps, those together that run at the same time."""
        stages: list[list[int]] = []
        for index, step in enumerate(self.plan):
            if step.parallel and stages:
                stages[-1].append(index)
            else:
                stages.append([index])
        return stages


@dataclass(frozen=True)
class Appointment:
    """What somebody does at a time of the world, or some seconds after each run of ours began."""

    at: float
    pipeline: int = 0
    do: str = "run"
    since: str = "start"
    user: User = User.named("Dana Ortiz")


@dataclass(frozen=True)
class Scenario:
    """Everything that one simulation starts from."""

    name: str
    description: str
    pipelines: tuple[PipelineSpec, ...]
    user: User = User.named("Alex Kim")
    power_user: bool = True
    token_lifetime: float = 365 * 86400.0
    timetable: tuple[Appointment, ...] = ()
    switches: Switches = field(default_factory=Switches)
    faults: tuple[Fault, ...] = ()
    seed: int = 1
