"""The search for secrets: every form is found, and what is no leak is not."""

from __future__ import annotations

import base64
import json
import random
from urllib.parse import quote

import pytest

from tests.oracles import secrets

SECRET = "tok+en/S3cr3t==&<x>\"y'~Zq9"
RAW = SECRET.encode()


def forms(data: bytes, secret: str = SECRET) -> set[str]:
    return {leak.form for leak in secrets.find(secret, data) if leak.whole}


def split(text: bytes, at: int, joint: bytes) -> bytes:
    return b"before " + text[:at] + joint + text[at:] + b" after"


def test_raw_with_place() -> None:
    (leak,) = secrets.find(SECRET, b"ab " + RAW + b" cd")
    assert leak == secrets.Leak("raw", 3, 3 + len(RAW), RAW, True)


@pytest.mark.parametrize(
    ("data", "form"),
    [
        (quote(SECRET, safe="").encode(), "raw in url"),
        ("".join(f"%{byte:02x}" for byte in RAW).encode(), "raw in url"),
        (json.dumps(SECRET).encode(), "raw in json"),
        ("".join(f"\\u{byte:04X}" for byte in RAW).encode(), "raw in json"),
        (SECRET.replace("/", "\\/").encode(), "raw in json"),
        (RAW.hex().upper().encode(), "hex"),
        (base64.b64encode(b"u:" + RAW + b"\n"), "base64"),
        (base64.b64encode(RAW).rstrip(b"="), "base64"),
        (quote(base64.b64encode(RAW), safe="").encode(), "base64"),
    ],
)
def test_encodings(data: bytes, form: str) -> None:
    assert form in forms(b"x=" + data + b";")


@pytest.mark.parametrize("shift", range(3))
def test_urlsafe_base64_at_each_alignment(shift: int) -> None:
    secret = "\u00fb\u00ff\u00fe???>>>~~~" * 2  # gives both characters that differ
    data = base64.urlsafe_b64encode(b"x" * shift + secret.encode())
    assert b"-" in data or b"_" in data
    assert "base64url" in forms(data, secret)


@pytest.mark.parametrize("at", [1, 7, 20])
def test_split(at: int) -> None:
    for joint in (
        b"\r\n", b"\r", b"\n| ", b"\n  ", b"\n> ", b"\n\xe2\x94\x82 ", b"\x1b[31m",
        b"\x1b[0m\n\x1b[31m| ", b"\n2024-05-06T07:08:09.1234567Z ", b"\xe2\x80\x8b",
    ):  # fmt: skip
        assert "raw in split" in forms(split(RAW, at, joint)), joint


def test_split_and_encoded() -> None:
    assert "raw in split, url" in forms(split(quote(SECRET, safe="").encode(), 8, b"\n| "))


def test_split_place_is_in_the_original() -> None:
    data = split(RAW, 9, b"\n| ")
    (leak,) = (leak for leak in secrets.find(SECRET, data) if leak.whole)
    assert data[leak.start : leak.end] == RAW[:9] + b"\n| " + RAW[9:]


def test_partial() -> None:
    assert [leak.found for leak in secrets.find(SECRET, b"a" + RAW[5:17] + b"?")] == [RAW[5:17]]
    assert not secrets.find(SECRET, b"a" + RAW[5:16] + b"?")
    assert secrets.find(SECRET, b"a" + RAW[5:10] + b"?", min_run=5)
    assert not secrets.find(SECRET, b"a" + RAW[5:9] + b"?", min_run=5)


def test_every_partial_run_of_the_least_length_is_found() -> None:
    for start in range(len(RAW) - 11):
        piece = RAW[start : start + 12]
        assert secrets.find(SECRET, b"(" + piece + b")")
        assert secrets.find(SECRET, b"(" + piece.hex().encode() + b")")
        assert secrets.find(SECRET, b"(" + base64.b64encode(b"u" * (start % 3) + piece) + b")")


def test_a_short_secret_must_be_whole() -> None:
    assert secrets.find("abc", b"xabcx")
    assert not secrets.find("abc", b"xabx")


@pytest.mark.parametrize(
    "data",
    [b"", b"***", b"token: [MASKED]", b"tok+en/", RAW[::-1], RAW.swapcase(), b"tok en S3cr3t"],
)
def test_no_leak(data: bytes) -> None:
    assert secrets.find(SECRET, data) == []


def test_noise_has_no_leak() -> None:
    rng = random.Random(1)
    assert secrets.find(SECRET, base64.b64encode(rng.randbytes(100_000))) == []
