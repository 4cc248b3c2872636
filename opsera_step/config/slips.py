"""What a value that won't do may have meant, in a sentence for whoever wrote it. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Collection, Mapping
from urllib.parse import urlsplit

from opsera_step.api import explain_malformed
from opsera_step.config.parsers import parse_base_url
from opsera_step.text import nearest

_SYNONYMS = {
    "start": "run", "trigger": "run", "deploy": "run", "execute": "run", "launch": "run",
    "follow": "watch", "tail": "watch", "wait": "watch", "attach": "watch",
    "log": "logs", "cancel": "stop", "abort": "stop", "kill": "stop", "restart": "reset",
    "show": "summary", "describe": "summary", "get": "summary", "list": "pipelines",
    "ls": "pipelines", "pipeline": "pipelines", "state": "status", "check": "doctor",
    "diagnose": "doctor", "tools": "tool", "registry": "tool", "tasks": "task",
    "help": "--help", "version": "--version",
}  # fmt: skip
"""What other programs call our commands."""
_HOME_ONLY = ("demo", "simulator", "init", "completion")
_WORD = re.compile(r"[\w-]+")
_NAMED_HOST = re.compile(r"\.[a-z]{2,}(?::\d+)?$", re.IGNORECASE)
_NEWEST = ("latest", "newest", "last", "current", "head")
_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_LONG_DURATION = re.compile(
    r"(\d{1,6}(?:\.\d{1,4})?) *"
    r"(?:(d)(?:ays?)?|(h)(?:(?:ou)?rs?)?|(m)(?:in(?:ute)?s?)?|(s)(?:ec(?:ond)?s?)?)",
    re.IGNORECASE | re.ASCII,
)


def suggest_value(name: str, value: str, words: Collection[str]) -> str:
    """Say what the value of an input may have meant, and nothing where that is not known."""
    if name == "command":
        return _of_command(value, words)
    if words:
        return _question(nearest(value, words)) if _WORD.fullmatch(value) else ""
    return _GUESSES[name](value) if name in _GUESSES else ""


def meant_command(word: str, known: Collection[str]) -> str:
    """Return the command that a word which is none may stand for."""
    synonym = _SYNONYMS.get(word.lower(), "")
    is_there = synonym in known or synonym.startswith("--")
    return synonym if is_there else nearest(word, known)


def _question(guess: str) -> str:
    return f"Did you mean {guess}?" if guess else ""


def _of_command(value: str, known: Collection[str]) -> str:
    try:
        word = shlex.split(value)[0]
    except ValueError:
        return "A quote in it is not closed."
    except IndexError:
        return ""
    if word == "opsera-step":
        return "Leave out opsera-step: it begins with the word after that."
    if word in _HOME_ONLY:
        return f"{word} is for a command line, not for a job."
    return _question(meant_command(word, known))


def _of_base_url(value: str) -> str:
    """Take what looks like the host of it."""
    try:
        host = urlsplit(value if "//" in value else f"//{value}").netloc
        guess = parse_base_url(f"https://{host}")
    except ValueError:
        return ""
    return _question(guess) if _NAMED_HOST.search(host) else ""


def _of_count(value: str) -> str:
    if value.lower() in _NEWEST:
        return "Leave it out for the newest run."
    found = re.fullmatch(r"(?:#|run|no\.?|\s)*([1-9][0-9]{0,8})", value, re.IGNORECASE | re.ASCII)
    return _question(found[1]) if found else ""


def _of_duration(value: str) -> str:
    found = _LONG_DURATION.fullmatch(value)
    if found is None:
        return ""
    unit = next(filter(None, found.groups()[1:]))
    minutes, seconds = divmod(round(float(found[1]) * _UNITS[unit.lower()]), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "m"), (seconds, "s"))
    return _question("".join(f"{number}{unit}" for number, unit in parts if number))


_GUESSES: Mapping[str, Callable[[str], str]] = {
    "token": explain_malformed,
    "base_url": _of_base_url,
    "run_count": _of_count,
    "timeout": _of_duration,
}
