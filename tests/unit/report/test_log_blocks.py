"""The log as the page carries it."""

from __future__ import annotations

import base64
import itertools
import re
import zlib

import pytest

from opsera_step.report.log_blocks import LONGEST_LINE, TAIL, LogBlocks

_BLOCK = re.compile(
    r'<script type="text/plain" data-step="(\d+)" data-lines="([\d,]+)"(?: data-times="[\d,]+")?>'
    r"([A-Za-z0-9+/=]*)</script>\n"
)


class Page:
    """What was written, and the log that is read from it again."""

    def __init__(self, most_bytes: int | None = None) -> None:
        self.written: list[str] = []
        limit = {} if most_bytes is None else {"most_bytes": most_bytes}
        self.blocks = LogBlocks(self.written.append, **limit)

    def lines(self) -> dict[int, tuple[int, str]]:
        """Return each line by its number, with its step's number."""
        found: dict[int, tuple[int, str]] = {}
        for block in self.written:
            step, ranges, packed = _BLOCK.fullmatch(block).groups()
            text = zlib.decompress(base64.b64decode(packed), -zlib.MAX_WBITS).decode("utf-8")
            numbers = [int(number) for number in ranges.split(",")]
            pairs = zip(numbers[::2], numbers[1::2], strict=True)
            places = [number for first, count in pairs for number in range(first, first + count)]
            for place, line in zip(places, text.split("\n"), strict=True):
                assert place not in found
                found[place] = (int(step), line)
        return found


def test_every_line_is_there_once_under_its_number_and_step():
    """Interleaved steps, long and empty lines: all can be read again as they came."""
    page, expected = Page(), {}
    for turn in range(40):
        step = turn % 3
        lines = [f"{turn}:{n} é \x1b[31mred\x1b[0m </script>" for n in range(turn * 7)] + [""]
        lines += ["x" * LONGEST_LINE] if turn == 9 else []
        for line in lines:
            expected[len(expected) + 1] = (step + 1, line)
        page.blocks.add(f"id{step}", f"Step {step}", "jenkins", lines)
    page.blocks.finish()
    assert page.lines() == expected
    assert page.blocks.count == len(expected)
    assert page.blocks.left_out == 0


def test_a_block_is_written_as_soon_as_it_is_full():
    """Nothing of a long log waits in memory for its end."""
    page = Page()
    page.blocks.add("a", "A", "", ["line"] * 10_000)
    assert sum(1 for _ in page.lines()) > 9_000


def test_many_steps_with_few_lines_are_not_kept_either():
    """Steps whose blocks do not fill are written when all of them together are much."""
    page = Page()
    for step in range(400):
        page.blocks.add(f"id{step}", "S", "", ["x" * 15_000] * 4)
    assert len(page.lines()) > 1200


def test_what_is_known_of_each_step():
    """Name, count, the first and the last number, and the last lines without colors."""
    page = Page()
    page.blocks.add("", "Log", "", ["hello"])
    page.blocks.add("b", "Build", "jenkins", [f"\x1b[1mline {n}\x1b[0m" for n in range(30)])
    page.blocks.add("", "Log", "", ["bye", "z" * 5000])
    log, build = page.blocks.steps
    assert (log.number, log.name, log.count, log.first, log.last) == (1, "Log", 3, 1, 33)
    assert (build.number, build.tool, build.count, build.first) == (2, "jenkins", 30, 2)
    assert list(build.tail) == [(n + 2, f"line {n}") for n in range(30 - TAIL, 30)]
    assert log.tail[1] == (32, "bye")
    assert log.tail[2] == (33, "z" * 2000 + "…")


def test_steps_are_distinguished_by_their_ids():
    """Two steps of one name stay two; after hundreds, the rest counts as one."""
    page = Page()
    page.blocks.add("1", "Same", "", ["a"])
    page.blocks.add("2", "Same", "", ["b"])
    assert [one.count for one in page.blocks.steps] == [1, 1]
    for step in range(2000):
        page.blocks.add(f"id{step}", "S", "", ["c"])
    page.blocks.finish()
    assert len(page.blocks.steps) == 501
    assert len(page.lines()) == 2002


def test_a_page_has_room_for_so_much_and_keeps_head_and_tail():
    """Of a log that is too long, the middle is left out, and its lines are counted."""
    most_bytes, count = 100_000, 30_000
    page = Page(most_bytes)
    for first in range(0, count, 1000):
        lines = [f"{n} {n * 2654435761 % 2**32:x}" for n in range(first, first + 1000)]
        page.blocks.add("a", "A", "", lines)
    page.blocks.finish()
    numbers = sorted(page.lines())
    assert sum(map(len, page.written)) <= most_bytes
    assert numbers[0] == 1
    assert numbers[-1] == count
    assert page.blocks.left_out == count - len(numbers) > 0
    gaps = [(a, b) for a, b in itertools.pairwise(numbers) if b != a + 1]
    assert len(gaps) == 1


def test_the_time_of_each_line():
    """In milliseconds for as many lines as have it in a row; left out where none is known."""
    page = Page()
    page.blocks.add("a", "A", "", ["one", "two"], 1_767_225_600.25)
    page.blocks.add("a", "A", "", ["three"])
    page.blocks.add("a", "A", "", ["four"], 1_767_225_601.0)
    page.blocks.add("b", "B", "", ["five"])
    page.blocks.finish()
    assert 'data-lines="1,4" data-times="1767225600250,2,0,1,1767225601000,1"' in page.written[0]
    assert "data-times" not in page.written[1]


@pytest.mark.parametrize(
    "line", ["x" * 1_000_000, "\x1b[31m" * 200_000, "é" * 999_999 + "\x1b[1m!"]
)
def test_a_very_long_line_is_cut_in_the_page(line):
    """A browser would search it for minutes; log.txt has all of it."""
    page = Page()
    page.blocks.add("a", "A", "", [line])
    page.blocks.finish()
    ((_, kept),) = page.lines().values()
    more = len(line) - LONGEST_LINE
    assert kept.endswith(f"\x1b[0m … and {more:,} more characters in log.txt")
    assert line.startswith(kept.partition("\x1b[0m …")[0])
    assert not re.search(r"\x1b\[\d*\x1b", kept)
    assert len(page.blocks.steps[0].tail[0][1]) <= 2001
