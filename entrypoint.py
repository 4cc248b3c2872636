"""What the container starts: without arguments the job of the environment, with them the CLI."""

import sys
from pathlib import Path

# Under `python3 -I` a script's own folder is not searched. It goes last: nothing installed, and
# nothing of the checkout in which the job runs, can be shadowed by it or shadow it.
sys.path.append(str(Path(__file__).resolve().parent))


def main() -> int:
    """Load and run the one of the two that is asked for."""
    if len(sys.argv) > 1:
        from opsera_step import cli  # noqa: PLC0415 - a job shall not wait for click

        return cli.main()
    from opsera_step import start  # noqa: PLC0415

    return start.main()


if __name__ == "__main__":
    sys.exit(main())
