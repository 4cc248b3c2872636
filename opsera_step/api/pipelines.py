"""Find the pipeline that the user named: by ID, or by its exact name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from opsera_step.api import lookup as names
from opsera_step.api.endpoints import LIST_LIMIT
from opsera_step.api.listing import Listing
from opsera_step.api.models import Pipeline
from opsera_step.clock import Deadline

__all__ = ["LIST_LIMIT", "Api", "finder"]


class Api(Protocol):
    """What finding needs of the client."""

    def summary(self, pipeline_id: str, deadline: Deadline) -> Pipeline:
        """Ask for a pipeline."""
        ...

    def pipelines(self, deadline: Deadline) -> Listing[Pipeline]:
        """List the pipelines."""
        ...


def finder(
    api: Api, name: str, *, is_id: bool, caution: Callable[[str], None] = names.keep_still
) -> Callable[[Deadline], Pipeline]:
    """Return a function that asks for the pipeline; it can be called again.

    `caution` is told, at most once, that another one of the name may be beyond what is listed.

    Raises (the function):
        NotFound: when no pipeline has the name.
        InvalidInput: when several have it.
        ApiError: when asking fails.

    """
    return names.finder(
        "pipeline", name, is_id=is_id, ask=api.summary, list_all=api.pipelines, caution=caution
    )
