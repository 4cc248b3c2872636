"""Start, follow, and stop a run. Pure: no output, no environment, no platform."""

from opsera_step.runs import events
from opsera_step.runs.events import Ended, EndReason, Event, LinesMissing, LogLines, RunKnown
from opsera_step.runs.find import find_unconfirmed_run, started_by_other
from opsera_step.runs.follow import FollowPolicy, follow, read_details
from opsera_step.runs.log_reader import lines_of
from opsera_step.runs.retry import call_with_retry
from opsera_step.runs.settings import RuntimeSettings
from opsera_step.runs.start import StartPolicy, start_run
from opsera_step.runs.state import ATTACHED, STARTED, WATCHED, RunState, StopResult
from opsera_step.runs.steps import RunDetails, StepResult, steps_of
from opsera_step.runs.stop import LATE_STOP, LONGEST_STOP, confirm_end, stop_run

__all__ = [
    "ATTACHED", "LATE_STOP", "LONGEST_STOP", "STARTED", "WATCHED", "EndReason", "Ended", "Event",
    "FollowPolicy", "LinesMissing", "LogLines", "RunDetails", "RunKnown",
    "RunState", "RuntimeSettings", "StartPolicy", "StepResult", "StopResult", "call_with_retry",
    "confirm_end", "events", "find_unconfirmed_run", "follow", "lines_of", "read_details",
    "start_run", "started_by_other", "steps_of", "stop_run",
]  # fmt: skip
