"""YAML as a tree of texts that know their lines, so that a fault can be shown where it stands.

Every scalar stays the text that stands there: an ID is no octal number, and `on` no truth. What
repeats itself by YAML's aliases is not unfolded, and what merge keys (`<<`) bring has a limit, so
that no small text makes much work.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import yaml

_NOTHING = frozenset({"", "~", "null", "Null", "NULL"})
"""What is nothing where it stands without quotes (YAML 1.2)."""
_NUMBER = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_BASES = {"0x": 16, "0o": 8}
_LONGEST_NUMBER = 40
_MERGE = "<<"
_MOST_MERGED = 100_000
"""Most entries that merge keys bring: a few lines could make more of them than any memory holds."""
_DEEPEST = 100
"""How deep values may be nested."""
_LINE_END = re.compile("\r\n|[\n\r\x85\u2028\u2029]")


class BadYaml(ValueError):
    """A text that is no YAML; says where and why, and quotes nothing of it: it may be a secret."""


@dataclass(frozen=True)
class Node:
    """A value of the tree: a text, a mapping or a list."""

    _node: yaml.Node

    @property
    def line(self) -> int:
        """The line in which it begins, from 1."""
        return int(self._node.start_mark.line) + 1

    @property
    def text(self) -> str | None:
        """The text of a plain value; None when it is none."""
        return str(self._node.value).strip() if isinstance(self._node, yaml.ScalarNode) else None

    @property
    def is_nothing(self) -> bool:
        """Whether it is empty: that counts as not being there."""
        if not isinstance(self._node, yaml.ScalarNode):
            return False
        is_quoted = bool(self._node.style)
        return self.text == "" if is_quoted else self.text in _NOTHING

    @property
    def number(self) -> str | None:
        """The plain decimal spelling of what YAML 1.2 takes for a number; None when it is none."""
        if not isinstance(self._node, yaml.ScalarNode) or self._node.style:
            return None
        text = str(self._node.value)
        if len(text) > _LONGEST_NUMBER:
            return None
        try:
            if text[:2] in _BASES and text[2:].isalnum():
                return str(int(text[2:], _BASES[text[:2]]))
        except ValueError:
            return None
        if _NUMBER.fullmatch(text) is None:
            return None
        number = float(text)
        return str(int(number)) if number.is_integer() else repr(number)

    @property
    def entries(self) -> list[Entry] | None:
        """The entries of a mapping in their order; None when it is none."""
        if not isinstance(self._node, yaml.MappingNode):
            return None
        return [_entry(key, value) for key, value in self._node.value]


@dataclass(frozen=True)
class Entry:
    """An entry of a mapping, with the place of its key: where it stands, also when merged."""

    key: str
    line: int
    column: int
    value: Node

    @property
    def is_merge(self) -> bool:
        """Whether it is a merge key that brings nothing that could be merged."""
        return self.key == _MERGE


class Bounded(yaml.parser.Parser, yaml.composer.Composer):
    """Makes a loader that reads nothing nested deeper than anybody would write."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Compose a node, and count how deep it is."""
        if self._depth == _DEEPEST:
            peek: Any = self.peek_event
            raise fault_at(peek(), f"it is nested more than {_DEEPEST} levels deep")
        self._depth += 1
        node: yaml.Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node


class _Loader(Bounded, yaml.BaseLoader):
    """Reads texts alone."""


def read_yaml(text: str) -> Node | None:
    """Read a YAML text of one document, its merge keys resolved; None when there is nothing in it.

    Raises:
        BadYaml: when it is none.

    """
    try:
        node = yaml.compose(text, Loader=_Loader)
        if node is not None:
            _Merging().resolve(node)
    except (yaml.YAMLError, RecursionError) as error:
        raise BadYaml(f"is no valid YAML{trouble_of(error, text)}") from None
    return None if node is None else Node(node)


class _Merging:
    """Puts what merge keys bring into the mappings that they stand in.

    A mapping's own entries go before it, and of a list the first mapping before the next. A merge
    key that brings no mapping stays where it is, an entry like any other.
    """

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self._open: set[int] = set()
        self._brought = 0

    def resolve(self, node: yaml.Node) -> None:
        """Resolve the merge keys of a node and of all in it, each node once."""
        if isinstance(node, yaml.ScalarNode) or id(node) in self._seen:
            return
        self._seen.add(id(node))
        self._open.add(id(node))
        for part in parts_of(node):
            self.resolve(part)
        if isinstance(node, yaml.MappingNode):
            node.value = self._entries(node)
        self._open.remove(id(node))

    def _entries(self, node: yaml.MappingNode) -> list[tuple[yaml.Node, yaml.Node]]:
        merges = [key for key, value in node.value if _is_merge(key) and self._sources(value)]
        known = {key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)}
        entries = []
        for key, value in node.value:
            if key not in merges[:1]:
                entries.append((key, value))
                continue
            for source in self._sources(value):
                self._count(key, len(source.value))
                new = [one for one in source.value if _text_of(one[0]) not in known]
                known.update(_text_of(one[0]) for one in new)
                entries += new
        return entries

    def _sources(self, value: yaml.Node) -> list[yaml.MappingNode]:
        """Return the mappings that are to be merged; none where something else is among them."""
        found = value.value if isinstance(value, yaml.SequenceNode) else [value]
        mappings = [one for one in found if isinstance(one, yaml.MappingNode)]
        is_whole = len(mappings) == len(found)
        return [] if not is_whole or any(id(one) in self._open for one in mappings) else mappings

    def _count(self, key: yaml.Node, more: int) -> None:
        self._brought += more
        if self._brought > _MOST_MERGED:
            raise fault_at(key, f"merge keys bring more than {_MOST_MERGED} entries")


def _is_merge(key: yaml.Node) -> bool:
    return isinstance(key, yaml.ScalarNode) and key.value == _MERGE and not key.style


def _text_of(key: yaml.Node) -> str | None:
    return str(key.value) if isinstance(key, yaml.ScalarNode) else None


def parts_of(node: yaml.Node) -> list[yaml.Node]:
    """Return what a list holds, or the keys and values of a mapping."""
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value)


def fault_at(place: Any, problem: str) -> yaml.MarkedYAMLError:
    """Make the error of something wrong where a node or an event begins."""
    return yaml.MarkedYAMLError(problem=problem, problem_mark=place.start_mark)


def trouble_of(error: Exception, text: str) -> str:
    """Say where a text is no YAML, and why; quotes nothing of it, for a token may stand there."""
    if isinstance(error, yaml.reader.ReaderError):
        return _trouble_of_a_character(text, error.position)
    if not isinstance(error, yaml.MarkedYAMLError):
        return ": it is too much to read"
    mark, problem = error.problem_mark, error.problem or "it can't be read"
    where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
    for sign, words in _PLAINER.items():
        if sign in problem:
            return f"{where}: {words}"
    doing = f"{error.context}, " if (error.context or "").startswith("while scanning") else ""
    return f"{where}: {doing}{problem}"


def _trouble_of_a_character(text: str, position: int) -> str:
    *lines, last = _LINE_END.split(text[:position])
    where = f" (line {len(lines) + 1}, column {len(last) + 1})"
    told = f"{where}: there is a character that YAML does not take (U+{ord(text[position]):04X})"
    is_wide = text[position] == text[position + 2 : position + 3] == "\0"
    return f"{told}; a file in UTF-16 has to become UTF-8" if is_wide else told


_PLAINER = {
    "found character '\\t'": "there is a tab where YAML takes blanks only",
    "found another document": "there is more than one document in it",
    "could not determine a constructor": "there is a tag (as in `!name`), which is not read here",
}
"""What some of PyYAML's words mean."""


def _entry(key: yaml.Node, value: yaml.Node) -> Entry:
    line, column = int(key.start_mark.line) + 1, int(key.start_mark.column) + 1
    # A list or a mapping as a key: told like any other key that is not known.
    name = str(key.value) if isinstance(key, yaml.ScalarNode) else "?"
    return Entry(name, line, column, Node(value))
