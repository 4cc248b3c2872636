"""The environment of the measurement: the machine, and the versions of the programs."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from opsera_step import __version__

_PROGRAMS = (("node", "--version"), ("curl", "--version"), ("jq", "--version"))
_PACKAGES = ("requests", "urllib3", "pyperf")


def describe() -> dict[str, str]:
    """Return processor, memory, system, and versions; missing programs are left out."""
    now = datetime.now(timezone.utc)
    found = {
        "date": f"{now:%Y-%m-%d}",
        "opsera-step": __version__,
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "memory": _memory(),
        "system": f"{platform.system()} {platform.release()} ({platform.machine()})",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "load at the start": f"{os.getloadavg()[0]:.1f}",
    }
    found |= {name: _package(name) for name in _PACKAGES}
    found |= {command[0]: _program(command) for command in _PROGRAMS}
    return {name: text for name, text in found.items() if text}


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text("utf-8").splitlines() if info.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def _memory() -> str:
    try:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return ""
    return f"{size / 2**30:.0f} GiB"


def _package(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _program(command: tuple[str, ...]) -> str:
    if not shutil.which(command[0]):
        return ""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    lines = done.stdout.splitlines()
    return " ".join(lines[0].split()[:2]) if lines else ""
