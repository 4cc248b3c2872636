"""The world as plain data, for tests and the admin API."""

from __future__ import annotations

from dataclasses import dataclass

from opsera_step.simulator.identifiers import timestamp
from opsera_step.simulator.scenario.spec import User
from opsera_step.simulator.world.accounts import Token
from opsera_step.simulator.world.pipeline import Pipeline
from opsera_step.simulator.world.run import Run


@dataclass(frozen=True)
class RunView:
    """One run as it is now. Times are seconds since the start of the simulation.

    `started_by` is "us" for the owner of the token, else the user's name.
    """

    pipeline_id: str
    number: int
    state: str
    started_by: str
    accepted_at: float
    started_at: float | None
    ended_at: float | None
    branch: str = ""
    deleted: bool = False


def run_view(pipeline: Pipeline, run: Run, owner: User) -> RunView:
    """Return one run; `owner` is the owner of the token."""
    return RunView(
        pipeline_id=pipeline.spec.id,
        number=run.number,
        state=run.state,
        started_by="us" if run.user == owner else run.user.name,
        accepted_at=run.accepted,
        started_at=run.started,
        ended_at=run.ended,
        branch=run.settings.branch,
        deleted=run.deleted,
    )


def pipeline_view(pipeline: Pipeline, owner: User) -> dict[str, object]:
    """Return a pipeline with its runs."""
    return {
        "pipelineId": pipeline.spec.id,
        "name": pipeline.spec.name,
        "runCount": pipeline.latest,
        "paused": pipeline.paused,
        "lockedBy": pipeline.locked_by,
        "runs": [vars(run_view(pipeline, run, owner)) for run in pipeline.runs],
    }


def token_view(token: Token) -> dict[str, object]:
    """Return a token with its scope, owner, and expiry."""
    return {
        "tokenId": token.id,
        "token": token.text,
        "scope": token.scope,
        "user": token.owner,
        "expires": timestamp(round(token.expires * 1000)),
        "active": token.active,
    }
