"""YAML: what is read, what is refused, and what it may cost."""

from __future__ import annotations

import contextlib
import json
import re
import time

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from opsera_step.config.yaml import (
    MAX_BYTES,
    MAX_NODES,
    YamlError,
    read_yaml,
    read_yaml_data,
    write_yaml,
)

SECRET = "hunter2"


def refused(text: str) -> str:
    with pytest.raises(YamlError) as caught:
        read_yaml_data(text)
    assert SECRET not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("written", "value"),
    [("False", False), ("~", None), ("", None), ("-3", -3), ("1e3", 1000.0), ("on", "on"),
     ("010", "010"), ("1_000", "1_000"), ("1:30", "1:30"), ("2026-01-01", "2026-01-01"),
     (".inf", ".inf"), ("'12'", "12"), ("!!str 12", "12"), ("9" * 5000, "9" * 5000), ("=", "=")],
    ids=lambda one: repr(one)[:30],
)  # fmt: skip
def test_values_are_those_of_json(written, value):
    """Booleans of YAML 1.2 and numbers of JSON are read; anything else is text."""
    found = read_yaml_data(f"a: {written}\n")["a"]
    assert found == value and type(found) is type(value)


def test_values_keep_their_text_and_line():
    """What is written is kept beside what it means, and the place of each key."""
    node = read_yaml("a: 1.10\nb:\n  - c: ~\n")
    assert (node.value["a"].text, node.value["a"].line) == ("1.10", 1)
    (item,) = node.value["b"].value
    assert (item.line, item.value["c"].line, item.value["c"].column) == (3, 3, 5)
    assert item.value["c"].is_empty and not node.value["a"].is_empty
    assert read_yaml("") is None and read_yaml("# only a comment") is None


MERGED = """
a: &a {x: 1, y: 2}
b: &b {y: 3, z: 4}
own: {<<: *a, y: 9}
first: {<<: [*b, *a]}
nested: {<<: {<<: *a, y: 5}, z: 6}
"""


def test_merge_keys_are_those_of_pyyaml():
    """Own keys win, then the first source; the values are what PyYAML makes of them."""
    assert read_yaml_data(MERGED) == yaml.safe_load(MERGED)
    node = read_yaml(MERGED)
    assert {key: one.line for key, one in node.value["own"].value.items()} == {"x": 2, "y": 4}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"a: 1\nb: 2\na: {SECRET}", "line 3, column 1: duplicate key, first used in line 1"),
        (f"a: {{b: 1, b: {SECRET}}}", "line 1, column 11: duplicate key"),
        ("a: {<<: {b: 1}, <<: {c: 2}}", "duplicate key"),
        (f"<<: {SECRET}", "line 1, column 5: a merge key (<<) needs a mapping"),
        (f"a: !x {SECRET}", "line 1, column 4: tags (such as !name) are not supported"),
        ("a: !!set {x}", "tags"),
        ("a: !!python/object:os.system rm", "tags"),
        (f"a: !!int {SECRET}", "the value does not fit its tag"),
        (f"a: !{SECRET}!x 1", "tags"),
        (f"a: {SECRET}\n\tb: 1", "line 2, column 1: tabs can't be used for indentation"),
        (f"a: 1\n---\n{SECRET}: 2", "line 2, column 1: only one document is allowed"),
        (f"a: *{SECRET}", "line 1, column 4: an alias (*name) without its anchor"),
        (f"a: [{SECRET}", "line 1"),
        (f"a: {SECRET}: b", "line 1, column 11: mapping values are not allowed here"),
        (f"? [{SECRET}]\n: b", "line 1, column 3: a key must be plain text"),
        (f"a: {SECRET}\x00", "line 1: invalid character U+0000"),
        (f'a: "{SECRET}\\q"', "line 1"),
        (f"a: {SECRET}".encode("utf-16-le").decode("latin-1"), "invalid character U+0000"),
        ("a: 1e999", "line 1: JSON has no number that large"),
        ("&a {x: *a}", "nested too deeply"),
        ("[" * 3000, "nested too deeply"),
        ("a: " + "x" * MAX_BYTES, "larger than 256 KiB"),
        ("é" * (MAX_BYTES // 2 + 1), "larger than 256 KiB"),
        ("[" + "a," * MAX_NODES + "]", f"more than {MAX_NODES} values"),
    ],
    ids=lambda text: text[:25],
)  # fmt: skip
def test_what_is_refused(text, said):
    """The error says where and why, and quotes nothing of the text: it may be a secret."""
    assert said in refused(text)


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{','.join(['*' + old] * 9)}]\n"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
MERGE_BOMB = "k0: &k0 {a: 1}\n" + "".join(
    f"k{n}: &k{n} {{<<: [*k{n - 1}, *k{n - 1}], x{n}: 1}}\n" for n in range(1, 300)
)
WIDE = f"a: &a {{{', '.join(f'k{n}: 1' for n in range(400))}}}\n" + "".join(
    f"p{n}: {{<<: *a}}\n" for n in range(400)
)


@pytest.mark.parametrize("text", [BOMB, MERGE_BOMB, WIDE], ids=["aliases", "merges", "wide"])
def test_what_repeats_itself_has_an_end(text):
    """A few lines can't make more values than a file may have."""
    assert f"more than {MAX_NODES} values, counting what aliases repeat" in refused(text)


@pytest.mark.parametrize(
    "text",
    ["{" * 5000, "- " * 9000, "? " * 9000, "\n" * 200_000, "'" * 200_001,
     "a: |\n" + " x\n" * 60_000, "!!str " * 9000],
    ids=lambda text: text[:6],
)  # fmt: skip
def test_no_text_takes_long(text):
    """Whatever is wrong with a text of the largest size, it is found in seconds."""
    started = time.process_time()
    with contextlib.suppress(YamlError):
        read_yaml_data(text)
    assert time.process_time() - started < 20


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn"]), max_size=12)
LIKE_VALUES = [
    "1_000", "0o17", "0x1F", "1e3", "+1", "08", ".5", "-.5", ".inf", "-.INF", ".nan", "y", "N",
    "1:30", "2026-01-01", "null", "~", "on", "=", "<<", "::x", "##[x", "- a", "0b1", "1.", "1e+3",
]  # fmt: skip
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
    | st.sampled_from(LIKE_VALUES),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


@given(JSON, st.booleans())
def test_json_is_yaml(data, ascii_only):
    """Every JSON text is read as what it is, surrogates included."""
    text = json.dumps(data, ensure_ascii=ascii_only)
    assert read_yaml_data(text) == json.loads(text)


class Core(yaml.SafeLoader):
    """YAML 1.2's core schema, which has more numbers than JSON."""


Core.yaml_implicit_resolvers = {}
for kind, pattern in {
    "bool": "true|True|TRUE|false|False|FALSE",
    "null": "~|null|Null|NULL|",
    "int": "[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+",
    "float": r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|"
    r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
}.items():
    Core.add_implicit_resolver(f"tag:yaml.org,2002:{kind}", re.compile(rf"^(?:{pattern})$"), None)
Core.add_constructor("tag:yaml.org,2002:int", lambda _loader, node: int(node.value))
Core.add_constructor("tag:yaml.org,2002:float", lambda _loader, node: float(node.value))


@given(JSON, st.booleans())
def test_every_reader_reads_what_is_written(data, ascii_only):
    """Our reader, YAML 1.1 (PyYAML), and YAML 1.2's core schema read back what was written."""
    text = write_yaml({"a": data}, ascii_only=ascii_only)
    assert yaml.safe_load(text) == {"a": data}
    assert read_yaml_data(text) == {"a": data}
    assert yaml.load(text, Loader=Core) == {"a": data}


def test_texts_that_look_like_more_are_quoted():
    """No reader takes them for a number, a boolean, or a date."""
    for text in (*LIKE_VALUES, "true", "123", "-1.5", "Yes", "12:30:45", "0777"):
        written = write_yaml([text], ascii_only=True)
        assert written.strip()[2] in "'\"", written
