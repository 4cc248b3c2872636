"""Run programs with a time limit."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ENDED_BY_US = 124
_GRACE = 10


class Missing(Exception):
    """Equipment that this machine lacks, so that tests are skipped."""


class Result:
    """The exit code and output of a program."""

    def __init__(self, command: Sequence[object], code: int, output: str) -> None:
        self.command = " ".join(str(word) for word in command)
        self.code = code
        self.output = output

    @property
    def ok(self) -> bool:
        """Whether the exit code is 0."""
        return self.code == 0

    @property
    def tail(self) -> str:
        """The last lines, where programs print their errors."""
        return "\n".join(self.output.rstrip().splitlines()[-15:])

    def __repr__(self) -> str:
        """Return everything; a failed assertion prints it."""
        return f"$ {self.command}\n{self.output}\n(exit code {self.code})"


def run(
    command: Sequence[object],
    seconds: float,
    *,
    cwd: Path = ROOT,
    env: Mapping[str, str] | None = None,
) -> Result:
    """Run a program; stop it and its children when the time is up."""
    process = subprocess.Popen(
        [str(word) for word in command], cwd=cwd, env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, errors="replace", start_new_session=True,
    )  # fmt: skip
    try:
        output, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        output = f"{_stop(process)}\n(stopped after {seconds:.0f} s)"
        return Result(command, ENDED_BY_US, output)
    except BaseException:  # Interrupted: the program must not outlive us.
        _stop(process)
        raise
    return Result(command, process.returncode, output)


def run_or_fail(command: Sequence[object], seconds: float, what: str, **how: object) -> Result:
    """Run a program that fails only because of the machine; raise Missing if it does."""
    try:
        done = run(command, seconds, **how)  # type: ignore[arg-type]
    except OSError as error:
        raise Missing(f"could not {what}: {error}") from error
    if not done.ok:
        raise Missing(f"could not {what}:\n{done.tail}")
    return done


def _stop(process: subprocess.Popen[str]) -> str:
    """End a program and its children; return its output."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            return process.communicate(timeout=_GRACE)[0] or ""
    return ""
