"""The first config file: what is written passes parser and schema, and nothing is overwritten."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import jsonschema
import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from opsera_step import __version__, cli
from opsera_step.config import (
    ConfigFile,
    Setting,
    alias_of,
    first_config,
    is_alias,
    problem_of,
    read_settings,
)
from opsera_step.simulator import Simulator
from tests.support import ROOT

ID = "65a4f00dc0ffee0123456789"
SCHEMA = json.loads((ROOT / "opsera_step/schemas/opsera.schema.json").read_text("utf-8"))
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzY29wZSI6ImFwaSJ9.c2lnbmF0dXJl"


@pytest.fixture(autouse=True)
def directory(tmp_path, monkeypatch):
    """A separate directory, without this machine's inputs."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("OPSERA_", "INPUT_"))]:
        monkeypatch.delenv(name)
    return tmp_path


def read(text: str) -> ConfigFile:
    """Read a file of the checkout, where it has to be valid."""
    Path("x.yml").write_text(text, "utf-8")
    (config,) = read_settings({}, {"config": Setting("x.yml", "--config")}).files
    assert config.problems == ()
    jsonschema.validate(yaml.safe_load(text), SCHEMA)
    return config


def test_the_template_is_a_good_file():
    """Without a pipeline it has defaults only, and names its schema in the first line."""
    text = first_config(__version__)
    config = read(text)
    assert (set(config.defaults), config.pipelines, config.tools) == ({"timeout"}, {}, {})
    assert text.splitlines()[0] == f"# yaml-language-server: $schema={SCHEMA['$id']}"


@pytest.mark.parametrize("text", [first_config("1"), first_config("1", "shop", ID, "Deploy shop")])
def test_what_is_commented_out_is_good_too(text):
    """Who takes the comment signs away before the examples gets a good file."""
    live = re.sub(r"^( *)# ((?:  )*(?:[a-z_]+:.*))$", r"\1\2", text, flags=re.MULTILINE)
    config = read(live.replace("yaml-language-server", "# yaml-language-server"))
    assert config.pipelines["release"]["on_paused"].value == "wait"
    assert "shop" in config.pipelines and set(config.tools) == {"jenkins"}


@given(
    st.text(st.characters(codec="utf-8"), min_size=1).filter(lambda name: name.strip())
    | st.sampled_from(["null", "yes", "0123", "1e3", ID]),
    st.text(st.characters(codec="utf-8")),
)  # fmt: skip
def test_any_pipeline_can_be_named(pipeline, name):
    """Whatever a pipeline is called, its alias stands for just that."""
    assume(not problem_of("pipeline", Setting(pipeline, "--pipeline")))
    alias = alias_of(name)
    assert is_alias(alias)
    config = read(first_config("1", alias, pipeline, name))
    assert config.pipelines[alias]["pipeline"].value == pipeline.strip()


@pytest.mark.parametrize(
    ("name", "alias"),
    [("  Über/Größe 2 ", "ber-gr-e-2"), ("日本", "shop"), (ID, "shop"), ("x" * 90, "x" * 40)],
)  # fmt: skip
def test_aliases_are_made_of_names(name, alias):
    """Lowercase words with hyphens; an ID can't be an alias, because it would be ambiguous."""
    assert alias_of(name) == alias


def test_it_prints_the_next_commands(directory, capsys):
    """The next two commands are printed, with the alias."""
    assert cli.main(["init", "--pipeline", ID, "--alias", "shop"]) == 0
    assert capsys.readouterr().out == (
        "Wrote .opsera.yml. Next:\n\n  opsera-step doctor shop\n  opsera-step run shop\n"
    )
    config = read((directory / ".opsera.yml").read_text("utf-8"))
    assert config.pipelines["shop"]["pipeline"].value == ID


def test_nothing_is_overwritten_without_force(directory, capsys):
    """An existing file stays as it is, and all problems are reported at once."""
    (directory / ".opsera.yml").write_text("timeout: 5m\n")
    assert cli.main(["init", "--alias", "a b"]) == 2
    shown = capsys.readouterr().err
    assert "already exists. Use --force to overwrite it" in shown and "'a b' for --alias" in shown
    assert (directory / ".opsera.yml").read_text() == "timeout: 5m\n"
    assert cli.main(["init", "--force"]) == 0
    assert "yaml-language-server" in (directory / ".opsera.yml").read_text("utf-8")


def test_no_link_is_followed_out_of_the_directory(directory, tmp_path_factory, capsys):
    """A link in a checkout must not overwrite a file elsewhere, with and without --force."""
    outside = tmp_path_factory.mktemp("home") / "profile"
    outside.write_text("precious")
    (directory / ".opsera.yml").symlink_to(outside)
    assert cli.main(["init", "--force"]) == 2
    assert "outside of the workspace" in capsys.readouterr().err
    assert outside.read_text() == "precious"
    outside.unlink()
    assert cli.main(["init"]) == 2
    assert not outside.exists()


@pytest.mark.parametrize(
    ("typed", "expected"),
    [(["--alias", ID], f"Invalid value '{ID}' for --alias. It looks like a pipeline ID"),
     (["--alias", "Shop X"], "Invalid value 'Shop X' for --alias. Use letters, digits, and . _ -."),
     (["--alias", "shop", "--pipeline", ""], "--alias needs a pipeline"),
     (["--pipeline", TOKEN], "Invalid value for pipeline (from --pipeline).")],
    ids=["an ID", "a blank", "for nothing", "a token"],
)  # fmt: skip
def test_what_has_no_place_in_the_file(directory, capsys, typed, expected):
    """An alias that hides a pipeline or stands for nothing, and a token, are not written."""
    assert cli.main(["init", "--pipeline", ID, *typed]) == 2
    captured = capsys.readouterr()
    assert expected in captured.err and TOKEN not in captured.err + captured.out
    assert not (directory / ".opsera.yml").exists()


@pytest.mark.parametrize(
    ("pipeline", "alias", "expected"),
    [(ID, "deploy-shop", ""),
     ("nosuch", "nosuch", "Warning: No pipeline is named “nosuch”. Use its exact name"),
     ("deploy shop", "deploy-shop", "Did you mean “Deploy shop”? Names are case-sensitive."),
     (ID[::-1], "shop", f"not found (HTTP 404: Pipeline {ID[::-1]} was")],
)  # fmt: skip
def test_with_a_token_the_pipeline_is_looked_for(
    directory, capsys, monkeypatch, pipeline, alias, expected
):
    """An unknown pipeline is a warning, because it may be created later; an ID gets its name."""
    with Simulator("success") as simulator:
        monkeypatch.setenv("OPSERA_TOKEN", simulator.token)
        monkeypatch.setenv("OPSERA_BASE_URL", simulator.url)
        assert cli.main(["init", "--pipeline", pipeline]) == 0
    captured = capsys.readouterr()
    assert (expected in captured.err) if expected else captured.err == ""
    text = (directory / ".opsera.yml").read_text("utf-8")
    assert read(text).pipelines[alias]["pipeline"].value == pipeline
    assert ("  # Deploy shop\n" in text) == (pipeline == ID)


@pytest.mark.parametrize(
    ("address", "expected"),
    [("http://127.0.0.1:1", "Can't connect to 127.0.0.1:1 (connection refused)."),
     ("app.opsera.io", "Invalid value 'app.opsera.io' for base_url (from OPSERA_BASE_URL).")],
)  # fmt: skip
def test_a_pipeline_that_cannot_be_looked_for(directory, capsys, monkeypatch, address, expected):
    """Without a response, the file is written anyway; no other URL is tried."""
    monkeypatch.setenv("OPSERA_TOKEN", "s3cret-s3cret")
    monkeypatch.setenv("OPSERA_BASE_URL", address)
    assert cli.main(["init", "--pipeline", "Deploy shop"]) == 0
    error = capsys.readouterr().err
    assert error.startswith("Could not look up the pipeline: ") and expected in error
    assert "s3cret" not in error
    assert "deploy-shop" in read((directory / ".opsera.yml").read_text("utf-8")).pipelines


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_the_file_belongs_to_the_owner_of_the_directory(directory, capsys):
    """A container runs as root in the directory of a user, whose umask is not its own."""
    os.chown(directory, 1001, 1001)
    old = os.umask(0o077)
    try:
        assert cli.main(["init"]) == 0
    finally:
        os.umask(old)
    info = (directory / ".opsera.yml").stat()
    assert (info.st_uid, info.st_mode & 0o777) == (1001, 0o644)


def test_the_home_directory_is_expanded(directory, monkeypatch, capsys):
    """Most shells leave the ~ in `--config=~/x`."""
    monkeypatch.setenv("HOME", str(directory / "home"))
    (directory / "home").mkdir()
    assert cli.main(["init", "--config=~/mine.yml"]) == 0
    assert "yaml-language-server" in (directory / "home/mine.yml").read_text("utf-8")
    assert not (directory / "~").exists()
