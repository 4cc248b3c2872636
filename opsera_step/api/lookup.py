"""Find the pipeline, tool, or task that the user named by its ID or its exact name."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from opsera_step.api.client import OpseraClient
from opsera_step.api.endpoints import LIST_LIMIT
from opsera_step.api.listing import Listing
from opsera_step.api.models import Pipeline
from opsera_step.clock import Deadline
from opsera_step.errors import Forbidden, InvalidInput
from opsera_step.text import nearest

if TYPE_CHECKING:
    from opsera_step.api.account import AccountObject

_MAX_SHOWN = 20
_PAGE_URL = re.compile(r"https?://\S*?\b([0-9a-f]{24})\b", re.IGNORECASE)
_ALMOST_AN_ID = re.compile(r"[0-9a-f]{18,30}", re.IGNORECASE)
_NUMBER = re.compile(r"#?[0-9]{1,8}")
_VARIABLE = re.compile(r"\$\w+|\$\{.*|%\w+%|.*\{\{.*", re.DOTALL)


T = TypeVar("T", Pipeline, "AccountObject")


def _ignore(warning: str) -> None:
    """Drop a warning."""


def by_id_or_name(
    kind: str,
    name: str,
    *,
    is_id: bool,
    get: Callable[[str, Deadline], T],
    list_all: Callable[[Deadline], Listing[T]],
    warn: Callable[[str], None] = _ignore,
) -> Callable[[Deadline], T]:
    """Return a function that gets the object with an ID or a name; it can be called again.

    `warn` is called at most once, if another object of that name may exist beyond those listed.

    Raises (the function):
        InvalidInput: if no object has the name, or more than one.
        ApiError: if a request fails.
    """
    warnings: list[str] = []

    def find(deadline: Deadline) -> T:
        if not name.strip():
            raise InvalidInput([f"{kind}: the name is empty. Use the ID or the exact name."])
        if is_id:
            return get(name, deadline)
        try:
            listing = list_all(deadline)
        except Forbidden as error:
            error.hint = (
                f"{explain_name(kind, name)} Finding a {kind} by its name requires the Power User "
                f"role. Use its ID instead (24 hex digits, in the URL of the {kind}), or another "
                "token."
            ).strip()
            error.by_name = True
            raise
        found = choose(kind, name, listing)
        if listing.is_truncated and not warnings:
            warnings.append(
                f"The API lists at most {LIST_LIMIT} {kind}s; another one named “{found.name}” may "
                f"exist. To be certain, use the ID {found.id}."
            )
            warn(warnings[0])
        return get(found.id, deadline)

    return find


def pipeline_by_id_or_name(
    client: OpseraClient, name: str, *, is_id: bool, warn: Callable[[str], None] = _ignore
) -> Callable[[Deadline], Pipeline]:
    """Return a function that gets the pipeline; see `by_id_or_name`."""
    return by_id_or_name(
        "pipeline", name, is_id=is_id, get=client.summary, list_all=client.pipelines, warn=warn
    )


def choose(kind: str, name: str, listing: Listing[T]) -> T:
    """Find the object with a name; space around the name, which is invisible, does not count.

    Raises:
        InvalidInput: if no object has the name, or more than one.
    """
    listed = [one for one in listing.items if one.id]
    exact = [one for one in listed if one.name == name]
    matches = exact or [one for one in listed if one.name.strip() == name.strip()]
    if len(matches) == 1:
        return matches[0]
    if matches:
        ids = ", ".join(one.id for one in matches[:_MAX_SHOWN])
        more = " and others" if len(matches) > _MAX_SHOWN else ""
        raise InvalidInput([f"{len(matches)} {kind}s are named “{name}”. Use an ID: {ids}{more}."])
    names = [one.name for one in listed]
    raise _not_found(kind, name, names, is_truncated=listing.is_truncated)


def _not_found(kind: str, name: str, listed: Sequence[str], *, is_truncated: bool) -> InvalidInput:
    explanation, where = explain_name(kind, name), ""
    close = "" if explanation else nearest(name, listed)
    if explanation:
        hint = explanation
    elif close:
        is_case = close.casefold() == name.casefold()
        rule = "are case-sensitive" if is_case else "must match exactly"
        hint = f"Did you mean “{close}”? Names {rule}."
    elif is_truncated:
        where = f" among the first {LIST_LIMIT}"
        hint = (
            f"The API doesn't list further {kind}s. Use the ID instead (24 hex digits, in the URL "
            f"of the {kind})."
        )
    else:
        hint = (
            f"Use its exact name or its ID (24 hex digits, in the URL of the {kind}). Check that "
            f"base_url is your tenant, and that the token's owner has access to the {kind}."
        )
    error = InvalidInput([f"No {kind}{where} is named “{name}”."])
    error.hint, error.by_name = hint, True
    return error


def explain_name(kind: str, name: str) -> str:
    """Return what may be wrong with an unknown name; empty if it looks like a name."""
    page = _PAGE_URL.match(name)
    if page is not None:
        return f"This is the URL of a page. Use the ID in it: {page[1].lower()}."
    if _VARIABLE.fullmatch(name):
        return "This is a variable that was not expanded."
    if kind == "pipeline" and _NUMBER.fullmatch(name):
        return "If this is a run number, set it as run_count."
    if _ALMOST_AN_ID.fullmatch(name):
        return f"The ID of a {kind} has 24 hex digits; this one has {len(name)}."
    return ""
