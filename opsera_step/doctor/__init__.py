"""The doctor: says on one screen what is wrong with a configuration, and what to do about it.

It asks only what changes nothing, and starts, stops and resets no run.
"""

from opsera_step.doctor.check import Check, Level, exit_code_of
from opsera_step.doctor.checks import Examination

__all__ = ["Check", "Examination", "Level", "exit_code_of"]
