"""OpseraClient: one short method per call of the customer API over one request function.

It does not retry and does not wait: who calls knows whether a call may be repeated, and
`Call.repeatable` says so for each. Source of the calls: https://docs.opsera.io (customer API page).
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TypeVar

from opsera_step.calls import LOGS, PIPELINES, RESET, RUN, STATUS, STOP, SUMMARY, Call
from opsera_step.client.transport import Guard, Transport
from opsera_step.client.wording import as_sentence, name_of
from opsera_step.errors import Malformed, Rejected
from opsera_step.models import (
    CONSOLE_OUTPUT,
    LogRecord,
    Pipeline,
    Run,
    RunAnswer,
    RunStatus,
    parse_list,
    parse_pipeline,
    parse_record,
    parse_run_answer,
    parse_status,
)
from opsera_step.timing import Clock, Deadline

T = TypeVar("T")


class OpseraClient:
    """The customer API of one tenant, with one token."""

    def __init__(
        self,
        base_url: str,
        token: str,
        clock: Clock,
        *,
        ca_bundle: str = "",
        agent: str = "",
        guard: Guard = nullcontext,
    ) -> None:
        """Prepare a session; `guard` surrounds each wait for the network (for cancelling).

        Raises:
            BadInput: when the CA bundle can't be read.

        """
        self._transport = Transport(
            base_url, token, clock, ca_bundle=ca_bundle, agent=agent, guard=guard
        )

    @property
    def ever_answered(self) -> bool:
        """Whether any call ever got an answer of the API."""
        return self._transport.ever_answered

    def run(self, pipeline_id: str, deadline: Deadline) -> RunAnswer:
        """Start a run; never call this again unless the error says `never_accepted`."""
        data = self._transport.ask(RUN, {"pipelineId": pipeline_id}, deadline)
        return _shaped(parse_run_answer(data), RUN)

    def status(self, run: Run, deadline: Deadline) -> RunStatus:
        """Ask how a run, current or past, stands."""
        body = {"pipelineId": run.pipeline_id, "runCount": run.count}
        return _shaped(parse_status(self._transport.ask(STATUS, body, deadline)), STATUS)

    def summary(self, pipeline_id: str, deadline: Deadline) -> Pipeline:
        """Ask for the pipeline object."""
        data = self._transport.ask(SUMMARY, {"pipelineId": pipeline_id}, deadline)
        pipeline = _shaped(parse_pipeline(data), SUMMARY)
        if pipeline.id.lower() != pipeline_id.lower():
            raise Malformed("pipeline/summary answered with another pipeline than was asked for.")
        return pipeline

    def logs(self, run: Run, deadline: Deadline, *, console_only: bool) -> list[LogRecord]:
        """Ask for the newest 1000 activity records of a run, newest first.

        All that came is returned: an answer may not be filtered although that was asked for.
        """
        body: dict[str, object] = {"pipelineId": run.pipeline_id, "runCount": run.count}
        if console_only:
            body["type"] = CONSOLE_OUTPUT
        items = _shaped(parse_list(self._transport.ask(LOGS, body, deadline)), LOGS)
        return [parse_record(item) for item in items]

    def stop(self, pipeline_id: str, deadline: Deadline) -> str:
        """Ask the pipeline to stop after its current operation; return the API's message."""
        return self._message(STOP, pipeline_id, deadline)

    def reset(self, pipeline_id: str, deadline: Deadline) -> str:
        """Put the pipeline back to its first step; return the API's message."""
        return self._message(RESET, pipeline_id, deadline)

    def pipelines(self, deadline: Deadline) -> list[Pipeline]:
        """List the pipelines that the token's owner sees; the API gives 1000 at most."""
        items = _shaped(parse_list(self._transport.ask(PIPELINES, None, deadline)), PIPELINES)
        return [pipeline for item in items if (pipeline := parse_pipeline(item)) is not None]

    def _message(self, call: Call, pipeline_id: str, deadline: Deadline) -> str:
        data = self._transport.ask(call, {"pipelineId": pipeline_id}, deadline)
        answer = _shaped(parse_run_answer(data), call)
        if answer.refused:
            said = as_sentence(answer.message or answer.word)
            raise Rejected(f"{name_of(call)} answered with a refusal: {said}")
        return answer.message


def _shaped(value: T | None, call: Call) -> T:
    if value is None:
        raise Malformed(f"{name_of(call)} answered JSON of an unknown shape.")
    return value
