"""The command line: a module per group of commands; `invocation` and `options` are shared.

Only arguments are parsed here; their meaning is the same as in a job. The same arguments can
come from a job's input `command`; then `run_arguments` reads them.
"""

from opsera_step.cli.app import group, main, run_arguments

__all__ = ["group", "main", "run_arguments"]
