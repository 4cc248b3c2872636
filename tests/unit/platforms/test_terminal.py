"""A terminal: the line that moves leaves no trace; judged by drawing the screen."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import struct
import termios
from collections import ChainMap

import pytest

from opsera_step.api import Step
from opsera_step.clock import FakeClock
from opsera_step.display import JobLog, LogLimit
from opsera_step.platforms import window_size
from opsera_step.platforms.terminal import Terminal
from opsera_step.runs import events
from opsera_step.text import Scrubber
from tests.oracles import hostile
from tests.oracles import terminal as oracle


def columns(text: str) -> int:
    """Count columns: wide characters take two (a few are listed here), marks none."""
    return sum(2 if ch in "日本語構築中🎉ビルド" else 0 if ch == "\u0301" else 1 for ch in text)


class Screen:
    """Draws what was printed: CR ESC[K erases the row, ESC[A goes up one.

    Made narrower, it wraps its rows again, as most terminals do.
    """

    def __init__(self, width: int = 200) -> None:
        self.width = width
        self.rows = [""]
        self.row = 0

    def feed(self, raw: str) -> None:
        for piece in re.split(r"(\n|\r\x1b\[K|\x1b\[A|\x1b\[[0-9;]*m)", raw):
            if piece == "\n":
                self.row += 1
                self.rows += [""] * (self.row - len(self.rows) + 1)
            elif piece == "\r\x1b[K":
                self.rows[self.row] = ""
            elif piece == "\x1b[A":
                self.row -= 1
                assert self.row >= 0
            elif not piece.startswith("\x1b"):
                assert "\r" not in piece and "\x1b" not in piece
                self.rows[self.row] += piece

    def resize(self, width: int) -> None:
        assert self.row == len(self.rows) - 1
        wrapped = [
            [row[at : at + width] for at in range(0, max(1, len(row)), width)] for row in self.rows
        ]
        self.rows = [part for parts in wrapped for part in parts]
        self.row = len(self.rows) - 1


def scrollback(raw: str) -> list[str]:
    """Return the rows that are left of what was printed."""
    screen = Screen()
    screen.feed(raw)
    assert not any(screen.rows[screen.row + 1 :])
    return screen.rows[: screen.row + 1]


WINDOW: dict[str, str] = {}
"""The size of the window: a StringIO has none of its own."""


@pytest.fixture
def narrow():
    WINDOW.update(COLUMNS="40", LINES="10")
    yield
    WINDOW.clear()


def shown(environ: dict[str, str] | None = None) -> tuple[Terminal, io.StringIO]:
    out = io.StringIO()
    return Terminal(ChainMap({"TERM": "xterm", **(environ or {})}, WINDOW), out, FakeClock()), out


def test_a_redrawn_line_leaves_no_trace(narrow):
    """After any mix of redrawn lines and log lines the scrollback contains only log lines."""
    platform, out = shown()
    platform.draw([("Run 42 · Build · 1s", "")])
    platform.draw([("Run 42 · Build · 2s", "")])
    platform.open_group("Build")
    platform.draw([("Run 42 · Build · 3s", "")])
    platform.lines(["one", "two"])
    platform.draw([("Run 42 · Build · 4s", "")])
    platform.print_message("done")
    platform.draw([("Run 42 · Build · 5s", "")])
    platform.annotate("error", "Token", "no")
    platform.draw([("Run 42 · Build · 6s", "")])
    platform.draw(())
    assert scrollback(out.getvalue()) == ["── Build ", "one", "two", "done", "Token: no", ""]


STEPS = [("✓ Build", "12s"), ("● Unit tests", "1m05s"), ("○ Deploy", ""), ("Run 42", "")]


def test_the_steps_are_drawn_below_the_log(narrow):
    """Below a rule are the steps, their times in a column, and what is in progress."""
    platform, out = shown()
    platform.lines(["log"])
    platform.draw(STEPS)
    *rows, last = scrollback(out.getvalue())
    assert rows == [
        "log", "─" * 24, "✓ Build         12s", "● Unit tests  1m05s", "○ Deploy",
    ]  # fmt: skip
    assert re.fullmatch(r"\S Run 42", last)


def test_what_is_drawn_leaves_no_trace(narrow):
    """Whatever is drawn, more lines or fewer, the scrollback contains only lines of the log."""
    platform, out = shown()
    for number in range(20):
        platform.draw(STEPS[number % 4 :])
        if number % 3 == 0:
            platform.lines([f"line {number}", "ESC-free"])
    platform.draw(())
    numbers = [f"line {number}" for number in range(0, 20, 3)]
    rows = scrollback(out.getvalue())
    assert [row for row in rows if row.startswith("line")] == numbers
    assert len(rows) == 2 * len(numbers) + 1
    assert rows[-1] == ""


@pytest.mark.parametrize("width", [39, 20, 7])
def test_a_window_can_be_made_narrower(narrow, width):
    """Lines that wrap because of that are erased as a whole, and no others."""
    platform, out = shown()
    screen = Screen()
    platform.lines(["one", "two"])
    platform.draw(STEPS)
    screen.feed(out.getvalue())
    screen.resize(width)
    WINDOW["COLUMNS"] = str(width)
    before = len(out.getvalue())
    platform.lines(["three"])
    platform.draw(())
    screen.feed(out.getvalue()[before:])
    assert [row for row in screen.rows if row] == ["one", "two", "three"]


@pytest.mark.parametrize(("height", "room"), [(10, 2), (24, 7), (60, 11), (3, 1)])
def test_most_of_the_window_belongs_to_the_log(narrow, height, room):
    """Drawn lines never take more than a third of the window."""
    WINDOW.update(COLUMNS="80", LINES=str(height))
    assert shown()[0].room == room


def test_what_is_drawn_is_never_gone_between_two_writes(narrow):
    """A log line and the lines below it are one write, so that nothing flickers."""
    platform, out = shown()
    platform.draw(STEPS)
    drawn = scrollback(out.getvalue())
    for number in range(3):
        platform.lines([f"line {number}"])
        assert scrollback(out.getvalue()) == [*(f"line {one}" for one in range(number + 1)), *drawn]
    platform.draw(())
    assert scrollback(out.getvalue()) == ["line 0", "line 1", "line 2", ""]


def test_what_is_drawn_has_colors_that_end(narrow):
    """Each state has its color, within its line; without colors the signs are enough."""
    platform, out = shown()
    platform.draw(STEPS)
    assert "\x1b[32m✓ Build" in out.getvalue()
    assert oracle.effects(out.getvalue()) == []
    platform, out = shown({"NO_COLOR": "1"})
    platform.draw(STEPS)
    assert "\x1b" not in out.getvalue()


def test_names_too_long_are_cut_before_their_times(narrow):
    """However long the names, the times are shown, and no line is as wide as the window."""
    platform, out = shown()
    platform.draw([("✓ " + "x" * 99, "12s"), ("● " + "日" * 50, "1m05s"), ("now", "")])
    rows = scrollback(out.getvalue())
    assert all(columns(row) <= 39 for row in rows)
    assert [row[-5:] for row in rows[1:3]] == ["  12s", "1m05s"]


def test_our_messages_wrap_between_words(narrow):
    """A long message breaks between words; a URL stays whole, so that it can be clicked."""
    platform, out = shown()
    url = "https://app.opsera.io/workflow/details/65a4f00dc0ffee0123456789/summary"
    platform.print_message("one two three four five six seven eight nine ten " + url)
    platform.annotate("error", "Opsera step failed", "No further details about “Unit tests”")
    assert scrollback(out.getvalue())[:-1] == [
        "one two three four five six seven eight", "nine ten", url,
        "Opsera step failed: No further details", "about “Unit tests”",
    ]  # fmt: skip


def test_wide_messages_wrap_between_words_too(narrow):
    """Wide characters count as two columns, so that no ID breaks at the edge of the window."""
    platform, out = shown()
    platform.print_message("Pipeline “日本語の名前のパイプライン” (65a4f00dc0ffee0123456789) at")
    platform.print_message("")
    platform.print_message("  indented text")
    assert scrollback(out.getvalue())[:-1] == [
        "Pipeline “日本語の名前のパイプライン”", "(65a4f00dc0ffee0123456789) at", "",
        "  indented text",
    ]  # fmt: skip


def test_hostile_names_are_drawn_as_text(narrow):
    """Steps with hostile names are drawn and erased like others; only log lines stay."""
    platform, out = shown()
    names = [sample.text for sample in hostile.samples(41, 120)]
    log = JobLog(platform, Scrubber("no-such-token"), FakeClock(), LogLimit(None))
    log.set_plan([Step(str(number), name) for number, name in enumerate(names)])
    for number in range(len(names)):
        log.show(events.LogLines(str(number), "Step", "", (f"line {number}",)))
    log.finish()
    rows = scrollback(out.getvalue())
    kept = [row for row in rows if not row.startswith("── Step")]
    assert kept == [*(f"line {number}" for number in range(len(names))), ""]


@pytest.mark.parametrize(
    "text", ["a" + "日" * 60, "ab" + "🎉" * 60, "e\u0301" * 60, "\x1b[31mred\x1b[0m" * 40]
)
def test_a_redrawn_line_fits_the_width(narrow, text):
    """However wide its characters, it never wraps, because it could not be erased."""
    platform, out = shown()
    platform.draw([(text, "")])
    line = scrollback(out.getvalue())[-1]
    assert columns(line) <= 39
    assert line.endswith("…")


def test_no_color_is_obeyed(narrow):
    """With NO_COLOR only erasing sequences are printed besides text."""
    platform, out = shown({"NO_COLOR": "1"})
    platform.open_group("Build")
    platform.print_message("careful", "warning")
    platform.draw([("Run 42", "")])
    platform.annotate("error", "Token", "no")
    platform.draw(())
    assert "m" not in {found[-1] for found in re.findall(r"\x1b\[[0-9;]*.", out.getvalue())}
    assert scrollback(out.getvalue()) == ["── Build ", "careful", "Token: no", ""]


def test_the_window_is_that_of_the_stream(monkeypatch):
    """The size is that of the terminal which is written to, whatever stdout is."""
    monkeypatch.setenv("COLUMNS", "999")
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as out:
        fcntl.ioctl(out, termios.TIOCSWINSZ, struct.pack("HHHH", 31, 77, 0, 0))
        assert tuple(window_size({"COLUMNS": "50"}, out)) == (77, 31)
        fcntl.ioctl(out, termios.TIOCSWINSZ, struct.pack("HHHH", 0, 0, 0, 0))
        assert tuple(window_size({"COLUMNS": "50", "LINES": "x"}, out)) == (50, 24)
    os.close(ours)
    assert tuple(window_size({"COLUMNS": "0", "LINES": "9"}, io.StringIO())) == (80, 9)


def test_what_matters_is_bold(narrow):
    """The title, or the first sentence if there is no need for a title, on each of its lines."""
    platform, out = shown()
    platform.annotate("error", "Token", "It expires.")
    failed = "Run 42 of “Shop” failed at step “Tests”."
    platform.annotate("error", "Opsera pipeline failed", f"{failed} So")
    bold, end = "\x1b[1m\x1b[31m", "\x1b[0m"
    assert out.getvalue().splitlines() == [
        f"{bold}Token{end}: It expires.", f"{bold}{failed}{end}", "So",
    ]  # fmt: skip
