"""The terminal: each kind of control function is seen, and plain colored text is not."""

from __future__ import annotations

import pytest

from tests.oracles import terminal


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain\ttext\r\nnext\n",
        "\x1b[31mred\x1b[0m\n",
        "\x1b[1;4;38;5;196mx\x1b[m",
        "\x1b[38;2;1;2;3mx\x1b[39m",
        "\x1b[38:2::1:2:3mx\x1b[39m",
        "\x1b[4:3mx\x1b[4:0m",
        "\x1b[1mx\x1b[22m\x1b[7my\x1b[27m",
        "\x1b[48;5;1;1mx\x1b[49;22m",
        "日本語 עברית 🎉 \u200e\u200d\ufeff",
        "\x1b[0m\x1b[39;49m\n",
    ],
)
def test_harmless(text: str) -> None:
    assert terminal.effects(text) == []


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("a\rb", "cursor"),
        ("a\bb", "cursor"),
        ("\x0b", "cursor"),
        ("\x1b[5A", "cursor"),
        ("\x1b[1;1H", "cursor"),
        ("\x1b7", "cursor"),
        ("\x1bM", "cursor"),
        ("\x1b[2J", "erase"),
        ("\x1b[K", "erase"),
        ("\x1b#8", "erase"),
        ("\x1b[?25l", "mode"),
        ("\x1b[>4;1m", "mode"),
        ("\x1b=", "mode"),
        ("\x1b[2;5r", "margins"),
        ("\x1b[6n", "report"),
        ("\x1bZ", "report"),
        ("\x1b[9b", "repeat"),
        ("\x1b[3g", "tabs"),
        ("\x1b[5i", "print"),
        ("\x1b[8;1;1t", "window"),
        ("\x1b[!p", "reset"),
        ("\x1bc", "reset"),
        ("\x1b(0", "charset"),
        ("\x1b%@", "charset"),
        ("\x0e", "charset"),
        ("\x1b]0;t\x07", "osc"),
        ("\x1b]8;;u\x1b\\", "osc"),
        ("\x1bPq\x1b\\", "dcs"),
        ("\x1bXq\x1b\\", "sos"),
        ("\x1b^q\x9c", "pm"),
        ("\x1b_q\x1b\\", "apc"),
        ("\x9b31m", "c1"),
        ("\x85", "c1"),
        ("\x07", "bell"),
        ("\u202ecba", "bidi"),
        ("\u2067", "bidi"),
        ("\x1b[8mhidden\x1b[28m", "conceal"),
        ("\0", "control"),
        ("\x7f", "control"),
        ("\x1b[z", "csi"),
        ("\x1b1", "escape"),
        ("\x1b", "unfinished"),
        ("\x1b[31", "unfinished"),
        ("\x1b]0;t", "unfinished"),
        ("\x1b[3\x18x", "unfinished"),
        ("\x1b[31mred", "sgr-leak"),
        ("\x1b[31mred\nstill\x1b[0m", "sgr-leak"),
        ("\x1b[1;31mred\x1b[39m\n", "sgr-leak"),
        ("\x9b31mred\n", "sgr-leak"),
        ("\x1b[" + "1" * 5000 + "\ax", "bell"),
    ],
)
def test_effects(text: str, kind: str) -> None:
    assert kind in {effect.kind for effect in terminal.effects(text)}


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
