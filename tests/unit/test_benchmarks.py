"""The benchmarks' own figures and page, and a cheap run of each part, so that none can rot."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from benchmarks import image, load, memory, startup, watching
from benchmarks.__main__ import parts
from benchmarks.figures import Figure, Section, Table, figure, spell
from benchmarks.latency import ROUND_TRIP, watch
from benchmarks.page import render
from benchmarks.throughput import Load, line, play
from benchmarks.traces import TRACES, long_bursts, polled
from benchmarks.turns import TurnClock

HAS_LOOP = all(map(shutil.which, ("bash", "curl", "jq")))
SECTION = Section(
    "speed",
    "Speed",
    "How it was measured.",
    (Table(("what", "time"), (("this | that", figure([3, 1, 2], "s")), ("none", "–"))),),
    ("A note.",),
)


class TestFigures:
    """Medians, spreads, ratios and how they are written."""

    def test_median_and_spread(self):
        """A figure is the value in the middle, with the lowest and the highest."""
        assert str(figure([3, 1, 2], "s")) == "2.00 s (1.00–3.00)"
        assert str(figure([2], "MiB")) == "2.00 MiB"
        assert str(figure([0.5, 0.5], "×")) == "0.50×"

    def test_a_ratio_is_taken_round_by_round(self):
        """A round that was slow for both changes no ratio."""
        assert figure([2, 20, 4]).over(figure([1, 10, 2])) == Figure((2.0, 2.0, 2.0), "×")
        with pytest.raises(ValueError, match="shorter"):
            figure([1, 2]).over(figure([1]))

    @pytest.mark.parametrize(
        ("value", "text"),
        [(0, "0"), (0.123, "0.12"), (12.34, "12.3"), (123.4, "123"), (1234.5, "1,234")],
    )
    def test_numbers(self, value, text):
        """Three digits are enough."""
        assert spell(value) == text


class TestPage:
    """The results page."""

    def test_all_is_on_it(self):
        """Machine, sections, notes and history are on the page, tables whole."""
        entry = {"when": "2026-01", "change": "c", "measure": "m", "before": "2 s", "after": "1 s"}
        text = render([SECTION], {"processor": "one"}, [entry], quick=True)
        for part in ("--quick", "| processor | one |", "## Speed", "- A note.", "| 2 s | 1 s |"):
            assert part in text
        assert "| this \\| that | 2.00 s (1.00–3.00) |" in text


class TestTraces:
    """What runs write, and what polling at a fixed interval makes of it."""

    @pytest.mark.parametrize("make", TRACES)
    def test_a_trace_is_in_order(self, make):
        """Times rise, the end comes last, and a seed makes the same trace again."""
        trace = make(3)
        assert list(trace.times) == sorted(trace.times)
        assert trace.end > trace.times[-1]
        assert trace == make(3) != make(4)

    def test_fixed_polling(self):
        """A line waits for the next tick, and then for its response."""
        found = polled((1.0, 4.9, 5.5), 12.0, interval=5.0, phase=0.0, delay=0.1)
        # The ticks are at 0, 5, 10 and 15; the log is read a tenth of a second after each.
        assert found.delays == pytest.approx((4.2, 0.3, 4.7))
        assert (found.end_delay, found.requests) == (pytest.approx(3.1), 8)


class TestTurns:
    """The clock of many jobs."""

    def test_the_earliest_sleeper_continues_first(self):
        """Sleepers wake in the order of their times, not of their start."""
        clock, seen = TurnClock(), []

        def job(name, *naps):
            for nap in naps:
                clock.sleep(nap)
                seen.append((round(clock.monotonic(), 3), name))

        clock.play([lambda: job("a", 3, 3), lambda: job("b", 1, 1, 2), lambda: job("c", 5)])
        assert seen == [(1, "b"), (2, "b"), (3, "a"), (4, "b"), (5, "c"), (6, "a")]

    def test_a_failure_is_raised(self):
        """What a job raises is raised at the end, and the others continue."""
        clock, seen = TurnClock(), []

        def fails():
            raise ValueError("no")

        with pytest.raises(ValueError, match="no"):
            clock.play([fails, lambda: (clock.sleep(1), seen.append(1))])
        assert seen == [1]


@pytest.mark.long
class TestParts:
    """Each part measures something, on the smallest scale."""

    def test_there_is_one_for_each_question(self):
        """What is measured has a name on the command line."""
        wanted = {"start-up", "latency", "throughput", "memory", "load", "image", "report"}
        assert set(parts(quick=True)) == set(parts(quick=False)) == wanted

    def test_start_up(self):
        """The job and what it is compared with each make a first call."""
        rows = startup.measure(1).tables[0].rows
        assert {startup.JOB, startup.REQUESTS} <= {row[0] for row in rows}
        assert all(row[1].median > 0 for row in rows)

    def test_latency(self):
        """Every line of a trace is seen, after it was there."""
        seen = watch(long_bursts(1, minutes=0.3), 1)
        assert min(seen.delays) >= ROUND_TRIP / 2
        assert seen.requests > 2

    def test_real_time(self):
        """In real time too the job prints each line."""
        assert watching.table(3).rows[0][1] == "20 of 20"

    @pytest.mark.parametrize("loop", [False, pytest.param(True, marks=pytest.mark.skipif(
        not HAS_LOOP, reason="needs bash, curl and jq"))])  # fmt: skip
    def test_throughput(self, tmp_path: Path, loop):
        """The whole log comes out of the job, and of the shell loop."""
        ended = play(Load("few", 1100, line, 1100), tmp_path, loop=loop)
        assert ended.processor > 0

    def test_report(self):
        """The report is there, and its size is known."""
        costs, sizes = memory.measure_report(1, 2000).tables
        assert sizes.rows[0][0] == "report.html"
        assert sizes.rows[0][1] != "0 kB"
        assert len(costs.rows) == 3

    def test_many_jobs(self):
        """Each of a few jobs has the right result, also if most calls are refused."""
        for limit in (0.0, 3.0):
            many = load.play(3, limit)
            assert many.wrong == 0
            assert len(many.per_job) == 3

    def test_no_container_engine(self, monkeypatch):
        """Without a container engine, the part reports it."""
        monkeypatch.setenv("PATH", "")
        assert image.measure(1).notes == ("Not measured here: no container engine is available.",)
