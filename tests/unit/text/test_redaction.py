"""Hiding the token, judged by an oracle that searches for secrets in its own way."""

from __future__ import annotations

import base64
import itertools
import json
import random
import re
import textwrap
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsera_step import simulator
from opsera_step.text import MASK
from opsera_step.text.redaction import RedactionState, Redactor
from tests.oracles import hostile, secrets

URLSAFE = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def jwt(seed: int, length: int) -> str:
    """A token like Opsera's: a header that all share, then what looks random."""
    rng = random.Random(seed)
    header = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
    rest = "".join(rng.choices(URLSAFE, k=length - len(header)))
    return header + rest[:-44] + "." + rest[-43:]


TOKENS = {
    "jwt of 300": jwt(1, 300),
    "jwt of 900": jwt(2, 900),
    "special characters": "p4$$w0rd/With+%41\"<odd>&'chars'=\\~!",
    "16 characters": "Zx9-qWeR_tY7uIo0",
    "8 characters": "q7Zp-x2K",
}

ENCODINGS: dict[str, Callable[[str], str]] = {
    "exact": str,
    "URL": lambda text: quote(text, safe=""),
    "URL, lower case": lambda text: re.sub("%..", lambda one: one[0].lower(), quote(text, safe="")),
    "URL, every character": lambda text: "".join(f"%{code:02X}" for code in text.encode()),
    "URL, every third character": lambda text: "".join(
        f"%{ord(one):02x}" if at % 3 == 0 or one == "%" else one for at, one in enumerate(text)
    ),
    "JSON": json.dumps,
    "JSON, slashes escaped": lambda text: json.dumps(text).replace("/", "\\/"),
    "JSON, every character": lambda text: "".join(f"\\u{code:04x}" for code in text.encode()),
    "hex": lambda text: text.encode().hex(),
    "HEX": lambda text: text.encode().hex().upper(),
    "base64 without padding": lambda text: base64.b64encode(text.encode()).decode().rstrip("="),
    "base64url": lambda text: base64.urlsafe_b64encode(f"?{text}>".encode()).decode(),
    "base64, URL-encoded": lambda text: quote(base64.b64encode(text.encode()).decode(), safe=""),
    "base64, JSON-escaped": lambda text: (
        base64.b64encode(text.encode()).decode().replace("/", "\\/")
    ),
    **{
        f"base64 after {before!r}": lambda text, before=before: base64.b64encode(
            (before + text + "\n").encode()
        ).decode()
        for before in ("", "u", "u:", "user:")
    },
}

JOINTS = {
    "color codes": "\x1b[31m",
    "other escape sequences": "\x1b(B\x1b[m",
    "C1 color codes": "\x9b1m",
    "a line break": "\n",
    "a line break of Windows": "\r\n",
    "a line break with indentation": "\n    ",
    "zero width": "\u200b",
    "soft hyphen": "\xad",
    "variation selector": "\ufe0f",
    "tag character": "\U000e0041",
    "NUL": "\0",
    "invisible and colored": "\u2060\x1b[1m\ufeff",
}


def redacted(secret: str, text: str) -> str:
    """Redact a stream of lines."""
    redactor, state = Redactor(secret), RedactionState()
    return "\n".join(redactor.redact(line, state) for line in text.split("\n"))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_each_form_is_masked_and_nothing_else(encoding: str):
    """In each encoding, anywhere in a line, the token is gone and the text around it stays."""
    places = (("", ""), ("token=", ""), ("  '", "', next"), ("x", "x"))
    for secret, (before, after) in itertools.product(TOKENS.values(), places):
        form = ENCODINGS[encoding](secret)
        out = redacted(secret, f"{before}{form}{after}")
        assert secrets.find(secret, out.encode()) == []
        assert MASK in out
        assert out.startswith(before)
        assert out.endswith(after)
        assert redacted(secret, f"{form} {form}").count(MASK) == 2


@pytest.mark.parametrize("joint", JOINTS)
def test_hidden_characters_in_between(joint: str):
    """What does not show between the characters of a token does not hide it."""
    secret = TOKENS["jwt of 300"]
    encodings = ("exact", "URL, every character", "hex", "base64 after 'u'")
    for encoding, size in itertools.product(encodings, (1, 7, 100)):
        form = ENCODINGS[encoding](secret)
        text = JOINTS[joint].join(form[at : at + size] for at in range(0, len(form), size))
        # As one text, such as a value of JSON: all of it is masked, and the rest stays. Of base64
        # a character at each end also depends on what is encoded with the token.
        out = Redactor(secret).redact(f"a b {text} c d").replace(JOINTS[joint], "")
        assert re.fullmatch(r"a b \w{0,2}\*\*\*[\w=]{0,3} c d", out)
        text = JOINTS[joint].join((form[:20], form[20:]))
        assert secrets.find(secret, redacted(secret, f"a {text} b").encode()) == []


@pytest.mark.parametrize("encoding", ["exact", "URL, every character", "hex", "base64url"])
@pytest.mark.parametrize("name", ["special characters", "16 characters"])
def test_cut_by_an_ellipsis_anywhere(name: str, encoding: str):
    """A text that was cut within a token shows at most seven characters of it."""
    form = ENCODINGS[encoding](TOKENS[name])
    redactor = Redactor(TOKENS[name])
    for cut in range(len(form)):
        out = redactor.redact_shortened(f"Loading … {form[:cut]}…). {form[:cut]}… Retrying.")
        kept = out.removeprefix("Loading … ").partition("…")[0]
        assert out == f"Loading … {kept}…). {kept}… Retrying."
        readable = unquote(re.sub(r"%\w?$", "", kept.removesuffix(MASK)))
        assert len(readable) < 8 + 2 * (encoding == "base64url")
    assert redactor.redact_shortened(f"a…{form[:9]}…{form[9:]}").startswith("a…")


@pytest.mark.parametrize("encoding", ["exact", "URL, every character", "hex", "base64url"])
@pytest.mark.parametrize("name", ["special characters", "16 characters"])
def test_cut_by_a_line_end_anywhere(name: str, encoding: str):
    """A line end anywhere inside does not save a token; at most seven characters of it show."""
    secret = TOKENS[name]
    form = ENCODINGS[encoding](secret)
    for place in range(2, len(form) - 4):
        out = redacted(secret, f"Bearer {form[:place]}\n{form[place:]} end")
        first, second = out.split("\n")
        assert MASK in second
        assert secrets.find(secret, first.encode(), min_run=8) == []
        assert secrets.find(secret, second.encode(), min_run=4) == []


@pytest.mark.parametrize("joint", ["", "\n", "\n  ", "\x1b[0m", "\u200b"])
def test_an_unfinished_escape_before_it(joint: str):
    """An escape that would take the first characters of an encoded token does not hide the rest."""
    starts = ("ab", "7c", "f", "nop", "u00e9", "31m", "mn", 'be"ef')
    unfinished = ("50%", "50%2", "\\", "\\u", "\\u00", "\\u001b[", "\\u001b[3", "a%41\\\\%")
    encodings = (json.dumps, ENCODINGS["URL"], ENCODINGS["URL, every third character"])
    for start, before, encode in itertools.product(starts, unfinished, encodings):
        token = f'{start}/"Zx9+qWeR=tY7uIo0'
        form = encode(token).removeprefix('"').removesuffix('"')
        text = f"{before}{joint}{form} end"
        for out in (Redactor(token).redact(text), redacted(token, text)):
            assert MASK in out
            assert secrets.find(token, out.encode(), min_run=9) == []
            assert out.endswith(" end")


@pytest.mark.parametrize("encoding", ["exact", "hex", "base64 after ''"])
def test_folded(encoding: str):
    """Folded at any width, indented or not, only its first few characters show."""
    secret = TOKENS["jwt of 300"]
    for width, lead in itertools.product((1, 2, 3, 5, 8, 13, 64, 76), ("", "    ")):
        lines = textwrap.wrap(ENCODINGS[encoding](secret), width, break_on_hyphens=False)
        out = redacted(secret, "\n".join(lead + line for line in lines) + "\ndone\n")
        assert secrets.find(secret, out.encode(), min_run=8) == []
        assert out.count(MASK) >= len(lines) - 8 // width - 5
        assert out.endswith("\ndone\n")


def test_streams_are_apart():
    """What one stream ends with has nothing to do with the next line of another."""
    secret = TOKENS["16 characters"]
    redactor, one, other = Redactor(secret), RedactionState(), RedactionState()
    assert redactor.redact(f"x {secret[:10]}", one) == f"x {MASK}"
    assert redactor.redact(secret[10:], other) == secret[10:]
    assert redactor.redact(f"{secret[10:]} x", one) == f"{MASK} x"


@pytest.mark.parametrize("secret", ["", "a", "sevenxx"])
def test_a_secret_that_is_too_short_is_not_searched_for(secret: str):
    """It would be found within ordinary words; such a token is rejected as an input."""
    assert redacted(secret, f"any token, {secret} sevenxx") == f"any token, {secret} sevenxx"


REDACTORS = {name: Redactor(token) for name, token in TOKENS.items()}


@given(hostile.strategy(), st.sampled_from(sorted(TOKENS)))
def test_text_without_the_token_stays(sample: hostile.Sample, name: str):
    """Text without the token is left as it is, whatever it looks like."""
    state = RedactionState()
    lines = sample.text.split("\n")
    assert [REDACTORS[name].redact(line, state) for line in lines] == lines


def test_ordinary_logs_stay():
    """Recorded logs, commit IDs, digests, dumps, base64, and other tokens are left as they are."""
    redactor, state, rng = Redactor(jwt(4, 700)), RedactionState(), random.Random(5)
    directory = Path(simulator.__file__).parent / "scenarios"
    recorded = "\n".join(
        one.read_text("utf-8", "replace") for one in sorted(directory.glob("*.yml"))
    )
    lines = recorded.split("\n")
    for number in range(2000):
        lines += (
            f"{rng.getrandbits(160):040x} {rng.getrandbits(256):064x} {rng.randbytes(16).hex(' ')}",
            base64.b64encode(rng.randbytes(60)).decode(),
            f"GET /a/{rng.getrandbits(64)}?q={rng.random()}&x=%41%42%2F {number}",
            "".join(rng.choices(URLSAFE, k=80)),
            json.dumps({"a": 'b\n\t"c"\\d/é', "n": number}),
            jwt(6, 400)[:-7],
        )
    assert [redactor.redact(line, state) for line in lines if not line.startswith("eyJ")] == [
        line for line in lines if not line.startswith("eyJ")
    ]


@given(
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=60),
    st.sampled_from(sorted(ENCODINGS)),
    hostile.strategy(),
)
def test_any_token_in_any_text(secret: str, encoding: str, around: hostile.Sample):
    """A token in any form within any text is gone."""
    form = ENCODINGS[encoding](secret)
    out = Redactor(secret).redact(f"{around.text} {form} {around.text}")
    assert form not in out or form in around.text + MASK


HUGE = {
    "one word": "x" * 3_000_000,
    "headers of a token": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9." * 80_000,
    "a percent sign at the end": "x" * 3_000_000 + "%41",
    "escapes": "%41" * 700_000,
    "JSON in JSON": '{\\"a\\": \\"b\\"} ' * 80_000,
    "zero width": "e\u200by\u200b" * 500_000,
    "spaces": " " * 3_000_000,
    "line breaks": "\n " * 500_000,
    "escape sequences": "\x1b[" * 500_000,
}


@pytest.mark.parametrize("name", HUGE)
def test_a_huge_line_costs_bounded_time(name: str):
    """Time is linear with a small constant, with and without a token.

    A quadratic search would take hours, so the limit is far from the usual fraction of a second.
    """
    token = jwt(1, 900)
    redactor = Redactor(token)
    for line in (HUGE[name], f"{HUGE[name]} {token} "):
        started = time.process_time()
        out = redactor.redact(redactor.redact_sequences(line), RedactionState())
        assert time.process_time() - started < 30
        assert token not in out and (MASK in out or token not in line)
        assert out == MASK or len(out) >= len(HUGE[name]) - 40


def test_an_escape_in_a_huge_line_costs_no_memory():
    """A lone escape does not make the rest of a line cost more than a copy or two of it."""
    for line in ("x" * 10_000_000 + "&#39;", "x" * 10_000_000 + "%41\\/"):
        tracemalloc.start()
        assert Redactor(jwt(1, 900)).redact(line) == line
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2 * len(line) + 2**20


def test_a_line_beyond_the_budget_is_masked_as_a_whole():
    """What would take too long to look through is not shown at all."""
    assert Redactor(jwt(1, 300)).redact("%41" * 1_100_000) == MASK
