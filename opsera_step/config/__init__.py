"""The configuration of a job: the table of inputs, where values come from, and what they mean."""

from opsera_step.config.file import DEFAULT_NAME, SYSTEM_FILE, ConfigFile
from opsera_step.config.inputs import (
    BY_NAME,
    COMMANDS,
    PATHS,
    PREFIXES,
    TABLE,
    Input,
    Inputs,
    Setting,
    from_environment,
    problem_of,
)
from opsera_step.config.parameters import Parameter
from opsera_step.config.parsers import SHORTEST_TOKEN, parse_duration
from opsera_step.config.settings import (
    RawSettings,
    known_aliases,
    load_inputs,
    read_settings,
    read_token_file,
    requested_command,
    token_to_mask,
)
from opsera_step.config.template import alias_of, first_config, is_alias

__all__ = [
    "BY_NAME", "COMMANDS", "DEFAULT_NAME", "PATHS", "PREFIXES", "SHORTEST_TOKEN", "SYSTEM_FILE",
    "TABLE", "ConfigFile", "Input", "Inputs", "Parameter", "RawSettings",
    "Setting", "alias_of", "first_config", "from_environment", "is_alias", "known_aliases",
    "load_inputs", "parse_duration", "problem_of", "read_settings", "read_token_file",
    "requested_command", "token_to_mask",
]  # fmt: skip
