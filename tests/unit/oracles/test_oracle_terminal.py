"""The terminal: each kind of control function is seen, and plain colored text is not."""

from __future__ import annotations

import pytest

from tests.oracles import terminal


def test_harmless() -> None:
    for text in (
        "", "plain\ttext\r\nnext\n", "\x1b[31mred\x1b[0m\n", "\x1b[1;4;38;5;196mx\x1b[m",
        "\x1b[38:2::1:2:3mx\x1b[39m", "\x1b[4:3mx\x1b[4:0m", "\x1b[1mx\x1b[22m\x1b[7my\x1b[27m",
        "\x1b[48;5;1;1mx\x1b[49;22m", "日本語 עברית 🎉 \u200e\u200d\ufeff", "\x1b[0m\x1b[39;49m\n",
    ):  # fmt: skip
        assert terminal.effects(text) == [], text


EFFECTS = {
    "cursor": ("a\rb", "a\bb", "\x0b", "\x1b[5A", "\x1b[1;1H", "\x1b7", "\x1bM"),
    "erase": ("\x1b[2J", "\x1b[K", "\x1b#8"),
    "mode": ("\x1b[?25l", "\x1b[>4;1m", "\x1b="),
    "margins": ("\x1b[2;5r",), "report": ("\x1b[6n", "\x1bZ"), "repeat": ("\x1b[9b",),
    "tabs": ("\x1b[3g",), "print": ("\x1b[5i",), "window": ("\x1b[8;1;1t",),
    "reset": ("\x1b[!p", "\x1bc"), "charset": ("\x1b(0", "\x1b%@", "\x0e"),
    "osc": ("\x1b]0;t\x07", "\x1b]8;;u\x1b\\"), "dcs": ("\x1bPq\x1b\\",),
    "sos": ("\x1bXq\x1b\\",), "pm": ("\x1b^q\x9c",), "apc": ("\x1b_q\x1b\\",),
    "c1": ("\x9b31m", "\x85"), "bell": ("\x07", "\x1b[" + "1" * 5000 + "\ax"),
    "bidi": ("\u202ecba", "\u2067"), "conceal": ("\x1b[8mhidden\x1b[28m",),
    "control": ("\0", "\x7f"), "csi": ("\x1b[z",), "escape": ("\x1b1",),
    "unfinished": ("\x1b", "\x1b[31", "\x1b]0;t", "\x1b[3\x18x"),
    "sgr-leak": ("\x1b[31mred", "\x1b[31mred\nstill\x1b[0m", "\x1b[1;31mred\x1b[39m\n"),
}  # fmt: skip
"""What a terminal does besides printing, and texts that make it do that."""


@pytest.mark.parametrize("kind", EFFECTS)
def test_effects(kind: str) -> None:
    for text in EFFECTS[kind]:
        assert kind in {effect.kind for effect in terminal.effects(text)}, text


def test_places() -> None:
    (effect,) = terminal.effects("ab\x1b[2Kcd")
    assert effect == terminal.Effect("erase", "\x1b[2K", 2)


def test_printed() -> None:
    text = "a\x1b[31mb\x1b[0m\x1b]0;lost\x07c\nd\x1b]0;all\nlost"
    assert terminal.printed(text) == "abc\nd"


def test_a_control_inside_a_sequence_is_obeyed() -> None:
    screen = terminal.screen("\x1b[3\r1mx\x1b[0m")
    assert screen.kinds == {"cursor"}
    assert screen.printed == "x"


def test_a_sequence_broken_by_another() -> None:
    screen = terminal.screen("\x1b[3\x1b[2Jx")
    assert screen.kinds == {"unfinished", "erase"}
    assert screen.printed == "x"


def test_every_leaking_line_is_named() -> None:
    leaks = terminal.effects("\x1b[31ma\nb\nc\x1b[0m\nd\n")
    assert [effect.kind for effect in leaks] == ["sgr-leak", "sgr-leak"]
