"""The token: its content, whether Opsera accepts it, and what it allows.

Only requests that change nothing are sent.
"""

from __future__ import annotations

from datetime import datetime, timezone

from opsera_step.api import (
    PIPELINES,
    RUN,
    SCOPE_LABELS,
    SUMMARY,
    TOOL_UPDATE,
    TokenFacts,
    describe_scopes,
    explain_malformed,
    format_span,
)
from opsera_step.doctor.check import Check, fail, fail_with, ok, skip, warn
from opsera_step.doctor.examination import Ability, Examination
from opsera_step.errors import (
    ExitCode,
    Forbidden,
    Malformed,
    Unauthorized,
)

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
            f"According to Opsera's documentation, the scope {scope} does not allow run, stop, and "
            "reset (not tested because they make changes).",
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
