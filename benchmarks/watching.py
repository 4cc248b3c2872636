"""A short check in real time: the job and the shell loop watch the same run, side by side."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from benchmarks.children import ENTRYPOINT, ROOT, job_environment
from benchmarks.figures import Cell, Table, percentile
from benchmarks.traces import MARK, Trace
from opsera_step.simulator import Simulator, SpeedClock

LOOP = ("bash", str(ROOT / "benchmarks" / "loop.sh"))


def trace(seconds: float) -> Trace:
    """Make bursts of twenty lines, each some seconds after the one before."""
    times = [start + n * 0.05 for start in _starts(seconds) for n in range(20)]
    return Trace("real", "", tuple(times), times[-1] + 1)


def table(seconds: float) -> Table:
    """Let both watch a run of so many seconds."""
    played, clock = trace(seconds), SpeedClock()
    with Simulator(dict(played.scenario()), clock=clock, seed=1) as simulator:
        environ = job_environment(simulator.url, token=simulator.token, timeout="0")
        environ["OPSERA_PIPELINE"] = simulator.pipeline_id
        watchers: dict[str, tuple[Sequence[str], Mapping[str, str]]] = {
            "the job": (ENTRYPOINT, environ)
        }
        if all(map(shutil.which, ("bash", "curl", "jq"))):
            watchers["the shell loop, `sleep 5`"] = (LOOP, environ)
        seen = _watch(simulator, clock, watchers)
        started = simulator.runs()[0].started_at or 0.0
    rows: list[tuple[Cell, ...]] = []
    for name, moments in seen.items():
        delays = [at - started - due for at, due in zip(moments, played.times, strict=False)]
        shown = f"{len(delays)} of {len(played.times)}"
        shares = (f"{percentile(delays, share):.2f} s" for share in (0.5, 0.95))
        rows.append((name, shown, *shares))
    return Table(("in real time", "lines", "median", "p95"), tuple(rows))


def _watch(
    simulator: Simulator,
    clock: SpeedClock,
    watchers: Mapping[str, tuple[Sequence[str], Mapping[str, str]]],
) -> dict[str, list[float]]:
    seen: dict[str, list[float]] = {name: [] for name in watchers}
    threads = []
    with tempfile.TemporaryDirectory() as directory:
        for name, (command, environ) in watchers.items():
            # The loop can't start a run: it starts once the job has done so.
            while name != "the job" and not simulator.runs():
                time.sleep(0.02)
            loop = {"URL": simulator.url, "TOKEN": simulator.token, "RUN": "42", "PAUSE": "5"}
            files = {"PIPELINE": simulator.pipeline_id, "FILE": str(Path(directory, "response"))}
            child = subprocess.Popen(
                command, env={**environ, **loop, **files}, cwd=directory, stdout=subprocess.PIPE
            )
            threads.append(threading.Thread(target=_read, args=(child, clock, seen[name])))
            threads[-1].start()
        for thread in threads:
            thread.join(600)
    return seen


def _read(child: subprocess.Popen[bytes], clock: SpeedClock, moments: list[float]) -> None:
    with child:
        out: IO[bytes] | None = child.stdout
        ours = (line for line in out or () if line.startswith(MARK.encode()))
        moments.extend(clock.monotonic() for _ in ours)


def _starts(seconds: float) -> list[float]:
    starts: list[float] = []
    at = 0.5
    while not starts or at < seconds - 2:
        starts.append(at)
        at += 7.3
    return starts
