"""Cleaning, judged by an oracle: a terminal."""

from __future__ import annotations

import tracemalloc
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsera_step.text import LineCleaner, clean_inline, split_lines
from opsera_step.text.sanitize import RESET
from tests.oracles import hostile, terminal

ANY_TEXT = st.text(st.characters(exclude_categories=()))


def cleaned(text: str, *, color: bool = True) -> list[str]:
    cleaner = LineCleaner(color)
    return [cleaner.clean(line) for line in split_lines(text)]


class TestLineCleaner:
    """No effects but colors, and those end with their line."""

    @given(hostile.strategy())
    def test_a_terminal_does_nothing_but_print(self, sample: hostile.Sample):
        """Whatever comes in, a terminal only prints, and colors end with their line."""
        lines = cleaned(sample.text)
        assert terminal.effects("\n".join(lines)) == []
        assert not any("\n" in line or "\r" in line for line in lines)

    @given(hostile.strategy())
    def test_what_is_harmless_stays(self, sample: hostile.Sample):
        """Readable text of any script is unchanged."""
        if sample.harmless:
            assert cleaned(sample.text) == [sample.text]

    @given(ANY_TEXT)
    def test_a_single_line_is_safe_even_if_it_is_none(self, text: str):
        """A text that was not split at its line ends comes out as one safe line too."""
        line = LineCleaner().clean(text)
        assert terminal.effects(line) == []
        assert line.splitlines() in ([line], [])
        line.encode()

    @given(ANY_TEXT)
    def test_every_readable_character_stays(self, text: str):
        """But for control and direction characters each character outside of escapes stays."""
        text = text.translate(dict.fromkeys((*range(32), *range(127, 160))))
        printed = LineCleaner().clean(text)
        for character in text:
            if unicodedata.category(character) not in ("Cs", "Cf", "Zl", "Zp"):
                assert character in printed
        assert len(printed) >= len(text)

    @given(hostile.strategy())
    def test_without_color(self, sample: hostile.Sample):
        """With colors off the same text comes, without any escape."""
        plain = cleaned(sample.text, color=False)
        assert not any("\x1b" in line for line in plain)
        assert plain == [terminal.printed(line) for line in cleaned(sample.text)]

    @pytest.mark.parametrize(
        "text",
        [
            "👩‍👩‍👧‍👦 family, 🏳️‍🌈 flag, 👍🏽 skin, 🇩🇪, 1️⃣", "עברית עם \u200fסימן\u200e ו־English",
            "متن فارسی با نیم‌فاصله و اعداد ۱۲۳", "हिन्दी ज़्यादा क्‍ष", "ไทย 日本語 한국어 中文 𝒳 𐍈",
            "e\u0301 a\u0308 \u00ad \ufeff \u2060 tab\tstays",
        ],
    )  # fmt: skip
    def test_scripts_and_joiners_stay(self, text: str):
        """Joiners, marks of direction and variation selectors are part of the text."""
        assert LineCleaner().clean(text) == text

    def test_direction_controls_are_shown(self):
        """What turns text round shows as its code point."""
        assert LineCleaner().clean("a\u202eb\u2066c") == "a<U+202E>b<U+2066>c"

    @pytest.mark.parametrize(
        ("lines", "expected"),
        [
            (["\x1b[31mred\x1b[0m x"], ["\x1b[31mred\x1b[0m x" + RESET]),
            (["\x1b[31mred\x1b[m"], ["\x1b[31mred\x1b[0m"]),
            (
                ["\x1b[31ma", "b", "c\x1b[39m", "d"],
                ["\x1b[31ma" + RESET, "\x1b[31mb" + RESET, "\x1b[31mc\x1b[39m" + RESET, "d"],
            ),
            (["\x1b[1;31ma", "\x1b[22mb"], ["\x1b[1;31ma" + RESET, "\x1b[1;31m\x1b[22mb" + RESET]),
            (["\x1b[31m", "", "a"], ["", "", "\x1b[31ma" + RESET]),
            (["\x1b[31ma", "\x1b[0m", "b"], ["\x1b[31ma" + RESET, "", "b"]),
            (["\x9b32mgreen"], ["\x1b[32mgreen" + RESET]),
        ],
    )
    def test_colors_carry_over_lines(self, lines: list[str], expected: list[str]):
        """A color carries over the lines of its stream, and each line ends it for itself."""
        cleaner = LineCleaner()
        assert [cleaner.clean(line) for line in lines] == expected

    def test_streams_do_not_mix(self):
        """The color of one stream does not reach another."""
        first, second = LineCleaner(), LineCleaner()
        first.clean("\x1b[31mred")
        assert second.clean("plain") == "plain"

    @pytest.mark.parametrize(
        ("sequence", "kept"),
        [
            ("\x1b[38;5;8m", "\x1b[38;5;8m"), ("\x1b[48;2;8;8;8m", "\x1b[48;2;8;8;8m"),
            ("\x1b[38:2::8:8:8m", ""), ("\x1b[1;38;5;8;4m", "\x1b[1;38;5;8;4m"),
            ("\x1b[;31m", "\x1b[0;31m"), ("\x1b[031;01m", "\x1b[31;1m"), ("\x1b[08m", ""),
            ("\x1b[31;8;1m", "\x1b[31;1m"), ("\x1b[38;8m", ""), ("\x1b[777m", ""),
            ("\x1b[>4;2m", ""),
        ],
    )  # fmt: skip
    def test_which_colors(self, sequence: str, kept: str):
        """Colors and text styles are kept; concealing and unknown codes are not."""
        line = LineCleaner().clean(f"a{sequence}b")
        assert line == (f"a{kept}b{RESET}" if kept else "ab")

    def test_colors_never_pile_up(self):
        """However many colors a stream sets, the prefix of a line stays short."""
        cleaner = LineCleaner()
        for number in range(2000):
            cleaner.clean(f"\x1b[{number % 110};38;2;1;2;{number % 256};4;{'1' * 5000}m{number}")
        assert len(cleaner.clean("x")) < 150


class TestSplitLines:
    """Line ends, and the frames of progress lines."""

    @pytest.mark.parametrize(
        ("text", "lines"),
        [
            ("a\r\nb\r\n", ["a", "b", ""]), ("a\r\r\nb", ["a", "b"]),
            ("Fetching 1 MB/s\rFetching 2 MB/s\rFetching 3 MB/s done", ["Fetching 3 MB/s done"]),
            ("abc: Pulling 1.2/34 MB\rabc: Pulling 34/34 MB", ["abc: Pulling 34/34 MB"]),
            ("[=>  ] 1/7 12s\r[==> ] 2/7 1m\r", ["[==> ] 2/7 1m"]),
            ("⠋ installing\r⠙ installing", ["⠙ installing"]),
            ("waiting |\rwaiting /", ["waiting /"]), ("one\rtwo", ["one", "two"]),
            ("10%\rerror: disk full", ["10%", "error: disk full"]),
            ("plan B\rplan A", ["plan B", "plan A"]), ("\r\rx", ["x"]), ("   \r", [""]),
            ("x\r     \ry", ["x", "y"]), ("\x1b[2K\r10%\x1b[K\r\x1b[2K\r20%", ["20%"]),
            ("a\u2028b\x85c", ["a\u2028b\x85c"]),
        ],
    )  # fmt: skip
    def test_lines(self, text: str, lines: list[str]):
        """Frames that show progress and differ in figures and bars only are one line."""
        assert cleaned(text, color=False) == [LineCleaner().clean(line) for line in lines]

    @pytest.mark.parametrize(
        "lines",
        [
            [f"test {number} passed" for number in range(1, 200)],
            ["ok"] * 5,
            ["Step 1/3 : FROM a", "Step 2/3 : FROM a", "Step 3/3 : FROM a"],
            ["wrote 10 files, 3 kB", "wrote 12 files, 4 kB"],
            ["| a | 1 |", "| a | 2 |"],
            ["test_1 PASSED [ 10%]", "test_2 PASSED [ 20%]", "test_3 PASSED [ 30%]"],
            ["[ 50%] Building lib/part1.o", "[ 60%] Building lib/part2.o"],
            ["coverage of module 1: 90%", "coverage of module 2: 80%"],
            ["Building", "10% done", "20% done", "Testing", "1 failed", "Packing"],
        ],
    )
    def test_a_log_with_cr_line_ends_loses_nothing(self, lines: list[str]):
        """Lines that differ only in figures are lines, unless all of the text shows progress."""
        assert list(split_lines("\r".join(lines) + "\r")) == lines

    @pytest.mark.parametrize(
        "text",
        [
            "\x1b[31m10%\r20%\x1b[0m\nb",
            "\x1b[31m10%\x1b[0m\r20%\nb",
            "\x1b[31m\r20%\nb\x1b[0m",
            "10%\r20%\r\x1b[31m\nb",
        ],
    )
    def test_colors_of_frames_that_are_left_out_still_count(self, text: str):
        """After a progress line, the color is the one of its last frame."""
        kept = terminal.screen(cleaned(text)[-1]).printed
        whole = LineCleaner()
        whole.clean(text.partition("\n")[0].replace("\r", " "))
        assert cleaned(text)[-1] == whole.clean(text.partition("\n")[2])
        assert kept == "b"

    @given(
        st.lists(
            st.sampled_from(["", "10%", "20%", "a 1", "a 2", "b 1", "b", "\x1b[1m"]), max_size=8
        )
    )
    def test_no_text_is_lost(self, frames: list[str]):
        """Each word of any frame is in some line, and the last visible frame is unchanged."""
        lines = cleaned("\r".join(frames), color=False)
        words = {word for frame in frames for word in frame.split() if word.isalpha()}
        assert words <= {word for line in lines for word in line.split()}
        visible = [frame for frame in frames if frame.strip() and "\x1b" not in frame]
        assert not visible or lines[-1] == visible[-1]

    @given(st.text("ab\n \t", max_size=40))
    def test_without_carriage_returns_it_is_split(self, text: str):
        """Text without CR is split at line ends, and nothing else happens to it."""
        assert list(split_lines(text)) == text.split("\n")


class TestCleanInline:
    """Names and messages as one line."""

    @given(hostile.strategy(), st.integers(1, 50))
    def test_it_is_one_short_safe_line(self, sample: hostile.Sample, limit: int):
        """Whatever comes in, one line without escapes of at most that length comes out."""
        line = clean_inline(sample.text, limit)
        assert len(line) <= limit
        assert line.splitlines() in ([line], [])
        assert "\x1b" not in line
        assert terminal.effects(line) == []

    def test_it_reads_well(self):
        """Lines are joined by a space, colors are dropped, and a cut ends with an ellipsis."""
        assert clean_inline("  Unit\ttests\r\n\x1b[31mfailed\x1b[0m \n") == "Unit tests failed"
        assert clean_inline("abcdef", 4) == "abc…"
        assert clean_inline("") == ""


def test_huge_lines_come_to_their_end():
    """Work that grows with the square of a line's length would take hours for these."""
    frames = [f"Downloading {n} of 100000 [{'=' * 40}]" for n in range(30_000)]
    assert list(split_lines("\r".join(frames))) == [frames[-1]]
    cleaned = LineCleaner().clean("\x1b[1m\x1b]0;" * 20_000 + "\x07end")
    assert cleaned.replace("\x1b[1m", "") == "end\x1b[0m"


def test_very_many_colors_cost_bounded_memory():
    """A line with more sequences than any log has loses its colors."""
    line = "\x1b[1m" * 500_000 + "end"
    tracemalloc.start()
    assert LineCleaner().clean(line) == "end"
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 * len(line)


@pytest.mark.parametrize("text", ["ab\n", "ab\r", "9%\r", "|\r/\r"])
def test_very_many_lines_cost_no_memory(text: str):
    """Short lines and frames are split while they are used, not all at once."""
    text *= 50_000
    tracemalloc.start()
    for _ in split_lines(text):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * 2**20
