"""Output of a running job: the job log, progress, tables."""

from opsera_step.display.job_log import JobLog, is_only_running
from opsera_step.display.log_limit import LogLimit
from opsera_step.display.result import print_result, print_steps, step_lines
from opsera_step.display.table import Answer, Table

__all__ = [
    "Answer", "JobLog", "LogLimit", "Table", "is_only_running", "print_result", "print_steps",
    "step_lines",
]  # fmt: skip
