"""Run the real job against a server: as a process, or in this process on a fake clock."""

from __future__ import annotations

import io
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from opsera_step.clock import FakeClock
from opsera_step.job import Output, run_job
from opsera_step.signals import Signals
from opsera_step.simulator import Simulator
from tests.support import ROOT

MARKS: Mapping[str, Mapping[str, str]] = {
    "plain": {},
    "github": {"GITHUB_ACTIONS": "true", "GITHUB_OUTPUT": os.devnull},
    "gitlab": {"GITLAB_CI": "true"},
}


def read_outputs(text: str) -> dict[str, str]:
    """Read the `NAME=value` lines of an output file."""
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


@dataclass
class Files:
    """The files that a platform gives to a job, in a directory of the test."""

    directory: Path
    platform: str = "plain"

    def environment(self) -> dict[str, str]:
        """Return the variables that the platform sets."""
        names = ("GITHUB_OUTPUT", "GITHUB_STATE", "GITHUB_STEP_SUMMARY")
        files = {name: str(self.directory / name.lower()) for name in names}
        return {**MARKS[self.platform], **(files if self.platform == "github" else {})}

    def text(self, name: str) -> str:
        """Return the content of a file, or "" if there is none."""
        path = self.directory / name
        return path.read_text("utf-8") if path.exists() else ""

    @property
    def outputs(self) -> dict[str, str]:
        """The values in the output file."""
        return read_outputs(self.text("opsera.env"))


@dataclass
class Finished:
    """The result of a job."""

    code: int
    log: str
    files: Files
    seconds: float
    errors: str = ""
    outputs: dict[str, str] = field(default_factory=dict)
    base_url: str = ""


class Server(Protocol):
    """What a job needs from a server: the simulator, or the stand-in."""

    url: str
    token: str
    pipeline_id: str


def inputs_for(simulator: Server, **inputs: str | None) -> dict[str, str]:
    """Return the variables that point a job at the server, and the inputs given; None drops one."""
    basics = {
        "token": simulator.token,
        "pipeline": simulator.pipeline_id,
        "base_url": simulator.url,
    }
    given = {**basics, **inputs}
    return {f"OPSERA_{name.upper()}": value for name, value in given.items() if value is not None}


def play(
    simulator: Simulator, clock: FakeClock, directory: Path, platform: str = "plain", **inputs: str
) -> Finished:
    """Run the job in this process on the simulator's fake clock, where an hour takes a second."""
    return play_with(simulator, clock, Files(directory, platform), Signals(), **inputs)


def play_with(
    simulator: Simulator, clock: FakeClock, files: Files, cancel: Signals, **inputs: str
) -> Finished:
    """Run the job in this process, with a cancellation that the test can use."""
    out = io.StringIO()
    started = clock.monotonic()
    environ = {
        **files.environment(),
        **inputs_for(simulator, **{"output_file": str(files.directory / "opsera.env"), **inputs}),
    }
    jitter = random.Random(7).random
    code = run_job(environ, Output(out), cancel, clock=clock, jitter=jitter)
    return Finished(
        code,
        out.getvalue(),
        files,
        clock.monotonic() - started,
        outputs=files.outputs,
        base_url=simulator.url,
    )


def variables(
    server: Server | None, files: Files, environ: Mapping[str, str], **inputs: str | None
) -> dict[str, str]:
    """Return the environment of a job, without variables of this process."""
    given = inputs_for(server, **inputs) if server is not None else {}
    if files.platform == "plain":
        given.setdefault("OPSERA_OUTPUT_FILE", "opsera.env")
    return {"PATH": os.defpath, **files.environment(), **given, **environ}


class Process:
    """The real entry point as a process."""

    def __init__(
        self,
        simulator: Server | None,
        files: Files,
        *,
        arguments: tuple[str, ...] = (),
        environ: Mapping[str, str] | None = None,
        wrapper: tuple[str, ...] = (),
        **inputs: str | None,
    ) -> None:
        """Start it in the test's directory, with a program in front of it if one is named."""
        self.files = files
        self._began = time.monotonic()
        self._process = subprocess.Popen(
            [*wrapper, sys.executable, "-Iu", str(ROOT / "entrypoint.py"), *arguments],
            cwd=files.directory,
            env=variables(simulator, files, environ or {}, **inputs),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def handles(self, number: signal.Signals) -> bool:
        """Whether it has installed a handler for a signal."""
        status = Path(f"/proc/{self._process.pid}/status").read_text("ascii")
        caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
        return bool(int(caught.split()[1], 16) & 1 << number - 1)

    def kill(self) -> None:
        """Kill it, as a platform does after its grace period."""
        self._process.kill()

    def close_log(self) -> None:
        """Stop reading the log."""
        assert self._process.stdout is not None
        self._process.stdout.close()

    def wait(self, seconds: float = 60.0) -> Finished:
        """Wait for the end and return the result."""
        if self._process.stdout is not None and self._process.stdout.closed:
            self._process.stdout = None
        out, errors = self._process.communicate(timeout=seconds)
        out = out or b""
        return Finished(
            self._process.returncode,
            out.decode("utf-8"),
            self.files,
            time.monotonic() - self._began,
            errors.decode("utf-8"),
            self.files.outputs,
        )


def wait_until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait until a condition holds; fail after some seconds."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise AssertionError("the condition did not hold in time")
        time.sleep(0.02)
