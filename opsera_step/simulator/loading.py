"""Scenarios read from YAML: the shipped ones by name, others from a file or plain data."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from pathlib import Path

from opsera_step.simulator.account_loading import audit, members, task, token_scope, tool
from opsera_step.simulator.extending import extended
from opsera_step.simulator.faults import Fault, FaultError, make_fault
from opsera_step.simulator.identifiers import fixed_id
from opsera_step.simulator.log_loading import log_entries
from opsera_step.simulator.reading import Reader, ScenarioError
from opsera_step.simulator.recording import replay
from opsera_step.simulator.scenario import (
    DEEDS,
    GATE_TOOLS,
    MAINTAINER,
    OURSELVES,
    PLAIN,
    POWER_USER,
    SOMEBODY,
    Appointment,
    Gate,
    PipelineSpec,
    Scenario,
    StepSpec,
    User,
)
from opsera_step.simulator.switches import PLACES, STATES, SwitchError, Switches
from opsera_step.simulator.timeline import LogEntry

_SHIPPED = resources.files("opsera_step.simulator") / "scenarios"
_RESULTS = ("success", "failed")
_ACCOUNT = ("users", "tools", "tasks", "audit")


def scenario_names() -> dict[str, str]:
    """Return the shipped scenarios: each name with its one-line description."""
    files = [entry.name for entry in _SHIPPED.iterdir() if entry.name.endswith(".yml")]
    return {name: _described(f"{name}.yml") for name in sorted(file[:-4] for file in files)}


def load_scenario(source: str | Path | Mapping[str, object] | Scenario) -> Scenario:
    """Return the scenario of a shipped name, a YAML file, or plain data."""
    if isinstance(source, Scenario):
        return source
    if isinstance(source, Mapping):
        return _scenario(_resolved(dict(source), "scenario"), "scenario", "scenario", None)
    text = str(source)
    if "/" in text or text.endswith((".yml", ".yaml")):
        path = Path(text)
        data = _resolved(_data(_file_text(path), path.name), path.name)
        return _scenario(data, path.name, path.stem, path.parent)
    file = f"{text}.yml"
    return _scenario(_resolved(_shipped(text), file), file, text, None)


def _described(file: str) -> str:
    first, _, _ = (_SHIPPED / file).read_text("utf-8").partition("\n")
    return first.removeprefix("description:").strip()


@lru_cache
def _shipped(name: str) -> object:
    if not (_SHIPPED / f"{name}.yml").is_file():
        raise ScenarioError(
            f"no scenario is named {name!r}; there are {', '.join(scenario_names())}"
        )
    file = f"{name}.yml"
    return _data((_SHIPPED / file).read_text("utf-8"), file)


def _file_text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise ScenarioError(f"{path} cannot be read: {error.strerror}") from error


def _data(text: str, file: str) -> object:
    # Loaded here: reading YAML is all that needs the library.
    import yaml  # noqa: PLC0415

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        why = getattr(error, "problem", None) or "it can't be read"
        raise ScenarioError(f"{file} is not YAML{where}: {why}") from error


def _resolved(data: object, file: str) -> object:
    """Lay a scenario over the shipped one that it extends, if it does."""
    if not isinstance(data, dict) or "extends" not in data:
        return data
    over = Reader(data, file)
    base_name = over.text("extends")
    base = _resolved(_shipped(base_name), f"{base_name}.yml")
    return extended(base, over) if isinstance(base, dict) else data


def _scenario(data: object, file: str, name: str, folder: Path | None) -> Scenario:
    reader = Reader(data, file)
    pipelines = tuple(_pipeline(one, folder) for one in reader.copies("pipelines"))
    if not pipelines:
        raise reader.wrong("pipelines", "a list with at least one pipeline")
    account = Reader(_account() | _own(data), file)
    user, token = User.named(reader.text("user", OURSELVES.name)), reader.reader("token")
    role = POWER_USER if reader.flag("power_user", True) else PLAIN
    scenario = Scenario(
        name=name,
        description=reader.text("description", ""),
        pipelines=pipelines,
        user=user,
        members=members(account, user.name, role),
        token_scope=token_scope(token),
        token_lifetime=token.number("lifetime", 365 * 86400.0),
        timetable=tuple(_appointment(one, pipelines) for one in reader.readers("timetable")),
        switches=_switches(reader),
        faults=tuple(_fault(one) for one in reader.readers("faults")),
        seed=reader.whole("seed", 1),
        tools=tuple(tool(one) for one in account.copies("tools")),
        tasks=tuple(task(one) for one in account.copies("tasks")),
        audit=audit(account.reader("audit")),
    )
    token.done()
    reader.done(_ACCOUNT)
    return scenario


@lru_cache
def _account() -> dict[str, object]:
    """Return the users, tools, tasks and audit logs of scenarios that have none of their own."""
    data = _data((_SHIPPED / "shared" / "account.yml").read_text("utf-8"), "account.yml")
    return data if isinstance(data, dict) else {}


def _own(data: object) -> dict[str, object]:
    given = data if isinstance(data, dict) else {}
    return {key: given[key] for key in _ACCOUNT if given.get(key) is not None}


def _switches(reader: Reader) -> Switches:
    switches = reader.reader("switches")
    try:
        return Switches().with_values(switches.everything())
    except SwitchError as error:
        raise switches.failed(error) from error


def _fault(reader: Reader) -> Fault:
    try:
        return make_fault(reader.everything())
    except FaultError as error:
        raise reader.failed(error) from error


def _appointment(reader: Reader, pipelines: tuple[PipelineSpec, ...]) -> Appointment:
    names = tuple(pipeline.name for pipeline in pipelines)
    appointment = Appointment(
        at=reader.number("at", least=float("-inf")),
        pipeline=names.index(reader.choice("pipeline", names[0], names)),
        do=reader.choice("do", "run", DEEDS),
        since=reader.choice("since", "start", ("start", "run")),
        user=User.named(reader.text("user", SOMEBODY.name)),
    )
    reader.done()
    return appointment


def _pipeline(reader: Reader, folder: Path | None) -> PipelineSpec:
    name = reader.text("name")
    stops_by_itself = reader.flag("stop_finishes_step", False)
    steps = reader.readers("plan")
    spec = PipelineSpec(
        id=reader.text("id", fixed_id("pipeline", name)),
        name=name,
        description=reader.text("description", ""),
        owner=User.named(reader.text("owner", MAINTAINER.name)),
        type=reader.texts("type", ("sdlc",)),
        tags=reader.texts("tags"),
        access=reader.access("access"),
        run_count=reader.whole("run_count", 0),
        run_count_step=max(1, reader.whole("run_count_step", 1)),
        start_delay=reader.number("start_delay", 0.5),
        step_gap=reader.number("step_gap", 0.2),
        stop_delay=None if stops_by_itself else reader.number("stop_delay", 2.0),
        queue_delay=reader.number("queue_delay", 1.0),
        plan=tuple(_step(one, name, n, folder) for n, one in enumerate(steps)),
        trailing=log_entries(reader.readers("trailing")),
        messages=_messages(reader),
    )
    reader.done()
    if not spec.plan:
        raise reader.wrong("plan", "a list with at least one step")
    return spec


def _messages(reader: Reader) -> dict[str, str]:
    messages = reader.mapping("messages")
    if not set(messages) <= set(STATES):
        raise reader.wrong("messages", f"a mapping of states ({', '.join(STATES)}) to texts")
    return {state: str(text) for state, text in messages.items()}


def _step(reader: Reader, pipeline: str, index: int, folder: Path | None) -> StepSpec:
    tool = reader.text("tool", "jenkins")
    log = log_entries(reader.readers("log"))
    if "replay" in reader:
        log += _replay(reader, folder)
    step = StepSpec(
        id=reader.text("id", fixed_id("step", pipeline, index)),
        name=reader.text("name"),
        tool=tool,
        configuration=reader.mapping("configuration"),
        duration=reader.maybe_number("duration"),
        results=_results(reader),
        message=reader.text("message", ""),
        parallel=reader.flag("parallel", False),
        gate=_gate(reader) if "gate" in reader or tool in GATE_TOOLS else None,
        place=reader.choice("place", "", ("", *PLACES)),
        log=log,
    )
    reader.done()
    return step


def _results(reader: Reader) -> tuple[str, ...]:
    results = reader.texts("result", ("success",))
    if not results or not set(results) <= set(_RESULTS):
        raise reader.wrong("result", "success, failed, or a list of these")
    return results


def _gate(reader: Reader) -> Gate:
    gate = reader.reader("gate")
    read = Gate(
        decision=gate.choice("decision", "wait", ("wait", "approve", "reject")),
        after=gate.number("after", 0.0),
        by=gate.text("by", MAINTAINER.name),
    )
    gate.done()
    return read


def _replay(step: Reader, folder: Path | None) -> tuple[LogEntry, ...]:
    source = step.reader("replay", short="file")
    file = source.text("file")
    place = (folder if folder and (folder / file).is_file() else _SHIPPED) / file
    if not place.is_file():
        raise source.wrong("file", "a recording that is there")
    growing = source.choice("chunk", "lines", ("lines", "growing")) == "growing"
    speed = source.number("speed", 1.0, least=0.001)
    at = source.number("at", 0.0)
    source.done()
    return replay(place.read_text("utf-8"), file, at=at, speed=speed, growing=growing)
