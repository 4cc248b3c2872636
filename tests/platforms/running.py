"""Run programs with a time limit, and say what was wrong with one that failed."""

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
    """What this machine lacks and can't be given, and so what is not tried on it."""


class Result:
    """What came of a program."""

    def __init__(self, command: Sequence[object], code: int, output: str) -> None:
        """Keep its exit code and all that it printed, on both streams."""
        self.command = " ".join(str(word) for word in command)
        self.code = code
        self.output = output

    @property
    def ok(self) -> bool:
        """Whether it ended well."""
        return self.code == 0

    @property
    def tail(self) -> str:
        """Return the last lines, where programs say what was wrong."""
        return "\n".join(self.output.rstrip().splitlines()[-15:])

    def __repr__(self) -> str:
        """Show all of it: a failed assertion prints this."""
        return f"$ {self.command}\n{self.output}\n(exit code {self.code})"


def run(
    command: Sequence[object],
    seconds: float,
    *,
    cwd: Path = ROOT,
    env: Mapping[str, str] | None = None,
) -> Result:
    """Run a program to its end, or to the end of its time: then it is stopped with its children."""
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
    except BaseException:  # Interrupted: what was started must not outlive us.
        _stop(process)
        raise
    return Result(command, process.returncode, output)


def insist(command: Sequence[object], seconds: float, what: str, **how: object) -> Result:
    """Run a program that can fail only because of the machine; Missing when it does."""
    try:
        done = run(command, seconds, **how)  # type: ignore[arg-type]
    except OSError as error:
        raise Missing(f"could not {what}: {error}") from error
    if not done.ok:
        raise Missing(f"could not {what}:\n{done.tail}")
    return done


def _stop(process: subprocess.Popen[str]) -> str:
    """End a program and all that it started; return what it had printed."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            return process.communicate(timeout=_GRACE)[0] or ""
    return ""
