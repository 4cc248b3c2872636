"""Close matches, and nothing where nothing is close."""

from __future__ import annotations

import subprocess
import sys

import pytest

from opsera_step.text import did_you_mean, nearest

WORDS = ("status", "Deploy Shop", "on_paused", "stop")


@pytest.mark.parametrize(
    ("word", "near"),
    [("statsu", "status"), ("STATUS", "status"), ("deploy shop", "Deploy Shop"),
     ("on-paused", "on_paused"), ("stopp", "stop"), ("zzz", ""), ("", "")],
)  # fmt: skip
def test_the_nearest_word(word, near):
    """It keeps its own spelling; case does not count."""
    assert nearest(word, WORDS) == near
    assert did_you_mean(word, WORDS) == (f"Did you mean {near}?" if near else "")


def test_closeness():
    """A higher ratio takes less for near."""
    assert nearest("stat", WORDS) == "status"
    assert nearest("stat", WORDS, closeness=0.9) == ""


def test_nothing_known():
    """Of nothing, nothing is near."""
    assert nearest("x", ()) == did_you_mean("x", ()) == ""


def test_difflib_loads_late():
    """A job without a mistake does not wait for it."""
    code = "import sys, opsera_step.config; print('difflib' in sys.modules, 'yaml' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"
