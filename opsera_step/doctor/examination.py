"""The configuration that the doctor examines, and its findings so far."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from opsera_step.api import (
    CONSOLE_OUTPUT,
    LOGS,
    PIPELINES,
    STATUS,
    SUMMARY,
    TASKS,
    TOOLS,
    USER_ACTIONS,
    Endpoint,
    OpseraClient,
    Pipeline,
    pipeline_by_id_or_name,
    read_token,
)
from opsera_step.api.transport import RequestLog
from opsera_step.clock import Clock, Deadline
from opsera_step.config import RawSettings
from opsera_step.errors import ApiError, Forbidden, NotFound, OpseraStepError, Unauthorized

TOTAL_SECONDS = 20.0
"""The most seconds for everything that needs the network."""
STEP_SECONDS = 6.0
"""The most seconds for one request."""
MAX_SKEW = 60.0
"""Seconds by which this machine's clock may differ from the server's."""


class NotTested(ApiError):
    """A request was not sent because the time for all checks is over."""


@dataclass(frozen=True)
class Ability:
    """A permission that a token may have."""

    name: str
    endpoint: Endpoint
    error: OpseraStepError | None = None
    needed: bool = False
    """Whether no run can be followed without it."""

    @property
    def is_allowed(self) -> bool:
        """Whether the request was successful."""
        return self.error is None

    @property
    def is_denied(self) -> bool:
        """Whether the request was refused, so that a retry would not help."""
        return isinstance(self.error, (Forbidden, NotFound))


class Examination:
    """A configuration that is being examined, and the findings so far."""

    def __init__(
        self,
        settings: RawSettings,
        environ: Mapping[str, str],
        clock: Clock,
        *,
        agent: str = "",
        log_request: RequestLog | None = None,
        guard: Callable[[], AbstractContextManager[Any]] = nullcontext,
    ) -> None:
        self.settings, self.environ, self.clock, self.guard = settings, environ, clock, guard
        self.invalid = settings.invalid()
        self.inputs = settings.valid_inputs()
        self.token = self.inputs.token if "token" not in self.invalid else ""
        self.facts = read_token(self.token)
        self.deadline = Deadline.after(clock, TOTAL_SECONDS)
        self._agent = agent
        self._log_request = log_request if self.inputs.verbose else None
        self._client: OpseraClient | None = None
        self._probed = False
        self._probe_error: ApiError | None = None
        self.probe_seconds = 0.0
        """How long the first request took."""

    def source_of(self, name: str) -> str:
        """Return where an input is set; empty if it is not."""
        return self.settings.values[name].source if name in self.settings.values else ""

    def connect(self) -> None:
        """Prepare the client.

        Raises:
            InvalidInput: if a CA bundle or the proxy's address can't be used.
        """
        self._client = OpseraClient(
            self.inputs.base_url,
            self.token or "none",
            self.clock,
            ca_bundle=self.inputs.ca_bundle,
            agent=self._agent,
            log_request=self._log_request,
            guard=self.guard,
            token_source=self.source_of("token"),
            environ=self.environ,
        )

    @property
    def client(self) -> OpseraClient:
        """The client, once `connect` was called."""
        if self._client is None:
            raise RuntimeError("base_url is checked first")
        return self._client

    @property
    def was_probed(self) -> bool:
        """Whether a request was sent, or at least tried."""
        return self._probed

    @property
    def has_server_time(self) -> bool:
        """Whether the server's time is known."""
        return self._client is not None and self._client.clock_skew is not None

    @property
    def now(self) -> float:
        """The server's time if this machine's clock is known to differ, else this machine's."""
        skew = self._client.clock_skew if self._client is not None else None
        is_off = skew is not None and abs(skew) > MAX_SKEW
        return self.clock.time() - (skew if skew is not None and is_off else 0.0)

    def seconds(self) -> float:
        """Return how long the next step may take."""
        return max(0.1, min(STEP_SECONDS, self.deadline.remaining))

    def probe(self) -> ApiError | None:
        """List pipelines, once, and return the error; the list needs the least of a token."""
        if not self._probed:
            started, self._probed = self.clock.monotonic(), True
            self._probe_error = self.attempt(
                lambda deadline: self.client.probe(PIPELINES, None, deadline)
            )
            self.probe_seconds = self.clock.monotonic() - started
        return self._probe_error

    def attempt(self, call: Callable[[Deadline], object]) -> ApiError | None:
        """Make a call and return its error; without time left it is not made."""
        if self.deadline.expired:
            return NotTested("Skipped (out of time).")
        try:
            call(self.deadline.no_later_than(STEP_SECONDS))
        except ApiError as error:
            return error
        return None

    @cached_property
    def found(self) -> tuple[Pipeline | None, OpseraStepError | None]:
        """The pipeline, or the error of looking for it; neither if none is set."""
        name = self.inputs.pipeline
        if not name:
            return None, None
        find = pipeline_by_id_or_name(self.client, name, is_id=self.inputs.pipeline_is_id)
        try:
            return find(self.deadline.no_later_than(STEP_SECONDS)), None
        except OpseraStepError as error:
            return None, error

    @property
    def is_accepted(self) -> bool:
        """Whether Opsera accepted the token in any request."""
        if not self._probed or isinstance(self._probe_error, Unauthorized):
            return False
        return any(one.is_allowed for one in self.abilities)

    @cached_property
    def abilities(self) -> list[Ability]:
        """What the token may do, tried with requests that change nothing."""
        return list(self._try_all())

    def _try_all(self) -> Iterator[Ability]:
        pipeline, failure = self.found
        by_name = bool(self.inputs.pipeline) and not self.inputs.pipeline_is_id
        yield Ability("list pipelines", PIPELINES, self.probe(), needed=by_name)
        if pipeline is not None or (failure is not None and not by_name):
            yield Ability("read the pipeline", SUMMARY, failure)
        pipeline_id = pipeline.id if pipeline is not None else self.inputs.pipeline
        if pipeline is not None or (isinstance(failure, Forbidden) and not by_name):
            count = self.inputs.run_count or (pipeline.run_count if pipeline is not None else 0)
            body: dict[str, object] = {"pipelineId": pipeline_id}
            if count:
                body["runCount"] = count
                yield self._try("read the status of runs", STATUS, body, needed=True)
            if count or pipeline is None:
                log = {**body, "type": CONSOLE_OUTPUT}
                yield self._try("read their logs", LOGS, log, needed=True)
        yield self._try("list tools", TOOLS)
        yield self._try("list tasks", TASKS)
        yield self._try("read audit logs", USER_ACTIONS.with_query(count=1))

    def _try(
        self,
        name: str,
        endpoint: Endpoint,
        body: dict[str, object] | None = None,
        *,
        needed: bool = False,
    ) -> Ability:
        error = self.attempt(lambda deadline: self.client.probe(endpoint, body, deadline))
        return Ability(name, endpoint, error, needed)
