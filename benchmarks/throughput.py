"""Throughput: how much log a second of processor takes from the socket to standard output."""

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
The whole log of a run goes through the job, as a process with its own socket and with a clock
that does not wait; the seconds are those of the processor, user and system, of this process and
its children, start-up included. Each answer of the log call holds 1000 records of which 400 are
new, as when records come as fast as the job can just follow: each crosses the wire two and a
half times. The shell loop (`benchmarks/loop.sh`: curl and jq, without its pause) gets the same
answers. Large records come all in one answer, and again in each of the reads that see the log
end."""


@dataclass(frozen=True)
class Load:
    """A log: so many records, what is in each, and how many lines that are."""

    name: str
    records: int
    text: Callable[[int], str]
    lines: int
    new: int = 400

    @property
    def size(self) -> int:
        """How many bytes the lines are."""
        return sum(len(self.text(number)) for number in range(self.records))


def line(number: int) -> str:
    """Make a record of one line of a hundred characters."""
    return f"{number:09d} " + "compiling module with a path of some length " * 2 + "\n"


def coloured(number: int) -> str:
    """Make a record of one line in colours, as build tools write them."""
    return f"\x1b[32m✓\x1b[0m {number:09d} \x1b[1;36mtest\x1b[0m passed in \x1b[33m12 ms\x1b[0m\n"


def block(number: int) -> str:
    """Make a record of five thousand lines: half a megabyte."""
    return "".join(line(number * 5000 + one) for one in range(5000))


def loads(*, quick: bool) -> Sequence[Load]:
    """Return the logs to play."""
    small, large = (6_000, 8) if quick else (20_000, 40)
    return (
        Load("small records, a line each", small, line, small),
        Load("small records in colours", small, coloured, small),
        Load("large records, 5000 lines each", large, block, large * 5000, new=1000),
    )


def measure(rounds: int, *, quick: bool) -> Section:
    """Play each log through the job and through the shell loop, round by round."""
    can_loop = all(map(shutil.which, ("bash", "curl", "jq")))
    rows = [_row(load, rounds, can_loop=can_loop) for load in loads(quick=quick)]
    head = (
        "log",
        "lines a CPU second",
        "MB a CPU second",
        "the shell loop, lines",
        "times the loop",
    )
    notes = () if can_loop else ("The shell loop needs bash, curl and jq, and one is not here.",)
    return Section(
        "throughput", "Throughput", _METHOD, (Table(head, tuple(rows)), stages.table(quick)), notes
    )


def play(
    load: Load, folder: Path, *, loop: bool = False, inputs: Mapping[str, str] | None = None
) -> Ended:
    """Play a log through one of the two, and see that every line came out."""
    played, out = Run(load.records, load.text, load.new), folder / "out.log"
    with playing(played) as url:
        if loop:
            given = {"URL": url, "TOKEN": TOKEN, "PIPELINE": PIPELINE, "RUN": str(RUN)}
            more = {"PAUSE": "0", "FILE": str(folder / "answer.json")}
            environ = {**job_environment(url), **given, **more}
            ended = run(LOOP, environ, folder=folder, out=out)
        else:
            environ = job_environment(url, timeout="0", **(inputs or {}))
            ended = run(WORKER, environ, folder=folder, out=out, errors=folder / "errors")
    with out.open("rb") as file:
        printed = sum(1 for _ in file)
    if ended.code or printed < load.lines:
        told = out.read_text("utf-8", "replace")[-500:]
        raise RuntimeError(f"{load.name}: {ended.code}, {printed} of {load.lines} lines\n{told}")
    return ended


def _row(load: Load, rounds: int, *, can_loop: bool) -> tuple[Cell, ...]:
    ours, theirs, size = [], [], load.size / 1e6
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(rounds):
            ours.append(play(load, Path(folder)).processor)
            if can_loop:
                theirs.append(play(load, Path(folder), loop=True).processor)
    lines = figure([load.lines / seconds for seconds in ours])
    megabytes = figure([size / seconds for seconds in ours])
    if not can_loop:
        return (load.name, lines, megabytes, "–", "–")
    looped = figure([load.lines / seconds for seconds in theirs])
    return (load.name, lines, megabytes, looped, lines.over(looped))
