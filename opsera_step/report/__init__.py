"""The report directory and the step summary."""

from opsera_step.report.directory import Report

__all__ = ["Report"]
