"""Texts for the surfaces: attacks, ordinary lines, repetitions, and tokens in disguise."""

from __future__ import annotations

import base64
import json
import random
import string
from collections.abc import Callable
from urllib.parse import quote

from tests.oracles import hostile

_URLSAFE = string.ascii_letters + string.digits + "-_"
_HIDDEN = (
    "\x1b[31m",
    "\x1b[0m",
    "\u200b",
    "\xad",
    "\ufeff",
    "\u2060",
    "\ufe0f",
    "\0",
    "\n",
    "\r\n",
)
_PIECES = (
    "eyJ", "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.", "%41", "%", "\\u0041", "\\n", "\\", "&#39;",
    "\x1b[", "\x1b]8;;", "\x1b", "\x9b", "\r", "\n", " ", "\t", "\u200b", "\u0301", "[", "<", "`",
    "|", "10%\r",
    "[=>", "::", "##[", "a", "é", "🎉", "\ud800", "www.", "https://", "@", "0",
)  # fmt: skip

FORMS: tuple[Callable[[str], str], ...] = (
    str,
    lambda text: quote(text, safe=""),
    lambda text: "".join(f"%{code:02x}" for code in text.encode()),
    lambda text: json.dumps(text)[1:-1],
    lambda text: "".join(f"\\u{code:04X}" for code in text.encode()),
    lambda text: text.encode().hex(),
    lambda text: text.encode().hex().upper(),
    lambda text: base64.b64encode(text.encode()).decode(),
    lambda text: base64.b64encode(f"u{text}".encode()).decode(),
    lambda text: base64.urlsafe_b64encode(f"us{text}??".encode()).decode(),
)
"""The forms of a secret in guarantee 7."""


def secret(rng: random.Random) -> str:
    """Make a token: mostly like Opsera's, now and then a short one of any visible characters."""
    if rng.random() < 0.7:
        rest = "".join(rng.choices(_URLSAFE, k=rng.randrange(40, 900)))
        return f"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.{rest}.{rest[:43]}"
    visible = [chr(code) for code in range(33, 127)]
    return "".join(rng.choices(visible, k=rng.randrange(8, 40)))


def hidden(rng: random.Random, text: str, joints: tuple[str, ...] = _HIDDEN) -> str:
    """Put what does not show between some characters of a text."""
    if rng.random() < 0.3:
        return text
    share = rng.choice((0.02, 0.3, 1.0))
    return "".join(one + (rng.choice(joints) if rng.random() < share else "") for one in text)


def foreign(rng: random.Random) -> str:
    """Make a text that a server might send, of up to some hundred kilobytes."""
    kind = rng.randrange(4)
    if kind == 0:
        times = 100_000 if rng.random() < 0.03 else rng.choice((3, 30, 300, 3000))
        return rng.choice(_PIECES) * times
    if kind == 1:
        return "".join(rng.choices(_PIECES, k=rng.choice((5, 50, 500))))
    return rng.choice(("", "\n", "\r\n")).join(
        hostile.sample(rng).text[:3000] for _ in range(rng.choice((1, 3, 10)))
    )
