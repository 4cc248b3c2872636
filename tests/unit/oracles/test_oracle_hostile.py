"""The generator: repeatable, of many kinds, hostile or harmless as requested."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

from hypothesis import HealthCheck, given, settings

from tests.oracles import github_runner, gitlab_log, hostile, terminal
from tests.oracles.hostile import Sample

MANY = list(hostile.samples(7, 2500))


def encode(text: str) -> bytes:
    return text.encode("utf-8", "replace") + b"\n"


def encoded(sample: Sample) -> bytes:
    return encode(sample.text)


def test_repeatable() -> None:
    assert list(hostile.samples(7, 50)) == MANY[:50]
    assert list(hostile.samples(8, 50)) != MANY[:50]


def test_names_are_those_of_the_runner() -> None:
    assert set(hostile.COMMANDS) == github_runner.REGISTERED
    assert set(hostile.MARKERS) >= github_runner.UI_MARKERS


def test_all_kinds_and_lines_come_up() -> None:
    assert {sample.kind for sample in MANY} >= {*hostile.KINDS, "harmless"}
    assert {sample.text for sample in MANY} >= set(hostile.HARMLESS)
    share = sum(sample.harmless for sample in MANY) / len(MANY)
    assert 0.15 < share < 0.25


def test_no_oracle_minds_a_harmless_line() -> None:
    for sample in (sample for sample in MANY if sample.harmless):
        runner = github_runner.Runner().feed(encoded(sample))
        log = gitlab_log.parse(encoded(sample))
        assert runner.log == [sample.text]
        assert not runner.commands
        assert not runner.forged
        assert terminal.effects(sample.text) == []
        assert not (log.sections or log.stray_ends or log.erased or log.dropped)
        assert log.text == sample.text


def test_every_command_runs_in_both_forms() -> None:
    seen: Counter[tuple[str, int]] = Counter()
    for sample in MANY:
        for line in github_runner.lines(encoded(sample)):
            found = github_runner.command(line)
            if found:
                seen[found.name.lower(), found.version] += 1
    assert set(seen) == {(name, form) for name in hostile.COMMANDS for form in (1, 2)}


def test_gitlab_and_terminals_are_attacked() -> None:
    logs = [gitlab_log.parse(encoded(sample)) for sample in MANY if not sample.harmless]
    assert sum(bool(log.sections) for log in logs) > 20
    assert sum(bool(log.stray_ends) for log in logs) > 20
    assert sum(bool(log.erased) for log in logs) > 20
    assert sum(bool(log.leaks) for log in logs) > 20
    assert sum(bool(log.swallowed_line_ends) for log in logs) > 5
    kinds = set().union(*(terminal.screen(sample.text).kinds for sample in MANY))
    assert kinds >= {"cursor", "erase", "osc", "dcs", "c1", "bell", "bidi", "charset", "sgr-leak"}
    assert kinds >= {"mode", "report", "print", "reset", "window", "unfinished", "conceal"}


def executed(defence: Callable[[str], str]) -> int:
    """How many samples run a command in spite of a defence."""
    texts = (defence(sample.text) for sample in MANY)
    return sum(bool(github_runner.Runner().feed(encode(text)).commands) for text in texts)


def test_weak_defences_are_seen_through() -> None:
    def split(text: str) -> str:
        return "\n".join("| " + line for line in re.split("[\r\n]", text))

    assert executed(lambda text: text) > 200
    assert executed(lambda text: "| " + text) > 50
    assert executed(split) > 20
    assert executed(lambda text: text.replace("::", ": :")) > 20
    assert executed(lambda text: split(text).replace("##[", "## [")) == 0


@given(hostile.strategy())
@settings(suppress_health_check=list(HealthCheck))
def test_no_oracle_breaks(sample: Sample) -> None:
    data = sample.text.encode("utf-8", "surrogatepass")
    github_runner.Runner().feed(data)
    gitlab_log.parse(data)
    gitlab_log.parse(data, engine=2)
    screen = terminal.screen(sample.text)
    assert len(screen.printed) <= len(sample.text)
