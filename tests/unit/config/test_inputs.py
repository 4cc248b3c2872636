"""What each input takes, what it refuses, and how that is told."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsera_step.config import BY_NAME, TABLE, Inputs, Setting, from_environment, parse
from opsera_step.config.inputs import PIPELINE_COMMANDS, command_words, parse_command, unknown_name
from opsera_step.errors import InvalidInput

ID = "65a4f00dc0ffee0123456789"
TOKEN = "tok-" + "s3cret" * 6
BASICS = {"token": Setting(TOKEN, "OPSERA_TOKEN"), "pipeline": Setting(ID, "OPSERA_PIPELINE")}
WORDS = {
    "command": "run watch status logs stop reset cleanup",
    "on_timeout": "stop leave",
    "on_cancel": "stop leave",
    "on_paused": "fail wait",
    "on_busy": "queue attach fail",
    "reset": "never auto always",
    "logs": "console all none",
}
PATHS = ("token_file", "output_file", "report_dir", "ca_bundle", "config")


def parsed(name: str, value: str, **options: int) -> object:
    """Parse one input among good ones, and return it typed."""
    inputs = parse({**BASICS, name: Setting(value, "--option")}, **options)
    return getattr(inputs, name)


def refused(name: str, value: str) -> str:
    """Parse one bad input among good ones, and return its one fault."""
    with pytest.raises(InvalidInput) as caught:
        parsed(name, value)
    assert len(caught.value.problems) == 1
    fault = caught.value.problems[0]
    assert fault.startswith(f"{name}: ")
    assert "(from --option)" in fault
    assert f" won't do; it takes {BY_NAME[name].takes}." in fault
    assert TOKEN not in fault
    return fault


def test_defaults():
    """Without more than a token and a pipeline all is as the table says."""
    assert parse(BASICS) == Inputs(
        command="run", token=TOKEN, token_file="", pipeline=ID, run_count=None,
        base_url="https://app.opsera.io", wait=True, timeout=3600.0, on_timeout="stop",
        on_cancel="stop", on_paused="fail", on_busy="queue", reset="never", logs="console",
        log_limit=None, poll_interval=None, output_file="", report_dir="", ca_bundle="",
        config=".opsera.yml",
    )  # fmt: skip


@pytest.mark.parametrize("one", TABLE, ids=lambda one: one.name)
def test_each_input_explains_itself(one):
    """Every input has a meaning and says what it takes; a default is a value that it takes."""
    assert one.meaning.endswith(".") and one.takes and not one.takes.endswith(".")
    assert (
        not one.default or one.name == "log_limit" or one.parse(one.default) is not NotImplemented
    )
    assert one.name.isidentifier() and one.name.islower()
    assert one.option == (one.name != "token")


@pytest.mark.parametrize(
    ("name", "word"), [(name, word) for name, words in WORDS.items() for word in words.split()]
)
def test_words(name, word):
    """An input of fixed words takes each of them, in any case."""
    assert parsed(name, word) == parsed(name, word.upper()) == word


@pytest.mark.parametrize("name", WORDS)
@pytest.mark.parametrize("value", ["maybe", "true", "stop,leave", "-", "ｓｔｏｐ"])
def test_other_words(name, value):
    """Any other word is refused, and the right ones are told."""
    fault = refused(name, value)
    assert all(word in fault for word in WORDS[name].split())


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("90", 90), ("90s", 90), ("45m", 2700), ("2h", 7200), ("2h30m", 9000), ("1h2m3s", 3723),
     ("2H30M", 9000), ("2h 30m", 9000), ("45 m", 2700), ("1h5s", 3605), ("007", 7),
     ("999999999", 999999999),
     ("0", None), ("0s", None), ("0h0m", None)],
)  # fmt: skip
def test_durations(value, seconds):
    """Durations are seconds, with or without units; 0 is no limit."""
    assert parsed("timeout", value) == seconds


@pytest.mark.parametrize(
    "value",
    ["h", "m", "-1", "+1", "1.5h", "1d", "30m2h", "1h30", "1 0", "never", "none", "inf", "1e3",
     "٣", "1_000", "1h1h", "9" * 10, "9" * 5000, "0x10", "90 seconds"],
)  # fmt: skip
def test_other_durations(value):
    """What is no duration is refused, however many digits it has."""
    refused("timeout", value)


@pytest.mark.parametrize("value", ["true", "True", "TRUE", "yes", "on", "1"])
def test_switch_on(value):
    """A switch is on in all the ways in which people write that."""
    assert parsed("wait", value) is True


@pytest.mark.parametrize("value", ["false", "False", "no", "off", "0", "OFF"])
def test_switch_off(value):
    """A switch is off in all the ways in which people write that."""
    assert parsed("wait", value) is False


@pytest.mark.parametrize("value", ["2", "y", "nope", "truee", "-"])
def test_other_switches(value):
    """Nothing else is taken for true or false."""
    refused("wait", value)


@pytest.mark.parametrize(
    ("value", "count"), [("1", 1), ("42", 42), ("0042", 42), ("9" * 18, int("9" * 18))]
)
def test_run_counts(value, count):
    """A run count is a whole number from 1."""
    assert parsed("run_count", value) == count


@pytest.mark.parametrize(
    "value", ["0", "-1", "1.0", "latest", "٣", "1e2", "9" * 19, "9" * 9999, "1 2"]
)
def test_other_run_counts(value):
    """Anything else is refused, numbers that no API counts included."""
    refused("run_count", value)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("auto", None), ("Auto", None), ("1", 1.0), ("0.1", 0.1), (".5", 0.5), ("2.5", 2.5),
     ("30s", 30.0), ("1m", 60.0), ("3600", 3600.0), ("1h", 3600.0)],
)  # fmt: skip
def test_poll_intervals(value, seconds):
    """A poll interval is auto, or seconds from a tenth to an hour."""
    assert parsed("poll_interval", value) == seconds


@pytest.mark.parametrize(
    "value", ["0", "0.09", "-1", "nan", "inf", "1e1", "1_0", "3601", "2h", "fast", "1.", "9" * 999]
)
def test_other_poll_intervals(value):
    """Too short, too long, or no number: refused."""
    refused("poll_interval", value)


@pytest.mark.parametrize(
    ("value", "size"),
    [("auto", None), ("AUTO", None), ("0", None), ("0MB", None), ("1", 1), ("4000", 4000),
     ("10B", 10),
     ("500KB", 512000), ("500k", 512000), ("500 KiB", 512000), ("3.5MiB", 3670016), ("1g", 2**30),
     ("0.5k", 512), ("999999999999", 999999999999)],
)  # fmt: skip
def test_sizes(value, size):
    """Sizes are bytes, with the usual units; 0 is no limit."""
    assert parsed("log_limit", value) == size


@pytest.mark.parametrize(
    "value",
    ["-1", "1e6", "1T", "5ib", "k", "0.3", "0.0001k", "1,5M", "lots", "1__0", "9" * 13, "9" * 400,
     "9" * 400 + "g", "٣", "1.k"],
)  # fmt: skip
def test_other_sizes(value):
    """What is no size is refused; less than a byte is not silently no limit."""
    refused("log_limit", value)


def test_the_platform_may_have_a_limit_of_its_own():
    """auto is what the platform says, and 0 is no limit all the same."""
    assert parse(BASICS, auto_log_limit=700).log_limit == 700
    assert parsed("log_limit", "auto", auto_log_limit=700) == 700
    assert parsed("log_limit", "0", auto_log_limit=700) is None
    assert parsed("log_limit", "9", auto_log_limit=700) == 9


@pytest.mark.parametrize(
    ("value", "address"),
    [(value, value) for value in (
        "https://app.opsera.io", "https://opsera.example:8443", "https://10.1.2.3",
        "https://example.com/opsera", "https://bücher.example", "https://a-b.c_d.example",
        "http://localhost", "http://localhost:8080", "http://127.0.0.1:1", "http://127.9.9.9",
        "http://[::1]", "http://[::1]:8080", "https://[2001:db8::1]:443", "HTTPS://APP.opsera.io",
        "http://LOCALHOST:99", "https://app.opsera.io.",
    )] + [("https://app.opsera.io/", "https://app.opsera.io"), ("http://[::1]:5//", "http://[::1]:5")],
)  # fmt: skip
def test_addresses(value, address):
    """An address is https, or http on this machine; slashes at its end are dropped."""
    assert parsed("base_url", value) == address


@pytest.mark.parametrize(
    "value",
    ["app.opsera.io", "http://app.opsera.io", "http://localhost.evil.example",
     "http://127.0.0.1.example",
     "http://128.0.0.1", "http://[::2]", "http://0.0.0.0", "ftp://localhost", "https://",
     "https:///x",
     "https:/app.opsera.io", "//app.opsera.io", "https://app.opsera.io?x=1",
     "https://app.opsera.io?",
     "https://app.opsera.io#top", "https://app.opsera.io#", "https://app opsera.io", "https://a\tb",
     "https://app.opsera.io:0", "https://app.opsera.io:", "https://app.opsera.io:99999",
     "https://app.opsera.io:x", "https://app.opsera.io/api/v1", "https://app.opsera.io/api/v1/",
     "https://app.opsera.io/api/v1/pipeline/run", "https://app.opsera.io\\evil", "https://[::1",
     "https://[fe80::1%25eth0]", "https://::1", "https://[v1.x]", "https://-a.example", "https://.",
     "https://a\u202eb.example", "https://app.opsera.io/\u200b", "https://a%2eb",
     "javascript:alert(1)"],
)  # fmt: skip
def test_other_addresses(value):
    """An address that is not safe or can't be one is refused."""
    refused("base_url", value)


@pytest.mark.parametrize(
    "value",
    ["https://user:hunter2@app.opsera.io", "https://hunter2@app.opsera.io", "https://:hunter2@x",
     "http://localhost@hunter2.example", "https://@hunter2.example", "hunter2@x"],
)  # fmt: skip
def test_user_names_in_addresses(value):
    """An address with a user name or a password is refused without being shown."""
    assert "hunter2" not in refused("base_url", value)


@pytest.mark.parametrize(
    ("value", "pipeline", "is_id"),
    [(ID, ID, True), (ID.upper(), ID, True), (ID[:-1], ID[:-1], False), (ID + "0", ID + "0", False),
     ("Deploy shop", "Deploy shop", False), ("G" * 24, "G" * 24, False),
     ("１" * 24, "１" * 24, False)],
)  # fmt: skip
def test_pipelines(value, pipeline, is_id):
    """24 hex digits are an ID, in any case; all else is a name, as it was written."""
    inputs = parse({**BASICS, "pipeline": Setting(value, "x")})
    assert (inputs.pipeline, inputs.pipeline_is_id) == (pipeline, is_id)


@pytest.mark.parametrize(
    "value", ["a b", "tök", "a\nb", "a\tb", "Bearer abc", "a\x00b", "a\x7f", "\ufeffa"]
)
def test_tokens(value):
    """A token that can't stand in a header is refused, and never shown."""
    fault = refused("token", value)
    assert "its value (from --option)" in fault
    assert repr(value)[1:-1] not in fault.split("it takes")[0]


def test_a_token_in_the_wrong_place_is_not_shown():
    """Where the token was given as another input too, the message does not show it."""
    for value in (TOKEN, f"https://{TOKEN}.example?", TOKEN + "h"):
        for name in ("timeout", "base_url", "on_busy", "run_count"):
            assert "its value (from --option)" in refused(name, value)


def test_what_looks_like_a_token_is_not_shown():
    """A token that was mixed up with another input is not printed, whoever's it is."""
    jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0xxxx.c2lnbmF0dXJlLXNpZ25hdHVyZQ"
    assert "its value (from --option)" in refused("timeout", jwt)
    assert "its value (from --option)" in refused("base_url", f"https://x/{jwt}?")


def test_the_token_is_not_in_the_representation():
    """Inputs can be shown in a traceback."""
    assert TOKEN not in repr(parse(BASICS))


@pytest.mark.parametrize("name", PATHS)
def test_paths(name):
    """Any path of this system is taken as it is, odd bytes included."""
    for value in ("a", "/a b/c", "$HOME/x", "ü", "\udcff", "a\nb"):
        assert parsed(name, value) == value
    refused(name, "a\0b")
    refused(name, "\ud800")


def test_long_values_are_cut():
    """A message shows the start of a long value, quoted."""
    fault = refused("timeout", "\x1b[31m" + "x" * 5000)
    assert "'\\x1b[31mxxx" in fault and "…'" in fault
    assert len(fault) < 250


def test_very_long_values_cost_nothing():
    """A variable of the longest size that systems take is told as bad at once."""
    refused("timeout", "x" * 200_000)


def test_all_faults_are_told_at_once():
    """Every wrong input is a fault of its own, in the order of the table."""
    wrong = {"logs": "some", "timeout": "soon", "base_url": "x", "wait": "perhaps", "token": "a b"}
    with pytest.raises(InvalidInput) as caught:
        parse({name: Setting(value, f"OPSERA_{name.upper()}") for name, value in wrong.items()})
    assert [fault.split(":")[0] for fault in caught.value.problems] == [
        "token", "base_url", "wait", "timeout", "logs", "pipeline",
    ]  # fmt: skip


def test_what_is_missing_is_told():
    """Without token and pipeline the message names the ways to give them."""
    with pytest.raises(InvalidInput) as caught:
        parse({"token": Setting(" ", "x"), "pipeline": Setting("", "x")})
    token, pipeline = caught.value.problems
    assert "OPSERA_TOKEN" in token and "token_file" in token
    assert "OPSERA_PIPELINE" in pipeline and "24 hex digits" in pipeline


@pytest.mark.parametrize("name", sorted(set(BY_NAME) - {"token", "pipeline"}))
@pytest.mark.parametrize("empty", ["", " ", "\t\n"])
def test_empty_is_unset(name, empty):
    """An empty value is the default, of every input."""
    assert parsed(name, empty) == getattr(parse(BASICS), name)


def test_variables():
    """INPUT_ goes before OPSERA_, blanks around a value are dropped, others are left alone."""
    environ = {
        "INPUT_TIMEOUT": " 5m\n", "OPSERA_TIMEOUT": "9m", "INPUT_LOGS": "  ", "OPSERA_LOGS": "all",
        "OPSERA_STATUS": "success", "INPUT_ON-PAUSED": "wait", "TOKEN": "x", "opsera_wait": "no",
    }  # fmt: skip
    assert from_environment(environ) == {
        "timeout": Setting("5m", "INPUT_TIMEOUT"),
        "logs": Setting("all", "OPSERA_LOGS"),
    }
    assert from_environment(environ, ("OPSERA_",))["timeout"].value == "9m"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("run", ["run"]), (" RUN ", ["run"]), ("tool list", ["tool", "list"]),
        ("tool show 'Shop Jenkins'", ["tool", "show", "Shop Jenkins"]),
        ("logs\n  --follow", ["logs", "--follow"]),
        ("audit actions; run", ["audit", "actions;", "run"]),
        ("run $(date) `x` | y", ["run", "$(date)", "`x`", "|", "y"]),
    ],
)  # fmt: skip
def test_a_command_is_split_into_words(text, words):
    """A command is words as a shell splits them, but no shell: nothing else is special in it."""
    assert command_words(text) == words
    assert command_words(parsed("command", text)) == words


@pytest.mark.parametrize(
    "text",
    ["frob", "demo", "simulator", "init", "completion bash", "--help", "tool 'list", "", ";"],
)
def test_what_is_no_command_for_a_job(text):
    """What only a person at a terminal needs, and what is no command at all, is refused."""
    assert command_words(text) == []
    with pytest.raises(ValueError):  # noqa: PT011 - its caller says what is wrong
        parse_command(text)


@pytest.mark.parametrize("command", [*PIPELINE_COMMANDS, "summary", "logs --follow"])
def test_commands_that_need_a_pipeline(command):
    """What is about a pipeline can't do without one."""
    with pytest.raises(InvalidInput, match="pipeline: it is not set"):
        parse({"token": Setting("t", "x"), "command": Setting(command, "x")})


@pytest.mark.parametrize("command", ["tool list", "tool show x", "task list", "audit actions",
                                     "pipelines", "cleanup"])  # fmt: skip
def test_commands_that_need_none(command):
    """What is about the account needs no pipeline."""
    given_ = {"token": Setting("t", "x"), "command": Setting(command, "x")}
    assert parse(given_).pipeline == ""


def test_a_guess_is_made():
    """A name that is nearly an input brings the likely one."""
    assert unknown_name("timeot", "x.yml").endswith("Did you mean timeout?")
    assert unknown_name("on-paused", "x.yml").endswith("Did you mean on_paused?")
    assert unknown_name("zzz", "x.yml") == "zzz: there is no such input (in x.yml)."


NEARLY = st.text("0123456789.:/@[]%#-+ \\\x00abhkmgsauto", max_size=24)
ODD = st.one_of(
    st.text(max_size=40),
    NEARLY,
    NEARLY.map("https://{}".format),
    NEARLY.map("http://[{}".format),
    st.integers(1, 5000).map(lambda length: "9" * length),
    st.sampled_from(["9" * 400 + "g", "nan", "-inf", "\ud800", "https://[", "0x", "1e400"]),
)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.dictionaries(st.sampled_from(sorted(BY_NAME)), ODD, max_size=6))
def test_arbitrary_text_is_input_or_fault(values):
    """Whatever stands in the inputs, they are typed or told as bad, and the token is not shown."""
    given_ = {**BASICS, **{name: Setting(value, "x") for name, value in values.items()}}
    told = _told(given_)
    assert told != ""
    token = given_["token"].value
    assert told is None or len(token) < 8 or token not in told


def _told(given_) -> str | None:
    """Return the message of what is wrong; None when all is well."""
    try:
        assert isinstance(parse(given_), Inputs)
    except InvalidInput as error:
        return error.message
    return None


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.sampled_from(TABLE), ODD)
def test_arbitrary_text_raises_nothing_but_value_errors(one, value):
    """A parser takes a value or raises ValueError."""
    with contextlib.suppress(ValueError):
        one.parse(value)
