"""Find the pipeline, tool or task that the user named: by its ID, or by its exact name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from opsera_step.calls import LIST_LIMIT
from opsera_step.errors import BadInput, Forbidden, NotFound
from opsera_step.guessing import nearest
from opsera_step.timing import Deadline

_SHOWN = 20


class Named(Protocol):
    """What has an ID and a name."""

    @property
    def id(self) -> str:
        """Its ID."""
        ...

    @property
    def name(self) -> str:
        """Its name, which others may have too."""
        ...


Thing = TypeVar("Thing", bound=Named)


def finder(
    kind: str,
    name: str,
    *,
    is_id: bool,
    ask: Callable[[str, Deadline], Thing],
    list_all: Callable[[Deadline], Sequence[Thing]],
) -> Callable[[Deadline], Thing]:
    """Return a function that asks for the one of that ID or name; it can be called again.

    Raises (the function):
        NotFound: when nothing has the name.
        BadInput: when several have it.
        ApiError: when asking fails.

    """

    def find(deadline: Deadline) -> Thing:
        if not name.strip():
            raise BadInput([f"{kind}: its name is empty; give its ID or its exact name"])
        if is_id:
            return ask(name, deadline)
        try:
            listed = [one for one in list_all(deadline) if one.id]
        except Forbidden as error:
            error.hint = (
                f"Finding a {kind} by its name takes the Power User role: give its ID instead "
                "(24 hex digits, in the address of its page), or use another token."
            )
            raise
        return ask(choose(kind, name, listed).id, deadline)

    return find


def choose(kind: str, name: str, listed: Sequence[Thing]) -> Thing:
    """Find the one of a name; blanks around it, which nobody sees, do not count.

    Raises:
        NotFound: when nothing has the name.
        BadInput: when several have it.

    """
    exact = [one for one in listed if one.name == name]
    matches = exact or [one for one in listed if one.name.strip() == name.strip()]
    if len(matches) == 1:
        return matches[0]
    if matches:
        ids = ", ".join(one.id for one in matches[:_SHOWN])
        more = " and more" if len(matches) > _SHOWN else ""
        raise BadInput(
            [f"{kind}: {len(matches)} {kind}s are named “{name}”; give an ID: {ids}{more}."]
        )
    many = f" among the first {LIST_LIMIT}" if len(listed) >= LIST_LIMIT else ""
    message = f"No {kind}{many} is named “{name}”.{_guess(name, listed)}"
    raise NotFound(message, _beyond_the_list(kind) if many else _no_such_name(kind))


def _guess(name: str, listed: Sequence[Named]) -> str:
    close = nearest(name, (one.name for one in listed))
    return f" There is “{close}”: names have to match exactly." if close else ""


def _no_such_name(kind: str) -> str:
    return (
        "Give its exact name or its ID (24 hex digits, in the address of its page), and check "
        f"that base_url is your tenant and that the token's owner sees the {kind}."
    )


def _beyond_the_list(kind: str) -> str:
    return (
        f"The API lists no more {kind}s than that: give the ID instead (24 hex digits, in the "
        f"address of the {kind}'s page)."
    )
