"""The command `simulator`: what it says before it serves, and when it cannot."""

from __future__ import annotations

import subprocess
import sys

import pytest


def _command(*words):
    return [sys.executable, "-m", "opsera_step", "simulator", *words]


@pytest.mark.parametrize(("host", "warned"), [("127.0.0.1", False), ("0.0.0.0", True)])
def test_whoever_can_reach_it(host, warned):
    """It warns where others can reach it; what it prints for scripts stays as it is."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(_command("--host", host), **pipes) as process:
        lines = [process.stdout.readline() for _ in range(4)]
        process.terminate()
        rest, err = process.communicate(timeout=20)
    assert (process.returncode, rest) == (0, "")
    assert lines[0].startswith("http://127.0.0.1:")
    names = [line.partition("=")[0] for line in lines[1:]]
    assert names == ["OPSERA_BASE_URL", "OPSERA_PIPELINE", "OPSERA_TOKEN"]
    assert ("can read its token and change its world" in err) == warned
    assert ("Listening on 0.0.0.0" in err) == warned


def test_a_state_that_is_none(tmp_path):
    """A file that is no state ends it with a sentence, and is left as it was."""
    path = tmp_path / "notes"
    path.write_text("notes")
    done = subprocess.run(
        _command("--state", str(path)), capture_output=True, text=True, timeout=20, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{path} is no state file of this simulator; it was left as it is." in done.stderr
    assert path.read_text() == "notes"
