"""Runtime settings of a run: its Git branch and parameters, checked against the pipeline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from opsera_step.api import Pipeline, Step, make_settings
from opsera_step.errors import InvalidInput
from opsera_step.text import nearest

Parameter = tuple[str | None, str, str]
"""Step, name, and value of a parameter; the step is None if the name is `STEP.NAME`."""


class RuntimeSettings(NamedTuple):
    """Runtime settings as the user gave them."""

    branch: str = ""
    parameters: tuple[Parameter, ...] = ()


def check_settings(
    pipeline: Pipeline, settings: RuntimeSettings | None
) -> tuple[dict[str, Any] | None, list[str]]:
    """Return the settings in the API's form, None for none, and warnings.

    Raises:
        InvalidInput: if the pipeline can't take them, with all problems at once.
    """
    if settings is None or not (settings.branch or settings.parameters):
        return None, []
    if pipeline.runtime_settings is False:
        given = " and ".join(_given(settings))
        problem = (
            f"Runtime settings are turned off for the pipeline “{pipeline.name}”, so {given} can't "
            "be set. Turn on dynamic settings in the pipeline's workflow in Opsera, or remove "
            f"{given}."
        )
        raise InvalidInput([problem])
    problems: list[str] = []
    unlisted: list[str] = []
    resolved: list[tuple[str, str, str]] = []
    for of_step, path, value in settings.parameters:
        step, name = (of_step, path) if of_step is not None else _split(path, pipeline.plan)
        found = [one for one in pipeline.plan if one.name == step]
        listed = [one.name for candidate in found for one in candidate.parameters]
        if not found and pipeline.plan:
            problems.append(_unknown_step(path if of_step is None else "", step, pipeline.plan))
        elif len(found) > 1:
            problems.append(f"parameters: the pipeline has {len(found)} steps named “{step}”.")
        elif listed and name not in listed:
            problems.append(_unknown_name(step, name, listed))
        else:
            unlisted += [] if listed else [f"“{step}.{name}”"]
            resolved.append((step, name, value))
    if problems:
        raise InvalidInput(problems)
    return make_settings(settings.branch, resolved), list(_warnings(pipeline, unlisted))


def _given(settings: RuntimeSettings) -> list[str]:
    return ["branch"] * bool(settings.branch) + ["parameters"] * bool(settings.parameters)


def _warnings(pipeline: Pipeline, unlisted: Sequence[str]) -> Iterator[str]:
    if pipeline.runtime_settings is None:
        yield "Opsera does not say whether the pipeline accepts runtime settings; sending them."
    if unlisted:
        yield f"The pipeline lists no parameters to check {', '.join(unlisted)} against."


def _split(path: str, plan: Sequence[Step]) -> tuple[str, str]:
    """Split `STEP.NAME`: the step is the longest known step name that matches."""
    known = [step.name for step in plan if path.startswith(f"{step.name}.")]
    step = max(known, key=len, default=path.rpartition(".")[0])
    return step, path[len(step) :].removeprefix(".")


def _unknown_step(path: str, step: str, plan: Sequence[Step]) -> str:
    """Explain an unknown step; `path` is `STEP.NAME` if it was given like that."""
    names, given = [one.name for one in plan], path or step
    if path and "." not in path:
        return f"parameters: “{given}” has no step name. Use STEP.NAME=VALUE."
    close = nearest(step, names)
    guess = f" Did you mean “{close}”?" if close else ""
    return f"parameters: unknown step in “{given}”.{guess} The steps are {_quoted(names)}."


def _unknown_name(step: str, name: str, listed: Sequence[str]) -> str:
    close = nearest(name, listed)
    guess = f" Did you mean “{close}”?" if close else ""
    return (
        f"parameters: unknown parameter “{name}” of step “{step}”.{guess} Its parameters are "
        f"{_quoted(listed)}."
    )


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f"“{name}”" for name in names)
