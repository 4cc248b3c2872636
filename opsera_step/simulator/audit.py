"""The audit logs: what users did, and each use of a token, on the world's clock."""

from __future__ import annotations

from bisect import bisect_left
from datetime import datetime, timezone
from random import Random

from opsera_step.simulator.identifiers import ObjectIds, fixed_id, timestamp
from opsera_step.simulator.scenario import ACCOUNT, AuditSpec, User

_WEEK = 7 * 86_400_000
_DEEDS = (
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


class Journal:
    """Entries in the order of their time."""

    def __init__(self) -> None:
        """Start empty."""
        self._times: list[int] = []
        self._entries: list[_Fields] = []

    def add(self, entry_id: str, milliseconds: int, fields: _Fields) -> None:
        """Note something that has just happened."""
        at = timestamp(milliseconds)
        stamped = {"account": ACCOUNT, "createdAt": at, "updatedAt": at, "__v": 0}
        self._times.append(milliseconds)
        self._entries.append({"_id": entry_id, **fields, **stamped})

    def found(self, now: int, day: str, wanted: _Fields) -> list[_Fields]:
        """Return the entries of a day (default: of the last seven days), newest first."""
        start, end = _span(day) if day else (now - _WEEK, now + 1)
        first, last = (bisect_left(self._times, at) for at in (start, end))
        given = {name: value for name, value in wanted.items() if value}
        return [
            entry
            for entry in reversed(self._entries[first:last])
            if all(entry[name] == value for name, value in given.items())
        ]


class Audit:
    """Both logs of an account."""

    def __init__(self, rng: Random) -> None:
        """Start empty."""
        self._rng = rng
        self._ids = ObjectIds(rng)
        self._actions = Journal()
        self._uses = Journal()

    def seed(self, spec: AuditSpec, people: list[User], targets: list[str], began: int) -> None:
        """Fill in what happened before the beginning."""
        for at in _moments(spec.actions, spec.days, began):
            kind, action = self._rng.choice(_DEEDS)
            self.acted(at, self._rng.choice(people), kind, action, self._rng.choice(targets))
        for at in _moments(spec.uses, spec.days, began):
            user = self._rng.choice(people)
            target = self._rng.choice(_TARGETS)
            self.used(at, fixed_id("token", user.name), "api", target, user)

    def acted(self, at: int, user: User, kind: str, action: str, target_id: str) -> None:
        """Note that a user changed something."""
        fields = {"user_id": user.id, "user_email": user.email, "type": kind, "action": action}
        entry_id = self._ids.next(at // 1000)
        self._actions.add(entry_id, at, {**fields, "target_id": target_id})

    def used(self, at: int, token_id: str, scope: str, target: str, user: User) -> None:
        """Note that a token was used."""
        fields = {"token_id": token_id, "scope": scope, "target": target, "user_id": user.id}
        self._uses.add(self._ids.next(at // 1000), at, {**fields})

    def actions(self, now: int, day: str, **wanted: object) -> list[_Fields]:
        """Return what users did, newest first."""
        return self._actions.found(now, day, wanted)

    def uses(self, now: int, day: str, **wanted: object) -> list[_Fields]:
        """Return the uses of tokens, newest first."""
        return self._uses.found(now, day, wanted)


def _moments(count: int, days: float, began: int) -> list[int]:
    """Spread so many moments evenly over the days before the beginning."""
    return [began - round(days * 86_400_000 * (count - n) / count) for n in range(count)]


def _span(day: str) -> tuple[int, int]:
    start = round(datetime.fromisoformat(day).replace(tzinfo=timezone.utc).timestamp() * 1000)
    return start, start + 86_400_000
