"""The fuzzing command, on a few inputs: that each surface works, and that a failure is reported."""

from __future__ import annotations

import random

import pytest

from tests.fuzz import SURFACES, Input, Surface, surfaces
from tests.fuzz.campaign import campaign, run_case

assert surfaces  # importing it registers the surfaces


@pytest.mark.parametrize("name", SURFACES)
def test_some_inputs(name: str):
    """Every surface handles some inputs; longer campaigns are run by hand and in CI."""
    for case in (0, 1):
        assert str(run_case(SURFACES[name], 1, case)[1] or "") == ""


@pytest.mark.long
@pytest.mark.timeout(180)
def test_a_minute_of_all_surfaces():
    """A longer campaign with a seed of its own."""
    result = campaign(SURFACES.values(), seed=random.randrange(10**6), seconds=60)
    assert [str(one) for one in result.failures] == []
    assert result.inputs.keys() == SURFACES.keys()


def _bad(rng: random.Random) -> Input:
    number = rng.randrange(100)

    def judge(result: int) -> None:
        assert result < 50

    return Input(1, lambda: number, judge)


def _greedy(rng: random.Random) -> Input:
    return Input(1, lambda: bytearray(20 * 2**20))


def test_a_failure_can_be_repeated():
    """It names surface, seed, and number of the input, which make the same input again."""
    result = campaign([Surface("bad", _bad, 1, 1, 1)], seed=3, seconds=5, most=2)
    first = result.failures[0]
    assert str(first).endswith(f"python -m tests.fuzz --surface bad --seed 3 --case {first.case}")
    assert run_case(Surface("bad", _bad, 1, 1, 1), 3, first.case)[1] == first


def test_memory_is_bounded():
    """An input that takes much more memory than its size is a failure."""
    _, failure = run_case(Surface("greedy", _greedy, 1, 1, 1), 0, 0)
    assert failure is not None
    assert "bytes of memory" in failure.reason
