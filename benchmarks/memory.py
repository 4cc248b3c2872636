"""Memory of the job's process for logs of several lengths, and what a report costs."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import Figure, Section, Table, figure
from benchmarks.throughput import Load, line, play

_LINES_EACH = 10
_OFTEN = 100_000
"""Logs up to this length are measured in each round, longer ones once."""
_FILES = ("report.html", "junit.xml", "result.json", "log.txt")
_MEMORY = """\
Peak resident memory of the process over a whole job, with ten lines per record. The shortest log
doesn't fill the window of 1,000 records; the others do."""
_REPORT = """\
The same job with and without `report_dir`: the CPU time and memory that the report adds, and the
sizes of its files."""


@dataclass(frozen=True)
class Played:
    """One job: its peak in MiB, seconds of CPU time, and bytes of the report's files."""

    peak: float
    processor: float
    sizes: tuple[int, ...] = ()


def measure(rounds: int, lengths: tuple[int, ...]) -> Section:
    """Measure logs of each length."""
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
    most = f"{figure(peaks[lengths[-1]]).median:.0f} MiB"
    top = (f"How much memory does a log of {lengths[-1]:,} lines need?", most, "–")
    return Section("memory", "Memory", _MEMORY, (Table(head, rows),), (), (top,))


def measure_report(rounds: int, lines: int) -> Section:
    """Measure a log with and without a report."""
    plain, reported = [], []
    for _ in range(rounds):
        plain.append(_play(lines))
        reported.append(_play(lines, report=True))
    seconds, with_it = _of(plain, "processor", "s"), _of(reported, "processor", "s")
    more = Figure(tuple(b - a for a, b in zip(seconds.values, with_it.values, strict=True)), "s")
    peak, with_peak = _of(plain, "peak", "MiB"), _of(reported, "peak", "MiB")
    costs = Table(
        (f"{lines:,} lines", "without", "with a report", "times"),
        (
            ("CPU time of the job", seconds, with_it, with_it.over(seconds)),
            ("CPU time of the report", "", more, ""),
            ("peak memory", peak, with_peak, with_peak.over(peak)),
        ),
    )
    sizes = [
        (name, f"{size / 1e3:,.0f} kB")
        for name, size in zip(_FILES, reported[0].sizes, strict=True)
    ]
    return Section("report", "Report", _REPORT, (costs, Table(("file", "size"), tuple(sizes))))


def _of(played: list[Played], what: str, unit: str) -> Figure:
    return figure([getattr(one, what) for one in played], unit)


def _text(number: int) -> str:
    return "".join(line(number * _LINES_EACH + one) for one in range(_LINES_EACH))


def _play(length: int, *, report: bool = False) -> Played:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        load = Load(f"{length} lines", length // _LINES_EACH, _text, length)
        inputs = {"report_dir": str(directory / "report")} if report else {}
        ended = play(load, directory, inputs=inputs)
        peak = int((directory / "errors").read_text("utf-8").split()[-1]) / 1024
        files = [directory / "report" / file for file in _FILES] if report else []
        sizes = tuple(file.stat().st_size if file.exists() else 0 for file in files)
    return Played(peak, ended.processor, sizes)
