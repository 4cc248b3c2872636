"""What a scenario consists of. The fields of these dataclasses are the keys of a scenario file."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

from opsera_step.simulator.faults import Fault
from opsera_step.simulator.identifiers import fixed_id
from opsera_step.simulator.scenario.flags import PLACES, STATES, Flags
from opsera_step.simulator.scenario.reader import setting
from opsera_step.simulator.scenario.timeline import LogEntry, end_of

APPROVAL_TOOLS = ("approval", "user-action", "servicenow")
"""Tools whose steps pause the pipeline until a user decides."""

TIMETABLE_ACTIONS = (
    "run", "stop", "reset", "approve", "reject", "delete", "move_to_front", "lock", "unlock",
    "revoke_token",
)  # fmt: skip
"""What can happen on the timetable."""

SITE_ADMIN, POWER_USER, PLAIN = "Site Admin", "Power User", "plain"
ROLES = (SITE_ADMIN, POWER_USER, PLAIN)
"""The roles of users, the most powerful first."""

SCOPES = (
    "api", "api-readonly", "pipeline", "pipeline-readonly", "registry", "registry-readonly",
    "tasks", "tasks-readonly", "security-logs",
)  # fmt: skip
"""The scopes that a token can have."""

ACCOUNT = "org-shop-acc0"
"""The name of the simulated account."""

YEAR = 365 * 86400.0

Access = bool | tuple[str, ...]
"""Who may use an object besides its owner: all users of open objects, none, or these."""

_BRANCH_KEYS = ("branch", "gitBranch", "git_branch")


@dataclass(frozen=True)
class User:
    """A user; in a scenario, just the name."""

    name: str
    id: str = ""

    @classmethod
    def from_text(cls, name: str) -> User:
        """Return the user of that name. The ID follows from the name."""
        return cls(name, fixed_id("user", name))

    @property
    def email(self) -> str:
        """The user's email address."""
        return f"{'.'.join(self.name.lower().split())}@shop.example"


OWNER = User.from_text("Alex Kim")
"""The owner of the token, unless the scenario sets one."""

MAINTAINER = User.from_text("Robin Weber")
"""The owner of the pipelines and the approver, unless the scenario sets others."""

OTHER_USER = User.from_text("Dana Ortiz")
"""The user who starts and stops runs besides the token's owner, unless the scenario sets one."""


@dataclass(frozen=True)
class Member:
    """A user of the account with a role. An invalid user may do nothing."""

    name: str
    role: str = setting(PLAIN, choices=ROLES)
    valid: bool = True

    @property
    def is_power_user(self) -> bool:
        """Whether the user may see lists."""
        return self.role in (SITE_ADMIN, POWER_USER)


@dataclass(frozen=True)
class TokenSpec:
    """The first access token."""

    scope: str = setting("api", choices=SCOPES)
    lifetime: float = YEAR


@dataclass(frozen=True)
class Gate:
    """The decision at an approval step: made after some seconds, or by the admin API."""

    decision: str = setting("wait", choices=("wait", "approve", "reject"))
    after: float = 0.0
    by: User = MAINTAINER


@dataclass(frozen=True)
class Replay:
    """A recorded terminal session as the log of a step; in a scenario, maybe just the file."""

    file: str
    chunk: str = setting("lines", choices=("lines", "growing"))
    speed: float = setting(1.0, least=0.001)
    at: float = 0.0

    @classmethod
    def from_text(cls, file: str) -> Replay:
        """Return a recording that is played as it is."""
        return cls(file)


@dataclass(frozen=True)
class Parameter:
    """A parameter of a step, which runtime settings can override."""

    name: str
    value: object = ""


@dataclass(frozen=True)
class RunSettings:
    """Runtime settings of one run: a branch, and values of parameters by step and name."""

    branch: str = ""
    parameters: dict[str, dict[str, object]] = field(default_factory=dict)


@dataclass(frozen=True)
class StepSpec:
    """One step of a pipeline's plan, and what it does in a run."""

    name: str
    id: str = ""
    tool: str = "jenkins"
    configuration: dict[str, object] = field(default_factory=dict)
    parameters: tuple[Parameter, ...] = ()
    duration: float | None = None
    result: tuple[str, ...] = setting(("success",), choices=("success", "failed"))
    message: str = ""
    parallel: bool = False
    gate: Gate | None = None
    place: str = setting("", choices=("", *PLACES))
    log: tuple[LogEntry, ...] = ()
    replay: Replay | None = None

    @cached_property
    def seconds(self) -> float:
        """How long the step takes."""
        return end_of(self.log) if self.duration is None else self.duration

    @property
    def approval(self) -> Gate | None:
        """The decision that the step waits for, if any."""
        return self.gate or (Gate() if self.tool in APPROVAL_TOOLS else None)

    def result_of(self, attempt: int) -> str:
        """Return the result in an attempt, 0 being the first run. The last result repeats."""
        return self.result[min(attempt, len(self.result) - 1)]

    def tool_object(self, settings: RunSettings | None = None) -> dict[str, object]:
        """Return the `tool` of the step as the API shows it, in a run with runtime settings."""
        settings = settings or RunSettings()
        values = settings.parameters.get(self.name, {})
        configuration = dict(self.configuration)
        if settings.branch:
            configuration |= {key: settings.branch for key in _BRANCH_KEYS if key in configuration}
        if self.parameters:
            configuration["stepParameters"] = [
                {"name": one.name, "value": values.get(one.name, one.value)}
                for one in self.parameters
            ]
        return {"tool_identifier": self.tool, "configuration": configuration}


@dataclass(frozen=True)
class PipelineSpec:
    """One pipeline: its properties, its plan, and the timing around the steps."""

    name: str
    plan: tuple[StepSpec, ...]
    id: str = ""
    description: str = ""
    owner: User = MAINTAINER
    type: tuple[str, ...] = ("sdlc",)
    tags: tuple[str, ...] = ()
    access: Access = True
    locked: bool = False
    branch: str = ""
    dynamic_settings: bool | None = None
    run_count: int = 0
    run_count_step: int = setting(1, least=1)
    start_delay: float = 0.5
    step_gap: float = 0.2
    stop_delay: float = 2.0
    stop_finishes_step: bool = False
    queue_delay: float = 1.0
    trailing: tuple[LogEntry, ...] = ()
    messages: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Derive missing IDs; reject an empty plan and messages for unknown states."""
        if not self.plan:
            raise ValueError("plan needs at least one step")
        if unknown := [state for state in self.messages if state not in STATES]:
            raise ValueError(f"messages takes {', '.join(STATES)}, not {unknown[0]!r}")
        plan = tuple(
            step if step.id else replace(step, id=fixed_id("step", self.name, index))
            for index, step in enumerate(self.plan)
        )
        object.__setattr__(self, "plan", plan)
        object.__setattr__(self, "id", self.id or fixed_id("pipeline", self.name))

    @cached_property
    def stages(self) -> list[list[int]]:
        """The indexes of the steps, grouped by those that run at the same time."""
        stages: list[list[int]] = []
        for index, step in enumerate(self.plan):
            if step.parallel and stages:
                stages[-1].append(index)
            else:
                stages.append([index])
        return stages


@dataclass(frozen=True)
class ObjectSpec:
    """What tools and tasks have in common. `record` holds more root properties."""

    name: str
    id: str = ""
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
class ToolSpec(ObjectSpec):
    """One tool of the registry."""

    def __post_init__(self) -> None:
        """Derive a missing ID."""
        object.__setattr__(self, "id", self.id or fixed_id("tool", self.name))


_TASK_RESULTS = ("success", "failure", "failed", "stopped", "paused", "running", "created")


@dataclass(frozen=True)
class TaskRun:
    """One run of a task, `at` seconds since the start of the simulation (most are negative)."""

    at: float = setting(least=None)
    duration: float | None = None
    result: str = setting("success", choices=_TASK_RESULTS)
    message: str = ""
    log: tuple[LogEntry, ...] = ()

    @cached_property
    def end(self) -> float:
        """When the run ends."""
        return self.at + (max(1.0, end_of(self.log)) if self.duration is None else self.duration)


@dataclass(frozen=True)
class TaskSpec(ObjectSpec):
    """One task and its runs. `run_count` is the number of runs before them."""

    type: str = "sync-sfdc-repo"
    place: str = setting("", choices=("", *PLACES))
    run_count: int = 0
    runs: tuple[TaskRun, ...] = ()

    def __post_init__(self) -> None:
        """Derive a missing ID, and put the runs in order."""
        object.__setattr__(self, "id", self.id or fixed_id("task", self.name))
        object.__setattr__(self, "runs", tuple(sorted(self.runs, key=lambda run: run.at)))


@dataclass(frozen=True)
class AuditSpec:
    """How many entries the audit logs have at the start, and over how many days."""

    actions: int = 0
    uses: int = 0
    days: float = 30.0


@dataclass(frozen=True)
class Appointment:
    """What a user does at a time, or some seconds after each run that the token's owner starts.

    `run` is the number of a run for `delete` and `move_to_front` (default: the latest one).
    """

    at: float = setting(least=None)
    do: str = setting("run", choices=TIMETABLE_ACTIONS)
    pipeline: str = ""
    run: int | None = None
    since: str = setting("start", choices=("start", "run"))
    user: User = OTHER_USER


@dataclass(frozen=True)
class Scenario:
    """Everything that a simulation starts from."""

    pipelines: tuple[PipelineSpec, ...]
    name: str = "scenario"
    description: str = ""
    user: User = OWNER
    power_user: bool = True
    token: TokenSpec = TokenSpec()
    users: tuple[Member, ...] = ()
    tools: tuple[ToolSpec, ...] = ()
    tasks: tuple[TaskSpec, ...] = ()
    audit: AuditSpec = AuditSpec()
    timetable: tuple[Appointment, ...] = ()
    flags: Flags = field(default_factory=Flags)
    faults: tuple[Fault, ...] = ()
    seed: int = 1

    def __post_init__(self) -> None:
        """Reject a scenario without pipelines, and a timetable of unknown ones."""
        names = [pipeline.name for pipeline in self.pipelines]
        if not names:
            raise ValueError("pipelines needs at least one pipeline")
        for index, one in enumerate(self.timetable):
            if one.pipeline and one.pipeline not in names:
                raise ValueError(
                    f"timetable[{index}].pipeline takes {', '.join(names)}, not {one.pipeline!r}"
                )

    @property
    def members(self) -> dict[str, Member]:
        """The users of the account by name; the token's owner is one of them."""
        role = POWER_USER if self.power_user else PLAIN
        listed = {member.name: member for member in self.users}
        return {self.user.name: Member(self.user.name, role), **listed}

    def pipeline_named(self, name: str) -> PipelineSpec:
        """Return the pipeline of that name, or the first one if the name is empty."""
        return next(one for one in self.pipelines if name in ("", one.name))
