"""The input log_limit: head and tail of a log within so many bytes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from opsera_step.display import LogLimit

BATCHES = st.lists(st.lists(st.text("aé🎉", max_size=12), max_size=5), max_size=20)


def size(lines: list[str]) -> int:
    return sum(len(line.encode()) + 1 for line in lines)


def test_without_a_limit_all_lines_pass():
    """None is no limit: nothing is held back."""
    limit = LogLimit(None)
    assert limit.admit(["x" * 1000] * 1000) == ["x" * 1000] * 1000
    assert (limit.reached, limit.tail(), limit.omitted_lines) == (False, [], 0)


def test_head_and_tail():
    """Three quarters of the room are for the head, a quarter for the tail; the rest is counted."""
    limit = LogLimit(80)
    numbers = [f"line {number:04}" for number in range(20)]
    assert [limit.admit([line]) for line in numbers] == [[line] for line in numbers[:6]] + [[]] * 14
    assert limit.reached
    assert limit.tail() == numbers[-2:]
    assert (limit.omitted_lines, limit.omitted_bytes) == (12, 120)


def test_a_line_that_is_too_long_for_the_tail():
    """Its end is kept, beside the lines around it; the rest is counted."""
    limit = LogLimit(400)
    assert limit.admit(["y" * 320, "before", "x" * 100_000 + " Error: no", "end"]) == []
    before, cut, end = limit.tail()
    assert (before, end) == ("before", "end")
    assert cut.startswith("… xxx")
    assert cut.endswith("xxx Error: no")
    assert size([before, cut, end]) <= 100
    # Of the first line, too, only its end was kept, until it had to make room.
    assert limit.omitted_lines == 1
    assert limit.omitted_bytes + size([before, cut, end]) == 321 + 7 + 100_011 + 4


def test_a_long_last_line_leaves_a_tail():
    """If a huge line is the last one, its end is printed."""
    limit = LogLimit(1000)
    limit.admit(["z" * 10_000_000 + "the end"])
    assert limit.tail()[0].endswith("zthe end")
    assert 100 < size(limit.tail()) <= 125


def test_a_cut_line_starts_with_no_half_color():
    """Wherever the cut falls, no rest of a color code and no half character is left."""
    for length in range(30, 60):
        limit = LogLimit(160)
        limit.admit(["\x1b[38;5;196mé" * 20 + "\x1b[0m" + "é" * 3 + "q" * (length - 28)])
        (line,) = limit.tail()
        plain = line.replace("\x1b[38;5;196m", "").replace("\x1b[0m", "")
        assert set(plain) <= set("… éq")
        assert plain.endswith("q")


def test_a_limit_can_count_as_the_platform_does():
    """Everything that was printed counts, each line with what the platform adds."""
    used = 0
    limit = LogLimit(160)
    limit.count_like(lambda text: len(text) + 5 * text.count("\n"), lambda: used)
    assert limit.admit(["1234"] * 3) == ["1234"] * 3
    used += 30 + 81
    assert limit.admit(["1234"]) == []
    assert limit.admit(["12345"]) == []
    assert limit.tail() == ["1234", "12345"]
    used = 148
    assert limit.tail() == ["12345"]
    assert limit.omitted_lines == 1


@given(st.integers(0, 200), BATCHES)
def test_the_limit_holds_and_nothing_is_lost(most: int, batches: list[list[str]]):
    """Head, omitted lines, and tail are the log in its order; head and tail fit the limit."""
    limit = LogLimit(most)
    lines = [line for batch in batches for line in batch]
    head = [line for batch in batches for line in limit.admit(batch)]
    tail = limit.tail()
    assert size(head) + size(tail) <= most
    left_out = lines[len(head) : len(lines) - len(tail)]
    last = lines[len(lines) - len(tail) :]
    assert limit.omitted_lines == len(left_out)
    assert limit.omitted_bytes == size(left_out) + size(last) - size(tail)
    for kept, line in zip(tail, last, strict=True):
        assert kept == line or (kept.startswith("… ") and line.endswith(kept[2:]))
    assert limit.reached == (head != lines)


def test_memory_is_bounded():
    """However long the log, only the tail is kept."""
    limit = LogLimit(1000)
    for number in range(10_000):
        limit.admit([f"line {number}"])
    assert size(limit.tail()) <= 250
    assert len(limit.tail()) < 30
