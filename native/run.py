"""What the native action starts: the job, from the single file that every release has here.

In a checkout that is no release the file is built first, which takes some seconds and pip.
"""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent


def program() -> Path:
    """Return the single file."""
    released = HERE / "opsera-step.pyz"
    if released.exists():
        return released
    built = Path(os.environ.get("RUNNER_TEMP") or tempfile.gettempdir()) / "opsera-step.pyz"
    if not built.exists():
        builder = HERE.parent / "scripts/package.py"
        subprocess.run([sys.executable, "-I", str(builder), str(built)], check=True)
    return built


if __name__ == "__main__":
    sys.argv = [str(program())]
    runpy.run_path(sys.argv[0], run_name="__main__")
