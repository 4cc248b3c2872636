"""The entry point of the process: install signal handlers, then load everything else."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence

from opsera_step.signals import Signals

_COMPLETION = "_OPSERA_STEP_COMPLETE"
"""Set by the shell that completes a command line, which must never start a job."""


def main(arguments: Sequence[str] = ()) -> int:
    """Run the job that the environment describes, or the command line; return the exit code."""
    # What loads stays, so looking for garbage in between only takes time.
    gc.disable()
    # As PID 1 a process ignores SIGTERM until it has a handler; loading takes a third of a second.
    signals = Signals()
    signals.install()
    return run(arguments, signals)


def run(arguments: Sequence[str], signals: Signals) -> int:
    """Run the job or the command line; signal handlers, if any, are already installed."""
    if _COMPLETION in os.environ or not is_job(arguments):
        from opsera_step import cli  # noqa: PLC0415 - a job doesn't wait for click

        gc.freeze()
        gc.enable()
        return cli.main(list(arguments), signals)
    exit_code = _run_job(["cleanup"] if arguments else [], signals)
    # From here on a signal could only spoil the exit code.
    signals.ignore()
    return exit_code


def is_job(arguments: Sequence[str]) -> bool:
    """Whether the environment describes all of it: in the container, and in its post step."""
    return not arguments or list(arguments) == ["cleanup"]


def _run_job(words: list[str], signals: Signals) -> int:
    from opsera_step.config import Setting, requested_command  # noqa: PLC0415 - after the signals
    from opsera_step.job import Output, run_job, utf8  # noqa: PLC0415
    from opsera_step.platforms import detect, own_variables  # noqa: PLC0415

    gc.freeze()
    gc.enable()
    environ, out = own_variables(os.environ, is_job=True), utf8(sys.stdout)
    asked = words or requested_command(environ, detect(environ, out))
    if needs_command_line(asked):
        # Only these commands wait for click.
        from opsera_step.cli import run_arguments  # noqa: PLC0415

        return run_arguments(asked, environ, out, signals)
    options = {}
    if asked == ["cleanup"]:
        from opsera_step.job.commands.cleanup import BY_INPUT  # noqa: PLC0415 - after the signals

        options["command"] = Setting("cleanup", "the command line" if words else BY_INPUT)
    return run_job(environ, Output(out), signals, options=options)


def needs_command_line(words: Sequence[str]) -> bool:
    """Whether a job's command is parsed like a command line: not the job's own single words."""
    from opsera_step.config import COMMANDS  # noqa: PLC0415 - after the signals

    return len(words) > 1 or bool(words and words[0] not in COMMANDS)


def command_line() -> int:
    """Run the command line of this process; without arguments, print the usage."""
    return main(sys.argv[1:] or ["--help"])
