"""One job, from inputs to exit code."""

from opsera_step.job.job import CommandResult, Job
from opsera_step.job.output import Output, utf8
from opsera_step.job.runner import reject, run_job

__all__ = ["CommandResult", "Job", "Output", "reject", "run_job", "utf8"]
