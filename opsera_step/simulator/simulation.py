"""A scenario being simulated, with all queries and actions.

`simulator` puts it on the network, and `server.admin` lets HTTP clients call the same methods.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from random import Random

from opsera_step.clock import Clock
from opsera_step.simulator.clock import SpeedClock
from opsera_step.simulator.faults import Fault, FaultPlan
from opsera_step.simulator.scenario.flags import Flags
from opsera_step.simulator.scenario.loader import load_scenario
from opsera_step.simulator.scenario.spec import (
    OTHER_USER,
    SCOPES,
    YEAR,
    Access,
    Member,
    RunSettings,
    Scenario,
    User,
)
from opsera_step.simulator.server.dispatch import Dispatcher, LoggedRequest
from opsera_step.simulator.world.accounts import role_named
from opsera_step.simulator.world.pipeline import Pipeline
from opsera_step.simulator.world.run import Run
from opsera_step.simulator.world.views import RunView, pipeline_view, run_view, token_view
from opsera_step.simulator.world.world import World

_LONGEST = 100 * YEAR


class Simulation:
    """A scenario being simulated; safe to use from several threads.

    Methods that take a `pipeline_id` use the scenario's first pipeline by default. They raise
    KeyError for IDs and run numbers that do not exist, and ValueError for invalid values.
    """

    def __init__(
        self,
        scenario: str | Path | Mapping[str, object] | Scenario = "success",
        *,
        clock: Clock | None = None,
        seed: int | None = None,
        flags: Mapping[str, object] | Flags | None = None,
        faults: Iterable[Fault] = (),
    ) -> None:
        """Load a scenario. Flags and faults given here are added to its own.

        Raises ScenarioError with the place that is wrong.
        """
        self.scenario = load_scenario(scenario)
        own = self.scenario.flags
        self.flags = flags if isinstance(flags, Flags) else own.with_values(flags or {})
        self._clock: Clock = clock or SpeedClock()
        self._seed = self.scenario.seed if seed is None else seed
        self._faults = [*self.scenario.faults, *faults]
        self._dispatcher = self._new_dispatcher()

    # What there is

    @property
    def token(self) -> str:
        """A valid access token."""
        return self._world.token.text

    @property
    def expired_token(self) -> str:
        """An access token that has expired."""
        return self._world.expired_token.text

    @property
    def user_id(self) -> str:
        """The ID of the token's owner."""
        return self.scenario.user.id

    @property
    def pipeline_id(self) -> str:
        """The ID of the scenario's first pipeline."""
        return self.scenario.pipelines[0].id

    @property
    def pipeline_name(self) -> str:
        """The name of the scenario's first pipeline."""
        return self.scenario.pipelines[0].name

    @property
    def now(self) -> float:
        """Seconds since the start of the simulation."""
        with self._dispatcher.lock:
            return self._current().now

    @property
    def requests(self) -> list[LoggedRequest]:
        """The requests to the API so far, oldest first."""
        with self._dispatcher.lock:
            return list(self._dispatcher.requests)

    def logged_requests(self) -> list[dict[str, object]]:
        """Return the requests to the API as plain data."""
        return [dict(vars(request)) for request in self.requests]

    def count(self, call: str) -> int:
        """Return how many requests of a call have arrived."""
        return sum(1 for request in self.requests if request.call == call)

    def runs(self, pipeline_id: str | None = None) -> list[RunView]:
        """Return all runs of a pipeline since the start, in the order of their requests."""
        with self._dispatcher.lock:
            pipeline = self._pipeline(pipeline_id)
            return [run_view(pipeline, run, self.scenario.user) for run in pipeline.runs]

    def console_text(
        self, run_count: int | None = None, pipeline_id: str | None = None
    ) -> list[str]:
        """Return the console lines that a run (default: the latest) has written so far.

        Once each, in the order in which they became visible.
        """
        with self._dispatcher.lock:
            pipeline = self._pipeline(pipeline_id)
            wanted = run_count or pipeline.latest
            found = [run for run in pipeline.runs if run.number == wanted]
            return found[-1].expected.lines() if found else []

    def state(self) -> dict[str, object]:
        """Return everything as plain data."""
        with self._dispatcher.lock:
            world = self._current()
            return {
                "scenario": self.scenario.name,
                "seconds": world.now,
                "token": self.token,
                "tokens": self.tokens(),
                "users": self.users(),
                "pipelines": [
                    pipeline_view(one, self.scenario.user) for one in world.pipelines.values()
                ],
                "tools": [
                    {"toolId": one.spec.id, "name": one.fields["name"]}
                    for one in world.tools.values()
                ],
                "tasks": [
                    {"taskId": one.spec.id, "name": one.spec.name} for one in world.tasks.values()
                ],
                "faults": self._dispatcher.faults.listing(),
            }

    # What other users do

    def start_run(
        self, pipeline_id: str | None = None, user: str = OTHER_USER.name, branch: str = ""
    ) -> int:
        """Start or queue a run as another user; return its number."""
        with self._dispatcher.lock:
            pipeline = self._pipeline(pipeline_id)
            if pipeline.paused or pipeline.locked_by:
                raise ValueError(f"pipeline {pipeline.spec.id} is paused or locked")
            settings = RunSettings(branch)
            return self._world.run(pipeline, User.from_text(user), settings).number

    def stop_run(self, pipeline_id: str | None = None, user: str = OTHER_USER.name) -> bool:
        """Stop a pipeline as another user; False if it was idle."""
        with self._dispatcher.lock:
            return self._world.stop(self._pipeline(pipeline_id), User.from_text(user))

    def approve(
        self, pipeline_id: str | None = None, by: str = OTHER_USER.name, message: str = ""
    ) -> bool:
        """Approve the waiting step; False if the pipeline is not paused."""
        return self._decide(pipeline_id, True, by, message)

    def reject(
        self, pipeline_id: str | None = None, by: str = OTHER_USER.name, message: str = ""
    ) -> bool:
        """Reject the waiting step; False if the pipeline is not paused."""
        return self._decide(pipeline_id, False, by, message)

    def delete_run(
        self,
        run_count: int | None = None,
        pipeline_id: str | None = None,
        user: str = OTHER_USER.name,
    ) -> None:
        """Delete a run or a queued request (default: the latest) as another user."""
        with self._dispatcher.lock:
            pipeline = self._pipeline(pipeline_id)
            run = self._run(pipeline, run_count)
            self._world.delete_run(pipeline, run, User.from_text(user))

    def move_to_front(self, run_count: int | None = None, pipeline_id: str | None = None) -> None:
        """Make a queued run (default: the latest) the next one."""
        with self._dispatcher.lock:
            pipeline = self._pipeline(pipeline_id)
            pipeline.move_to_front(self._run(pipeline, run_count))

    def lock(self, pipeline_id: str | None = None, by: str = OTHER_USER.name) -> None:
        """Lock a pipeline: it refuses runs."""
        with self._dispatcher.lock:
            self._pipeline(pipeline_id).locked_by = by

    def unlock(self, pipeline_id: str | None = None) -> None:
        """Unlock a pipeline."""
        with self._dispatcher.lock:
            self._pipeline(pipeline_id).locked_by = ""

    # What an administrator does

    def issue_token(
        self,
        scope: str = "api",
        *,
        role: str | None = None,
        user: str | None = None,
        expires_in: float = YEAR,
    ) -> str:
        """Issue a token and return it.

        It belongs to the named user, else to a user with the role, else to the owner of the first
        token. A user who is named together with a role gets that role.
        """
        issued = self.create_token(scope, role=role, user=user, expires_in=expires_in)
        return str(issued["token"])

    def create_token(
        self,
        scope: str = "api",
        *,
        role: str | None = None,
        user: str | None = None,
        expires_in: float = YEAR,
    ) -> dict[str, object]:
        """Issue a token as `issue_token` does, and return everything about it."""
        if scope not in SCOPES:
            raise ValueError(f"scope takes {', '.join(SCOPES)}, not {scope!r}")
        if not -_LONGEST <= expires_in <= _LONGEST:
            raise ValueError(f"a token expires within {_LONGEST:.0f} seconds, not {expires_in}")
        with self._dispatcher.lock:
            world = self._current()
            owner = _owner_of_token(world, role, user)
            issued = world.wall + min(0.0, expires_in)
            token = world.accounts.issue(owner.name, scope, issued, world.wall + expires_in)
            return token_view(token)

    def deactivate_token(self, token: str) -> None:
        """Deactivate a token."""
        with self._dispatcher.lock:
            self._current().accounts.deactivate(token)

    def renew_token(self) -> str:
        """Replace the first token; return the new one. The old one becomes invalid."""
        with self._dispatcher.lock:
            return self._current().renew_token().text

    def tokens(self) -> list[dict[str, object]]:
        """Return all tokens with their scopes, owners, and expiry."""
        with self._dispatcher.lock:
            return [token_view(one) for one in self._world.accounts.tokens.values()]

    def set_user(self, user: str, *, role: str | None = None, valid: bool = True) -> None:
        """Give a user a role (default: the current one), or make the user invalid."""
        with self._dispatcher.lock:
            accounts = self._current().accounts
            known = accounts.member(user)
            new_role = known.role if role is None else role_named(role)
            accounts.members[user] = Member(user, new_role, valid)

    def users(self) -> list[dict[str, object]]:
        """Return all users with their roles."""
        with self._dispatcher.lock:
            return [asdict(one) for one in self._world.accounts.members.values()]

    def set_access(self, id: str, access: Access | str) -> None:  # noqa: A002
        """Set who may use a pipeline, tool, or task: True, False, or names of users."""
        with self._dispatcher.lock:
            world = self._current()
            if id not in {*world.pipelines, *world.tools, *world.tasks}:
                raise KeyError(f"nothing has the ID {id}")
            names = (access,) if isinstance(access, str) else access
            allowed = names if isinstance(names, bool) else tuple(names)
            world.accounts.set_access(id, allowed)

    # Faults, time, and the network

    def add_fault(self, fault: Fault) -> None:
        """Add a fault."""
        with self._dispatcher.lock:
            self._dispatcher.faults.add(fault, self.now)

    def clear_faults(self) -> None:
        """Remove all faults, those of the scenario too."""
        with self._dispatcher.lock:
            self._dispatcher.faults.clear()

    def change_faults(
        self, *, add: tuple[Fault, ...] = (), clear: bool = False
    ) -> dict[str, object]:
        """Remove all faults if requested, then add some."""
        if clear:
            self.clear_faults()
        for fault in add:
            self.add_fault(fault)
        return {"added": len(add), "cleared": clear}

    def restart(self) -> None:
        """Start again: no runs, no requests, the first faults. A valid token stays valid."""
        with self._dispatcher.lock:
            old, new = self._dispatcher, self._new_dispatcher()
            token = old.world.token
            if token.active and token.expires > new.world.wall:
                new.world.adopt(token)
            old.restart(new.world, new.faults)

    @property
    def _world(self) -> World:
        return self._dispatcher.world

    def _current(self) -> World:
        self._world.catch_up()
        return self._world

    def _new_dispatcher(self) -> Dispatcher:
        world = World(self.scenario, self.flags, self._seed, self._clock)
        return Dispatcher(world, FaultPlan(self._faults, Random(self._seed + 2)), self._clock)

    def _decide(self, pipeline_id: str | None, approved: bool, by: str, message: str) -> bool:
        with self._dispatcher.lock:
            pipeline = self._pipeline(pipeline_id)
            return self._world.decide(pipeline, approved, User.from_text(by), message)

    def _pipeline(self, pipeline_id: str | None) -> Pipeline:
        world, wanted = self._current(), pipeline_id or self.pipeline_id
        if wanted not in world.pipelines:
            raise KeyError(f"no pipeline has the ID {wanted}")
        return world.pipelines[wanted]

    def _run(self, pipeline: Pipeline, run_count: int | None) -> Run:
        existing = [run for run in pipeline.runs if not run.deleted]
        found = [run for run in existing if run_count in (None, run.number)]
        if not found:
            raise KeyError(f"no run has the number {run_count}")
        return found[-1]


def _owner_of_token(world: World, role: str | None, user: str | None) -> Member:
    accounts = world.accounts
    if role is None:
        return accounts.member(user or world.user.name)
    new_role = role_named(role)
    owner = Member(user, new_role) if user else accounts.with_role(new_role)
    accounts.members[owner.name] = owner
    return owner
