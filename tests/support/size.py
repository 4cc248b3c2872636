"""Follow a run with a very long log with the real process, and measure its memory.

The log of the server grows by 400 records each time it is read. The output of the job is read and
checked line by line.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.children import ENTRYPOINT, job_environment
from benchmarks.listening import NEW_EACH_TIME, Run, playing

LINE = 200
"""Bytes of a line, including its end."""
_FILL = "compiling a module with a path of some length, and what else there is to be said of it "


@dataclass(frozen=True)
class Played:
    """The result of a job: the lines that it printed in order, and its peak memory in KiB."""

    code: int
    lines: int
    size: int
    peak: int
    seconds: float


def line(number: int) -> str:
    """Return a line of the log, without its end."""
    return f"line {number:09d} {_FILL * 3}"[: LINE - 1]


def play(lines: int, per_record: int = 100, new: int = NEW_EACH_TIME) -> Played:
    """Follow a run that prints `lines` lines."""

    def text(number: int) -> str:
        first = number * per_record
        numbers = range(first, min(first + per_record, lines))
        return "".join(f"{line(one)}\n" for one in numbers)

    run = Run(-(-lines // per_record), text, new)
    started = time.monotonic()
    with playing(run) as url, tempfile.TemporaryDirectory() as directory:
        code, shown, size, peak = _follow(url, Path(directory))
    return Played(code, shown, size, peak, time.monotonic() - started)


def _follow(url: str, directory: Path) -> tuple[int, int, int, int]:
    """Run the job; count its lines, and check that each is the next one."""
    shown = size = peak = 0
    with subprocess.Popen(
        ENTRYPOINT,
        cwd=directory,
        env=job_environment(url, timeout="0"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    ) as job:
        assert job.stdout is not None
        for number, printed in enumerate(job.stdout):
            if number % 1000 == 0 or printed.startswith("[opsera]"):
                peak = max(peak, _peak_of(job.pid))
            if printed.startswith("line "):
                assert printed[:-1] == line(shown), f"not line {shown}: {printed[:40]}"
                shown, size = shown + 1, size + len(printed)
        code = job.wait(timeout=60)
    return code, shown, size, peak


def _peak_of(process: int) -> int:
    """Return the peak memory of a process in KiB; 0 if it has ended."""
    try:
        status = Path(f"/proc/{process}/status").read_text("ascii").splitlines()
    except OSError:
        return 0
    return next((int(one.split()[1]) for one in status if one.startswith("VmHWM:")), 0)


def main() -> None:
    """Follow logs of two lengths and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.size", description=main.__doc__)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--per-record", type=int, default=100)
    parser.add_argument("--new", type=int, default=NEW_EACH_TIME, help="new records at each read")
    given = parser.parse_args()
    for lines in (given.lines // 10, given.lines):
        played = play(lines, given.per_record, given.new)
        sys.stdout.write(
            f"{played.lines:,} of {lines:,} lines in order, {played.size / 1e6:.0f} MB, in "
            f"{played.seconds:.0f} s; peak {played.peak / 1024:.0f} MiB; exit code {played.code}\n"
        )
        sys.stdout.flush()


if __name__ == "__main__":
    main()
