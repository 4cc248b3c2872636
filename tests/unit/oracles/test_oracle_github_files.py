"""The port of the runner's reading of its command files."""

from __future__ import annotations

import pytest

from tests.oracles import github_files as files


@pytest.mark.parametrize(
    ("data", "pairs"),
    [
        (b"a=b", [("a", "b")]), (b"\n\na=b=c\n\n", [("a", "b=c")]), (b"a=x<<y\n", [("a", "x<<y")]),
        (b"a=\n", [("a", "")]), (b" a = b \n", [(" a ", " b ")]), (b"a=b\r\n", [("a", "b\r")]),
        (b"a<<E\n1\n2\nE\nb=c", [("a", "1\n2"), ("b", "c")]), (b"a<<E\n1\n\nE", [("a", "1\n")]),
        (b"a<<E=F\n1\nE=F\n", [("a", "1")]), (b"a<<E\nE \n E\nE\n", [("a", "E \n E")]),
        (b"a=1\na=2\n", [("a", "1"), ("a", "2")]), (b"\xef\xbb\xbfa=b\n", [("a", "b")]),
    ],
)  # fmt: skip
def test_reads(data: bytes, pairs: list[tuple[str, str]]) -> None:
    found = files.outputs(data)
    assert (found.pairs, found.error) == (pairs, None)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"nothing\n", "Invalid format"),
        (b"a<<\n1\nE\n", "Name and delimiter"),
        (b"a<<E\n1\n", "Matching delimiter not found"),
        (b"a<<E\n1\nE\r\n", "Matching delimiter not found"),
        (b"a<<E\n1E", "EOF marker missing new line"),
        (b"a<<E\r\n1\nE\n", "Matching delimiter not found"),
        (b"=b\n", "null or empty"),
    ],
)
def test_refuses(data: bytes, error: str) -> None:
    found = files.outputs(b"ok=1\n" + data + b"")
    assert found.error is not None
    assert error in found.error
    assert found.values == {"ok": "1"}, "what came before the fault is set"


def test_a_value_can_end_its_heredoc() -> None:
    forged = b"a<<E\nx\nE\nevil=1\nE\n"
    assert files.outputs(forged).values["evil"] == "1"
    assert files.outputs(forged).error is not None


def test_summary_limit() -> None:
    assert files.summary(b"x" * files.SUMMARY_LIMIT).error is None
    too_big = files.summary(b"x" * (files.SUMMARY_LIMIT + 1))
    assert (too_big.text, bool(too_big.error)) == ("", True)
    assert files.summary(b"# Hi\n") == files.Summary("# Hi\n")
