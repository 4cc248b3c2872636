"""The slips of users, an area a module; what comes of them is kept in `golden/errors/`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.e2e.errors import (
    access,
    account,
    answers,
    commands,
    config_file,
    inputs,
    setup,
    surroundings,
)
from tests.support.screens import Slip

AREAS: Mapping[str, Sequence[Slip]] = {
    "inputs": inputs.SLIPS,
    "config-file": config_file.SLIPS,
    "commands": commands.SLIPS,
    "tools": account.TOOLS,
    "tasks": account.TASKS,
    "audit": account.AUDIT,
    "setup": setup.SLIPS,
    "access": access.SLIPS,
    "refusals": answers.REFUSALS,
    "answers": answers.ANSWERS,
    "network": surroundings.NETWORK,
    "tls": surroundings.TLS,
    "files": surroundings.FILES,
    "environment": surroundings.ENVIRONMENT,
    "cleanup": surroundings.CLEANUP,
}
