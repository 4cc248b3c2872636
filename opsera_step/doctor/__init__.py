"""The doctor: shows what is wrong with a configuration, and what to do about it.

It sends only requests that change nothing, and starts, stops, and resets no run.
"""

from opsera_step.doctor.check import Check, Level, exit_code_of
from opsera_step.doctor.checks import CHECKS, run_checks
from opsera_step.doctor.examination import Examination

__all__ = ["CHECKS", "Check", "Examination", "Level", "exit_code_of", "run_checks"]
