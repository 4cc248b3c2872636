"""CPU time per stage, from the bytes of a response to a printed line.

As a script, it measures them with pyperf, each in processes of its own; `table` shows the results.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

if __name__ == "__main__":
    sys.path.append(str(Path(__file__).resolve().parents[1]))

import pyperf  # type: ignore[import-untyped]

from benchmarks.children import ROOT
from benchmarks.figures import Cell, Table, figure
from benchmarks.listening import WINDOW, Run
from opsera_step.api import JsonObject, LogRecord
from opsera_step.api.client import RecordReader
from opsera_step.api.models import parse_list
from opsera_step.clock import FakeClock
from opsera_step.display import JobLog, LogLimit
from opsera_step.platforms import detect
from opsera_step.runs.events import LogLines
from opsera_step.runs.log_cursor import LogCursor
from opsera_step.text import Scrubber

T = TypeVar("T")
_TEXT = "{:09d} compiling module with a path of some length, and a message of the compiler\n"
_STAGES = ("JSON", "records", "cursor", "print")
_NAMES = {
    "JSON": "JSON parsed from the bytes of a response",
    "records": "records parsed from that, 600 of them known from the previous response",
    "cursor": "new records found by the cursor (400 of 1000)",
    "print": "lines sanitized, redacted, and written",
}


def table(quick: bool) -> Table:
    """Measure the stages in processes of pyperf; microseconds of CPU time."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "stages.json")
        few = ("--processes=2", "--values=3") if quick else ("--processes=6", "--values=5")
        command = (sys.executable, __file__, "-o", str(file), "--quiet", "--warmups=1", *few)
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        suite = pyperf.BenchmarkSuite.load(str(file))
    rows: list[tuple[Cell, ...]] = []
    for name in _STAGES:
        values = suite.get_benchmark(name).get_values()
        rows.append((_NAMES[name], figure([1e6 * one for one in values], "µs")))
    return Table(("stage, for 1000 records of a line", "time"), tuple(rows))


def _responses() -> tuple[bytes, bytes]:
    """Return two responses, the second with 400 new records."""
    run = Run(10 * WINDOW, _TEXT.format)
    for _ in range(4):
        run.response("logs")
    return run.response("logs"), run.response("logs")


def _records(raw: bytes) -> list[LogRecord]:
    return RecordReader().read(parse_list(json.loads(raw)) or [])


def _read(first: list[JsonObject], second: list[JsonObject]) -> float:
    reader = RecordReader()
    reader.read(first)
    return _taken(reader.read, second)


def _advance(first: list[LogRecord], second: list[LogRecord]) -> float:
    cursor = LogCursor()
    cursor.advance(first)
    return _taken(cursor.advance, second)


def _taken(action: Callable[[T], object], argument: T) -> float:
    """Return the seconds of CPU time: on a busy machine, elapsed time means little."""
    started = time.process_time()
    action(argument)
    return time.process_time() - started


def _timed(runner: pyperf.Runner, name: str, once: Callable[[], float]) -> None:
    runner.bench_time_func(name, lambda loops: sum(once() for _ in range(loops)))


class _Nowhere(io.StringIO):
    def write(self, text: str) -> int:
        return len(text)


def _main() -> None:
    runner = pyperf.Runner()
    before, after = _responses()
    items, first, second = json.loads(after), _records(before), _records(after)
    clock = FakeClock()
    log = JobLog(detect({}, _Nowhere(), clock), Scrubber("t0k3n" * 40), clock, LogLimit(None))
    lines = tuple(_TEXT.format(number).rstrip() for number in range(WINDOW))
    event = LogLines("s", "Build", "jenkins", lines)
    _timed(runner, "JSON", lambda: _taken(json.loads, after))
    _timed(runner, "records", lambda: _read(json.loads(before), items))
    _timed(runner, "cursor", lambda: _advance(first, second))
    _timed(runner, "print", lambda: _taken(log.show, event))


if __name__ == "__main__":
    _main()
