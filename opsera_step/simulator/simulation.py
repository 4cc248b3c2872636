"""One simulation: a scenario in play, and everything that can be asked of it or done to it.

Speaks no HTTP; `simulator` puts it on the network.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from werkzeug.wrappers import Request as HttpRequest

from opsera_step.simulator import control
from opsera_step.simulator.clocks import SpeedClock
from opsera_step.simulator.faults import Fault, FaultPlan
from opsera_step.simulator.gate import Gate, Request
from opsera_step.simulator.loading import load_scenario
from opsera_step.simulator.pipelines import Pipeline
from opsera_step.simulator.scenario import Scenario, User
from opsera_step.simulator.switches import Switches
from opsera_step.simulator.wire import Answer
from opsera_step.simulator.world import Clock, World

SOMEBODY = "Dana Ortiz"
"""Who starts runs when it is somebody else."""


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


class Simulation:
    """A scenario in play; safe to use from several threads."""

    def __init__(
        self,
        scenario: str | Path | Mapping[str, object] | Scenario = "success",
        *,
        clock: Clock | None = None,
        seed: int | None = None,
        switches: Mapping[str, object] | Switches | None = None,
        faults: Iterable[Fault] = (),
    ) -> None:
        """Load the scenario; switches and faults given here come on top of its own."""
        self.scenario = load_scenario(scenario)
        self._clock: Clock = clock or SpeedClock()
        self._seed = self.scenario.seed if seed is None else seed
        self._switches = _chosen(self.scenario.switches, switches)
        self._faults = [*self.scenario.faults, *faults]
        self._gate = self._begun()

    @property
    def token(self) -> str:
        """A valid access token."""
        return self._gate.world.token.text

    @property
    def expired_token(self) -> str:
        """An access token that has expired."""
        return self._gate.world.expired_token.text

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
    def switches(self) -> Switches:
        """The switches in force."""
        return self._switches

    @property
    def now(self) -> float:
        """Seconds since the world began."""
        with self._gate.lock:
            self._gate.world.catch_up()
            return self._gate.world.now

    @property
    def requests(self) -> list[Request]:
        """The API's requests so far, oldest first."""
        with self._gate.lock:
            return list(self._gate.journal)

    def count(self, call: str) -> int:
        """Return how many requests of a call came, whatever became of them."""
        return sum(1 for request in self.requests if request.call == call)

    def runs(self, pipeline_id: str | None = None) -> list[RunView]:
        """Return all runs of a pipeline since the world began."""
        with self._gate.lock:
            pipeline = self._pipeline(pipeline_id)
            return [self._view(pipeline, count) for count in sorted(pipeline.runs)]

    def console_text(
        self, run_count: int | None = None, pipeline_id: str | None = None
    ) -> list[str]:
        """Return the console lines that a run (default: the newest) has written so far.

        Once each, in the order in which they could first be read.
        """
        with self._gate.lock:
            pipeline = self._pipeline(pipeline_id)
            return pipeline.runs[run_count or pipeline.newest].truth.lines()

    def approve(self, pipeline_id: str | None = None, by: str = SOMEBODY) -> bool:
        """Approve at the gate; False when the pipeline is not paused."""
        with self._gate.lock:
            return self._pipeline(pipeline_id).decide(approved=True, by=by)

    def reject(self, pipeline_id: str | None = None, by: str = SOMEBODY) -> bool:
        """Reject at the gate; False when the pipeline is not paused."""
        with self._gate.lock:
            return self._pipeline(pipeline_id).decide(approved=False, by=by)

    def start_by_somebody_else(self, pipeline_id: str | None = None, user: str = SOMEBODY) -> int:
        """Have somebody else start a run; return its number, also when it is queued."""
        with self._gate.lock:
            pipeline = self._pipeline(pipeline_id)
            if pipeline.paused:
                raise ValueError(f"pipeline {pipeline.spec.id} is paused and refuses a run")
            return self._gate.world.start(pipeline, User.named(user)).count

    def add_fault(self, fault: Fault) -> None:
        """Put one more fault in force."""
        with self._gate.lock:
            self._gate.faults.add(fault)

    def clear_faults(self) -> None:
        """Take all faults out of force, the scenario's too."""
        with self._gate.lock:
            self._gate.faults.clear()

    def restart(self) -> None:
        """Begin again with a new world: no runs, no requests, the first faults."""
        begun = self._begun()
        with self._gate.lock:
            gate = self._gate
            if gate.world.token.expires > begun.world.wall:
                # Whoever was given the token can go on with it.
                begun.world.token = gate.world.token
            gate.world, gate.faults = begun.world, begun.faults
            gate.journal.clear()

    def state(self) -> dict[str, object]:
        """Return everything as plain data."""
        with self._gate.lock:
            now, world = self.now, self._gate.world
            return {
                "scenario": self.scenario.name,
                "seconds": now,
                "token": self.token,
                "pipelines": [self._pipeline_state(one) for one in world.pipelines.values()],
                "faults": self._gate.faults.listing(),
            }

    def respond(self, http: HttpRequest) -> Answer:
        """Answer one HTTP request, of the API or of the control plane."""
        if http.path.startswith(control.PREFIX):
            return control.answer(self, http)
        return self._gate.answer(http)

    def _begun(self) -> Gate:
        world = World(self.scenario, self._switches, self._seed, self._clock)
        plan = FaultPlan(self._faults, Random(self._seed + 1))
        return Gate(world, plan, self._clock)

    def _pipeline(self, pipeline_id: str | None) -> Pipeline:
        world = self._gate.world
        world.catch_up()
        wanted = pipeline_id or self.pipeline_id
        if wanted not in world.pipelines:
            raise KeyError(f"no pipeline has the ID {wanted}")
        return world.pipelines[wanted]

    def _view(self, pipeline: Pipeline, count: int) -> RunView:
        run = pipeline.runs[count]
        name = "us" if run.user == self.scenario.user else run.user.name
        times = (run.accepted, run.started, run.ended)
        return RunView(pipeline.spec.id, count, run.state, name, *times)

    def _pipeline_state(self, pipeline: Pipeline) -> dict[str, object]:
        views = [self._view(pipeline, count) for count in sorted(pipeline.runs)]
        return {
            "pipelineId": pipeline.spec.id,
            "name": pipeline.spec.name,
            "runCount": pipeline.newest,
            "paused": pipeline.paused,
            "runs": [vars(view) for view in views],
        }


def _chosen(switches: Switches, more: Mapping[str, object] | Switches | None) -> Switches:
    if isinstance(more, Switches):
        return replace(more)
    return switches.with_values(more or {})
