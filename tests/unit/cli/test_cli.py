"""The command line: what it offers, what it makes of options, and how it ends."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys

import pytest
from click.testing import CliRunner

from opsera_step import cli
from opsera_step.cli import invocation as host
from opsera_step.config import COMMANDS as JOB_COMMANDS
from opsera_step.config import Setting
from opsera_step.errors import ExitCode, OpseraStepError
from opsera_step.job import utf8
from opsera_step.signals import Signals
from tests.support import ROOT
from tests.support.shell import entry, to_a_full_disk

COMMANDS = sorted(cli.group.commands)


def below(parent, *path):
    for name, one in getattr(parent, "commands", {}).items():
        yield " ".join((*path, name)), one
        yield from below(one, *path, name)


EVERY_COMMAND = dict(below(cli.group))


@pytest.fixture
def asked(monkeypatch):
    """Replace the job by a record of its inputs, with exit code 0."""
    calls: list[dict[str, Setting]] = []

    def job(environ, output, signals, *, options, **_):
        calls.append(dict(options))
        return 0

    monkeypatch.setattr(host, "run_job", job)
    monkeypatch.setattr(host, "utf8", lambda stream: stream)
    monkeypatch.setattr(host, "Signals", Deaf)
    return calls


class Deaf(Signals):
    """One that takes no signals from the tests."""

    def install(self):
        pass


def values(options: dict[str, Setting]) -> dict[str, str]:
    return {name: given.value for name, given in options.items()}


def test_every_command_helps():
    """Each command has a description, and help for each of its options."""
    for command, found in EVERY_COMMAND.items():
        result = CliRunner().invoke(cli.group, [*command.split(), "--help"])
        assert result.exit_code == 0
        assert result.output.startswith("Usage: ")
        assert found.help
        assert hasattr(found, "commands") or "Examples:" in result.output
        assert all(f"  {line}\n" in result.output for line in getattr(found, "examples", ()))
        for option in found.params:
            if option.param_type_name == "option":
                assert option.help, f"{command} {option.opts[0]} has no help"
                assert option.opts[0] in result.output


def test_the_group_lists_every_command():
    """`--help` names every command, and where the token comes from."""
    result = CliRunner().invoke(cli.group, ["--help"])
    assert [
        name for name in COMMANDS if not re.search(rf"^  {name} ", result.output, re.MULTILINE)
    ] == []
    assert "OPSERA_TOKEN" in result.output


def test_the_pipeline_is_an_argument_or_an_option(asked):
    """`run ID` and `run --pipeline ID` are equivalent; an option carries its name."""
    for command in JOB_COMMANDS:
        asked.clear()
        for arguments in (["abc"], ["--pipeline", "abc"], ["--pipeline=abc"]):
            assert cli.main([command, *arguments]) == 0
        assert [values(one) for one in asked] == [{"pipeline": "abc", "command": command}] * 3
        assert asked[1]["pipeline"] == Setting("abc", "--pipeline")


@pytest.mark.parametrize(
    ("typed", "wait"),
    [([], None), (["--wait"], "true"), (["--wait=no"], "no"), (["--no-wait"], "false")],
)
def test_ways_to_wait(asked, typed, wait):
    """`--wait` alone is true, `--no-wait` is false, and a value is used as it is."""
    cli.main(["run", *typed])
    assert values(asked[0]).get("wait") == wait


@pytest.mark.parametrize("switch", ["--wait", "--timestamps"])
@pytest.mark.parametrize(
    ("typed", "value", "pipeline"),
    [(["shop", "--timeout", "1h"], "true", "shop"), (["false", "shop"], "false", "shop"),
     (["--timeout", "1h", "shop"], "true", "shop"), (["maybe", "--", "shop"], "true", None),
     (["", "shop"], None, "shop")],
)  # fmt: skip
def test_a_switch_does_not_swallow_the_pipeline(asked, switch, typed, value, pipeline):
    """Only a boolean after it is its value; anything else is the next argument."""
    code = cli.main(["run", switch, *typed])
    assert (code == 0) is (pipeline is not None)
    if pipeline is not None:
        found = values(asked[0])
        assert (found.get(switch[2:]), found["pipeline"]) == (value, pipeline)


def test_what_is_empty_was_not_given(asked):
    """An option with an empty value, as scripts pass it, counts as not given."""
    cli.main(["run", "--timeout", "", "--pipeline", "  "])
    assert values(asked[0]) == {"command": "run"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "a", "b"], ["run", "--timeout"], ["demo", "--speed", "0"],
        ["status", "--wait", "true"],
    ],
)  # fmt: skip
def test_wrong_options_are_bad_input(capsys, arguments):
    """Invalid arguments end with 2 and a message, before any request."""
    assert cli.main(arguments) == ExitCode.INVALID_INPUT
    captured = capsys.readouterr()
    assert "Error: " in captured.err
    assert captured.out == ""


def test_no_command_is_bad_input(capsys):
    """Without a command the help is shown, and it is no success."""
    assert cli.main([]) == ExitCode.INVALID_INPUT
    assert "Runs:" in capsys.readouterr().err


@pytest.mark.parametrize("code", [0, 8, 143])
def test_the_exit_code_is_the_jobs(monkeypatch, asked, code):
    """What the job ends with is what the process ends with."""
    monkeypatch.setattr(host, "run_job", lambda *_, **__: code)
    assert cli.main(["run"]) == code


def test_an_error_outside_of_the_job_is_a_sentence(monkeypatch, asked, capsys):
    """An error with a hint is printed in one line, without a traceback."""

    def fails(*_, **__):
        raise OpseraStepError("It is so.", "Do this.")

    monkeypatch.setattr(host, "run_job", fails)
    assert cli.main(["run"]) == ExitCode.INTERNAL
    assert capsys.readouterr().err == "Error: It is so. Do this.\n"


def test_an_interrupt_is_130(monkeypatch, asked):
    """Ctrl-C where no job handles it ends as shells expect."""

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(host, "run_job", interrupted)
    assert cli.main(["run"]) == ExitCode.SIGINT


def test_options_go_before_the_environment():
    """An option wins over OPSERA_; all problems come at once, with their sources."""
    environ = {
        "OPSERA_TIMEOUT": "1h", "OPSERA_ON_BUSY": "fail", "OPSERA_ON_PAUSED": "pray",
        "OPSERA_TOKEN": "s3cret-token", "INPUT_RESET": "nonsense",
        "INPUT_TOKEN": "ghs_another-program",
    }  # fmt: skip
    done = entry(("run", "shop", "--timeout", "soon", "--on-busy", "hope"), environ)
    assert done.code == ExitCode.INVALID_INPUT
    assert "'soon' for timeout (from --timeout)" in done.out
    assert "'hope' for on_busy (from --on-busy)" in done.out
    assert "'pray' for on_paused (from OPSERA_ON_PAUSED)" in done.out
    assert "1h" not in done.out and "INPUT_" not in done.out
    assert done.err == ""


def test_a_broken_pipe_is_no_traceback():
    """`opsera-step demo --list | head -1` ends quietly."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-I", str(ROOT / "entrypoint.py"), "demo", "--list"],
            check=False, stdout=writer, stderr=subprocess.PIPE, encoding="utf-8", timeout=50,
        )  # fmt: skip
    finally:
        os.close(writer)
    assert "Traceback" not in done.stderr
    assert done.stderr.strip() == ""


@pytest.mark.parametrize("words", ["completion bash", "demo --speed 100"])
def test_a_full_disk_is_a_sentence(words):
    """What could not be written is no success, and no traceback."""
    done = to_a_full_disk(*words.split())
    assert done.returncode == ExitCode.INVALID_INPUT
    assert done.stderr == "Can't write to stdout: No space left on device.\n"


@pytest.mark.parametrize(
    ("words", "closed"),
    [("--help", 1), ("doctor --timeout x", 1), ("init --force --config /dev/null", 0),
     ("--help", 2)],
)  # fmt: skip
def test_streams_that_are_closed(words, closed):
    """`>&-` and `<&-` are no reason for a traceback."""
    done = subprocess.run(
        [sys.executable, "-I", str(ROOT / "entrypoint.py"), *words.split()],
        check=False, env={"PATH": os.defpath}, cwd="/", capture_output=True, encoding="utf-8",
        timeout=50, preexec_fn=lambda: os.close(closed),
    )  # fmt: skip
    assert done.returncode == (ExitCode.INVALID_INPUT if words.startswith("doctor") else 0)
    assert "Traceback" not in done.stdout + done.stderr


def test_completing_starts_no_job():
    """Completion also works before anything is typed."""
    asked = {"_OPSERA_STEP_COMPLETE": "bash_complete", "COMP_WORDS": "x to", "COMP_CWORD": "1"}
    done = entry((), asked)
    assert (done.code, done.out.split()) == (0, ["plain,tool"])


def test_a_stream_takes_any_text():
    """The log is UTF-8 in every locale, and invalid Unicode can't end a job."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    utf8(stream).write("é\ud800\n")
    stream.flush()
    assert raw.getvalue() == "é?\n".encode()


A_TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzY29wZSI6ImFwaSJ9.c2lnbmF0dXJlLXNpZ25hdHVyZQ"


@pytest.mark.parametrize(
    "words",
    [[A_TOKEN], ["run", "x", A_TOKEN], ["run", f"--foo={A_TOKEN}"],
     ["tool", "update", "x", "--set", A_TOKEN], ["audit", "actions", "--date", A_TOKEN]],
)  # fmt: skip
def test_a_token_in_a_wrong_place_is_not_shown(words, tmp_path):
    """Whatever is wrong with a command, a token in it shows nowhere: typed or as a job's input."""
    job = {"INPUT_COMMAND": " ".join(words), "OPSERA_TOKEN": ""}
    for typed, environ in ((words, {"OPSERA_TOKEN": A_TOKEN}), ([], job)):
        files = {"GITHUB_OUTPUT": str(tmp_path / "out"), "GITHUB_ACTIONS": "true"}
        done = entry(typed, {**files, **environ})
        assert done.code == 2
        written = (tmp_path / "out").read_text("utf-8") if (tmp_path / "out").exists() else ""
        shown = done.out.replace(f"::add-mask::{A_TOKEN}", "") + done.err + written
        assert A_TOKEN[:20] not in shown


@pytest.mark.parametrize(
    "words",
    [["run", "--foo\n::error::pwn"],
     ["run", "x", "y\n::error::pwn ##[error]pwn \x1b[31mred\x1b]0;t\x07"],
     ["tool", "update", "x", "--set", "a\n::error::p=1", "--set", "a\n::error::p=2"]],
)  # fmt: skip
def test_arguments_in_errors_are_data(words):
    """Invalid input that is quoted in an error can't control the job log or a terminal."""
    done = entry(words, {})
    assert done.code == 2
    assert not [line for line in done.err.split("\n") if line.lstrip().startswith("::")]
    assert "##[" not in done.err and "\x1b" not in done.err
