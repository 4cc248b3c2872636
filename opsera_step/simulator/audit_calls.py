"""The calls on the audit logs: who did what, and which tokens were used."""

from __future__ import annotations

from opsera_step.simulator.calling import LIST_LIMIT, Ask, Call, Done, counted, counting_number, day

_SCOPES = ("api", "security-logs")


def _actions(ask: Ask) -> Done:
    kind, world = ask.query.get("type", ""), ask.world
    size = counting_number(ask.query.get("count"), "count", LIST_LIMIT)
    entries = world.audit.actions(world.milliseconds(), day(ask.query.get("date")), type=kind)
    return counted(world, entries, size=size)


def _uses(ask: Ask) -> Done:
    scope, world = ask.query.get("scope", ""), ask.world
    entries = world.audit.uses(world.milliseconds(), day(ask.query.get("date")), scope=scope)
    return counted(world, entries)


ROUTES: dict[tuple[str, str], Call] = {
    ("GET", "/api/v1/logs/user/actions"): Call(
        "user_actions", _SCOPES, _actions, for_power_users=True
    ),
    ("GET", "/api/v1/logs/user/tokens"): Call("token_uses", _SCOPES, _uses, for_power_users=True),
}
"""The calls on the audit logs by method and path."""
