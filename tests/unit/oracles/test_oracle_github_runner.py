"""The port of the runner's command parser and of what its commands do."""

from __future__ import annotations

import pytest

from tests.oracles import github_runner as gh
from tests.oracles.github_runner import Runner, command


def run(text: str) -> Runner:
    return Runner().feed(text.encode())


def name(line: str) -> str | None:
    found = command(line)
    return found.name if found else None


def test_commands() -> None:
    """Both forms, in any case, after white space, with weightless characters in between."""
    for line, expected in {
        "::ERROR::x": "ERROR", " \t\x0b\x85\xa0\u2028::debug::": "debug", "::group:::x": "group",
        "::error title=a b,file=c::x": "error", "text ##[Add-Mask]x": "Add-Mask",
        "##[error a=b;c=d]x": "error", "::nothing:: ##[error]x": "error",
        "::error##[group]x": "group", "::error:\u200b:x": "error", "::error:\0:x": "error",
        "##[\u0301##[error]x": "error",
        **{f"::{name}::x": name for name in gh.REGISTERED},
        **{f"a##[{name}]x": name for name in gh.REGISTERED},
    }.items():  # fmt: skip
        assert name(line) == expected, line


def test_no_commands() -> None:
    """What the runner prints as it is."""
    for line in (
        "", "::", "::::", "::error", ":: error::x", "::error\t::x", "::errors::x", "| ::error::x",
        "::internal-set-repo-path::x", "\x1b[0m::error::x", "\u200b::error::x", "\ufeff::error::x",
        "\x1c::error::x", ":\u200b:error::x", "::err\u200bor::x", "::error: :x",
        "::ſtop-commands::x", "std::vector<int>::size", "##[error", "## [error]x",
        "##[x]##[error]y", "#\u200b#[error]x", "##\u200b[error]x", "##[ error]x", "#[error]",
    ):  # fmt: skip
        assert command(line) is None, line


def test_properties_and_data() -> None:
    found = command("::error  title=a%3Ab%2Cc%250A,,FILE==x=y,empty=,=z::m%0D%0A%25%3A%0a::n")
    assert found == gh.Command("error", {"title": "a:b,c%0A", "file": "x=y"}, "m\r\n%%3A%0a::n", 2)


def test_version_one_properties() -> None:
    found = command("a##[error title=a%3Bb%5Dc%2C;file=x]m%3B%5D%25]n")
    assert found == gh.Command("error", {"title": "a;b]c%2C", "file": "x"}, "m;]%]n", 1)


@pytest.mark.parametrize("text", ["plain", "%0A%25", "a\r\nb:c,d", "100%", "::x::", "é🎉"])
def test_escapes_are_undone(text: str) -> None:
    line = f"::error title={gh.escape_property(text)}::{gh.escape_data(text)}"
    (annotation,) = run(line).annotations
    assert (annotation.title, annotation.message) == (text, text)


def test_mask() -> None:
    runner = run("::add-mask::abc%0Adef\nabc def abc\n")
    assert runner.masks == ["abc\ndef", "abc", "def"]
    assert runner.log == ["*** *** ***"]


def test_empty_mask_warns() -> None:
    runner = run("::add-mask:: \n")
    assert not runner.masks
    assert [item.level for item in runner.annotations] == ["warning"]


def test_groups() -> None:
    runner = run("::group::One\nx\n::endgroup::\n::group::Two%0Ay\n::endgroup::\n")
    assert [(group.title, group.closed, group.forged) for group in runner.groups] == [
        ("One", True, False),
        ("Two", True, False),
    ]
    assert runner.balanced
    assert not runner.forged


@pytest.mark.parametrize(
    "text",
    [
        "::group::a\n", "::endgroup::\n", "::group::a\n::group::b\n::endgroup::\n",
        "::group::a\n::group::b\n::endgroup::\n::endgroup::\n", "##[group]a\n",
    ],
)  # fmt: skip
def test_unbalanced_groups(text: str) -> None:
    assert not run(text).balanced


def test_a_decoded_line_end_forges_a_group() -> None:
    runner = run("::error::a%0A##[group]evil\n")
    assert runner.forged == ["##[group]evil"]
    assert [(group.title, group.forged) for group in runner.groups] == [("evil", True)]
    assert run("::notice::a ##[endgroup]\n").forged


def test_markers() -> None:
    assert gh.markers("##[group]a ##[error]b") == [
        gh.Marker("group", "a ##[error]b", True),
        gh.Marker("error", "b", False),
    ]
    assert not gh.markers("##[nothing]a ## [group]")


def test_section_marker_is_no_command_but_forged() -> None:
    runner = run("##[section]a\n")
    assert not runner.commands
    assert runner.forged == ["##[section]a"]


@pytest.mark.parametrize(
    "line",
    [
        "##[start-action display=Deploy;id=x]",
        "x ##[end-action id=x;outcome=success;conclusion=success;duration_ms=5]",
    ],
)
def test_action_markers_are_forged_steps(line: str) -> None:
    runner = run(line)
    assert not runner.commands
    assert runner.forged == [line]
    assert not run(line.replace("##[", "## [")).forged


@pytest.mark.parametrize(
    ("line", "recognized"),
    [
        ("::group::Build", True), ("::group::\u0301x", False), ("::group:: \u0301x", True),
        ("::group::\u0e33x", False), ("::group::\U0001f3fbx", False),
        ("::group::\u0591\u0301x", False), ("::group::e\u0301", True),
        ("::error title=x\u0600::m", False), ("##[\u0301error]x", False), ("a ##[error]x", True),
    ],
)  # fmt: skip
def test_commands_that_the_runner_overlooks(line: str, recognized: bool) -> None:
    assert gh.is_recognized(line) is recognized
    assert run(line).unrecognized == ([] if recognized or command(line) is None else [line])


def test_stop_commands() -> None:
    runner = run("::stop-commands::Token123\n::error::x\n##[group]y\n::token123::\n::error::z\n")
    assert [item.message for item in runner.annotations] == ["z"]
    assert runner.log[:2] == ["::stop-commands::***", "::error::x"]
    assert runner.forged == ["##[group]y"]
    assert runner.masks == ["Token123"]
    assert not runner.stopped


def test_stop_without_resume() -> None:
    runner = run("::stop-commands::abc\n::add-mask::x\n::stop-commands::def\n::def::\n")
    assert runner.stopped
    assert runner.masks == []


@pytest.mark.parametrize("token", ["", "error", "ADD-MASK", "Pause-Logging", "stop-commands"])
def test_stop_tokens_refused(token: str) -> None:
    runner = run(f"::stop-commands::{token}\n::error::x\n")
    assert not runner.stopped
    assert len(runner.annotations) == 1
