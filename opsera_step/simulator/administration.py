"""What an administrator of the account does in the portal: tokens, users, and access to objects."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

from opsera_step.simulator.accounts import SCOPES, Token, role_named
from opsera_step.simulator.gate import Gate
from opsera_step.simulator.scenario import Member
from opsera_step.simulator.views import token_view
from opsera_step.simulator.world import World

_LIFETIME = 365 * 86400.0
_LONGEST = 100 * _LIFETIME


class Administration:
    """The part of a simulation that is about its account; safe to use from several threads."""

    _gate: Gate

    def issue_token(
        self,
        scope: str = "api",
        *,
        role: str | None = None,
        user: str | None = None,
        expires_in: float = _LIFETIME,
    ) -> str:
        """Issue a token and return it.

        It belongs to the named user, else to one with the role, else to the owner of the first
        token. A user who is named together with a role gets that role.
        """
        return str(self.issued(scope, role=role, user=user, expires_in=expires_in)["token"])

    def issued(
        self,
        scope: str = "api",
        *,
        role: str | None = None,
        user: str | None = None,
        expires_in: float = _LIFETIME,
    ) -> dict[str, object]:
        """Issue a token as `issue_token` does, and return all about it."""
        if scope not in SCOPES:
            raise ValueError(f"scope takes {', '.join(SCOPES)}, not {scope!r}")
        if not -_LONGEST <= expires_in <= _LONGEST:
            raise ValueError(f"a token expires within {_LONGEST:.0f} seconds, not {expires_in}")
        with self._gate.lock:
            world = self._world()
            owner = self._owner(world, role, user)
            token = world.accounts.make_token(
                owner.name, scope, world.wall + min(0.0, expires_in), world.wall + expires_in
            )
            world.issue(
                token_id=token.id,
                text=token.text,
                scope=scope,
                owner=owner.name,
                expires=token.expires,
            )
            return token_view(token)

    def deactivate(self, token: str) -> None:
        """Make a token worthless."""
        with self._gate.lock:
            world = self._world()
            world.deactivate(text=_known(world, token).text)

    def set_user(self, name: str, *, role: str | None = None, valid: bool = True) -> None:
        """Give a user a role (default: the one they have), or bar them with `valid=False`."""
        with self._gate.lock:
            world = self._world()
            known = world.accounts.member(name)
            meant = known.role if role is None else role_named(role)
            world.set_member(name=name, role=meant, valid=valid)

    def set_access(self, object_id: str, access: bool | Iterable[str]) -> None:
        """Say who may use a pipeline, tool or task: true, false, or the names of users."""
        with self._gate.lock:
            world = self._world()
            if object_id not in {*world.pipelines, *world.tools, *world.tasks}:
                raise KeyError(f"nothing has the ID {object_id}")
            listed = [access] if isinstance(access, str) else access
            allowed = listed if isinstance(listed, bool) else [str(name) for name in listed]
            world.set_access(object_id=object_id, access=allowed)

    def tokens(self) -> list[dict[str, object]]:
        """Return all tokens with what they are for."""
        with self._gate.lock:
            return [token_view(one) for one in self._gate.world.accounts.tokens.values()]

    def users(self) -> list[dict[str, object]]:
        """Return all users with their roles."""
        with self._gate.lock:
            return [asdict(one) for one in self._gate.world.accounts.members.values()]

    def _world(self) -> World:
        self._gate.world.catch_up()
        return self._gate.world

    def _owner(self, world: World, role: str | None, user: str | None) -> Member:
        accounts = world.accounts
        if role is None:
            return accounts.member(user or world.user.name)
        meant = role_named(role)
        owner = Member(user, meant) if user else accounts.with_role(meant)
        if accounts.members.get(owner.name) != owner:
            world.set_member(name=owner.name, role=owner.role, valid=owner.valid)
        return owner


def _known(world: World, text: str) -> Token:
    if text not in world.accounts.tokens:
        raise KeyError("no such token was issued")
    return world.accounts.tokens[text]
