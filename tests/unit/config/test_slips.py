"""Tests of what values that won't do may have meant."""

from __future__ import annotations

import pytest

from opsera_step.config.inputs import COMMANDS, WIDER_COMMANDS
from opsera_step.config.slips import meant_command, suggest_value

ID = "65a4f00dc0ffee0123456789"
KNOWN = COMMANDS + WIDER_COMMANDS


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("timeout", "1.5h", "Did you mean 1h30m?"),
        ("timeout", "2 days", "Did you mean 48h?"),
        ("timeout", "90 sec", "Did you mean 1m30s?"),
        ("timeout", "0.0001s", ""),
        ("timeout", "soon", ""),
        ("run_count", "#42", "Did you mean 42?"),
        ("run_count", "run 42", "Did you mean 42?"),
        ("run_count", "Latest", "Leave it out for the newest run."),
        ("run_count", "0", ""),
        ("base_url", "acme.opsera.io/", "Did you mean https://acme.opsera.io?"),
        ("base_url", "http://acme.opsera.io:8443/x", "Did you mean https://acme.opsera.io:8443?"),
        ("base_url", "http://10.0.0.1", ""),
        ("base_url", "https://[", ""),
        ("base_url", "nonsense", ""),
        ("log_limit", "10TB", ""),
    ],
)
def test_what_a_value_may_have_meant(name, value, says):
    """A value that a user would write gets the one that was meant; any other gets nothing."""
    assert suggest_value(name, value, ()) == says


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("que", "Did you mean queue?"),
        ("ATACH", "Did you mean attach?"),
        ("queue,attach", ""),
        ("kill", ""),
    ],
)
def test_what_a_word_may_have_meant(value, says):
    """Of words the nearest is told, of a list of them none."""
    assert suggest_value("on_busy", value, ("queue", "attach", "fail")) == says


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("statsu shop", "Did you mean status?"),
        ("deploy shop", "Did you mean run?"),
        ("cancel", "Did you mean stop?"),
        ("tool update x --set 'a", "A quote in it is not closed."),
        ("opsera-step run", "Leave out opsera-step: it begins with the word after that."),
        ("demo", "demo is for a command line, not for a job."),
        ("''", ""),
        ("xyzzy", ""),
    ],
)
def test_what_a_command_may_have_meant(value, says):
    """Also what other programs call it."""
    assert suggest_value("command", value, KNOWN) == says


def test_a_synonym_counts_only_where_it_is_known():
    """A group of commands has not those of the program."""
    assert meant_command("deploy", ["list", "show"]) == ""
    assert meant_command("lst", ["list", "show"]) == "list"
    assert meant_command("help", ["run"]) == "--help"
