"""Where inputs come from, their precedence, and the messages about them."""

from __future__ import annotations

import io
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from opsera_step.clock import FakeClock
from opsera_step.config import (
    BY_NAME,
    Inputs,
    Parameter,
    Setting,
    known_aliases,
    load_inputs,
    read_settings,
    requested_command,
)
from opsera_step.errors import InvalidInput
from opsera_step.outcome import OUTPUTS
from opsera_step.platforms import detect

ID, OTHER_ID = "65a4f00dc0ffee0123456789", "65a4f00dc0ffee012345678a"
TOKEN = "s3cret-token-" + "x" * 20
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1cyJ9xx.c2lnbmF0dXJl"


@dataclass
class Platform:
    """What a platform adds to the inputs."""

    input_defaults: dict[str, str] = field(default_factory=dict)
    auto_log_limit: int | None = None
    debug: bool = False
    time_left: float | None = None
    in_ci: bool = False
    checkouts: list[str] = field(default_factory=lambda: [str(Path.cwd())])


@pytest.fixture(autouse=True)
def working_directory(tmp_path, monkeypatch):
    """A workspace that is the current directory, and a system's file beside it."""
    (tmp_path / "workspace").mkdir()
    monkeypatch.chdir(tmp_path / "workspace")
    return tmp_path


def read(environ=None, options=None, platform=None, *, basics=True, **kwargs):
    """Read the settings of a job; `basics` adds a token and a pipeline below everything else."""
    root = Path.cwd().parent
    usual = {"OPSERA_TOKEN": TOKEN, "OPSERA_PIPELINE": ID} if basics else {}
    place = {"HOME": str(root / "home")}
    given_ = {name: Setting(value, f"--{name}") for name, value in (options or {}).items()}
    return read_settings(
        {**place, **usual, **(environ or {})}, given_, platform or Platform(),
        on_terminal=kwargs.pop("on_terminal", False),
        system_file=root / "system.yml", **kwargs,
    )  # fmt: skip


def get(*args, **kwargs) -> Inputs:
    return read(*args, **kwargs).inputs()


def problems(*args, **kwargs) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        get(*args, **kwargs)
    assert TOKEN not in caught.value.message
    return list(caught.value.problems)


# --- Precedence -----------------------------------------------------------------------------------

LAYERS = ("option", "INPUT", "OPSERA", "alias", "file", "system", "platform")
TWO = {
    "command": ("watch", "stop"), "token": (TOKEN + "1", TOKEN + "2"), "token_file": ("f1", "f2"),
    "pipeline": ("first", "second"), "run_count": ("7", "8"), "branch": ("main", "next"),
    "parameters": ("A.b=1", "A.b=2"), "base_url": ("https://a.example", "https://b.example"),
    "portal_url": ("https://c.example", "https://d.example"), "wait": ("false", "true"),
    "timeout": ("7m", "8m"), "on_timeout": ("stop", "leave"), "on_cancel": ("leave", "stop"),
    "on_paused": ("wait", "fail"), "on_busy": ("fail", "attach"), "reset": ("auto", "always"),
    "logs": ("all", "none"), "log_limit": ("7", "8"), "timestamps": ("true", "false"),
    "poll_interval": ("7", "8"), "verbose": ("true", "false"), "output_file": ("a.env", "b.env"),
    "report_dir": ("a", "b"), "ca_bundle": ("f1", "f2"), "config": ("f1", "f2"),
}  # fmt: skip
"""Two values of each input that mean different things."""


def places(name: str) -> list[str]:
    """Return where an input can be set."""
    closed = {
        "token": {"option", "alias", "file", "system"},
        "config": {"alias", "file", "system"},
        "pipeline": {"alias"},
    }
    return [place for place in LAYERS if place not in closed.get(name, set())]


def test_every_input_has_two_values():
    assert set(TWO) == set(BY_NAME)


@pytest.mark.parametrize("name", BY_NAME)
def test_precedence(name, working_directory):
    """Option, INPUT_, OPSERA_, alias, file, system file, platform: the first one takes precedence.

    An empty value counts as unset.
    """
    for file in ("f1", "f2"):
        Path(file).write_text(f"token-{file}" if name == "token_file" else "")
    upper, lower = TWO[name]
    alone = read({"OPSERA_TOKEN": TOKEN, "OPSERA_PIPELINE": "x"}, {name: upper}, basics=False)
    order = places(name)
    for at, place in enumerate(order):
        where = {**dict.fromkeys(order[:at], ""), place: upper}
        where |= dict.fromkeys(order[at + 1 :], lower)
        settings = read_from(name, where, working_directory)
        assert (place, settings.value(name)) == (place, upper)
        inputs = settings.valid_inputs()
        if name == "token_file":
            assert inputs.token == "token-f1"
        else:
            assert getattr(inputs, name) == getattr(alone.valid_inputs(), name)


def read_from(name, where, working_directory):
    """Read the settings of a job where one input is set in several places."""
    environ = {} if name in ("token", "token_file") else {"OPSERA_TOKEN": TOKEN}
    if name != "pipeline":
        environ["OPSERA_PIPELINE"] = "named"
    for place in ("INPUT", "OPSERA"):
        if place in where:
            environ[f"{place}_{name.upper()}"] = where[place]
    # Outside the workspace, so that it may set everything.
    named = working_directory / "ci.yml"
    if "file" in where:
        alias = f", {name}: {where['alias']}" if "alias" in where else ""
        named.write_text(
            f"{name}: {where['file']}\npipelines: {{named: {{pipeline: real{alias}}}}}\n"
        )
        environ["OPSERA_CONFIG"] = str(named)
        (working_directory / "system.yml").write_text(f"{name}: {where['system']}\n")
    options = {name: where["option"]} if "option" in where else {}
    return read(environ, options, Platform({name: where["platform"]}), basics=False)


def test_inherited_outputs_are_no_inputs():
    """Outputs of an earlier job are not read, and bring no warning."""
    names = [re.sub("([A-Z])", r"_\1", name).upper() for name in OUTPUTS if name != "runCount"]
    inherited = {f"OPSERA_{name}": "x" for name in names}
    assert "OPSERA_FAILED_STEP" in inherited
    assert get(inherited) == get({})


def test_all_problems_are_reported_at_once(working_directory):
    """Those of the files and of all places come together, each with its source."""
    Path("ci.yml").write_text("timeout: soon\ncolor: red\n")
    environ = {"INPUT_WAIT": "perhaps", "OPSERA_CONFIG": "ci.yml"}
    found = problems(environ, {"logs": "some"}, Platform({"reset": "x"}))
    assert (
        "\n".join(found)
        == """\
Invalid value 'soon' for timeout (from ci.yml, line 1). Use a duration such as 90, 90s, 45m, or \
2h30m, or 0 for no limit.
Unknown input color (ci.yml, line 2).
Invalid value 'perhaps' for wait (from INPUT_WAIT). Use true or false.
Invalid value 'x' for reset (from the platform's default). Use never, auto, or always.
Invalid value 'some' for logs (from --logs). Use console, all, or none."""
    )


def test_nothing_at_all_is_two_problems():
    """Without anything, the two inputs that are needed are reported."""
    assert [one.split(".")[0] for one in problems(basics=False)] == [
        "No access token", "No pipeline",
    ]  # fmt: skip


def test_what_is_valid_survives_a_problem(working_directory):
    """The error has the output file, even if it is set in a trusted file."""
    (working_directory / "system.yml").write_text("output_file: out.env\n")
    with pytest.raises(InvalidInput) as caught:
        get({"OPSERA_TIMEOUT": "soon"})
    assert caught.value.output_file == "out.env"
    with pytest.raises(InvalidInput) as caught:
        get({"OPSERA_TIMEOT": "1h"}, basics=False)
    assert "Did you mean OPSERA_TIMEOUT?" in caught.value.warnings[0]
    valid = read({"OPSERA_TIMEOUT": "soon"}).valid_inputs()
    assert (valid.output_file, valid.timeout) == ("out.env", 3600.0)


def test_load_inputs_does_it_all_at_once():
    """Inputs or an error, in one call."""
    environ = {"OPSERA_TOKEN": TOKEN, "OPSERA_PIPELINE": ID, "INPUT_TIMEOUT": "5m"}
    assert load_inputs(environ, {}).timeout == 300.0
    with pytest.raises(InvalidInput):
        load_inputs({}, {})


def test_parameters_arrive():
    """They are split at load, as far as that needs no pipeline."""
    environ = {"OPSERA_PARAMETERS": "Build.VERSION=1.10", "OPSERA_BRANCH": "main"}
    inputs = get(environ)
    assert inputs.parameters == (Parameter(None, "Build.VERSION", "1.10"),)
    assert inputs.branch == "main"
    assert "1.10" not in repr(inputs) and TOKEN not in repr(inputs)


# --- Aliases --------------------------------------------------------------------------------------

ALIASES = f"""\
timeout: 1m
pipelines:
  shop: {ID}
  slow: {{pipeline: {OTHER_ID}, timeout: 9h}}
  loop: shop
  same: same
tools:
  ci: {{tool: {ID}, timeout: 5m}}
  two: Other
"""


@pytest.fixture
def aliases():
    Path("ci.yml").write_text(ALIASES)
    return {"OPSERA_CONFIG": "ci.yml"}


def test_an_alias_is_resolved(aliases):
    """An alias, from whatever place, becomes its pipeline with its own defaults."""
    slow = read({**aliases, "OPSERA_PIPELINE": "slow"})
    assert slow.alias == Setting("slow", "OPSERA_PIPELINE")
    assert (slow.inputs().pipeline, slow.inputs().timeout) == (OTHER_ID, 9 * 3600.0)
    shop = get({**aliases, "OPSERA_PIPELINE": "slow", "INPUT_PIPELINE": "shop"})
    assert (shop.pipeline, shop.timeout) == (ID, 60.0)
    assert get({**aliases, "OPSERA_PIPELINE": "slow"}, {"pipeline": "shop"}).pipeline == ID
    other = read({**aliases, "OPSERA_PIPELINE": "other"})
    assert (other.inputs().pipeline, other.alias) == ("other", None)


def test_an_alias_of_a_file_that_is_not_named_changes_nothing():
    """In a job, a name is never replaced by an alias of a file that the job does not name."""
    Path(".opsera.yml").write_text(f"pipelines: {{shop: {OTHER_ID}}}\n")
    inputs = get({"OPSERA_PIPELINE": "shop"})
    assert inputs.pipeline == "shop"
    assert "'.opsera.yml' is not read" in inputs.warnings[0]
    assert get({"OPSERA_PIPELINE": "shop"}, on_terminal=True).pipeline == OTHER_ID


def test_a_trusted_file_can_name_the_pipeline(working_directory):
    """A default pipeline may be an alias."""
    (working_directory / "system.yml").write_text(f"pipeline: shop\npipelines: {{shop: {ID}}}\n")
    assert get({"OPSERA_TOKEN": TOKEN}, basics=False).pipeline == ID


def test_the_named_file_takes_precedence(aliases, working_directory):
    """Of an alias in two files, the named one counts; of others each."""
    (working_directory / "system.yml").write_text(
        "timeout: 3m\nlogs: all\npipelines: {shop: X, more: Y}\n"
    )
    inputs = get({**aliases, "OPSERA_PIPELINE": "shop"})
    assert (inputs.pipeline, inputs.timeout, inputs.logs) == (ID, 60.0, "all")
    assert get({**aliases, "OPSERA_PIPELINE": "more"}).pipeline == "Y"


@pytest.mark.parametrize(
    ("named", "near"), [("loop", "shop"), ("shop", ""), ("same", ""), ("shpo", "shop"), (ID, "")]
)
def test_an_alias_that_may_be_meant_is_known(aliases, named, near):
    """It is one that is nearly named, or one that an alias names instead of a pipeline."""
    assert get({**aliases, "OPSERA_PIPELINE": named}).near_alias == near


def test_an_alias_of_a_tool(aliases):
    """The tool that a command names may be an alias, with defaults of its own."""
    options = {"command": "tool show"}
    found = get(aliases, options, tool="ci")
    assert (found.tool, found.timeout, found.pipeline) == (ID, 300.0, ID)
    assert get(aliases, options, tool="two").tool == "Other"
    assert get(aliases, options, tool="x").tool == "x"
    assert get(aliases, options, tool="tow").near_alias == "two"
    assert get(aliases).tool == ""


def test_aliases_for_completion(aliases):
    """A person is offered those of the default file, or of the named one."""
    Path(".opsera.yml").write_text("pipelines: {mine: x}\n")
    assert known_aliases({}, {}, Platform(), "pipelines") == ["mine"]
    assert known_aliases({}, {}, Platform(in_ci=True), "pipelines") == []
    assert known_aliases(aliases, {}, Platform(), "tools") == ["ci", "two"]
    typed = {"config": Setting("ci.yml", "--config")}
    assert known_aliases({}, typed, Platform(), "tools") == ["ci", "two"]


# --- Limits of the system's file ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "pipeline", "allowed"),
    [
        (f"[{ID}]", ID.upper(), True), (f"[{ID.upper()}]", ID, True), (f"[{ID}]", OTHER_ID, False),
        ("[Shop]", "Shop", True), ("[Shop]", "shop", False), ("[]", ID, False),
    ],
)  # fmt: skip
def test_allowed_pipelines(working_directory, limit, pipeline, allowed):
    """Nothing overrides the list, in whatever place a pipeline is named."""
    (working_directory / "system.yml").write_text(f"allowed_pipelines: {limit}\n")
    if allowed:
        assert get({"OPSERA_PIPELINE": pipeline}).pipeline in (ID, "Shop")
        return
    assert get({}, {"pipeline": pipeline, "command": "tool list"}).command == "tool list"
    (found,) = problems({}, {"pipeline": pipeline})
    assert found.startswith(f"Pipeline {pipeline!r} is not allowed on this machine.")
    assert "allowed_pipelines" in found


def test_a_name_is_compared_when_its_id_is_known(working_directory):
    """A name may be that of an allowed ID, so only the job can compare these."""
    (working_directory / "system.yml").write_text(f"allowed_pipelines: [{ID}]\n")
    inputs = get({"OPSERA_PIPELINE": "Shop"})
    assert inputs.allows_pipeline(ID, "Shop") and not inputs.allows_pipeline(OTHER_ID, "Shop")
    (working_directory / "system.yml").write_text("allowed_pipelines: [Shop]\n")
    inputs = get({"OPSERA_PIPELINE": OTHER_ID})
    assert inputs.allows_pipeline(OTHER_ID, "Shop") and not inputs.allows_pipeline(
        OTHER_ID, "Other"
    )
    (working_directory / "system.yml").unlink()
    assert get().allows_pipeline(OTHER_ID, "anything")


@pytest.mark.parametrize(
    ("limit", "base_url", "allowed"),
    [
        ("app.opsera.io", "https://APP.opsera.io:443/x", True),
        ("app.opsera.io", "https://app.opsera.io.", True),
        ("app.opsera.io", "https://app.opsera.io.evil.example", False),
        ("app.opsera.io", "http://127.0.0.1:8080", False),
        ("'*.opsera.io'", "https://acme.opsera.io", True),
        ("'*.opsera.io'", "https://opsera.io", False),
        ("'*.opsera.io'", "https://evilopsera.io", False),
        ("[]", "https://app.opsera.io", False),
    ],
)
def test_allowed_hosts(working_directory, limit, base_url, allowed):
    """The token is not sent to another host."""
    (working_directory / "system.yml").write_text(f"allowed_hosts: {limit}\n")
    if allowed:
        assert get({}, {"base_url": base_url})
    else:
        (found,) = problems({}, {"base_url": base_url})
        assert found.startswith("Host '") and "allowed_hosts" in found


def test_the_limits_hold_for_the_checkout_too(working_directory):
    """A file in the checkout can't bring its own."""
    (working_directory / "system.yml").write_text("allowed_hosts: app.opsera.io\n")
    Path("ci.yml").write_text("allowed_hosts: evil.example\n")
    (found,) = problems({"OPSERA_CONFIG": "ci.yml"})
    assert found.startswith("allowed_hosts is only read from /etc/opsera-step.yml")


# --- The token ------------------------------------------------------------------------------------


class TestToken:
    """Where the token comes from."""

    @pytest.mark.parametrize(
        "content", [f"\ufeff{TOKEN}\r\n", f"  {TOKEN}\t\n\n", f"\n{TOKEN}"], ids=repr
    )
    def test_what_editors_add_does_not_count(self, content):
        """A byte-order mark, spaces, and line ends around the token are dropped."""
        Path("token").write_text(content, "utf-8")
        inputs = get({"OPSERA_PIPELINE": ID, "OPSERA_TOKEN_FILE": "token"}, basics=False)
        assert (inputs.token, inputs.token_source) == (TOKEN, "the file 'token'")

    def test_the_source_is_known(self):
        """A 401 can name it."""
        assert get().token_source == "OPSERA_TOKEN"
        assert get({"INPUT_TOKEN": TOKEN}).token_source == "INPUT_TOKEN"

    @pytest.mark.parametrize(
        ("make", "said"),
        [
            (lambda path: path.write_bytes(b"\xef\xbb\xbf \n"), "is empty."),
            (lambda path: path.write_bytes(bytes(range(256))), "it is not UTF-8 text."),
            (lambda path: path.symlink_to("/dev/zero"), "it is larger than 64 KiB."),
            (lambda path: None, "No such file or directory."),
        ],
        ids=["empty", "bytes", "device", "missing"],
    )
    def test_a_file_that_holds_none(self, make, said):
        """It is one problem, which names the file and why, and nothing of what is in it."""
        make(Path("token"))
        (found,) = problems({"OPSERA_PIPELINE": ID, "OPSERA_TOKEN_FILE": "token"}, basics=False)
        assert "token_file 'token' (from OPSERA_TOKEN_FILE)" in found and said in found

    @pytest.mark.parametrize("content", [f"{TOKEN}\n{TOKEN}", f"Bearer {TOKEN}", "short"])
    def test_a_file_that_holds_more(self, content):
        """What is no token is refused without being shown."""
        Path("token").write_text(content, "utf-8")
        (found,) = problems({"OPSERA_PIPELINE": ID, "OPSERA_TOKEN_FILE": "token"}, basics=False)
        assert found.startswith("Invalid value for token (from the file 'token').")

    def test_a_token_in_the_place_of_its_file_is_not_shown(self):
        """A token in place of its file is reported without printing it."""
        (found,) = problems({"OPSERA_PIPELINE": ID, "OPSERA_TOKEN_FILE": JWT}, basics=False)
        assert found == (
            "Can't read token_file (looks like an access token) (from OPSERA_TOKEN_FILE): "
            "No such file or directory. "
            "It looks like an access token, which belongs in the input token."
        )

    def test_a_file_whose_name_looks_like_a_token(self):
        """A file that is there is read, whatever it is called."""
        name = "deployment-prod.opsera-access.token-current-2026"
        Path(name).write_text(TOKEN)
        environ = {"OPSERA_PIPELINE": ID, "OPSERA_TOKEN_FILE": name}
        assert get(environ, basics=False).token == TOKEN

    @pytest.mark.parametrize(
        ("environ", "options", "token"),
        [({"OPSERA_TOKEN": TOKEN, "OPSERA_TOKEN_FILE": "token"}, {}, TOKEN),
         ({"INPUT_TOKEN": TOKEN, "OPSERA_TOKEN_FILE": "token"}, {}, TOKEN),
         ({"OPSERA_TOKEN": TOKEN, "INPUT_TOKEN_FILE": "token"}, {}, "held-by-file"),
         ({"OPSERA_TOKEN": TOKEN, "INPUT_TOKEN": TOKEN}, {"token_file": "token"}, "held-by-file")],
    )  # fmt: skip
    def test_the_nearer_of_token_and_file_counts(self, environ, options, token):
        """The token takes precedence over its file in one source, but a closer source over both."""
        Path("token").write_text("held-by-file")
        assert get({"OPSERA_PIPELINE": ID, **environ}, options, basics=False).token == token


@pytest.mark.parametrize(
    ("make", "said"),
    [(lambda path: None, "No such file or directory"), (Path.mkdir, "not a regular file"),
     (os.mkfifo, "not a regular file")],
    ids=["missing", "directory", "pipe"],
)  # fmt: skip
def test_a_ca_bundle_is_a_file(make, said):
    """OpenSSL would wait for a pipe beyond every timeout."""
    make(Path("ca.pem"))
    (found,) = problems({"OPSERA_CA_BUNDLE": "ca.pem"})
    assert found.startswith("Can't read ca_bundle 'ca.pem' (from OPSERA_CA_BUNDLE): ")
    assert said in found


# --- Home directories -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["token_file", "output_file", "report_dir", "ca_bundle", "config"])
def test_the_home_directory_is_expanded(name, working_directory):
    """`~/` in a variable, an option, or a trusted file is the home directory."""
    home = working_directory / "home"
    home.mkdir()
    (home / "x").write_text(TOKEN if name == "token_file" else "")
    expected = str(home / "x")
    assert read({f"OPSERA_{name.upper()}": "~/x"}).value(name) == expected
    assert read({}, {name: "~/x"}).value(name) == expected
    if name != "config":
        (working_directory / "system.yml").write_text(f"{name}: ~/x\n")
        assert read().value(name) == expected
        (working_directory / "system.yml").unlink()
    (found,) = problems({f"OPSERA_{name.upper()}": "~/x", "HOME": ""})
    assert "HOME" in found


# --- Warnings -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variable", "near"),
    [
        ("OPSERA_PIPELNE", "OPSERA_PIPELINE"), ("INPUT_ON-PAUSED", "INPUT_ON_PAUSED"),
        ("OPSERA_BASEURL", "OPSERA_BASE_URL"), ("OPSERA_timeout", "OPSERA_TIMEOUT"),
        ("OPSERA_TIME_OUT", "OPSERA_TIMEOUT"), ("INPUT_ONBUSY", "INPUT_ON_BUSY"),
    ],
)  # fmt: skip
def test_a_misspelt_variable_brings_a_warning(variable, near):
    """It is not read, and the value may be a secret."""
    assert get({variable: "hunter2"}).warnings == (
        f"Unknown variable {variable} (ignored). Did you mean {near}?",
    )


def test_a_token_under_another_name():
    """Names that other programs use, while there is no token."""
    settings = read({"OPSERA_PIPELINE": ID, "OPSERA_API_TOKEN": TOKEN}, basics=False)
    assert settings.warnings == (
        "Unknown variable OPSERA_API_TOKEN (ignored). Did you mean OPSERA_TOKEN?",
    )
    assert get({"OPSERA_API_TOKEN": TOKEN}).warnings == ()


def test_other_variables_bring_none():
    """Outputs, and what is of no likeness to an input."""
    others = ("OPSERA_STEP_VENV", "OPSERA_URL", "OPSERA_DEBUG", "OPSERA_STATUS", "OPSERA_X",
              "PIPELINE", "OPSERA_TENANT", "INPUT_NODE-VERSION", "OPSERA_" + "X" * 60)  # fmt: skip
    assert get(dict.fromkeys(others, "x")).warnings == ()


@pytest.mark.parametrize(
    ("name", "said"),
    [("Deploy\u00a0shop", "contains a no-break space (U+00A0)."),
     ("Deploy\u200bshop", "contains an invisible character (U+200B)."),
     ('"Deploy shop"', "has quotation marks around it; docker --env-file"),
     ("Deploy 👩\u200d💻", None), ("Größe 2", None)],
)  # fmt: skip
def test_an_odd_name_brings_a_warning(name, said):
    """It looks like another name, but is a different one."""
    warnings = get({"OPSERA_PIPELINE": name}).warnings
    assert len(warnings) == bool(said)
    expected = f"The name of the pipeline (from OPSERA_PIPELINE) {said}"
    assert not said or warnings[0].startswith(expected)


INHERITED = {
    "OPSERA_RUN_COUNT": "3", "OPSERA_PIPELINE_ID": OTHER_ID, "OPSERA_STATUS": "success",
    "OPSERA_PIPELINE_NAME": "Deploy%20shop",
}  # fmt: skip


class TestInheritedRunCount:
    """OPSERA_RUN_COUNT is a name of an input and of an output."""

    @pytest.mark.parametrize(
        ("command", "pipeline"),
        [("watch", ID), ("status", "Other"), ("logs --follow", "deploy shop"), ("stop", ID)],
    )
    def test_of_another_pipeline(self, command, pipeline):
        """It is ignored with a warning."""
        inputs = get(INHERITED, {"command": command, "pipeline": pipeline})
        assert inputs.run_count is None
        assert inputs.warnings[0].startswith("Ignored OPSERA_RUN_COUNT (3):")

    @pytest.mark.parametrize(("pipeline", "count"), [(ID, None), (OTHER_ID, 3)])
    def test_of_a_killed_job(self, pipeline, count):
        """Such a job has left the number and the URL only."""
        url = f"https://portal.opsera.io/workflow/details/{OTHER_ID}/summary"
        inherited = {"OPSERA_RUN_COUNT": "3", "OPSERA_URL": url}
        assert get(inherited, {"command": "watch", "pipeline": pipeline}).run_count == count

    @pytest.mark.parametrize("pipeline", [OTHER_ID.upper(), "Deploy shop", "Deploy%20shop"])
    def test_of_the_same_pipeline(self, pipeline):
        """It is the run that the earlier job started."""
        inputs = get(INHERITED, {"command": "watch", "pipeline": pipeline})
        assert (inputs.run_count, inputs.warnings) == (3, ())

    def test_by_an_alias(self):
        """What the alias stands for is compared."""
        Path("ci.yml").write_text(f"pipelines: {{a: {OTHER_ID}, b: {ID}}}\n")
        for alias, count in (("a", 3), ("b", None)):
            options = {"command": "watch", "pipeline": alias, "config": "ci.yml"}
            assert get(INHERITED, options).run_count == count

    def test_when_the_name_is_unknown(self):
        """In doubt it is not used."""
        inherited = {name: one for name, one in INHERITED.items() if "NAME" not in name}
        assert get(inherited, {"command": "watch", "pipeline": "Shop"}).run_count is None

    def test_what_was_not_inherited(self):
        """An option or an INPUT_ variable is meant, and so is a variable on its own."""
        assert get(INHERITED, {"command": "watch", "run_count": "5"}).run_count == 5
        assert get({**INHERITED, "INPUT_RUN_COUNT": "5"}, {"command": "watch"}).run_count == 5
        assert get({"OPSERA_RUN_COUNT": "5"}, {"command": "watch"}).run_count == 5

    @pytest.mark.parametrize("command", ["run", "cleanup", "tool list"])
    def test_commands_without_a_run(self, command):
        """There is nothing to warn about."""
        assert get(INHERITED, {"command": command}).warnings == ()


class TestTimeLimit:
    """GitLab ends a job at its own time limit."""

    @pytest.mark.parametrize(
        ("limit", "timeout"),
        [("", 3600), ("3660", 3600), ("3600", 3540), ("10", 1), ("0", 3600)],
    )  # fmt: skip
    def test_the_default_ends_before(self, limit, timeout):
        """An hour, or a minute less than what is left; never no limit, and without a warning."""
        environ = {"GITLAB_CI": "true", "CI_JOB_TIMEOUT": limit}
        inputs = get(environ, platform=detect(environ, io.StringIO(), FakeClock()))
        assert (inputs.timeout, inputs.warnings) == (timeout, ())
        assert inputs.output_file == "opsera.env"

    @pytest.mark.parametrize(("timeout", "warns"), [("10m", False), ("54m", True), ("0", True)])
    def test_a_longer_timeout_brings_a_warning(self, timeout, warns):
        """What was set explicitly is kept."""
        inputs = get({"OPSERA_TIMEOUT": timeout}, platform=Platform(time_left=700.0))
        assert inputs.timeout == get({"OPSERA_TIMEOUT": timeout}).timeout
        assert bool(inputs.warnings) is warns
        if warns:
            start = f"The timeout {timeout!r} (from OPSERA_TIMEOUT) exceeds the time left"
            assert inputs.warnings[0].startswith(start)

    def test_only_commands_that_last_are_warned(self):
        """Others end soon."""
        environ = {"OPSERA_TIMEOUT": "2h", "OPSERA_COMMAND": "status"}
        assert get(environ, platform=Platform(time_left=700.0)).warnings == ()


# --- The command ----------------------------------------------------------------------------------


class TestCommand:
    """Which command a job runs, before anything else is read."""

    def words(self, environ):
        system_file = Path.cwd().parent / "system.yml"
        return requested_command(environ, Platform(), system_file=system_file)

    def test_of_the_environment(self):
        """INPUT_ takes precedence over OPSERA_; an invalid command is empty."""
        assert self.words({}) == []
        assert self.words({"OPSERA_COMMAND": "tool list"}) == ["tool", "list"]
        both = {"INPUT_COMMAND": "stop", "OPSERA_COMMAND": "tool list"}
        assert self.words(both) == ["stop"]
        assert self.words({"INPUT_COMMAND": "frob"}) == []

    def test_never_of_the_checkout(self):
        """Nothing in the checkout decides which command is carried out."""
        Path("ci.yml").write_text("command: tool update x --set a=b --yes\n")
        Path(".opsera.yml").write_text("command: tool update x --set a=b --yes\n")
        assert self.words({"OPSERA_CONFIG": "ci.yml"}) == []
        assert self.words({}) == []

    def test_no_token_file_is_read(self):
        """A token's file may be a pipe, which can be read but once."""
        os.mkfifo("token")
        assert self.words({"OPSERA_TOKEN_FILE": "token"}) == []


# --- Anything -------------------------------------------------------------------------------------

NAMES = st.sampled_from(sorted(BY_NAME))
TEXTS = st.text(max_size=20) | st.sampled_from(
    ["shop", "1h", ".", "/", "a\0b", "\ud800", JWT, TOKEN, "~/x", "$X", ID]
)


@examples(
    derandomize=True, deadline=None, max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(
    st.dictionaries(NAMES, TEXTS, max_size=4),
    st.dictionaries(NAMES, TEXTS, max_size=3),
    st.text(max_size=40) | st.dictionaries(NAMES, TEXTS, max_size=3).map(str),
)
def test_arbitrary_text_raises_nothing_but_invalid_input(environ, options, file):
    """Whatever is in all the places, the inputs are typed or reported."""
    Path("ci.yml").write_text(file, "utf-8", "replace")
    variables = {f"OPSERA_{name.upper()}": value for name, value in environ.items()}
    settings = read({"OPSERA_CONFIG": "ci.yml", **variables}, options)
    assert isinstance(settings.valid_inputs(), Inputs)
    shown = "\n".join([*settings.invalid().values(), *settings.warnings])
    assert JWT not in shown and (settings.value("token") != TOKEN or TOKEN not in shown)
