"""What tests share: no test module imports another one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


def long_after(kept: int, cases: Sequence[Any]) -> list[Any]:
    """Mark all cases of a parametrized test as long, except the first `kept`.

    For cases that take seconds each and differ little.
    """
    return [
        pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=pytest.mark.long)
        if number >= kept
        else case
        for number, case in enumerate(cases)
    ]
