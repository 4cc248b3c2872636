"""The parts of the platform tests: what each needs, and how it runs."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests.platforms import engines, machine
from tests.platforms.running import Missing, run

SECONDS = 900
"""Limit for one part, far above what any takes: only one that hangs reaches it."""


@dataclass
class Equipment:
    """The tools of all parts; each is prepared once."""

    directory: Path
    facts: dict[str, str] = field(default_factory=dict)
    engine: engines.Engine | None = None
    image: str | None = None
    _made: dict[str, Future[None]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def provide(self, name: str) -> None:
        """Prepare a tool once; raise why that failed, such as Missing, to each caller.

        Safe to use from several threads.
        """
        with self._lock:
            made, is_first = self._made.get(name), name not in self._made
            if made is None:
                made = self._made[name] = Future()
        if is_first:
            started = time.monotonic()
            try:
                shown = _MAKERS[name](self)
                print(f"{name}: {shown}, {time.monotonic() - started:.0f} s", flush=True)
                made.set_result(None)
            except Exception as error:  # noqa: BLE001 - raised where it is needed
                made.set_exception(error)
        made.result()

    def prepare(self, names: Iterable[str]) -> None:
        """Prepare several tools at once; `provide` raises their failures later."""
        with ThreadPoolExecutor() as pool:
            for name in names:
                pool.submit(self.provide, name)


@dataclass(frozen=True)
class Part:
    """A group of platform tests with the same needs."""

    name: str
    about: str
    needs: tuple[str, ...]
    tests: tuple[str, ...]
    programs: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict)


_ENGINE = ("runc", "mmdebstrap", "git")
PARTS = (
    Part("image", "the image", ("image",), ("tests/platforms/test_image.py",), _ENGINE),
    Part(
        "container", "docker run, Kubernetes' restrictions, proxies, private CAs",
        ("image", "openssl"),
        ("tests/platforms/test_container.py", "tests/platforms/test_network.py"),
        (*_ENGINE, "openssl"),
    ),
    Part(
        "github", "workflows under act, and GitHub's parser",
        ("image", "act", "npm"), ("tests/platforms/test_github.py",), (*_ENGINE, "npm"),
    ),
    Part(
        "gitlab", "the component under gitlab-ci-local",
        ("image", "npm", "rsync"), ("tests/platforms/test_gitlab.py",), (*_ENGINE, "npm", "rsync"),
    ),
    Part(
        "jenkins", "the Jenkinsfiles, run by Groovy",
        ("image", "groovy"), ("tests/platforms/test_jenkins.py",), (*_ENGINE, "groovy"),
    ),
    Part(
        "browser", "the report in Chromium",
        ("chromium",), ("tests/browser",), ("chromium",),
        {"OPSERA_STEP_BROWSER_TESTS": "required"},
    ),
    Part(
        "dotnet", "the oracle of GitHub's runner against .NET",
        ("dotnet", "mcs"), ("tests/platforms/test_dotnet.py",), ("mcs",),
    ),
    Part(
        "shells", "completion in bash, zsh, and fish",
        ("zsh", "fish"), ("tests/unit/cli/test_completion.py",), ("zsh", "fish"),
    ),
)  # fmt: skip


@dataclass(frozen=True)
class PartResult:
    """The result of a part: passed, failed, or skipped and why."""

    part: Part
    result: str
    seconds: float
    reason: str = ""


def play(part: Part, equipment: Equipment) -> PartResult:
    """Run the tests of a part and print their output."""
    started = time.monotonic()
    print(f"\n=== {part.name}: {part.about}", flush=True)
    try:
        for need in part.needs:
            equipment.provide(need)
    except Missing as missing:
        print(f"SKIPPED: {missing}", flush=True)
        return PartResult(part, "skipped", time.monotonic() - started, str(missing))
    except Exception as error:  # noqa: BLE001 - our bug; the other parts still run
        print(f"FAILED: {error}", flush=True)
        return PartResult(part, "FAILED (nothing to test)", time.monotonic() - started)
    facts = json.dumps({**equipment.facts, "directory": str(equipment.directory)})
    env = {**part.environ, "OPSERA_STEP_PLATFORMS_FACTS": facts}
    evidence = equipment.directory / "evidence"
    evidence.write_text("")
    # Most of them wait for a run, few for the processor.
    options = ["-p", "no:cacheprovider", "-q", "-n", "3", "--dist", "worksteal", "--timeout=300"]
    # A failure shows everything that the program printed.
    options += ["--long", "--override-ini=verbosity_assertions=2"]
    done = run([sys.executable, "-m", "pytest", *options, *part.tests], SECONDS, env=env)
    print(done.output.rstrip(), evidence.read_text("utf-8").rstrip(), sep="\n", flush=True)
    result = "passed" if done.ok else f"FAILED (exit code {done.code})"
    return PartResult(part, result, time.monotonic() - started)


def _engine(equipment: Equipment) -> str:
    engine = equipment.engine = engines.start(equipment.directory)
    base = engine.prepare_base()
    equipment.facts |= {
        "engine": engine.name,
        "docker": engine.program,
        "docker_host": engine.address,
        "builds_have_network": "no" if engine.daemon else "yes",
    }
    os.environ["PATH"] = f"{Path(engine.program).parent}{os.pathsep}{os.environ['PATH']}"
    return f"{engine.name} {engine.version}, the base image {base}"


def _image(equipment: Equipment) -> str:
    equipment.provide("engine")
    engine = equipment.engine
    assert engine is not None
    context = engines.checkout(equipment.directory)
    equipment.facts |= {"base": engines.BASE, "checkout": str(context)}
    if equipment.image:
        equipment.facts["image"] = equipment.image
        return f"{equipment.image}, as it was given"
    revision = ("--build-arg", "VERSION=0.0.0-platforms", "--build-arg", "REVISION=c0ffee")
    engine.build(engines.IMAGE, context, *revision)
    equipment.facts["image"] = engines.IMAGE
    return f"{engines.IMAGE} built"


def _python(equipment: Equipment) -> str:
    equipment.facts["python"] = str(machine.python(equipment.directory))
    return "packages of PyPI installed"


def _act(equipment: Equipment) -> str:
    equipment.provide("python")
    equipment.facts["act"] = f"{equipment.facts['python']}/bin/act"
    return run([equipment.facts["act"], "--version"], 20).output.strip()


def _dotnet(equipment: Equipment) -> str:
    equipment.provide("python")
    equipment.facts["dotnet"] = machine.dotnet(Path(equipment.facts["python"]))
    return equipment.facts["dotnet"]


def _npm(equipment: Equipment) -> str:
    equipment.facts["npm"] = str(machine.npm(equipment.directory))
    return "packages of npm installed"


def _groovy(equipment: Equipment) -> str:
    equipment.facts |= {"groovy": machine.need("groovy"), "java_home": machine.java_home()}
    return equipment.facts["groovy"]


def _program(name: str) -> Callable[[Equipment], str]:
    def make(equipment: Equipment) -> str:
        equipment.facts[name] = machine.need(name)
        return equipment.facts[name]

    return make


def _chromium(equipment: Equipment) -> str:
    equipment.facts["chromium"] = machine.chromium_starts()
    return equipment.facts["chromium"]


_MAKERS: Mapping[str, Callable[[Equipment], str]] = {
    "engine": _engine,
    "image": _image,
    "python": _python,
    "act": _act,
    "dotnet": _dotnet,
    "mcs": _program("mcs"),
    "npm": _npm,
    "groovy": _groovy,
    "chromium": _chromium,
    "openssl": _program("openssl"),
    "rsync": _program("rsync"),
    "zsh": _program("zsh"),
    "fish": _program("fish"),
}
