"""Every error that a user can cause, read as the user reads it: whole screens in `golden/errors/`.

OPSERA_STEP_REWRITE_GOLDEN=1 writes them anew; look at the difference before it is committed.
A screen begins with its title; `out|` and `err|` are what went to stdout and to stderr.
"""

from __future__ import annotations

import re

import pytest

from opsera_step.clock import FakeClock
from opsera_step.simulator.simulator import Simulator
from tests.e2e.errors import AREAS
from tests.support.golden import GOLDEN, assert_golden
from tests.support.screens import play

ERRORS = GOLDEN / "errors"
_REPR = re.compile(r"Traceback|\b\w+(?:Error|Exception)\b[(:]|<class |object at 0x|\b\w+Warning\b")


def screens_of(area: str) -> list[str]:
    """Return the screens that are kept of an area."""
    return (ERRORS / f"{area}.txt").read_text("utf-8").split("\n\n")


@pytest.mark.parametrize("area", AREAS)
def test_the_screens_are_the_golden_ones(area, tmp_path, monkeypatch):
    """Each screen is, to the letter, the one that was read and found good."""
    clock, played = FakeClock(), []
    with Simulator(clock=clock, seed=1) as shared:
        for number, slip in enumerate(AREAS[area]):
            folder = tmp_path / str(number)
            folder.mkdir()
            played.append(play(slip, folder, shared, clock, monkeypatch).rstrip("\n"))
        assert shared.token not in "".join(played)
    text = "\n\n".join(played) + "\n"
    assert_golden(f"errors/{area}.txt", text)


@pytest.mark.parametrize("area", AREAS)
def test_no_screen_is_a_program_s(area):
    """None shows a traceback or an object of Python; all end in a code of the interface."""
    for screen in screens_of(area):
        assert _REPR.search(screen) is None, screen
        assert screen.rstrip().splitlines()[-1] in {
            f"exit {code}" for code in (0, 1, 2, 3, 4, 8, 124)
        }, screen


@pytest.mark.parametrize("area", AREAS)
def test_nothing_is_said_twice(area):
    """No line of ours stands on a screen twice, and no sentence in a line."""
    for screen in screens_of(area):
        said = [line for line in screen.splitlines() if re.match(r"(out|err)\| \[opsera\]", line)]
        assert len(said) == len(set(said)), screen
        for line in said:
            sentences = re.findall(r"[A-Z][^.:]{30,}\.", line)
            assert len(sentences) == len(set(sentences)), screen


# --- What no screen shows -------------------------------------------------------------------------
