"""A terminal: the line that moves leaves no trace; judged by drawing the screen."""

from __future__ import annotations

import io
import re

import pytest

from opsera_step.platforms.terminal import Terminal, _fit
from opsera_step.timing import FakeClock
from tests.oracles import terminal as oracle


def columns(text: str) -> int:
    """Count columns: wide characters take two (a few are listed here), marks none."""
    return sum(2 if ch in "日本語構築中🎉ビルド" else 0 if ch == "\u0301" else 1 for ch in text)


def scrollback(raw: str) -> list[str]:
    """Draw what was printed: a return goes to the first column, ESC[K erases what is there."""
    rows = [""]
    for piece in re.split(r"(\n|\r\x1b\[K|\x1b\[[0-9;]*m)", raw):
        if piece == "\n":
            rows.append("")
        elif piece == "\r\x1b[K":
            rows[-1] = ""
        elif not piece.startswith("\x1b"):
            assert "\r" not in piece and "\x1b" not in piece
            rows[-1] += piece
    return rows


@pytest.fixture
def narrow(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("LINES", "10")


def shown(environ: dict[str, str] | None = None) -> tuple[Terminal, io.StringIO]:
    out = io.StringIO()
    return Terminal({"TERM": "xterm", **(environ or {})}, out, FakeClock()), out


def test_the_moving_line_leaves_no_trace(narrow):
    """After any mix of moving lines and log lines the scrollback holds the log lines only."""
    platform, out = shown()
    platform.status_line("Run 42 · Build · 1s")
    platform.status_line("Run 42 · Build · 2s")
    platform.open_group("Build")
    platform.status_line("Run 42 · Build · 3s")
    platform.lines(["one", "two"])
    platform.status_line("Run 42 · Build · 4s")
    platform.say("done")
    platform.status_line("Run 42 · Build · 5s")
    platform.annotate("error", "Opsera", "no")
    platform.status_line("Run 42 · Build · 6s")
    platform.status_line("")
    assert scrollback(out.getvalue()) == ["── Build ", "one", "two", "done", "Opsera: no", ""]


def test_the_moving_line_shows_the_newest(narrow):
    """The moving line is drawn over the one before, without a line end."""
    platform, out = shown()
    platform.status_line("a")
    platform.status_line("b")
    assert re.fullmatch(r"\S b", scrollback(out.getvalue())[-1])
    assert "\n" not in out.getvalue()


def test_nothing_is_erased_without_need(narrow):
    """Without a moving line nothing is erased: no text of others before us is touched."""
    platform, out = shown()
    platform.status_line("")
    platform.lines(["one"])
    assert out.getvalue() == "one\n"


@pytest.mark.parametrize(
    "text",
    [
        "x" * 100,
        "日本" * 60,
        "a" + "日" * 60,
        "ab" + "🎉" * 60,
        "e\u0301" * 60,
        "\x1b[31mred\x1b[0m" * 40,
    ],
)
def test_the_moving_line_fits_the_width(narrow, text):
    """However wide its characters, the moving line never wraps, for it could not be erased then."""
    platform, out = shown()
    platform.status_line(text)
    line = scrollback(out.getvalue())[-1]
    assert columns(line) <= 39
    assert line.endswith("…")


@pytest.mark.parametrize(
    ("width", "fitted"), [(10, "abcdef"), (6, "abcdef"), (5, "abcd…"), (1, "…")]
)
def test_text_is_cut_at_the_width(width, fitted):
    """Text that fits stays as it is, longer text ends with a sign that it was cut."""
    assert _fit("abcdef", width) == fitted


@pytest.mark.parametrize(
    ("text", "width", "fitted"), [("日本語", 6, "日本語"), ("日本語", 5, "日…"), ("a日", 2, "…")]
)
def test_wide_characters_take_two_columns(text, width, fitted):
    """A wide character is shown whole or not at all."""
    assert _fit(text, width) == fitted
    assert columns(fitted) <= max(width, 1)


def test_no_color_leaves_no_colour(narrow):
    """With NO_COLOR nothing but the moving line's own erasing is printed besides text."""
    platform, out = shown({"NO_COLOR": "1"})
    platform.open_group("Build")
    platform.say("careful", "warning")
    platform.status_line("Run 42")
    platform.annotate("error", "Opsera", "no")
    assert "m" not in {found[-1] for found in re.findall(r"\x1b\[[0-9;]*.", out.getvalue())}
    assert scrollback(out.getvalue()) == ["── Build ", "careful", "Opsera: no", ""]


def test_colours_end_with_their_lines(narrow):
    """Each painted line ends without colour, and nothing but painting happens."""
    platform, out = shown()
    platform.open_group("Build")
    platform.say("x")
    platform.say("careful", "warning")
    platform.annotate("error", "Opsera", "no")
    platform.lines([""])
    assert oracle.effects(out.getvalue()) == []
    assert oracle.printed(out.getvalue()) == "── Build \nx\ncareful\nOpsera: no\n\n"


def test_it_wants_to_move():
    """A terminal asks to be told of passing time, twice a second."""
    assert Terminal.tick == 0.5
    assert not Terminal.folds
