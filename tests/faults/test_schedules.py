"""A thousand seeded schedules of faults on a fake clock: no promise is broken by any."""

from __future__ import annotations

import pytest

from tests.faults import judge
from tests.faults.schedule import make

SCHEDULES = 1000
_BATCH = 25
_BATCHES = [
    pytest.param(first, marks=() if first < 200 else pytest.mark.long)
    for first in range(0, SCHEDULES, _BATCH)
]


@pytest.mark.parametrize("first", _BATCHES)
def test_no_schedule_breaks_a_promise(tmp_path, first):
    """Whatever a schedule does to a job, what it says and does stays true."""
    broken = []
    for seed in range(first, first + _BATCH):
        folder = tmp_path / str(seed)
        folder.mkdir()
        played = judge.play(make(seed), folder)
        broken += [f"seed {seed}: {fault}" for fault in judge.faults_of(played)]
    assert broken == []
