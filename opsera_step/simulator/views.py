"""The world as plain data, for those who look at it from outside."""

from __future__ import annotations

from dataclasses import dataclass

from opsera_step.simulator.accounts import Token
from opsera_step.simulator.identifiers import timestamp
from opsera_step.simulator.pipelines import Pipeline
from opsera_step.simulator.scenario import User


@dataclass(frozen=True)
class RunView:
    """One run as it is now; times are seconds since the world began.

    `started_by` is "us" for the owner of the token, else a name.
    """

    pipeline_id: str
    count: int
    state: str
    started_by: str
    accepted_at: float
    started_at: float | None
    ended_at: float | None


def run_view(pipeline: Pipeline, count: int, ours: User) -> RunView:
    """Return one run; `ours` is who owns the token."""
    run = pipeline.runs[count]
    name = "us" if run.user == ours else run.user.name
    times = (run.accepted, run.started, run.ended)
    return RunView(pipeline.spec.id, count, run.state, name, *times)


def pipeline_view(pipeline: Pipeline, ours: User) -> dict[str, object]:
    """Return a pipeline with its runs."""
    views = [run_view(pipeline, count, ours) for count in sorted(pipeline.runs)]
    return {
        "pipelineId": pipeline.spec.id,
        "name": pipeline.spec.name,
        "runCount": pipeline.newest,
        "paused": pipeline.paused,
        "runs": [vars(view) for view in views],
    }


def token_view(token: Token) -> dict[str, object]:
    """Return a token with what it is for."""
    return {
        "tokenId": token.id,
        "token": token.text,
        "scope": token.scope,
        "user": token.owner,
        "expires": timestamp(round(token.expires * 1000)),
        "active": token.active,
    }
