"""The plain platform: what works everywhere, Jenkins included."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from opsera_step.clock import FakeClock
from opsera_step.platforms import Platform, detect, own_variables, platform_class
from opsera_step.platforms.base import one_line, read_dotenv, wants_color


class Broken(io.StringIO):
    """A log whose reader has gone."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error, self.writes = error, 0

    def write(self, text: str) -> int:
        self.writes += 1
        raise self.error


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


def plain(environ: dict[str, str] | None = None) -> tuple[Platform, io.StringIO]:
    out = io.StringIO()
    return Platform(environ or {}, out, FakeClock()), out


@pytest.mark.parametrize(
    ("environ", "out", "name"),
    [
        ({"JENKINS_URL": "https://ci"}, io.StringIO(), "plain"),
        ({"GITHUB_ACTIONS": "true"}, Tty(), "github"),
        ({"GITHUB_ACTIONS": ""}, io.StringIO(), "plain"), ({"GITLAB_CI": "true"}, Tty(), "gitlab"),
        ({"TERM": "xterm"}, Tty(), "terminal"), ({"TERM": "xterm"}, io.StringIO(), "plain"),
        ({"TERM": "dumb"}, Tty(), "plain"), ({"TERM": "xterm", "CI": "true"}, Tty(), "plain"),
        ({"TERM": "xterm", "CI": "false"}, Tty(), "terminal"), ({}, Tty(), "plain"),
    ],
)  # fmt: skip
def test_the_platform_is_detected_from_its_variables(environ, out, name):
    """GitHub and GitLab set variables; a terminal in a CI job is watched by no person."""
    found = detect(environ, out, FakeClock())
    assert (found.name, type(found)) == (name, platform_class(name))


@pytest.mark.parametrize(
    ("environ", "is_job", "ours"),
    [({"GITHUB_ACTIONS": "true"}, True, True), ({"GITHUB_ACTIONS": "true"}, False, False),
     ({"GITHUB_ACTIONS": "TRUE"}, True, False), ({"GITLAB_CI": "true"}, True, False),
     ({}, True, False)],
)  # fmt: skip
def test_input_variables_belong_to_the_action_alone(environ, is_job, ours):
    """They are ours in the action and in its post step; elsewhere another program's."""
    environ |= {"INPUT_TOKEN": "x", "OPSERA_WAIT": "true"}
    own = own_variables(environ, is_job=is_job)
    assert own == environ if ours else set(environ) - set(own) == {"INPUT_TOKEN"}


@pytest.mark.parametrize(
    ("environ", "expected"),
    [({}, False), ({"CI": ""}, False), ({"CI": "false"}, False), ({"CI": "true"}, True),
     ({"CI": "1"}, True), ({"JENKINS_URL": "http://x"}, True), ({"GITHUB_ACTIONS": "true"}, True),
     ({"TF_BUILD": "True"}, True), ({"BUILD_NUMBER": "7"}, True)],
)  # fmt: skip
def test_ci(environ, expected):
    """A CI job is not interactive, even with a pseudo-terminal."""
    assert detect(environ, io.StringIO(), FakeClock()).in_ci is expected


def test_lines_and_messages():
    """Log lines are printed as they are, our messages with a prefix and their level."""
    platform, out = plain()
    platform.open_group("Build · jenkins")
    platform.lines(["a", "", "b"])
    platform.print_message("so")
    platform.print_message("hm", "warning")
    platform.print_message("GET /x", "debug")
    platform.close_group()
    platform.annotate("error", "Access token", "no")
    platform.draw([("moving", "")])
    platform.mask("secret")
    assert out.getvalue().splitlines() == [
        "[opsera] --- Build · jenkins ---", "a", "", "b", "[opsera] so", "[opsera] WARNING: hm",
        "[opsera] DEBUG: GET /x", "[opsera] ERROR: Access token: no",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("title", "text", "shown"),
    [
        ("Opsera pipeline failed", "Run 42 failed at step “X”.", "Run 42 failed at step “X”."),
        ("opsera-step", "Opsera rejected the token.", "Opsera rejected the token."),
        ("Opsera step “X” failed", "No host.", "Opsera step “X” failed: No host."),
    ],
)
def test_a_title_is_left_out_if_the_text_repeats_it(title, text, shown):
    """In a log the sentence about the run is enough."""
    platform, out = plain()
    platform.annotate("error", title, text)
    assert out.getvalue() == f"[opsera] ERROR: {shown}\n"


@pytest.mark.parametrize(
    ("environ", "default", "wanted"),
    [
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": "0"}, False, False),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False),
    ],
)
def test_color_can_be_switched(environ, default, wanted):
    """NO_COLOR overrides FORCE_COLOR, and both override the platform."""
    assert wants_color(environ, default=default) is wanted
    assert Platform(environ, io.StringIO(), FakeClock()).color is wants_color(
        environ, default=False
    )


@pytest.mark.parametrize(
    "error", [BrokenPipeError(), ValueError("closed file"), OSError(28, "full")]
)
def test_a_log_that_is_not_read_ends_nothing(error):
    """Once the log can't be written, nothing more is written, and the job continues."""
    out = Broken(error)
    platform = Platform({}, out, FakeClock())
    platform.print_message("one")
    platform.lines(["two"])
    assert out.writes == 1


def test_a_value_is_one_line_for_every_reader(tmp_path):
    """No line end of any kind in a value makes a second variable."""
    platform, _ = plain()
    for end in ("\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"):
        values = {"message": f"a{end}OPSERA_STATUS=success", "status": "failed\ud800"}
        assert platform.write_outputs(values, str(tmp_path / "o")) == ""
        text = (tmp_path / "o").read_text("utf-8")
        assert text.splitlines() == [
            "OPSERA_MESSAGE=a OPSERA_STATUS=success", "OPSERA_STATUS=failed?",
        ]  # fmt: skip
        assert read_dotenv(text)["OPSERA_STATUS"] == "failed?"
        assert one_line(f"{end}a{end}{end}") == "a"


@pytest.mark.parametrize("file", ["directory", "file/opsera.env"])
def test_an_output_file_that_cannot_be_written_is_reported(tmp_path, file):
    """The message names the path."""
    (tmp_path / "directory").mkdir()
    (tmp_path / "file").write_text("")
    platform, _ = plain()
    expected = platform.write_outputs({"status": "success"}, str(tmp_path / file))
    assert expected.startswith(f"Can't write the outputs to {tmp_path / file}: ")


def test_outputs_of_an_earlier_job_do_not_survive(tmp_path):
    """If the outputs can't be written, stale ones are removed; what this job wrote stays."""
    file = tmp_path / "opsera.env"
    file.write_text("OPSERA_STATUS=success\n")
    platform, _ = plain()
    program = """
import resource, signal, sys, io
from opsera_step.clock import FakeClock
from opsera_step.platforms import Platform
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
platform = Platform({}, io.StringIO(), FakeClock())
for size in map(int, sys.argv[2:]):
    print(platform.write_outputs({"message": "x" * size}, sys.argv[1]))
"""
    for sizes, left in (["100000"], None), (["3", "100000"], "OPSERA_MESSAGE=xxx\n"):
        done = subprocess.run(
            [sys.executable, "-c", program, str(file), *sizes],
            capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        assert f"Can't write the outputs to {file}: File too large." in done.stdout
        assert (file.read_text() if file.exists() else None) == left
    assert platform.write_outputs({"status": "failed"}, str(file)) == ""


def test_the_cleanup_finds_what_the_job_left(tmp_path):
    """A file in the workspace gives the run number at most: no pipeline and no URL."""
    platform, _ = plain()
    file = str(tmp_path / "opsera.env")
    assert platform.saved_state(file) == {}
    platform.write_outputs({"runCount": "42", "pipelineId": "x", "url": "https://x/y"}, file)
    assert platform.saved_state(file) == {
        "run_count": "42", "status": "", "origin": "", "done": "",
    }  # fmt: skip
    assert not platform.keeps_state
    platform.write_outputs({"runCount": "42", "url": "https://x/y", "status": "failed"}, file)
    assert platform.saved_state(file)["done"] == "true"
    for status in ("cancelled", "timeout"):
        # The run may be in progress: stopping it may have failed.
        platform.write_outputs({"runCount": "42", "status": status, "origin": "watched"}, file)
        assert platform.saved_state(file) == {
            "run_count": "42", "status": status, "origin": "watched", "done": "",
        }  # fmt: skip


def test_an_invalid_output_file_leaves_no_state(tmp_path):
    """A file that can't be read as dotenv is ignored."""
    platform, _ = plain()
    (tmp_path / "bad").write_bytes(b"OPSERA_RUN_COUNT=\xff")
    assert platform.saved_state(str(tmp_path / "bad")) == {}
    assert platform.saved_state(str(tmp_path)) == {}
    assert set(platform.saved_state("").values()) == {""}


@pytest.mark.parametrize(
    ("value", "debug"), [("1", True), ("TRUE", True), ("", False), ("0", False)]
)
def test_debug_output_can_be_requested(value, debug):
    """OPSERA_DEBUG shows the traceback of an internal error."""
    assert plain({"OPSERA_DEBUG": value})[0].debug is debug


@pytest.mark.parametrize("missing", ["poll", "fileno", "file"])
def test_a_system_without_poll(monkeypatch, missing):
    """On Windows, or if the log is not a file, there is no way to see whether it is read."""
    if missing == "poll":
        monkeypatch.delattr("select.poll")
        with Path(os.devnull).open("w") as out:
            assert not Platform({}, out, FakeClock()).is_unread
    else:
        out = io.StringIO()
        if missing == "file":
            out.close()
        assert not Platform({}, out, FakeClock()).is_unread
