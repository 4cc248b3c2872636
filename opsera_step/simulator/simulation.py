"""One simulation: a scenario in play, and everything that can be asked of it or done to it.

Speaks no HTTP; `simulator` puts it on the network.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from random import Random

from werkzeug.wrappers import Request as HttpRequest

from opsera_step.simulator import control
from opsera_step.simulator.administration import Administration
from opsera_step.simulator.clocks import SpeedClock
from opsera_step.simulator.deeds import do_again
from opsera_step.simulator.faults import Fault, FaultPlan
from opsera_step.simulator.gate import Gate, Request
from opsera_step.simulator.loading import load_scenario
from opsera_step.simulator.pipelines import Pipeline
from opsera_step.simulator.scenario import SOMEBODY, Scenario
from opsera_step.simulator.state import StateError, StateFile
from opsera_step.simulator.switches import Switches
from opsera_step.simulator.views import RunView, pipeline_view, run_view
from opsera_step.simulator.wire import Answer
from opsera_step.simulator.world import Clock, World

_MISFITS = (
    ArithmeticError,
    AttributeError,
    KeyError,
    OSError,
    StopIteration,
    TypeError,
    ValueError,
)


class Simulation(Administration):
    """A scenario in play; safe to use from several threads."""

    def __init__(
        self,
        scenario: str | Path | Mapping[str, object] | Scenario = "success",
        *,
        clock: Clock | None = None,
        seed: int | None = None,
        switches: Mapping[str, object] | Switches | None = None,
        faults: Iterable[Fault] = (),
        state: str | Path | None = None,
    ) -> None:
        """Load the scenario; switches and faults given here come on top of its own.

        With a file for its state, go on where the last simulation with that file was.
        """
        self.scenario = load_scenario(scenario)
        self._clock: Clock = clock or SpeedClock()
        self._seed = self.scenario.seed if seed is None else seed
        self._switches = _chosen(self.scenario.switches, switches)
        self._faults = [*self.scenario.faults, *faults]
        self._file = StateFile(state, self.scenario.name, self._seed) if state else None
        try:
            self._gate = self._begun(self._resumed() or self._new_world())
        except Exception:
            self.release()
            raise

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
            return [
                run_view(pipeline, count, self.scenario.user) for count in sorted(pipeline.runs)
            ]

    def console_text(
        self, run_count: int | None = None, pipeline_id: str | None = None
    ) -> list[str]:
        """Return the console lines that a run (default: the newest) has written so far.

        Once each, in the order in which they could first be read.
        """
        with self._gate.lock:
            pipeline = self._pipeline(pipeline_id)
            run = pipeline.runs.get(run_count or pipeline.newest)
            return [] if run is None else run.truth.lines()

    def approve(self, pipeline_id: str | None = None, by: str = SOMEBODY.name) -> bool:
        """Approve at the gate; False when the pipeline is not paused."""
        with self._gate.lock:
            return self._decide(pipeline_id, True, by)

    def reject(self, pipeline_id: str | None = None, by: str = SOMEBODY.name) -> bool:
        """Reject at the gate; False when the pipeline is not paused."""
        with self._gate.lock:
            return self._decide(pipeline_id, False, by)

    def start_by_somebody_else(
        self, pipeline_id: str | None = None, user: str = SOMEBODY.name
    ) -> int:
        """Have somebody else start a run; return its number, also when it is queued."""
        with self._gate.lock:
            pipeline = self._pipeline(pipeline_id)
            if pipeline.paused:
                raise ValueError(f"pipeline {pipeline.spec.id} is paused and refuses a run")
            return self._gate.world.run(pipeline_id=pipeline.spec.id, user=user).count

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
        with self._gate.lock:
            gate, begun = self._gate, self._begun(self._new_world())
            # Whoever was given the token can go on with it.
            if gate.world.token.expires > begun.world.wall:
                begun.world.adopt(gate.world.token)
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
                "faults": self._gate.faults.listing(),
            }

    def release(self) -> None:
        """Let go of the state file, if there is one."""
        if self._file is not None:
            self._file.close()

    def respond(self, http: HttpRequest) -> Answer:
        """Answer one HTTP request, of the API or of the control plane."""
        if http.path.startswith(control.PREFIX):
            return control.answer(self, http)
        return self._gate.answer(http)

    def _new_world(self, began: float | None = None) -> World:
        world = World(self.scenario, self._switches, self._seed, self._clock, began)
        if self._file is not None and began is None:
            self._file.begin(world.began)
            world.keep = self._file.keep
        return world

    def _resumed(self) -> World | None:
        """Return the world of the state file, if there is one in it, as it would be by now."""
        past = None if self._file is None else self._file.past()
        if self._file is None or past is None:
            return None
        began, deeds = past
        world = self._new_world(began)
        for number, done in enumerate(deeds, 2):
            try:
                do_again(world, done)
            except _MISFITS as error:
                raise StateError(
                    f"{self._file.path}: line {number} fits nothing here; if the scenario was "
                    "changed since, choose another file"
                ) from error
        world.resume(deeds[-1]["at"] if deeds else 0.0)
        world.keep = self._file.keep
        return world

    def _begun(self, world: World) -> Gate:
        plan = FaultPlan(self._faults, Random(self._seed + 2))
        return Gate(world, plan, self._clock)

    def _decide(self, pipeline_id: str | None, approved: bool, by: str) -> bool:
        spec = self._pipeline(pipeline_id).spec
        return self._gate.world.decide(pipeline_id=spec.id, approved=approved, by=by)

    def _pipeline(self, pipeline_id: str | None) -> Pipeline:
        world = self._gate.world
        world.catch_up()
        wanted = pipeline_id or self.pipeline_id
        if wanted not in world.pipelines:
            raise KeyError(f"no pipeline has the ID {wanted}")
        return world.pipelines[wanted]


def _chosen(switches: Switches, more: Mapping[str, object] | Switches | None) -> Switches:
    if isinstance(more, Switches):
        return replace(more)
    return switches.with_values(more or {})
