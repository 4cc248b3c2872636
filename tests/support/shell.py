"""Run commands as a user types them, over real HTTP."""

from __future__ import annotations

import gc
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import requests
import yaml

from opsera_step import cli, main
from opsera_step.signals import Signals
from opsera_step.simulator import Simulator, SpeedClock
from tests.support import ROOT
from tests.support.jobs import Files, Finished, Server, variables, wait_until

TOOL, TASK = "65a4f00dc0ffee0000000101", "65a4f00dc0ffee0000000201"
LOCKED_TOOL, LOCKED_TASK = "65a4f00dc0ffee0000000105", "65a4f00dc0ffee0000000205"


@dataclass(frozen=True)
class Typed:
    """The result of a command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def yaml(self) -> Any:
        return yaml.safe_load(self.out)


def stream() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8")


def text_of(written: io.TextIOWrapper) -> str:
    written.flush()
    return written.buffer.getvalue().decode("utf-8")


def environment(simulator: Simulator | None, token: str = "", **environ: str) -> dict[str, str]:
    """Return the environment of a command."""
    found = {"PATH": os.defpath, "HOME": "/nonexistent", **environ}
    if simulator is not None:
        found |= {
            "OPSERA_BASE_URL": simulator.url,
            "OPSERA_TOKEN": token or simulator.token,
            "OPSERA_PIPELINE": simulator.pipeline_id,
        }
    return found


def opsera(simulator: Simulator | None, *words: str, token: str = "", **environ: str) -> Typed:
    """Run a command in this process, without a terminal."""
    given = environment(simulator, token, **environ)
    return _captured(lambda: cli.main(list(words), Signals()), given)


def command(simulator: Simulator, words: str, **environ: str) -> Typed:
    """Run a job whose input `command` is `words`."""
    return entry((), {**environment(simulator), "OPSERA_COMMAND": words, **environ})


def entry(arguments: Sequence[str], environ: Mapping[str, str]) -> Typed:
    """Run the entry point in this process, without its signal handlers."""
    try:
        return _captured(lambda: main.run(arguments, Signals()), environ)
    finally:
        # The entry point freezes all objects, as if the process ran nothing else.
        gc.unfreeze()


def run_here(
    server: Server,
    files: Files,
    *,
    arguments: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
    **inputs: str | None,
) -> Finished:
    """Run a job in this process, for tests that depend on neither signals nor streams."""
    began = time.monotonic()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(files.directory)
        done = entry(arguments, variables(server, files, environ or {}, **inputs))
    seconds = time.monotonic() - began
    return Finished(done.code, done.out, files, seconds, done.err, files.outputs)


def _captured(run: Callable[[], int], environ: Mapping[str, str]) -> Typed:
    out, err = stream(), stream()
    # The signal handlers of the test process stay.
    untouched = mock.patch.multiple(Signals, ignore=mock.DEFAULT, restore=mock.DEFAULT)
    patched = mock.patch.dict(os.environ, environ, clear=True)
    with patched, untouched, redirect_stdout(out), redirect_stderr(err):
        try:
            code = run()
        except SystemExit as end:
            # click ends the process after a completion.
            code = int(end.code or 0)
    return Typed(code, text_of(out), text_of(err))


def process(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a command as a process, with nothing of this environment but PATH."""
    return subprocess.run(
        [sys.executable, "-I", str(ROOT / "entrypoint.py"), *arguments],
        check=False,
        env={"PATH": os.defpath, **environ},
        cwd="/",
        capture_output=True,
        encoding="utf-8",
        timeout=50,
    )


def to_a_full_disk(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        return subprocess.run(
            [sys.executable, "-I", str(ROOT / "entrypoint.py"), *arguments],
            check=False, env={"PATH": os.defpath, **environ}, cwd="/",
            stdout=full, stderr=subprocess.PIPE, encoding="utf-8", timeout=50,
        )  # fmt: skip


def fast(scenario: Any = "success", speed: float = 100.0, **options: Any) -> Simulator:
    """Return a simulator whose runs take next to no time."""
    return Simulator(scenario, clock=SpeedClock(speed), **options)


def run_to_its_end(simulator: Simulator) -> None:
    """Start a run from the command line; wait until it and the account's tasks have ended."""
    assert opsera(simulator, "run", "--no-wait").code == 0
    status = ("status", "--format", "json")
    wait_until(lambda: opsera(simulator, *status).json["status"] != "running")
    wait_until(lambda: simulator.now > 60)


def ask(simulator: Simulator, method: str, path: str, **sent: Any) -> Any:
    """Send a request to the API without any code of the package."""
    answer = requests.request(
        method, f"{simulator.url}/api/v1/{path}", timeout=20,
        headers={"Authorization": f"Bearer {simulator.token}"}, **sent,
    )  # fmt: skip
    assert answer.ok
    return answer.json()
