"""The config file: aliases of pipelines and defaults of inputs, as a layer below the environment.

The file is read by `settings`; here its text becomes values. PyYAML is loaded only when there is
one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from opsera_step.inputs import BY_NAME, Given, unknown_name
from opsera_step.values import is_loopback

NOT_IN_A_FILE = {
    "token": "a secret has no place in a file of the repository: set OPSERA_TOKEN",
    "config": "it names the file itself",
}
_OPSERA = ".opsera.io"
_ELSEWHERE = (
    "whoever can change this file could have the token sent to a host of theirs: set "
    "OPSERA_BASE_URL (or the input base_url)"
)
_NOTHING = frozenset({"", "~", "null"})


@dataclass(frozen=True)
class Config:
    """Defaults of inputs, and for each alias of a pipeline its own, which go before them."""

    defaults: Mapping[str, Given] = field(default_factory=dict)
    aliases: Mapping[str, Mapping[str, Given]] = field(default_factory=dict)

    def layer(self, pipeline: str) -> dict[str, Given]:
        """Return the values for a pipeline as it was named; an alias brings the real pipeline."""
        return {**self.defaults, **self.aliases.get(pipeline, {})}


def parse_config(text: str, origin: str, faults: list[str]) -> Config:
    """Read the text of a config file; add a sentence to `faults` for each of its faults."""
    data = _load(text, origin, faults)
    if _is_nothing(data):
        return Config()
    if not isinstance(data, Mapping):
        faults.append(f"config: {origin} has to be a mapping, like `timeout: 2h`.")
        return Config()
    aliases = _aliases(data.get("pipelines"), origin, faults)
    defaults = _layer({k: v for k, v in data.items() if k != "pipelines"}, origin, faults)
    return Config(defaults, aliases)


def _load(text: str, origin: str, faults: list[str]) -> Any:
    """Load YAML with every scalar as the text that stands there: an ID is no octal number."""
    import yaml  # noqa: PLC0415 - most jobs have no config file and shall not wait for PyYAML

    try:
        return yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - makes nothing but texts
    except yaml.MarkedYAMLError as error:
        # Not the error's own text: it quotes the file, where a token may stand.
        mark = error.problem_mark
        where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        faults.append(f"config: {origin} is no valid YAML{where}: {error.problem}.")
    except (yaml.YAMLError, RecursionError):
        faults.append(f"config: {origin} is no valid YAML.")
    return None


def _is_nothing(value: Any) -> bool:
    return value is None or (isinstance(value, str) and value.strip().lower() in _NOTHING)


def _aliases(value: Any, origin: str, faults: list[str]) -> dict[str, dict[str, Given]]:
    if _is_nothing(value):
        return {}
    if not isinstance(value, Mapping):
        faults.append(f"pipelines: in {origin} it has to map aliases to pipelines.")
        return {}
    aliases = {}
    for alias, target in value.items():
        entries = target if isinstance(target, Mapping) else {"pipeline": target}
        if _is_nothing(entries.get("pipeline")):
            faults.append(f"pipelines.{alias}: in {origin} it names no pipeline.")
        aliases[str(alias)] = _layer(entries, f"{origin}, pipelines.{alias}", faults)
    return aliases


def _layer(entries: Mapping[Any, Any], where: str, faults: list[str]) -> dict[str, Given]:
    layer = {}
    for key, value in entries.items():
        name = str(key)
        if name in NOT_IN_A_FILE:
            faults.append(f"{name}: not taken from {where}: {NOT_IN_A_FILE[name]}.")
        elif name not in BY_NAME:
            faults.append(unknown_name(name, where))
        elif isinstance(value, (Mapping, list)):
            faults.append(
                f"{name}: in {where} it has to be a plain value; it takes {BY_NAME[name].takes}."
            )
        elif name == "base_url" and not _is_trusted(str(value)):
            faults.append(f"base_url: not taken from {where}: {_ELSEWHERE}.")
        elif not _is_nothing(value):
            layer[name] = Given(str(value).strip(), where)
    return layer


def _is_trusted(address: str) -> bool:
    """Whether a file of the repository may name this host: Opsera's own, or this machine."""
    try:
        host = urlsplit(address.strip()).hostname or ""
    except ValueError:
        return False
    # What is no address at all is refused with all other values that won't do.
    return not host or is_loopback(host) or f".{host}".endswith(_OPSERA)
