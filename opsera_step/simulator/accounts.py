"""Users, their roles and their tokens, and who may use what.

Knows nothing of HTTP: what is denied here becomes an answer elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from random import Random
from typing import Protocol

from opsera_step.simulator.identifiers import ObjectIds, jwt
from opsera_step.simulator.scenario import (
    PLAIN,
    POWER_USER,
    ROLES,
    SITE_ADMIN,
    Access,
    Member,
    User,
)

__all__ = ["SCOPES", "Accounts", "Denied", "Member", "Owned", "Token", "role_named"]

SCOPES = (
    "api",
    "api-readonly",
    "pipeline",
    "pipeline-readonly",
    "registry",
    "registry-readonly",
    "tasks",
    "tasks-readonly",
    "security-logs",
)
"""The scopes that a token can have."""


class Denied(Exception):
    """A token that is worth nothing; says why."""


@dataclass(frozen=True)
class Token:
    """An access token: its text, whose it is, what for, and when it ends (wall clock)."""

    id: str
    text: str
    scope: str
    owner: str
    expires: float
    active: bool = True


class Owned(Protocol):
    """What a user can have access to."""

    @property
    def id(self) -> str:
        """Its ID."""
        ...

    @property
    def owner(self) -> User:
        """Whose it is."""
        ...

    @property
    def access(self) -> Access:
        """Who else may use it."""
        ...


class Accounts:
    """The users and the tokens of one account."""

    def __init__(self, ours: User, members: Iterable[Member], rng: Random) -> None:
        """Begin with users and no tokens; `ours` is the user that things are open to."""
        self.members = {member.name: member for member in members}
        self.tokens: dict[str, Token] = {}
        self._ours = ours
        self._access: dict[str, Access] = {}
        self._rng = rng
        self._ids = ObjectIds(rng)

    def member(self, name: str) -> Member:
        """Return a user; one that was never heard of has no role."""
        return self.members.get(name) or Member(name, PLAIN)

    def with_role(self, role: str) -> Member:
        """Return the first valid user of a role, or a new one."""
        found = (one for one in self.members.values() if one.role == role and one.valid)
        return next(found, Member(f"A {role}", role))

    def make_token(self, owner: str, scope: str, issued: float, expires: float) -> Token:
        """Make a token of the shape of a JWT, without issuing it; its signature is made up."""
        text = jwt(User.named(owner).id, scope, issued, expires, self._rng)
        return Token(self._ids.next(issued), text, scope, owner, expires)

    def admitted(self, text: str, wall: float) -> tuple[Token, Member]:
        """Return the token of that text and its owner, or say why it is worth nothing."""
        token = self.tokens.get(text)
        if token is None or token.expires <= wall:
            raise Denied("Unauthorized")
        member = self.member(token.owner)
        if not member.valid:
            raise Denied("Unauthorized: the owner of the token is not a valid user.")
        if not token.active:
            raise Denied("Unauthorized: the token was deactivated.")
        return token, member

    def deactivate(self, text: str) -> None:
        """Make a token worthless."""
        self.tokens[text] = replace(self.tokens[text], active=False)

    def set_access(self, object_id: str, access: Access) -> None:
        """Change who may use an object."""
        self._access[object_id] = access

    def may_use(self, member: Member, thing: Owned) -> bool:
        """Tell whether a user may use an object.

        Site Admins and the object's owner always may, and those who were granted it. What is open
        is so to Power Users and to the user whom the scenario is about.
        """
        if member.role == SITE_ADMIN or member.name == thing.owner.name:
            return True
        access = self._access.get(thing.id, thing.access)
        if isinstance(access, bool):
            return access and (member.role == POWER_USER or member.name == self._ours.name)
        return member.name in access


def role_named(text: str) -> str:
    """Return the role that is meant; capitals and hyphens do not matter."""
    plain = {role.lower(): role for role in ROLES}
    word = text.lower().replace("-", " ").replace("_", " ").strip()
    if word not in plain:
        raise ValueError(f"role takes {', '.join(ROLES)}, not {text!r}")
    return plain[word]
