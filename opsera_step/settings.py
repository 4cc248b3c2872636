"""Collect the inputs from where users put them: options, environment, config file, token file.

Here files are read; what the values mean is `inputs`' and `config`'s affair.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from opsera_step.config import Config, parse_config
from opsera_step.errors import BadInput
from opsera_step.inputs import BY_NAME, Given, Inputs, from_environment, parse


def collect(
    environ: Mapping[str, str],
    options: Mapping[str, Given],
    defaults: Mapping[str, str],
    auto_log_limit: int | None,
) -> Inputs:
    """Merge option > INPUT_ > OPSERA_ > config file > the platform's default > the table's.

    Raises:
        BadInput: with all faults of all places.

    """
    faults: list[str] = []
    given = {**from_environment(environ), **options}
    try:
        given = _with_config(given, _read_config(given))
    except BadInput as error:
        faults += error.faults
    platform = {name: Given(value, "the platform's default") for name, value in defaults.items()}
    given = {**platform, **given}
    given = _with_token_file(given, faults)
    try:
        inputs = parse(given, auto_log_limit=auto_log_limit)
    except BadInput as error:
        # A token file that can't be read is one fault, not two.
        missing = "token: it is not set"
        unread = any(fault.startswith("token_file:") for fault in faults)
        faults += [one for one in error.faults if not (unread and one.startswith(missing))]
    if faults:
        raise BadInput(faults)
    return inputs


def _with_config(given: Mapping[str, Given], config: Config) -> dict[str, Given]:
    pipeline = given.get("pipeline") or config.defaults.get("pipeline")
    alias = pipeline.value if pipeline is not None else ""
    named = {name: one for name, one in given.items() if name != "pipeline"}
    return {**config.layer(alias), **(named if alias in config.aliases else given)}


def _read_config(given: Mapping[str, Given]) -> Config:
    asked = given.get("config")
    path = asked.value if asked is not None else BY_NAME["config"].default
    try:
        text = Path(path).read_text("utf-8-sig")
    except FileNotFoundError:
        if asked is None:
            return Config()
        raise BadInput([f"config: there is no file {path!r} (from {asked.origin})."]) from None
    except (OSError, ValueError) as error:
        raise BadInput([f"config: {path!r} can't be read: {_why(error)}."]) from None
    return parse_config(text, path)


def _with_token_file(given: dict[str, Given], faults: list[str]) -> dict[str, Given]:
    file = given.get("token_file")
    if "token" in given or file is None:
        return given
    try:
        token = Path(file.value).read_text("utf-8-sig").strip()
    except (OSError, ValueError) as error:
        faults.append(f"token_file: {file.value!r} (from {file.origin}) can't be read: {_why(error)}.")
        return given
    if not token:
        faults.append(f"token_file: {file.value!r} (from {file.origin}) is empty.")
        return given
    return {**given, "token": Given(token, f"the file {file.value!r}")}


def _why(error: Exception) -> str:
    """Say why a file can't be read, never what is in it: it may be a secret."""
    return error.strerror or "unknown" if isinstance(error, OSError) else "it is not UTF-8 text"
