"""The audit logs: what users did, and each use of a token."""

from __future__ import annotations

from bisect import bisect_left
from datetime import datetime, timezone
from random import Random

from opsera_step.simulator.identifiers import ObjectIds, fixed_id, timestamp
from opsera_step.simulator.scenario.spec import ACCOUNT, AuditSpec, User

_WEEK = 7 * 86_400_000
_ACTIONS = (
    ("pipeline", "run"),
    ("pipeline", "update"),
    ("pipeline", "stop"),
    ("registry", "update"),
    ("task", "run"),
)
_TARGETS = (
    "/v1/pipeline/run",
    "/v1/pipeline/status",
    "/v1/pipeline/logs",
    "/v1/registry/tools",
    "/v1/logs/user/tokens",
)

_Fields = dict[str, object]


class AuditLog:
    """Entries in the order of their time."""

    def __init__(self) -> None:
        self._times: list[int] = []
        self._entries: list[_Fields] = []

    def add(self, entry_id: str, milliseconds: int, fields: _Fields) -> None:
        """Add the latest entry."""
        at = timestamp(milliseconds)
        stamped = {"account": ACCOUNT, "createdAt": at, "updatedAt": at, "__v": 0}
        self._times.append(milliseconds)
        self._entries.append({"_id": entry_id, **fields, **stamped})

    def find(self, start: int, end: int, wanted: _Fields) -> list[_Fields]:
        """Return the entries between two times with the wanted values, latest first."""
        first, last = (bisect_left(self._times, at) for at in (start, end))
        given = {name: value for name, value in wanted.items() if value}
        return [
            entry
            for entry in reversed(self._entries[first:last])
            if all(entry[name] == value for name, value in given.items())
        ]


class Audit:
    """Both audit logs of an account."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._ids = ObjectIds(rng)
        self.actions = AuditLog()
        self.uses = AuditLog()

    def seed(self, spec: AuditSpec, people: list[User], targets: list[str], start: int) -> None:
        """Add entries from before the start."""
        for at in _moments(spec.actions, spec.days, start):
            kind, action = self._rng.choice(_ACTIONS)
            self.add_action(at, self._rng.choice(people), kind, action, self._rng.choice(targets))
        for at in _moments(spec.uses, spec.days, start):
            user = self._rng.choice(people)
            target = self._rng.choice(_TARGETS)
            self.add_use(at, fixed_id("token", user.name), "api", target, user)

    def add_action(self, at: int, user: User, kind: str, action: str, target_id: str) -> None:
        """Record that a user changed something."""
        fields = {"user_id": user.id, "user_email": user.email, "type": kind, "action": action}
        entry_id = self._ids.next(at // 1000)
        self.actions.add(entry_id, at, {**fields, "target_id": target_id})

    def add_use(self, at: int, token_id: str, scope: str, target: str, user: User) -> None:
        """Record that a token was used."""
        fields = {"token_id": token_id, "scope": scope, "target": target, "user_id": user.id}
        self.uses.add(self._ids.next(at // 1000), at, {**fields})


def span_of(day: str, seconds: float, now: int) -> tuple[int, int]:
    """Return a day, else the last seconds, else the last week, in milliseconds since 1970."""
    if day:
        midnight = datetime.fromisoformat(day).replace(tzinfo=timezone.utc)
        start = round(midnight.timestamp() * 1000)
        return start, start + 86_400_000
    return now - (round(seconds * 1000) or _WEEK), now + 1


def _moments(count: int, days: float, start: int) -> list[int]:
    """Spread moments evenly over the days before the start."""
    return [start - round(days * 86_400_000 * (count - n) / count) for n in range(count)]
