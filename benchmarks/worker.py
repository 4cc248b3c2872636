"""The job as a process with a simulated clock; it prints its peak memory in KiB at the end.

Everything else is real: its own process, HTTP on a socket, the log on standard output.
"""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

from opsera_step.clock import FakeClock
from opsera_step.job import Output, run_job, utf8
from opsera_step.signals import Signals


def peak() -> int:
    """Return the peak memory of this process, in KiB.

    `ru_maxrss` begins with that of the process which started this one, so it is the second choice.
    """
    status = Path("/proc/self/status")
    lines = status.read_text("ascii").splitlines() if status.exists() else []
    found = (int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
    return next(found, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


if __name__ == "__main__":
    exit_code = run_job(os.environ, Output(utf8(sys.stdout)), Signals(), clock=FakeClock())
    sys.stderr.write(f"{peak()}\n")
    sys.exit(exit_code)
