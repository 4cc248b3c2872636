"""The .NET habits: white space, line ends, decoding, splitting, lengths, weightless characters."""

from __future__ import annotations

import pytest

from tests.oracles import dotnet


def test_white_space() -> None:
    """It is that of .NET, which is not Python's."""
    assert set("\t\x0b\x85\xa0\u2028\u3000") <= set(dotnet.WHITE_SPACE)
    assert not set("\x1c\x1f\u180e\u200b\ufeff\0\x08") & set(dotnet.WHITE_SPACE)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\n", ["a"]),
        ("a\r\nb\rc\nd", ["a", "b", "c", "d"]),
        ("\n\r", ["", ""]),
        ("a\x0bb\x0cc\x85d\u2028e", ["a\x0bb\x0cc\x85d\u2028e"]),
    ],
)
def test_read_lines(text: str, expected: list[str]) -> None:
    assert dotnet.read_lines(text) == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"a\xff\xe2\x82b", "a\ufffd\ufffdb"), (b"\xef\xbb\xbfa", "a"), (b"\xff\xfea\x00", "a"),
        (b"\xff\xfe\x00\x00a\x00\x00\x00", "a"), (b"a\xef\xbb\xbf", "a\ufeff"),
    ],
)  # fmt: skip
def test_decode(data: bytes, expected: str) -> None:
    assert dotnet.decode(data) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a=b=c=", ["a", "b=c="]), ("=a==b", ["a", "b"]), ("a=", ["a"]), ("=", [])],
)
def test_split_in_two(text: str, expected: list[str]) -> None:
    assert dotnet.split_some(text, "=", 2) == expected


def test_utf16() -> None:
    assert dotnet.utf16_length("a🎉") == 3
    assert dotnet.utf16_length("\ud800") == 1


def test_find_all_skips_the_weightless() -> None:
    assert list(dotnet.find_all("a:\0\u200b:b", "::")) == [1]
    assert list(dotnet.find_all("a: :b", "::")) == []
    assert list(dotnet.find_all(":::", "::")) == [0, 1]


@pytest.mark.parametrize(
    ("text", "wanted", "start", "index"),
    [
        # Each as .NET 8.0.4 with ICU 72 printed it.
        ("::group::x", "::", 2, 7),
        ("::group::\u0301x", "::", 2, -1),
        ("::group::\u0301::x", "::", 2, 10),
        ("::group::\u0591x", "::", 2, 7),
        ("::group::\u0591\u0301x", "::", 2, -1),
        ("::group::\u200b\u0301x", "::", 2, 7),
        ("::group::\u200d\u0301x", "::", 2, -1),
        ("::group::\u102bx", "::", 2, 7),
        ("::group::\uff9ex", "::", 2, -1),
        ("a:\u0640:b", "::", 0, 1),
        ("a:\u0301:b", "::", 0, -1),
        ("a\u0600::b", "::", 0, -1),
        ("\u0301##[error]", "##[", 0, 1),
        ("##[\u0301##[error]", "##[", 0, 4),
    ],
)
def test_index_of_by_culture(text: str, wanted: str, start: int, index: int) -> None:
    assert dotnet.index_of(text, wanted, start) == index


def test_all_joining_characters_are_known() -> None:
    """Of all code points 1,703 join the colons before them; newer Unicode has some more marks."""
    joining = [chr(code) for code in range(0x10FFFF) if dotnet.joins(chr(code))]
    assert 1650 <= len(joining) <= 1800
