"""Set this project up and run it: demo, test, check, bench, lock, schema, package.

Needs Python 3.10 or newer and nothing else; installs into .venv (or the folder that
OPSERA_STEP_VENV names) and nowhere else.
"""

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

# Up to here an older Python can read this file; below it may not.
if sys.version_info < (3, 10):  # noqa: UP036
    sys.exit(
        "opsera-step needs Python 3.10 or newer, and this is {}.{}. If a newer one is installed, "
        "call it by its name, as in: python3.13 dev.py demo".format(*sys.version_info)
    )

ROOT = Path(__file__).resolve().parent
VENV = Path(os.environ.get("OPSERA_STEP_VENV") or ROOT / ".venv").absolute()
RUNTIME, DEVELOPMENT = "requirements.txt", "requirements-dev.txt"
PLATFORMS = "tests/platforms/requirements.txt"
UV = "uv==0.13.9"

USAGE = """\
Usage: python3 dev.py COMMAND [ARGUMENTS]

  demo [OPTIONS]   play a pipeline run against the built-in simulator; no account needed
  test [OPTIONS]   run the tests; --long runs the long campaigns too, other options are pytest's
  check            check the code's format, style and types, and the packaging files
  platforms [OPTIONS]
                   build the image and use it as users will: docker run, GitHub, GitLab, Jenkins.
                   Uses Docker; as root on a Debian without it, installs Podman and tools with apt
  bench [OPTIONS]  measure, and write docs/benchmarks.md; --quick for a first impression
  lock [OPTIONS]   write the requirements*.txt anew from the .in files; --upgrade for newer versions
  schema           rewrite what follows from the table of inputs: the config file's JSON Schema and
                   native/action.yml
  package [FILE]   build the single file, dist/opsera-step.pyz, and its SHA-256
"""

NO_NETWORK = re.compile(
    "name resolution|Name or service not known|nodename nor servname|getaddrinfo failed"
    "|NewConnectionError|ConnectTimeout|Network is unreachable|Connection refused|dns error"
)


class Failed(Exception):
    """What went wrong, and what to do about it, as text for the user."""


def programs(venv: Path) -> Path:
    """Tell where a virtual environment has its programs."""
    return venv / ("Scripts" if os.name == "nt" else "bin")


def child_environment() -> dict[str, str]:
    """Copy the environment, less what would bring in other packages than the locked ones."""
    kept = {k: v for k, v in os.environ.items() if k not in {"PYTHONHOME", "PYTHONPATH"}}
    # A user's pip may be configured to install into the home folder.
    return kept | {"PIP_USER": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def call(command: Sequence[object], what: str) -> None:
    """Run a command silently; if it fails, show its output and say what could not be done."""
    words = [str(word) for word in command]
    done = subprocess.run(
        words, cwd=ROOT, env=child_environment(), check=False, text=True, errors="replace",
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    if done.returncode == 0:
        return
    reason = f"it ended with exit code {done.returncode}, see above."
    if NO_NETWORK.search(done.stdout):
        reason = (
            "the package index can't be reached. Check the network; behind a proxy set "
            "https_proxy, with an index of your own PIP_INDEX_URL."
        )
    raise Failed(f"{done.stdout.rstrip()}\n\nCould not {what}: {reason}")


def create(venv: Path) -> None:
    """Make a virtual environment with pip in it, by whatever means this machine has."""
    python, what = programs(venv) / "python", f"make a virtual environment in {venv}"
    if importlib.util.find_spec("ensurepip"):
        call([sys.executable, "-m", "venv", venv], what)
    elif importlib.util.find_spec("virtualenv"):
        call([sys.executable, "-m", "virtualenv", venv], what)
    elif shutil.which("uv"):
        call(["uv", "venv", "--allow-existing", "--seed", "--python", sys.executable, venv], what)
    elif importlib.util.find_spec("pip"):
        call([sys.executable, "-m", "venv", "--without-pip", venv], what)
        call([sys.executable, "-m", "pip", "--python", python, "install", "pip"], what)
    else:
        raise Failed(
            f"Could not {what}: this Python lacks the modules venv needs. On Debian and Ubuntu: "
            "apt install python3-venv. Elsewhere one of virtualenv, uv or pip will do."
        )


def fingerprint(lock: str) -> str:
    """Name a lock file's content and the Python it is installed for."""
    content = (ROOT / lock).read_bytes() + sys.version.encode()
    return f"{lock} {hashlib.sha256(content).hexdigest()}"


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Keep two set-ups from running at once, where the system can do that."""
    try:
        import fcntl  # noqa: PLC0415 - not there on Windows
    except ImportError:
        yield
        return
    with Path(__file__).open("rb") as file:  # Any file will do; this one is surely there.
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def prepare(stamp: Path, current: set[str]) -> set[str]:
    """See to it that the environment is there; return which current locks are installed in it."""
    installed = set(stamp.read_text("utf-8").splitlines()) if stamp.exists() else set()
    ours, python = stamp.exists(), programs(VENV) / "python"
    if not ours and VENV.exists() and any(VENV.iterdir()):
        if not (VENV / "pyvenv.cfg").exists() or not python.exists():
            raise Failed(
                f"{VENV} holds something else than a virtual environment that works: remove it, "
                "or name another folder in OPSERA_STEP_VENV."
            )
        return set()  # Made by the user: add to it, but never clear it.
    if python.exists() and installed and installed <= current:
        return installed
    VENV.mkdir(parents=True, exist_ok=True)
    # Ours, with nothing installed: so it is also when the next lines are interrupted.
    stamp.write_text("", "utf-8")
    for entry in VENV.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        elif entry != stamp:
            entry.unlink()
    create(VENV)
    return set()


def set_up(lock: str) -> None:
    """Install what a lock file names, unless that is there already."""
    stamp = VENV / "opsera-step.stamp"
    with one_at_a_time():
        wanted, current = fingerprint(lock), {fingerprint(RUNTIME), fingerprint(DEVELOPMENT)}
        if (programs(VENV) / "python").exists() and stamp.exists() and wanted in stamp.read_text():
            return
        began = time.monotonic()
        sys.stderr.write(f"Setting up {VENV} from {lock}, once … ")
        sys.stderr.flush()
        installed = prepare(stamp, current)
        pip = [programs(VENV) / "python", "-m", "pip", "install", "--no-input", "--retries", "2"]
        call([*pip, "--require-hashes", "--no-deps", "-r", ROOT / lock], f"install {lock}")
        # The development's lock has all of the other in it.
        installed |= current if lock == DEVELOPMENT else {wanted}
        stamp.write_text("".join(f"{line}\n" for line in sorted(installed)), "utf-8")
        sys.stderr.write(f"done in {time.monotonic() - began:.0f} s\n")


def become(command: Sequence[object]) -> int:
    """Run a command in place of this script, so that signals and exit code are its own."""
    words = [str(word) for word in command]
    if os.name != "nt":  # Windows can't replace a process.
        os.execve(words[0], words, child_environment())  # noqa: S606 - no shell is the point
    return subprocess.call(words, env=child_environment())


def demo(arguments: Sequence[str]) -> int:
    """Play the main job against the simulator."""
    set_up(RUNTIME)
    return become([programs(VENV) / "python", "-I", ROOT / "entrypoint.py", "demo", *arguments])


def test(arguments: Sequence[str]) -> int:
    """Run pytest: with its arguments, or all tests at once."""
    set_up(DEVELOPMENT)
    os.chdir(ROOT)
    options = list(arguments)
    if set(options) <= {"--long"}:
        # Twice the cores: many tests wait for a process, few for the processor.
        # The slow ones stand together, so who has nothing left to do takes from the others.
        options += ["--numprocesses", str(2 * (os.cpu_count() or 1)), "--dist", "worksteal"]
    return become([programs(VENV) / "python", "-m", "pytest", *options])


def component_without_spec(folder: str) -> Path:
    """Write the jobs of the GitLab component to a file: the schema knows no second document."""
    jobs = (ROOT / "gitlab/templates/run.yml").read_text("utf-8").split("\n---\n", 1)[1]
    file = Path(folder, "run.yml")
    file.write_text(jobs, "utf-8")
    return file


def checks(folder: str) -> Iterator[tuple[object, ...]]:
    """List the commands that check the project."""
    workflows = sorted([*ROOT.glob(".github/workflows/*.yml"), *ROOT.glob("examples/github/*.yml")])
    gitlab = [*ROOT.glob("gitlab/.gitlab-ci.yml"), *ROOT.glob("examples/gitlab/*.yml")]
    schema = ("check-jsonschema", "--builtin-schema")
    yield ("ruff", "format", "--check", ".")
    yield ("ruff", "check", ".")
    yield ("mypy",)
    yield ("lint-imports", "--no-cache")
    yield ("hadolint", "Dockerfile")
    yield ("yamllint", "--strict", ".")
    yield (*schema, "vendor.github-actions", "action.yml", "native/action.yml")
    yield (*schema, "vendor.github-workflows", *workflows)
    yield (*schema, "vendor.gitlab-ci", component_without_spec(folder), *gitlab)
    # It does not know that a docker action has post-if too, and a path inside of its image.
    ours = ('--ignore="post-if" is not allowed', '--ignore="/opt/opsera-step/cleanup" does not')
    yield ("jactionlint", *ours, *workflows)
    zizmor = ("zizmor", "--offline", "--no-progress", "--quiet", "--config", ".github/zizmor.yml")
    yield (*zizmor, "action.yml", "native/action.yml", *workflows)


def run_check(command: Sequence[object]) -> bool:
    """Run one check, say how it went, and show its output if it failed."""
    began = time.monotonic()
    program = programs(VENV) / str(command[0])
    words = [str(program), *(str(word) for word in command[1:])]
    done = subprocess.run(
        words, cwd=ROOT, env=child_environment(), check=False, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
    )  # fmt: skip
    shown = " ".join([program.name, *words[1:3]])
    verdict = "ok" if done.returncode == 0 else f"exit code {done.returncode}"
    output = "" if done.returncode == 0 else f"\n{done.stdout.rstrip()}\n"
    print(f"{shown}: {verdict}, {time.monotonic() - began:.1f} s{output}", flush=True)
    return done.returncode == 0


def check(arguments: Sequence[str]) -> int:
    """Run all linters; the exit code is 1 if one of them found something."""
    if arguments:
        raise Failed("check takes no arguments.")
    set_up(DEVELOPMENT)
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
        good = list(pool.map(run_check, checks(folder)))
    print(f"{sum(good)} of {len(good)} checks passed")
    return 0 if all(good) else 1


def bench(arguments: Sequence[str]) -> int:
    """Run the benchmarks."""
    set_up(DEVELOPMENT)
    os.chdir(ROOT)
    return become([programs(VENV) / "python", "-m", "benchmarks", *arguments])


def platforms(arguments: Sequence[str]) -> int:
    """Build the image and use it, as far as this machine can be equipped for it."""
    set_up(DEVELOPMENT)
    os.chdir(ROOT)
    return become([programs(VENV) / "python", "-m", "tests.platforms", *arguments])


def lock(arguments: Sequence[str]) -> int:
    """Resolve the requirements for every Python and system at once, with hashes."""
    with tempfile.TemporaryDirectory() as folder:
        venv = Path(folder, "venv")
        create(venv)
        call([programs(venv) / "python", "-m", "pip", "install", UV], f"install {UV}")
        for target in (RUNTIME, DEVELOPMENT, PLATFORMS):
            # Without the machine's own settings, and without a word of the index it uses.
            call(
                [
                    programs(venv) / "uv", "pip", "compile", "--universal", "--python-version",
                    "3.10", "--generate-hashes", "--no-config", "--no-emit-index-url", "--quiet",
                    "--custom-compile-command", "python3 dev.py lock", *arguments,
                    Path(target).with_suffix(".in"), "--output-file", target,
                ],
                f"write {target}",
            )  # fmt: skip
    return 0


def schema(arguments: Sequence[str]) -> int:
    """Write the files that follow from the tables of inputs and outputs."""
    if arguments:
        raise Failed("schema takes no arguments.")
    set_up(RUNTIME)
    return become([programs(VENV) / "python", ROOT / "scripts/generate.py"])


def package(arguments: Sequence[str]) -> int:
    """Build the single file."""
    set_up(RUNTIME)
    return become([programs(VENV) / "python", "-I", ROOT / "scripts/package.py", *arguments])


def main() -> int:
    """Do what the command line says."""
    commands = {"demo": demo, "test": test, "check": check, "bench": bench, "lock": lock}
    commands |= {"schema": schema, "package": package, "platforms": platforms}
    name, *arguments = sys.argv[1:] or ["--help"]
    if name not in commands:
        wanted = name in {"-h", "--help", "help"}
        print(USAGE, end="", file=sys.stdout if wanted else sys.stderr)
        return 0 if wanted else 2
    try:
        return commands[name](arguments)
    except Failed as failure:
        print(f"\n{failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
