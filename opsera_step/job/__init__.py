"""One job, from inputs to exit code."""

from opsera_step.job.commands.logs import LogQuery
from opsera_step.job.commands.update_command import Wish
from opsera_step.job.commands.update_tool import read_assignments, read_properties
from opsera_step.job.context import Context
from opsera_step.job.runner import Order, refuse, run_job, utf8

__all__ = [
    "Context",
    "LogQuery",
    "Order",
    "Wish",
    "read_assignments",
    "read_properties",
    "refuse",
    "run_job",
    "utf8",
]
