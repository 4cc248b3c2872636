"""What applies to all tests."""

from __future__ import annotations

import os
from itertools import groupby

from hypothesis import HealthCheck, settings

# A busy machine is no error: nothing fails because of the time that it takes, except by pytest's
# own limit. The examples are the same each time.
usual = settings(
    max_examples=60, derandomize=True, deadline=None, database=None,
    suppress_health_check=[HealthCheck.too_slow],
)  # fmt: skip
settings.register_profile("usual", usual)
settings.register_profile("long", usual, max_examples=250)

# These need equipment, which `python3 dev.py platforms` prepares.
collect_ignore = [] if "OPSERA_STEP_PLATFORMS_FACTS" in os.environ else ["platforms"]


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="run the long campaigns too")


def pytest_configure(config):
    is_long = config.getoption("--long")
    settings.load_profile("long" if is_long else "usual")
    # All of them are long, and load a browser's driver.
    collect_ignore.extend([] if is_long else ["browser"])


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--long"):
        long = [item for item in items if item.get_closest_marker("long")]
        if long:
            config.hook.pytest_deselected(items=long)
            items[:] = [item for item in items if not item.get_closest_marker("long")]
    # Whole jobs mostly wait, the other tests compute: mixed, they share the processors.
    modules = [list(group) for _, group in groupby(items, key=lambda item: item.path)]
    jobs = [module for module in modules if "e2e" in module[0].path.parts]
    others = [module for module in modules if "e2e" not in module[0].path.parts]
    mixed = sorted([*places(jobs), *places(others)], key=lambda found: found[0])
    items[:] = [item for _, module in mixed for item in module]


def places(modules):
    """Yield each module with its relative place: the share of tests before it."""
    before, total = 0, sum(map(len, modules))
    for module in modules:
        yield before / total, module
        before += len(module)
