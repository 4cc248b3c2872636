"""The command line: one module a group of commands, and what they share in `host` and `options`.

Only what the user typed is read here; what it means is the same as in a job. The same words can
come from a job's input `command`; then `obey` reads them.
"""

from opsera_step.cli.app import group, main, obey

__all__ = ["group", "main", "obey"]
