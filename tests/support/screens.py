"""What a user sees after a mistake or a failure: the entry point, played against a simulator.

A screen is the command or job, its output (`out|` and `err|` for the two streams), and the exit
code. What differs from one time to the next is replaced.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from opsera_step.simulator import Simulator, SpeedClock
from tests.support.jobs import MARKS
from tests.support.shell import entry


@dataclass(frozen=True)
class Place:
    """Where a case is played: the simulator, and the working directory."""

    simulator: Simulator
    directory: Path
    stack: ExitStack
    """Closes what the case starts besides."""


Prepare = Callable[[Place], Mapping[str, str] | None]
Content = str | bytes | None


@dataclass(frozen=True)
class Case:
    """A typed command, or a job with its environment, that ends in an error."""

    title: str
    words: str | None = None
    """What is typed after `opsera-step`; None for a job."""
    platform: str = "plain"
    environ: Mapping[str, str | None] = field(default_factory=dict)
    """Variables in addition to the usual ones; None removes one of these."""
    files: Mapping[str, Content] = field(default_factory=dict)
    """Files in the working directory; None makes a directory."""
    scenario: Any = None
    """The simulator's; by default all cases of an area share one."""
    simulated: Mapping[str, Any] = field(default_factory=dict)
    """Further options of the simulator."""
    speed: float = 1.0
    """How much faster than real time the simulated runs are."""
    prepare: Prepare | None = None
    """What happens before; it may return further variables."""


def typed(title: str, words: str, **rest: Any) -> Case:
    """Make a case of the command line; unknown names are inputs in the environment."""
    return _case(title, words, rest)


def job(title: str, platform: str = "plain", **rest: Any) -> Case:
    """Make a case of a job, whose inputs are given by name."""
    return _case(title, None, {"platform": platform, **rest})


_FIELDS = frozenset(Case.__dataclass_fields__) - {"environ"}


def _case(title: str, words: str | None, rest: Mapping[str, Any]) -> Case:
    fields = {name: value for name, value in rest.items() if name in _FIELDS}
    inputs = {name: value for name, value in rest.items() if name not in _FIELDS}
    environ = dict(inputs.pop("environ", {}))
    environ |= {f"OPSERA_{name.upper()}": value for name, value in inputs.items()}
    return Case(title, words, environ=environ, **fields)


def play(case: Case, directory: Path, shared: Simulator) -> str:
    """Play a case in an empty directory and return its screen."""
    for name, content in case.files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            path.mkdir()
        else:
            path.write_bytes(content.encode() if isinstance(content, str) else content)
    with ExitStack() as stack:
        simulator = shared
        if case.scenario is not None or case.simulated:
            simulator = stack.enter_context(
                Simulator(
                    case.scenario or "success",
                    clock=SpeedClock(case.speed),
                    seed=1,
                    **case.simulated,
                )
            )
        place = Place(simulator, directory, stack)
        environ = _environment(case, place)
        words = shlex.split((case.words or "").replace("{port}", simulator.url.rpartition(":")[2]))
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(directory)
            done = entry(words, environ)
        return _screen(case, place, environ, {"out": done.out, "err": done.err}, done.code)


def _environment(case: Case, place: Place) -> dict[str, str]:
    simulator = place.simulator
    environ: dict[str, str | None] = {
        "PATH": os.defpath,
        "HOME": "/nonexistent",
        "OPSERA_BASE_URL": simulator.url,
        "OPSERA_TOKEN": simulator.token,
        "OPSERA_PIPELINE": simulator.pipeline_id,
        **MARKS[case.platform],
        **case.environ,
        **((case.prepare(place) if case.prepare else None) or {}),
    }
    return {name: value for name, value in environ.items() if value is not None}


_REPLACED = (
    (r"^::add-mask::.*", "::add-mask::TOKEN"),
    (r"127\.0\.0\.1:(?!1\b)\d+", "127.0.0.1:PORT"),
    (r"\b\d+ ms\b", "12 ms"),
    (r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "2026-12-31T12:34:56Z"),
    (r"\b\d{4}-\d\d-\d\d\b(?=[ ,.;)])", "2026-12-31"),
    (r"section_(start|end):\d+", r"section_\1:1767225600"),
    (r"\b\d\d:\d\d(:\d\d)?(?=Z? UTC)", "12:34"),
    (r"\b\d+( days? ago| min ago)", r"60\1"),
    (r"\bafter \d+s\b", "after 3s"),
    # OpenSSL's message for a response that is not TLS differs between its versions.
    (r"TLS failed \([a-z ]+\)", "TLS failed (wrong version number)"),
)


def _screen(
    case: Case,
    place: Place,
    environ: Mapping[str, str],
    streams: Mapping[str, str],
    exit_code: int,
) -> str:
    lines = [f"## {case.title}"]
    lines += [f"$ opsera-step {case.words}" if case.words is not None else f"job: {case.platform}"]
    for name in sorted(case.environ):
        value = environ.get(name)
        shown = "(not set)" if value is None else _same_each_time(value, place)
        lines.append(f"environment: {name}={shown if len(shown) < 120 else shown[:120] + '…'}")
    lines += [
        f"{'directory' if case.files[name] is None else 'file'}: {name}" for name in case.files
    ]
    for name, text in streams.items():
        lines += [
            f"{name}| {line}".rstrip() for line in _same_each_time(text, place).split("\n")[:-1]
        ]
    return "\n".join([*lines, f"exit {exit_code}", ""])


def _same_each_time(text: str, place: Place) -> str:
    text = text.replace(place.simulator.url, "https://opsera.test")
    text = text.replace(str(place.directory), "/workspace")
    for pattern, replacement in _REPLACED:
        text = re.sub(pattern, replacement, text, flags=re.MULTILINE)
    return text.replace("\x1b", "␛").replace("\r", "␍").replace("\t", "␉")
