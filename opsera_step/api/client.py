"""OpseraClient: one short method per call of the customer API over one request function.

It does not retry and does not wait: who calls knows whether a call may be repeated, and
`Endpoint.repeatable` says so for each. Source: https://docs.opsera.io (customer API page).
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from contextlib import nullcontext
from functools import cached_property
from typing import TYPE_CHECKING, Any

from opsera_step.api.asking import Asking, granted, same, understood
from opsera_step.api.endpoints import LOGS, PIPELINES, RESET, RUN, STATUS, STOP, SUMMARY, Endpoint
from opsera_step.api.listing import Listing
from opsera_step.api.models import (
    CONSOLE_OUTPUT,
    Ack,
    LogRecord,
    Pipeline,
    Run,
    RunResponse,
    RunStatus,
    parse_list,
    parse_pipeline,
    parse_run_answer,
    parse_status,
    read_pipeline,
    unwrap,
)
from opsera_step.api.record_reader import RecordReader
from opsera_step.api.transport import Guard, Transport
from opsera_step.clock import Clock, Deadline

if TYPE_CHECKING:
    from opsera_step.api.account_client import AccountClient


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
            InvalidInput: when the CA bundle can't be read.

        """
        super().__init__(
            Transport(base_url, token, clock, ca_bundle=ca_bundle, agent=agent, guard=guard)
        )
        self._reader = RecordReader()

    @cached_property
    def account(self) -> AccountClient:
        """The calls about tools, tasks and audit logs."""
        # No job needs them, and each would wait for their loading.
        from opsera_step.api.account_client import AccountClient  # noqa: PLC0415

        return AccountClient(self._transport)

    @property
    def ever_responded(self) -> bool:
        """Whether any call ever got an answer of the API."""
        return self._transport.ever_responded

    @property
    def clock_skew(self) -> float | None:
        """Seconds by which this machine's clock is ahead of the API's; None before an answer."""
        return self._transport.clock_skew

    @property
    def proxy(self) -> str:
        """Address of the proxy on the way, with the credentials in it; empty without one."""
        return self._transport.proxy

    def trust(self) -> ssl.SSLContext:
        """Make a context for TLS that trusts what this client trusts."""
        return self._transport.trust()

    def probe(self, call: Endpoint, body: Mapping[str, object] | None, deadline: Deadline) -> None:
        """See whether a call that changes nothing is allowed and answered with what it gives.

        Of a long list the start is enough, for nobody needs the rest.
        """
        with self.explained(call):
            data, is_complete = self._transport.read_prefix(call, body, deadline)
        if call.path == STATUS.path:
            understood(data if is_complete else None, call, parse_status)
        elif is_complete:
            understood(data, call, _as_objects)

    def run(self, pipeline_id: str, deadline: Deadline) -> RunResponse:
        """Start a run; never call this again unless the error says `never_accepted`."""
        return self.call(RUN, {"pipelineId": pipeline_id}, deadline, parse_run_answer)

    def status(self, run: Run, deadline: Deadline) -> RunStatus:
        """Ask how a run, current or past, stands."""
        body = {"pipelineId": run.pipeline_id, "runCount": run.count}
        return self.call(STATUS, body, deadline, parse_status)

    def summary(self, pipeline_id: str, deadline: Deadline) -> Pipeline:
        """Ask for the pipeline object."""
        pipeline = self.call(SUMMARY, {"pipelineId": pipeline_id}, deadline, parse_pipeline)
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
        return self.call(LOGS, body, deadline, self._read_log)

    def stop(self, pipeline_id: str, deadline: Deadline) -> Ack:
        """Ask the pipeline to stop after its current operation."""
        return self._consent(STOP, pipeline_id, deadline)

    def reset(self, pipeline_id: str, deadline: Deadline) -> Ack:
        """Put the pipeline back to its first step."""
        return self._consent(RESET, pipeline_id, deadline)

    def pipelines(self, deadline: Deadline) -> Listing[Pipeline]:
        """List the pipelines that the token's owner sees; the API gives 1000 at most."""
        return self.call_list(PIPELINES, deadline, read_pipeline)

    def _consent(self, call: Endpoint, pipeline_id: str, deadline: Deadline) -> Ack:
        body = {"pipelineId": pipeline_id}
        answer = self.call(call, body, deadline, lambda data: granted(data, call))
        return Ack(answer.message, answer.response)

    def _read_log(self, data: Any) -> Listing[LogRecord] | None:
        items = parse_list(data)
        return None if items is None else Listing(tuple(self._reader.read(items)), response=data)


def _as_objects(data: Any) -> Any:
    """Read a list of objects; None when it is no list, or one of something else."""
    return parse_list(data) if parse_list(data) or not unwrap(data) else None
