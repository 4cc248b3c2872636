"""The port of GitLab's dotenv parser, and its documented rules."""

from __future__ import annotations

import pytest

from tests.oracles.gitlab_dotenv import check, expansions


def test_good() -> None:
    report = check("OPSERA_RUN_COUNT=12\nOPSERA_URL=https://x/a?b=c#d\nE=\nF=é\n".encode())
    assert report.ok
    assert report.variables == {
        "OPSERA_RUN_COUNT": "12",
        "OPSERA_URL": "https://x/a?b=c#d",
        "E": "",
        "F": "é",
    }


@pytest.mark.parametrize(
    "data",
    [b"A=1\n\nB=2\n", b"# comment\nA=1\n", b"A\n", b"A=1\nsecond line\n", b"A-B=1\n", b"=1\n"],
)
def test_refused_by_the_parser(data: bytes) -> None:
    report = check(data)
    assert report.error is not None
    assert report.violations


def test_against_the_rules_only() -> None:
    """The parser takes these, but they are not what the documentation allows."""
    for data in (
        b"A=b c\n", b"A= b\n", b"A=b\r\n", b"A=\x1b[m\n", b"A='b'\n", b'A="b"\n', b"A=\xff\n",
        b"\xef\xbb\xbfA=1\n", b"A=1\nA=2\n", b" A=1\n", b"A=$HOME\n", b"A=%PATH%\n",
        b"A=a\xc2\xa0b\n",
    ):  # fmt: skip
        report = check(data)
        assert (report.error, report.ok) == (None, False)
        assert report.violations, data


def test_the_parser_strips() -> None:
    assert check(b" A =\t b=c \r\n").variables == {"A": "b=c"}


def test_size_limit_is_exclusive() -> None:
    assert check(b"A=" + b"x" * (5120 - 3)).ok
    assert check(b"A=" + b"x" * (5120 - 2)).error is not None


def test_number_of_variables() -> None:
    data = b"".join(b"A%d=1\n" % number for number in range(21))
    assert check(data[: data.rindex(b"A20")]).ok
    assert check(data).error is not None
    assert check(data, variable_limit=50).ok


def test_expansions() -> None:
    """A variable of a shell or of Windows is expanded, wherever it is."""
    for value in ("$A", "${A}", "%A%", "$$", "$1", "cost$5", "$(id)$?", "a$_b"):
        assert expansions(value), value
    for value in ("", "a", "50%", "5$", "%%", "%20%3A", "$.", "a%b c%", "{$}"):
        assert not expansions(value), value
