"""The rules of tests/oracles/dotnet.py against the real .NET, on which GitHub's runner runs."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import unicodedata

import pytest

from tests.oracles import dotnet, hostile
from tests.platforms.running import ROOT, run

SOURCE = ROOT / "tests/platforms/dotnet/Driver.cs"
MARKS = ("::", "##[", "::group::")


def encoded(text):
    return base64.b64encode(text.encode("utf-16-le", "surrogatepass")).decode()


@pytest.fixture(scope="module")
def ask(facts, tmp_path_factory):
    """Return the results of a list of .NET string operations."""
    directory = tmp_path_factory.mktemp("dotnet")
    program = directory / "driver.exe"
    compiled = run([facts["mcs"], "-langversion:7", f"-out:{program}", SOURCE], 60)
    assert compiled.ok, compiled
    settings = {"framework": {"name": "Microsoft.NETCore.App", "version": "8.0.0"}}
    config = directory / "driver.runtimeconfig.json"
    config.write_text(json.dumps({"runtimeOptions": {"tfm": "net8.0", **settings}}))

    def answers(questions):
        lines = (" ".join([question[0], *map(encoded, question[1:])]) for question in questions)
        done = subprocess.run(
            [facts["dotnet"], "exec", "--runtimeconfig", config, program], check=True, timeout=120,
            input="\n".join(lines).encode(), stdout=subprocess.PIPE,
            env={"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin", "HOME": str(directory)},
        )  # fmt: skip
        return [
            base64.b64decode(line).decode("utf-16-le", "surrogatepass")
            for line in done.stdout.splitlines()
        ]

    return answers


def code_points():
    assigned = (chr(code) for code in range(sys.maxunicode + 1))
    return [one for one in assigned if unicodedata.category(one) not in ("Cs", "Cn", "Co")]


def samples(seed, count):
    """Return hostile texts; half a surrogate pair doesn't survive the way to .NET."""
    texts = (sample.text[:3000] for sample in hostile.samples(seed, count))
    return [text for text in texts if text.encode("utf-8", "ignore").decode() == text]


def test_a_mark_before_any_character(ask):
    """Where a title begins with a combining mark, .NET doesn't find the command before it."""
    texts = [f"::group::{char}" for char in code_points()]
    found = ask([("index_of", text, "::group::") for text in texts])
    expected = [str(dotnet.index_of(text, "::group::")) for text in texts]
    wrong = [text for text, one, other in zip(texts, found, expected, strict=True) if one != other]
    assert wrong == []


@pytest.mark.parametrize("mark", MARKS)
def test_marks_in_hostile_text(ask, mark):
    """Wherever .NET finds a mark, the oracle finds it too, at the same place."""
    texts = samples(31, 20_000)
    found = ask([("index_of", text, mark) for text in texts])
    expected = [dotnet.index_of(text, mark) for text in texts]
    in_units = [
        str(dotnet.utf16_length(text[:index]) if index >= 0 else -1)
        for text, index in zip(texts, expected, strict=True)
    ]
    wrong = [one for one in zip(texts, found, in_units, strict=True) if one[1] != one[2]]
    assert wrong == []


def test_white_space(ask):
    chars = [char for char in code_points() if char < "\U00010000"]
    found = ask([("white_space", char) for char in chars])
    assert {char for char, one in zip(chars, found, strict=True) if one == "True"} == set(
        dotnet.WHITE_SPACE
    )


def test_lines_and_parts(ask):
    texts = samples(32, 20_000)
    lines = [one.split("\n")[:-1] for one in ask([("read_lines", text) for text in texts])]
    assert lines == [dotnet.read_lines(text) for text in texts]
    parts = ask([("split", text) for text in texts])
    assert parts == ["\n".join(dotnet.split_some(text, "=", 2)) for text in texts]


def test_characters_without_weight_are_skipped(ask):
    """Which proves that .NET compares by culture here, as it does in the runner."""
    texts = ["a::b", "::b", "\u200b::b", ":\u00ad:b"]
    assert ask([("starts_with", text, "::") for text in texts]) == ["False", "True", "True", "True"]
