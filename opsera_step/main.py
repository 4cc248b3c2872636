"""The start of the process: signals first, then everything that takes time to load."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from opsera_step.signals import Cancellation

_COMPLETION = "_OPSERA_STEP_COMPLETE"
"""Set by the shell that completes a command line, which must never start a job."""


def main(arguments: Sequence[str] = ()) -> int:
    """Run the job of the environment, or the command line, and return the exit code."""
    cancellation = Cancellation()
    cancellation.install()
    # As PID 1 a process ignores SIGTERM until it has a handler; loading takes a third of a second.
    if arguments or _COMPLETION in os.environ:
        from opsera_step import cli  # noqa: PLC0415 - a job shall not wait for click

        return cli.main(list(arguments), cancellation)
    from opsera_step.config.settings import asked_command  # noqa: PLC0415
    from opsera_step.job.runner import run_job, utf8  # noqa: PLC0415

    words = asked_command(os.environ)
    if is_for_the_command_line(words):
        # Only these wait for click.
        from opsera_step.cli.app import obey  # noqa: PLC0415

        exit_code = obey(words, os.environ, utf8(sys.stdout), cancellation)
    else:
        exit_code = run_job(os.environ, utf8(sys.stdout), cancellation)
    # From here on a signal could only spoil the exit code.
    cancellation.ignore()
    return exit_code


def is_for_the_command_line(words: Sequence[str]) -> bool:
    """Whether a command has to be read as if typed: not the single words that are the job's own."""
    from opsera_step.config.inputs import COMMANDS  # noqa: PLC0415 - after the signals

    return len(words) > 1 or bool(words and words[0] not in COMMANDS)


def command_line() -> int:
    """Run the command line of this process: without arguments it tells how it is used."""
    return main(sys.argv[1:] or ["--help"])
