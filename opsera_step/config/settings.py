"""The inputs of a job, from all sources: options, environment, config files, token file.

Precedence: option, INPUT_ variable, OPSERA_ variable, alias, config file, platform, table.
"""

from __future__ import annotations

import stat
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from opsera_step.api.fields import is_object_id
from opsera_step.api.token import contains_token
from opsera_step.config.file import (
    ALIASES,
    MAX_TOKEN,
    SYSTEM_FILE,
    ConfigFile,
    find_alias,
    read_config_files,
    show_path,
)
from opsera_step.config.inputs import (
    PATHS,
    PREFIXES,
    Inputs,
    Layer,
    PlatformDefaults,
    Setting,
    command_words,
    from_environment,
    missing,
    needs_pipeline,
    parse,
)
from opsera_step.config.parsers import A_TOKEN, SHORTEST_TOKEN
from opsera_step.config.warnings import (
    foreign_run_count,
    late_timeout,
    misspelled_variables,
    odd_name,
)
from opsera_step.errors import InvalidInput
from opsera_step.files import read_text, why_unreadable
from opsera_step.text import nearest


@dataclass(frozen=True)
class RawSettings:
    """The configuration of all sources, each value with its source, before it is parsed."""

    values: Layer
    problems: Mapping[str, str] = field(default_factory=dict)
    """What is wrong with files, by the input that names them, or `config` and a number."""
    warnings: tuple[str, ...] = ()
    alias: Setting | None = None
    """The alias of the pipeline, if the user gave one."""
    tool: str = ""
    """The tool that the command names, or that its alias stands for."""
    near_alias: str = ""
    """An alias that the user may have meant, or that an alias leads to."""
    files: tuple[ConfigFile, ...] = ()
    platform: PlatformDefaults | None = None

    def value(self, name: str) -> str:
        """Return the value of an input as configured; empty if it is not set."""
        return self.values[name].value if name in self.values else ""

    def invalid(self) -> dict[str, str]:
        """Return a sentence for everything that is wrong, by input; not for what is missing."""
        values, problems = parse(self.values, self.platform)
        forbidden = dict(_forbidden(self._inputs(values), self.files))
        found = {**dict(_homeless(self.values)), **self.problems, **problems, **forbidden}
        return {name: self._without_token(sentence) for name, sentence in found.items()}

    def _without_token(self, text: str) -> str:
        """Hide the token where it was given in a wrong place, too."""
        token = self.value("token")
        return text.replace(token, "***") if len(token) >= SHORTEST_TOKEN else text

    def inputs(self) -> Inputs:
        """Type all inputs.

        Raises:
            InvalidInput: with everything that is wrong in all places.
        """
        inputs, problems = self.valid_inputs(), {**self.invalid(), **self._missing()}
        if problems:
            error = InvalidInput(list(problems.values()))
            error.output_file, error.warnings = inputs.output_file, self.warnings
            raise error
        return inputs

    def valid_inputs(self) -> Inputs:
        """Type what is valid; the rest has its default, and is empty without one."""
        return self._inputs(parse(self.values, self.platform)[0])

    def _missing(self) -> dict[str, str]:
        """Return what is missing, unless it may be in a file that can't be read."""
        found = missing(self.values)
        if "token_file" in self.problems:
            found.pop("token", None)
        if any(file.problems for file in self.files):
            found.pop("pipeline", None)
        return found

    def _inputs(self, values: Mapping[str, Any]) -> Inputs:
        return Inputs(
            **values,
            tool=self.tool,
            near_alias=self.near_alias,
            token_source=self.values["token"].source if "token" in self.values else "",
            allowed_pipelines=_first(file.allowed_pipelines for file in self.files),
            warnings=self.warnings,
        )


def load_inputs(
    environ: Mapping[str, str],
    options: Layer,
    platform: PlatformDefaults | None = None,
    *,
    tool: str = "",
) -> Inputs:
    """Return the inputs of a job from all places; see `read_settings`.

    Raises:
        InvalidInput: with everything that is wrong in all places.
    """
    return read_settings(environ, options, platform, tool=tool).inputs()


def read_settings(
    environ: Mapping[str, str],
    options: Layer,
    platform: PlatformDefaults | None = None,
    *,
    tool: str = "",
    on_terminal: bool | None = None,
    system_file: Path = SYSTEM_FILE,
) -> RawSettings:
    """Collect what is configured in all places; nothing is typed yet, and nothing raises.

    `options` is what was typed on the command line, and `tool` the tool that its command names.
    `on_terminal` says whether a person started the command; None finds that out.
    """
    typed = [options, *(from_environment(environ, (prefix,)) for prefix in PREFIXES)]
    files, unread = read_config_files(
        _expanded(_merged(typed), environ).get("config"),
        environ,
        on_terminal=is_on_terminal(platform) if on_terminal is None else on_terminal,
        checkouts=platform.checkouts if platform else (),
        system_file=system_file,
    )
    settings = resolve(typed, files, platform, environ, tool=tool)
    values = dict(settings.values)
    foreign = foreign_run_count(values, environ)
    if foreign:
        del values["run_count"]
    warnings = (
        *unread,
        *misspelled_variables(environ, has_token="token" in values),
        *filter(None, [foreign]),
        *odd_name(values),
        *late_timeout(values, platform),
    )
    problems = {**settings.problems, **dict(_unusable_bundle(settings))}
    return replace(settings, values=values, problems=problems, warnings=warnings)


def resolve(
    typed: Sequence[Layer],
    files: Sequence[ConfigFile],
    platform: PlatformDefaults | None,
    environ: Mapping[str, str],
    *,
    tool: str = "",
) -> RawSettings:
    """Merge the places; an alias becomes what it stands for, with its own defaults.

    `typed` are options and variables, the first on top; the token's file is read here.
    """
    group, defaults = "tools" if tool else "pipelines", [one.defaults for one in files]
    named = None if tool else _merged([*typed, *defaults]).get("pipeline")
    name = tool or (named.value if named is not None else "")
    alias = find_alias(files, group, name)
    real = (alias or {}).get(ALIASES[group])
    layers = [*typed, alias or {}, *defaults, _platform_layer(platform)]
    values = _expanded(_merged(layers), environ)
    values.pop("tool", None)
    if real is not None and not tool:
        values["pipeline"] = real
    problems = {
        f"config {number}": one
        for number, one in enumerate(problem for file in files for problem in file.problems)
    }
    token, problem = _token(layers, values)
    values.pop("token", None)
    if token is not None:
        values["token"] = token
    elif problem:
        del values["token_file"]
        problems["token_file"] = problem
    return RawSettings(
        values,
        problems,
        alias=named if alias is not None else None,
        tool=real.value if real is not None and tool else tool,
        near_alias=_near_alias(name, real, [getattr(one, group) for one in files]),
        files=tuple(files),
        platform=platform,
    )


def requested_command(
    environ: Mapping[str, str], platform: PlatformDefaults, *, system_file: Path = SYSTEM_FILE
) -> list[str]:
    """Return the words of the command that a job's environment or config file names.

    It decides who reads the rest, which also reports an invalid command: that has no words.
    """
    typed = from_environment(environ)
    found = typed.get("command")
    if found is None:
        # Only a trusted file may name a command; another one is not even parsed.
        files, _ = read_config_files(
            _expanded(typed, environ).get("config"),
            environ,
            on_terminal=False,
            checkouts=platform.checkouts,
            system_file=system_file,
            only_trusted=True,
        )
        named = _merged([typed, *(one.defaults for one in files)]).get("pipeline")
        alias = find_alias(files, "pipelines", named.value) if named is not None else None
        found = _merged([alias or {}, *(one.defaults for one in files)]).get("command")
    return command_words(found.value) if found is not None else []


def known_aliases(
    environ: Mapping[str, str], options: Layer, platform: PlatformDefaults, group: str
) -> list[str]:
    """Return the aliases that a person may type, for completion; `group` is pipelines or tools."""
    typed = _expanded({**from_environment(environ), **options}, environ)
    files, _ = read_config_files(
        typed.get("config"), environ, on_terminal=not platform.in_ci, checkouts=platform.checkouts
    )
    return list(dict.fromkeys(alias for file in files for alias in getattr(file, group)))


def is_on_terminal(platform: PlatformDefaults | None) -> bool:
    """Whether a person started the command: on a terminal, and not in a CI job."""
    # A stream that was closed before the start is None.
    streams = (sys.stdin, sys.stdout)
    is_person = platform is None or not platform.in_ci
    return is_person and all(one is not None and one.isatty() for one in streams)


# --- Merging --------------------------------------------------------------------------------------


def _merged(layers: Iterable[Layer]) -> dict[str, Setting]:
    """Merge layers, the first on top; empty values don't override others."""
    merged: dict[str, Setting] = {}
    for layer in layers:
        for name, one in layer.items():
            if one.value.strip():
                merged.setdefault(name, one._replace(value=one.value.strip()))
    return merged


def _platform_layer(platform: PlatformDefaults | None) -> dict[str, Setting]:
    defaults = platform.input_defaults if platform is not None else {}
    return {name: Setting(value, "the platform's default") for name, value in defaults.items()}


def _first(values: Iterable[tuple[str, ...] | None]) -> tuple[str, ...] | None:
    return next((one for one in values if one is not None), None)


def _near_alias(name: str, real: Setting | None, groups: Sequence[Mapping[str, Layer]]) -> str:
    """Return the alias that a name may have meant, or one that its alias leads to."""
    known = {alias for group in groups for alias in group}
    if not name or not known or is_object_id(name):
        return ""
    if real is not None:
        return real.value if real.value in known and real.value != name else ""
    return "" if name in known else nearest(name, sorted(known))


def _expanded(layer: Layer, environ: Mapping[str, str]) -> dict[str, Setting]:
    """Expand `~/` in paths, which a shell doesn't expand in variables."""
    home, found = environ.get("HOME", ""), dict(layer)
    for name in PATHS:
        one = found.get(name)
        if home and one is not None and one.value.startswith("~/"):
            found[name] = one._replace(value=str(Path(home, one.value[2:])))
    return found


def _homeless(settings: Layer) -> Iterator[tuple[str, str]]:
    """Yield the paths that could not be expanded: they would become a directory named `~`."""
    for name in PATHS:
        if name in settings and settings[name].value.startswith("~/"):
            source = settings[name].source
            yield name, f"Can't expand ~/ in {name} (from {source}), because HOME is not set."


# --- Files that inputs name -----------------------------------------------------------------------


def _token(layers: Iterable[Layer], values: Layer) -> tuple[Setting | None, str]:
    """Return the token of the uppermost place that has one or a file with one, or a problem."""
    for layer in layers:
        place = _merged([layer])
        if "token" in place:
            return place["token"], ""
        if "token_file" in place:
            return _token_of_file(values["token_file"])
    return None, ""


def _token_of_file(file: Setting) -> tuple[Setting | None, str]:
    shown = f"token_file {show_path(file.value)} (from {file.source})"
    if problem := _path_problem("token_file", file):
        return None, problem
    try:
        token = read_token_file(file.value)
    except (OSError, ValueError) as error:
        # Easily mixed up, above all with GitLab's two types of variables.
        hint = f" {A_TOKEN}" if contains_token(file.value) else ""
        return None, f"Can't read {shown}: {why_unreadable(error)}.{hint}"
    if not token:
        return None, f"The {shown} is empty."
    return Setting(token, f"the file {file.value!r}"), ""


def read_token_file(path: str) -> str:
    """Read a token from a file, without the spaces and line ends around it.

    Raises:
        OSError: if it can't be read; a named pipe without a writer holds nothing.
        ValueError: if it is not UTF-8, or the path is invalid.
    """
    return read_text(path, MAX_TOKEN).strip()


def token_to_mask(environ: Mapping[str, str], options: Layer) -> str:
    """Return the token that variables and options name, for messages about invalid inputs.

    Empty if there is none, or if its file can't be read.
    """
    given = _expanded({**from_environment(environ), **options}, environ)
    if "token" in given:
        return given["token"].value
    with suppress(OSError, ValueError):
        return read_token_file(given["token_file"].value) if "token_file" in given else ""
    return ""


def _path_problem(name: str, path: Setting) -> str:
    return parse({name: path})[1].get(name, "")


def _unusable_bundle(settings: RawSettings) -> Iterator[tuple[str, str]]:
    """Yield problems of the CA certificate file: OpenSSL would block on a pipe."""
    bundle = settings.values.get("ca_bundle")
    if bundle is None or bundle.value.startswith("~/") or _path_problem("ca_bundle", bundle):
        return
    try:
        is_file = stat.S_ISREG(Path(bundle.value).stat().st_mode)
        reason = "" if is_file else "it is not a regular file"
    except (OSError, ValueError) as error:
        reason = why_unreadable(error)
    if reason:
        shown = f"ca_bundle {show_path(bundle.value)} (from {bundle.source})"
        yield "ca_bundle", f"Can't read {shown}: {reason}."


# --- Limits of the system's config file -----------------------------------------------------------


def _forbidden(inputs: Inputs, files: Sequence[ConfigFile]) -> Iterator[tuple[str, str]]:
    """Yield a problem for each value that the system's config file does not allow."""
    hosts = _first(file.allowed_hosts for file in files)
    host = (urlsplit(inputs.base_url).hostname or "").rstrip(".")
    if hosts is not None and not any(_host_fits(host, one) for one in hosts):
        yield "base_url", _not_allowed(f"Host {host!r} of base_url", "allowed_hosts", hosts)
    allowed, named = inputs.allowed_pipelines, inputs.pipeline
    if allowed is None or not named or named in allowed or not needs_pipeline(inputs.command):
        return
    # A name may be that of an allowed ID, and the other way round: only the job can compare these.
    if all(is_object_id(one) == inputs.pipeline_is_id for one in allowed):
        yield "pipeline", _not_allowed(f"Pipeline {named!r}", "allowed_pipelines", allowed)


def _host_fits(host: str, pattern: str) -> bool:
    """Whether a host is the one allowed, or below it for `*.NAME`."""
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern


def _not_allowed(what: str, key: str, allowed: Sequence[str]) -> str:
    words = ", ".join(allowed) or "none"
    return f"{what} is not allowed on this machine. {SYSTEM_FILE} has {key}: {words}."
