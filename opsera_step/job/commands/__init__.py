"""The commands of a job, one module per group; each loads when it is used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module

from opsera_step.errors import InvalidInput
from opsera_step.job.job import CommandResult, Job

COMMANDS: Mapping[str, str] = {
    "run": "run",
    "watch": "run",
    "status": "control",
    "stop": "control",
    "reset": "control",
    "logs": "logs",
    "cleanup": "cleanup",
}
"""The module of each command that a job carries out by itself; the function has its name."""


def command_named(name: str) -> Callable[[Job], CommandResult]:
    """Return the function of a command.

    Raises:
        InvalidInput: if it is a command of the command line only.
    """
    if name not in COMMANDS:
        raise InvalidInput([f"command: {name!r} is only available on the command line"])
    module = import_module(f"opsera_step.job.commands.{COMMANDS[name]}")
    found: Callable[[Job], CommandResult] = getattr(module, name)
    return found
