"""What a job leaves behind: the report directory and the step summary."""

from opsera_step.report.answer import answer_summary
from opsera_step.report.directory import Report
from opsera_step.report.summary import step_summary

__all__ = ["Report", "answer_summary", "step_summary"]
