"""The simulator: a simulation on the network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType

from opsera_step.simulator.clocks import SpeedClock
from opsera_step.simulator.faults import Fault
from opsera_step.simulator.scenario import Scenario
from opsera_step.simulator.server import HttpServer
from opsera_step.simulator.simulation import Simulation
from opsera_step.simulator.switches import Switches
from opsera_step.simulator.world import Clock

_EVERYWHERE = ("", "0.0.0.0", "::")  # noqa: S104 - asked about, not bound


class Simulator(Simulation):
    """The Opsera API, played; use it in a `with`, or call `start` and `close`."""

    def __init__(
        self,
        scenario: str | Path | Mapping[str, object] | Scenario = "success",
        *,
        clock: Clock | None = None,
        seed: int | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        switches: Mapping[str, object] | Switches | None = None,
        faults: Iterable[Fault] = (),
        state: str | Path | None = None,
    ) -> None:
        """Prepare a scenario for a host and port (0: any that is free); time runs from now."""
        super().__init__(
            scenario, clock=clock, seed=seed, switches=switches, faults=faults, state=state
        )
        self._host = host
        self._port = port
        self._server: HttpServer | None = None

    @property
    def url(self) -> str:
        """The base URL for clients on this machine."""
        if self._server is None:
            raise RuntimeError("the simulator is not running; use it in a with block")
        host = "127.0.0.1" if self._host in _EVERYWHERE else self._host
        return f"http://{f'[{host}]' if ':' in host else host}:{self._server.port}"

    def start(self) -> Simulator:
        """Begin to answer requests."""
        self._gate.closing.clear()
        if self._server is None:
            self._server = HttpServer(self._host, self._port, self.respond, self._clock.time)
        return self

    def close(self) -> None:
        """Stop answering and end all connections."""
        self._gate.closing.set()
        if self._server is not None:
            self._server.close()
            self._server = None
        self.release()

    def wait(self) -> None:
        """Wait until the simulator is closed, by another thread or by an exception in this one."""
        if self._server is not None:
            self._server.wait()

    def __enter__(self) -> Simulator:  # noqa: PYI034 - Self came with Python 3.11
        """Start."""
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()


def serve(
    scenario: str | Path = "success",
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    speed: float = 1.0,
    seed: int | None = None,
    switches: Mapping[str, object] | None = None,
    faults: Iterable[Fault] = (),
    state: str | Path | None = None,
) -> Simulator:
    """Start a simulator whose time runs `speed` times as fast as real time; print nothing."""
    clock = SpeedClock(speed)
    made = Simulator(
        scenario,
        clock=clock,
        seed=seed,
        host=host,
        port=port,
        switches=switches,
        faults=faults,
        state=state,
    )
    return made.start()


def serve_forever(simulator: Simulator) -> None:
    """Answer requests until an exception such as KeyboardInterrupt comes, then close."""
    with simulator:
        simulator.wait()
