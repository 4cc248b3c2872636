"""The start of a job as a process: signals first, then everything that takes time to load."""

from __future__ import annotations

import os
import sys

from opsera_step.cancel import Cancellation


def main() -> int:
    """Run the job of this process's environment and return the exit code."""
    cancellation = Cancellation()
    cancellation.install()
    # As PID 1 a process ignores SIGTERM until it has a handler; loading takes a third of a second.
    from opsera_step.job import run_job, utf8  # noqa: PLC0415

    exit_code = run_job(os.environ, utf8(sys.stdout), cancellation)
    # From here on a signal could only spoil the exit code.
    cancellation.ignore()
    return exit_code
