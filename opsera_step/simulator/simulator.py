"""The simulator: a simulation on the network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType

from opsera_step.clock import Clock
from opsera_step.simulator.faults import Fault
from opsera_step.simulator.responses import HttpRequest, Response
from opsera_step.simulator.scenario.flags import Flags
from opsera_step.simulator.scenario.spec import Scenario
from opsera_step.simulator.server import admin, portal
from opsera_step.simulator.server.server import HttpServer
from opsera_step.simulator.simulation import Simulation

_EVERY_INTERFACE = ("", "0.0.0.0", "::")  # noqa: S104 - compared, not bound


class Simulator(Simulation):
    """The Opsera API, simulated. Use it in a `with` block, or call `start` and `close`."""

    def __init__(
        self,
        scenario: str | Path | Mapping[str, object] | Scenario = "success",
        *,
        clock: Clock | None = None,
        seed: int | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        flags: Mapping[str, object] | Flags | None = None,
        faults: Iterable[Fault] = (),
    ) -> None:
        """Prepare a scenario for a host and a port (0: any free port). Time starts now."""
        super().__init__(scenario, clock=clock, seed=seed, flags=flags, faults=faults)
        self._host = host
        self._port = port
        self._server: HttpServer | None = None

    @property
    def url(self) -> str:
        """The base URL for clients on this machine."""
        if self._server is None:
            raise RuntimeError("the simulator is not running; use it in a with block")
        host = "127.0.0.1" if self._host in _EVERY_INTERFACE else self._host
        return f"http://{f'[{host}]' if ':' in host else host}:{self._server.port}"

    def start(self) -> Simulator:
        """Start to serve requests. Raises OSError if the port is in use."""
        self._dispatcher.closing.clear()
        if self._server is None:
            self._server = HttpServer(
                self._host,
                self._port,
                self.respond,
                time=self._clock.time,
                wait_for=self._dispatcher.wait_for,
                compresses=lambda: self.flags.compression == "gzip",
            )
        return self

    def close(self) -> None:
        """Stop answering, and end all connections."""
        self._dispatcher.closing.set()
        if self._server is not None:
            self._server.close()
            self._server = None

    def wait(self) -> None:
        """Wait until the simulator is closed, or an exception such as KeyboardInterrupt."""
        if self._server is not None:
            self._server.wait()

    def respond(self, request: HttpRequest) -> Response:
        """Handle one HTTP request: of the API, the admin API, or the portal page."""
        if request.path.startswith(admin.PREFIX):
            return admin.respond(self, request)
        if portal.is_portal(request):
            with self._dispatcher.lock:
                return portal.respond(self._current(), request)
        return self._dispatcher.respond(request)

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
