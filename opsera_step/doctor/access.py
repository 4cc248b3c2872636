"""The token: its content, whether Opsera accepts it, and what it allows.

Only requests that change nothing are sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from opsera_step.api import (
    CONSOLE_OUTPUT,
    LOGS,
    PIPELINES,
    RUN,
    SCOPE_LABELS,
    STATUS,
    SUMMARY,
    TASKS,
    TOOL_UPDATE,
    TOOLS,
    USER_ACTIONS,
    Endpoint,
    TokenFacts,
    describe_scopes,
    explain_malformed,
    format_span,
)
from opsera_step.doctor.check import Check, fail, fail_with, ok, skip, warn
from opsera_step.errors import (
    ExitCode,
    Forbidden,
    Malformed,
    NotFound,
    OpseraStepError,
    Unauthorized,
)

if TYPE_CHECKING:
    from opsera_step.doctor.checks import Examination

SOON = 7 * 86400.0
"""Seconds before its expiry at which a token is worth a warning."""
_RENEW = "Create a new token in Opsera (user profile, access tokens) and update the secret."


def check_token(exam: Examination) -> Check:
    """Show what the token contains, and whether Opsera accepts it."""
    if "token" in exam.invalid or "token_file" in exam.invalid:
        return skip("token", "Skipped (no valid token).", blocks=True)
    if not exam.token:
        return fail(
            "token",
            "No access token is set.",
            "Set OPSERA_TOKEN, the token input, or token_file. Secrets are not available to pull "
            "requests from forks, and protected variables only on protected branches.",
            code=ExitCode.INVALID_INPUT,
        )
    description = f"Token from {exam.source_of('token')}: {_describe(exam)}."
    error = exam.probe() if exam.was_probed else None
    if isinstance(error, Unauthorized):
        return fail_with("token", error, description)
    state = "Accepted by Opsera." if exam.is_accepted else "Not verified with Opsera."
    return _judge(exam, f"{state} {description}", is_accepted=exam.is_accepted)


def _judge(exam: Examination, message: str, *, is_accepted: bool) -> Check:
    """Judge a token that Opsera did not reject by what it contains."""
    facts, now = exam.facts, exam.now
    left = facts.seconds_left(now)
    malformed = "" if facts.is_jwt else explain_malformed(exam.token)
    if left is not None and left < SOON:
        return warn("token", message, _RENEW)
    if is_accepted:
        return ok("token", message)
    if facts.not_before is not None and facts.not_before > now:
        return warn("token", message, "Wait until then, or use another token.")
    if malformed:
        return warn("token", message, malformed)
    return skip("token", message)


def _describe(exam: Examination) -> str:
    facts, now = exam.facts, exam.now
    if not facts.is_jwt:
        return "not a JWT, so its expiry and scope are unknown"
    left, parts = facts.seconds_left(now), []
    whose = "" if exam.has_server_time else " by this machine's clock"
    if left is not None and facts.expires is not None:
        day = datetime.fromtimestamp(facts.expires, timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
        span = (
            f"expires in {format_span(left)}" if left > 0 else f"expired {format_span(-left)} ago"
        )
        parts.append(f"{span}{whose} ({day})")
    else:
        parts.append("expiry unknown")
    if facts.not_before is not None and facts.not_before > now:
        parts.append(f"valid only in {format_span(facts.not_before - now)}{whose} (claim nbf)")
    parts.append(f"scope {describe_scopes(facts.scopes)}" if facts.scopes else "scope unknown")
    return ", ".join(parts)


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


def try_abilities(exam: Examination) -> list[Ability]:
    """Test what a token allows; a pipeline given by name requires more."""
    return list(_try_all(exam))


def _try_all(exam: Examination) -> Iterator[Ability]:
    pipeline, failure = exam.found
    by_name = bool(exam.inputs.pipeline) and not exam.inputs.pipeline_is_id
    yield Ability("list pipelines", PIPELINES, exam.probe(), needed=by_name)
    if pipeline is not None or (failure is not None and not by_name):
        yield Ability("read the pipeline", SUMMARY, failure)
    pipeline_id = pipeline.id if pipeline is not None else exam.inputs.pipeline
    if pipeline is not None or (isinstance(failure, Forbidden) and not by_name):
        count = exam.inputs.run_count or (pipeline.run_count if pipeline is not None else 0)
        body: dict[str, object] = {"pipelineId": pipeline_id}
        if count:
            body["runCount"] = count
            yield _try(exam, "read the status of runs", STATUS, body, needed=True)
        if count or pipeline is None:
            log = {**body, "type": CONSOLE_OUTPUT}
            yield _try(exam, "read their logs", LOGS, log, needed=True)
    yield _try(exam, "list tools", TOOLS)
    yield _try(exam, "list tasks", TASKS)
    yield _try(exam, "read audit logs", USER_ACTIONS.with_query(count=1))


def _try(
    exam: Examination,
    name: str,
    endpoint: Endpoint,
    body: dict[str, object] | None = None,
    *,
    needed: bool = False,
) -> Ability:
    error = exam.attempt(lambda deadline: exam.client.probe(endpoint, body, deadline))
    return Ability(name, endpoint, error, needed)


def check_access(exam: Examination) -> Check:
    """Show what the token allows; only what every run requires is a problem."""
    tried = exam.abilities
    allowed = [one.name for one in tried if one.is_allowed]
    denied = [one.name for one in tried if one.is_denied]
    unknown = [one.name for one in tried if not one.is_allowed and not one.is_denied]
    groups = (("Allowed", allowed), ("Denied", denied), ("Unknown", unknown))
    message = " ".join(f"{title}: {', '.join(names)}." for title, names in groups if names)
    for one in tried:
        is_final = one.is_denied or isinstance(one.error, Malformed)
        if one.needed and is_final and one.error is not None:
            return fail("access", message, _hint(one), _cause(one), code=one.error.exit_code)
    for one in tried:
        is_unclear = not one.is_allowed and not one.is_denied
        if is_unclear or (one.endpoint is SUMMARY and isinstance(one.error, Forbidden)):
            return warn("access", message, _hint(one), _cause(one))
    return ok("access", message) if allowed else warn("access", message, _hint(tried[0]))


def _cause(one: Ability) -> str:
    return f"{one.name}: {one.error.message}" if one.error is not None else ""


def _hint(one: Ability) -> str:
    error = one.error
    hint = error.hint if error is not None else ""
    is_page = isinstance(error, Forbidden) and error.by_page
    if one.needed and one.endpoint is PIPELINES and not is_page:
        return f"Set the pipeline by its ID (24 hex digits, in its URL). {hint}"
    if one.endpoint is SUMMARY:
        return f"run needs this. watch, status, and logs don't if run_count is set. {hint}"
    return hint


def check_changes(exam: Examination) -> Check:
    """Report what is not tested, and what the token's scope allows per the documentation."""
    untested = "run, stop, reset, and update are not tested because they make changes"
    if not exam.token:
        return skip("changes", "Skipped (no valid token).")
    if not has_known_scope(exam.facts):
        return skip("changes", f"{untested[0].upper()}{untested[1:]}; the scope is unknown.")
    scope = describe_scopes(exam.facts.scopes)
    if not may_start(exam.facts):
        return warn(
            "changes",
            f"According to Opsera's documentation, the scope {scope} does not allow run, stop, "
            f"and reset "
            "(not tested because they make changes).",
            f"To start, stop, and reset runs, use a token with the scope "
            f"{describe_scopes(RUN.scopes)}.",
        )
    may_update = set(exam.facts.scopes) & set(TOOL_UPDATE.scopes)
    what = "all of them" if may_update else "run, stop, and reset"
    return skip(
        "changes",
        f"{untested[0].upper()}{untested[1:]}; according to Opsera's documentation, the scope "
        f"{scope} allows {what}.",
    )


def has_known_scope(facts: TokenFacts) -> bool:
    """Whether a token has a scope of Opsera; other scopes say nothing about what it may do."""
    return any(one in SCOPE_LABELS for one in facts.scopes)


def may_start(facts: TokenFacts) -> bool:
    """Whether a token's scope allows runs by the documentation; True if the scope is unknown."""
    return not has_known_scope(facts) or bool(set(facts.scopes) & set(RUN.scopes))
