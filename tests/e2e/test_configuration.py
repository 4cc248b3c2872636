"""What the checkout, other programs, and earlier jobs may not do to the configuration of a job."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import threading

import pytest

from tests.oracles import github_files
from tests.support import ROOT, long_after
from tests.support.jobs import Files
from tests.support.shell import run_here
from tests.support.standin import PIPELINE, Opsera

FAST = {"poll_interval": "0.2", "timeout": "30s"}
OTHER = PIPELINE.replace("9", "0")


def github(tmp_path):
    """The files of a job on GitHub, in a workspace of its own."""
    (tmp_path / "workspace").mkdir()
    for name in ("github_output", "github_state", "github_step_summary"):
        (tmp_path / "workspace" / name).touch()
    return Files(tmp_path / "workspace", "github")


def run(opsera, files, *arguments, environ=None, **inputs):
    """Run a job in a workspace."""
    place = {"GITHUB_WORKSPACE": str(files.directory), "CI": "true"}
    environ = {**place, **(environ or {})}
    given = {**FAST, **inputs}
    return run_here(opsera, files, arguments=arguments, environ=environ, **given)


def hostile(attacker, outside) -> dict[str, str]:
    """What a pull request may put into a config file, each to take something over."""
    return {
        "command": "command: tool update x --set url=https://evil.example --yes\n",
        "base_url": f"base_url: {attacker}\n",
        "portal_url": f"portal_url: {attacker}\n",
        "ca_bundle": "ca_bundle: evil.pem\n",
        "output_file": f"output_file: {outside}\n",
        "report_dir": f"report_dir: {outside.parent}\n",
        "token_file": "token_file: /proc/self/environ\n",
        "token": "token: an-attackers-token\n",
        "pipeline": f"pipeline: {OTHER}\n",
        "parameters": "parameters: Build.IMAGE=evil\n",
        "wait": "wait: false\n",
        "timeout": "timeout: 0\n",
        "alias": f"pipelines: {{shop: {{pipeline: {PIPELINE}, base_url: '{attacker}'}}}}\n",
    }


KEYS = sorted(hostile("http://127.0.0.1:1", ROOT))


@pytest.mark.parametrize("key", KEYS)
def test_a_file_that_the_job_does_not_name_changes_nothing(tmp_path, key):
    """The run is the one that the job asks for, and a warning names the file."""
    files, outside = github(tmp_path), tmp_path / "outside.env"
    with Opsera() as opsera, Opsera() as attacker:
        (files.directory / ".opsera.yml").write_text(hostile(attacker.url, outside)[key])
        # Only a job that waits shows that the file's `wait: false` is not read.
        done = run(opsera, files, wait="true" if key == "wait" else "false")
        assert attacker.requests == []
        assert opsera.count("run") == 1
    assert done.code == 0, done.log
    assert ("built" in done.log) == (key == "wait")
    assert "'.opsera.yml' is not read" in done.log
    assert not outside.exists()


@pytest.mark.parametrize("key", KEYS)
def test_a_named_file_of_the_checkout_can_not_take_over(tmp_path, key):
    """The job ends with 2 before its first request, with a remedy."""
    files, outside = github(tmp_path), tmp_path / "outside.env"
    with Opsera() as opsera, Opsera() as attacker:
        (files.directory / "ci.yml").write_text(hostile(attacker.url, outside)[key])
        done = run(opsera, files, config="ci.yml", pipeline="shop" if key == "alias" else PIPELINE)
        assert opsera.requests == attacker.requests == []
    assert done.code == 2, done.log
    assert "ci.yml, line 1" in done.log
    assert "base_url" in done.log if key == "alias" else key in done.log
    assert not outside.exists()
    outputs = github_files.outputs(files.text("github_output").encode()).values
    assert outputs["status"] == "error"


def test_a_named_file_of_the_checkout_sets_what_it_may(tmp_path):
    """Aliases with their own defaults, and the inputs of the list."""
    files = github(tmp_path)
    text = f"logs: none\npipelines: {{shop: {{pipeline: {PIPELINE}, timeout: 20s}}}}\n"
    (files.directory / "ci.yml").write_text(text)
    with Opsera([(0, "failed")]) as opsera:
        done = run(opsera, files, config="ci.yml", pipeline="shop", timeout=None)
        assert opsera.count("run") == 1
    assert (done.code, "compiling" in done.log) == (1, False)


def test_a_link_in_the_checkout_shows_nothing_of_its_target(tmp_path):
    """Neither keys nor values of another YAML file get into the log."""
    files = github(tmp_path)
    (tmp_path / "secrets.yml").write_text("hunter2: hunter3\nnested: {hunter4: hunter5}\n")
    for name in ("ci.yml", ".opsera.yml"):
        (files.directory / name).symlink_to(tmp_path / "secrets.yml")
    with Opsera() as opsera:
        done = run(opsera, files, config="ci.yml")
        assert opsera.requests == []
    assert done.code == 2
    assert "hunter" not in done.log + done.errors + files.text("github_output")


@pytest.mark.parametrize("name", long_after(1, ["ca_bundle", "token_file", "config"]))
def test_a_named_pipe_does_not_hang(tmp_path, name):
    """A pipe without a writer ends in an error within seconds, whatever names it."""
    files = github(tmp_path)
    os.mkfifo(files.directory / "pipe")
    with Opsera() as opsera:
        inputs = {name: "pipe", **({"token": None} if name == "token_file" else {})}
        done = run(opsera, files, **inputs)
    assert done.code == 2
    assert done.seconds < 20
    assert name.replace("_file", "") in done.log.lower() and "pipe" in done.log


def test_a_token_can_come_from_a_process_substitution(tmp_path):
    """As in `--token-file <(vault read …)`, which is a pipe."""
    with Opsera() as opsera:
        token = f"<(sleep 0.3; echo {opsera.token})"
        command = f'exec "$0" -I "$1" status {PIPELINE} --token-file {token}'
        done = subprocess.run(
            ["bash", "-c", command, sys.executable, str(ROOT / "entrypoint.py")], cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "OPSERA_BASE_URL": opsera.url}, check=False,
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_a_rejected_token_is_named(tmp_path):
    """The message contains the variable that the token came from."""
    with Opsera() as opsera:
        done = run(opsera, github(tmp_path), token="another-token")
    assert done.code == 4
    assert "token from OPSERA_TOKEN" in done.log


@pytest.mark.parametrize(
    ("arguments", "inputs"),
    [((), {"on_paused": "maybe"}), ((), {"report_dir": "."}), ((), {"command": "flly"}),
     ((), {"command": "logs --tail x"}), (("run", "--nope"), {}), (("rnu",), {}),
     (("logs", "--tail", "x"), {})],
)  # fmt: skip
def test_the_outputs_of_refused_inputs_use_the_file_of_a_trusted_config(
    tmp_path, arguments, inputs
):
    """A stale output file of an earlier job must not be taken for this one's."""
    files = Files(tmp_path / "workspace")
    files.directory.mkdir()
    (files.directory / "mine.env").write_text("OPSERA_STATUS=success\n")
    (tmp_path / "trusted.yml").write_text("output_file: mine.env\n")
    with Opsera() as opsera:
        trusted = {"config": str(tmp_path / "trusted.yml"), "output_file": None}
        place = {"WORKSPACE": str(files.directory), "OPSERA_OUTPUT_FILE": ""}
        done = run_here(opsera, files, arguments=arguments, environ=place, **{**inputs, **trusted})
    assert done.code == 2
    assert "OPSERA_STATUS=error" in files.text("mine.env")


# --- A person on a terminal -----------------------------------------------------------------------


def on_a_terminal(directory, *arguments: str, **environ: str) -> tuple[int, str]:
    """Type a command on a terminal, and return its exit code and what it shows."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-I", str(ROOT / "entrypoint.py"), *arguments],
        cwd=directory, stdin=theirs, stdout=theirs, stderr=theirs,
        env={"PATH": os.defpath, "TERM": "dumb", **environ},
    )  # fmt: skip
    os.close(theirs)
    killer = threading.Timer(40, process.kill)
    killer.start()
    shown = b""
    try:
        while part := os.read(ours, 4096):
            shown += part
    except OSError:
        pass  # The other end was closed: it is over.
    finally:
        killer.cancel()
        os.close(ours)
    return process.wait(10), " ".join(shown.decode().split())


def test_a_person_gets_the_default_file(tmp_path):
    """On a terminal, and not in a CI job with a pseudo-terminal."""
    (tmp_path / ".opsera.yml").write_text(f"pipelines: {{shop: {PIPELINE}}}\n")
    with Opsera() as opsera:
        environ = {"OPSERA_TOKEN": opsera.token, "OPSERA_BASE_URL": opsera.url}
        code, shown = on_a_terminal(tmp_path, "status", "shop", **environ)
        assert (code, opsera.count("pipelines")) == (0, 0), shown
        code, shown = on_a_terminal(tmp_path, "status", "shop", CI="true", **environ)
        assert code != 0 and "'.opsera.yml' is not read" in shown
    (tmp_path / ".opsera.yml").write_text("base_url: http://127.0.0.1:1\n")
    code, shown = on_a_terminal(tmp_path, "status", PIPELINE, OPSERA_TOKEN="s3cret-token")
    assert code == 2 and "base_url can't be set in a file of the checkout" in shown


def test_a_persons_own_file_is_trusted(tmp_path):
    """~/.config/opsera-step.yml may name the address; in a CI job it is not read."""
    (tmp_path / ".config").mkdir()
    with Opsera() as opsera:
        (tmp_path / ".config/opsera-step.yml").write_text(f"base_url: {opsera.url}\n")
        # No proxy there: without that file it would be the usual address.
        proxy = {"HTTPS_PROXY": "http://127.0.0.1:1"}
        environ = {"OPSERA_TOKEN": opsera.token, "HOME": str(tmp_path), **proxy}
        code, shown = on_a_terminal(tmp_path, "status", PIPELINE, **environ)
        assert code == 0, shown
        count = len(opsera.requests)
        code, _ = on_a_terminal(tmp_path, "status", PIPELINE, "--timeout=1s", CI="1", **environ)
        assert (code != 0, len(opsera.requests)) == (True, count)
