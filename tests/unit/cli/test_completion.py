"""Completion: what each shell makes of the script that `completion` prints."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from opsera_step.cli import group
from opsera_step.simulator import scenario_names
from tests.support import ROOT
from tests.support.shell import entry

ASKED = {
    "opsera-step ta": ["task"],
    "opsera-step run --on-": ["--on-busy", "--on-cancel", "--on-paused", "--on-timeout"],
    "opsera-step run --on-busy ": ["attach", "fail", "queue"],
    "opsera-step run --wait t": ["true"],
    "opsera-step tool list --format ": ["csv", "json", "table", "yaml"],
    "opsera-step demo --scenario re": [one for one in scenario_names() if one.startswith("re")],
}
"""What is typed, and what a shell offers then, in the order of the alphabet."""
BASH = """
eval "$(opsera-step completion bash)"
while IFS= read -r line; do
    read -ra COMP_WORDS <<< "$line"
    [[ $line == *" " ]] && COMP_WORDS+=("")
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMPREPLY=()
    "$(complete -p opsera-step | sed 's/.*-F \\([^ ]*\\).*/\\1/')" opsera-step
    echo "$line:${COMPREPLY[*]}"
done
"""
FISH = """
opsera-step completion fish | source
while read --local line
    echo "$line:"(complete -C "$line" | string split --fields 1 \\t | string join ' ')
end
"""
ZSH = """
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "PS1= PS2= PROMPT_EOL_MARK=; unsetopt zle_bracketed_paste 2>/dev/null"
zpty -w shell 'eval "$(opsera-step completion zsh)"; echo SOUR""CED'
zpty -r -m shell found '*SOURCED*'
while IFS=: read -r line word; do
    zpty -w -n shell "$line"$'\\t'
    zpty -r -m shell found "*$word*" && print -r -- "$line:$word"
    zpty -w -n shell $'\\C-u\\n'
done
"""


@pytest.fixture(scope="module")
def environ(tmp_path_factory):
    """Make an environment in which `opsera-step` is a command, and no start-up file counts."""
    directory = tmp_path_factory.mktemp("shell")
    program = directory / "opsera-step"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -I {ROOT}/entrypoint.py "$@"\n', "utf-8")
    program.chmod(0o755)
    return {
        "PATH": f"{directory}:{os.defpath}", "HOME": str(directory), "ZDOTDIR": str(directory),
        "XDG_CONFIG_HOME": str(directory), "LC_ALL": "C.UTF-8", "TERM": "dumb",
    }  # fmt: skip


def offered(environ: dict[str, str], *shell: str, lines: list[str]) -> list[str]:
    """Type the lines in a shell, and return its output lines."""
    if shutil.which(shell[0]) is None:
        pytest.skip(f"{shell[0]} is not installed")
    done = subprocess.run(
        shell, input="".join(f"{line}\n" for line in lines), env=environ, check=False,
        capture_output=True, encoding="utf-8", timeout=60, cwd=Path(environ["HOME"]),
    )  # fmt: skip
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    "shell",
    [
        ("bash", "--norc", "-c", BASH),
        pytest.param(("fish", "--no-config", "-c", FISH), marks=pytest.mark.long),
    ],
)
def test_a_shell_offers_commands_options_and_values(environ, shell):
    """The script that is printed can be sourced, and completes for real."""
    shown = offered(environ, *shell, lines=list(ASKED))
    found = (line.partition(":") for line in shown)
    assert {line: sorted(words.split()) for line, _, words in found} == ASKED


@pytest.mark.long
def test_zsh_completes_without_a_start_up_file(environ):
    """Even without a call of compinit; on a terminal, because zsh completes only there."""
    lines = ["opsera-step ta:task", "opsera-step tool list --format :yaml"]
    shown = offered(environ, "zsh", "-f", "-c", ZSH, lines=lines)
    assert shown == lines


ALIASES = """\
pipelines: {shop: x, shop-release: {pipeline: y}, "two words": z}
tools: {jenkins: Shop Jenkins}
what: is wrong hides nothing else
"""
TYPED = {
    "opsera-step run ": ["shop", "shop-release"],
    "opsera-step doctor shop-": ["shop-release"],
    "opsera-step watch --pipeline s": ["shop", "shop-release"],
    "opsera-step tool show ": ["jenkins"],
    "opsera-step run --config other.yml ": ["other"],
    "opsera-step run --config broken.yml s": [],
    "opsera-step run --config . s": [],
}
"""What is typed beside those files, and which of their aliases are offered."""


def test_aliases_of_the_config_file_are_offered(tmp_path, monkeypatch):
    """Pipelines and tools are completed from the file that would be read; a bad one offers none."""
    monkeypatch.chdir(tmp_path)
    for name, text in (
        (".opsera.yml", ALIASES), ("other.yml", "pipelines: {other: x}"), ("broken.yml", "a: b: c"),
    ):  # fmt: skip
        (tmp_path / name).write_text(text, "utf-8")
    found = {}
    for line in TYPED:
        number = str(len(line.split(" ")) - 1)
        asked = {"_OPSERA_STEP_COMPLETE": "bash_complete", "COMP_CWORD": number}
        shown = entry((), {**asked, "COMP_WORDS": line, "HOME": str(tmp_path)}).out
        found[line] = sorted(one.partition(",")[2] for one in shown.split())
    assert found == TYPED


@pytest.mark.long
def test_paths_are_left_to_the_shell(environ):
    """Where a file or a directory is expected, the shell offers the existing ones."""
    (Path(environ["HOME"]) / "opsera-token.txt").write_text("x", "utf-8")
    lines = ["opsera-step run --token-file ops"]
    shown = offered(environ, "fish", "--no-config", "-c", FISH, lines=lines)
    assert set(shown[0].partition(":")[2].split()) == {"opsera-step", "opsera-token.txt"}


@pytest.mark.long
def test_a_description_is_whole(environ):
    """Neither commas nor colons truncate the descriptions that fish shows."""
    script = "opsera-step completion fish | source; complete -C 'opsera-step aud'"
    if shutil.which("fish") is None:
        pytest.skip("fish is not installed")
    done = subprocess.run(
        ["fish", "--no-config", "-c", script], env=environ, check=False, capture_output=True,
        encoding="utf-8", timeout=60,
    )  # fmt: skip
    described = group.commands["audit"].get_short_help_str(200)
    assert ":" in described
    assert done.stdout == f"audit\t{described}\n"
