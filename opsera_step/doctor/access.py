"""What the token is, and what it may do: found out by calls that change nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone

from opsera_step.access_token import TokenFacts, oddity, spell_span
from opsera_step.calls import (
    LOGS,
    RUN,
    STATUS,
    TASKS,
    TOOL_UPDATE,
    TOOLS,
    USER_ACTIONS,
    Call,
)
from opsera_step.client import OpseraClient
from opsera_step.doctor.findings import Check, Level, fault, good, skipped, warning
from opsera_step.errors import (
    ApiError,
    ExitCode,
    Forbidden,
    NotFound,
    OpseraStepError,
    Unauthorized,
)
from opsera_step.models import CONSOLE_OUTPUT, Pipeline
from opsera_step.timing import Deadline

SOON = 7 * 86400.0
"""Seconds before its end at which a token is worth a warning."""
_NEW_ONE = (
    "Create a new access token in Opsera (user profile, access tokens) and update the secret."
)


@dataclass(frozen=True)
class Ability:
    """Something that a token may do, or not."""

    name: str
    refused: ApiError | None = None
    needed: bool = False
    """Whether no run can be followed without it."""

    @property
    def allowed(self) -> bool:
        """Whether it may."""
        return self.refused is None

    @property
    def denied(self) -> bool:
        """Whether it is known that it may not, rather than unknown."""
        return isinstance(self.refused, (Forbidden, NotFound))


def missing_token() -> Check:
    """Make the check of a token that is not there."""
    return fault(
        "token",
        "No access token is set.",
        "Set OPSERA_TOKEN (or the input token), or token_file. Where it is set as a secret of the "
        "CI: is the secret given to this job? Protected variables are for protected branches "
        "only, and pull requests of forks get none.",
        code=ExitCode.BAD_INPUT,
    )


def token_check(
    token: str, origin: str, facts: TokenFacts, now: float, answer: ApiError | None, *, asked: bool
) -> Check:
    """Judge a token by what it says of itself, and by what the API answered to it."""
    left, says = facts.left(now), f"from {origin}; {_described(facts, now)}"
    if isinstance(answer, Unauthorized):
        told = f"Opsera does not accept it ({answer.message.rstrip('.')}). It is {says}."
        remedy = oddity(token) or answer.hint
        return fault("token", told, remedy, code=ExitCode.AUTH)
    if not asked:
        says = f"{says}; whether it is accepted was not tried"
    elif answer is None:
        says = f"accepted, {says}"
    says = f"{says[0].upper()}{says[1:]}."
    if left is not None and left <= 0:
        accepted = asked and answer is None
        why = " It was accepted all the same: is this machine's clock right?" if accepted else ""
        return warning("token", says, _NEW_ONE + why)
    if left is not None and left < SOON:
        return warning("token", says, _NEW_ONE)
    if not facts.is_jwt and not asked:
        return warning("token", says, oddity(token) or "Check that it was copied whole.")
    return good("token", says)


def _described(facts: TokenFacts, now: float) -> str:
    if not facts.is_jwt:
        return "it has not the form of a JWT, so it tells nothing of itself"
    parts = ["a JWT"]
    left = facts.left(now)
    if left is not None and facts.expires is not None:
        moment = datetime.fromtimestamp(facts.expires, timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
        span = f"expires in {spell_span(left)}" if left > 0 else f"expired {spell_span(-left)} ago"
        parts.append(f"{span} ({moment})")
    else:
        parts.append("which does not say when it expires")
    if facts.scopes:
        parts.append(f"scope {', '.join(facts.scopes)}")
    return ", ".join(parts)


def abilities(
    client: OpseraClient,
    listing: ApiError | None,
    named: str,
    pipeline: Pipeline | None,
    failure: OpseraStepError | None,
) -> Iterator[tuple[Ability, Callable[[Deadline], None] | None]]:
    """Yield what can be tried, with the call that tries it; None where that was done already.

    `named` is the pipeline's name where it was given by that, so that the list is needed.
    """
    yield Ability("list pipelines", listing, needed=bool(named)), None
    if pipeline is not None or (isinstance(failure, Forbidden) and not named):
        refused = failure if isinstance(failure, Forbidden) else None
        yield Ability("see the pipeline", refused, needed=True), None
    if pipeline is not None and pipeline.run_count:
        body: dict[str, object] = {"pipelineId": pipeline.id, "runCount": pipeline.run_count}
        yield Ability("see how a run stands", needed=True), _knock(client, STATUS, body)
        console = {**body, "type": CONSOLE_OUTPUT}
        yield Ability("read a run's log", needed=True), _knock(client, LOGS, console)
    yield Ability("list tools"), _knock(client, TOOLS, None)
    yield Ability("list tasks"), _knock(client, TASKS, None)
    yield Ability("read audit logs"), _knock(client, USER_ACTIONS.asking(count=1), None)


def _knock(
    client: OpseraClient, call: Call, body: dict[str, object] | None
) -> Callable[[Deadline], None]:
    return lambda until: client.knock(call, body, until)


def access_check(tried: list[Ability]) -> Check:
    """Tell what the token may do; a fault is only what a run can't do without."""
    may = [one.name for one in tried if one.allowed]
    may_not = [one.name for one in tried if one.denied]
    unknown = [one for one in tried if not one.allowed and not one.denied]
    parts = [f"may {_listed(may)}"] if may else []
    parts += [f"may not {_listed(may_not, 'or')}"] if may_not else []
    parts += [f"unknown: {', '.join(one.name for one in unknown)}"] if unknown else []
    says = f"It {'; '.join(parts)}."
    details = tuple(f"{one.name}: {one.refused.message}" for one in tried if one.refused)
    missed = next((one for one in tried if one.needed and one.denied), None)
    if missed is not None and missed.refused is not None:
        code = missed.refused.exit_code
        return fault("access", says, _advice(missed), *details, code=code)
    if unknown:
        return warning("access", says, "Ask again: some calls had no answer.", *details)
    return Check("access", Level.OK, says)


def _advice(missed: Ability) -> str:
    if missed.name == "list pipelines":
        return (
            "Finding a pipeline by its name takes the Power User role: give its ID instead (24 "
            "hex digits, in the address of its page), or use another token."
        )
    return missed.refused.hint if missed.refused is not None else ""


def changes_check(facts: TokenFacts) -> Check:
    """Say what can't be tried without doing it, and what the token's scope suggests."""
    what = "Run, stop, reset and update are not tried, for that would change something"
    if not facts.scopes:
        return skipped("changes", f"{what}; the token does not tell its scope.")
    scope = ", ".join(facts.scopes)
    if not may_start(facts):
        remedy = "To start, stop and reset runs use a token with the scope pipeline or api."
        return warning("changes", f"{what}; the scope {scope} is not good for runs.", remedy)
    tools = " and for updates of tools" if set(facts.scopes) & set(TOOL_UPDATE.scopes) else ""
    return good("changes", f"{what}; the scope {scope} is good for runs{tools}.")


def may_start(facts: TokenFacts) -> bool:
    """Whether a token's scope is good for runs; of one that tells no scope it is assumed."""
    return not facts.scopes or bool(set(facts.scopes) & set(RUN.scopes))


def _listed(words: list[str], last: str = "and") -> str:
    return f" {last} ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
