"""What the token is, and what it may do: found out by calls that change nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone

from opsera_step.api import (
    CONSOLE_OUTPUT,
    ENDPOINTS,
    LOGS,
    PIPELINES,
    RUN,
    STATUS,
    SUMMARY,
    TASKS,
    TOOL_UPDATE,
    TOOLS,
    USER_ACTIONS,
    Endpoint,
    OpseraClient,
    Pipeline,
    TokenFacts,
    explain_malformed,
    format_span,
)
from opsera_step.clock import Deadline
from opsera_step.doctor.check import Check, fault, good, skipped, warning
from opsera_step.errors import (
    ApiError,
    ExitCode,
    Forbidden,
    Malformed,
    NotFound,
    OpseraStepError,
    Unauthorized,
)

SOON = 7 * 86400.0
"""Seconds before its end at which a token is worth a warning."""
_NEW_ONE = (
    "Create a new access token in Opsera (user profile, access tokens) and update the secret."
)


@dataclass(frozen=True)
class Ability:
    """Something that a token may do, or not."""

    name: str
    call: Endpoint
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

    @property
    def hinders(self) -> bool:
        """Whether no run can be followed as things are; asking again would not help."""
        return self.needed and (self.denied or isinstance(self.refused, Malformed))


def missing_token() -> Check:
    """Make the check of a token that is not there."""
    return fault(
        "token",
        "No access token is set.",
        "Set OPSERA_TOKEN (or the input token), or token_file. Where it is set as a secret of the "
        "CI: is the secret given to this job? Protected variables are for protected branches "
        "only, and pull requests of forks get none.",
        code=ExitCode.INVALID_INPUT,
    )


@dataclass(frozen=True)
class Judged:
    """A token that is looked at: where it is from, and what it says of itself."""

    token: str
    origin: str
    facts: TokenFacts
    now: float
    """The server's time, where it is known, for this machine's clock may be the wrong one."""
    knows_time: bool = False
    """Whether it is the server's."""


def refused_token(judged: Judged, answer: Unauthorized) -> Check:
    """Make the check of a token that the API does not accept."""
    says = f"from {judged.origin}; {_described(judged.facts, judged.now)}"
    told = f"Opsera does not accept it ({answer.message.rstrip('.')}). It is {says}."
    remedy = explain_malformed(judged.token) or answer.hint
    return fault("token", told, remedy, code=ExitCode.AUTH)


def token_check(judged: Judged, *, accepted: bool, unknown: str = "") -> Check:
    """Judge a token by what it says of itself; where it is not known to be accepted, say why."""
    facts, left = judged.facts, judged.facts.seconds_left(judged.now)
    says = f"from {judged.origin}; {_described(facts, judged.now)}"
    says = f"accepted, {says}" if accepted else f"{says}; whether it is accepted {unknown}"
    says = f"{says[0].upper()}{says[1:]}."
    if left is not None and left <= 0:
        return warning("token", says, _NEW_ONE + _outlived(judged) * accepted)
    if left is not None and left < SOON:
        return warning("token", says, _NEW_ONE)
    if accepted:
        return good("token", says)
    if facts.not_before is not None and facts.not_before > judged.now:
        return warning("token", says, "Wait until then, or use another token.")
    if not facts.is_jwt:
        return warning(
            "token", says, explain_malformed(judged.token) or "Check that it was copied whole."
        )
    return skipped("token", says)


def _outlived(judged: Judged) -> str:
    """Say why a token may be accepted after its end."""
    if judged.knows_time:
        return " It is still accepted, but that may end at any moment."
    return " It was accepted all the same: is this machine's clock right?"


def _described(facts: TokenFacts, now: float) -> str:
    if not facts.is_jwt:
        return "it has not the form of a JWT, so it tells nothing of itself"
    parts = ["a JWT"]
    left = facts.seconds_left(now)
    if left is not None and facts.expires is not None:
        moment = datetime.fromtimestamp(facts.expires, timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
        span = (
            f"expires in {format_span(left)}" if left > 0 else f"expired {format_span(-left)} ago"
        )
        parts.append(f"{span} ({moment})")
    else:
        parts.append("which does not say when it expires")
    if facts.not_before is not None and facts.not_before > now:
        parts.append(f"which becomes good only in {format_span(facts.not_before - now)} (nbf)")
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
    yield Ability("list pipelines", PIPELINES, listing, needed=bool(named)), None
    if pipeline is not None or (isinstance(failure, Forbidden) and not named):
        refused = failure if isinstance(failure, Forbidden) else None
        yield Ability("see the pipeline", SUMMARY, refused, needed=True), None
    if pipeline is not None and pipeline.run_count:
        body: dict[str, object] = {"pipelineId": pipeline.id, "runCount": pipeline.run_count}
        yield Ability("see its runs", STATUS, needed=True), _knock(client, STATUS, body)
        console = {**body, "type": CONSOLE_OUTPUT}
        yield Ability("read their logs", LOGS, needed=True), _knock(client, LOGS, console)
    yield Ability("list tools", TOOLS), _knock(client, TOOLS, None)
    yield Ability("list tasks", TASKS), _knock(client, TASKS, None)
    audit = USER_ACTIONS.with_query(count=1)
    yield Ability("read audit logs", audit), _knock(client, audit, None)


def _knock(
    client: OpseraClient, call: Endpoint, body: dict[str, object] | None
) -> Callable[[Deadline], None]:
    return lambda until: client.probe(call, body, until)


def access_check(tried: list[Ability], facts: TokenFacts) -> Check:
    """Tell what the token may do; a fault is only what a run can't do without."""
    may = [one.name for one in tried if one.allowed]
    unknown = [one.name for one in tried if not one.allowed and not one.denied]
    parts = [f"may {_listed(may)}"] if may else []
    parts += [f"may not {one}" for one in _refusals(tried, facts)]
    parts += [f"unknown: {', '.join(unknown)}"] if unknown else []
    says = f"It {'; '.join(parts)}."
    hindering = [one for one in tried if one.hinders]
    unclear = [one for one in tried if not one.allowed and not one.denied]
    telling = hindering or unclear or ([] if may else tried)
    if not telling:
        return good("access", says)
    first = telling[0]
    assert first.refused is not None  # noqa: S101 - for mypy: it is none of those that are allowed
    told = f"{first.name}: {first.refused.message}"
    remedy = _advice(first, first.refused, facts)
    if hindering:
        return fault("access", says, remedy, told, code=first.refused.exit_code)
    return warning("access", says, remedy or "Ask again.", told)


def _refusals(tried: list[Ability], facts: TokenFacts) -> Iterator[str]:
    """Tell what it may not, and why as far as the token's scope tells it."""
    by_reason: dict[str, list[str]] = {}
    for one in tried:
        if one.denied:
            by_reason.setdefault(_reason(one, facts), []).append(one.name)
    for reason, names in by_reason.items():
        yield f"{_listed(names, 'or')}{reason}"


def _reason(one: Ability, facts: TokenFacts) -> str:
    if not tells_scope(facts) or not isinstance(one.refused, Forbidden) or one.refused.by_page:
        return ""
    if not set(facts.scopes) & set(one.call.scopes):
        return " (by its scope)"
    return " (that takes the Power User role)" if one.call.needs_power_user else ""


def _advice(what: Ability, missed: ApiError, facts: TokenFacts) -> str:
    is_page = isinstance(missed, Forbidden) and missed.by_page
    if (
        what.needed
        and what.call is PIPELINES
        and what.denied
        and not is_page
        and "scope" not in _reason(what, facts)
    ):
        return (
            "Finding a pipeline by its name takes the Power User role: give its ID instead (24 "
            "hex digits, in the address of its page), or use another token."
        )
    return missed.hint


def changes_check(facts: TokenFacts) -> Check:
    """Say what can't be tried without doing it, and what the token's scope suggests."""
    what = "Run, stop, reset and update were not tried, for they change something"
    if not tells_scope(facts):
        return skipped("changes", f"{what}; the token does not tell its scope.")
    scope = ", ".join(facts.scopes)
    if not may_start(facts):
        remedy = "To start, stop and reset runs use a token with the scope pipeline or api."
        return warning("changes", f"{what}; the scope {scope} is not good for runs.", remedy)
    may_update = set(facts.scopes) & set(TOOL_UPDATE.scopes)
    return good(
        "changes", f"{what}; the scope {scope} is good for {'all' if may_update else 'runs'}."
    )


def tells_scope(facts: TokenFacts) -> bool:
    """Whether a token tells a scope of Opsera's: other words say nothing of what it may do."""
    return any(one in call.scopes for one in facts.scopes for call in ENDPOINTS)


def may_start(facts: TokenFacts) -> bool:
    """Whether a token's scope is good for runs; of one that tells no scope it is assumed."""
    return not tells_scope(facts) or bool(set(facts.scopes) & set(RUN.scopes))


def _listed(words: list[str], last: str = "and") -> str:
    return f" {last} ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
