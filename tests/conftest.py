"""What applies to all tests."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# A busy machine is no error: nothing fails because of the time that it takes, except by pytest's
# own limit. The examples are the same each time.
usual = settings(
    max_examples=60, derandomize=True, deadline=None, database=None,
    suppress_health_check=[HealthCheck.too_slow],
)  # fmt: skip
settings.register_profile("usual", usual)
settings.register_profile("long", usual, max_examples=300)

# These need equipment, which `python3 dev.py platforms` prepares.
collect_ignore = [] if "OPSERA_STEP_PLATFORMS_FACTS" in os.environ else ["platforms"]


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="run the long campaigns too")


def pytest_configure(config):
    settings.load_profile("long" if config.getoption("--long") else "usual")


def pytest_collection_modifyitems(config, items):
    if config.getoption("--long"):
        return
    long = [item for item in items if item.get_closest_marker("long")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if not item.get_closest_marker("long")]
