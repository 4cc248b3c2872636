"""The input `parameters`: a mapping of step to name to value, or lines `STEP.NAME=VALUE`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from opsera_step.config.parsers import InvalidValue

if TYPE_CHECKING:
    from opsera_step.config.yaml import Node

_LINE = re.compile(r"[^=:{}\[\]]*?\.[^=:{}\[\]]+=.*")


class Parameter(NamedTuple):
    """A runtime parameter of a run."""

    step: str | None
    """The step's name; None while `name` is still `STEP.NAME`, since names may contain dots."""
    name: str
    value: str
    """As written: `1.10` stays `1.10`."""


def parse_parameters(value: str) -> tuple[Parameter, ...]:
    """Read parameters in either form; hints quote names, never values, which may be secrets."""
    lines = [line.strip() for line in value.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    if lines and all(map(_LINE.fullmatch, lines)):
        return _of_lines(lines)
    # Only a mapping waits for PyYAML.
    from opsera_step.config.yaml import YamlError, read_yaml  # noqa: PLC0415

    node, error = None, "It is neither a mapping nor STEP.NAME=VALUE lines."
    try:
        node = read_yaml(value)
    except YamlError as failure:
        error = f"It is not valid YAML or JSON: {failure}."
    steps = node.value if node is not None else None
    # The name of a step may contain a colon, so that a line looks like YAML.
    if all("=" in line for line in lines) and not (
        isinstance(steps, dict) and all(isinstance(one.value, dict) for one in steps.values())
    ):
        return _of_lines(lines)
    if not isinstance(steps, dict):
        raise InvalidValue(error)
    return tuple(_of_mapping(steps))


def _of_lines(lines: list[str]) -> tuple[Parameter, ...]:
    found: dict[str, Parameter] = {}
    for number, line in enumerate(lines, 1):
        path, equals, value = line.partition("=")
        path = path.strip()
        if not equals or not path.strip(".").partition(".")[2]:
            raise InvalidValue(f"Line {number} is not of the form STEP.NAME=VALUE.")
        if path in found:
            raise InvalidValue(f"{path} is set twice.")
        found[path] = Parameter(None, path, value)
    return tuple(found.values())


def _of_mapping(steps: dict[str, Node]) -> Iterator[Parameter]:
    for step, node in steps.items():
        if not isinstance(node.value, dict):
            raise InvalidValue(f"Line {node.line}: a step needs a mapping of names to values.")
        for name, one in node.value.items():
            if one.text is None:
                raise InvalidValue(f"Line {one.line}: a value must be plain text or a number.")
            yield Parameter(step, name, one.text)
