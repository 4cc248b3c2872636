"""`python -m tests.mutants`: put deliberate defects into copies of the package, and test those.

A mutant replaces a text that occurs once in a file. Each is run against the test files that should
catch it; those that no test catches are listed.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from tests.support import ROOT

_LONGEST = 300
"""Seconds that the tests of a mutant may take."""


class Mutant(NamedTuple):
    """A defect: in a file, `old` becomes `new`."""

    guarantee: int
    name: str
    file: str
    old: str
    new: str
    tests: str
    """Test files under `tests`."""


MUTANTS = (
    Mutant(
        1, "send the run request again after a reset", "runs/start.py",
        "if error.never_accepted or not error.transient:", "if True:",
        "unit/runs/test_protocols.py",
    ),
    Mutant(
        1, "take an idle pipeline as proof at once", "runs/start.py",
        "IDLE_PROOF = 30.0", "IDLE_PROOF = 0.0", "unit/runs/test_start.py",
    ),
    Mutant(
        1, "follow a run of another user", "runs/find.py",
        "possible = ours or unknown", "possible = candidates", "unit/runs/test_protocols.py",
    ),
    Mutant(
        2, "take each record as new", "runs/log_cursor.py",
        "keys: list[Key] = [(record.id,) for record in ordered]",
        "keys: list[Key] = [self._new_key(record) for record in ordered]",
        "unit/runs/test_log_cursor.py",
    ),
    Mutant(
        2, "call a log with a gap complete", "runs/log_reader.py",
        "self._is_missing = True", "self._is_missing = False", "unit/runs/test_log_reader.py",
    ),
    Mutant(
        2, "read no more once the run has ended", "runs/log_reader.py",
        "QUIET_FOR, QUIET_READS = 3.0, 2", "QUIET_FOR, QUIET_READS = 0.0, 0",
        "unit/runs/test_follow.py",
    ),
    Mutant(
        3, "read the log as often in a silence", "runs/polling.py",
        "interval = min(MAX_LOG_INTERVAL, base + LOG_SHARE * over_for)", "interval = base",
        "unit/runs/test_polling.py unit/runs/test_follow.py",
    ),
    Mutant(
        4, "give up after one outage", "runs/retry.py",
        "elif error.transient:", "elif error.transient and not self._attempts:",
        "unit/runs/test_retry.py",
    ),
    Mutant(
        5, "stop the run ahead of a queued one", "runs/stop.py",
        "if status.is_waiting:", "if False:", "unit/runs/test_protocols.py",
    ),
    Mutant(
        5, "send a failed stop call again without a check", "runs/stop.py",
        "is_active = is_active and failure.never_accepted", "pass", "unit/runs/test_protocols.py",
    ),
    Mutant(
        5, "stop a run that the job attached to", "job/cancellation.py",
        'if wanted == "auto" and state.origin not in ("", STARTED):', "if False:",
        "unit/job/test_cancellation.py",
    ),
    Mutant(
        6, "count a change that prints nothing as output", "runs/follow.py",
        "if not isinstance(event, StateChanged):", "if True:", "unit/runs/test_follow.py",
    ),
    Mutant(
        7, "leave one form of workflow commands as it is", "platforms/github.py",
        'return _OLD_COMMAND.sub(r"\\1 ", line) if "[" in line else line', "return line",
        "unit/platforms/test_github.py",
    ),
    Mutant(
        7, "mask base64 of the token at one alignment only", "text/redaction.py",
        "for shift in range(3):", "for shift in range(1):", "unit/text/test_redaction.py",
    ),
    Mutant(
        8, "follow an output file out of the workspace", "files.py",
        "if must_stay and not _is_within(target, top):", "if False:", "unit/test_files.py",
    ),
    Mutant(
        8, "let a file in the checkout set the address", "config/file.py",
        '    "poll_interval",\n', '    "poll_interval",\n    "base_url",\n',
        "unit/config/test_file.py",
    ),
    Mutant(
        9, "count an unknown status as success", "api/models.py",
        ".strip().lower(), State.UNKNOWN)", ".strip().lower(), State.SUCCESS)",
        "unit/api/test_models.py",
    ),
    Mutant(
        9, "believe the first final status", "runs/follow.py",
        "elif self._is_settled(ending, now):", "elif True:", "unit/runs/test_follow.py",
    ),
    Mutant(
        9, "forget the outputs of a job that an error ended", "job/runner.py",
        "if result.writes_outputs:", "if result.writes_outputs and self.error is None:",
        "e2e/test_job.py",
    ),
)  # fmt: skip


def main() -> int:
    """Test the mutants; 1 if one survives."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--only", default="", help="those whose name or file contains a text")
    only = parser.parse_args().only
    survivors = 0
    for one in (one for one in MUTANTS if only in one.name or only in one.file):
        caught_by = catch(one)
        survivors += not caught_by
        result = f"caught by {caught_by}" if caught_by else "SURVIVED"
        sys.stdout.write(f"{one.guarantee}  {one.name}: {result}\n")
        sys.stdout.flush()
    sys.stdout.write(f"{survivors} survived\n")
    return int(survivors > 0)


def catch(mutant: Mutant) -> str:
    """Return the first test that fails with a defect; empty if all pass."""
    with tempfile.TemporaryDirectory() as directory:
        # Hidden directories hold what the tests don't need, such as a virtual environment.
        hidden = shutil.ignore_patterns(".*", "__pycache__")
        copy = shutil.copytree(ROOT, Path(directory, "copy"), ignore=hidden)
        apply(mutant, copy)
        tests = [f"tests/{name}" for name in mutant.tests.split()]
        # The order of tests and what Hypothesis remembers must not matter.
        options = ("-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", "--tb=no", "-rfE")
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *options, *tests],
            cwd=copy, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}, timeout=_LONGEST,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    if done.returncode not in (0, 1):
        raise RuntimeError(f"the tests of “{mutant.name}” can't be run:\n{done.stdout[-3000:]}")
    failed = re.search(r"^FAILED (\S+::\S+)", done.stdout, re.MULTILINE)
    return failed[1] if failed else ""


def apply(mutant: Mutant, root: Path) -> None:
    """Put a defect into a copy."""
    file = root / "opsera_step" / mutant.file
    text = file.read_text("utf-8")
    if text.count(mutant.old) != 1:
        raise ValueError(f"“{mutant.old}” does not occur once in {mutant.file}")
    file.write_text(text.replace(mutant.old, mutant.new), "utf-8")


if __name__ == "__main__":
    sys.exit(main())
