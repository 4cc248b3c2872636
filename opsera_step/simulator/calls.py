"""Every call of the customer API, and the checks that come before what it does.

Faults, the journal and HTTP itself are the gate's work.
"""

from __future__ import annotations

from opsera_step.simulator import audit_calls, pipeline_calls, registry_calls, task_calls
from opsera_step.simulator.accounts import Denied, Token
from opsera_step.simulator.calling import Ask, Body, Call, Done, Refusal, forbidden
from opsera_step.simulator.scenario import Member
from opsera_step.simulator.world import World

__all__ = ["ROUTES", "Ask", "Body", "Call", "Done", "Refusal", "authenticate", "authorize"]

ROUTES: dict[tuple[str, str], Call] = {
    **pipeline_calls.ROUTES,
    **registry_calls.ROUTES,
    **audit_calls.ROUTES,
    **task_calls.ROUTES,
}
"""Every call by method and path."""


def authenticate(world: World, authorization: str) -> tuple[Token, Member]:
    """Return the token and its owner; refuse a token that is worth nothing."""
    scheme, _, text = authorization.partition(" ")
    try:
        return world.accounts.admitted(
            text.strip() if scheme.lower() == "bearer" else "", world.wall
        )
    except Denied as denied:
        raise Refusal(world.switches.bad_token_status, str(denied)) from denied


def authorize(world: World, call: Call, token: Token, member: Member) -> None:
    """Refuse a call that the token's scope, or the role of its owner, does not cover."""
    if token.scope not in call.scopes or (call.for_power_users and not member.leads):
        raise forbidden(world)
