"""What a job shows while it runs: the job log, progress, tables."""

from opsera_step.display.excerpt import Excerpts, shortened
from opsera_step.display.job_log import JobLog, says_only_running
from opsera_step.display.log_limit import LogLimit
from opsera_step.display.table import Answer, Table
from opsera_step.display.verdict import (
    ENDED,
    SIGNS,
    paused_since,
    print_result,
    print_steps,
    reason_of,
    took,
    verdict_sentence,
    with_advice,
)
from opsera_step.display.views import records_table

__all__ = [
    "ENDED",
    "SIGNS",
    "Answer",
    "Excerpts",
    "JobLog",
    "LogLimit",
    "Table",
    "paused_since",
    "print_result",
    "print_steps",
    "reason_of",
    "records_table",
    "says_only_running",
    "shortened",
    "took",
    "verdict_sentence",
    "with_advice",
]
