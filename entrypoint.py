"""Entry point of the container: the job from the environment, or a command from arguments."""

import os
import signal
import sys

# Python 3.6 must be able to parse the code below.
if sys.version_info < (3, 10):  # noqa: UP036
    sys.exit("opsera-step needs Python 3.10 or newer; this is {}.{}.".format(*sys.version_info))


def main() -> int:
    """Install signal handlers, find the package, and run it."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        # Until there is something to clean up: as PID 1 a process would ignore SIGTERM, and a
        # Ctrl-C while modules are loaded would end in a traceback. nohup ignores SIGHUP: keep that.
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda number, _frame: os._exit(128 + number))
    # Under `python3 -I` a script's own directory is not searched. It goes last, so that nothing
    # installed, and nothing in the checkout in which the job runs, is shadowed by it or shadows it.
    sys.path.append(os.path.dirname(os.path.realpath(__file__)))  # noqa: PTH120 - loads faster
    from opsera_step.main import main as run  # noqa: PLC0415

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
