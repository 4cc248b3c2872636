"""Fixtures of the platform tests."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from opsera_step.simulator import Simulator, SpeedClock
from tests.platforms.containers import Containers
from tests.platforms.scenes import SCENES

SPEED = 10.0
"""How much faster than real time simulated runs are."""


def pytest_configure(config):
    if "OPSERA_STEP_PLATFORMS_FACTS" not in os.environ:
        pytest.exit("These tests need equipment: python3 dev.py platforms", returncode=2)


@pytest.fixture(scope="session")
def facts():
    """The paths of the tools that are prepared."""
    return json.loads(os.environ["OPSERA_STEP_PLATFORMS_FACTS"])


@pytest.fixture(scope="session")
def containers(facts):
    """Starts containers of the image, and removes those that a test leaves behind."""
    with Containers(facts["docker"], facts["image"]) as all_of_them:
        yield all_of_them


@pytest.fixture
def simulate():
    """Starts simulators, which are closed with the test."""
    running = []

    def start(scenario="success", speed=SPEED, **options):
        play = SCENES.get(scenario, scenario)
        simulator = Simulator(play, clock=SpeedClock(speed), seed=1, **options).start()
        running.append(simulator)
        return simulator

    yield start
    for simulator in running:
        simulator.close()


@pytest.fixture
def evidence(facts):
    """Records a figure to print at the end."""

    def note(text):
        with Path(facts["directory"], "evidence").open("a", encoding="utf-8") as file:
            file.write(f"  {text}\n")

    return note
