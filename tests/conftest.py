"""What holds for all tests."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# A busy machine is no failure: nothing fails for the time that it takes, but for pytest's limit.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

# These need equipment, which `python3 dev.py platforms` makes ready.
collect_ignore = [] if "OPSERA_STEP_PLATFORMS_FACTS" in os.environ else ["platforms"]
