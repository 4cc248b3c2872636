"""GitHub Actions, judged by a port of the runner's own parsers."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsera_step.clock import FakeClock
from opsera_step.platforms.github import (
    ANNOTATION_LENGTH,
    GitHub,
    escape_commands,
    escape_data,
    escape_property,
    file_entry,
    first_sentences,
)
from tests.oracles import github_files, github_runner, hostile

VALUES = [
    "", "plain", "a=b", "a<<b", "<<", "two\nlines", "\n", "a\n", "\na", "a\r\nb", "a\rb",
    "x\nghadelimiter_0123\ny", "n<<EOF\n1\nEOF", " padded ", "\ufeffbom", "é 🎉 \x00 \x85 \u2028",
    "a\n" * 1000,
]  # fmt: skip


def github(environ: dict[str, str] | None = None) -> tuple[GitHub, io.StringIO]:
    out = io.StringIO()
    return GitHub(environ or {}, out, FakeClock()), out


def runner(out: io.StringIO) -> github_runner.Runner:
    return github_runner.Runner().feed(out.getvalue().encode("utf-8", "replace"))


def test_file_entries_are_read_back_as_they_were():
    """Whatever a value holds, the runner reads it back, and nothing else with it."""
    for value in VALUES:
        data = (file_entry("message", value) + file_entry("status", "failed")).encode()
        found = github_files.outputs(data)
        assert found.error is None
        assert found.pairs == [("message", value), ("status", "failed")]


@given(st.text())
def test_no_value_forges_another(value):
    """No text at all can set an output other than its own."""
    found = github_files.outputs((file_entry("a", value) + file_entry("b", "2")).encode())
    assert (found.error, found.pairs) == (None, [("a", value), ("b", "2")])


def test_a_delimiter_is_used_once():
    """A delimiter that was seen in one entry ends no other entry."""
    first, second = (file_entry("a", "x\ny").splitlines()[0] for _ in range(2))
    assert first != second


def test_outputs_are_appended(tmp_path):
    """Early and final outputs are in one file; the later ones win."""
    file = tmp_path / "out"
    file.write_text("earlier=1\n")
    platform, _ = github({"GITHUB_OUTPUT": str(file)})
    assert platform.write_outputs({"runCount": "42", "status": "running"}, "") == ""
    assert platform.write_outputs({"status": "success", "message": "a\ud800b"}, "") == ""
    assert github_files.outputs(file.read_bytes()).values == {
        "earlier": "1", "runCount": "42", "status": "success", "message": "a?b",
    }  # fmt: skip


@pytest.mark.parametrize("missing", ["directory", "unset"])
def test_an_output_file_that_cannot_be_written(tmp_path, missing):
    """A missing GITHUB_OUTPUT is reported; the file that the user named is written anyway."""
    environ = {"GITHUB_OUTPUT": str(tmp_path)} if missing == "directory" else {}
    platform, _ = github(environ)
    failure = platform.write_outputs({"status": "success"}, str(tmp_path / "opsera.env"))
    assert "GITHUB_OUTPUT" in failure
    assert (tmp_path / "opsera.env").read_text() == "OPSERA_STATUS=success\n"
    assert platform.write_outputs({}, "") == ""


@pytest.mark.parametrize("before", ["mine=1", "mine=1\n", ""])
def test_a_line_without_its_end_does_not_swallow_an_output(tmp_path, before):
    """Another program may have left the last line of the file open."""
    file = tmp_path / "out"
    file.write_text(before)
    platform, _ = github({"GITHUB_OUTPUT": str(file)})
    platform.write_outputs({"status": "success"}, "")
    assert file.read_text() == (before.rstrip("\n") + "\n" if before else "") + "status=success\n"


def test_state_is_passed_to_the_post_step(tmp_path):
    """What the main step saves comes back as STATE_ variables, as the runner sets them."""
    file = tmp_path / "state"
    platform, _ = github({"GITHUB_STATE": str(file)})
    platform.save_state({"pipeline": "abc", "before": "41"})
    platform.save_state({"run_count": "42"})
    saved = github_files.state(file.read_bytes()).values
    post, _ = github({f"STATE_{name}": value for name, value in saved.items()})
    assert post.saved_state("") == {"pipeline": "abc", "before": "41", "run_count": "42"}
    assert platform.saved_state("") == {}


def test_the_summary_is_written(tmp_path):
    """The summary is appended to the file of the step; a failure is reported."""
    file = tmp_path / "summary"
    platform, _ = github({"GITHUB_STEP_SUMMARY": str(file)})
    assert (platform.summary_room > 1_000_000, platform.write_summary("# é\n")) == (True, "")
    assert github_files.summary(file.read_bytes()).text == "# é\n"
    assert github({"GITHUB_STEP_SUMMARY": ""})[0].summary_room == 0
    assert "Can't write" in github({"GITHUB_STEP_SUMMARY": str(tmp_path)})[0].write_summary("#")


def test_summaries_of_one_step_read_as_one_page(tmp_path):
    """A second summary follows below a rule, and has the room that the first one left."""
    file = tmp_path / "summary"
    platform, _ = github({"GITHUB_STEP_SUMMARY": str(file)})
    platform.write_summary("one\n")
    platform.write_summary("two\n")
    assert file.read_text("utf-8") == "one\n\n\n---\n\ntwo\n"
    file.write_text("x" * 1_048_000)
    room = platform.summary_room
    assert 500 < room < 576
    platform.write_summary("y" * room)
    assert github_files.summary(file.read_bytes()).error is None
    file.write_text("x" * 2**21)
    assert platform.summary_room == 0


def test_details_of_an_annotation_are_text(tmp_path):
    """Log lines in an annotation are shown as they are and run no command."""
    platform, out = github()
    platform.annotate("error", "t", "It failed.", ["::error::x", "  ##[group]y", "100%"])
    read = runner(out)
    assert [one.message for one in read.annotations] == [
        "It failed.\n: :error::x\n## [group]y\n100%"
    ]
    assert not read.forged


@pytest.mark.parametrize(
    ("text", "details", "message"),
    [
        ("Failed.", ["", " a", "b"], "Failed.\na\nb"),
        ("Failed.", ["a" * 150, "b" * 150], "Failed.\n" + "a" * 150),
        ("Failed.", ["a" * 250], "Failed.\n" + "a" * 192 + "…"),
        ("x" * 199 + ".", ["a" * 250], "x" * 199 + ".\n" + "a" * 59 + "…"),
    ],
)
def test_details_are_quoted_as_far_as_there_is_room(text, details, message):
    """An annotation is read apart from the log: the first detail always has some room."""
    platform, out = github()
    platform.annotate("error", "t", text, details)
    assert [one.message for one in runner(out).annotations] == [message]


def test_groups_do_not_nest():
    """A group closes the one before it, and closing twice prints one end."""
    platform, out = github()
    platform.close_group()
    platform.open_group("Build 100%")
    platform.lines(["a"])
    platform.open_group("Test")
    platform.close_group()
    platform.close_group()
    read = runner(out)
    assert [group.title for group in read.groups] == ["Build 100%", "Test"]
    assert read.balanced


def test_a_long_annotation_continues_in_the_log():
    """An annotation has the first sentences; the others are lines of the log, none is lost."""
    platform, out = github()
    long = "https://portal.opsera.io/" + "x" * 200
    platform.annotate("error", "t", f"It failed. Do this. View in Opsera: {long}\nAnother line.")
    platform.annotate("warning", "t", "y" * 5000)
    read = runner(out)
    assert [one.message for one in read.annotations] == [
        "It failed. Do this.", "y" * (ANNOTATION_LENGTH - 1) + "…",
    ]  # fmt: skip
    assert f"[opsera] View in Opsera: {long}" in read.log
    assert "[opsera] Another line." in read.log
    assert "[opsera] " + "y" * 5000 in read.log


@pytest.mark.parametrize(
    ("text", "first", "rest"),
    [
        ("One. Two! Three", "One. Two!", ["Three"]),
        ("One. Two! x", "One. Two! x", []),
        ("A sentence of sixteen. B", "A sent…", ["A sentence of sixteen.", "B"]),
        ("v1.2 of a.b", "v1.2 of a.b", []),
        ("", "", []),
    ],
)
def test_a_text_is_split_between_sentences(text, first, rest):
    """A URL or a version is not split; a sentence that is too long stands whole in the rest."""
    length = 7 if first.endswith("…") else 11
    assert first_sentences(text, length) == (first, rest)


def test_the_token_is_masked():
    """The runner masks the token with any characters in it, but never an empty one."""
    platform, out = github()
    platform.mask("to%0Aken:,=")
    platform.mask("\u0301secret")
    platform.mask("")
    platform.mask(" ")
    read = runner(out)
    assert read.masks == ["to%0Aken:,=", "\n\u0301secret", "\u0301secret"]
    assert not read.annotations and not read.unrecognized


JOINING = ["\u0301", "\u0e33", "\u0591\u0301", "\u200d\u0301", "\U0001f3fb", "\uff9e", "\u0903"]


@pytest.mark.parametrize("start", [*JOINING, "e\u0301", "\u200b", "ก", ""])
def test_commands_with_joining_characters_are_recognized(start):
    """A title that starts with a combining mark is a title: the runner finds its `::`."""
    for end in ("", "\u0600", "\u0d4e", "\U00011a3a", "é"):
        platform, out = github()
        platform.open_group(f"{start}x{end}")
        platform.close_group()
        platform.annotate("error", f"{start}x{end}", f"{start}message{end}")
        read = runner(out)
        assert read.unrecognized == []
        assert [one.name for one in read.commands] == ["group", "endgroup", "error"]
        assert [one.title.strip() for one in read.groups] == [f"{start}x{end}".strip()]


def test_a_title_can_start_with_every_code_point():
    """There is no character before which the runner overlooks our command."""
    platform, out = github()
    for code in (*range(0x20, 0xD800), *range(0xFB00, 0x12000), *range(0x1D000, 0x20000)):
        out.truncate(out.seek(0))
        platform.open_group(f"{chr(code)}x")
        assert github_runner.is_recognized(out.getvalue().split("\n")[-2]), hex(code)


@pytest.mark.parametrize("text", ["a%b", "%0A", "%25", "a\nb\r", "::error::x", "a:b,c"])
def test_escapes_are_the_runners(text):
    """What is escaped for a command is what the runner unescapes."""
    assert escape_data(text) == github_runner.escape_data(text)
    assert escape_property(text) == github_runner.escape_property(text)


@pytest.mark.parametrize(
    ("line", "safe"),
    [
        ("::error::x", ": :error::x"), ("\ufeff  \t::error::x", "\ufeff  \t: :error::x"),
        (":\u200b:error::x", ": \u200b:error::x"), ("a ##[error]x", "a ## [error]x"),
        ("#\u200b#[group]x", "#\u200b# [group]x"), ("##[a]##[b]", "## [a]## [b]"),
        ("std::vector<int>", "std::vector<int>"), ("## [heading]", "## [heading]"),
        ("[::1]:8080 ok", "[::1]:8080 ok"),
    ],
)  # fmt: skip
def test_commands_are_broken_and_nothing_else(line, safe):
    """A space breaks what the runner would run; every other line is left as it is."""
    assert escape_commands(line) == safe
    read = github_runner.Runner().feed(f"{safe}\n".encode())
    assert not read.commands and not read.forged


def test_hostile_text_in_each_place():
    """Hostile text runs and forges nothing: in a line, a message, a title, an annotation."""
    platform, out = github()
    texts = ["".join(one.text.splitlines()) for one in hostile.samples(3, 3000)]
    for text in texts:
        platform.lines([text])
        platform.print_message(text, "warning")
    platform.open_group(texts[5])
    platform.close_group()
    platform.annotate("error", texts[7], texts[8])
    read = runner(out)
    assert {one.name for one in read.commands} == {"group", "endgroup", "error"}
    assert len(read.commands) == 3
    assert read.forged == []
