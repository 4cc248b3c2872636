"""Simulators for the steps of a workflow, over TLS on an address that containers can reach.

Arguments are a file for the certificate of the private CA, and the scenarios. Prints lines for
GITHUB_OUTPUT, and serves until it is terminated.
"""

from __future__ import annotations

import fcntl
import socket
import struct
import sys
import tempfile
import threading
from pathlib import Path

from opsera_step.simulator import Simulator, SpeedClock
from tests.platforms.network import Authority, tls

_ADDRESS_OF_INTERFACE = 0x8915
_SPEED = 10.0


def address(interface: str = "docker0") -> str:
    """Return this machine's address on Docker's bridge, or without one, the loopback address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        question = struct.pack("256s", interface.encode())
        try:
            answer = fcntl.ioctl(asking.fileno(), _ADDRESS_OF_INTERFACE, question)
        except OSError:
            return "127.0.0.1"
    return socket.inet_ntoa(answer[20:24])


def main(bundle: Path, scenarios: list[str]) -> None:
    """Start a simulator for each scenario, and wait."""
    where = address()
    directory = Path(tempfile.mkdtemp())
    authority = Authority(directory, address=where)
    bundle.write_bytes(authority.bundle.read_bytes())
    for scenario in scenarios:
        simulator = Simulator(scenario, clock=SpeedClock(_SPEED), seed=1).start()
        port = tls(authority, int(simulator.url.rsplit(":", 1)[1]), where).port
        print(f"{scenario}=https://{where}:{port}\n{scenario}_token={simulator.token}")
    print(f"pipeline={simulator.pipeline_id}", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
