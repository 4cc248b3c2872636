"""Find the pipeline that the user named: by ID, or by its exact name."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Protocol

from opsera_step.errors import BadInput, Forbidden, NotFound
from opsera_step.models import Pipeline
from opsera_step.timing import Deadline

_SHOWN = 20
LIST_LIMIT = 1000
"""Most pipelines that the list call gives (API page)."""
_NO_SUCH_NAME = (
    "Give its exact name or its ID (24 hex digits, in the address of its page), and check that "
    "base_url is your tenant and that the token's owner sees the pipeline."
)
_BEYOND_THE_LIST = (
    "The API lists no more pipelines than that: give the ID instead (24 hex digits, in the "
    "address of the pipeline's page)."
)


class Api(Protocol):
    """What finding needs of the client."""

    def summary(self, pipeline_id: str, deadline: Deadline) -> Pipeline:
        """Ask for a pipeline."""
        ...

    def pipelines(self, deadline: Deadline) -> list[Pipeline]:
        """List the pipelines."""
        ...


def finder(api: Api, name: str, *, is_id: bool) -> Callable[[Deadline], Pipeline]:
    """Return a function that asks for the pipeline; it can be called again.

    Raises (the function):
        NotFound: when no pipeline has the name.
        BadInput: when several have it.
        ApiError: when asking fails.

    """

    def find(deadline: Deadline) -> Pipeline:
        if is_id:
            return api.summary(name, deadline)
        try:
            listed = api.pipelines(deadline)
        except Forbidden as error:
            error.hint = (
                "Finding a pipeline by its name takes the Power User role: give its ID instead "
                "(24 hex digits, in the address of its page), or use another token."
            )
            raise
        return api.summary(_choose(name, listed).id, deadline)

    return find


def _choose(name: str, listed: list[Pipeline]) -> Pipeline:
    """Find the one pipeline of a name; blanks around it, which nobody sees, do not count."""
    exact = [one for one in listed if one.name == name]
    matches = exact or [one for one in listed if one.name.strip() == name.strip()]
    if len(matches) == 1:
        return matches[0]
    if matches:
        ids = ", ".join(one.id for one in matches[:_SHOWN])
        more = " and more" if len(matches) > _SHOWN else ""
        raise BadInput(
            [f"pipeline: {len(matches)} pipelines are named “{name}”; give an ID: {ids}{more}."]
        )
    many = f" among the first {LIST_LIMIT}" if len(listed) >= LIST_LIMIT else ""
    message = f"No pipeline{many} is named “{name}”.{_guess(name, listed)}"
    raise NotFound(message, _BEYOND_THE_LIST if many else _NO_SUCH_NAME)


def _guess(name: str, listed: list[Pipeline]) -> str:
    by_plain_name = {one.name.casefold(): one.name for one in listed}
    close = difflib.get_close_matches(name.casefold(), by_plain_name, n=1)
    if not close:
        return ""
    return f" There is “{by_plain_name[close[0]]}”: names have to match exactly."
