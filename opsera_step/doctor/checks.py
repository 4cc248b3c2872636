"""The checks in their order, what each needs, and the runner."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from typing import Any, NamedTuple

from opsera_step.api import (
    PIPELINES,
    OpseraClient,
    Pipeline,
    contains_token,
    pipeline_by_id_or_name,
    read_token,
)
from opsera_step.api.transport import RequestLog
from opsera_step.clock import Clock, Deadline
from opsera_step.config import TABLE, RawSettings
from opsera_step.doctor import access, network, pipeline
from opsera_step.doctor.check import Check, Level, fail, ok, skip, warn
from opsera_step.errors import ApiError, ExitCode, OpseraStepError, Unauthorized

TOTAL_SECONDS = 20.0
"""The most seconds for everything that needs the network."""
STEP_SECONDS = 6.0
"""The most seconds for one request."""
_MAX_SHOWN = 80
_SECRET_INPUTS = ("token", "parameters")


class Examination:
    """A configuration that is being examined, and what was found out so far."""

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
        is_off = skew is not None and abs(skew) > network.MAX_SKEW
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
            return network.NotTested("Skipped (out of time).")
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
    def abilities(self) -> list[access.Ability]:
        """What the token may do, tried with requests that change nothing."""
        return access.try_abilities(self)


class Spec(NamedTuple):
    """A check: its name, the checks without whose success it is skipped, and its function."""

    name: str
    needs: tuple[str, ...]
    function: Callable[[Examination], Check]


def check_inputs(exam: Examination) -> Check:
    """Show every input that is set with its source, and everything that is invalid."""
    names = [one.name for one in TABLE if one.name in exam.settings.values]
    valid = [one for one in names if one not in exam.invalid and one not in ("command", "base_url")]
    shown = [_describe(exam, name) for name in valid]
    message = f"Configured: {', '.join(shown)}." if shown else "Nothing is configured."
    warnings = exam.settings.warnings
    if exam.invalid:
        count = len(exam.invalid)
        problems = f"{count} invalid input{'s' * (count != 1)}."
        hint = "The other checks ignore the invalid inputs."
        details = (*exam.invalid.values(), *warnings, message)
        return fail("inputs", problems, hint, *details, code=ExitCode.INVALID_INPUT)
    if warnings:
        return warn("inputs", message, "", *warnings)
    return ok("inputs", message)


def _describe(exam: Examination, name: str) -> str:
    value, source = exam.settings.values[name]
    alias = exam.settings.alias
    if name == "pipeline" and alias is not None:
        source += f"; alias “{alias.value}” from {alias.source}"
    if name in _SECRET_INPUTS or contains_token(value):
        return f"{name} ({source})"
    shown = value if len(value) <= _MAX_SHOWN else value[:_MAX_SHOWN] + "…"
    return f"{name} {shown} ({source})"


CHECKS = (
    Spec("inputs", (), check_inputs),
    Spec("base_url", (), network.check_base_url),
    Spec("dns", ("base_url",), network.check_dns),
    Spec("proxy", ("base_url",), network.check_proxy),
    Spec("connection", ("dns", "proxy"), network.check_connection),
    Spec("clock", ("connection",), network.check_clock),
    Spec("api", ("connection",), network.check_api),
    Spec("token", (), access.check_token),
    Spec("access", ("api", "token"), access.check_access),
    Spec("changes", (), access.check_changes),
    Spec("pipeline", ("api", "token"), pipeline.check_pipeline),
    Spec("run", ("pipeline",), pipeline.check_run),
)


def run_checks(exam: Examination) -> Iterator[Check]:
    """Yield each check as soon as it is done; skip those that lack a requirement."""
    blocked: dict[str, str] = {}
    for name, needs, function in CHECKS:
        reason = next((blocked[need] for need in needs if need in blocked), "")
        check = skip(name, reason, blocks=True) if reason else function(exam)
        if check.blocks:
            is_skipped = check.level is Level.SKIP
            blocked[name] = check.message if is_skipped else f"Skipped ({name} failed)."
        yield check
