"""What every call of the API has in common: who asks, what is sent, and the forms of answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from opsera_step.simulator.accounts import Owned
from opsera_step.simulator.scenario import Member
from opsera_step.simulator.wire import Answer, json_answer, raw_answer
from opsera_step.simulator.world import World

LIST_LIMIT = 1000
"""The most records in one answer."""

Body = Mapping[str, object]


class Refusal(Exception):
    """A call that is answered with an HTTP error."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        """Answer the given HTTP status with a message."""
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = dict(headers or {})


@dataclass(frozen=True)
class Ask:
    """One call that has passed the checks of its token: who asks for what."""

    world: World
    member: Member
    body: Body
    query: Mapping[str, str]

    def sent(self, name: str) -> object:
        """Return a parameter that can be in the query or in the body."""
        return self.query[name] if name in self.query else self.body.get(name)


@dataclass(frozen=True)
class Done:
    """The answer of a call, and the run that it made, if any."""

    answer: Answer
    run_count: int | None = None


@dataclass(frozen=True)
class Call:
    """A call of the API: its name, the scopes that may, what carries it out, and who may."""

    name: str
    scopes: tuple[str, ...]
    perform: Callable[[Ask], Done]
    for_power_users: bool = False


def require_access(ask: Ask, thing: Owned) -> None:
    """Refuse an object that the token's owner may not use."""
    if not ask.world.accounts.may_use(ask.member, thing):
        raise forbidden(ask.world)


def forbidden(world: World) -> Refusal:
    """Return the answer to a wrong scope, or to missing access."""
    return Refusal(world.switches.no_access_status, "Forbidden")


def not_found(world: World, what: str) -> Refusal:
    """Return the answer to an ID that belongs to nothing."""
    return Refusal(world.switches.unknown_pipeline_status, f"{what} was not found.")


def identifier(value: object, name: str) -> str:
    """Return an ID that was sent, or refuse its absence."""
    if not isinstance(value, str) or not value:
        raise Refusal(400, f"{name} is required.")
    return value


def whole_number(value: object, name: str) -> int | None:
    """Return a whole number of a JSON body, None if it was not sent."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int | None):
        raise Refusal(400, f"{name} must be an integer.")
    return value


def counting_number(value: object, name: str, default: int = 0, least: int = 1) -> int:
    """Return a whole number of a query, where all is text, or of a body."""
    if value is None:
        return default
    text = str(value)
    known = isinstance(value, str | int) and not isinstance(value, bool)
    # What is longer than any count is cut, since Python refuses to read very long numbers.
    if not (known and text.isascii() and text.isdigit() and int(text[:18]) >= least):
        raise Refusal(400, f"{name} must be an integer of at least {least}.")
    return int(text[:18])


def day(text: str | None) -> str:
    """Return a date of a query, empty if there is none."""
    if text is None:
        return ""
    try:
        if date.fromisoformat(text).isoformat() == text:
            return text
    except ValueError:
        pass
    raise Refusal(400, "date must be written as YYYY-MM-DD.")


def acted(world: World, data: Mapping[str, object], status: int = 200) -> Done:
    """Answer what became of an action."""
    return _object(world, world.switches.action_answers, data, status)


def shown(world: World, data: Mapping[str, object]) -> Done:
    """Answer a whole object."""
    return _object(world, world.switches.object_answers, data, 200)


def listed(world: World, texts: Iterable[str]) -> Done:
    """Answer a list that the API documents as an array; its items are JSON already."""
    texts = list(texts)
    return _list(world.switches.list_answers, texts, len(texts))


def counted(
    world: World, items: Iterable[Mapping[str, object]], *, start: int = 0, size: int = LIST_LIMIT
) -> Done:
    """Answer a list that the API documents with a count: so many of its items from `start` on."""
    every = list(items)
    few = every[start : start + min(size, LIST_LIMIT)]
    count = len(few if world.switches.count_tells == "shown" else every)
    return _list(world.switches.counted_answers, encoded(world, few), count)


def encoded(world: World, items: Iterable[Mapping[str, object]]) -> list[str]:
    """Write objects as JSON, each by itself."""
    escaped = world.switches.json_text == "escaped"
    return [json.dumps(item, ensure_ascii=escaped) for item in items]


def _object(world: World, form: str, data: Mapping[str, object], status: int) -> Done:
    escaped = world.switches.json_text == "escaped"
    return Done(json_answer(data if form == "bare" else {"data": data}, status, escaped=escaped))


def _list(form: str, texts: list[str], count: int) -> Done:
    array = f"[{','.join(texts)}]"
    told = f'"count": {count}, ' if form == "counted" else ""
    return Done(raw_answer(array if form == "bare" else f'{{{told}"data": {array}}}'))
