"""Play a schedule with the real entrypoint as a process, over real sockets and in real time.

The scenario and its faults are squeezed by `SPEED`; what is the job's own (grace times, draining,
the time-out) can't be, so the time-outs of the schedule are cut instead.
"""

from __future__ import annotations

import signal
import threading
from dataclasses import replace
from pathlib import Path

from opsera_step.simulator import Simulator, SpeedClock
from tests.faults.judge import Played, known_truth
from tests.faults.schedule import Schedule
from tests.support.jobs import Files, Process

SPEED = 10.0
_TIMEOUTS = {"30m": "90", "2m": "30", "45": "15"}


def play(schedule: Schedule, folder: Path) -> Played:
    """Play it; a cancel comes as SIGTERM to the process."""
    inputs = {**schedule.inputs, "timeout": _TIMEOUTS[schedule.inputs["timeout"]]}
    schedule = replace(schedule, inputs=inputs)
    with Simulator(
        schedule.scenario,
        clock=SpeedClock(SPEED),
        seed=schedule.seed,
        flags=schedule.flags,
        faults=list(schedule.faults),
    ) as simulator:
        if schedule.somebody_first:
            simulator.start_run()
        files = Files(folder, schedule.platform)
        process = Process(simulator, files, **{"output_file": "opsera.env", **inputs})
        if schedule.cancel_at is not None:
            delay = 0.5 + schedule.cancel_at / SPEED
            threading.Timer(delay, process.send, [signal.SIGTERM]).start()
        job = process.wait(200)
        return known_truth(schedule, simulator, job)
