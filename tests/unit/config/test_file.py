"""Config files: their content, which are read, which are trusted, and their errors."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsera_step.clock import FakeClock
from opsera_step.config import BY_NAME, SYSTEM_FILE, TABLE, ConfigFile, Setting
from opsera_step.config.file import (
    ALLOWED,
    MAX_CONFIG,
    NEVER,
    TOOL_INPUTS,
    Workspace,
    parse_config,
    read_config_files,
)
from opsera_step.platforms import detect

ID = "65a4f00dc0ffee0123456789"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1cyJ9xx.c2lnbmF0dXJl"
VALUES = {
    "run_count": "7", "parameters": "'{A: {b: c}}'", "branch": "main", "pipeline": "Other",
    "portal_url": "https://x.example", "command": "watch",
}  # fmt: skip
"""A value of each input without a default that takes no other text."""


def valid(text: str, **kwargs: bool) -> ConfigFile:
    file = parse_config(text, ".opsera.yml", **kwargs)
    assert file.problems == ()
    return file


def problems(text: str, **kwargs: bool) -> list[str]:
    found = list(parse_config(text, ".opsera.yml", **kwargs).problems)
    assert found
    return found


def values(layer: dict[str, Setting]) -> dict[str, str]:
    return {name: one.value for name, one in layer.items()}


def value_of(name: str) -> str:
    return VALUES.get(name) or BY_NAME[name].default or "value"


# --- The content of a file ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["", "# nothing\n", "---\n", "null", "{}", "pipelines:\n", "timeout: ''",
     "x-anything: {timeout: soon}"],
)  # fmt: skip
def test_an_empty_file_is_fine(text):
    """A file without content is fine, and so are empty sections and keys that are not read."""
    assert valid(text) == ConfigFile(".opsera.yml")


def test_defaults_and_aliases():
    """An alias brings its pipeline and its own defaults."""
    file = valid(f"""
timeout: 30m
logs: all
pipelines:
  shop: {ID}
  release:
    pipeline: Release train
    timeout: 4h
tools:
  ci: Jenkins
  two: {{tool: 65a4f00dc0ffee012345678b, timeout: 5m}}
""")
    assert values(file.defaults) == {"timeout": "30m", "logs": "all"}
    assert {name: values(one) for name, one in file.pipelines.items()} == {
        "shop": {"pipeline": ID},
        "release": {"pipeline": "Release train", "timeout": "4h"},
    }
    assert {name: values(one) for name, one in file.tools.items()} == {
        "ci": {"tool": "Jenkins"},
        "two": {"tool": "65a4f00dc0ffee012345678b", "timeout": "5m"},
    }


def test_each_value_has_its_line():
    """The source of a value is its file and line, also where it is merged."""
    file = valid("x-a: &a\n  timeout: 1h\npipelines:\n  shop: {<<: *a, pipeline: x,\n logs: all}")
    sources = {name: one.source for name, one in file.pipelines["shop"].items()}
    assert sources == {
        "timeout": ".opsera.yml, line 2",
        "pipeline": ".opsera.yml, line 4",
        "logs": ".opsera.yml, line 5",
    }


@pytest.mark.parametrize("written", ["1e3", "010", "1.10", "on", "2026-01-01"])
def test_names_are_taken_as_written(written):
    """No octal number, date, or boolean is made of an ID or a name."""
    assert values(valid(f"pipelines: {{a: {written}}}").pipelines["a"]) == {"pipeline": written}
    merged = f"pipelines: {{a: {{pipeline: {written}}}}}"
    assert values(valid(merged).pipelines["a"]) == {"pipeline": written}


def test_all_problems_are_reported_at_once_and_the_rest_is_read():
    """One problem hides neither the others nor what is valid."""
    file = parse_config(
        """\
timeout: 2h
tiemout: 3h
token: abc
logs: [console]
config: other.yml
pipelines:
  empty:
  other: {timeout: 1h}
  odd:
    pipeline: [x]
    color: red
    timeout: soon
    on-paused: wait
  list: [x]
  ' ': x
  65a4f00dc0ffee0123456789: x
on_busy: perhaps
tools:
  scanner: {tool: Scanner, on_paused: wait, tol: x, timeout: 5s}
  nobody: {timeout: 1h}
defaults: {pipeline: shop}
""",
        ".opsera.yml",
    )
    assert values(file.defaults) == {"timeout": "2h"}
    assert values(file.tools["scanner"]) == {"timeout": "5s", "tool": "Scanner"}
    assert (
        "\n".join(file.problems)
        == f"""\
Unknown input tiemout (.opsera.yml, line 2). Did you mean timeout?
token: don't store secrets in files. Set OPSERA_TOKEN or the input token (.opsera.yml, line 3).
logs must be a string, a number, or a boolean (.opsera.yml, line 4). Use console, all, or none.
config can't be set in a config file (.opsera.yml, line 5).
pipelines.empty: missing `pipeline` (.opsera.yml, line 7).
pipelines.other: missing `pipeline` (.opsera.yml, line 8).
pipelines.odd.pipeline must be an ID (24 hex digits) or an exact name (.opsera.yml, line 10).
Unknown input pipelines.odd.color (.opsera.yml, line 11).
Invalid value 'soon' for pipelines.odd.timeout (from .opsera.yml, line 12). {DURATIONS}
Unknown input pipelines.odd.on-paused (.opsera.yml, line 13). Did you mean on_paused?
pipelines.list must be {NAMED}, or a mapping with `pipeline:` (.opsera.yml, line 14).
pipelines: alias ' ' is empty or has spaces around it (.opsera.yml, line 15).
pipelines: alias {ID} would hide the pipeline with that ID (.opsera.yml, line 16).
Invalid value 'perhaps' for on_busy (from .opsera.yml, line 17). Use queue, attach, or fail.
tools.scanner.on_paused is not valid for a tool (.opsera.yml, line 19).
Unknown input tools.scanner.tol (.opsera.yml, line 19). Did you mean tool?
tools.nobody: missing `tool` (.opsera.yml, line 20).
Unknown input defaults (.opsera.yml, line 21). Set inputs at the top level; {UNREAD}"""
    )


DURATIONS = "Use a duration such as 90, 90s, 45m, or 2h30m, or 0 for no limit."
NAMED = "an ID (24 hex digits) or an exact name"
UNREAD = "keys that begin with x- are ignored."


def test_a_problem_of_what_is_merged_is_reported_once():
    """It has one place, however many aliases take it from there."""
    text = (
        "x-a: &a {timeout: soon}\npipelines: {a: {<<: *a, pipeline: x}, b: {<<: *a, pipeline: x}}"
    )
    assert len(problems(text)) == 1
    # Two on one line are two.
    assert len(problems("pipelines: {a: {pipeline: x, logs: 1}, b: {pipeline: x, logs: 1}}")) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- a", "must be a mapping, such as `timeout: 2h`."),
        ("shop", "must be a mapping"),
        ("tools: x", "tools must map aliases to tools"),
        ("a: b: c", "The config file '.opsera.yml' is not valid: line 1, column 5: mapping values"),
        (f"timeout: {JWT}", "Invalid value for timeout"),
    ],
)
def test_files_of_another_shape(text, said):
    """Each is one problem, without anything that may be a secret."""
    (found,) = problems(text)
    assert said in found and JWT not in found


TEXTS = st.text(max_size=30) | st.sampled_from([JWT, "1h", "shop", "{a: b}", "[x]", "&a x", "*a"])
ENTRIES = st.dictionaries(st.sampled_from([*BY_NAME, "pipelines", "tools", "x"]), TEXTS, max_size=4)
FILES = ENTRIES.map(lambda found: "\n".join(f"{key}: {text}" for key, text in found.items()))


@given(st.text(max_size=60) | FILES, st.booleans())
def test_arbitrary_text_is_read_or_reported(text, is_trusted):
    """Nothing is raised, whatever a file holds, and no token is shown."""
    found = parse_config(text, "x.yml", is_trusted=is_trusted)
    assert JWT not in "".join(found.problems)


# --- What a file may set --------------------------------------------------------------------------

LISTED = (
    "timeout", "on_timeout", "on_cancel", "on_paused", "on_busy", "logs", "log_limit",
    "poll_interval",
)  # fmt: skip
"""What the documentation promises, written down once more: the code alone can't widen it."""


def test_the_list_of_the_checkout_is_fixed():
    """A file in the checkout may set these inputs and no others."""
    assert set(ALLOWED) == set(LISTED)
    assert set(NEVER) == {"token", "config"}


def test_a_file_in_the_checkout_sets_only_what_is_listed():
    """Anything else is an error with the place to set it instead; the same applies to aliases."""
    for one in TABLE:
        for prefix, text in (
            ("", f"{one.name}: {value_of(one.name)}"),
            (
                "pipelines.a.",
                f"pipelines: {{a: {{pipeline: x, {one.name}: {value_of(one.name)}}}}}",
            ),
            ("tools.a.", f"tools: {{a: {{tool: x, {one.name}: {value_of(one.name)}}}}}"),
        ):
            if prefix == "pipelines.a." and one.name == "pipeline":
                continue
            if one.name in LISTED and (prefix != "tools.a." or one.name in TOOL_INPUTS):
                assert parse_config(text, ".opsera.yml").problems == ()
                continue
            (problem,) = problems(text)
            assert problem.startswith(f"{prefix}{one.name}")
            if one.name not in (*NEVER, *LISTED):
                assert problem == (
                    f"{prefix}{one.name} can't be set in a file of the checkout, which is not "
                    f"trusted. Set it with the input {one.name}, OPSERA_{one.name.upper()}, or "
                    f"/etc/opsera-step.yml instead (.opsera.yml, line 1)."
                )


@pytest.mark.parametrize("zero", ["0", "0h0m"])
def test_a_file_in_the_checkout_can_not_lift_the_timeout(zero):
    """A timeout of 0 keeps a runner busy without end."""
    for name, text in (
        ("timeout", f"timeout: {zero}"),
        ("pipelines.a.timeout", f"pipelines: {{a: {{pipeline: x, timeout: {zero}}}}}"),
        ("tools.a.timeout", f"tools: {{a: {{tool: x, timeout: {zero}}}}}"),
    ):
        assert problems(text) == [
            f"{name} can't be 0 in a file of the checkout (.opsera.yml, line 1)."
        ]
        assert parse_config(text, "x", is_trusted=True).problems == ()


def test_a_trusted_file_sets_all_but_the_token():
    """A file outside the checkout may set every input, but token and config."""
    for one in TABLE:
        file = parse_config(f"{one.name}: {value_of(one.name)}", "x.yml", is_trusted=True)
        assert bool(file.problems) == (one.name in NEVER)
        assert (one.name in file.defaults) == (one.name not in NEVER)


def test_the_limits_are_those_of_the_system():
    """Only the system's file can hold them; IDs and hosts are compared in lower case."""
    text = f"allowed_pipelines: [{ID.upper()}, Deploy shop]\nallowed_hosts: App.Opsera.io"
    file = parse_config(text, "x", is_trusted=True, is_system=True)
    assert file.allowed_pipelines == (ID, "Deploy shop")
    assert file.allowed_hosts == ("app.opsera.io",)
    empty = parse_config("allowed_pipelines: []", "x", is_trusted=True, is_system=True)
    assert empty.allowed_pipelines == ()
    for trusted in (True, False):
        found = parse_config(text, "x", is_trusted=trusted)
        assert (
            len(found.problems) == 2 and "only read from /etc/opsera-step.yml" in found.problems[0]
        )
        assert not found.allowed_pipelines
    wrong = parse_config("allowed_hosts: {a: b}", "x", is_trusted=True, is_system=True)
    assert "must be a list of strings" in wrong.problems[0]


# --- Which files are read -------------------------------------------------------------------------


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A workspace that is the current directory, beside a home directory and a system's file."""
    for name in ("workspace", "home/.config", "elsewhere"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "workspace")
    return tmp_path


def read(place, named: str = "", *, on_terminal=False, **environ: str):
    """Return the paths of the files that are read, all problems, and the warnings."""
    environ = {"HOME": str(place / "home"), "GITHUB_WORKSPACE": str(place / "workspace")} | environ
    files, warnings = read_config_files(
        Setting(named, "OPSERA_CONFIG") if named else None,
        {name: value for name, value in environ.items() if value},
        on_terminal=on_terminal,
        checkouts=detect(environ, io.StringIO(), FakeClock()).checkouts,
        system_file=place / "system.yml",
    )
    return [one.path for one in files], [p for one in files for p in one.problems], warnings


DANGEROUS = "base_url: https://evil.example\n"


def test_nothing_is_read_in_a_job_that_names_nothing(place):
    """A file in the checkout is not read unless it is named, and a warning names it."""
    for name in (".opsera.yml", ".opsera.yaml", "opsera.yml"):
        Path(name).write_text(DANGEROUS)
    assert read(place) == (
        [], [],
        [f"The file {name!r} is not read. To use it, set the input config (OPSERA_CONFIG, "
         "--config) to its path." for name in (".opsera.yml", ".opsera.yaml", "opsera.yml")],
    )  # fmt: skip
    assert "command" not in str(read(place)) and "evil" not in str(read(place))


def test_warnings_reach_up_to_the_root(place, monkeypatch):
    """Files in parent directories are named too, but none above the repository or workspace."""
    for name in (".opsera.yml", "workspace/opsera.yml", "workspace/a/.opsera.yaml"):
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_text("")
    (place / "workspace/a/b").mkdir()
    monkeypatch.chdir(place / "workspace/a/b")
    shown = ["'../.opsera.yaml'", "'../../opsera.yml'"]
    assert [one.split()[2] for one in read(place)[2]] == shown
    assert read(place, GITHUB_WORKSPACE="")[2] == []
    (place / "workspace/.git").mkdir()
    assert [one.split()[2] for one in read(place, GITHUB_WORKSPACE="")[2]] == shown


def test_a_file_that_is_read_brings_no_warning(place):
    """The one that is named is read; another one is still mentioned."""
    Path(".opsera.yml").write_text("timeout: 1h\n")
    Path("opsera.yml").write_text("timeout: 1h\n")
    paths, found, warnings = read(place, ".opsera.yml")
    assert (paths, found) == ([".opsera.yml"], [])
    assert [one.split()[2] for one in warnings] == ["'opsera.yml'"]
    # The null device means that no file is read.
    assert read(place, os.devnull) == ([], [], [])


def test_a_person_gets_the_default_file(place):
    """On a terminal .opsera.yml of the current directory is read, without being trusted."""
    assert read(place, on_terminal=True) == ([], [], [])
    Path(".opsera.yml").write_text(DANGEROUS)
    paths, found, warnings = read(place, on_terminal=True)
    assert paths == [".opsera.yml"] and warnings == []
    assert "base_url can't be set in a file of the checkout" in found[0]


def test_personal_and_system_files(place):
    """Both are trusted; the personal one only on a terminal; the named one takes precedence."""
    (place / "home/.config/opsera-step.yml").write_text(DANGEROUS)
    (place / "system.yml").write_text(DANGEROUS)
    Path("ci.yml").write_text("timeout: 1h\n")
    system, personal = str(place / "system.yml"), str(place / "home/.config/opsera-step.yml")
    assert read(place) == ([system], [], [])
    assert read(place, "ci.yml", on_terminal=True) == (["ci.yml", personal, system], [], [])
    # In the home directory, if that is the current one, it is still trusted.
    os.chdir(place / "home")
    assert read(place, on_terminal=True, GITHUB_WORKSPACE="") == ([personal, system], [], [])
    assert read(place, system) == ([system], [], [])


def test_the_system_file_has_its_place():
    """Nothing in the environment moves it."""
    assert str(SYSTEM_FILE) == "/etc/opsera-step.yml"


VARIABLES = ["GITHUB_WORKSPACE", "CI_PROJECT_DIR", "WORKSPACE"]


def test_a_directory_that_is_gone(place):
    """Nothing is trusted there, and nothing raised."""
    Path("gone").mkdir()
    (place / "elsewhere/ci.yml").write_text(DANGEROUS)
    os.chdir("gone")
    (place / "workspace/gone").rmdir()
    assert read(place, GITHUB_WORKSPACE="") == ([], [], [])
    assert len(read(place, str(place / "elsewhere/ci.yml"), GITHUB_WORKSPACE="")[1]) == 1


@pytest.mark.parametrize("variable", VARIABLES)
def test_a_named_file_is_trusted_outside_the_workspace_only(place, variable):
    """Inside, its keys are limited, however it is named; outside, they are not."""
    inside, outside = place / "workspace/ci.yml", place / "elsewhere/ci.yml"
    for path in (inside, outside):
        path.write_text(DANGEROUS)
    known = {"GITHUB_WORKSPACE": "", variable: str(place / "workspace")}
    for named in (
        "ci.yml",
        "./ci.yml",
        str(inside),
        "../workspace/ci.yml",
        "../elsewhere/../workspace/ci.yml",
    ):
        assert len(read(place, named, **known)[1]) == 1, named
    for named in (str(outside), "../elsewhere/ci.yml"):
        assert read(place, named, **known)[1] == [], named


def test_a_repository_is_a_workspace(place, monkeypatch):
    """Without a variable the repository's root counts, also from a directory below."""
    (place / "workspace/.git").write_text("gitdir: x")
    (place / "workspace/sub").mkdir()
    monkeypatch.chdir(place / "workspace/sub")
    (place / "workspace/ci.yml").write_text(DANGEROUS)
    (place / "elsewhere/ci.yml").write_text(DANGEROUS)
    assert len(read(place, "../ci.yml", GITHUB_WORKSPACE="")[1]) == 1
    assert read(place, "../../elsewhere/ci.yml", GITHUB_WORKSPACE="")[1] == []


def test_when_in_doubt_nothing_is_trusted(place):
    """If neither a variable nor a repository defines the workspace, no file is trusted."""
    (place / "elsewhere/ci.yml").write_text(DANGEROUS)
    for gone in ("", str(place / "not there")):
        assert len(read(place, str(place / "elsewhere/ci.yml"), GITHUB_WORKSPACE=gone)[1]) == 1


def test_every_workspace_counts(place):
    """The current directory's repository is a checkout even if a variable names another one."""
    (place / "elsewhere/.git").mkdir()
    (place / "elsewhere/ci.yml").write_text(DANGEROUS)
    os.chdir(place / "elsewhere")
    assert len(read(place, str(place / "elsewhere/ci.yml"))[1]) == 1
    (place / "workspace/ci.yml").write_text(DANGEROUS)
    assert len(read(place, str(place / "workspace/ci.yml"))[1]) == 1


def test_a_directory_above_the_workspace_is_none(place, monkeypatch):
    """A container may start a job in /."""
    (place / "elsewhere/ci.yml").write_text(DANGEROUS)
    (place / "workspace/ci.yml").write_text(DANGEROUS)
    monkeypatch.chdir("/")
    assert read(place, str(place / "elsewhere/ci.yml"))[1] == []
    assert len(read(place, str(place / "workspace/ci.yml"))[1]) == 1


def test_links_of_the_workspace_itself_are_resolved(place):
    """A workspace that is reached through a link is the same workspace."""
    (place / "workspace/ci.yml").write_text(DANGEROUS)
    (place / "link").symlink_to(place / "workspace")
    for workspace in ("link", "workspace"):
        for named in (place / "link/ci.yml", place / "workspace/ci.yml"):
            found = read(place, str(named), GITHUB_WORKSPACE=str(place / workspace))[1]
            assert len(found) == 1 and "base_url can't be set" in found[0]


def test_a_link_into_the_workspace_is_not_trusted(place):
    """A link outside that leads inside brings the content of the checkout."""
    (place / "workspace/ci.yml").write_text(DANGEROUS)
    (place / "elsewhere/ci.yml").symlink_to(place / "workspace/ci.yml")
    assert "base_url can't be set" in read(place, str(place / "elsewhere/ci.yml"))[1][0]


@pytest.mark.parametrize("named", ["ci.yml", "dir/secret.yml", "inner.yml"])
def test_a_link_in_the_workspace_is_refused(place, named):
    """It would show keys and values of another file in the log."""
    (place / "elsewhere/secret.yml").write_text("hunter2: hunter3\npassword: hunter4\n")
    Path("ci.yml").symlink_to(place / "elsewhere/secret.yml")
    Path("dir").symlink_to(place / "elsewhere")
    Path("credentials.yml").write_text("hunter2: hunter3\n")
    Path("inner.yml").symlink_to("credentials.yml")
    _, found, _ = read(place, named)
    assert "".join(found) == (
        f"The config file {named!r} (from OPSERA_CONFIG) is a symbolic link or below one. "
        "Name the file itself."
    )
    Path(".opsera.yml").symlink_to(place / "elsewhere/secret.yml")
    _, found, warnings = read(place, on_terminal=True)
    assert "symbolic link" in found[0] and "hunter" not in str(found) + str(warnings)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (None, "does not exist. The path is relative to the working directory."),
        (os.mkfifo, "it delivered nothing in 0.1 s"),
        (lambda path: path.write_bytes(b"x" * (MAX_CONFIG + 1)), "it is larger than 256 KiB"),
        (lambda path: path.write_text("a: b: c"), "is not valid: line 1"),
    ],
    ids=["missing", "pipe", "large", "not YAML"],
)  # fmt: skip
def test_files_that_can_not_be_read(place, make, said, monkeypatch):
    """Each is one problem that names the file, wherever it is, and nothing hangs."""
    monkeypatch.setattr("opsera_step.files._PIPE_SECONDS", 0.1)
    for path, named in ((Path("ci.yml"), "ci.yml"), (place / "system.yml", "")):
        if make:
            make(path)
        elif not named:
            continue
        _, found, _ = read(place, named)
        assert len(found) == 1 and said in found[0] and path.name in found[0]
        if make:
            path.rmdir() if path.is_dir() else path.unlink()


def test_a_missing_file_with_a_whole_path(place):
    """The message does not mention the working directory."""
    _, found, _ = read(place, str(place / "gone.yml"))
    assert found[0].endswith("does not exist.")


def test_what_is_no_file(place):
    """A device never ends; what is no path is reported with all other invalid inputs."""
    assert [len(read(place, named)[1]) for named in ("/dev/zero", "/proc/self/mem")] == [1, 1]
    for named in ("a\0b", "\ud800", "$HOME/ci.yml"):
        assert read(place, named) == ([], [], [])


def test_bytes_that_editors_add(place):
    """A byte-order mark and Windows line ends don't matter."""
    Path("ci.yml").write_bytes(b"\xef\xbb\xbftimeout: 5m\r\nlogs: all\r\n")
    assert read(place, "ci.yml") == (["ci.yml"], [], [])


def test_a_mount_is_the_same_directory(place, monkeypatch):
    """Where the same directory has two paths, both are the workspace."""
    (place / "elsewhere/ci.yml").write_text("")
    workspace = Workspace([str(place / "workspace")])
    assert workspace.trusts(place / "elsewhere/ci.yml")
    real = Path.samefile

    def mounted(one: Path, other: Path) -> bool:
        same = {str(place / "elsewhere"), str(place / "workspace")}
        return real(one, other) or {str(one), str(other)} == same

    monkeypatch.setattr(Path, "samefile", mounted)
    assert not workspace.trusts(place / "elsewhere/ci.yml")
