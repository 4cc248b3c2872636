"""What the container starts: without arguments the job of the environment, with them the CLI."""

import os
import signal
import sys


def main() -> int:
    """Take signals, find the package, and load and run what is asked for."""
    for number in (signal.SIGINT, signal.SIGTERM):
        # Until there is something to clean up: as PID 1 a process would ignore SIGTERM, and a
        # Ctrl-C while modules are loaded would end in a traceback.
        signal.signal(number, lambda number, _frame: os._exit(128 + number))
    # Under `python3 -I` a script's own folder is not searched. It goes last: nothing installed, and
    # nothing of the checkout in which the job runs, can be shadowed by it or shadow it.
    sys.path.append(os.path.dirname(os.path.realpath(__file__)))  # noqa: PTH120 - loads faster
    from opsera_step import main as start  # noqa: PLC0415

    return start.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
