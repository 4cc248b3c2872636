"""Config files: aliases and defaults, which of them are read, and what each may set.

The rule: the author of a pull request controls the checkout, so a file in it is read only if the
job or the command line names it, and even then it may set only aliases and `ALLOWED`. Only files
outside of it are trusted with the rest, and none with the token.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from opsera_step.api.fields import is_object_id
from opsera_step.api.token import contains_token
from opsera_step.config.inputs import BY_NAME, Layer, Setting, listed, problem_of
from opsera_step.files import read_text, why_unreadable
from opsera_step.text import did_you_mean

if TYPE_CHECKING:
    from opsera_step.config.yaml import Node

DEFAULT_NAME = ".opsera.yml"
"""The default file in the current directory, on a terminal."""
SIMILAR_NAMES = (DEFAULT_NAME, ".opsera.yaml", "opsera.yml")
"""Files whose author probably expects that they are read."""
SYSTEM_FILE = Path("/etc/opsera-step.yml")
if os.name == "nt":  # /etc would be a directory of the current drive.
    SYSTEM_FILE = Path(os.environ.get("PROGRAMDATA", "C:/ProgramData")) / "opsera-step.yml"
PERSONAL_FILE = Path(".config/opsera-step.yml")
"""Below the home directory of a person on a terminal."""

ALIASES = {"pipelines": "pipeline", "tools": "tool"}
"""The keys that contain aliases, and the kind of object that these refer to."""
ALLOWED = (
    "timeout", "on_timeout", "on_cancel", "on_paused", "on_busy", "logs", "log_limit",
    "poll_interval",
)  # fmt: skip
"""The inputs that a file in the checkout may set, also for an alias; of these no timeout of 0."""
TOOL_INPUTS = ("token_file", "base_url", "timeout", "output_file", "ca_bundle")
"""The inputs that apply to a command about a tool."""
NEVER = ("token", "config")
"""The inputs that no file may set."""
LIMITS = ("allowed_pipelines", "allowed_hosts")
"""The keys of the system's file that nothing else can override."""
UNREAD_PREFIX = "x-"
"""How keys begin that are not read: a place for what YAML's anchors repeat elsewhere."""
_NAMED = "an ID (24 hex digits) or an exact name"


@dataclass(frozen=True)
class ConfigFile:
    """The content of one file: defaults of inputs, and for each alias overriding defaults."""

    path: str = ""
    defaults: Layer = field(default_factory=dict)
    pipelines: Mapping[str, Layer] = field(default_factory=dict)
    """By alias; each has `pipeline`, the ID or name, among its settings."""
    tools: Mapping[str, Layer] = field(default_factory=dict)
    """By alias; each has `tool`, the ID or name, among its settings."""
    allowed_pipelines: tuple[str, ...] | None = None
    allowed_hosts: tuple[str, ...] | None = None
    problems: tuple[str, ...] = ()
    """A sentence for each problem."""


# --- Which files are read -------------------------------------------------------------------------


class Workspace:
    """The directories whose content the author of a pull request may control."""

    def __init__(self, checkouts: Iterable[str]) -> None:
        try:
            directory = Path.cwd()
        except OSError:
            # It was removed. Then everything counts as inside, and nothing is trusted.
            directory = Path("/")
        self.directory = directory
        # Unlike the methods of Path, these functions raise nothing where access is denied.
        git = (one for one in _upward(directory) if os.path.lexists(one / ".git"))
        repository = next(git, None)
        found = [Path(one) for one in checkouts if os.path.isdir(one)]  # noqa: PTH112
        found += [repository] if repository else []
        self.is_known = bool(found)
        """Whether the platform or a repository defines where it ends."""
        # A working directory above the workspace, such as /, is none.
        holds_others = any(_is_below(one, directory) for one in found)
        self.roots = found if holds_others else [*found, directory]

    def trusts(self, path: Path) -> bool:
        """Whether a file is outside of it for certain, also where links and mounts lead."""
        if not self.is_known:
            return False
        ways = [Path(os.path.abspath(path)), Path(os.path.realpath(path))]  # noqa: PTH100 - no links
        return not any(
            _is_same(parent, root) for way in ways for parent in way.parents for root in self.roots
        )

    def passes_link(self, path: Path) -> bool:
        """Whether a path inside contains a symbolic link, which is part of the checkout."""
        way = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links
        for root in self.roots:
            for above in (Path(os.path.abspath(root)), Path(os.path.realpath(root))):  # noqa: PTH100
                if way.is_relative_to(above):
                    real = Path(os.path.realpath(above)) / way.relative_to(above)
                    return os.path.realpath(way) != str(real)
        return False

    def searched(self) -> Iterator[Path]:
        """Yield the current directory and its parents up to the root of the workspace."""
        tops = [one for one in self.roots if _is_below(self.directory, one)]
        top = min(tops, key=lambda one: len(one.parts), default=self.directory)
        for directory in _upward(self.directory):
            yield directory
            if _is_same(directory, top):
                return


def _upward(directory: Path) -> Iterator[Path]:
    real = Path(os.path.realpath(directory))
    yield from (real, *real.parents)


def _is_below(directory: Path, root: Path) -> bool:
    return any(_is_same(one, root) for one in _upward(directory))


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def read_config_files(
    named: Setting | None,
    environ: Mapping[str, str],
    *,
    on_terminal: bool,
    checkouts: Iterable[str] = (),
    system_file: Path = SYSTEM_FILE,
    only_trusted: bool = False,
) -> tuple[list[ConfigFile], list[str]]:
    """Read the config files of a job, in the order of precedence.

    `named` is the input `config`; `on_terminal`: a user started the command; `checkouts`: the
    directories that the platform names. Returns warnings about files that the user may expect to
    be read, too.
    """
    workspace = Workspace(checkouts)
    if named is not None and (problem_of("config", named) or named.value.startswith("~/")):
        # It is reported with all other inputs.
        named = Setting(os.devnull, named.source)
    path = named.value if named is not None else DEFAULT_NAME if on_terminal else ""
    found = []
    if path and path != os.devnull and not _is_same(Path(path), system_file):
        source, is_trusted = named.source if named is not None else "", workspace.trusts(Path(path))
        if is_trusted or not only_trusted:
            found.append(_read_named(Path(path), source, workspace, is_trusted=is_trusted))
    home = environ.get("HOME") or environ.get("USERPROFILE", "")  # On Windows.
    if on_terminal and home:
        found.append(_read_trusted(Path(home) / PERSONAL_FILE))
    found.append(_read_trusted(system_file, is_system=True))
    warnings = [] if path == os.devnull else _unread(workspace, path)
    return [one for one in found if one is not None], warnings


def _read_named(
    path: Path, source: str, workspace: Workspace, *, is_trusted: bool
) -> ConfigFile | None:
    """Read a file that was named, or the default one, which need not be there."""
    if not source and not os.path.lexists(path):
        return None
    shown = f"config file {show_path(str(path))}" + (f" (from {source})" if source else "")
    if not is_trusted and workspace.passes_link(path):
        # Its keys and values, which errors show, could be those of any file of the machine.
        link = f"The {shown} is a symbolic link or below one. Name the file itself."
        return ConfigFile(str(path), problems=(link,))
    try:
        text = read_text(path, MAX_CONFIG)
    except FileNotFoundError:
        missing = f"The {shown} does not exist."
        if not path.is_absolute():
            missing += " The path is relative to the working directory."
        return ConfigFile(str(path), problems=(missing,))
    except (OSError, ValueError) as error:
        problem = f"Can't read the {shown}: {why_unreadable(error)}."
        return ConfigFile(str(path), problems=(problem,))
    return parse_config(text, str(path), is_trusted=is_trusted)


def _read_trusted(path: Path, *, is_system: bool = False) -> ConfigFile | None:
    try:
        text = read_text(path, MAX_CONFIG)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        problem = f"Can't read the config file {str(path)!r}: {why_unreadable(error)}."
        return ConfigFile(str(path), problems=(problem,))
    return parse_config(text, str(path), is_trusted=True, is_system=is_system)


def _unread(workspace: Workspace, read: str) -> list[str]:
    """Warn about files in the checkout that look like our config files and are not read."""
    return [
        f"The file {os.path.relpath(path, workspace.directory)!r} is not read. To use it, set the "
        f"input config (OPSERA_CONFIG, --config) to its path."
        for directory in workspace.searched()
        for path in (directory / name for name in SIMILAR_NAMES)
        if os.path.lexists(path) and not (read and _is_same(path, Path(read)))
    ]


# --- Limits ---------------------------------------------------------------------------------------

MAX_CONFIG = 256 * 1024
"""Bytes of a config file."""
MAX_TOKEN = 64 * 1024
"""Bytes of a file with a token."""


def show_path(path: str) -> str:
    """Write a path for a message; a token in its place is not shown."""
    return "(looks like an access token)" if contains_token(path) else repr(path)


# --- The content of a file ------------------------------------------------------------------------


def parse_config(
    text: str, path: str, *, is_trusted: bool = False, is_system: bool = False
) -> ConfigFile:
    """Read the text of a config file; everything that is wrong with it is in `problems`."""
    # Most jobs have no config file and don't wait for PyYAML.
    from opsera_step.config.yaml import YamlError, read_yaml  # noqa: PLC0415

    try:
        root = read_yaml(text)
    except YamlError as error:
        return ConfigFile(path, problems=(f"The config file {path!r} is not valid: {error}.",))
    if root is None or root.is_empty:
        return ConfigFile(path)
    if not isinstance(root.value, dict):
        problem = f"The config file {path!r} must be a mapping, such as `timeout: 2h`."
        return ConfigFile(path, problems=(problem,))
    reader = _Reader(path, is_trusted=is_trusted, is_system=is_system)
    return reader.config(root.value)


class _Reader:
    """Reads one file; notes what is wrong, and reads the rest."""

    def __init__(self, path: str, *, is_trusted: bool, is_system: bool) -> None:
        self._path, self._is_trusted, self._is_system = path, is_trusted, is_system
        # What is merged occurs in several places, and is reported once: where it stands.
        self._problems: dict[tuple[int, int], str] = {}

    def config(self, entries: Mapping[str, Node]) -> ConfigFile:
        defaults: dict[str, Setting] = {}
        aliases: dict[str, dict[str, Layer]] = {"pipelines": {}, "tools": {}}
        limits: dict[str, tuple[str, ...]] = {}
        for key, node in entries.items():
            if key in ALIASES:
                aliases[key] = self._aliases(key, node)
            elif key in LIMITS and self._is_system:
                limits[key] = self._limit(key, node)
            elif key in LIMITS:
                self._report(node, f"{key} is only read from {SYSTEM_FILE}")
            elif not key.startswith(UNREAD_PREFIX):
                defaults.update(self._setting(key, node, [*BY_NAME, *ALIASES]))
        return ConfigFile(
            self._path, defaults, aliases["pipelines"], aliases["tools"],
            limits.get("allowed_pipelines"), limits.get("allowed_hosts"),
            tuple(self._problems.values()),
        )  # fmt: skip

    def _limit(self, key: str, node: Node) -> tuple[str, ...]:
        values = node.value if isinstance(node.value, list) else [node]
        texts = [one.text.strip() for one in values if one.text is not None]
        if len(texts) < len(values) or not all(texts):
            self._report(node, f"{key} must be a list of strings")
        if key == "allowed_hosts":
            return tuple(one.lower().rstrip(".") for one in texts)
        return tuple(one.lower() if is_object_id(one) else one for one in texts)

    def _aliases(self, group: str, node: Node) -> dict[str, Layer]:
        if node.is_empty:
            return {}
        if not isinstance(node.value, dict):
            self._report(node, f"{group} must map aliases to {group}")
            return {}
        kind, found = ALIASES[group], {}
        for alias, one in node.value.items():
            if not alias.strip() or alias != alias.strip():
                self._report(one, f"{group}: alias {alias!r} is empty or has spaces around it")
            elif is_object_id(alias):
                self._report(one, f"{group}: alias {alias} would hide the {kind} with that ID")
            else:
                found[alias] = self._alias(f"{group}.{alias}", one, kind)
        return found

    def _alias(self, name: str, node: Node, kind: str) -> Layer:
        """Read an alias: the object itself, or a mapping with defaults."""
        if not isinstance(node.value, dict):
            if node.text is None:
                self._report(node, f"{name} must be {_NAMED}, or a mapping with `{kind}:`")
            elif node.is_empty:
                self._report(node, f"{name}: missing `{kind}`")
            else:
                return self._value(kind, node, name)
            return {}
        if kind not in node.value or node.value[kind].is_empty:
            self._report(node, f"{name}: missing `{kind}`")
        known = [*BY_NAME] if kind == "pipeline" else [kind, *TOOL_INPUTS]
        layer: dict[str, Setting] = {}
        for key, one in node.value.items():
            # Any file may set the pipeline or tool of an alias.
            if key == kind and one.text is None:
                self._report(one, f"{name}.{key} must be {_NAMED}")
            elif key == kind:
                layer.update(self._value(key, one, f"{name}.{key}"))
            else:
                layer.update(self._setting(key, one, known, f"{name}."))
        return layer

    def _setting(
        self, key: str, node: Node, known: Collection[str], prefix: str = ""
    ) -> dict[str, Setting]:
        """Read an input; nothing if this file may not set it, or its value is invalid."""
        name = prefix + key
        if key in NEVER or (key in BY_NAME and key not in ALLOWED and not self._is_trusted):
            self._report(node, self._refusal(key, name))
        elif key not in known:
            self._report(node, *self._unknown(key, node, known, prefix))
        elif node.text is None:
            valid = BY_NAME[key].valid if key in BY_NAME else _NAMED
            self._report(node, f"{name} must be a string, a number, or a boolean", f"Use {valid}.")
        else:
            return self._value(key, node, name)
        return {}

    def _value(self, key: str, node: Node, name: str) -> dict[str, Setting]:
        if node.is_empty or node.text is None:
            return {}
        setting = Setting(node.text.strip(), self._place(node))
        problem = problem_of(key, setting, shown=name) if key in BY_NAME else ""
        if problem:
            self._problems.setdefault((node.line, node.column), problem)
        elif key == "timeout" and not self._is_trusted and not BY_NAME[key].parse(setting.value):
            self._report(node, f"{name} can't be 0 in a file of the checkout")
        else:
            return {key: setting}
        return {}

    def _refusal(self, key: str, name: str) -> str:
        if key == "token":
            return f"{name}: don't store secrets in files. Set OPSERA_TOKEN or the input token"
        if key == "config":
            return f"{name} can't be set in a config file"
        places = [f"the input {key}", f"OPSERA_{key.upper()}", str(SYSTEM_FILE)]
        return (
            f"{name} can't be set in a file of the checkout, which is not trusted. Set it with "
            f"{listed(places)} instead"
        )

    def _unknown(
        self, key: str, node: Node, known: Collection[str], prefix: str
    ) -> tuple[str, str]:
        if key in BY_NAME:
            return f"{prefix}{key} is not valid for a tool", ""
        hint = did_you_mean(key, known)
        if not hint and not prefix and isinstance(node.value, dict):
            hint = f"Set inputs at the top level; keys that begin with {UNREAD_PREFIX} are ignored."
        return f"Unknown input {prefix}{key}", hint

    def _report(self, node: Node, sentence: str, hint: str = "") -> None:
        problem = f"{sentence} ({self._place(node)}). {hint}".strip()
        self._problems.setdefault((node.line, node.column), problem)

    def _place(self, node: Node) -> str:
        return f"{self._path}, line {node.line}"


def find_alias(files: Sequence[ConfigFile], group: str, name: str) -> Layer | None:
    """Return the settings of an alias in the first file that has it."""
    return next((one for one in (getattr(file, group).get(name) for file in files) if one), None)
