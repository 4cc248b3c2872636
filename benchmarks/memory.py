"""Memory, and what a report costs: the peak of the job's process for logs of any length."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import Figure, Section, Table, figure
from benchmarks.throughput import Load, line, play

_LINES_EACH = 10
_OFTEN = 100_000
"""Logs up to this length are played in each round, longer ones once."""
_FILES = ("report.html", "junit.xml", "result.json", "log.txt")
_MEMORY = """\
The peak of the process's resident memory over a whole job, ten lines a record, played as for the
throughput. The shortest log does not fill the window of 1000 records, the others do; it is flat
when the longest takes no more than the one before."""
_REPORT = """\
The same job with `report_dir` and without: what the report adds in processor time and in memory,
and how large its files become."""


@dataclass(frozen=True)
class Played:
    """One job: its peak in MiB, the processor's seconds, and bytes of the report's files."""

    peak: float
    processor: float
    sizes: tuple[int, ...] = ()


def measure(rounds: int, lengths: tuple[int, ...]) -> Section:
    """Play logs of each length."""
    peaks: dict[int, list[float]] = {length: [] for length in lengths}
    for turn in range(rounds):
        for length in lengths:
            if turn == 0 or length <= _OFTEN:
                peaks[length].append(_play(length).peak)
    base = peaks[lengths[1]][0]
    rows = tuple(
        (f"{length:,}", figure(found, "MiB"), figure([one / base for one in found], "×"))
        for length, found in peaks.items()
    )
    head = ("lines", "peak", f"times that of {lengths[1]:,}")
    return Section("memory", "Memory", _MEMORY, (Table(head, rows),))


def measure_report(rounds: int, lines: int) -> Section:
    """Play a log with and without a report."""
    plain, told = [], []
    for _ in range(rounds):
        plain.append(_play(lines))
        told.append(_play(lines, report=True))
    seconds, with_it = _of(plain, "processor", "s"), _of(told, "processor", "s")
    more = Figure(tuple(b - a for a, b in zip(seconds.values, with_it.values, strict=True)), "s")
    peak, with_peak = _of(plain, "peak", "MiB"), _of(told, "peak", "MiB")
    costs = Table(
        (f"{lines:,} lines", "without", "with a report", "times"),
        (
            ("processor time of the job", seconds, with_it, with_it.over(seconds)),
            ("that of the report", "", more, ""),
            ("peak of memory", peak, with_peak, with_peak.over(peak)),
        ),
    )
    sizes = [
        (name, f"{size / 1e3:,.0f} kB") for name, size in zip(_FILES, told[0].sizes, strict=True)
    ]
    return Section("report", "Report", _REPORT, (costs, Table(("file", "size"), tuple(sizes))))


def _of(played: list[Played], what: str, unit: str) -> Figure:
    return figure([getattr(one, what) for one in played], unit)


def _text(number: int) -> str:
    return "".join(line(number * _LINES_EACH + one) for one in range(_LINES_EACH))


def _play(length: int, *, report: bool = False) -> Played:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        load = Load(f"{length} lines", length // _LINES_EACH, _text, length)
        inputs = {"report_dir": str(folder / "report")} if report else {}
        ended = play(load, folder, inputs=inputs)
        peak = int((folder / "errors").read_text("utf-8").split()[-1]) / 1024
        files = [folder / "report" / file for file in _FILES] if report else []
        sizes = tuple(file.stat().st_size if file.exists() else 0 for file in files)
    return Played(peak, ended.processor, sizes)
