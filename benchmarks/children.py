"""Child processes that are measured: the job, and its alternatives."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ENTRYPOINT = (sys.executable, "-Iu", str(ROOT / "entrypoint.py"))
TOKEN = "benchmark.token.of-no-worth-at-all"  # noqa: S105 - opens nothing
PIPELINE = "5f0c4e1b2d3a4c5b6e7f8091"


@dataclass(frozen=True)
class Ended:
    """A child that has ended; seconds of processor are its own and those of its children."""

    code: int
    started: float
    processor: float
    elapsed: float


def job_environment(url: str, **inputs: str) -> dict[str, str]:
    """Return the environment of a job and nothing else."""
    given = {"token": TOKEN, "pipeline": PIPELINE, "base_url": url, **inputs}
    return {"PATH": os.environ.get("PATH", os.defpath)} | {
        f"OPSERA_{name.upper()}": value for name, value in given.items()
    }


def run(
    command: Sequence[str],
    environ: Mapping[str, str],
    *,
    directory: Path,
    out: Path | None = None,
    errors: Path | None = None,
) -> Ended:
    """Run a command to its end, its output in a file (or nowhere)."""
    with (
        (out or Path(os.devnull)).open("wb") as log,
        (errors or Path(os.devnull)).open("ab") as err,
    ):
        started = time.perf_counter()
        child = subprocess.Popen(
            command,
            cwd=directory,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=err,
        )
        _, status, used = os.wait4(child.pid, 0)
        elapsed = time.perf_counter() - started
        child.returncode = os.waitstatus_to_exitcode(status)
    return Ended(child.returncode, started, used.ru_utime + used.ru_stime, elapsed)
