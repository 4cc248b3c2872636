"""Containers of the image, started by Docker's command line."""

from __future__ import annotations

import itertools
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from opsera_step.simulator import Simulator
from tests.platforms.running import Result, run

SECONDS = 90


class Container:
    """A running container."""

    def __init__(self, program: str, name: str, process: subprocess.Popen[str]) -> None:
        self.name = name
        self._program = program
        self._process = process

    def signal(self, number: str) -> None:
        """Send a signal to process 1 of the container."""
        run([self._program, "kill", "--signal", number, self.name], SECONDS)

    def wait(self, seconds: float = SECONDS) -> Result:
        """Wait for its end and return its output."""
        output, _ = self._process.communicate(timeout=seconds)
        return Result(["run", self.name], self._process.returncode, output)


class Containers:
    """Starts containers of one image, and removes those that are left at the end."""

    def __init__(self, program: str, image: str) -> None:
        self.program = program
        self.image = image
        self._names = (f"opsera-step-platforms-{os.getpid()}-{n}" for n in itertools.count())
        self._started: list[str] = []

    def __enter__(self) -> Containers:  # noqa: PYI034 - Self came with Python 3.11
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove the containers that still exist."""
        for name in self._started:
            run([self.program, "rm", "--force", name], SECONDS)

    def run(self, *arguments: object, options: Sequence[object] = (), **environ: object) -> Result:
        """Run a container and return its output."""
        command = self._command(arguments, options, environ)
        return run(command, SECONDS, env={name: str(value) for name, value in environ.items()})

    def start(
        self, *arguments: object, options: Sequence[object] = (), **environ: object
    ) -> Container:
        """Start a container in the background."""
        command = self._command(arguments, options, environ)
        process = subprocess.Popen(
            command, env={**os.environ, **{name: str(value) for name, value in environ.items()}},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        return Container(self.program, self._started[-1], process)

    def shell(self, script: str, *options: object, image: str = "") -> str:
        """Run a shell script in the image and return its output."""
        entry = ("run", "--rm", "--entrypoint", "/bin/sh", *options)
        done = run([self.program, *entry, image or self.image, "-c", script], SECONDS)
        assert done.ok, done
        return done.output

    def _command(
        self, arguments: Sequence[object], options: Sequence[object], environ: Mapping[str, object]
    ) -> list[str]:
        name = next(self._names)
        self._started.append(name)
        # By name, as the README recommends: values stay out of the process list.
        named = [word for variable in environ for word in ("--env", variable)]
        words = ["run", "--rm", "--name", name, *named, *options, self.image, *arguments]
        return [self.program, *(str(word) for word in words)]


def inputs(simulator: Simulator, **more: object) -> dict[str, object]:
    """Return the variables of a job against a simulator."""
    given = {
        "base_url": simulator.url, "token": simulator.token, "pipeline": simulator.pipeline_id,
        **more,
    }  # fmt: skip
    return {f"OPSERA_{name.upper()}": value for name, value in given.items()}


def until(condition: object, seconds: float = 30) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "the condition did not hold in time"
        time.sleep(0.02)


def dotenv(path: Path) -> dict[str, str]:
    """Return the values of an output file."""
    lines = path.read_text("utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines)
