"""Collect the inputs from where users put them: options, environment, config file, token file.

Here files are read; what the values mean is `inputs`' and `config`'s affair.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, Protocol

from opsera_step.api.fields import is_object_id
from opsera_step.api.token import contains_token
from opsera_step.config.file import ALIASES, Config, parse_config
from opsera_step.config.inputs import (
    BY_NAME,
    PREFIXES,
    Inputs,
    Setting,
    command_words,
    from_environment,
    not_set,
    parse,
)
from opsera_step.config.parsers import derive_portal_url
from opsera_step.config.typos import likely_typos
from opsera_step.errors import InvalidInput
from opsera_step.text import nearest

Layer = Mapping[str, Setting]


class RawSettings(NamedTuple):
    """What was configured in all places, each value with where it is from, before it is typed."""

    given: Layer
    faults: tuple[str, ...]
    """What is wrong with the config file and the token's file."""
    alias: Setting | None = None
    """How the pipeline was named, where that is an alias of the config file."""


def gather(environ: Mapping[str, str], options: Layer, defaults: Mapping[str, str]) -> RawSettings:
    """Merge option > INPUT_ > OPSERA_ > config file > the platform's default."""
    faults: list[str] = []
    typed = [options, *(from_environment(environ, (prefix,)) for prefix in PREFIXES)]
    config = _read_config(_merged(typed), faults)
    named = _merged(typed).get("pipeline") or config.defaults.get("pipeline")
    alias = named.value.strip() if named is not None else ""
    platform = {name: Setting(value, "the platform's default") for name, value in defaults.items()}
    tool = options["tool"].value if "tool" in options else ""
    layers = [*typed, config.tool_layer(tool) if tool else config.layer(alias), platform]
    real = {**_real_pipeline(alias, config), **_real_tool(tool, config)}
    real |= _near_alias(tool, config.tools) if tool else _near_alias(alias, config.aliases)
    given = {**_merged(layers), **real, **_token(layers, faults)}
    return RawSettings(given, tuple(faults), named if alias in config.aliases else None)


def collect(
    environ: Mapping[str, str],
    options: Layer,
    defaults: Mapping[str, str],
    auto_log_limit: int | None,
) -> Inputs:
    """Type what was gathered, with the table's defaults for the rest.

    Raises:
        InvalidInput: with all faults of all places.

    """
    gathered = gather(environ, options, defaults)
    faults = list(gathered.faults)
    try:
        inputs = parse(gathered.given, auto_log_limit=auto_log_limit)
    except InvalidInput as error:
        untold = tuple(_untold(faults))
        faults += [fault for fault in error.problems if not fault.startswith(untold)]
    if faults:
        raise InvalidInput(faults)
    return inputs


class PlatformDefaults(Protocol):
    """What a platform adds to the inputs."""

    @property
    def input_defaults(self) -> Mapping[str, str]:
        """Defaults of inputs, where they differ from the table's."""
        ...

    @property
    def auto_log_limit(self) -> int | None:
        """Bytes that `log_limit: auto` stands for; None for no limit."""
        ...

    @property
    def debug(self) -> bool:
        """Whether the platform asks for debug logs."""
        ...


def load_inputs(
    environ: Mapping[str, str],
    options: Layer,
    platform: PlatformDefaults,
    *,
    reads_input_variables: bool = False,
    tool: str = "",
) -> Inputs:
    """Return the inputs of a job from all places.

    `reads_input_variables` says that the INPUT_ variables in the environment are ours; `tool` is
    the tool that the command names.

    Raises:
        InvalidInput: with all problems of all places.

    """
    if not reads_input_variables:
        environ = {name: one for name, one in environ.items() if not name.startswith("INPUT_")}
    if tool:
        options = {**options, "tool": Setting(tool, "the command")}
    inputs = collect(environ, options, platform.input_defaults, platform.auto_log_limit)
    return replace(
        inputs,
        portal_url=derive_portal_url(inputs.base_url),
        verbose=platform.debug,
        warnings=tuple(likely_typos(environ)),
    )


def _merged(layers: Iterable[Layer]) -> dict[str, Setting]:
    """Put layers over one another, the first on top; what is empty does not hide what is below."""
    merged: dict[str, Setting] = {}
    for layer in layers:
        for name, one in layer.items():
            if one.value.strip():
                merged.setdefault(name, one)
    return merged


def _real_pipeline(alias: str, config: Config) -> dict[str, Setting]:
    """Return the pipeline behind an alias; it goes before the place that named the alias."""
    layer = config.aliases.get(alias, {})
    return {"pipeline": layer["pipeline"]} if "pipeline" in layer else {}


def _real_tool(alias: str, config: Config) -> dict[str, Setting]:
    """Return the tool behind an alias."""
    layer = config.tools.get(alias, {})
    return {"tool": layer["tool"]} if "tool" in layer else {}


def _near_alias(name: str, aliases: Mapping[str, Layer]) -> dict[str, Setting]:
    """Return the alias that a name may have meant, or what it stands for: both may be real too."""
    if not name or is_object_id(name):
        return {}
    if name in aliases:
        things = (aliases[name][key].value for key in ALIASES.values() if key in aliases[name])
        near = next((one for one in things if one in aliases and one != name), "")
    else:
        near = nearest(name, aliases)
    return {"near_alias": Setting(near, "the config file")} if near else {}


def asked_command(environ: Mapping[str, str], *, reads_input_variables: bool = False) -> list[str]:
    """Return the words of the command that a job's environment or config file names.

    It is looked for before all else is read: it decides who reads the rest. What is no command
    has no words; who reads the rest says so.
    """
    prefixes = PREFIXES if reads_input_variables else ("OPSERA_",)
    typed = from_environment(environ, prefixes)
    if "command" not in typed:
        config = _read_config(typed, [])
        named = typed.get("pipeline") or config.defaults.get("pipeline")
        typed = {**config.layer(named.value.strip() if named is not None else ""), **typed}
    found = typed.get("command")
    return command_words(found.value) if found is not None else []


def known_config(environ: Mapping[str, str], options: Layer) -> Config:
    """Return what the config file says, whatever is wrong with it or with anything else."""
    return _read_config(_merged([options, from_environment(environ)]), [])


_FROM_WHERE = (
    "Its path counts from the folder in which this runs; in a job, is the repository checked out?"
)
_MOST_OF_A_TOKEN = 1 << 16


def _read_config(given: Layer, faults: list[str]) -> Config:
    asked = given.get("config")
    path = asked.value if asked is not None else BY_NAME["config"].default
    try:
        # What may never end is not read, but for the one that says: no file.
        if path != os.devnull and (Path(path).is_fifo() or Path(path).is_char_device()):
            faults.append(f"config: {path!r} is no file.")
            return Config()
        text = Path(path).read_text("utf-8-sig")
    except FileNotFoundError:
        if asked is not None:
            faults.append(f"config: there is no file {path!r} (from {asked.source}). {_FROM_WHERE}")
    except (OSError, ValueError) as error:
        faults.append(f"config: {path!r} can't be read: {_why(error)}.")
    else:
        return parse_config(text, path, faults)
    return Config()


def _token(layers: Iterable[Layer], faults: list[str]) -> dict[str, Setting]:
    """Return the token of the uppermost layer that has one, or a file with one."""
    for layer in layers:
        found = _merged([layer])
        if "token" in found:
            return {"token": found["token"]}
        if "token_file" in found:
            return _token_of_file(found["token_file"], faults)
    return {}


def _token_of_file(file: Setting, faults: list[str]) -> dict[str, Setting]:
    if contains_token(file.value):
        # Not shown: it is easily mixed up, above all with GitLab's two kinds of variables.
        faults.append(
            f"token_file: its value (from {file.source}) looks like the token itself; it takes "
            "the path of a file. Give the token as the input token."
        )
        return {}
    try:
        # A bound, for it may be a device that never ends; a pipe is fine.
        with Path(file.value).open(encoding="utf-8-sig") as opened:
            token = opened.read(_MOST_OF_A_TOKEN).strip()
    except (OSError, ValueError) as error:
        why = f"can't be read: {_why(error)}"
    else:
        if token:
            return {"token": Setting(token, f"the file {file.value!r}")}
        why = "is empty"
    faults.append(f"token_file: {file.value!r} (from {file.source}) {why}.")
    return {}


def _untold(faults: list[str]) -> Iterable[str]:
    """Yield how the faults begin that may only follow from a file that can't be read."""
    if any(fault.startswith("token_file:") for fault in faults):
        yield not_set("token")
    if any(fault.startswith("config:") for fault in faults):
        yield not_set("pipeline")


def _why(error: Exception) -> str:
    """Say why a file can't be read, never what is in it: it may be a secret."""
    if isinstance(error, OSError):
        return error.strerror or "unknown"
    return "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else "it is no path"
