"""What a job loads, and when: nothing that it doesn't need stands between its start and Opsera."""

from __future__ import annotations

import json
import subprocess
import sys

from opsera_step.simulator import Simulator, SpeedClock
from tests.support import scenes
from tests.support.jobs import ROOT, Files, inputs_for

LATE = {"charset_normalizer", "click", "jinja2", "yaml"}

# Runs the entry point, and notes which modules are loaded at its first connection and at its end.
PROBE = """
import atexit, json, pathlib, runpy, sys

loaded = []

def watch(event, _):
    if event == "socket.connect" and not loaded:
        loaded.append(sorted(sys.modules))

def write():
    loaded.append(sorted(sys.modules))
    pathlib.Path("modules.json").write_text(json.dumps(loaded))

sys.addaudithook(watch)
atexit.register(write)
entry = sys.argv.pop(1)
sys.argv[0] = entry
runpy.run_path(entry, run_name="__main__")
"""


def modules_of_a_job(tmp_path, platform, **inputs):
    """Return the modules that a job has loaded at its first connection, and at its end."""
    files = Files(tmp_path, platform)
    with Simulator(scenes.FAILS, clock=SpeedClock(100.0), seed=1) as simulator:
        environ = {**files.environment(), **inputs_for(simulator, **inputs)}
        done = subprocess.run(
            [sys.executable, "-Iu", "-c", PROBE, str(ROOT / "entrypoint.py")],
            cwd=tmp_path, env=environ, check=False, capture_output=True,
        )  # fmt: skip
    assert done.returncode == 1
    first, last = json.loads((tmp_path / "modules.json").read_text("utf-8"))
    return {name.partition(".")[0] for name in first}, {name.partition(".")[0] for name in last}


def test_a_job_without_reports_loads_none_of_them(tmp_path):
    first, last = modules_of_a_job(tmp_path, "gitlab")
    assert "requests" in first
    assert first & {*LATE, "difflib"} == set()
    assert last & LATE == set()


def test_a_job_with_a_summary_loads_only_jinja2_and_after_its_first_request(tmp_path):
    first, last = modules_of_a_job(tmp_path, "github")
    assert first & {*LATE, "difflib"} == set()
    assert last & LATE == {"jinja2"}
