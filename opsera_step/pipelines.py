"""Find the pipeline that the user named: by ID, or by its exact name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from opsera_step.errors import BadInput, Forbidden, NotFound
from opsera_step.models import Pipeline
from opsera_step.timing import Deadline

_SHOWN = 20
LIST_LIMIT = 1000
"""Most pipelines that the list call gives (API page)."""


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
    matches = [pipeline for pipeline in listed if pipeline.name == name]
    if len(matches) == 1:
        return matches[0]
    if matches:
        ids = ", ".join(pipeline.id for pipeline in matches[:_SHOWN])
        raise BadInput([f"pipeline: {len(matches)} pipelines are named “{name}”; give an ID: {ids}."])
    many = f" among the first {LIST_LIMIT}" if len(listed) >= LIST_LIMIT else ""
    similar = [one.name for one in listed if one.name.lower() == name.lower()]
    guess = f" There is “{similar[0]}”: names have to match exactly." if similar else ""
    raise NotFound(f"No pipeline{many} is named “{name}”.{guess}")
