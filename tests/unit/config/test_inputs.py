"""What each input takes, what it refuses, and how that is reported."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsera_step.config import BY_NAME, COMMANDS, TABLE, Setting, from_environment, problem_of
from opsera_step.config.inputs import PIPELINE_COMMANDS, command_words, listed, missing, parse
from opsera_step.config.parsers import parse_base_url

ID = "65a4f00dc0ffee0123456789"
URL = f"https://portal.opsera.io/workflow/details/{ID}/summary"
TOKEN = "tok-" + "s3cret" * 6
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0xxxx.c2lnbmF0dXJlLXNpZ25hdHVyZQ"
WORDS = {
    "on_timeout": "auto stop leave",
    "on_cancel": "auto stop leave",
    "on_paused": "fail wait",
    "on_busy": "queue attach fail",
    "reset": "never auto always",
    "logs": "console all none",
}
PATHS = ("token_file", "output_file", "report_dir", "ca_bundle", "config")


def parsed(name: str, value: str) -> object:
    """Return the typed value of one input."""
    values, problems = parse({name: Setting(value, "--option")})
    assert problems == {}
    return values[name]


def refused(name: str, value: str) -> str:
    """Return the problem of one invalid value."""
    _, problems = parse({"token": Setting(TOKEN, "x"), name: Setting(value, "--option")})
    assert list(problems) == [name]
    problem = problems[name]
    assert problem.startswith("Invalid value ")
    assert f" for {name} (from --option). Use {BY_NAME[name].valid}." in problem
    assert TOKEN not in problem
    return problem


def hint(name: str, value: str) -> str:
    """Return the part of a message after the valid values."""
    return refused(name, value).partition(f"Use {BY_NAME[name].valid}. ")[2]


class Platform:
    """What a platform adds."""

    input_defaults: dict[str, str] = {}  # noqa: RUF012
    auto_log_limit = 700
    debug = True
    time_left = None
    in_ci = False
    checkouts = ()


def test_defaults():
    """Without settings, every input has its default."""
    values, problems = parse({})
    assert problems == {}
    assert values == {
        "command": "run", "token": "", "token_file": "", "pipeline": "", "run_count": None,
        "branch": "", "parameters": (), "base_url": "https://app.opsera.io",
        "portal_url": "https://portal.opsera.io", "wait": True, "timeout": 3600.0,
        "on_timeout": "auto", "on_cancel": "auto", "on_paused": "fail", "on_busy": "queue",
        "reset": "never", "logs": "console", "log_limit": None, "timestamps": False,
        "poll_interval": None, "verbose": False, "output_file": "", "report_dir": "",
        "ca_bundle": "", "config": "",
    }  # fmt: skip


def test_an_invalid_value_is_reported_as_documented():
    """The message has the value, the input, the source, and what is valid."""
    assert problem_of("on_paused", Setting("maybe", "--on-paused")) == (
        "Invalid value 'maybe' for on_paused (from --on-paused). Use fail or wait."
    )
    assert problem_of("on_busy", Setting("que", "INPUT_ON_BUSY")) == (
        "Invalid value 'que' for on_busy (from INPUT_ON_BUSY). Use queue, attach, or fail. "
        "Did you mean queue?"
    )


def test_each_input_explains_itself():
    """Every input has a description and valid values; its default is valid."""
    for one in TABLE:
        assert one.meaning.endswith(".") and one.valid and not one.valid.endswith("."), one
        assert not problem_of(one.name, Setting(one.default, "x"))
        assert one.name.isidentifier() and one.name.islower()
        assert one.option == (one.name != "token")


@pytest.mark.parametrize("name", WORDS)
def test_fixed_values(name):
    """An input with fixed values accepts each of them, in any case, and no others."""
    for word in WORDS[name].split():
        assert parsed(name, word) == parsed(name, f" {word.upper()} ") == word
    for word in ("maybe", "true", "stop,leave", "-", "ｓｔｏｐ"):
        refused(name, word)


def test_quotation_marks_are_named():
    """An --env-file of Docker passes them on; a pipeline may be named so."""
    for name in set(BY_NAME) - {"token", "command", "parameters", "branch"}:
        value = BY_NAME[name].default or "https://x.example"
        text = problem_of(name, Setting(f'"{value}"', "x"))
        assert ("quotation marks" in text) == (name != "pipeline"), name


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        *(("timeout", value, seconds) for value, seconds in {
            "90": 90, "1h2m3s": 3723, "2H 30M": 9000, "007": 7, "999999999": 999999999, "0": None,
            "0h0m": None,
        }.items()),
        *(("wait", value, True) for value in ("TRUE", "yes", "on", "1")),
        *(("timestamps", value, False) for value in ("False", "no", "OFF", "0")),
        ("run_count", "0042", 42), ("run_count", "9" * 18, int("9" * 18)),
        *(("poll_interval", value, seconds) for value, seconds in {
            "Auto": None, "0.1": 0.1, ".5": 0.5, "1m": 60.0, "3600": 3600.0,
        }.items()),
        *(("log_limit", value, size) for value, size in {
            "auto": None, "0MB": None, "1": 1, "10B": 10, "500 KiB": 512000, "3.5MiB": 3670016,
            "1g": 2**30,
        }.items()),
        ("verbose", "true", True), ("verbose", "Auto", False),
        ("branch", "feature/é", "feature/é"),
    ],
)  # fmt: skip
def test_values(name, value, expected):
    """What the documentation promises is read."""
    assert parsed(name, value) == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("timeout", value) for value in (
            "h", "-1", "1.5h", "1d", "30m2h", "1h30", "1 0", "1e3", "٣", "1_000", "9" * 10,
            "9" * 5000,
        )),
        *(("wait", value) for value in ("2", "y", "auto")),
        *(("run_count", value) for value in (
            "0", "-1", "1.0", "latest", "٣", "9" * 19,
        )),
        *(("poll_interval", value) for value in (
            "0", "0.09", "nan", "1e1", "3601", "1.", "9" * 999,
        )),
        *(("log_limit", value) for value in (
            "-1", "1e6", "1T", "k", "0.3", "1,5M", "9" * 13, "9" * 400 + "g", "٣", "1.k",
        )),
        ("verbose", "maybe"), ("branch", "a\nb"), ("branch", "$CI_COMMIT_REF_NAME"),
        ("report_dir", "a\0b"), ("ca_bundle", "\ud800"),
    ],
)  # fmt: skip
def test_other_values(name, value):
    """Anything else is refused, however long; less than a byte is not silently no limit."""
    assert len(refused(name, value)) < 500


def test_the_platform_decides_about_auto():
    """auto depends on the platform; an explicit value does not."""
    assert parse({}, Platform())[0]["log_limit"] == 700
    assert parse({}, Platform())[0]["verbose"] is True
    explicit = {"log_limit": Setting("0", "x"), "verbose": Setting("false", "x")}
    values, _ = parse(explicit, Platform())
    assert (values["log_limit"], values["verbose"]) == (None, False)


ADDRESSES = {
    "https://app.opsera.io/": "https://app.opsera.io",
    "HTTPS://App.Opsera.IO:443": "https://app.opsera.io",
    "http://127.0.0.1:08080": "http://127.0.0.1:8080",
    "http://localhost:080/x": "http://localhost/x",
    "http://[0:0::1]:5//": "http://[::1]:5",
    "https://[2001:DB8::1]:443": "https://[2001:db8::1]",
    "https://a-b.c_d.example": "https://a-b.c_d.example",
    "https://BÜCHER.example/é": "https://xn--bcher-kva.example/%C3%A9",
    "https://faß.example": "https://xn--fa-hia.example",
    "https://x.example/%7Eme/%c3%a9": "https://x.example/~me/%C3%A9",
    "https://x.example/a/../b/./c//": "https://x.example/b/c",
    "https://x.example/../..": "https://x.example",
    "https://x.example/%2e%2e/a%2Fb": "https://x.example/a%2Fb",
    "https://app.opsera.io.": "https://app.opsera.io.",
}


@pytest.mark.parametrize("value", ADDRESSES)
def test_addresses_have_one_form(value):
    """An address is https, or http on this machine, and is written in one form."""
    assert parsed("base_url", value) == ADDRESSES[value]
    assert parsed("base_url", ADDRESSES[value]) == ADDRESSES[value]
    assert parsed("portal_url", value) == ADDRESSES[value]


@pytest.mark.parametrize(
    "value",
    ["app.opsera.io", "http://app.opsera.io", "http://localhost.evil.example",
     "http://128.0.0.1", "http://[::2]", "http://0.0.0.0", "ftp://localhost", "https://",
     "https:///x", "//app.opsera.io", "https://app.opsera.io?", "https://app.opsera.io#",
     "https://a\tb", "https://app.opsera.io:0", "https://app.opsera.io:",
     "https://app.opsera.io:99999", "https://app.opsera.io:٣", "https://app.opsera.io\\evil",
     "https://[::1", "https://[fe80::1%25eth0]", "https://::1", "https://-a.example",
     "https://a..b", "https://" + "a" * 64,
     "https://a\u202eb.example", "https://app.opsera.io/\u200b", "https://a%2eb",
     "https://x.example/%ff", "https://xn--", "javascript:alert(1)"],
)  # fmt: skip
def test_other_addresses(value):
    """An address that is not safe or can't be one is refused."""
    refused("base_url", value)
    refused("portal_url", value)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("https://app.opsera.io/api/v1", "Remove /api/v1."),
        ("https://app.opsera.io/api/v1/pipeline/run", "Remove /api/v1."),
        ("app.opsera.io", "It must begin with https://."),
        ("http://app.opsera.io", "Only loopback addresses may use http."),
        ("https://portal.opsera.io/workflow", "The URL of the API is https://app.opsera.io."),
        ("portal.opsera.io", "The URL of the API is https://app.opsera.io."),
        ("https://PORTAL.Acme.opsera.io", "The URL of the API is https://api.acme.opsera.io."),
        ("https://portal.example.com", "Use the URL of the API."),
        (URL.replace("portal", "app"), "That is the URL of a page."),
        ("${{ vars.OPSERA }}", "It is a variable that was not expanded."),
    ],
)
def test_likely_mistakes_in_addresses(value, said):
    """The mistakes that users make bring what to do."""
    assert said in hint("base_url", value)


@pytest.mark.parametrize(
    ("base_url", "portal"),
    [
        ("https://app.opsera.io", "https://portal.opsera.io"),
        ("https://APP.opsera.io:443/", "https://portal.opsera.io"),
        ("https://app.opsera.io.", "https://portal.opsera.io"),
        ("https://api.acme.opsera.io", "https://portal.acme.opsera.io"),
        ("https://freetrial-api.opsera.io", "https://freetrial.opsera.io"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://localhost:1/x", "http://localhost:1/x"), ("https://[::1]:9", "https://[::1]:9"),
        ("https://acme.opsera.io", ""), ("https://api.opsera.io", ""),
        ("https://api.a.b.opsera.io", ""), ("https://app.opsera.io.evil.example", ""),
        ("https://opsera.example", ""),
    ],
)  # fmt: skip
def test_the_portal_is_derived(base_url, portal):
    """Known pairs only: no link is better than a wrong one."""
    assert parse({"base_url": Setting(base_url, "x")})[0]["portal_url"] == portal


def test_the_portal_can_be_named():
    """The input wins over what would be derived."""
    named = {"portal_url": Setting("https://opsera.example/", "x")}
    assert parse(named)[0]["portal_url"] == "https://opsera.example"


@pytest.mark.parametrize(
    "value",
    ["https://user:hunter2@app.opsera.io", "https://hunter2@app.opsera.io", "https://:hunter2@x",
     "http://localhost@hunter2.example", "https://@hunter2.example", "hunter2@x"],
)  # fmt: skip
def test_user_names_in_addresses(value):
    """An address with a user name or a password is refused without being shown."""
    assert "hunter2" not in refused("base_url", value) + refused("portal_url", value)


@pytest.mark.parametrize(
    ("value", "pipeline"),
    [(ID.upper(), ID), (ID[:-1], ID[:-1]), (ID + "0", ID + "0"), ("G" * 24, "G" * 24),
     ("１" * 24, "１" * 24), ('Deploy "shop"', 'Deploy "shop"'), ("Costs $5", "Costs $5"),
     ("1e3", "1e3")],
)  # fmt: skip
def test_pipelines(value, pipeline):
    """24 hex digits are an ID, in any case; anything else is a name, as written."""
    assert parsed("pipeline", value) == pipeline


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (URL, f"Use the ID in it: {ID}."),
        ("https://portal.opsera.io/workflow", "Use the ID of the pipeline."),
        (JWT, "It looks like an access token, which belongs in the input token."),
        ("$OPSERA_PIPELINE", "a variable that was not expanded"),
        ("%OPSERA_PIPELINE%", "a variable that was not expanded"),
        ("${{ vars.PIPELINE }}", "a variable that was not expanded"),
        ("$[[ inputs.pipeline ]]", "a variable that was not expanded"),
        ("6.15e+23", "It looks like an ID that YAML read as a number. Put the ID in quotes."),
        ("6e23", "Put the ID in quotes."),
        (f"\u200b{ID}", f"It contains an invisible character (U+200B). The ID alone is {ID}."),
        (f"{ID[:9]}\u00a0{ID[9:]}", f"a no-break space (U+00A0). The ID alone is {ID}."),
        (f"“{ID}”", f"The ID alone is {ID}."),
        (f'"{ID}"', f"It contains quotation marks or spaces. The ID alone is {ID}."),
    ],
)
def test_likely_mistakes_in_pipelines(value, said):
    """What can only be an ID gone wrong is refused, with what to do."""
    assert said in hint("pipeline", value)


@pytest.mark.parametrize(
    ("value", "said"),
    [("a b" * 5, ""), ("tök" * 5, ""), ("token\nmore", "several lines"),
     ("Bearer abcdefgh", "Bearer"), ("abcdefg\x7f", ""), ("\ufeffabcdefg", ""),
     ("${{ secrets.TOKEN }}", "was not expanded"), ("1234567", "fewer than 8")],
)  # fmt: skip
def test_tokens(value, said):
    """A token that can't stand in a header, or be hidden in a log, is refused and never shown."""
    _, problems = parse({"token": Setting(value, "OPSERA_TOKEN")})
    problem = problems["token"]
    assert problem.startswith("Invalid value for token (from OPSERA_TOKEN). Use the access token")
    assert said in problem.partition("without spaces. ")[2]
    assert value not in problem
    assert parsed("token", "12345678") == "12345678"


def test_a_token_in_the_wrong_place_is_not_shown():
    """The message does not show the token, and has the right input for it."""
    for value in (TOKEN, f"https://{TOKEN}.example?", TOKEN + "h", JWT, f"https://x/{JWT}?"):
        for name in ("timeout", "base_url", "on_busy", "run_count"):
            problem = refused(name, value)
            assert problem.startswith("Invalid value for ") and JWT not in problem
    assert "belongs in the input token" in refused("timeout", TOKEN)


@pytest.mark.parametrize("name", PATHS)
def test_paths(name):
    """Any path of this system is taken as it is, odd bytes included."""
    for value in ("/a b/c", "out/$HOME", "ü", "\udcff", "a\nb", "it's", "./~x"):
        assert parsed(name, value) == value


@pytest.mark.parametrize("name", PATHS)
def test_likely_mistakes_in_paths(name):
    """What would silently name another file is refused."""
    for value, said in (
        ("'out'", "Remove the quotation marks"), ("“out”", "Remove the quotation marks"),
        ("${CI_PROJECT_DIR}/x", "a variable that was not expanded"),
        ("%USERPROFILE%\\x", "a variable that was not expanded"),
        ("a/${{ github.sha }}", "a variable that was not expanded"),
        ("~kim/x", "Only ~/ is expanded"), ("~", "Only ~/ is expanded"),
    ):  # fmt: skip
        assert said in hint(name, value)


def test_secrets_in_commands_and_parameters_are_not_shown():
    """Only the first word of a command is shown, and nothing of parameters."""
    assert "hunter2" not in refused("command", "tol update x --set password=hunter2")
    assert "Invalid value 'tol' for command" in refused("command", "tol update x")
    assert "hunter2" not in refused("parameters", "password: hunter2")
    assert "hunter2" not in refused("parameters", "hunter2")


def test_long_values_are_cut():
    """A message shows the start of a long value, quoted."""
    problem = refused("timeout", "\x1b[31m" + "x" * 200_000)
    assert "'\\x1b[31mxxx" in problem and "…'" in problem
    assert len(problem) < 250


def test_what_is_missing_is_reported():
    """Without token and pipeline the message names the ways to give them."""
    found = missing({})
    assert found["token"].startswith("No access token. Set OPSERA_TOKEN, the input token, or token")
    assert "pull requests from forks" in found["token"]
    assert found["pipeline"].startswith("No pipeline. Set OPSERA_PIPELINE or the input pipeline")


def test_commands_that_need_a_pipeline():
    """Commands about a pipeline need one; commands about the account don't."""
    for command in (*PIPELINE_COMMANDS, "summary", "logs --follow"):
        assert "pipeline" in missing({"command": Setting(command, "x")})
    for command in ("tool show x", "task list", "audit actions", "pipelines", "cleanup"):
        assert list(missing({"command": Setting(command, "x")})) == ["token"]


@pytest.mark.parametrize("empty", ["", " ", "\t\n"])
def test_empty_is_unset(empty):
    """An empty value is the default, of every input."""
    assert parse({name: Setting(empty, "x") for name in BY_NAME}) == parse({})


def test_variables():
    """INPUT_ takes precedence over OPSERA_; only spaces around a value are removed."""
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
        (" RUN ", ["run"]), ("tool show 'Shop Jenkins'", ["tool", "show", "Shop Jenkins"]),
        ("logs\n  --follow", ["logs", "--follow"]),
        ("audit actions; run", ["audit", "actions;", "run"]),
        ("run $(date) `x` | y", ["run", "$(date)", "`x`", "|", "y"]),
    ],
)  # fmt: skip
def test_a_command_is_split_into_arguments(text, words):
    """A command is split as a shell would, but nothing in it is special otherwise."""
    assert command_words(text) == words
    assert command_words(parsed("command", text)) == words


@pytest.mark.parametrize(
    ("text", "said"),
    [("frob", ""), ("demo", "demo is not available in jobs."), ("--help", ""),
     ("completion bash", "not available in"), ("tool 'list", "unclosed quo"), ("statsu", "status?"),
     ("opsera-step status", "Remove opsera-step"), (";", "")],
)  # fmt: skip
def test_what_is_no_command_for_a_job(text, said):
    """What only a person at a terminal needs, and what is no command at all, is refused."""
    assert command_words(text) == []
    assert said in hint("command", text)


def test_words_in_a_sentence():
    """Lists have a serial comma."""
    assert [listed("ab"), listed("abc"), listed(["a"])] == ["a or b", "a, b, or c", "a"]
    assert "cleanup" in COMMANDS


NEARLY = st.text("0123456789.:/@[]%#-+ \\\x00abhkmgsauto", max_size=24)
ODD = st.one_of(
    st.text(max_size=40),
    NEARLY,
    NEARLY.map("https://{}".format),
    NEARLY.map("http://[{}".format),
    st.text(max_size=20).map("https://{}.example".format),
    st.text(max_size=20).map("https://x.example/{}".format),
    st.integers(1, 5000).map(lambda length: "9" * length),
    st.sampled_from(["9" * 400 + "g", "nan", "-inf", "\ud800", "https://[", "0x", "1e400"]),
)


@given(st.dictionaries(st.sampled_from(sorted(BY_NAME)), ODD, max_size=6))
def test_arbitrary_text_is_valid_or_reported(values):
    """Whatever is in the inputs, they are typed or reported, and the token is not shown."""
    given_ = {name: Setting(value, "x") for name, value in values.items()}
    typed, problems = parse({"token": Setting(TOKEN, "x"), **given_})
    assert set(typed) == set(BY_NAME)
    token = given_["token"].value.strip() if "token" in given_ else TOKEN
    assert len(token) < 8 or token not in "".join(problems.values())


@given(ODD)
def test_a_normal_address_stays_as_it_is(value):
    """To normalize twice is to normalize once."""
    with contextlib.suppress(ValueError):
        once = parse_base_url(value)
        assert parse_base_url(once) == once
        assert once.isascii() and not set(once) & set(" @?#\\")
