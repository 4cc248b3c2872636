"""OpseraClient: one short method per endpoint.

It neither retries nor waits: the caller knows whether a request may be repeated, and
`Endpoint.repeatable` says so for each. Source: https://docs.opsera.io (customer API page).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from opsera_step.api.certificate import Certificate, fetch_untrusted
from opsera_step.api.endpoints import (
    ACTIONS,
    LIST_LIMIT,
    LOGS,
    PIPELINES,
    RESET,
    RUN,
    STATUS,
    STOP,
    SUMMARY,
    Endpoint,
    endpoint_of,
)
from opsera_step.api.fields import JsonObject
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
    parse_message,
    parse_pipeline,
    parse_record,
    parse_run_response,
    parse_status,
    read_pipeline,
    unwrap,
)
from opsera_step.api.proxy import Proxy
from opsera_step.api.session import Session
from opsera_step.api.transport import Caller, Guard, RawResponse, RequestLog, Transport
from opsera_step.clock import Clock, Deadline
from opsera_step.errors import InvalidInput

if TYPE_CHECKING:
    from opsera_step.api.account_client import AccountClient

_MAX_RECORDS = 10 * LIST_LIMIT
"""More records of a log than this are not read: each takes far more memory than its JSON."""
_MAX_KNOWN = 4096
"""Longer records are not kept for comparison, so that a window of them takes few megabytes."""


class OpseraClient(Caller):
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
        token_source: str = "",
        reread_token: Callable[[], str] | None = None,
        log_request: RequestLog | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        """Prepare a session, with the proxy and CA certificates of the environment.

        `guard` surrounds each wait for the network (for cancelling); `token_source` is the variable
        or file that the token comes from, for messages; `reread_token` is called after a 401, and
        returns the token as it is now; `log_request` is called after each request.

        Raises:
            InvalidInput: if the token, a CA bundle, or the proxy's address can't be used.
        """
        session = Session(base_url, token, ca_bundle, agent, environ)
        super().__init__(
            Transport(
                session,
                base_url,
                clock,
                guard=guard,
                token_source=token_source,
                reread_token=reread_token,
                log_request=log_request,
            )
        )
        self._session = session
        self._records = RecordReader()

    @cached_property
    def account(self) -> AccountClient:
        """The endpoints for tools, tasks, and audit logs."""
        # A job that runs a pipeline does not need them, so it does not wait for them to load.
        from opsera_step.api.account_client import AccountClient  # noqa: PLC0415

        return AccountClient(self._transport)

    @property
    def token(self) -> str:
        """The access token, as it is now."""
        return self._transport.token

    @property
    def ever_responded(self) -> bool:
        """Whether any request was successful."""
        return self._transport.ever_responded

    @property
    def clock_skew(self) -> float | None:
        """Seconds by which this machine's clock is ahead of the API's; None before a response."""
        return self._transport.clock_skew

    @property
    def proxy(self) -> Proxy | None:
        """The proxy that requests go through; None if they are direct."""
        return self._session.proxy

    @property
    def certificate(self) -> Certificate | None:
        """The server's certificate, after a probe over HTTPS that got a response."""
        return self._transport.certificate

    def fetch_certificate(self, timeout: float) -> Certificate | None:
        """Read the server's certificate although it is not trusted; None if that fails."""
        parts = urlsplit(self._transport.route.base_url)
        return fetch_untrusted(parts.hostname or "", parts.port or 443, self.proxy, timeout)

    def run(
        self, pipeline_id: str, deadline: Deadline, settings: Mapping[str, object] | None = None
    ) -> RunResponse:
        """Start a run; never repeat this unless the error is `never_accepted`.

        `settings` are runtime settings as `make_settings` makes them. That this endpoint takes them
        as the portal sends them is an assumption.
        """
        body: dict[str, object] = {"pipelineId": pipeline_id}
        if settings:
            body["settings"] = settings
        return self.call(RUN, body, deadline, parse_run_response)

    def status(self, run: Run, deadline: Deadline) -> RunStatus:
        """Get the status of a run, current or past."""
        body = {"pipelineId": run.pipeline_id, "runCount": run.count}
        return self.call(STATUS, body, deadline, parse_status)

    def summary(self, pipeline_id: str, deadline: Deadline) -> Pipeline:
        """Get the pipeline object."""
        pipeline = self.call(SUMMARY, {"pipelineId": pipeline_id}, deadline, parse_pipeline)
        return self.check_id(pipeline, pipeline.id, pipeline_id, SUMMARY)

    def logs(self, run: Run, deadline: Deadline, *, console_only: bool) -> Listing[LogRecord]:
        """Get the latest 1000 activity records of a run, latest first.

        Everything that came is returned, because a server may ignore the filter. Of a response that
        exceeds the size limit, the records that arrived before are returned, and `is_cut` is true.
        """
        body: dict[str, object] = {"pipelineId": run.pipeline_id, "runCount": run.count}
        if console_only:
            body["type"] = CONSOLE_OUTPUT
        response = self._transport.send(LOGS, body, deadline, may_be_cut=True)
        items = self.parse(response.data, LOGS, parse_list)
        records = self.parse(items[:_MAX_RECORDS], LOGS, self._records.read)
        is_cut = response.is_cut or len(records) < len(items)
        return Listing(tuple(records), response=response.data, is_cut=is_cut)

    def stop(self, pipeline_id: str, deadline: Deadline) -> Ack:
        """Stop the pipeline after its current operation."""
        return self._change(STOP, pipeline_id, deadline)

    def reset(self, pipeline_id: str, deadline: Deadline) -> Ack:
        """Reset the pipeline to its first step."""
        return self._change(RESET, pipeline_id, deadline)

    def act(self, action: str, pipeline_id: str, deadline: Deadline, message: str = "") -> Ack:
        """Approve or reject (with a message) the step at which the pipeline is paused.

        The shape of the response is not documented: `{"status", "message"}`, or the envelope of
        other v2 endpoints, `{"status", "data", "metadata": {"message"}}`.
        """
        body: dict[str, object] = {
            "action": action, "type": "pipeline", "version": 1, "target": [pipeline_id],
        }  # fmt: skip
        if message:
            body["message"] = message
        data = self._transport.send(ACTIONS, body, deadline).data
        self.raise_if_refused(data, ACTIONS)
        return Ack(parse_message(data), data)

    def pipelines(self, deadline: Deadline) -> Listing[Pipeline]:
        """List the pipelines that the token's owner may see; the API returns at most 1000."""
        return self.call_list(PIPELINES, deadline, read_pipeline)

    def request(
        self,
        method: str,
        path: str,
        deadline: Deadline,
        *,
        query: Mapping[str, str] | None = None,
        body: JsonObject | None = None,
    ) -> Any:
        """Send any request with the same authentication and errors; return the JSON.

        Raises:
            InvalidInput: if the path is not an absolute path on this host.
            ApiError: see there.
        """
        if not path.startswith("/") or path.startswith("//") or set(path) & set("?#\\ \t\r\n"):
            raise InvalidInput(
                [f"Invalid path {path!r}. Use an absolute path without a query, like /api/v1/tasks"]
            )
        endpoint = endpoint_of(method.upper(), path).with_query(**(query or {}))
        return self._transport.send(endpoint, body, deadline).data

    def probe(self, endpoint: Endpoint, body: JsonObject | None, deadline: Deadline) -> None:
        """See whether a call that changes nothing is allowed and gets the response that it should.

        Of a long list only the start is read.

        Raises:
            ApiError: if it is not.
        """
        response = self._transport.read_prefix(endpoint, body, deadline)
        if endpoint.path == STATUS.path:
            self.parse(response.data, endpoint, parse_status)
        elif not response.is_cut:
            self.parse(response.data, endpoint, _parse_objects)

    def send_raw(
        self, endpoint: Endpoint, body: JsonObject | None, deadline: Deadline, etag: str = ""
    ) -> RawResponse:
        """Send a request that changes nothing and return the response as it came; see there."""
        return self._transport.send_raw(endpoint, body, deadline, etag)

    def _change(self, endpoint: Endpoint, pipeline_id: str, deadline: Deadline) -> Ack:
        data = self._transport.send(endpoint, {"pipelineId": pipeline_id}, deadline).data
        response = self.parse(data, endpoint, lambda data: self.raise_if_refused(data, endpoint))
        return Ack(response.message, response.response)


class RecordReader:
    """Parses log responses one after the other; what came before unchanged is not parsed again.

    While lines flow, each response repeats nearly all of the thousand records of the one before.
    """

    def __init__(self) -> None:
        self._known: dict[str, LogRecord] = {}

    def read(self, items: Sequence[JsonObject]) -> list[LogRecord]:
        """Parse the records of a response, in its order."""
        known, self._known = self._known, {}
        records = []
        for item in items:
            item_id = item.get("_id")
            record = known.get(item_id) if isinstance(item_id, str) else None
            if record is None or record.data != item:
                record = parse_record(item)
            if record.id and len(record.text) <= _MAX_KNOWN:
                self._known[record.id] = record
            records.append(record)
        return records


def _parse_objects(data: Any) -> list[JsonObject] | None:
    """Parse a list of objects; None if it is no list, or one of something else."""
    items = parse_list(data)
    return items if items or not unwrap(data) else None
