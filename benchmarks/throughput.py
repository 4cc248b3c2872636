"""Throughput: how much log a second of CPU time takes from the socket to standard output."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import stages
from benchmarks.children import PIPELINE, ROOT, TOKEN, Ended, job_environment, run
from benchmarks.figures import Cell, Section, Table, figure
from benchmarks.listening import RUN, Run, playing

WORKER = (sys.executable, "-I", str(ROOT / "benchmarks" / "worker.py"))
LOOP = ("bash", str(ROOT / "benchmarks" / "loop.sh"))
_METHOD = """\
The job reads the whole log of a run, as a process, on a simulated clock. The seconds are CPU time
(user and system) of the process and its children, including start-up. Each response of the log call
has 1,000 records, 400 of them new. The shell loop (`benchmarks/loop.sh`: curl and jq, without its
pause) gets the same responses. Large records come in one response, and again in each read at the
end of the log."""


@dataclass(frozen=True)
class Load:
    """A log: its number of records, the text of each, and the number of lines."""

    name: str
    records: int
    text: Callable[[int], str]
    lines: int
    new: int = 400

    @property
    def size(self) -> int:
        """Bytes of all lines."""
        return sum(len(self.text(number)) for number in range(self.records))


def line(number: int) -> str:
    """Make a record of one line of a hundred characters."""
    return f"{number:09d} " + "compiling module with a path of some length " * 2 + "\n"


def colored(number: int) -> str:
    """Make a record of one line with colors, as build tools write them."""
    return f"\x1b[32m✓\x1b[0m {number:09d} \x1b[1;36mtest\x1b[0m passed in \x1b[33m12 ms\x1b[0m\n"


def block(number: int) -> str:
    """Make a record of five thousand lines: half a megabyte."""
    return "".join(line(number * 5000 + one) for one in range(5000))


def loads(*, quick: bool) -> Sequence[Load]:
    """Return the logs to measure."""
    small, large = (6_000, 8) if quick else (20_000, 40)
    return (
        Load("small records, a line each", small, line, small),
        Load("small records with colors", small, colored, small),
        Load("large records, 5000 lines each", large, block, large * 5000, new=1000),
    )


def measure(rounds: int, *, quick: bool) -> Section:
    """Run each log through the job and through the shell loop, round by round."""
    can_loop = all(map(shutil.which, ("bash", "curl", "jq")))
    rows = [_row(load, rounds, can_loop=can_loop) for load in loads(quick=quick)]
    head = (
        "log",
        "lines per CPU second",
        "MB per CPU second",
        "the shell loop, lines",
        "times the loop",
    )
    notes = () if can_loop else ("The shell loop needs bash, curl, and jq; one is missing here.",)
    return Section(
        "throughput", "Throughput", _METHOD, (Table(head, tuple(rows)), stages.table(quick)), notes
    )


def play(
    load: Load, directory: Path, *, loop: bool = False, inputs: Mapping[str, str] | None = None
) -> Ended:
    """Run a log through one of the two, and check that every line came out."""
    played, out = Run(load.records, load.text, load.new), directory / "out.log"
    with playing(played) as url:
        if loop:
            given = {"URL": url, "TOKEN": TOKEN, "PIPELINE": PIPELINE, "RUN": str(RUN)}
            more = {"PAUSE": "0", "FILE": str(directory / "response.json")}
            environ = {**job_environment(url), **given, **more}
            ended = run(LOOP, environ, directory=directory, out=out)
        else:
            environ = job_environment(url, timeout="0", **(inputs or {}))
            ended = run(WORKER, environ, directory=directory, out=out, errors=directory / "errors")
    with out.open("rb") as file:
        printed = sum(1 for _ in file)
    if ended.code or printed < load.lines:
        end = out.read_text("utf-8", "replace")[-500:]
        raise RuntimeError(f"{load.name}: {ended.code}, {printed} of {load.lines} lines\n{end}")
    return ended


def _row(load: Load, rounds: int, *, can_loop: bool) -> tuple[Cell, ...]:
    ours, theirs, size = [], [], load.size / 1e6
    with tempfile.TemporaryDirectory() as directory:
        for _ in range(rounds):
            ours.append(play(load, Path(directory)).processor)
            if can_loop:
                theirs.append(play(load, Path(directory), loop=True).processor)
    lines = figure([load.lines / seconds for seconds in ours])
    megabytes = figure([size / seconds for seconds in ours])
    if not can_loop:
        return (load.name, lines, megabytes, "–", "–")
    looped = figure([load.lines / seconds for seconds in theirs])
    return (load.name, lines, megabytes, looped, lines.over(looped))
