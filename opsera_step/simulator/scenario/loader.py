"""Scenarios from YAML: the built-in ones by name, others from a file or from plain data."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from opsera_step.simulator.scenario.asciicast import replay
from opsera_step.simulator.scenario.reader import Place, ScenarioError, build
from opsera_step.simulator.scenario.spec import Scenario, StepSpec

_BUILT_IN = resources.files("opsera_step.simulator") / "scenarios"
_ACCOUNT_KEYS = ("users", "tools", "tasks", "audit")
_EXTENSION_KEYS = ("extends", "pipeline", "steps", "insert")


def scenario_names() -> dict[str, str]:
    """Return the built-in scenarios: each name with its one-line description."""
    files = [entry.name for entry in _BUILT_IN.iterdir() if entry.name.endswith(".yml")]
    names = sorted(file.removesuffix(".yml") for file in files)
    return {name: _description_in(f"{name}.yml") for name in names}


def load_scenario(source: str | Path | Mapping[str, object] | Scenario) -> Scenario:
    """Return the scenario of a built-in name, a YAML file, or plain data.

    Raises `ScenarioError` with the file and the key that are wrong.
    """
    if isinstance(source, Scenario):
        return source
    if isinstance(source, Mapping):
        return _scenario(dict(source), "scenario", "scenario", None)
    text = str(source)
    if "/" in text or text.endswith((".yml", ".yaml")):
        path = Path(text)
        return _scenario(_parsed(_text_of(path), path.name), path.name, path.stem, path.parent)
    return _scenario(_built_in(text), f"{text}.yml", text, None)


def _description_in(file: str) -> str:
    # The first line of every built-in scenario, so that a listing parses no YAML.
    first, _, _ = (_BUILT_IN / file).read_text("utf-8").partition("\n")
    return first.removeprefix("description:").strip()


@lru_cache
def _built_in(name: str) -> Any:
    file = _BUILT_IN / f"{name}.yml"
    if not file.is_file():
        known = tuple(scenario_names())
        message = f"unknown scenario {name!r}; known scenarios: {', '.join(known)}"
        raise ScenarioError(message, name, known)
    return _parsed(file.read_text("utf-8"), f"{name}.yml")


@lru_cache
def _default_account() -> Any:
    file = _BUILT_IN / "shared" / "account.yml"
    return _parsed(file.read_text("utf-8"), "account.yml")


def _text_of(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise ScenarioError(f"cannot read {path}: {reason}") from error


def _parsed(text: str, file: str) -> Any:
    import yaml  # noqa: PLC0415 - only scenarios need it

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        reason = getattr(error, "problem", None) or "cannot be parsed"
        raise ScenarioError(f"{file}: invalid YAML{where}: {reason}") from error


def _scenario(data: Any, file: str, name: str, directory: Path | None) -> Scenario:
    data = _extended(data, file)
    if isinstance(data, Mapping):
        account = {key: _default_account().get(key) for key in _ACCOUNT_KEYS}
        own = {key: value for key, value in data.items() if value is not None}
        data = {"name": name, **account, **own}
    return _with_recordings(build(Scenario, data, Place(file)), Place(file), directory)


def _extended(data: Any, file: str) -> Any:
    """Return a scenario laid over the built-in one that it extends, if it extends one.

    `pipeline` and `steps` change the first pipeline, `insert` adds steps to it, and every other
    key replaces the one of the base.
    """
    if not isinstance(data, Mapping) or "extends" not in data:
        return data
    place = Place(file)
    name = str(data["extends"])
    base = deepcopy(_extended(_built_in(name), f"{name}.yml"))
    pipeline = base["pipelines"][0]
    pipeline.update(_mapping(data.get("pipeline"), place.key("pipeline")))
    plan = pipeline["plan"]
    for step, changes in _mapping(data.get("steps"), place.key("steps")).items():
        index = _index_of(step, plan, place.key("steps"))
        if changes is None:
            del plan[index]
        else:
            plan[index].update(_mapping(changes, place.key("steps").key(step)))
    for number, one in enumerate(data.get("insert") or ()):
        inserted = _mapping(one, place.key("insert").item(number))
        index = _index_of(inserted.get("before"), plan, place.key("insert").item(number))
        plan.insert(index, inserted.get("step"))
    return base | {key: value for key, value in data.items() if key not in _EXTENSION_KEYS}


def _mapping(value: Any, place: Place) -> Mapping[str, Any]:
    if value is not None and not isinstance(value, Mapping):
        raise place.expected("a mapping", value)
    return value or {}


def _index_of(name: Any, plan: list[Any], place: Place) -> int:
    names = [str(step.get("name")) for step in plan]
    if name not in names:
        raise place.expected(f"a step of the base ({', '.join(names)})", name)
    return names.index(name)


def _with_recordings(scenario: Scenario, place: Place, directory: Path | None) -> Scenario:
    """Add what recorded sessions write to the logs of the steps that replay them."""

    def with_recording(step: StepSpec) -> StepSpec:
        source = step.replay
        if source is None:
            return step
        own = directory / source.file if directory else None
        file = own if own and own.is_file() else _BUILT_IN / source.file
        if not file.is_file():
            raise place.key("replay").expected("an existing recording", source.file)
        growing = source.chunk == "growing"
        entries = replay(
            file.read_text("utf-8"), source.file, at=source.at, speed=source.speed, growing=growing
        )
        return replace(step, log=step.log + entries, replay=None)

    return replace(
        scenario,
        pipelines=tuple(
            replace(pipeline, plan=tuple(map(with_recording, pipeline.plan)))
            for pipeline in scenario.pipelines
        ),
    )
