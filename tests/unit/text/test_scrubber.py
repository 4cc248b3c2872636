"""The scrubber: safe lines, messages, and data, without the token."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsera_step.text import MASK, LogStream, Scrubber
from opsera_step.text.json_text import json_text
from tests.oracles import hostile, secrets, terminal

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJlLW9mLXRva2Vu"

HIDING = {
    "as it is": TOKEN,
    "colors": "".join(f"\x1b[3{at % 8}m{one}" for at, one in enumerate(TOKEN)),
    "a link": f"{TOKEN[:9]}\x1b]8;;https://example.com\x07{TOKEN[9:]}",
    "moved cursor": f"{TOKEN[:9]}\x1b[1C\x1b[K{TOKEN[9:]}",
    "zero width": "\u200b".join(TOKEN),
    "line break": f"{TOKEN[:20]}\r\n    {TOKEN[20:]}",
    "direction": "\u202e".join(TOKEN),
    "NUL": "\0".join(TOKEN),
    "an unfinished escape before it": f"\x1b[{TOKEN}",
    "an unfinished escape with figures": f"\x1b[1;2{TOKEN}",
    "a surrogate": "\ud800".join((TOKEN[:9], TOKEN[9:])),
    "nothing but escapes": "".join(f"%{code:02x}" for code in TOKEN.encode()),
}


@pytest.mark.parametrize("name", HIDING)
def test_a_disguised_token_shows_nowhere(name: str):
    """Before and after cleaning, in a line, a message, and encoded data, the token is gone."""
    text, scrubber = f"a {HIDING[name]} b", Scrubber(TOKEN)
    stream = LogStream()
    for shown in (
        "\n".join(scrubber.log_line(line, stream) for line in text.split("\n")),
        scrubber.text(text),
        scrubber.inline(text),
        json_text(scrubber.data({text: [text, 1, None], "n": {"k": text}})),
        json.dumps(scrubber.data([text])),
    ):
        readable = shown.encode("ascii", "backslashreplace").decode("unicode_escape")
        for one in (shown, readable, terminal.printed(shown)):
            assert secrets.find(TOKEN, one.encode("utf-8", "replace")) == []


def test_a_message_is_redacted_before_it_is_cut():
    """Half of a token at the end of a message that is cut would not be found."""
    for limit in range(5, 70):
        line = Scrubber(TOKEN).inline(f"bad: {TOKEN}", limit)
        assert line == f"bad: {MASK}"[: limit - 1] + "…" * (limit < 8) or line == f"bad: {MASK}"


def test_lines_keep_their_colors():
    """Colors carry over within a stream; only those inside of a token are gone with it."""
    scrubber, stream = Scrubber(TOKEN), LogStream()
    assert scrubber.log_line("\x1b[31mred", stream) == "\x1b[31mred\x1b[0m"
    assert scrubber.log_line(f"\x1b[1mx {TOKEN}", LogStream()) == f"\x1b[1mx {MASK}\x1b[0m"
    colored = f"x \x1b[1m{TOKEN[:9]}\x1b[4m{TOKEN[9:]}"
    assert scrubber.log_line(colored, stream) == f"\x1b[31mx \x1b[1m{MASK}\x1b[0m"
    assert scrubber.log_line("y\x1b[0m", stream) == "\x1b[31;1my\x1b[0m"
    assert scrubber.log_line("z", LogStream()) == "z"


def test_a_token_that_a_line_end_cuts():
    """The state of a stream follows a token over line ends."""
    scrubber, stream = Scrubber(TOKEN), LogStream()
    lines = [f"a {TOKEN[:30]}", f"\x1b[32m{TOKEN[30:]}\x1b[0m b", "c"]
    assert [scrubber.log_line(line, stream) for line in lines] == [f"a {MASK}", f"{MASK} b", "c"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=10,
)


@given(JSON)
def test_data_without_a_token_stays(data: object):
    """What holds no token is not changed, whatever control characters it has."""
    assert Scrubber(TOKEN).data(data) == data


def test_data_in_60_disguises():
    """A token with hidden characters in any places is redacted before it is encoded."""
    rng = random.Random(7)
    for _ in range(60):
        pieces = list(TOKEN)
        for _ in range(rng.randrange(1, 9)):
            at = rng.randrange(1, len(pieces))
            pieces.insert(at, rng.choice(("\u200b", "\x1b[0m", "\n", "\u2066", "\xad", "\x07")))
        text = "".join(pieces)
        assert Scrubber(TOKEN).data({"k": f"x {text}"}) == {"k": f"x {MASK}"}


def test_lone_surrogates_become_a_character_that_jq_reads():
    """No JSON has a place for them; what comes out is valid for every reader."""
    data = {"a\ud800": "x\udfffy", "pair": "\ud83d\ude00", "bom": "\ufeffz\n"}
    cleaned = Scrubber("").data(data)
    assert cleaned == {"a\ufffd": "x\ufffdy", "pair": "\U0001f600", "bom": "\ufeffz\n"}
    assert json.loads(json_text(cleaned)) == cleaned
    text = json_text(data)
    text.encode()
    assert "\\ud8" not in text.lower()
    assert "\\udf" not in text.lower()


@given(hostile.strategy())
def test_any_text_is_safe(sample: hostile.Sample):
    """Lines, texts, and messages do nothing to a terminal but print."""
    scrubber, stream = Scrubber(TOKEN), LogStream()
    lines = [scrubber.log_line(line, stream) for line in sample.text.split("\n")]
    for shown in (*lines, scrubber.text(sample.text), scrubber.inline(sample.text)):
        assert terminal.effects(shown) == []
    assert "\n" not in scrubber.inline(sample.text)


_FILLER = st.sampled_from(
    ["compiling module 7", "", "  ", "50% done", "a\\b", "\tx", "é✓", "\x1b[31mred", "eyJhbGci"]
)
_PIECE = st.builds(
    lambda at, size: TOKEN[at : at + size], st.integers(0, len(TOKEN)), st.integers(0, len(TOKEN))
)
_LINE = st.builds("".join, st.lists(_FILLER | _PIECE | st.just(TOKEN), max_size=3))


@given(st.lists(st.lists(_LINE, max_size=50), max_size=4), st.integers(0, 40))
def test_many_lines_are_as_each_by_itself(blocks: list[list[str]], harmless: int):
    """Lines that are tested at once come out as they do one by one, also those after them."""
    together, apart, scrubber = LogStream(), LogStream(), Scrubber(TOKEN)
    for block in blocks:
        lines = [*(f"line {number}" for number in range(harmless)), *block]
        each = [scrubber.log_line(line, apart) for line in lines]
        assert scrubber.log_lines(lines, together) == each


def test_a_token_in_many_lines():
    """Whole or cut by a line end, before, in, and after many harmless lines."""
    scrubber, stream = Scrubber(TOKEN), LogStream()
    harmless = [f"line {number}" for number in range(100)]
    for lines in ([*harmless, TOKEN[:20]], [TOKEN[20:], *harmless], [*harmless, TOKEN, *harmless]):
        shown = "".join(scrubber.log_lines(lines, stream))
        assert TOKEN[:20] not in shown and TOKEN[20:] not in shown


def test_a_second_token():
    """A renewed token is hidden too, and the old one stays hidden."""
    scrubber, new = Scrubber(TOKEN), "another-token-of-this-job"
    assert new in scrubber.inline(new)
    for _ in range(2):
        scrubber.add_token(new)
        assert scrubber.inline(f"{TOKEN} {new} {new.encode().hex()}") == f"{MASK} {MASK} {MASK}"
