"""The config file: aliases of pipelines and defaults of inputs, as a layer below the environment.

The file is read by `job`; here its text becomes values. PyYAML is loaded only when there is one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from opsera_step.errors import BadInput
from opsera_step.inputs import BY_NAME, Given, unknown_name

NOT_IN_A_FILE = {
    "token": "a secret has no place in a file of the repository: set OPSERA_TOKEN",
    "config": "it names the file itself",
}


@dataclass(frozen=True)
class Config:
    """Defaults of inputs, and for each alias of a pipeline its own, which go before them."""

    defaults: Mapping[str, Given] = field(default_factory=dict)
    aliases: Mapping[str, Mapping[str, Given]] = field(default_factory=dict)

    def layer(self, pipeline: str) -> dict[str, Given]:
        """Return the values for a pipeline as it was named; an alias brings the real pipeline."""
        return {**self.defaults, **self.aliases.get(pipeline, {})}


def parse_config(text: str, origin: str) -> Config:
    """Read the text of a config file.

    Raises:
        BadInput: with a sentence for every fault.

    """
    import yaml  # noqa: PLC0415 - most jobs have no config file and shall not wait for PyYAML

    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BadInput([f"config: {origin} is no valid YAML: {' '.join(str(error).split())}"]) from None
    if data is None:
        return Config()
    if not isinstance(data, Mapping):
        raise BadInput([f"config: {origin} has to be a mapping, like `timeout: 2h`."])
    faults: list[str] = []
    aliases = _aliases(data.get("pipelines", {}), origin, faults)
    defaults = _layer({k: v for k, v in data.items() if k != "pipelines"}, origin, faults)
    if faults:
        raise BadInput(faults)
    return Config(defaults, aliases)


def _aliases(value: Any, origin: str, faults: list[str]) -> dict[str, dict[str, Given]]:
    if not isinstance(value, Mapping):
        faults.append(f"pipelines: in {origin} it has to map aliases to pipelines.")
        return {}
    aliases = {}
    for alias, target in value.items():
        entries = target if isinstance(target, Mapping) else {"pipeline": target}
        where = f"{origin}, pipelines.{alias}"
        if "pipeline" not in entries:
            faults.append(f"pipelines.{alias}: in {origin} it names no pipeline.")
        aliases[str(alias)] = _layer(entries, where, faults)
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
            faults.append(f"{name}: in {where} it has to be a plain value; {BY_NAME[name].takes}.")
        elif value is not None and str(value).strip():
            text = str(value).lower() if isinstance(value, bool) else str(value).strip()
            layer[name] = Given(text, where)
    return layer
