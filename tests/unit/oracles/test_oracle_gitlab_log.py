"""The port of GitLab's reading of a job log."""

from __future__ import annotations

import pytest

from tests.oracles import gitlab_log
from tests.oracles.gitlab_log import parse

START = b"\x1b[0Ksection_start:10:%s\r\x1b[0K"
END = b"\x1b[0Ksection_end:20:%s\r\x1b[0K"


@pytest.mark.parametrize("engine", [1, 2])
def test_section(engine: int) -> None:
    data = START % b"One.1[collapsed=true]" + b"Title\nx\n" + END % b"One.1" + b"after\n"
    log = parse(data, engine=engine)
    (section,) = log.sections
    assert (section.raw, section.name, section.header) == ("One.1", "one-1", "Title")
    assert section.options == {"collapsed": "true"}
    assert (section.start, section.end, section.depth) == (10, 20, 0)
    assert log.balanced
    assert log.forged({"One.1"}) == []
    assert log.forged(set()) == ["One.1"]
    assert [(line.text, line.section, line.header) for line in log.lines] == [
        ("Title", "one-1", True),
        ("x", "one-1", False),
        ("after", None, False),
    ]


@pytest.mark.parametrize(
    "data",
    [
        START % b"a",
        END % b"a",
        START % b"a" + START % b"b" + END % b"a" + END % b"b",
        START % b"a" + START % b"a" + END % b"a",
        START % b"a_1" + END % b"a_1" + START % b"a-1" + END % b"a-1",
    ],
)
def test_unbalanced(data: bytes) -> None:
    assert not parse(data).balanced


@pytest.mark.parametrize(
    "data",
    [
        b"section_start:1:a\r\x1b[0K",
        b"text section_start:1:a\r\x1b[0K",
        b"\x1b[31msection_start:99999999999999999999999:a[x=y, z=w]\r\x1b[0Kt",
        b"section_end:1:a\r\x1b[0K",
    ],
)
def test_markers_count_anywhere(data: bytes) -> None:
    assert parse(data).forged(set()) == ["a"]


@pytest.mark.parametrize(
    "data",
    [
        b"section_start:1:a\n", b"section_start:1:a\x1b[0K", b"section_start:1:a\r\x1b[K",
        b"section_start:1:a\r\n\x1b[0K", b"section_start:x:a\r\x1b[0K",
        b"section_start:1:a b\r\x1b[0K", b"section_start:1:a[x]\r\x1b[0K",
        b"Section_start:1:a\r\x1b[0K",
    ],
)  # fmt: skip
def test_no_markers(data: bytes) -> None:
    log = parse(data)
    assert not log.sections
    assert not log.stray_ends


def test_carriage_return_erases() -> None:
    log = parse(b"secret\rshown\nkept\r\r\n")
    assert log.text == "shown\nkept"
    assert log.erased == ["secret"]


def test_colors() -> None:
    log = parse(b"\x1b[31mred\x1b[0m\n\x1b[1;38;5;9mstill\non\n\x1b[moff\n")
    assert [line.text for line in log.leaks] == ["still", "on"]
    assert log.leaks[0].style == {"bold", "38;5;9"}


@pytest.mark.parametrize("code", [b"39", b"00", b"39;49"])
def test_an_older_engine_has_only_zero(code: bytes) -> None:
    data = b"\x1b[31mx\x1b[" + code + b"m\ny\n"
    assert len(parse(data).leaks) == 2
    assert len(parse(data, engine=2).leaks) == (2 if code == b"00" else 0)


def test_other_sequences_are_dropped() -> None:
    log = parse(b"a\x1b[2Kb\x1b]0;title\x07c\n")
    assert log.text == "abitle\x07c"
    assert log.dropped == [b"\x1b[2K", b"\x1b]0;t"]


@pytest.mark.parametrize("engine", [1, 2])
@pytest.mark.parametrize("tail", [b"\x1b", b"\x1b[", b"\x1b[31", b"\x1b]0;"])
def test_an_unfinished_sequence_glues_lines(engine: int, tail: bytes) -> None:
    log = parse(b"a" + tail + b"\nb\n", engine=engine)
    assert log.swallowed_line_ends == (0 if (engine, tail) == (2, b"\x1b") else 1)
    assert log.text == ("a\nb" if (engine, tail) == (2, b"\x1b") else "ab")


@pytest.mark.parametrize("engine", [1, 2])
def test_stamped_lines_read_as_the_others(engine: int) -> None:
    data = START % b"a" + b"Title\nx\n" + b"y" * 20_000 + b"\n" + END % b"a" + b"after\n"
    plain, stamped = parse(data, engine=engine), parse(gitlab_log.stamp(data), engine=engine)
    assert [line.text for line in stamped.lines] == [line.text for line in plain.lines]
    assert [one.header for one in stamped.sections] == ["Title"]
    assert stamped.balanced
    assert not stamped.erased


def test_the_size_of_a_stamp() -> None:
    assert len(gitlab_log.stamp(b"a\nb\n")) == 4 + 2 * gitlab_log.STAMP_SIZE
    # A line of more than 8 KiB is stored in pieces, each with a stamp and a line end.
    assert len(gitlab_log.stamp(b"x" * 20_000 + b"\n")) == 20_001 + 3 * gitlab_log.STAMP_SIZE + 2


@pytest.mark.parametrize("engine", [1, 2])
@pytest.mark.parametrize("before", [b"", b"\x1b[31m"])
def test_a_time_at_the_start_of_a_line_is_lost(engine: int, before: bytes) -> None:
    line = before + b"2024-05-06T07:08:09.123456Z GET /health 200\n"
    assert parse(line, engine=engine).text == "2024-05-06T07:08:09.123456Z GET /health 200"
    log = parse(gitlab_log.stamp(line), engine=engine)
    assert log.text == "/health 200"
    assert log.erased == ["2024-05-06T07:08:09.123456Z GET "]
    assert parse(gitlab_log.stamp(b" " + line)).text == " " + parse(line).text
