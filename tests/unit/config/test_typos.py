"""Misspelt variables: near misses are told, all others are none of our business."""

from __future__ import annotations

import pytest

from opsera_step.config import BY_NAME, likely_typos
from opsera_step.outcome import OUTPUTS
from opsera_step.platforms.base import output_variable


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("OPSERA_PIPELNE", "OPSERA_PIPELINE"),
        ("OPSERA_PIPELINES", "OPSERA_PIPELINE"),
        ("OPSERA_RUNCOUNT", "OPSERA_RUN_COUNT"),
        ("OPSERA_BASEURL", "OPSERA_BASE_URL"),
        ("OPSERA_ON_PAUSE", "OPSERA_ON_PAUSED"),
        ("OPSERA_on_paused", "OPSERA_ON_PAUSED"),
        ("INPUT_ON-PAUSED", "INPUT_ON_PAUSED"),
        ("INPUT_TIMOUT", "INPUT_TIMEOUT"),
        ("OPSERA_TOKENS", "OPSERA_TOKEN"),
    ],
)
def test_a_near_miss_is_told(variable, meant):
    """The sentence names the variable and the one that was meant, never its value."""
    assert list(likely_typos({variable: "s3cret"})) == [
        f"The variable {variable} is not read: it looks like a misspelt {meant}."
    ]


@pytest.mark.parametrize(
    "variable",
    [
        *(f"OPSERA_{name.upper()}" for name in BY_NAME),
        *(f"INPUT_{name.upper()}" for name in BY_NAME),
        *map(output_variable, OUTPUTS),
        "OPSERA_DEBUG", "OPSERA_STEP_IMAGE", "OPSERA_STEP_TIMEOUT", "OPSERA_CUSTOMER", "PIPELNE",
        "INPUT_WHO-TO-GREET", "OPSERA_", "OPSERA_\x1b[31mPIPELNE", "OPSERA_CRED_PSW",
    ],
)  # fmt: skip
def test_all_others_are_not(variable):
    """Inputs, outputs of an earlier step, and what is like neither say nothing."""
    assert list(likely_typos({variable: "x"})) == []


def test_what_is_empty_is_not_told():
    """An empty variable counts as unset."""
    assert list(likely_typos({"OPSERA_PIPELNE": " "})) == []
