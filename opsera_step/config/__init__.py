"""The configuration of a job: the table of inputs, where values come from, and what they mean."""

from opsera_step.config.inputs import (
    BY_NAME,
    COMMANDS,
    PREFIXES,
    TABLE,
    Input,
    Inputs,
    Parameter,
    Setting,
    fault_of,
    from_environment,
    parse,
)
from opsera_step.config.settings import (
    RawSettings,
    asked_command,
    collect,
    gather,
    known_config,
    load_inputs,
)
from opsera_step.config.template import alias_of, first_config, is_alias
from opsera_step.config.typos import likely_typos

__all__ = [
    "BY_NAME",
    "COMMANDS",
    "PREFIXES",
    "TABLE",
    "Input",
    "Inputs",
    "Parameter",
    "RawSettings",
    "Setting",
    "alias_of",
    "asked_command",
    "collect",
    "fault_of",
    "first_config",
    "from_environment",
    "gather",
    "is_alias",
    "known_config",
    "likely_typos",
    "load_inputs",
    "parse",
]
