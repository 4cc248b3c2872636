"""The config file: aliases of pipelines and tools, and defaults of inputs, below the environment.

The file is read by `settings`; here its text becomes values. PyYAML is loaded only when there is
one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from opsera_step.api.fields import is_object_id
from opsera_step.config.inputs import BY_NAME, Setting, fault_of, unknown_name
from opsera_step.config.parsers import is_loopback

if TYPE_CHECKING:
    from opsera_step.config.yaml_tree import Entry, Node

ALIASES = {"pipelines": "pipeline", "tools": "tool"}
"""The keys that hold aliases, and what each alias of theirs has to name."""
OF_A_TOOL = ("token_file", "base_url", "timeout", "output_file", "ca_bundle")
"""The inputs that mean something where a tool is asked about."""
NOT_IN_A_FILE = {
    "token": "a secret has no place in a file of the repository: set OPSERA_TOKEN",
    "config": "it can't be set in the very file that it names",
}
OF_NO_MEANING = "x-"
"""How keys begin that are not read: a place for what YAML's anchors repeat elsewhere."""
_NUMBERS = ("run_count", "wait", "timeout", "log_limit", "poll_interval")
"""The inputs that take a number, however YAML lets it be written."""
_OPSERA = ".opsera.io"
EXAMPLE_ID = "65a4f00dc0ffee0123456789"
_ELSEWHERE = (
    "of this file only hosts of opsera.io are taken, for whoever can change it could have the "
    "token sent to a host of theirs; set OPSERA_BASE_URL, or the input base_url"
)

Layer = Mapping[str, Setting]


@dataclass(frozen=True)
class Config:
    """Defaults of inputs; for each alias of a pipeline or a tool its own, which go before them."""

    defaults: Layer = field(default_factory=dict)
    aliases: Mapping[str, Layer] = field(default_factory=dict)
    tools: Mapping[str, Layer] = field(default_factory=dict)
    """Beside the inputs each has `tool`: the ID or the name."""

    def layer(self, pipeline: str) -> dict[str, Setting]:
        """Return the values for a pipeline as it was named; an alias brings the real pipeline."""
        return {**self.defaults, **self.aliases.get(pipeline, {})}

    def tool_layer(self, tool: str) -> dict[str, Setting]:
        """Return the values for a tool as it was named; an alias brings the real tool."""
        return {**self.defaults, **self.tools.get(tool, {})}


def parse_config(text: str, origin: str, faults: list[str]) -> Config:
    """Read the text of a config file; add a sentence to `faults` for each of its faults."""
    # Most jobs have no config file and shall not wait for PyYAML.
    from opsera_step.config.yaml_tree import BadYaml, read_yaml  # noqa: PLC0415

    try:
        tree = read_yaml(text)
    except BadYaml as error:
        faults.append(f"config: {origin} {error}.")
        return Config()
    return _Reader(origin, faults).config(tree)


class _Reader:
    """Reads the tree of one file; what is wrong is noted, and the rest is read."""

    def __init__(self, origin: str, faults: list[str]) -> None:
        self._origin, self._faults = origin, faults
        # What is merged is read in every place, and told once: where it stands.
        self._told: set[tuple[int, int, str]] = set()

    def config(self, tree: Node | None) -> Config:
        if tree is None or tree.is_nothing:
            return Config()
        if tree.entries is None:
            self._faults.append(f"config: {self._origin} has to be a mapping, like `timeout: 2h`.")
            return Config()
        defaults: dict[str, Setting] = {}
        aliases: dict[str, dict[str, Layer]] = {"pipelines": {}, "tools": {}}
        for entry in self._entries(tree):
            if entry.key in ALIASES:
                aliases[entry.key] = self._aliases(entry)
            elif not entry.key.startswith(OF_NO_MEANING):
                defaults.update(self._value(entry, (*BY_NAME, *ALIASES)))
        return Config(defaults, aliases["pipelines"], aliases["tools"])

    def _entries(self, node: Node, prefix: str = "") -> Iterator[Entry]:
        """Yield the entries of a mapping; a key that is there twice would silently lose one."""
        seen: dict[str, int] = {}
        for entry in node.entries or ():
            if entry.is_merge:
                self._tell(prefix, entry, _MERGES)
            elif entry.key in seen:
                self._tell(prefix, entry, f"it is in line {seen[entry.key]} too")
            else:
                seen[entry.key] = entry.line
                yield entry

    def _aliases(self, group: Entry) -> dict[str, Layer]:
        if group.value.is_nothing:
            return {}
        if group.value.entries is None:
            like = f"as in `shop: {EXAMPLE_ID}` below it"
            self._tell("", group, f"it has to map aliases to {group.key}, {like}")
            return {}
        prefix, key = f"{group.key}.", ALIASES[group.key]
        aliases = {}
        for one in self._entries(group.value, prefix):
            if one.key != one.key.strip() or not one.key:
                self._tell(prefix, one, "an alias is a name, without blanks around it")
            elif is_object_id(one.key):
                self._tell(prefix, one, f"as an alias it would hide the {key} that has this ID")
            else:
                aliases[one.key] = self._alias(one, prefix, key)
        return aliases

    def _alias(self, alias: Entry, prefix: str, key: str) -> Layer:
        """Read what stands for an alias: the thing itself, or a mapping with its defaults."""
        name, layer = f"{prefix}{alias.key}", {}
        if alias.value.entries is None:
            if alias.value.text is None:
                self._tell(prefix, alias, f"it has to be {_TAKES[key]}, or a mapping with `{key}:`")
            elif alias.value.is_nothing:
                self._tell(prefix, alias, f"it names no {key}")
            else:
                layer[key] = Setting(alias.value.text, self._place(alias))
            return layer
        entries = list(self._entries(alias.value, f"{name}."))
        named = [one for one in entries if one.key == key]
        is_told = any(one.is_merge for one in alias.value.entries)
        if not is_told and (not named or named[0].value.is_nothing):
            self._tell(prefix, alias, f"it names no {key}")
        known = tuple(BY_NAME) if key == "pipeline" else (key, *OF_A_TOOL)
        for entry in entries:
            layer.update(self._value(entry, known, f"{name}."))
        return layer

    def _value(self, entry: Entry, known: Collection[str], prefix: str = "") -> dict[str, Setting]:
        """Read the value of an input; nothing of one that won't do."""
        key, text = entry.key, entry.value.text
        found = self._given(entry)
        if key in NOT_IN_A_FILE:
            self._tell(prefix, entry, NOT_IN_A_FILE[key])
        elif key not in known:
            self._add(prefix, entry, self._unknown(entry, known, prefix))
        elif text is None:
            takes = _TAKES.get(key) or BY_NAME[key].takes
            more = "; aliases stand below `pipelines`" if not prefix and key == "pipeline" else ""
            self._tell(prefix, entry, f"it has to be a plain value; it takes {takes}{more}")
        elif entry.value.is_nothing:
            return {}
        elif key == "base_url" and not _is_trusted(text):
            self._tell(prefix, entry, _ELSEWHERE)
        elif key in BY_NAME and (fault := fault_of(key, found)):
            self._add(prefix, entry, fault)
        else:
            return {key: found}
        return {}

    def _given(self, entry: Entry) -> Setting:
        """Take the text that stands there; where that is no number of ours, YAML's reading."""
        place = self._place(entry)
        found, number = Setting(entry.value.text or "", place), entry.value.number
        if entry.key in _NUMBERS and number is not None and fault_of(entry.key, found):
            other = Setting(number, place)
            return found if fault_of(entry.key, other) else other
        return found

    def _unknown(self, entry: Entry, known: Collection[str], prefix: str) -> str:
        if entry.key in BY_NAME:
            return f"{entry.key}: it means nothing for a tool ({self._place(entry)})."
        told = unknown_name(entry.key, self._place(entry), known)
        holds_more = not prefix and entry.value.entries is not None and not told.endswith("?")
        return f"{told} {_NO_GROUPS}" if holds_more else told

    def _tell(self, prefix: str, entry: Entry, sentence: str) -> None:
        name = entry.key if entry.key.strip() == entry.key != "" else repr(entry.key)
        self._add(prefix, entry, f"{name}: {sentence} ({self._place(entry)}).")

    def _add(self, prefix: str, entry: Entry, fault: str) -> None:
        if (entry.line, entry.column, fault) not in self._told:
            self._told.add((entry.line, entry.column, fault))
            self._faults.append(prefix + fault)

    def _place(self, entry: Entry) -> str:
        return f"{self._origin}, line {entry.line}"


_MERGES = "it takes other mappings, as in `<<: *base` or `<<: [*base, *more]`, and is there once"
_NO_GROUPS = "Inputs stand at the top of the file; a key that only holds anchors begins with `x-`."
_TAKES = {
    "pipeline": "an ID (24 hex digits) or an exact name",
    "tool": "an ID (24 hex digits) or an exact name",
}


def _is_trusted(address: str) -> bool:
    """Whether a file of the repository may name this host: Opsera's own, or this machine."""
    try:
        host = urlsplit(address.strip()).hostname or ""
    except ValueError:
        return False
    # What is no address at all is refused with all other values that won't do.
    return not host or is_loopback(host) or f".{host}".endswith(_OPSERA)
