"""A stand-in for the Opsera customer API, for demonstrations and for tests of one's own workflows.

It shares no code with the client, so that a wrong belief of one is not hidden by the other. The
names below are loaded when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opsera_step.simulator.accounts import SCOPES
    from opsera_step.simulator.clocks import SpeedClock
    from opsera_step.simulator.faults import CALLS, KINDS, Fault, FaultError
    from opsera_step.simulator.gate import Request
    from opsera_step.simulator.loading import load_scenario, scenario_names
    from opsera_step.simulator.reading import ScenarioError
    from opsera_step.simulator.scenario import ROLES
    from opsera_step.simulator.simulator import Simulator, serve, serve_forever
    from opsera_step.simulator.state import StateError
    from opsera_step.simulator.switches import (
        PLACES,
        SwitchError,
        Switches,
        describe_switches,
        parse_switches,
    )
    from opsera_step.simulator.views import RunView

_HOMES = {
    "CALLS": "faults",
    "ROLES": "scenario",
    "SCOPES": "accounts",
    "KINDS": "faults",
    "PLACES": "switches",
    "Fault": "faults",
    "FaultError": "faults",
    "Request": "gate",
    "RunView": "views",
    "ScenarioError": "reading",
    "Simulator": "simulator",
    "SpeedClock": "clocks",
    "StateError": "state",
    "SwitchError": "switches",
    "Switches": "switches",
    "describe_switches": "switches",
    "load_scenario": "loading",
    "parse_switches": "switches",
    "scenario_names": "loading",
    "serve": "simulator",
    "serve_forever": "simulator",
}

__all__ = [
    "CALLS",
    "KINDS",
    "PLACES",
    "ROLES",
    "SCOPES",
    "Fault",
    "FaultError",
    "Request",
    "RunView",
    "ScenarioError",
    "Simulator",
    "SpeedClock",
    "StateError",
    "SwitchError",
    "Switches",
    "describe_switches",
    "load_scenario",
    "parse_switches",
    "scenario_names",
    "serve",
    "serve_forever",
]


def __getattr__(name: str) -> Any:
    """Load one of the names of this package when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
