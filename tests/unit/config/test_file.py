"""The config file: aliases, defaults, and everything that can be wrong with it."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from opsera_step.config import TABLE, Setting
from opsera_step.config.file import Config, parse_config

ID = "65a4f00dc0ffee0123456789"
SECRET = "eyJhbGciOi.s3cret.hunter2"
ODD = "there is a character that YAML does not take"
SOME = {"run_count": "7"}
"""A value of each input that has no default and does not take every text."""
BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{','.join(['*' + old] * 9)}]\n"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


def read(text: str) -> tuple[Config, list[str]]:
    """Parse a text and return what was found and what is wrong."""
    faults: list[str] = []
    return parse_config(text, ".opsera.yml", faults), faults


def good(text: str) -> Config:
    config, faults = read(text)
    assert faults == []
    return config


def bad(text: str) -> list[str]:
    _, faults = read(text)
    assert faults
    return faults


def values(layer: dict[str, Setting]) -> dict[str, str]:
    return {name: one.value for name, one in layer.items()}


@pytest.mark.parametrize(
    "text", ["", "\n", "# all quiet\n", "---\n", "~", "null", "{}", "pipelines:\n", "pipelines: {}"]
)
def test_an_empty_file_says_nothing(text):
    """A file without content is fine, and so is an empty section."""
    assert good(text) == Config()


def test_defaults_and_aliases():
    """An alias brings its pipeline and its own defaults, which go before those of the file."""
    config = good(f"""
timeout: 30m
logs: all
pipelines:
  shop: {ID}
  release:
    pipeline: Release train
    timeout: 4h
""")
    assert values(config.layer("anything")) == {"timeout": "30m", "logs": "all"}
    assert values(config.layer("shop")) == {"timeout": "30m", "logs": "all", "pipeline": ID}
    assert values(config.layer("release")) == {
        "timeout": "4h", "logs": "all", "pipeline": "Release train",
    }  # fmt: skip


def test_where_a_value_comes_from_is_known():
    """Each value knows its line."""
    layer = good("timeout: 1h\npipelines: {shop: {pipeline: x,\n logs: all}}").layer("shop")
    origins = {name: one.source for name, one in layer.items()}
    assert origins == {
        "timeout": ".opsera.yml, line 1",
        "pipeline": ".opsera.yml, line 2",
        "logs": ".opsera.yml, line 3",
    }


@pytest.mark.parametrize(
    ("written", "value"),
    [("1h", "1h"), ("90", "90"), ("010", "010"), ("1:30", "1:30"), ("1_000", "1_000"),
     ("1.10", "1.10"),
     ("0x1F", "0x1F"), ("2026-13-45", "2026-13-45"), ("on", "on"), ("True", "True"),
     ("'  x '", "x"),
     ("012345670123456701234567", "012345670123456701234567"), ("1e3", "1e3"), (".inf", ".inf"),
     ("!!int foo", "foo"), ("!!python/object:os.system rm", "rm"), ("!!binary aGk=", "aGk="),
     ("9" * 5000, "9" * 5000), ("|\n  a\n  b", "a\nb"), ('"\\u00fc"', "ü"), ("!!timestamp x", "x")],
)  # fmt: skip
def test_values_are_the_text_that_stands_there(written, value):
    """No octal numbers, dates or times are made of an ID, a name or a duration."""
    assert values(good(f"pipeline: {written}").defaults) == {"pipeline": value}


@pytest.mark.parametrize("written", ["", "~", "null", "NULL", "''", "' '"])
def test_empty_values_are_unset(written):
    """What is empty counts as unset."""
    assert good(f"timeout: {written}").defaults == {}


def test_anchors_work():
    """A value can be repeated by YAML's own means."""
    assert values(good("timeout: &t 2h\npipelines: {a: {pipeline: x, timeout: *t}}").layer("a"))[
        "timeout"
    ] == "2h"  # fmt: skip


MERGED = f"""
x-slow: &slow
  timeout: 4h
  on_paused: wait
x-loud: &loud {{logs: all, timeout: 1h}}
<<: {{reset: auto, timeout: 9h}}
timeout: 30m
pipelines:
  a: &a
    <<: [*slow, *loud]
    pipeline: {ID}
  b:
    <<: *a
    timeout: 2h
  <<: {{c: {{<<: *a, pipeline: Other}}, b: hidden}}
tools:
  t: {{<<: {{timeout: 5m}}, tool: x}}
"""


def test_merge_keys_work():
    """Own keys go before merged ones, the first mapping of a list before the next, at any depth."""
    config = good(MERGED)
    assert values(config.defaults) == {"reset": "auto", "timeout": "30m"}
    slow = {"on_paused": "wait", "logs": "all"}
    assert values(config.aliases["a"]) == {"pipeline": ID, "timeout": "4h", **slow}
    assert values(config.aliases["b"]) == {"pipeline": ID, "timeout": "2h", **slow}
    assert values(config.aliases["c"]) == {"pipeline": "Other", "timeout": "4h", **slow}
    assert values(config.tools["t"]) == {"tool": "x", "timeout": "5m"}


def test_what_is_merged_knows_where_it_stands():
    """A merged value tells the line of the mapping that it is from."""
    origins = {name: one.source for name, one in good(MERGED).aliases["b"].items()}
    assert origins == {
        "timeout": ".opsera.yml, line 14",
        "on_paused": ".opsera.yml, line 4",
        "logs": ".opsera.yml, line 5",
        "pipeline": ".opsera.yml, line 11",
    }


def test_a_merge_is_what_other_readers_make_of_it():
    """PyYAML's own reading of merge keys holds the same values in the same places."""
    data = yaml.safe_load(MERGED.replace(ID, f"'{ID}'"))
    config = good(MERGED)
    read_so = {one: values(layer) for one, layer in config.aliases.items()}
    assert read_so == {one: {**layer} for one, layer in data["pipelines"].items()}
    assert values(config.tools["t"]) == data["tools"]["t"]


def test_a_fault_of_what_is_merged_is_told_once():
    """It has one place, however many take it from there."""
    assert bad("""
x-base: &base
  timeout: soon
  colour: red
pipelines:
  a: &a {<<: *base, pipeline: x}
  b: {<<: *a}
  c: *a
""") == [
        (
            "pipelines.a.timeout: 'soon' (from .opsera.yml, line 3) won't do; it takes a duration: "
            "90, 90s, 45m or 2h30m; 0 for none."
        ),
        "pipelines.a.colour: there is no such input (in .opsera.yml, line 4).",
    ]


@pytest.mark.parametrize(
    "text",
    ["<<: x", "<<:", "<<: [{timeout: 1h}, x]", "'<<': {timeout: 1h}", "pipelines: {<<: x}",
     "pipelines: {a: {<<: Deploy shop}}", "pipelines: {a: &a {<<: *a, timeout: 1h}}",
     "pipelines: {a: {<<: {pipeline: x}, <<: {timeout: 1h}}}"],
)  # fmt: skip
def test_a_merge_key_without_mappings_is_refused(text):
    """A merge key that brings nothing, a second one and one of itself are told as what they are."""
    (fault,) = bad(text)
    assert fault.endswith(
        "<<: it takes other mappings, as in `<<: *base` or `<<: [*base, *more]`, and is there "
        "once (.opsera.yml, line 1)."
    )


def test_merges_do_not_go_off():
    """Merge keys that bring more and more have an end."""
    keys = ", ".join(f"k{number}: x" for number in range(500))
    text = f"x-a: &a {{{keys}}}\npipelines:\n" + "".join(
        f"  p{number}: {{<<: *a}}\n" for number in range(500)
    )
    (fault,) = bad(text)
    assert fault.endswith("(line 203, column 10): merge keys bring more than 100000 entries.")


def test_keys_for_anchors_are_not_read():
    """What begins with x- says nothing, whatever it holds; anything else of the kind is told."""
    assert good("x-: 1\nx-timeout: soon\nx-a: {<<: x, b: [c]}\nx-token:") == Config()
    told = "Inputs stand at the top of the file; a key that only holds anchors begins with `x-`."
    for key in ("defaults", ".slow", "X-slow"):
        assert bad(f"{key}: {{timeout: 1h}}") == [
            f"{key}: there is no such input (in .opsera.yml, line 1). {told}"
        ]
    assert "there is no such input" in bad("pipelines: {a: {pipeline: x, x-b: c}}")[0]


@pytest.mark.parametrize(
    ("group", "key"), [("pipelines", "pipeline"), ("tools", "tool")], ids=["pipelines", "tools"]
)
def test_names_that_are_no_aliases(group, key):
    """An alias like an ID would hide what has that ID; an empty one could never be named."""
    config, faults = read(f"""
{group}:
  good: x
  {ID}: x
  {ID.upper()}: {{{key}: x}}
  '': x
  ' ': x
  'a ': x
""")
    assert list(config.tools if key == "tool" else config.aliases) == ["good"]
    hides = f"as an alias it would hide the {key} that has this ID"
    blank = "an alias is a name, without blanks around it"
    assert faults == [
        f"{group}.{ID}: {hides} (.opsera.yml, line 4).",
        f"{group}.{ID.upper()}: {hides} (.opsera.yml, line 5).",
        f"{group}.'': {blank} (.opsera.yml, line 6).",
        f"{group}.' ': {blank} (.opsera.yml, line 7).",
        f"{group}.'a ': {blank} (.opsera.yml, line 8).",
    ]


def test_aliases_below_the_wrong_key():
    """Who names pipelines below `pipeline` is told of `pipelines`."""
    assert bad(f"pipeline: {{shop: {ID}}}")[0].endswith(
        "an exact name; aliases stand below `pipelines` (.opsera.yml, line 1)."
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [("timeout: 0x10", "16"), ("timeout: 0o17", "15"), ("timeout: 1e3", "1000"),
     ("timeout: +90", "90"), ("timeout: 90.0", "90"), ("run_count: 3.0", "3"), ("wait: 1.0", "1"),
     ("wait: -0", "0"), ("log_limit: 1.5e3", "1500"), ("poll_interval: 5e-1", "0.5"),
     ("timeout: 010", "010"), ("timeout: 5.", "5")],
)  # fmt: skip
def test_numbers_of_yaml_are_taken(text, value):
    """What YAML 1.2 reads as a number, and an editor with it, is that number where one is taken."""
    name = text.partition(":")[0]
    assert values(good(text).defaults) == {name: value}


@pytest.mark.parametrize(
    "text",
    ["timeout: '0x10'", "timeout: 1_000", "timeout: 1.5", "run_count: 1e30", "timeout: 1e999",
     "timeout: .inf", "timeout: .nan", "timeout: 0x", "timeout: 0x_1", "timeout: 0o9",
     f"timeout: 0x{'f' * 9000}", "run_count: 0x0", "wait: 2.0"],
    ids=lambda text: text[:20],
)  # fmt: skip
def test_other_numbers_are_refused(text):
    """A text in quotes, a fraction, and what is too large are no numbers that would do."""
    assert len(bad(text)) == 1


@pytest.mark.parametrize(
    "one", [one for one in TABLE if one.option and one.name != "config"], ids=lambda one: one.name
)
def test_every_input_can_have_a_default(one):
    """Each input but the token and the file itself can stand in the file, and in an alias."""
    value = one.default or SOME.get(one.name, "value")
    assert values(good(f"{one.name}: {value}").defaults) == {one.name: value}
    if one.name != "pipeline":
        alias = good(f"pipelines: {{a: {{pipeline: x, {one.name}: {value}}}}}").aliases["a"]
        assert values(alias) == {"pipeline": "x", one.name: value}


@pytest.mark.parametrize("host", ["evil.example", "opsera.io.evil.example", "evilopsera.io"])
def test_the_file_can_send_the_token_nowhere_else(host):
    """Whoever can change the file must not be able to name the host that gets the token."""
    for text in (
        f"base_url: https://{host}",
        f"pipelines: {{a: {{pipeline: x, base_url: https://{host}}}}}",
    ):
        assert "set OPSERA_BASE_URL" in bad(text)[0]


@pytest.mark.parametrize("address", ["https://acme.opsera.io", "http://127.0.0.1:8080"])
def test_the_file_can_name_a_tenant_of_opsera(address):
    """Opsera's own hosts and this machine may stand in the file."""
    assert values(good(f"base_url: {address}").defaults) == {"base_url": address}


def test_a_token_is_refused_and_not_shown():
    """A secret has no place in the repository, and none in the log."""
    for key, text in (
        ("token", f"token: {SECRET}"),
        ("pipelines.a.token", f"pipelines: {{a: {{pipeline: x, token: {SECRET}}}}}"),
        ("tools.a.token", f"tools: {{a: {{tool: x, token: {SECRET}}}}}"),
    ):
        (fault,) = bad(text)
        assert fault.startswith(f"{key}: a secret has no place in a file")
        assert fault.endswith("(.opsera.yml, line 1).")
        assert "OPSERA_TOKEN" in fault and SECRET not in fault
    jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1cyJ9.c2lnbmF0dXJl"
    assert jwt not in bad(f"timeout: {jwt}")[0]
    assert "in the very file that it names" in bad("config: other.yml")[0]


@pytest.mark.parametrize(
    ("key", "guess"),
    [("timeuot", "timeout"), ("on-paused", "on_paused"), ("onBusy", ""), ("Timeout", "timeout"),
     ("pipline", "pipeline"), ("12", ""), ("true", "")],
)  # fmt: skip
def test_unknown_keys_bring_a_guess(key, guess):
    """A key that is no input is told, with the likely one."""
    fault = bad(f"{key}: x")[0]
    assert fault.startswith(f"{key}: there is no such input (in .opsera.yml, line 1)")
    assert not guess or fault.endswith(f" Did you mean {guess}?")


def test_all_faults_are_told_at_once_and_the_rest_is_read():
    """One fault hides neither the others nor what is good."""
    config, faults = read("""
timeout: 2h
tiemout: 3h
token: abc
logs: [console]
reset: {never: true}
pipelines:
  empty:
  other: {timeout: 1h}
  odd:
    pipeline: [x]
    colour: red
    timeout: soon
    on-paused: wait
  list: [x]
wait: perhaps
timeout: 3h
tools:
  scanner: {tool: Scanner, on_paused: wait, tol: x, timeout: 5s}
  nobody: {timeout: 1h}
""")
    assert values(config.layer("x")) == {"timeout": "2h"}
    assert values(config.tool_layer("scanner")) == {"timeout": "5s", "tool": "Scanner"}
    assert faults == [
        "tiemout: there is no such input (in .opsera.yml, line 3). Did you mean timeout?",
        (
            "token: a secret has no place in a file of the repository: set OPSERA_TOKEN "
            "(.opsera.yml, line 4)."
        ),
        "logs: it has to be a plain value; it takes console, all or none (.opsera.yml, line 5).",
        "reset: it has to be a plain value; it takes never, auto or always (.opsera.yml, line 6).",
        "pipelines.empty: it names no pipeline (.opsera.yml, line 8).",
        "pipelines.other: it names no pipeline (.opsera.yml, line 9).",
        (
            "pipelines.odd.pipeline: it has to be a plain value; it takes an ID (24 hex digits) or "
            "an exact name (.opsera.yml, line 11)."
        ),
        "pipelines.odd.colour: there is no such input (in .opsera.yml, line 12).",
        (
            "pipelines.odd.timeout: 'soon' (from .opsera.yml, line 13) won't do; it takes a "
            "duration: 90, 90s, 45m or 2h30m; 0 for none."
        ),
        (
            "pipelines.odd.on-paused: there is no such input (in .opsera.yml, line 14). Did you "
            "mean on_paused?"
        ),
        (
            "pipelines.list: it has to be an ID (24 hex digits) or an exact name, or a mapping "
            "with `pipeline:` (.opsera.yml, line 15)."
        ),
        "wait: 'perhaps' (from .opsera.yml, line 16) won't do; it takes true or false.",
        "timeout: it is in line 2 too (.opsera.yml, line 17).",
        "tools.scanner.on_paused: it means nothing for a tool (.opsera.yml, line 19).",
        "tools.scanner.tol: there is no such input (in .opsera.yml, line 19). Did you mean tool?",
        "tools.nobody: it names no tool (.opsera.yml, line 20).",
    ]


def test_aliases_of_tools():
    """A tool is named like a pipeline; what is not its alias is taken as it is."""
    config = good(f"""
timeout: 30m
tools:
  jenkins: {ID}
  scanner: {{tool: Code scanner, timeout: 5m}}
""")
    assert values(config.tool_layer("jenkins")) == {"timeout": "30m", "tool": ID}
    assert values(config.tool_layer("scanner")) == {"timeout": "5m", "tool": "Code scanner"}
    assert values(config.tool_layer("other")) == {"timeout": "30m"}
    assert config.aliases == {}


@pytest.mark.parametrize(
    "text",
    ["timeout: 1h\n\ntimeout: 2h", "pipelines: {a: x,\n\n a: y}", "tools: {}\n\ntools: {}",
     "pipelines: {a: {timeout: 1s,\n\n timeout: 1s, pipeline: x}}"],
)  # fmt: skip
def test_a_key_that_is_there_twice_is_refused(text):
    """Of two equal keys one would be lost without a word."""
    (fault,) = bad(text)
    assert "it is in line 1 too (.opsera.yml, line 3)." in fault


@pytest.mark.parametrize("text", ["? [a]\n: b", "? {a: b}\n: c", "&a [*a]: x"])
def test_a_key_that_is_no_text_is_refused(text):
    """A list or a mapping as a key is no input either."""
    assert bad(text) == ["?: there is no such input (in .opsera.yml, line 1)."]


@pytest.mark.parametrize("text", ["just words", "- a\n- b", "[]", "'x'", "5", "[[[]]]"])
def test_other_shapes_are_refused(text):
    """A file that is no mapping is told with an example."""
    assert bad(text) == ["config: .opsera.yml has to be a mapping, like `timeout: 2h`."]


@pytest.mark.parametrize("text", ["pipelines: x", "pipelines: [a]", "pipelines: 5"])
def test_other_shapes_of_aliases_are_refused(text):
    """Aliases have to be a mapping."""
    told = (
        "pipelines: it has to map aliases to pipelines, as in `shop: 65a4f00dc0ffee0123456789` "
        "below it (.opsera.yml, line 1)."
    )
    assert bad(text) == [told]
    assert bad(text.replace("pipeline", "tool")) == [told.replace("pipeline", "tool")]


@pytest.mark.parametrize(
    "text",
    ["a: b: c", "\t- x", "{", "[", "a: 'x", "*nobody", "a: @x", "%TAG", "--- a\n--- b",
     "a: \x00", "\x07", "a: !<", "a: |x", "a: \ud800", "[" * 600,
     "{a: " * 600, "- " * 600, '"\\q"'],
    ids=lambda text: repr(text[:12]),
)  # fmt: skip
def test_what_is_no_yaml_is_told(text):
    """Broken YAML, nesting without end and control characters are one fault of the file."""
    faults = bad(text)
    assert len(faults) == 1
    assert faults[0].startswith("config: .opsera.yml is no valid YAML")
    assert len(faults[0]) < 200


@pytest.mark.parametrize(
    ("text", "told"),
    [("timeout: 1h\nlogs: a\0ll", f"(line 2, column 8): {ODD} (U+0000)."),
     ("a: 1\r\nb: \x07", f"(line 2, column 4): {ODD} (U+0007)."),
     ("t\0i\0", f"(line 1, column 2): {ODD} (U+0000); a file in UTF-16 has to become UTF-8."),
     ("a:\n  " + "[" * 2000, "(line 2, column 102): it is nested more than 100 levels deep."),
     ("{a: " * 101, "(line 1, column 398): it is nested more than 100 levels deep.")],
    ids=["nul", "bell", "utf-16", "lists", "mappings"],
)  # fmt: skip
def test_characters_and_depths_are_told_with_their_place(text, told):
    """Also what is no fault of the grammar has a line, and a reason."""
    assert bad(text) == [f"config: .opsera.yml is no valid YAML {told}"]


def test_a_hundred_levels_are_read():
    """The bound is far from what anybody writes."""
    assert good(f"x-deep: {'[' * 99}{']' * 99}") == Config()


def test_the_place_of_a_fault_is_told_but_not_the_text():
    """Broken YAML is told by line and column; what stands there may be a secret."""
    fault = bad(f"timeout: 1h\ntoken: {SECRET}: x\n")[0]
    assert "(line 2, column" in fault
    assert SECRET not in fault and "hunter2" not in fault


def test_a_bomb_does_not_go_off():
    """Aliases that multiply without end cost nothing and are told as what they are."""
    faults = bad(BOMB)
    assert len(faults) == 9
    faults = bad(BOMB + "timeout: *i\npipelines: {x: *i}")
    assert any(fault.startswith("timeout: it has to be a plain value") for fault in faults)
    assert sum(map(len, faults)) < 5000


def test_a_value_that_holds_itself():
    """A recursive value is a fault, not an endless loop."""
    assert "plain value" in bad("timeout: &a [*a]")[0]
    assert bad("pipelines: &a {x: *a}")


LINES = st.lists(
    st.text("abtimeoutpipelines:-[]{}&*!?|>'\"#%@ ~1\n\t\x00\ud800é", max_size=12), max_size=8
).map("\n".join)


@settings(derandomize=True, deadline=None, max_examples=250)
@given(st.text() | LINES)
def test_arbitrary_text_is_read_or_told(text):
    """No text makes reading fail, and every value is a text with a known origin."""
    config, faults = read(text)
    assert all(isinstance(fault, str) for fault in faults)
    for layer in (config.defaults, *config.aliases.values()):
        for given_ in layer.values():
            assert given_.value.strip() and given_.source.startswith(".opsera.yml")
