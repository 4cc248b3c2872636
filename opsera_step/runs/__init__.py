"""Start, follow, and stop a run. Pure: prints nothing, reads no environment, knows no platform."""

from opsera_step.runs.events import EndReason
from opsera_step.runs.follow import Follower
from opsera_step.runs.log_reader import LogReader
from opsera_step.runs.ownership import RunOwnership
from opsera_step.runs.polling import PollSchedule
from opsera_step.runs.retry import call_with_retry
from opsera_step.runs.start import Started, Trigger
from opsera_step.runs.steps import Failure, StepResult, failure_of, steps_of, steps_without_records
from opsera_step.runs.stop import LATE_STOP, LONGEST_STOP, StopResult, stop_run

__all__ = [
    "LATE_STOP",
    "LONGEST_STOP",
    "EndReason",
    "Failure",
    "Follower",
    "LogReader",
    "PollSchedule",
    "RunOwnership",
    "Started",
    "StepResult",
    "StopResult",
    "Trigger",
    "call_with_retry",
    "failure_of",
    "steps_of",
    "steps_without_records",
    "stop_run",
]
