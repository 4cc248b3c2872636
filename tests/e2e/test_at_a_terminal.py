"""Commands on a terminal: confirmation prompts, and closed streams."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from opsera_step.errors import ExitCode
from opsera_step.simulator import Simulator, SpeedClock
from opsera_step.text import columns_of
from tests.support import ROOT, scenes
from tests.support.jobs import Files, Process
from tests.support.shell import TOOL, environment, fast, run_to_its_end, to_a_full_disk

CTRL_C, CTRL_D = b"\x03", b"\x04"
UPDATE = ("tool", "update", TOOL, "--set", "description=new")


@pytest.fixture(scope="module")
def simulator():
    """Serve a world in which one run is over."""
    with fast() as running:
        run_to_its_end(running)
        yield running


class Terminal:
    """A command on a pseudo-terminal, with input typed by a user."""

    def __init__(
        self, simulator: Simulator, *words: str, columns: int = 80, cwd: str = "/", **environ: str
    ):
        """Start it."""
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        # After Ctrl-C Linux throws away what was written, on a busy machine also what came later.
        modes = termios.tcgetattr(theirs)
        modes[3] |= termios.NOFLSH
        termios.tcsetattr(theirs, termios.TCSANOW, modes)
        self._process = subprocess.Popen(
            [sys.executable, "-I", str(ROOT / "entrypoint.py"), *words],
            env={**environment(simulator), "TERM": "dumb", **environ}, cwd=cwd,
            stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
            # The terminal that receives Ctrl-C.
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - no threads
        )  # fmt: skip
        os.close(theirs)
        self.shown = ""

    def _read(self) -> bool:
        try:
            part = os.read(self._ours, 65536)
        except OSError:
            # The other end was closed.
            part = b""
        self.shown += part.decode("utf-8", "replace")
        return bool(part)

    def answer(self, question: str, keys: bytes) -> int:
        """Wait for a question, press keys, and return the exit code."""
        while question not in self.shown:
            assert self._read(), self.shown
        # No user types at this very instant: between the question and the read that waits for its
        # answer an interrupt would be heard only after seconds, by the thread that stands in.
        time.sleep(0.3)
        os.write(self._ours, keys)
        return self.end()

    def end(self) -> int:
        """Wait for the end, and return the exit code."""
        while self._read():
            pass
        os.close(self._ours)
        return self._process.wait(30)


@pytest.mark.parametrize(
    ("keys", "code", "said", "updates"),
    [
        (b"y\n", 0, "Updated tool", 1),
        (b"n\n", 0, "No changes were made.", 0),
        (b"\n", 0, "No changes were made.", 0),
        (CTRL_D, 0, "No changes were made.", 0),
        (CTRL_C, 130, "Cancelled. No changes were made.", 0),
    ],
    ids=["yes", "no", "enter", "end of input", "interrupt"],
)
def test_the_question_before_a_change(keys, code, said, updates):
    """Only yes confirms; an interrupt ends the prompt without output."""
    with fast() as simulator:
        terminal = Terminal(simulator, *UPDATE)
        assert terminal.answer("[y/N]: ", keys) == code
        assert simulator.count("tool_update") == updates
    assert said in terminal.shown
    assert "bug in opsera-step" not in terminal.shown
    assert "exitCode" not in terminal.shown


@pytest.mark.parametrize(
    ("keys", "code", "written"), [(b"1\n", 0, True), (b"0\n", 0, False), (CTRL_C, 130, None),
                                  (CTRL_D, 130, None)]
)  # fmt: skip
def test_the_question_of_init(simulator, tmp_path, keys, code, written):
    """The pipeline can be chosen; who breaks off gets no file, and their prompt on a new line."""
    terminal = Terminal(simulator, "init", cwd=str(tmp_path))
    assert terminal.answer("[0]: ", keys) == code
    file = tmp_path / ".opsera.yml"
    names = "deploy-shop:" in file.read_text("utf-8") if file.exists() else None
    assert names == written
    assert terminal.shown.endswith("\r\n")


@pytest.mark.parametrize("columns", [40, 120])
@pytest.mark.parametrize(
    ("words", "name"),
    [(("tool", "list"), "Shop Jenki"), (("task", "list"), "Sync CRM"), (("audit", "actions"), "")],
)
def test_tables_fit_the_window(simulator, columns, words, name):
    """No line of a table wraps, and the names can be read."""
    terminal = Terminal(simulator, *words, columns=columns)
    assert terminal.end() == 0
    rows = terminal.shown.replace("\r\n", "\n").split("\n")
    assert max(map(columns_of, rows)) <= columns
    assert name in terminal.shown


@pytest.mark.parametrize("ci", ["true", ""])
def test_a_ci_job_with_a_pseudo_terminal_gets_plain_lines(ci):
    """Buildkite and CircleCI keep all that is drawn; only a person sees it redrawn."""
    with fast("failure") as running:
        terminal = Terminal(running, "run", TERM="xterm-256color", CI=ci)
        assert terminal.end() == 1
    assert ("\x1b[A" in terminal.shown or "\r\x1b[K" in terminal.shown) is (not ci)
    assert ("[opsera] Started run" in terminal.shown) is bool(ci)


@pytest.mark.parametrize(
    ("command", "code"),
    [("status", 2), ("stop", 2), ("reset", 2), ("summary", 2), ("logs", 2), ("logs --follow", 2),
     ("watch", 0), pytest.param("run", 0, marks=pytest.mark.long),
     pytest.param("run --format json", 0, marks=pytest.mark.long)],
)  # fmt: skip
def test_what_can_not_be_written_is_no_success(simulator, command, code):
    """It is reported on stderr; the result of a followed run is unchanged."""
    done = to_a_full_disk(*command.split(), **environment(simulator))
    assert done.returncode == code
    assert "No space left on device" in done.stderr


def test_following_ends_when_the_output_is_closed(tmp_path):
    """`opsera-step logs --follow | head` ends with head, though the run is silent for long."""
    with Simulator(scenes.SLOW, clock=SpeedClock(1.0)) as simulator:
        simulator.start_run()
        arguments = ("logs", "--follow")
        process = Process(simulator, Files(tmp_path), arguments=arguments)
        process.close_log()
        job = process.wait(30)
        assert simulator.count("stop") == 0
    assert job.code == ExitCode.SUCCESS
    assert "Output closed; run 42 continues." in job.errors


def test_the_home_directory(simulator, tmp_path):
    """Most shells leave the ~ in `--output-file=~/x` to the program."""
    done = subprocess.run(
        [sys.executable, "-I", str(ROOT / "entrypoint.py"), "status", "--output-file=~/my.env"],
        env={**environment(simulator), "HOME": str(tmp_path)}, cwd=tmp_path, check=False,
        capture_output=True, timeout=50,
    )  # fmt: skip
    assert done.returncode == 0
    assert [one.name for one in Path(tmp_path).iterdir()] == ["my.env"]
