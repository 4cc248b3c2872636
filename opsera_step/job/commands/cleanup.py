"""The command `cleanup`: stop the run that a killed job left behind.

GitHub runs it as the action's post step, GitLab in `after_script`, Jenkins in `post { aborted }`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote

from opsera_step.api import Run
from opsera_step.errors import ExitCode
from opsera_step.job.context import Context, page_url
from opsera_step.runs import LONGEST_STOP, RunState, find_unconfirmed_run, stop_run


def cleanup(job: Context) -> None:
    """Stop the run that a killed job left behind; do nothing after a job that ended by itself."""
    state = job.platform.saved_state(job.inputs.output_file)
    job.reports = False
    job.learn(status="success", exit_code=ExitCode.SUCCESS)
    if state.get("done") or not (state.get("run_count") or state.get("before")):
        job.learn(message="There is nothing to clean up.")
        return
    left = _left_run(job, state)
    if left is None or job.inputs.on_cancel == "leave":
        job.learn(message="There is nothing to stop.")
        return
    job.run, job.reports = left, True
    job.state = RunState.watching(left)
    job.learn(status="cancelled", run_count=left.count)
    until = job.deadline.no_later_than(LONGEST_STOP)
    job.changing = f"run {left.count} was being stopped"
    stopped = stop_run(job.client, job.state, job.clock, until)
    job.changing = ""
    if stopped.failure is not None:
        raise stopped.failure
    job.learn(message=job.scrubber.inline(stopped.sentence))


def _left_run(job: Context, state: Mapping[str, str]) -> Run | None:
    """Tell which run a killed job left; None when there is none."""
    pipeline_id = state.get("pipeline") or _id_of_url(job, state.get("url", ""))
    if not pipeline_id and not job.inputs.pipeline:
        return None
    if not pipeline_id:
        pipeline_id = job.find_pipeline().id
    job.learn(pipeline_id=pipeline_id, url=page_url(job.inputs.base_url, pipeline_id))
    if state.get("run_count", "").isdecimal():
        return Run(pipeline_id, int(state["run_count"]))
    if not state.get("before", "").isdecimal():
        return None
    until = job.deadline.no_later_than(LONGEST_STOP)
    before, token = int(state["before"]), job.inputs.token
    return find_unconfirmed_run(job.client, pipeline_id, before, token, job.clock, until)


def _id_of_url(job: Context, url: str) -> str:
    """Take the pipeline's ID out of the address of its page, which the job wrote itself."""
    pattern = re.escape(page_url(job.inputs.base_url, "ID")).replace("/ID/", "/([^/]+)/")
    found = re.fullmatch(pattern, url)
    return unquote(found[1]) if found else ""
