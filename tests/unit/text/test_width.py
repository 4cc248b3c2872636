"""Terminal columns of text of any script."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsera_step.text import columns_of, cut

WIDTHS = {
    "abc": 3, "é": 1, "e\u0301": 1, "日本語": 6, "\u1112\u1161\u11ab\u1100\u1173\u11af": 4,
    "नमस्ते": 4, "क्\u200dष": 2, "✓ ok": 4, "🎉": 2, "❤": 1, "❤\ufe0f": 2, "1\ufe0f\u20e3": 2,
    "a\ufe0f": 1, "👩\u200d👩\u200d👧\u200d👦": 2, "🏳\ufe0f\u200d🌈": 2, "👍🏽": 2, "🇩🇪": 2,
    "x\u200by": 2, "ﾊﾝ": 2, "": 0,
}  # fmt: skip


def test_columns():
    """Wide characters take two columns, combining ones none, an emoji sequence two."""
    for text, columns in WIDTHS.items():
        assert columns_of(text) == columns, text
        assert columns_of(f"a{text}b") == columns + 2


@pytest.mark.parametrize(
    ("text", "width", "expected"),
    [
        ("abcdef", 6, "abcdef"), ("abcdef", 4, "abc…"), ("abcdef", 0, ""), ("日本語", 4, "日…"),
        ("ab 👩\u200d👧 x", 6, "ab 👩\u200d👧…"), ("ab 👩\u200d👧 x", 5, "ab…"),
        ("❤\ufe0f❤\ufe0f", 3, "❤\ufe0f…"),
    ],
)  # fmt: skip
def test_cut(text: str, width: int, expected: str):
    """What is cut ends with an ellipsis and holds no half of a sequence."""
    assert cut(text, width) == expected


@given(st.text(), st.integers(0, 20))
def test_a_cut_text_fits(text: str, width: int):
    """A text that fits stays; of any other the beginning is kept, with an ellipsis."""
    short = cut(text, width)
    assert columns_of(short) <= width or columns_of(text) <= width
    if columns_of(text) <= width:
        assert short == text
    elif width > 0:
        assert short.endswith("…") and text.startswith(short[:-1])
