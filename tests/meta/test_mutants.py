"""The deliberate defects of tests/mutants.py fit the code as it is."""

from __future__ import annotations

import pytest

from tests.mutants import MUTANTS, catch
from tests.support import ROOT


def test_each_defect_can_be_made():
    """Its text occurs once, its test files exist, and each guarantee has one."""
    for one in MUTANTS:
        assert (ROOT / "opsera_step" / one.file).read_text("utf-8").count(one.old) == 1, one
        assert all((ROOT / "tests" / name).exists() for name in one.tests.split()), one
    assert {one.guarantee for one in MUTANTS} == set(range(1, 10))


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda one: one.name)
def test_each_defect_is_caught(mutant):
    """At least one test fails with it."""
    assert catch(mutant)
