"""Huge records, huge lines, and long logs."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from opsera_step.clock import FakeClock
from opsera_step.simulator import Simulator
from tests.support import scenes, size
from tests.support.jobs import ROOT, play

# Reads a log of the given number of records through cursor and job log, and prints its peak memory.
MEASURE = """
import io, resource, sys
from opsera_step.runs.events import LogLines
from opsera_step.display.log_limit import LogLimit
from opsera_step.runs.log_cursor import LogCursor
from opsera_step.api.models import LogRecord
from opsera_step.platforms import Platform
from opsera_step.display.job_log import JobLog
from opsera_step.text.scrubber import Scrubber
from opsera_step.text.sanitize import split_lines
from opsera_step.clock import FakeClock

class Nowhere(io.StringIO):
    def write(self, text):
        return len(text)

def record(number):
    text = f"line {number} " + "x" * 180
    return LogRecord(f"{number:024x}", float(number), "s", "Build", 0, "console output", "", "",
                     "jenkins", "", text)

clock, cursor, shown = FakeClock(), LogCursor(), 0
log = JobLog(Platform({}, Nowhere(), clock), Scrubber("t" * 40), clock, LogLimit(3_500_000))
for latest in range(900, int(sys.argv[1]) + 1, 900):
    window = [record(number) for number in range(latest - 1, max(latest - 1001, -1), -1)]
    for piece in cursor.advance(window).pieces:
        log.show(LogLines("s", "Build", "jenkins", tuple(split_lines(piece.text))))
print(log.line_count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def measure(records: int) -> tuple[int, int]:
    """Return the number of lines printed, and the peak memory in KiB."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(records)],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    lines, peak = done.stdout.split()
    return int(lines), int(peak)


@pytest.mark.long
def test_memory_stays_flat():
    """A log that is ten times as long takes no more memory."""
    short, long = measure(9_000), measure(90_000)
    assert (short[0], long[0]) == (9_000, 90_000)
    assert long[1] < 1.15 * short[1]


@pytest.mark.long
@pytest.mark.timeout(300)
def test_the_process_follows_a_hundred_thousand_lines():
    """The process prints each line once and in order, and its memory doesn't grow.

    `python -m tests.support.size` plays a million lines of 200 bytes.
    """
    short, long = size.play(30_000, per_record=25), size.play(100_000, per_record=25)
    assert (short.code, short.lines) == (0, 30_000)
    assert (long.code, long.lines) == (0, 100_000)
    assert 0 < long.peak < short.peak + (12 << 10)


def test_a_record_of_twenty_megabytes(tmp_path):
    """A record of 20 MB is printed line for line."""
    text = "".join(f"line {number} {'y' * 90}\n" for number in range(200_000))
    clock = FakeClock()
    huge = scenes.scenario(scenes.step("Build", {"text": text}))
    with Simulator(huge, clock=clock, seed=1) as simulator:
        job = play(simulator, clock, tmp_path)
    printed = [line for line in job.log.splitlines() if line.startswith("line ")]
    assert printed == text.splitlines()
    assert job.outputs["OPSERA_LOG_COMPLETE"] == "true"


def test_a_line_of_ten_megabytes(tmp_path):
    """A single line of 10 MB is printed whole."""
    line = "z" * 10_000_000
    clock = FakeClock()
    huge = scenes.scenario(scenes.step("Build", {"text": f"before\n{line}\nafter\n"}))
    with Simulator(huge, clock=clock, seed=1) as simulator:
        job = play(simulator, clock, tmp_path)
    assert f"before\n{line}\nafter\n" in job.log


@pytest.mark.long
def test_a_thousand_steps(tmp_path):
    """The work for a step doesn't grow with the number of steps.

    Work that does takes eight seconds here, and 20 minutes for 12,000 steps.
    """
    clock = FakeClock()
    step = {"name": "Step {n}", "repeat": 1000, "duration": 0.01, "log": [{"text": "line\n"}]}
    with Simulator(scenes.scenario(step), clock=clock, seed=1) as simulator:
        started = time.thread_time()
        job = play(simulator, clock, tmp_path, "github", report_dir=str(tmp_path / "report"))
        took = time.thread_time() - started
    assert job.code == 0 and job.log.count("line\n") == 1000
    assert took < 5
