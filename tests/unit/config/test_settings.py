"""Where inputs come from, which place goes before which, and files that can't be read."""

from __future__ import annotations

import os
from itertools import combinations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opsera_step.config import BY_NAME, Setting, collect, parse
from opsera_step.config.settings import asked_command
from opsera_step.errors import InvalidInput

ID, OTHER_ID = "65a4f00dc0ffee0123456789", "65a4f00dc0ffee012345678a"
TOKEN = "tok-s3cret-s3cret-s3cret"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0xxxx.c2lnbmF0dXJlLXNpZ25hdHVyZQ"
BASICS = {"OPSERA_TOKEN": TOKEN, "OPSERA_PIPELINE": ID}
TWO = {
    "command": ("watch", "stop"), "token": ("t1", "t2"), "token_file": ("f1", "f2"),
    "pipeline": ("p1", "p2"), "run_count": ("1", "2"), "base_url": ("https://a.opsera.io", "https://b.opsera.io"),
    "wait": ("false", "true"), "timeout": ("1s", "2s"), "on_timeout": ("leave", "stop"),
    "on_cancel": ("leave", "stop"), "on_paused": ("wait", "fail"), "on_busy": ("attach", "fail"),
    "reset": ("auto", "always"), "logs": ("all", "none"), "log_limit": ("1", "2"),
    "poll_interval": ("1", "2"), "output_file": ("o1", "o2"), "report_dir": ("r1", "r2"),
    "ca_bundle": ("c1", "c2"), "config": ("empty1.yml", "empty2.yml"),
}  # fmt: skip
"""Two good values of each input, neither of them its default."""
LAYERS = ("option", "INPUT", "OPSERA", "alias", "file", "platform")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A job's folder of its own."""
    monkeypatch.chdir(tmp_path)
    for name in ("empty1.yml", "empty2.yml"):
        (tmp_path / name).write_text("")
    return tmp_path


def get(environ=None, options=None, defaults=None, *, limit=None, basics=True):
    """Collect the inputs; options are told as `--name`."""
    given_ = {name: Setting(value, f"--{name}") for name, value in (options or {}).items()}
    environ = {**(BASICS if basics else {}), **(environ or {})}
    return collect(environ, given_, defaults or {}, limit)


def faults(*args, **kwargs) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        get(*args, **kwargs)
    assert TOKEN not in caught.value.message
    return list(caught.value.problems)


def typed(name: str, value: str):
    """What a value of an input is once it is typed."""
    basics = {"token": Setting("t", "x"), "pipeline": Setting("p", "x"), name: Setting(value, "x")}
    return getattr(parse(basics), name)


def places(name: str) -> list[str]:
    """Return where an input can stand: no token in the file, no alias for the alias's own name."""
    closed = {
        "token": {"option", "alias", "file"},
        "config": {"alias", "file"},
        "pipeline": {"alias"},
    }
    return [place for place in LAYERS if place not in closed.get(name, set())]


@pytest.mark.parametrize(
    ("name", "upper", "lower"),
    [(name, *pair) for name in BY_NAME for pair in combinations(places(name), 2)],
)
def test_the_upper_place_counts(name, upper, lower, folder):
    """Option, INPUT_, OPSERA_, alias, file, platform: for each input the upper one counts."""
    first, second = TWO[name]
    values = {upper: first, lower: second}
    environ = {} if name in ("token", "token_file") else {"OPSERA_TOKEN": "t"}
    if name == "token_file":
        for file in TWO[name]:
            (folder / file).write_text(f"held by {file}".replace(" ", "-"))
    if name != "pipeline":
        environ["OPSERA_PIPELINE"] = "named"
    for layer, prefix in (("INPUT", "INPUT_"), ("OPSERA", "OPSERA_")):
        if layer in values:
            environ[prefix + name.upper()] = values[layer]
    text = f"{name}: {values['file']}\n" if "file" in values else ""
    alias = f", {name}: {values['alias']}" if "alias" in values else ""
    if text or alias:
        text += f"pipelines: {{named: {{pipeline: real{alias}}}}}\n"
        (folder / ".opsera.yml").write_text(text)
    options = {name: values["option"]} if "option" in values else {}
    defaults = {name: values["platform"]} if "platform" in values else {}
    inputs = get(environ, options, defaults, basics=False)
    assert getattr(inputs, name) == typed(name, first)
    if name == "token_file":
        assert inputs.token == f"held-by-{first}"


@pytest.mark.parametrize("name", sorted(set(BY_NAME) - {"token", "pipeline"}))
def test_the_platform_goes_before_the_table(name, folder):
    """A platform's default replaces the table's."""
    (folder / "f1").write_text("t")
    assert getattr(get(defaults={name: TWO[name][0]}), name) == typed(name, TWO[name][0])


@pytest.mark.parametrize("name", sorted(set(BY_NAME) - {"token", "pipeline", "token_file"}))
def test_an_empty_place_hides_nothing(name):
    """What is empty in an upper place lets the lower one count."""
    variable = name.upper()
    environ = {f"INPUT_{variable}": " ", f"OPSERA_{variable}": TWO[name][0]}
    inputs = get(environ, {name: ""})
    assert getattr(inputs, name) == typed(name, TWO[name][0])


class TestConfig:
    """The config file."""

    def test_no_file_is_no_fault(self):
        """The default name is read if it is there."""
        assert get().timeout == 3600.0

    def test_a_file_that_was_asked_for_has_to_be_there(self):
        """A name that was given is a promise."""
        (fault,) = faults({"OPSERA_CONFIG": "gone.yml"})
        assert fault == (
            "config: there is no file 'gone.yml' (from OPSERA_CONFIG). Its path counts from the "
            "folder in which this runs; in a job, is the repository checked out?"
        )

    def test_no_file_can_be_asked_for(self, folder):
        """The empty device says that no file is to be read; one that never ends is refused."""
        (folder / ".opsera.yml").write_text("timeout: soon\n")
        assert get({"OPSERA_CONFIG": os.devnull, "OPSERA_PIPELINE": ID}).timeout == 3600.0
        assert faults({"OPSERA_CONFIG": "/dev/zero"}) == ["config: '/dev/zero' is no file."]

    def test_an_id_is_no_alias(self, folder):
        """A file that gives an ID to another pipeline is refused, not obeyed."""
        (folder / ".opsera.yml").write_text(f"pipelines: {{{ID}: {OTHER_ID}}}\n")
        (fault,) = faults({"OPSERA_PIPELINE": ID})
        assert fault.startswith(f"pipelines.{ID}: as an alias it would hide the pipeline that has")

    @pytest.mark.parametrize(
        ("named", "near"), [("slow", "shop"), ("shop", ""), ("same", ""), ("shpo", "shop")]
    )
    def test_an_alias_that_may_be_meant_is_known(self, folder, named, near):
        """It is one that is nearly named, or one that an alias names instead of a pipeline."""
        (folder / ".opsera.yml").write_text(
            f"pipelines: {{shop: {ID}, slow: {{pipeline: shop}}, same: same}}\n"
        )
        assert get({"OPSERA_PIPELINE": named}).near_alias == near

    def test_an_alias_is_resolved(self, folder):
        """An alias, from whatever place, becomes its pipeline with its own defaults."""
        (folder / ".opsera.yml").write_text(
            f"timeout: 1m\npipelines:\n  shop: {ID}\n"
            f"  slow: {{pipeline: {OTHER_ID}, timeout: 9h}}\n"
        )
        slow = get({"OPSERA_PIPELINE": "slow"})
        assert (slow.pipeline, slow.timeout) == (OTHER_ID, 9 * 3600.0)
        shop = get({"OPSERA_PIPELINE": "slow", "INPUT_PIPELINE": "shop"})
        assert (shop.pipeline, shop.timeout) == (ID, 60.0)
        assert get({"OPSERA_PIPELINE": "slow"}, {"pipeline": "shop"}).pipeline == ID
        assert get({"OPSERA_PIPELINE": "other"}).pipeline == "other"

    def test_the_file_can_name_an_alias_itself(self, folder):
        """A default pipeline can be one of the aliases."""
        (folder / ".opsera.yml").write_text(f"pipeline: shop\npipelines: {{shop: {ID}}}\n")
        inputs = get({"OPSERA_TOKEN": TOKEN}, basics=False)
        assert inputs.pipeline == ID

    def test_an_alias_without_a_pipeline_is_one_fault(self, folder):
        """An alias that leads nowhere is told, and no other pipeline is run in its place."""
        (folder / ".opsera.yml").write_text(
            f"pipeline: {ID}\npipelines: {{shop: {{timeout: 1h}}}}\n"
        )
        assert faults({"OPSERA_PIPELINE": "shop"}) == [
            "pipelines.shop: it names no pipeline (.opsera.yml, line 2)."
        ]

    def test_another_file(self, folder):
        """The file can have another name, and a byte-order mark."""
        (folder / "ci.yml").write_bytes(b"\xef\xbb\xbftimeout: 5m\r\n")
        assert get({"INPUT_CONFIG": "ci.yml"}).timeout == 300.0

    @pytest.mark.parametrize(
        ("content", "why"),
        [(b"\xff\xfet\x00", "it is not UTF-8 text"), (None, "Is a directory"),
         (b"a: b: c", "is no valid YAML (line 1")],
    )  # fmt: skip
    def test_a_file_that_cannot_be_read(self, folder, content, why):
        """It is one fault, and what it may hold is not told to be missing."""
        path = folder / ".opsera.yml"
        path.mkdir() if content is None else path.write_bytes(content)
        found = faults({"OPSERA_TOKEN": TOKEN}, basics=False)
        assert len(found) == 1
        assert found[0].startswith("config: ") and why in found[0]

    @pytest.mark.parametrize("path", ["a\0b", "\ud800"])
    def test_a_path_that_is_none(self, path):
        """A path that the system can't take is a fault like any other."""
        found = faults(options={"config": path})
        assert any(fault.startswith("config:") and "it is no path" in fault for fault in found)

    def test_faults_of_all_places_are_told_at_once(self, folder):
        """The file's faults and the environment's come together, each with where it is from."""
        (folder / ".opsera.yml").write_text("timeout: soon\ncolour: red\n")
        found = faults({"INPUT_WAIT": "perhaps"}, {"logs": "some"}, {"reset": "x"})
        assert [fault.split(":")[0] for fault in found] == [
            "timeout", "colour", "wait", "reset", "logs",
        ]  # fmt: skip
        for fault, origin in zip(
            [found[0], *found[2:]],
            [".opsera.yml, line 1", "INPUT_WAIT", "the platform's default", "--logs"],
            strict=True,
        ):
            assert f"(from {origin})" in fault and "it takes" in fault


class TestTokenFile:
    """The input `token_file`."""

    @pytest.mark.parametrize(
        "content",
        [TOKEN, f"{TOKEN}\n", f"\ufeff{TOKEN}\r\n", f"  {TOKEN}\t\n\n", f"\n{TOKEN}"],
        ids=repr,
    )
    def test_what_editors_add_does_not_count(self, folder, content):
        """A byte-order mark, blanks and line ends around the token are dropped."""
        (folder / "token").write_text(content, "utf-8")
        environ = {"OPSERA_PIPELINE": ID, "OPSERA_TOKEN_FILE": "token"}
        assert get(environ, basics=False).token == TOKEN

    @pytest.mark.parametrize(
        ("content", "why"),
        [(b"", "is empty"), (b" \n", "is empty"), (b"\xef\xbb\xbf", "is empty"),
         (b"\xff\xfet\x00o\x00", "it is not UTF-8 text"),
         (bytes(range(256)), "it is not UTF-8 text"),
         (None, "No such file or directory")],
    )  # fmt: skip
    def test_a_file_that_holds_none(self, folder, content, why):
        """It is one fault, which names the file and why, and nothing of what is in it."""
        if content is not None:
            (folder / "token").write_bytes(content)
        found = faults({"OPSERA_PIPELINE": ID, "OPSERA_TOKEN_FILE": "token"}, basics=False)
        assert len(found) == 1
        assert found[0].startswith("token_file: 'token' (from OPSERA_TOKEN_FILE)")
        assert why in found[0]

    @pytest.mark.parametrize(
        "content", [f"{TOKEN} x", f"{TOKEN}\n{TOKEN}", f"Bearer {TOKEN}", f"{TOKEN}é"]
    )
    def test_a_file_that_holds_more(self, folder, content):
        """What is no token is refused without being shown."""
        (folder / "token").write_text(content, "utf-8")
        found = faults({"OPSERA_PIPELINE": ID, "OPSERA_TOKEN_FILE": "token"}, basics=False)
        assert len(found) == 1
        assert found[0].startswith("token: its value (from the file 'token') won't do")

    def test_a_folder_is_no_file(self, folder):
        """The system's own words say why."""
        found = faults({"OPSERA_PIPELINE": ID, "OPSERA_TOKEN_FILE": str(folder)}, basics=False)
        assert "Is a directory" in found[0]

    def test_a_token_in_its_place_is_not_shown(self):
        """Who gives the token where its file belongs is told so, without printing it."""
        found = faults({"OPSERA_PIPELINE": ID, "OPSERA_TOKEN_FILE": JWT}, basics=False)
        assert len(found) == 1
        assert "looks like the token itself" in found[0]
        assert "OPSERA_TOKEN_FILE" in found[0] and JWT not in found[0]

    @pytest.mark.parametrize(
        ("environ", "options", "token"),
        [({"OPSERA_TOKEN": TOKEN, "OPSERA_TOKEN_FILE": "token"}, {}, TOKEN),
         ({"INPUT_TOKEN": TOKEN, "OPSERA_TOKEN_FILE": "token"}, {}, TOKEN),
         ({"OPSERA_TOKEN": TOKEN, "INPUT_TOKEN_FILE": "token"}, {}, "held"),
         ({"OPSERA_TOKEN": TOKEN, "INPUT_TOKEN": TOKEN}, {"token_file": "token"}, "held")],
    )  # fmt: skip
    def test_the_nearer_of_token_and_file_counts(self, folder, environ, options, token):
        """Token before file in one place, but what was given nearer goes before both."""
        (folder / "token").write_text("held")
        assert get({"OPSERA_PIPELINE": ID, **environ}, options, basics=False).token == token

    def test_a_file_named_in_the_config(self, folder):
        """The config file may say where the token's file is."""
        (folder / ".opsera.yml").write_text("token_file: token\n")
        (folder / "token").write_text("held")
        assert get({"OPSERA_PIPELINE": ID}, basics=False).token == "held"
        assert get().token == TOKEN


class TestCommand:
    """Which command a job is asked for, before anything else is read."""

    @pytest.mark.parametrize(
        ("environ", "words"),
        [
            ({}, []),
            ({"OPSERA_COMMAND": "tool list"}, ["tool", "list"]),
            ({"INPUT_COMMAND": "stop", "OPSERA_COMMAND": "tool list"}, ["tool", "list"]),
            ({"OPSERA_COMMAND": "frob"}, []),
        ],
    )
    def test_of_the_environment(self, environ, words):
        """INPUT_ variables count only where they are ours; an unknown command has no words."""
        assert asked_command(environ) == words

    def test_of_an_action(self):
        """In a GitHub action INPUT_ goes before OPSERA_."""
        environ = {"INPUT_COMMAND": "stop", "OPSERA_COMMAND": "tool list"}
        assert asked_command(environ, reads_input_variables=True) == ["stop"]

    def test_of_the_config_file(self, folder):
        """The file is asked where the environment says nothing, an alias of it first."""
        text = "command: tool list\npipelines: {shop: {pipeline: Shop, command: summary}}\n"
        (folder / ".opsera.yml").write_text(text)
        assert asked_command({}) == ["tool", "list"]
        assert asked_command({"OPSERA_PIPELINE": "shop"}) == ["summary"]
        assert asked_command({"OPSERA_COMMAND": "stop"}) == ["stop"]

    def test_no_token_file_is_read(self, folder):
        """A token's file may be a pipe, which can be read but once."""
        assert asked_command({"OPSERA_TOKEN_FILE": "/nonexistent", "OPSERA_COMMAND": "run"})

    def test_an_alias_of_a_tool(self, folder):
        """The tool that a command names may be an alias, with defaults of its own."""
        text = f"timeout: 9m\ntools: {{ci: {{tool: {ID}, timeout: 5m}}, two: Other}}\n"
        (folder / ".opsera.yml").write_text(text)
        found = get(options={"tool": "ci", "command": "tool show"})
        assert (found.tool, found.timeout) == (ID, 300.0)
        assert get(options={"tool": "two", "command": "tool show"}).tool == "Other"
        assert get(options={"tool": "x", "command": "tool show"}).tool == "x"
        assert get().tool == ""


def test_nothing_at_all_is_two_faults():
    """Without anything the two inputs that are needed are told."""
    assert [fault.split(":")[0] for fault in faults(basics=False)] == ["token", "pipeline"]


def test_the_limit_of_the_platform_is_passed_on():
    """log_limit: auto is the platform's affair."""
    assert get(limit=5).log_limit == 5
    assert get({"OPSERA_LOG_LIMIT": "auto"}, limit=5).log_limit == 5


NAMES = st.sampled_from(sorted(BY_NAME))
TEXTS = st.text(max_size=20) | st.sampled_from(
    ["shop", "1h", ".", "/", "a\0b", "\ud800", JWT, TOKEN]
)


@settings(
    derandomize=True,
    deadline=None,
    max_examples=120,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.dictionaries(NAMES, TEXTS, max_size=4),
    st.dictionaries(NAMES, TEXTS, max_size=3),
    st.text(max_size=40) | st.dictionaries(NAMES, TEXTS, max_size=3).map(str),
)
def test_arbitrary_text_raises_nothing_but_bad_input(environ, options, file):
    """Whatever stands in all the places, the inputs are typed or told as bad."""
    with open(".opsera.yml", "w", encoding="utf-8", errors="replace") as config:  # noqa: PTH123
        config.write(file)
    variables = {f"OPSERA_{name.upper()}": value for name, value in environ.items()}
    told = _told(variables, options)
    assert told != ""
    assert told is None or JWT not in told


def _told(variables, options) -> str | None:
    """Return the message of what is wrong; None when all is well."""
    try:
        get(variables, options)
    except InvalidInput as error:
        return error.message
    return None
