"""A simulator of the Opsera customer API, for demos and for tests of workflows.

It shares no code with the client, so that a wrong assumption of one is not hidden by the other.
"""

from __future__ import annotations

from opsera_step.clock import FakeClock
from opsera_step.simulator.clock import SpeedClock
from opsera_step.simulator.faults import CALLS, KINDS, Fault
from opsera_step.simulator.responses import HttpRequest, Response
from opsera_step.simulator.scenario.flags import PLACES, STATES, Flags, describe_flags, parse_flags
from opsera_step.simulator.scenario.loader import load_scenario, scenario_names
from opsera_step.simulator.scenario.reader import ScenarioError
from opsera_step.simulator.scenario.spec import ROLES, SCOPES
from opsera_step.simulator.server.dispatch import LoggedRequest
from opsera_step.simulator.simulator import Simulator
from opsera_step.simulator.world.views import RunView

__all__ = [
    "CALLS", "KINDS", "PLACES", "ROLES", "SCOPES", "STATES", "FakeClock", "Fault", "Flags",
    "HttpRequest", "LoggedRequest", "Response", "RunView", "ScenarioError", "Simulator",
    "SpeedClock", "describe_flags", "load_scenario", "parse_flags", "scenario_names",
]  # fmt: skip
