"""`python -m opsera_step` is the command line."""

import os
import sys

if __name__ == "__main__":
    # Python looks for modules in the current directory first, and a checkout may have some of the
    # same names. Only a clone of this project is meant to be found there.
    directory = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 - pathlib is not loaded yet
    if sys.path[:1] == [os.getcwd()] != [directory]:  # noqa: PTH109 - likewise
        del sys.path[0]
    from opsera_step.main import command_line

    sys.exit(command_line())
