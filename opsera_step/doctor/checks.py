"""One examination: the checks in their order, each as soon as it is done."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

from opsera_step.api import (
    HINT_NOT_OPSERA,
    PIPELINES,
    OpseraClient,
    Pipeline,
    TokenFacts,
    pipeline_by_id_or_name,
    read_token,
)
from opsera_step.clock import Clock, Deadline, format_duration
from opsera_step.config import RawSettings, Setting
from opsera_step.doctor import access, network
from opsera_step.doctor.check import Check, Level, fault, fault_of_api, good, skipped, warning
from opsera_step.doctor.configuration import inputs_check
from opsera_step.doctor.pipeline import pipeline_check, run_check
from opsera_step.doctor.way import STEP_SECONDS, Way
from opsera_step.errors import (
    ApiError,
    AuthError,
    ExitCode,
    Forbidden,
    InvalidInput,
    NotFound,
    OpseraStepError,
    Unauthorized,
)

ALL_SECONDS = 20.0
"""Most seconds for all that is asked of the network."""
MOST_SKEW = 60.0
_BEHIND = ("access", "changes", "pipeline", "run")
"""The checks that need an API that answers, and a token that it accepts."""
_NO_WAY = "The way there is not known."
_UNREACHED = "The API can't be reached."
_UNWELL = "The API does not answer as it should."
_NOT_THERE = (
    "Check that base_url is the address of your tenant; some answer so where the token's scope or "
    "its owner's role does not allow a call."
)
_NOT_SEEN = "The token may not see it: see access."
_NO_TOKEN = "There is no token that is accepted."  # noqa: S105 - a sentence


class Examination:
    """Examines one configuration; use `checks` once."""

    def __init__(
        self,
        settings: RawSettings,
        environ: Mapping[str, str],
        clock: Clock,
        *,
        agent: str = "",
        guard: Callable[[], AbstractContextManager[Any]] = nullcontext,
    ) -> None:
        """Take what is configured; `guard` surrounds each wait for the network."""
        self._settings, self._environ, self._clock, self._guard = settings, environ, clock, guard
        self._wrong = settings.invalid()
        self.inputs = settings.valid_inputs()
        self._token = settings.values.get("token") if "token" not in self._wrong else None
        self._facts = read_token(self._token.value) if self._token else TokenFacts()
        self._agent = agent
        self._until = Deadline.after(clock, ALL_SECONDS)
        self._client: OpseraClient | None = None
        self._way: Way | None = None

    def checks(self) -> Iterator[Check]:
        """Yield the checks in their order."""
        self._until = Deadline.after(self._clock, ALL_SECONDS)
        yield inputs_check(self._settings, self._wrong)
        address = self._address()
        yield address
        if self._way is None:
            yield from (skipped(name, _NO_WAY) for name in ("dns", "proxy", "connection", "clock"))
            yield from self._without_api(_NO_WAY)
            return
        failed = False
        for check in self._way.checks():
            failed = failed or check.level is Level.FAULT
            yield check
        if failed:
            yield skipped("clock", _UNREACHED)
            yield from self._without_api(_UNREACHED)
        else:
            yield from self._api()

    def _address(self) -> Check:
        given = self._settings.values.get("base_url")
        origin = given.source if given is not None else "the default"
        if "base_url" in self._wrong:
            return skipped("address", "base_url won't do: see the inputs.")
        token = self._token.value if self._token else "-"
        try:
            self._client = OpseraClient(
                self.inputs.base_url,
                token,
                self._clock,
                ca_bundle=self.inputs.ca_bundle,
                agent=self._agent,
                guard=self._guard,
            )
            self._way = Way(
                self._client,
                self.inputs.base_url,
                self.inputs.ca_bundle,
                self._environ,
                self._clock,
                self._until,
                self._guard,
            )
        except InvalidInput as error:
            remedy = "Give a PEM file with the certificates of the CA."
            return fault(
                "address", f"{error.message.rstrip('.')}.", remedy, code=ExitCode.INVALID_INPUT
            )
        except ValueError as error:
            name = network.any_variable(self._environ) or "the proxy's variable"
            says = f"The proxy of {name} can't be used: {error}."
            remedy = f"Write {name} like http://proxy.example:3128."
            return fault("address", says, remedy, code=ExitCode.API)
        return good("address", f"{self.inputs.base_url} ({origin})")

    # The API behind it.

    def _without_api(self, why: str) -> Iterator[Check]:
        yield skipped("api", why)
        yield self._token_check(unknown="was not tried")
        yield from (skipped(name, why) for name in _BEHIND)

    def _api(self) -> Iterator[Check]:
        client = self._client
        assert client is not None  # noqa: S101 - for mypy: there is one since _address
        began = self._clock.monotonic()
        answer = self._try(lambda until: client.probe(PIPELINES, None, until))
        took = self._clock.monotonic() - began
        yield self._clock_check(client.clock_skew)
        if answer is not None and not isinstance(answer, (AuthError, NotFound)):
            yield fault_of_api("api", answer)
            yield self._token_check(unknown="could not be seen")
            yield from (skipped(name, _UNWELL) for name in _BEHIND)
            return
        if isinstance(answer, NotFound):
            yield warning("api", f"It answers, but {answer.message}", _NOT_THERE)
        elif isinstance(answer, Forbidden) and answer.by_page:
            says = f"{answer.message.rstrip('.')}, with a page of HTML."
            yield warning("api", f"It answers, but {says}", HINT_NOT_OPSERA)
        else:
            yield good("api", f"It answers, in {took * 1000:.0f} ms.")
        if self._token is None or isinstance(answer, Unauthorized):
            yield self._token_check(answer)
            yield from (skipped(name, _NO_TOKEN) for name in _BEHIND)
            return
        yield from self._rights(client, answer)

    def _clock_check(self, ahead: float | None) -> Check:
        if ahead is None:
            return skipped("clock", "The server did not say what time it has.")
        side = "ahead of" if ahead > 0 else "behind"
        if abs(ahead) <= MOST_SKEW:
            return good("clock", "It agrees with the server's, to a minute.")
        return warning(
            "clock",
            f"This machine's clock is {format_duration(abs(ahead))} {side} the server's.",
            "Set it right: times in logs and reports, and what is said of the token's end, are "
            "wrong by as much, and certificates may seem to have ended or not to have begun.",
        )

    def _token_check(
        self, answer: ApiError | None = None, *, accepted: bool = False, unknown: str = ""
    ) -> Check:
        if "token" in self._wrong:
            return skipped("token", "It won't do: see the inputs.")
        if self._token is None:
            if "token_file" in self._wrong:
                return skipped("token", "See the inputs.")
            return access.missing_token()
        ahead = self._client.clock_skew if self._client is not None else None
        now = self._clock.time() - (ahead if ahead and abs(ahead) > MOST_SKEW else 0.0)
        token, origin = self._token.value, self._token.source
        judged = access.Judged(token, origin, self._facts, now, knows_time=ahead is not None)
        if isinstance(answer, Unauthorized):
            return access.refused_token(judged, answer)
        return access.token_check(judged, accepted=accepted, unknown=unknown)

    def _rights(self, client: OpseraClient, listing: ApiError | None) -> Iterator[Check]:
        named = self._settings.values.get("pipeline") if "pipeline" not in self._wrong else None
        pipeline, failure = self._find(client, named)
        by_name = named.value if named is not None and not self.inputs.pipeline_is_id else ""
        tried = []
        for ability, call in access.abilities(client, listing, by_name, pipeline, failure):
            refused = self._try(call) if call is not None else ability.refused
            tried.append(replace(ability, refused=refused))
        accepted = any(one.allowed for one in tried)
        yield self._token_check(accepted=accepted, unknown="can't be told: see access")
        rights = access.access_check(tried, self._facts)
        yield rights
        yield access.changes_check(self._facts)
        if isinstance(failure, Forbidden) and rights.level is Level.FAULT:
            yield from (skipped(name, _NOT_SEEN) for name in ("pipeline", "run"))
        else:
            yield from self._readiness(pipeline, failure)

    def _readiness(
        self, pipeline: Pipeline | None, failure: OpseraStepError | None
    ) -> Iterator[Check]:
        if pipeline is not None:
            yield pipeline_check(pipeline, is_named=not self.inputs.pipeline_is_id)
            yield run_check(pipeline, self.inputs, may_start=access.may_start(self._facts))
        elif failure is not None:
            yield Check(
                "pipeline", Level.FAULT, failure.message, failure.hint, exit_code=failure.exit_code
            )
            yield skipped("run", "The pipeline is not known.")
        else:
            remedy = "Set OPSERA_PIPELINE (or the input pipeline), or name it after the command."
            yield skipped("pipeline", "No pipeline is set.", remedy)
            yield skipped("run", "No pipeline is set.")

    def _find(
        self, client: OpseraClient, named: Setting | None
    ) -> tuple[Pipeline | None, OpseraStepError | None]:
        if named is None:
            return None, None
        find = pipeline_by_id_or_name(
            client, self.inputs.pipeline, is_id=self.inputs.pipeline_is_id
        )
        try:
            return find(self._until.no_later_than(STEP_SECONDS)), None
        except OpseraStepError as error:
            return None, error

    def _try(self, call: Callable[[Deadline], None]) -> ApiError | None:
        """Make a call and return what it raised; with no time left it is not made."""
        if self._until.expired:
            return ApiError("It was not asked, for the time for all checks was over.")
        try:
            call(self._until.no_later_than(STEP_SECONDS))
        except ApiError as error:
            return error
        return None
