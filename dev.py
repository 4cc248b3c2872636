"""Set up and run this project; `python3 dev.py` lists the commands.

Needs only Python 3.10 or newer. Installs into .venv, or into the directory in OPSERA_STEP_VENV, and
nowhere else.
"""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

# An older Python can parse this file up to here, but maybe not below.
if sys.version_info < (3, 10):  # noqa: UP036
    sys.exit(
        "opsera-step needs Python 3.10 or newer; this is {}.{}. If a newer one is installed, "
        "use its name, as in: python3.13 dev.py demo".format(*sys.version_info)
    )

ROOT = Path(__file__).resolve().parent
VENV = Path(os.environ.get("OPSERA_STEP_VENV") or ROOT / ".venv").absolute()
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
RUNTIME, DEVELOPMENT = "requirements.txt", "requirements-dev.txt"
PLATFORMS = "tests/platforms/requirements.txt"
UV = "uv==0.13.9"
_OURS = "made by dev.py\n"


class Failed(Exception):
    """A failure, with its reason for the user."""


def environment() -> dict[str, str]:
    """Return the environment without what would add packages that are not locked."""
    kept = {k: v for k, v in os.environ.items() if k not in {"PYTHONHOME", "PYTHONPATH"}}
    # A user's pip may be configured to install into the home directory.
    return kept | {"PIP_USER": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def run(command: Sequence[object]) -> subprocess.CompletedProcess[str]:
    """Run a command and return its result; both streams are in `stdout`."""
    return subprocess.run(
        [str(word) for word in command], cwd=ROOT, env=environment(), check=False,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        errors="replace",
    )  # fmt: skip


def call(command: Sequence[object], what: str) -> None:
    """Run a command that has to succeed; raise Failed with its output if it doesn't."""
    done = run(command)
    if done.returncode != 0:
        raise Failed(
            f"{done.stdout.rstrip()}\n\nCould not {what}; see above. If the network is the reason: "
            "set https_proxy behind a proxy, and PIP_INDEX_URL for a package index of your own."
        )


def become(*command: object) -> int:
    """Replace this process by a command, so that signals and the exit code are the command's."""
    words = [str(word) for word in command]
    os.chdir(ROOT)
    if os.name != "nt":  # Windows can't replace a process.
        os.execve(words[0], words, environment())  # noqa: S606 - without a shell on purpose
    return subprocess.call(words, env=environment())


def create(venv: Path) -> None:
    """Create a virtual environment with pip, with whichever tool this machine has."""
    what = f"make a virtual environment in {venv}"
    if importlib.util.find_spec("ensurepip"):
        call([sys.executable, "-m", "venv", venv], what)
    elif importlib.util.find_spec("virtualenv"):
        call([sys.executable, "-m", "virtualenv", venv], what)
    elif shutil.which("uv"):
        call(["uv", "venv", "--allow-existing", "--seed", "--python", sys.executable, venv], what)
    elif importlib.util.find_spec("pip"):
        python = venv / PYTHON.relative_to(VENV)
        call([sys.executable, "-m", "venv", "--without-pip", venv], what)
        call([sys.executable, "-m", "pip", "--python", python, "install", "pip"], what)
    else:
        raise Failed(
            f"Could not {what}: this Python lacks the modules that venv needs. On Debian and "
            "Ubuntu: apt install python3-venv. Elsewhere, install virtualenv, uv, or pip."
        )


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Keep two set-ups from running at the same time, where the system can do that."""
    try:
        import fcntl  # noqa: PLC0415 - not on Windows
    except ImportError:
        yield
        return
    with Path(__file__).open("rb") as file:  # Any file will do.
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def fingerprint(lock: str) -> str:
    """Identify the content of a lock file and the Python that it is installed for."""
    content = (ROOT / lock).read_bytes() + sys.version.encode()
    return f"{lock} {hashlib.sha256(content).hexdigest()}\n"


def set_up(lock: str) -> None:
    """Install what a lock file lists, unless it is installed already."""
    stamp = VENV / "opsera-step.stamp"
    with one_at_a_time():
        installed = stamp.read_text("utf-8") if stamp.exists() else ""
        if fingerprint(lock) in installed and PYTHON.exists():
            return
        ours = _OURS in installed or not VENV.exists() or not any(VENV.iterdir())
        if not ours and not PYTHON.exists():
            raise Failed(
                f"{VENV} is not a working virtual environment: remove it, or name another "
                "directory in OPSERA_STEP_VENV."
            )
        started = time.monotonic()
        sys.stderr.write(f"Setting up {VENV} from {lock}, once … ")
        sys.stderr.flush()
        # Nothing of an older lock file stays, except in an environment that the user made.
        if ours and (fingerprint(RUNTIME) not in installed or not PYTHON.exists()):
            shutil.rmtree(VENV, ignore_errors=True)
            VENV.mkdir(parents=True, exist_ok=True)
            stamp.write_text(_OURS, "utf-8")
            create(VENV)
        pip = [PYTHON, "-m", "pip", "install", "--no-input", "--retries", "2"]
        call([*pip, "--require-hashes", "--no-deps", "-r", ROOT / lock], f"install {lock}")
        # The development requirements include the others.
        locks = (RUNTIME, DEVELOPMENT) if lock == DEVELOPMENT else (RUNTIME,)
        stamp.write_text("".join([_OURS if ours else "", *map(fingerprint, locks)]), "utf-8")
        sys.stderr.write(f"done in {time.monotonic() - started:.0f} s\n")


def demo(arguments: Sequence[str]) -> int:
    """Run a job against the built-in simulator; no account needed."""
    set_up(RUNTIME)
    return become(PYTHON, "-I", ROOT / "entrypoint.py", "demo", *arguments)


def test(arguments: Sequence[str]) -> int:
    """Run the tests; --long includes the long campaigns, other arguments are pytest's."""
    set_up(DEVELOPMENT)
    options = list(arguments)
    if set(options) <= {"--long"}:
        # Most of the default tests wait for a process, most of the long ones for the processor.
        workers = (2 if "--long" in options else 4) * (os.cpu_count() or 1)
        options += ["--numprocesses", str(workers), "--dist", "worksteal"]
    return become(PYTHON, "-m", "pytest", *options)


def check(arguments: Sequence[str]) -> int:
    """Check format, style, types, import rules, and packaging files."""
    if arguments:
        raise Failed("check takes no arguments.")
    set_up(DEVELOPMENT)
    with tempfile.TemporaryDirectory() as directory, ThreadPoolExecutor(os.cpu_count()) as pool:
        passed = list(pool.map(passes, checks(Path(directory))))
    print(f"{sum(passed)} of {len(passed)} checks passed")
    return 0 if all(passed) else 1


def checks(directory: Path) -> Iterator[tuple[object, ...]]:
    """List the commands that check the project."""
    workflows = sorted([*ROOT.glob(".github/workflows/*.yml"), *ROOT.glob("examples/github/*.yml")])
    actions = ("action.yml", "native/action.yml")
    # The schema doesn't support components, which have their jobs in a second document.
    component = directory / "run.yml"
    template = (ROOT / "gitlab/templates/run.yml").read_text("utf-8")
    component.write_text(template.split("\n---\n", 1)[1], "utf-8")
    gitlab = [component, *ROOT.glob("gitlab/.gitlab-ci.yml"), *ROOT.glob("examples/gitlab/*.yml")]
    schema = ("check-jsonschema", "--builtin-schema")
    # It doesn't support post-if of docker actions, and looks for a path in the image.
    known = ('--ignore="post-if" is not allowed', '--ignore="/opt/opsera-step/cleanup" does not')
    zizmor = ("zizmor", "--offline", "--no-progress", "--quiet", "--config", ".github/zizmor.yml")
    yield ("ruff", "format", "--check", ".")
    yield ("ruff", "check", ".")
    yield ("mypy",)
    yield ("lint-imports", "--no-cache")
    yield ("hadolint", "Dockerfile")
    yield ("yamllint", "--strict", ".")
    yield (*schema, "vendor.github-actions", *actions)
    yield (*schema, "vendor.github-workflows", *workflows)
    yield (*schema, "vendor.gitlab-ci", *gitlab)
    yield ("jactionlint", *known, *workflows)
    yield (*zizmor, *actions, *workflows)


def passes(command: Sequence[object]) -> bool:
    """Run a check and print its result, and its output if it failed."""
    started = time.monotonic()
    done = run([PYTHON.parent / str(command[0]), *command[1:]])
    result = "ok" if done.returncode == 0 else f"exit code {done.returncode}"
    output = "" if done.returncode == 0 else f"\n{done.stdout.rstrip()}\n"
    name = " ".join(str(word) for word in command[:3])
    print(f"{name}: {result}, {time.monotonic() - started:.1f} s{output}", flush=True)
    return done.returncode == 0


def platforms(arguments: Sequence[str]) -> int:
    """Build the image and test it with docker run, GitHub, GitLab, and Jenkins."""
    set_up(DEVELOPMENT)
    return become(PYTHON, "-m", "tests.platforms", *arguments)


def bench(arguments: Sequence[str]) -> int:
    """Run the benchmarks, and write docs/benchmarks.md; --quick for fewer rounds."""
    set_up(DEVELOPMENT)
    return become(PYTHON, "-m", "benchmarks", *arguments)


def lock(arguments: Sequence[str]) -> int:
    """Write requirements*.txt from the .in files; --upgrade updates the versions."""
    with tempfile.TemporaryDirectory() as directory:
        venv = Path(directory, "venv")
        create(venv)
        programs = venv / PYTHON.parent.relative_to(VENV)
        call([programs / "python", "-m", "pip", "install", UV], f"install {UV}")
        for target in (RUNTIME, DEVELOPMENT, PLATFORMS):
            # For every Python and system, and without this machine's settings and index.
            options = (
                "--universal", "--python-version", "3.10", "--generate-hashes", "--no-config",
                "--no-emit-index-url", "--quiet", "--custom-compile-command", "python3 dev.py lock",
            )  # fmt: skip
            source = Path(target).with_suffix(".in")
            files = (source, "--output-file", target)
            call(
                [programs / "uv", "pip", "compile", *options, *arguments, *files], f"lock {source}"
            )
    return 0


def schema(arguments: Sequence[str]) -> int:
    """Generate files from the inputs: JSON Schema, native action, reusable workflow."""
    if arguments:
        raise Failed("schema takes no arguments.")
    set_up(RUNTIME)
    return become(PYTHON, ROOT / "scripts/generate.py")


def package(arguments: Sequence[str]) -> int:
    """Build the single file, dist/opsera-step.pyz, and its SHA-256."""
    set_up(RUNTIME)
    return become(PYTHON, "-I", ROOT / "scripts/package.py", *arguments)


COMMANDS: tuple[Callable[[Sequence[str]], int], ...] = (
    demo, test, check, platforms, bench, lock, schema, package,
)  # fmt: skip


def main() -> int:
    """Run the command from the command line."""
    name, *arguments = sys.argv[1:] or ["--help"]
    found = {command.__name__: command for command in COMMANDS}
    if name not in found:
        wanted = name in {"-h", "--help", "help"}
        lines = [
            f"  {name:9}  {(command.__doc__ or '').rstrip('.')}" for name, command in found.items()
        ]
        usage = "\n".join(["Usage: python3 dev.py COMMAND [ARGUMENTS]", "", *lines])
        print(usage, file=sys.stdout if wanted else sys.stderr)
        return 0 if wanted else 2
    try:
        return found[name](arguments)
    except Failed as failure:
        print(f"\n{failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
