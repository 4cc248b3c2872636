"""What GitHub's runner makes of the output of a step.

The rules are those of actions/runner:
`src/Runner.Sdk/ProcessInvoker.cs` (lines), `src/Runner.Worker/Handlers/OutputManager.cs` (what is
looked at), `src/Runner.Common/ActionCommand.cs` (the two command forms),
`src/Runner.Worker/ActionCommandManager.cs` (what commands do) and
`src/Runner.Worker/ExecutionContext.cs` (annotations, what is written to the log).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from . import dotnet

REGISTERED = frozenset({
    "add-mask", "add-matcher", "add-path", "debug", "echo", "endgroup", "error", "group", "notice",
    "remove-matcher", "save-state", "set-env", "set-output", "stop-commands", "warning",
})  # fmt: skip
"""Names that run: the extensions in ActionCommandManager.cs, and `stop-commands`."""

UI_MARKERS = frozenset({
    "command", "debug", "endgroup", "error", "group", "icon", "info", "notice", "section",
    "verbose", "warning",
})  # fmt: skip
"""`##[name]` texts that a log viewer renders although the runner did not write them.

Source: github/vscode-github-actions, `src/logs/parser.ts` (names), `src/logs/model.ts`
(looked for anywhere in a line)."""

_MARKER = re.compile(r"##\[(?:([A-Za-z]+)|(start-action|end-action) [^\]]*)\]", re.IGNORECASE)
# The runner writes `##[start-action display=…;id=…]` and `##[end-action id=…;outcome=…]` around
# the steps of a composite action; readers of the log take steps and results from them.

_ESCAPES_DATA = (("%0D", "\r"), ("%0A", "\n"), ("%25", "%"))
_ESCAPES_PROPERTY = (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%"))
_ESCAPES_V1 = (("%3B", ";"), ("%0D", "\r"), ("%0A", "\n"), ("%5D", "]"), ("%25", "%"))


@dataclass(frozen=True)
class Command:
    """A workflow command as read from a line. Property names are in lower case, since the
    runner looks them up without regard to case."""

    name: str
    properties: dict[str, str]
    data: str
    version: int


@dataclass(frozen=True)
class Marker:
    """A `##[name]` text in a line of the log, and what follows it."""

    name: str
    text: str
    at_start: bool


@dataclass(frozen=True)
class Annotation:
    """An error, a warning or a notice, decoded."""

    level: str
    message: str
    properties: dict[str, str]

    @property
    def title(self) -> str:
        """The title property, or nothing."""
        return self.properties.get("title", "")


@dataclass
class Group:
    """A fold in the log. `forged` if no command opened it, that is if plain text did."""

    title: str
    line: int
    forged: bool
    closed: bool = False


def lines(data: bytes) -> list[str]:
    """The lines the runner reads from a process (`ProcessInvoker.StartReadStream`)."""
    return dotnet.read_lines(dotnet.decode(data))


def command(line: str, registered: Iterable[str] = REGISTERED) -> Command | None:
    """The command in a line, if there is one: first as `::name key=value::data`, then as
    `##[name key=value;]data` (`ActionCommandManager.TryProcessCommand`).

    The runner searches by culture, so a character without weight, such as NUL or U+200B, may
    stand inside the separators; a line counts as a command here if either search finds one.
    """
    names = {_lower(name) for name in registered}
    return _parse_v2(line, names) or _parse_v1(line, names)


def is_recognized(line: str) -> bool:
    """Whether the runner's own search finds the separators of the command in this line.

    `command` errs on the side of yes, which is right for untrusted text. For a command that is
    meant to be one this is the question: by culture no `::` is found before a combining mark.
    """
    message = line.lstrip(dotnet.WHITE_SPACE)
    if message.startswith("::"):
        return dotnet.index_of(message, "::", 2) >= 0
    return dotnet.index_of(line, "##[") >= 0


def markers(line: str) -> list[Marker]:
    """The viewer's markers in a line that is written to the log, wherever they stand."""
    return [
        Marker((match[1] or match[2]).lower(), line[match.end() :], match.start() == 0)
        for match in _MARKER.finditer(line)
        if match[2] or match[1].lower() in UI_MARKERS
    ]


def escape_data(text: str) -> str:
    """The inverse of the runner's unescaping of data (`ActionCommand.UnescapeData`)."""
    return _escape(text, _ESCAPES_DATA)


def escape_property(text: str) -> str:
    """The inverse of the runner's unescaping of a property (`ActionCommand.UnescapeProperty`)."""
    return _escape(text, _ESCAPES_PROPERTY)


def _lower(name: str) -> str:
    # OrdinalIgnoreCase: no character outside ASCII equals one inside it.
    return "".join(char.lower() if char.isascii() else char for char in name)


def _escape(text: str, table: tuple[tuple[str, str], ...]) -> str:
    for escaped, plain in reversed(table):
        text = text.replace(plain, escaped)
    return text


def _unescape(text: str, table: tuple[tuple[str, str], ...]) -> str:
    for escaped, plain in table:
        text = text.replace(escaped, plain)
    return text


def _parse_v2(line: str, names: set[str]) -> Command | None:
    message = line.lstrip(dotnet.WHITE_SPACE)
    if not message.startswith("::"):
        # A start with something ignorable inside it never works out: the name is read from
        # the third character on, and that is still a colon.
        return None
    end = next(dotnet.find_all(message, "::", 2), -1)
    name, _, rest = message[2 : max(end, 0)].partition(" ")
    if not name or _lower(name) not in names:
        return None
    pairs = dotnet.split_some(rest.strip(dotnet.WHITE_SPACE), ",")
    data = _unescape(message[end + 2 :], _ESCAPES_DATA)
    return Command(name, _properties(pairs, _ESCAPES_PROPERTY), data, 2)


def _parse_v1(line: str, names: set[str]) -> Command | None:
    for start in _prefixes(line):
        end = line.find("]", start)
        name, _, rest = line[start + 3 : max(end, 0)].partition(" ")
        if name and _lower(name) in names:
            pairs = dotnet.split_some(rest, ";")
            data = _unescape(line[end + 1 :], _ESCAPES_V1)
            return Command(name, _properties(pairs, _ESCAPES_V1), data, 1)
    return None


def _prefixes(line: str) -> Iterator[int]:
    """Where the first `##[` may be found. Only the first one counts, but which one that is
    depends on the search: by culture a combining mark hides the bracket it stands on."""
    for start in (match.start() for match in re.finditer(r"##\[", line)):
        yield start
        follower = line[start + 3 : start + 4]
        if not follower or not _is_mark(follower):
            return


def _is_mark(char: str) -> bool:
    return unicodedata.category(char).startswith("M")


def _properties(pairs: list[str], table: tuple[tuple[str, str], ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in pairs:
        parts = dotnet.split_some(pair, "=", 2)
        if len(parts) == 2:  # a value that is empty leaves one part, and the runner drops it
            found[parts[0].lower()] = _unescape(parts[1], table)
    return found


@dataclass
class Runner:
    """A step's life in the runner: feed it what the process wrote, then read what came of it.

    Each command that the runner would run is in `commands`; of what they do, only folds,
    annotations, masks, and `stop-commands` are carried out.
    """

    commands: list[Command] = field(default_factory=list)
    annotations: list[Annotation] = field(default_factory=list)
    masks: list[str] = field(default_factory=list)
    unrecognized: list[str] = field(default_factory=list)
    """Lines that may be commands, but in which .NET 8 does not find the separators."""
    log: list[str] = field(default_factory=list)
    stop_token: str | None = None

    def __post_init__(self) -> None:
        self._own_markers: set[int] = set()

    @property
    def stopped(self) -> bool:
        """Whether commands are switched off."""
        return self.stop_token is not None

    def feed(self, data: bytes) -> Runner:
        """Read all that a process wrote to one of its streams; both are read alike."""
        for line in lines(data):
            self.line(line)
        return self

    def line(self, line: str) -> None:
        """Read one line (`OutputManager.OnDataReceived`)."""
        extra = () if self.stop_token is None else (self.stop_token,)
        found = command(line, (*REGISTERED, *extra))
        if found is not None and not is_recognized(line):
            self.unrecognized.append(line)
        if found is None or not self._process(line, found):
            self._write(line)

    @property
    def groups(self) -> list[Group]:
        """The folds a viewer draws; a second start ends the first one, as they do not nest."""
        return self._fold()[0]

    @property
    def balanced(self) -> bool:
        """Whether each fold is closed by its own end, and no end stands alone."""
        groups, sound = self._fold()
        return sound and all(group.closed for group in groups)

    @property
    def forged(self) -> list[str]:
        """Lines of the log with a viewer's marker that no command wrote. A command writes one
        marker, at the start of a line; any further one comes from its text."""
        return [
            line
            for number, line in enumerate(self.log)
            if len(markers(line)) > (number in self._own_markers)
        ]

    def _fold(self) -> tuple[list[Group], bool]:
        groups: list[Group] = []
        sound = True
        for number, line in enumerate(self.log):
            for marker in markers(line):
                is_open = bool(groups) and not groups[-1].closed
                if marker.name == "group":
                    sound = sound and not is_open
                    own = number in self._own_markers and marker.at_start
                    groups.append(Group(marker.text, number, not own))
                elif marker.name == "endgroup":
                    sound = sound and is_open
                    if is_open:
                        groups[-1].closed = True
        return groups, sound

    def _process(self, line: str, found: Command) -> bool:
        """Whether the line was taken as a command, and so is not printed as it stands."""
        name = _lower(found.name)
        if self.stop_token is not None:
            if name != _lower(self.stop_token):
                return False
            self._write(line)
            self.stop_token = None
            return True
        self.commands.append(found)
        if name == "stop-commands":
            self._stop(line, found.data)
        else:
            self._execute(name, found)
        return True

    def _stop(self, line: str, token: str) -> None:
        if not token or _lower(token) in REGISTERED or _lower(token) == "pause-logging":
            return  # The runner fails the step.
        self.stop_token = token
        if dotnet.utf16_length(token) > 6:
            self.masks.append(token)
        self._write(line)

    def _execute(self, name: str, found: Command) -> None:
        if name in {"error", "warning", "notice"}:
            self._annotate(name, found)
        elif name in {"group", "endgroup"}:
            self._write(f"##[{name}]{found.data if name == 'group' else ''}", own=True)
        elif name == "add-mask":
            self._add_mask(found.data)

    def _write(self, text: str, *, own: bool = False) -> None:
        """Write to the log. A decoded line end makes a further line, with nothing before it."""
        for mask in sorted(self.masks, key=len, reverse=True):
            text = text.replace(mask, "***")
        if own:
            self._own_markers.add(len(self.log))
        self.log.extend(re.split("\r\n|\r|\n", text))

    def _annotate(self, level: str, found: Command) -> None:
        self.annotations.append(Annotation(level, found.data, dict(found.properties)))
        if found.data:
            self._write(f"##[{level}]{found.data}", own=True)

    def _add_mask(self, data: str) -> None:
        if not data.strip(dotnet.WHITE_SPACE):
            warning = "Can't add secret mask for empty string"
            self.annotations.append(Annotation("warning", warning, {}))
            return
        parts = [part for part in re.split("[\r\n]", data) if part]
        self.masks += dict.fromkeys([data, *parts])
