"""`python -m opsera_step` is the command line."""

import sys

from opsera_step.cli import main

if __name__ == "__main__":
    sys.exit(main())
