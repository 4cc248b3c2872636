"""OpseraClient: one short method per call of the customer API over one request function.

It does not retry and does not wait: who calls knows whether a call may be repeated, and
`Call.repeatable` says so for each. Source of the calls: https://docs.opsera.io (customer API page).
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from contextlib import nullcontext
from functools import cached_property
from typing import TYPE_CHECKING

from opsera_step.calls import LOGS, PIPELINES, RESET, RUN, STATUS, STOP, SUMMARY, Call
from opsera_step.client.asking import Asking, same, shaped
from opsera_step.client.transport import Guard, Transport
from opsera_step.client.wording import as_sentence, name_of
from opsera_step.errors import Rejected
from opsera_step.listing import Listing, parse_listing
from opsera_step.models import (
    CONSOLE_OUTPUT,
    Consent,
    LogRecord,
    Pipeline,
    Run,
    RunAnswer,
    RunStatus,
    parse_list,
    parse_pipeline,
    parse_run_answer,
    parse_status,
    read_pipeline,
)
from opsera_step.record_reader import RecordReader
from opsera_step.timing import Clock, Deadline

if TYPE_CHECKING:
    from opsera_step.client.account import AccountCalls


class OpseraClient(Asking):
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
        super().__init__(
            Transport(base_url, token, clock, ca_bundle=ca_bundle, agent=agent, guard=guard)
        )
        self._reader = RecordReader()

    @cached_property
    def account(self) -> AccountCalls:
        """The calls about tools, tasks and audit logs."""
        # No job needs them, and each would wait for their loading.
        from opsera_step.client.account import AccountCalls  # noqa: PLC0415

        return AccountCalls(self._transport)

    @property
    def ever_answered(self) -> bool:
        """Whether any call ever got an answer of the API."""
        return self._transport.ever_answered

    @property
    def clock_ahead(self) -> float | None:
        """Seconds by which this machine's clock is ahead of the API's; None before an answer."""
        return self._transport.clock_ahead

    @property
    def proxy(self) -> str:
        """Address of the proxy on the way, with the credentials in it; empty without one."""
        return self._transport.proxy

    def trust(self) -> ssl.SSLContext:
        """Make a context for TLS that trusts what this client trusts."""
        return self._transport.trust()

    def knock(self, call: Call, body: Mapping[str, object] | None, deadline: Deadline) -> None:
        """See whether a call that changes nothing is allowed; a good answer is not read."""
        self._transport.knock(call, body, deadline)

    def run(self, pipeline_id: str, deadline: Deadline) -> RunAnswer:
        """Start a run; never call this again unless the error says `never_accepted`."""
        data = self.ask(RUN, {"pipelineId": pipeline_id}, deadline)
        return shaped(parse_run_answer(data), RUN)

    def status(self, run: Run, deadline: Deadline) -> RunStatus:
        """Ask how a run, current or past, stands."""
        body = {"pipelineId": run.pipeline_id, "runCount": run.count}
        return shaped(parse_status(self.ask(STATUS, body, deadline)), STATUS)

    def summary(self, pipeline_id: str, deadline: Deadline) -> Pipeline:
        """Ask for the pipeline object."""
        data = self.ask(SUMMARY, {"pipelineId": pipeline_id}, deadline)
        pipeline = shaped(parse_pipeline(data), SUMMARY)
        return same(pipeline, pipeline.id, pipeline_id, SUMMARY)

    def logs(self, run: Run, deadline: Deadline, *, console_only: bool) -> list[LogRecord]:
        """Ask for the newest 1000 activity records of a run, newest first.

        All that came is returned: an answer may not be filtered although that was asked for.
        """
        return list(self.log_listing(run, deadline, console_only=console_only).items)

    def log_listing(
        self, run: Run, deadline: Deadline, *, console_only: bool
    ) -> Listing[LogRecord]:
        """Ask for the newest 1000 activity records of a run, with all that is around them."""
        body: dict[str, object] = {"pipelineId": run.pipeline_id, "runCount": run.count}
        if console_only:
            body["type"] = CONSOLE_OUTPUT
        data = self.ask(LOGS, body, deadline)
        records = self._reader.read(shaped(parse_list(data), LOGS))
        return Listing(tuple(records), whole=data)

    def stop(self, pipeline_id: str, deadline: Deadline) -> Consent:
        """Ask the pipeline to stop after its current operation."""
        return self._consent(STOP, pipeline_id, deadline)

    def reset(self, pipeline_id: str, deadline: Deadline) -> Consent:
        """Put the pipeline back to its first step."""
        return self._consent(RESET, pipeline_id, deadline)

    def pipelines(self, deadline: Deadline) -> list[Pipeline]:
        """List the pipelines that the token's owner sees; the API gives 1000 at most."""
        return [one for one in self.pipeline_list(deadline).items if one.id]

    def pipeline_list(self, deadline: Deadline) -> Listing[Pipeline]:
        """List the pipelines as they came, even such as have no ID."""
        data = self.ask(PIPELINES, None, deadline)
        return shaped(parse_listing(data, read_pipeline), PIPELINES)

    def _consent(self, call: Call, pipeline_id: str, deadline: Deadline) -> Consent:
        data = self.ask(call, {"pipelineId": pipeline_id}, deadline)
        answer = shaped(parse_run_answer(data), call)
        if answer.refused:
            said = as_sentence(answer.message or answer.word)
            raise Rejected(f"{name_of(call)} answered with a refusal: {said}")
        return Consent(answer.message, answer.whole)
