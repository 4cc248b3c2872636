"""Users, their roles and tokens, and access to objects. Nothing here uses HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from random import Random

from opsera_step.simulator.identifiers import ObjectIds, jwt
from opsera_step.simulator.scenario.spec import (
    PLAIN,
    POWER_USER,
    ROLES,
    SITE_ADMIN,
    Access,
    Member,
    ObjectSpec,
    PipelineSpec,
    User,
)


class InvalidToken(Exception):
    """A token that is not accepted, with the reason."""


@dataclass(frozen=True)
class Token:
    """An access token: its text, owner, scope, and when it expires (wall clock)."""

    id: str
    text: str
    scope: str
    owner: str
    expires: float
    active: bool = True


class Accounts:
    """The users and the tokens of one account."""

    def __init__(self, main_user: User, members: Mapping[str, Member], rng: Random) -> None:
        """Start with users and no tokens. Open objects are open to `main_user`."""
        self.members = dict(members)
        self.tokens: dict[str, Token] = {}
        self._main_user = main_user
        self._access: dict[str, Access] = {}
        self._rng = rng
        self._ids = ObjectIds(rng)

    def member(self, name: str) -> Member:
        """Return a user. An unknown one has the plain role."""
        return self.members.get(name) or Member(name, PLAIN)

    def with_role(self, role: str) -> Member:
        """Return the first valid user with a role, or a new one."""
        found = (one for one in self.members.values() if one.role == role and one.valid)
        return next(found, Member(f"A {role}", role))

    def issue(self, owner: str, scope: str, issued: float, expires: float) -> Token:
        """Create a token in the form of a JWT."""
        text = jwt(User.from_text(owner).id, scope, issued, expires, self._rng)
        token = Token(self._ids.next(issued), text, scope, owner, expires)
        self.tokens[text] = token
        return token

    def authenticate(self, text: str, wall: float) -> tuple[Token, Member]:
        """Return the token of that text and its owner. Raises `InvalidToken`."""
        token = self.tokens.get(text)
        if token is None or token.expires <= wall:
            raise InvalidToken("Unauthorized")
        member = self.member(token.owner)
        if not member.valid:
            raise InvalidToken("Unauthorized: the owner of the token is not a valid user.")
        if not token.active:
            raise InvalidToken("Unauthorized: the token was deactivated.")
        return token, member

    def deactivate(self, text: str) -> None:
        """Deactivate a token. Raises KeyError if it is unknown."""
        if text not in self.tokens:
            raise KeyError("unknown token")
        self.tokens[text] = replace(self.tokens[text], active=False)

    def set_access(self, object_id: str, access: Access) -> None:
        """Change who may use an object."""
        self._access[object_id] = access

    def may_use(self, member: Member, thing: PipelineSpec | ObjectSpec) -> bool:
        """Return whether a user may use an object.

        Site Admins, the owner, and the users that the object names always may. Open objects are
        open to Power Users and to the main user of the scenario.
        """
        if member.role == SITE_ADMIN or member.name == thing.owner.name:
            return True
        access = self._access.get(thing.id, thing.access)
        if isinstance(access, bool):
            return access and (member.role == POWER_USER or member.name == self._main_user.name)
        return member.name in access


def role_named(text: str) -> str:
    """Return a role by its name; case and hyphens do not matter. Raises ValueError."""
    roles = {role.lower(): role for role in ROLES}
    word = text.lower().replace("-", " ").replace("_", " ").strip()
    if word not in roles:
        raise ValueError(f"role takes {', '.join(ROLES)}, not {text!r}")
    return roles[word]
