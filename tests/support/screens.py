"""A slip of a user, played as it would happen, and the whole screen that comes of it.

Each is played in this process, as the start of the process would have it, over real HTTP and on a
clock of its own, so that waits take no time; one that says `process` starts the real entrypoint.
What differs from time to time is replaced by words.
"""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

from opsera_step import cli
from opsera_step.cli.app import obey
from opsera_step.clock import FakeClock
from opsera_step.config.settings import asked_command
from opsera_step.doctor.command import consult
from opsera_step.job import run_job
from opsera_step.main import is_for_the_command_line
from opsera_step.signals import Cancellation
from opsera_step.simulator.simulator import Simulator
from tests.support import ROOT
from tests.support.jobs import MARKS
from tests.support.shell import stream, text_of

ADDRESS = "https://opsera.test"
"""What stands in a screen for the simulator's address."""


@dataclass(frozen=True)
class Place:
    """Where a slip happens: the simulated Opsera, and the working folder."""

    simulator: Simulator
    folder: Path
    stack: ExitStack
    """Closes what a slip needs beside them."""


Prepare = Callable[[Place], Mapping[str, str] | None]


@dataclass(frozen=True)
class Slip:
    """What a user does wrong, or meets: a command that is typed, or a job's environment."""

    title: str
    words: str | None = None
    """What is typed after `opsera-step`; None for a job."""
    platform: str = "plain"
    environ: Mapping[str, str | None] = field(default_factory=dict)
    """Variables beside those that every slip has; None takes one of these away."""
    files: Mapping[str, str | bytes] = field(default_factory=dict)
    """Files in the working folder."""
    scenario: Any = None
    """The simulator's; None for one that all such slips share, since they change nothing."""
    simulated: Mapping[str, Any] = field(default_factory=dict)
    """Further options of the simulator."""
    prepare: Prepare | None = None
    """What happens before; it may return further variables."""
    process: bool = False
    """Whether the real entrypoint is started."""
    stdin: str = ""


@dataclass(frozen=True)
class Screen:
    """What the user has before them in the end."""

    code: int
    out: str
    err: str


def typed(title: str, words: str, **rest: Any) -> Slip:
    """Make a slip of the command line; names in small letters are inputs of the environment."""
    return _slip(title, words, rest)


def job(title: str, platform: str = "plain", **rest: Any) -> Slip:
    """Make a slip of a job, whose inputs are given by their names."""
    return _slip(title, None, {"platform": platform, **rest})


_OWN = frozenset(Slip.__dataclass_fields__) - {"environ"}


def _slip(title: str, words: str | None, rest: Mapping[str, Any]) -> Slip:
    own = {name: value for name, value in rest.items() if name in _OWN}
    inputs = {name: value for name, value in rest.items() if name not in _OWN}
    environ = dict(inputs.pop("environ", {}))
    environ |= {f"OPSERA_{name.upper()}": value for name, value in inputs.items()}
    return Slip(title, words, environ=environ, **own)


def play(slip: Slip, folder: Path, shared: Simulator, clock: FakeClock, patch: Any) -> str:
    """Play a slip in a fresh folder and return its screen as it is kept."""
    for name, content in slip.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    patch.chdir(folder)
    if slip.scenario is None and not slip.simulated:
        with ExitStack() as stack:
            return _played(slip, Place(shared, folder, stack), clock)
    clock = FakeClock()
    with ExitStack() as stack:
        scenario = slip.scenario or "success"
        simulator = stack.enter_context(Simulator(scenario, clock=clock, seed=1, **slip.simulated))
        return _played(slip, Place(simulator, folder, stack), clock)


def _played(slip: Slip, place: Place, clock: FakeClock) -> str:
    simulator = place.simulator
    environ: dict[str, str | None] = {
        "PATH": os.defpath,
        "HOME": "/nonexistent",
        "OPSERA_BASE_URL": simulator.url,
        "OPSERA_TOKEN": simulator.token,
        "OPSERA_PIPELINE": simulator.pipeline_id,
        **MARKS[slip.platform],
        **slip.environ,
    }
    environ |= (slip.prepare(place) if slip.prepare else None) or {}
    given = {name: value for name, value in environ.items() if value is not None}
    port = simulator.url.rpartition(":")[2]
    played = replace(slip, words=slip.words and slip.words.replace("{port}", port))
    if slip.process:
        screen = _in_a_process(played, given, place.folder)
    else:
        screen = _in_here(played, given, clock)
    return _kept(slip, screen, place, given)


def _in_a_process(slip: Slip, environ: Mapping[str, str], folder: Path) -> Screen:
    done = subprocess.run(
        [sys.executable, "-Iu", str(ROOT / "entrypoint.py"), *shlex.split(slip.words or "")],
        cwd=folder, env=dict(environ), input=slip.stdin.encode(), capture_output=True, timeout=60,
        check=False,
    )  # fmt: skip
    return Screen(done.returncode, done.stdout.decode(), done.stderr.decode())


def _in_here(slip: Slip, environ: Mapping[str, str], clock: FakeClock) -> Screen:
    """Do what `start.main` does; only the clock is another."""
    out, err, given = stream(), stream(), stream()
    given.write(slip.stdin)
    given.seek(0)
    timed = partial(run_job, clock=clock, jitter=Random(7).random)
    with (
        mock.patch.dict(os.environ, environ, clear=True),
        mock.patch.object(sys, "stdin", given),
        mock.patch.object(socket, "getaddrinfo", _lookup),
        mock.patch("opsera_step.cli.invocation.run_job", timed),
        # When the time of that clock is up, a busy machine may still take its own.
        mock.patch("opsera_step.api.transport._LEAST_WAIT", 20.0),
        mock.patch("opsera_step.cli.setup.consult", partial(consult, clock=clock)),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        if slip.words is not None:
            code = cli.main(shlex.split(slip.words), Cancellation())
        elif is_for_the_command_line(words := asked_command(environ)):
            code = obey(words, environ, out, Cancellation())
        else:
            code = timed(environ, out, Cancellation())
    return Screen(int(code), text_of(out), text_of(err))


_real_lookup = socket.getaddrinfo


def _lookup(host: Any, *args: Any, **rest: Any) -> Any:
    """Look up a host; none is ever below `invalid` (RFC 6761), and not every machine asks fast."""
    if str(host).endswith(".invalid"):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return _real_lookup(host, *args, **rest)


_WORDS = (
    (r"http://127\.0\.0\.1:(?!1\b)\d+", "http://127.0.0.1:PORT"),
    (r"127\.0\.0\.1:(?!1\b)\d+", "127.0.0.1:PORT"),
    (r"\bin \d+ ms\b", "in 12 ms"),
    # What OpenSSL says of an answer that is no TLS differs between its versions.
    (r"TLS failed \([a-z ]+\)", "TLS failed (wrong version number)"),
    (r"\bgood until \d{4}-\d\d-\d\d", "good until 2026-12-31"),
)


def _kept(slip: Slip, screen: Screen, place: Place, environ: Mapping[str, str]) -> str:
    """Write down a screen so that it is the same each time."""
    marks = [f"environment: {line}" for line in _environment(slip, environ, place)]
    marks += [f"file: {name}" for name in slip.files]
    head = f"$ opsera-step {slip.words}" if slip.words is not None else f"a job ({slip.platform})"
    lines = [f"## {slip.title}", head, *marks]
    for name, text in (("out", screen.out), ("err", screen.err)):
        lines += [f"{name}| {line}".rstrip() for line in _plain(text, place, slip).splitlines()]
    return "\n".join([*lines, f"exit {screen.code}", ""])


def _environment(slip: Slip, environ: Mapping[str, str], place: Place) -> Iterator[str]:
    for name in sorted(slip.environ):
        value = environ.get(name)
        shown = _plain(value, place, slip) if value is not None else "(not set)"
        yield f"{name}={shown if len(shown) < 120 else shown[:120] + '…'}"


def _plain(text: str, place: Place, slip: Slip) -> str:
    simulator = place.simulator
    text = text.replace(simulator.url, ADDRESS)
    text = re.sub("^::add-mask::.*", "::add-mask::TOKEN", text, flags=re.MULTILINE)
    text = text.replace(str(place.folder), "/folder")
    for pattern, word in _WORDS:
        text = re.sub(pattern, word, text)
    return text.replace("\x1b", "␛").replace("\r", "␍").replace("\t", "␉")
