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


SITE_ADMIN, POWER_USER, PLAIN = "Site Admin", "Power User", "plain"
ROLES = (SITE_ADMIN, POWER_USER, PLAIN)
"""The roles of users, the mightiest first."""

ACCOUNT = "org-shop-acc0"
"""The name of the simulated account."""

Access = bool | tuple[str, ...]
"""Who may use an object, besides its owner: True is everybody who counts, False nobody."""


@dataclass(frozen=True)
class User:
    """Somebody who starts runs."""

    name: str
    id: str

    @classmethod
    def named(cls, name: str) -> User:
        """Return the user of that name; the ID follows from it."""
        return cls(name, fixed_id("user", name))

    @property
    def email(self) -> str:
        """The user's address."""
        return f"{'.'.join(self.name.lower().split())}@shop.example"


@dataclass(frozen=True)
class Member:
    """A user of the account, with a role; one who is not valid may do nothing."""

    name: str
    role: str = PLAIN
    valid: bool = True

    @property
    def leads(self) -> bool:
        """Whether the user may see lists."""
        return self.role in (SITE_ADMIN, POWER_USER)


OURSELVES = User.named("Alex Kim")
"""Who owns the token, unless the scenario says otherwise."""

MAINTAINER = User.named("Robin Weber")
"""Who owns the pipelines and decides at gates, unless the scenario says otherwise."""

SOMEBODY = User.named("Dana Ortiz")
"""Who else starts runs, unless the scenario says otherwise."""


@dataclass(frozen=True)
class Gate:
    """Where a step pauses: the `decision` comes after some seconds, or waits for somebody."""

    decision: str = "wait"
    after: float = 0.0
    by: str = MAINTAINER.name


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
    owner: User = MAINTAINER
    type: tuple[str, ...] = ("sdlc",)
    tags: tuple[str, ...] = ()
    access: Access = True
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
class ThingSpec:
    """What tools and tasks have alike; `record` are more root properties."""

    id: str
    name: str
    tool: str = "jenkins"
    type: str = ""
    description: str = ""
    owner: User = MAINTAINER
    access: Access = True
    active: bool = True
    tags: tuple[str, ...] = ()
    configuration: dict[str, object] = field(default_factory=dict)
    record: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class ToolSpec(ThingSpec):
    """One tool of the registry."""


@dataclass(frozen=True)
class TaskRun:
    """One run of a task, `at` seconds since the beginning (most are below 0)."""

    at: float
    duration: float = 60.0
    result: str = "success"
    message: str = ""
    log: tuple[LogEntry, ...] = ()


@dataclass(frozen=True)
class TaskSpec(ThingSpec):
    """One task and its runs, the oldest first; `run_count` are those before them."""

    type: str = "sync-sfdc-repo"
    place: str = ""
    run_count: int = 0
    runs: tuple[TaskRun, ...] = ()


@dataclass(frozen=True)
class AuditSpec:
    """How much is in the audit logs at the beginning, spread over how many days."""

    actions: int = 0
    uses: int = 0
    days: float = 30.0


@dataclass(frozen=True)
class Appointment:
    """What somebody does at a time of the world, or some seconds after each run of ours began."""

    at: float
    pipeline: int = 0
    do: str = "run"
    since: str = "start"
    user: User = SOMEBODY


@dataclass(frozen=True)
class Scenario:
    """Everything that one simulation starts from."""

    name: str
    description: str
    pipelines: tuple[PipelineSpec, ...]
    user: User = OURSELVES
    members: tuple[Member, ...] = (Member(OURSELVES.name, POWER_USER),)
    token_scope: str = "api"  # noqa: S105 - no password
    token_lifetime: float = 365 * 86400.0
    tools: tuple[ToolSpec, ...] = ()
    tasks: tuple[TaskSpec, ...] = ()
    audit: AuditSpec = field(default_factory=AuditSpec)
    timetable: tuple[Appointment, ...] = ()
    switches: Switches = field(default_factory=Switches)
    faults: tuple[Fault, ...] = ()
    seed: int = 1
