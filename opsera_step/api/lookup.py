"""Find the pipeline, tool or task that the user named: by its ID, or by its exact name."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from opsera_step.api.endpoints import LIST_LIMIT
from opsera_step.api.fields import JsonObject, is_object_id
from opsera_step.api.listing import Listing
from opsera_step.api.models import Pipeline
from opsera_step.clock import Deadline
from opsera_step.errors import Forbidden, InvalidInput, NotFound
from opsera_step.text import nearest

_SHOWN = 20
_PAGE = re.compile(r"https?://\S*?\b([0-9a-f]{24})\b", re.IGNORECASE)
_NEARLY_AN_ID = re.compile(r"[0-9a-f]{18,30}", re.IGNORECASE)
_A_NUMBER = re.compile(r"#?[0-9]{1,8}")
_REFERENCE = re.compile(r"\$\w+|\$\{.*|%\w+%|.*\{\{.*", re.DOTALL)


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

    @property
    def data(self) -> JsonObject:
        """The JSON that it was read from."""
        ...


Thing = TypeVar("Thing", bound=Named)


def _ignore(warning: str) -> None:
    """Say nothing."""


def by_id_or_name(
    kind: str,
    name: str,
    *,
    is_id: bool,
    get: Callable[[str, Deadline], Thing],
    list_all: Callable[[Deadline], Listing[Thing]],
    warn: Callable[[str], None] = _ignore,
) -> Callable[[Deadline], Thing]:
    """Return a function that asks for the one of that ID or name; it can be called again.

    `warn` is called, at most once, if another match may exist beyond the listed ones.

    Raises (the function):
        NotFound: when nothing has the name.
        InvalidInput: when several have it.
        ApiError: when asking fails.

    """
    cautions: list[str] = []

    def find(deadline: Deadline) -> Thing:
        if not name.strip():
            raise InvalidInput([f"{kind}: its name is empty; give its ID or its exact name"])
        if is_id:
            return get(name, deadline)
        try:
            listing = list_all(deadline)
        except Forbidden as error:
            error.hint = (
                f"{explain_name(kind, name)} Finding a {kind} by its name takes the Power User "
                "role: give its ID instead (24 hex digits, in the address of its page), or use "
                "another token."
            ).strip()
            error.by_name = True
            raise
        chosen = choose(kind, name, listing)
        if listing.is_truncated and not cautions:
            cautions.append(_others_of_the_name(kind, chosen))
            warn(cautions[0])
        return get(chosen.id, deadline)

    return find


class PipelineClient(Protocol):
    """The calls that finding a pipeline needs."""

    def summary(self, pipeline_id: str, deadline: Deadline) -> Pipeline:
        """Get a pipeline."""
        ...

    def pipelines(self, deadline: Deadline) -> Listing[Pipeline]:
        """List the pipelines."""
        ...


def pipeline_by_id_or_name(
    client: PipelineClient,
    name: str,
    *,
    is_id: bool,
    warn: Callable[[str], None] = _ignore,
) -> Callable[[Deadline], Pipeline]:
    """Return a function that gets the pipeline; see `by_id_or_name`."""
    return by_id_or_name(
        "pipeline", name, is_id=is_id, get=client.summary, list_all=client.pipelines, warn=warn
    )


def choose(kind: str, name: str, listing: Listing[Thing]) -> Thing:
    """Find the one of a name; blanks around it, which nobody sees, do not count.

    Raises:
        NotFound: when nothing has the name.
        InvalidInput: when several have it.

    """
    listed = [one for one in listing.items if one.id]
    exact = [one for one in listed if one.name == name]
    matches = exact or [one for one in listed if one.name.strip() == name.strip()]
    if len(matches) == 1:
        return matches[0]
    if matches:
        ids = ", ".join(one.id for one in matches[:_SHOWN])
        more = " and more" if len(matches) > _SHOWN else ""
        raise InvalidInput(
            [f"{kind}: {len(matches)} {kind}s are named “{name}”; give an ID: {ids}{more}."]
        )
    odd = explain_name(kind, name)
    many = f" among the first {LIST_LIMIT}" if listing.is_truncated and not odd else ""
    guess = "" if odd else _guess(name, listed)
    hint = odd or (_beyond_the_list(kind) if many else _no_such_name(kind))
    missing = NotFound(f"No {kind}{many} is named “{name}”.{guess}", hint)
    missing.by_name = True
    raise missing


def _others_of_the_name(kind: str, chosen: Named) -> str:
    return (
        f"The API lists {LIST_LIMIT} {kind}s at most: another one named “{chosen.name}” may be "
        f"beyond them. The ID {chosen.id} leaves no doubt."
    )


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


def explain_name(kind: str, name: str) -> str:
    """Say what is odd about a name that nothing has; nothing where it looks like one."""
    page = _PAGE.match(name)
    if page is not None:
        return f"That is the address of a page: give the ID in it, {page[1].lower()}."
    if _REFERENCE.fullmatch(name):
        return "That is the name of a variable that was not replaced by its value."
    if kind == "pipeline" and _A_NUMBER.fullmatch(name):
        return "If that is the number of a run, it belongs into run_count."
    bare = name.strip("\"'`<> ")
    if bare != name and is_object_id(bare):
        return f"Without what is around it, {bare.lower()} is an ID."
    if _NEARLY_AN_ID.fullmatch(name):
        return f"The ID of a {kind} has 24 hex digits; this has {len(name)}."
    return ""
