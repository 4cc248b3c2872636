"""GitLab CI, judged by a port of GitLab's log reader and of its dotenv parser."""

from __future__ import annotations

import io
import json
import re
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsera_step.clock import FakeClock
from opsera_step.outcome import Outcome
from opsera_step.platforms.gitlab import DOTENV_LIMIT, LOG_LIMIT, GitLab, encode_value
from opsera_step.runs import StepResult
from opsera_step.text import clean_inline
from tests.oracles import gitlab_dotenv, gitlab_log, hostile, terminal

NASTY = [
    "Deploy shop", "100%$HOME ${X} %PATH% $$", "a\nOPSERA_STATUS=success", "a\tb", "a\xa0b\u3000c",
    "'quoted' x", '"quoted" x', "x\x00\x01\x1b[31m\x7f\x85y", "Größe 🎉 日本", "# comment", "=", "",
    "a\rb\u2028c", " padded ",
]  # fmt: skip


def gitlab(environ: dict[str, str] | None = None) -> tuple[GitLab, io.StringIO]:
    out = io.StringIO()
    return GitLab(environ or {}, out, FakeClock()), out


def test_links_are_shown_on_the_jobs_page(tmp_path):
    """The annotations report links the pipeline and the report among the artifacts."""
    environ = {"CI_JOB_URL": "https://gitlab.test/p/-/jobs/7", "CI_PROJECT_DIR": str(tmp_path)}
    directory = tmp_path / "a report"
    links = {"Opsera run 42": "https://app.opsera.io/x", "Nowhere": ""}
    assert gitlab(environ)[0].write_links(str(directory), links) == ""
    assert json.loads((directory / "annotations.json").read_text("utf-8")) == {
        "Opsera": [
            {"external_link": {"label": "Opsera run 42", "url": "https://app.opsera.io/x"}},
            {
                "external_link": {
                    "label": "Report",
                    "url": "https://gitlab.test/p/-/jobs/7/artifacts/file/a%20report/report.html",
                }
            },
        ]
    }


def test_a_project_behind_a_link_has_its_report_linked(tmp_path):
    """CI_PROJECT_DIR may go through a symbolic link."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    environ = {"CI_JOB_URL": "https://gitlab.test/j/7", "CI_PROJECT_DIR": str(tmp_path / "link")}
    assert gitlab(environ)[0].write_links(str(tmp_path / "real" / "report"), {}) == ""
    (link,) = json.loads((tmp_path / "real" / "report" / "annotations.json").read_text())["Opsera"]
    assert link["external_link"]["url"] == (
        "https://gitlab.test/j/7/artifacts/file/report/report.html"
    )


@pytest.mark.parametrize("project", ["/somewhere/else", ""])
def test_a_report_outside_of_the_project_has_no_link(tmp_path, project):
    """A directory outside of the project can't become an artifact."""
    environ = {"CI_JOB_URL": "https://gitlab.test/p/-/jobs/7", "CI_PROJECT_DIR": project}
    gitlab(environ)[0].write_links(str(tmp_path), {"Opsera": "https://app.opsera.io/x"})
    (link,) = json.loads((tmp_path / "annotations.json").read_text("utf-8"))["Opsera"]
    assert link["external_link"]["label"] == "Opsera"


def test_links_that_cannot_be_written_are_reported(tmp_path):
    """The message names the file."""
    (tmp_path / "file").write_text("")
    failure = gitlab()[0].write_links(str(tmp_path / "file"), {"Opsera": "https://x"})
    assert f"{tmp_path}/file/annotations.json" in failure


def report(tmp_path, outputs: dict[str, str]) -> gitlab_dotenv.Dotenv:
    file = tmp_path / "opsera.env"
    failure = gitlab()[0].write_outputs(outputs, str(file))
    checked = gitlab_dotenv.check(file.read_bytes())
    # What is left out is reported, and nothing else is.
    assert ("left out" in failure) == (
        "result" in outputs and "OPSERA_RESULT" not in checked.variables
    )
    return checked


def big(text: str, steps: int = 0) -> Outcome:
    """Make an outcome whose every text is as long as a job lets it become."""
    return Outcome(
        "failed", 1, clean_inline(text, 1000), "hint", "65a4f00dc0ffee0123456789",
        clean_inline(text, 200), 42, "https://app.opsera.io/workflow/details/65a4/summary",
        started_at=0.0, finished_at=1.0, failed_step=clean_inline(text, 200), log_lines=7,
        log_complete=True,
        steps=tuple(StepResult(clean_inline(text, 200), "jenkins") for _ in range(steps)),
    )  # fmt: skip


def test_values_within_the_rules_of_dotenv(tmp_path):
    """Any text becomes a value that GitLab accepts and expands nothing in."""
    for value in NASTY:
        found = report(tmp_path, {"message": value, "status": "failed"})
        assert found.ok, found.violations
        assert list(found.variables) == ["OPSERA_MESSAGE", "OPSERA_STATUS"]
        sent = " ".join(value.splitlines()).strip()
        assert unquote(found.variables["OPSERA_MESSAGE"]) == re.sub("[\xa0\u3000]", " ", sent)


@given(st.text())
def test_no_text_breaks_the_rules(value):
    """No text at all makes a line that GitLab refuses, or that its rules forbid."""
    data = f"OPSERA_MESSAGE={encode_value('message', value)}\nOPSERA_STATUS=x\n"
    assert gitlab_dotenv.check(data.encode("utf-8", "replace")).violations == []


def test_the_result_stays_json(tmp_path):
    """After the encoding the result is still the same JSON."""
    for value in NASTY:
        outcome = big(value or "-")
        found = report(tmp_path, outcome.outputs())
        assert found.ok, found.violations
        assert json.loads(found.variables["OPSERA_RESULT"]) == outcome.to_json()


@pytest.mark.parametrize("text", ["a b " * 600, "🎉" * 2000, "$%" * 900])
@pytest.mark.parametrize("steps", [0, 60])
def test_the_report_is_never_too_big(tmp_path, text, steps):
    """With huge texts the report stays below 5 KB and keeps what later jobs need most."""
    outcome = big(text, steps)
    found = report(tmp_path, outcome.outputs())
    assert found.ok, found.violations
    assert found.variables["OPSERA_STATUS"] == "failed"
    assert found.variables["OPSERA_RUN_COUNT"] == "42"
    assert found.variables["OPSERA_URL"] == outcome.url
    assert found.variables["OPSERA_LOG_COMPLETE"] == "true"
    assert (tmp_path / "opsera.env").stat().st_size < DOTENV_LIMIT


def test_nothing_is_shortened_without_need(tmp_path):
    """A report that fits contains everything as it is."""
    outcome = big("x" * 300)
    found = report(tmp_path, outcome.outputs())
    assert found.variables["OPSERA_MESSAGE"] == "x" * 300
    assert len(found.variables) == 13


@pytest.mark.parametrize("engine", [1, 2])
def test_sections_balance(engine):
    """Each section has a name of its own, its title, and its end."""
    platform, out = gitlab()
    platform.close_group()
    platform.open_group("Build · jenkins")
    platform.lines(["a", "b"])
    platform.open_group("Build · jenkins (continued)")
    platform.lines(["c"])
    platform.close_group()
    platform.close_group()
    platform.print_message("after")
    log = gitlab_log.parse(out.getvalue().encode(), engine=engine)
    assert log.balanced
    assert [one.header for one in log.sections] == [
        "Build · jenkins",
        "Build · jenkins (continued)",
    ]
    assert {line.text: line.section for line in log.lines} == {
        "Build · jenkins": "opsera-step-1", "a": "opsera-step-1", "b": "opsera-step-1",
        "Build · jenkins (continued)": "opsera-step-2", "c": "opsera-step-2",
        "[opsera] after": None,
    }  # fmt: skip


def test_the_time_of_a_section_is_the_clocks():
    """GitLab shows how long a section took: from the clock's time."""
    out, clock = io.StringIO(), FakeClock(1000.0)
    platform = GitLab({}, out, clock)
    platform.open_group("Build")
    clock.sleep(61)
    platform.close_group()
    (section,) = gitlab_log.parse(out.getvalue().encode()).sections
    assert (section.start, section.end) == (1000, 1061)


def test_levels_have_colors_that_end():
    """Warnings and errors are colored, and the color ends with their line."""
    platform, out = gitlab()
    platform.print_message("plain")
    platform.print_message("careful", "warning")
    platform.annotate("error", "Token", "no")
    log = gitlab_log.parse(out.getvalue().encode())
    assert [line.text for line in log.lines] == [
        "[opsera] plain", "[opsera] WARNING: careful", "[opsera] ERROR: Token: no",
    ]  # fmt: skip
    assert not log.leaks
    assert terminal.effects(out.getvalue()) == []
    assert out.getvalue().count("\x1b[0m") == 2


def test_the_size_in_the_log_is_what_the_runner_stores():
    """Time stamps, and those of the parts of long lines, count toward the runner's limit."""
    platform, out = gitlab()
    platform.open_group("Build")
    platform.lines(["", "é" * 10, "x" * 8191, "y" * 40_000])
    platform.print_message("so")
    platform.close_group()
    stored = len(gitlab_log.stamp(out.getvalue().encode()))
    assert stored <= platform.log_used <= stored + 4 * 33
    assert GitLab.auto_log_limit == LOG_LIMIT
    assert gitlab_log.OUTPUT_LIMIT - LOG_LIMIT >= 512 * 1024


@pytest.mark.parametrize("engine", [1, 2])
def test_no_text_is_taken_for_a_time_stamp(engine):
    """A line that starts like a time stamp of the runner is shown in full; others get no space."""
    lines = [
        "2024-05-06T07:08:09.123456Z GET /health 200",
        "\x1b[32m2024-05-06T07:08:09.123456Z  INFO started\x1b[0m",
        "2024-05-06T07:08:09.123Z GET /health 200 with more text after it",
        "The Zoo of a line that is long enough for a time stamp",
    ]
    platform, out = gitlab()
    platform.lines(lines)
    log = gitlab_log.parse(gitlab_log.stamp(out.getvalue().encode()), engine=engine)
    assert [line.text.removeprefix(" ") for line in log.lines] == [
        lines[0], "2024-05-06T07:08:09.123456Z  INFO started", *lines[2:]
    ]  # fmt: skip
    assert not log.erased
    assert out.getvalue().splitlines()[2:] == lines[2:]


@pytest.mark.parametrize(
    ("environ", "left", "timeout"),
    [
        ({}, None, None),
        ({"CI_JOB_TIMEOUT": "3600"}, 3600, "3540s"),
        ({"CI_JOB_TIMEOUT": "1800", "CI_JOB_STARTED_AT": "1970-01-01T00:15:40Z"}, 1740, "1680s"),
        ({"CI_JOB_TIMEOUT": "7200"}, 7200, None),
        ({"CI_JOB_TIMEOUT": "30"}, 30, "1s"),
        ({"CI_JOB_TIMEOUT": "60", "CI_JOB_STARTED_AT": "yesterday"}, 60, "1s"),
        # A clock that is days ahead of GitLab's.
        ({"CI_JOB_TIMEOUT": "60", "CI_JOB_STARTED_AT": "1969-12-24T00:00:00Z"}, 60, "1s"),
        ({"CI_JOB_TIMEOUT": "0"}, None, None),
        ({"CI_JOB_TIMEOUT": "9" * 5000}, None, None),
    ],
)
def test_the_default_timeout_ends_before_the_job(environ, left, timeout):
    """The default timeout is at most the remaining time of the CI job less a minute."""
    platform = GitLab(environ, io.StringIO(), FakeClock(1000.0))
    assert platform.time_left == left
    assert platform.input_defaults.get("timeout") == timeout


def test_names_of_any_kind_in_the_report(tmp_path):
    """Hostile names, cleaned as a job cleans them, are within the rules of a dotenv report."""
    for sample in hostile.samples(1, 150):
        found = report(tmp_path, big(sample.text, steps=3).outputs())
        assert found.ok, (sample, found.violations)
