"""`python -m opsera_step` is the command line."""

import sys

from opsera_step.main import command_line

if __name__ == "__main__":
    sys.exit(command_line())
