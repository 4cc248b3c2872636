"""GitLab: the component and the examples under gitlab-ci-local, in containers."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.oracles import gitlab_log
from tests.platforms.containers import SECONDS, until
from tests.platforms.engines import component_image
from tests.platforms.running import ROOT, run

HELPER = "localhost/opsera-step-gitlab:platforms"
"""The image for copying files, and for jobs without an image."""
EXAMPLES = ROOT / "examples/gitlab"
TWICE = """\
include:
  - component: $CI_SERVER_FQDN/$CI_PROJECT_PATH/run@$CI_COMMIT_SHA
    inputs:
      job_name: first
      stage: test
      pipeline: 65a4f00dc0ffee0123456789
  - component: $CI_SERVER_FQDN/$CI_PROJECT_PATH/run@$CI_COMMIT_SHA
    inputs:
      job_name: second
      stage: test
      pipeline: Deploy search
      wait: false
stages: [test, check]
outputs:
  stage: check
  needs: [first]
  script:
    - test "$OPSERA_STATUS" = success
    - test "$OPSERA_PIPELINE_NAME" = Deploy%20shop
    - test -s opsera-report/result.json
outputs-of-second:
  stage: check
  needs: [second]
  script:
    - test "$OPSERA_STATUS" = running
"""
WRAPPED = """\
include:
  - component: $CI_SERVER_FQDN/platform/opsera/deploy@0.1.0
    inputs:
      pipeline: 65a4f00dc0ffee0123456789
stages: [deploy]
"""


@pytest.fixture(scope="session")
def helper(facts, tmp_path_factory, containers):
    """The image for jobs without one; ours gets the name that the component uses."""
    directory = tmp_path_factory.mktemp("helper")
    install = "apt-get update -qq && apt-get install -qq --no-install-recommends rsync git"
    (directory / "Dockerfile").write_text(f"FROM {facts['base']}\nRUN {install}\n")
    known = run([facts["docker"], "image", "inspect", HELPER], 30).ok
    assert known or run([facts["docker"], "build", "--tag", HELPER, directory], 170).ok
    assert run([facts["docker"], "tag", facts["image"], component_image()], 30).ok
    return HELPER


def repository(root, name):
    """Make a directory a project on a self-managed GitLab."""
    for words in (
        ["init", "-q", "-b", "main"],
        ["remote", "add", "origin", f"git@gitlab.internal:{name}.git"],
        ["add", "-A"],
        ["commit", "-q", "--allow-empty", "-m", "first"],
        ["tag", "0.1.0"],
    ):
        who = ("-c", "user.name=User", "-c", "user.email=user@example.com")
        assert run(["git", *who, *words], 20, cwd=root).ok
    return root


@pytest.fixture
def project(tmp_path):
    """The project of the component."""
    root = tmp_path / "opsera-step"
    shutil.copytree(ROOT / "gitlab", root)
    return repository(root, "opsera-step/opsera-step")


@pytest.fixture
def user(project, tmp_path, publish):
    """A user's project on the same GitLab."""
    publish(project, "opsera-step/opsera-step")
    (tmp_path / "shop").mkdir()
    return repository(tmp_path / "shop", "shop/shop")


@pytest.fixture
def publish(tmp_path, monkeypatch):
    """Puts a project on the GitLab from which components are included."""
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", f"url.file://{tmp_path}/gitlab/.insteadOf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "ssh://git@gitlab.internal:22/")

    def add(root, name):
        there = tmp_path / f"gitlab/{name}.git"
        assert run(["git", "clone", "-q", "--bare", root, there], 20).ok

    return add


@pytest.fixture
def command(facts, helper, tmp_path):
    """Returns the command that runs a pipeline."""

    def make(*arguments, simulator=None):
        # The address is an input; a variable of this name must not send the token elsewhere.
        elsewhere = {
            "OPSERA_BASE_URL": "http://127.0.0.1:1",
            "INPUT_BASE_URL": "http://127.0.0.1:1",
        }
        values = {"OPSERA_TOKEN": simulator.token, **elsewhere} if simulator else {}
        variables = [word for name in values for word in ("--variable", f"{name}={values[name]}")]
        network = ("--network", "host") if facts["engine"] == "docker" else ()
        return [
            f"{facts['npm']}/gitlab-ci-local", "--container-executable", facts["docker"],
            "--pull-policy", "if-not-present", "--helper-image", helper,
            # gitlab-ci-local sets it to false.
            "--variable", "GITLAB_CI=true",
            "--default-image", helper, "--shell-executor-no-image=false",
            "--home", tmp_path / "home", "--no-color",
            *network, *variables, *arguments,
        ]  # fmt: skip

    return make


def against(simulator, text):
    """Add the simulator's address to the inputs of each component."""
    inputs = re.compile(r"^    inputs:\n", re.MULTILINE)
    assert inputs.search(text)
    return inputs.sub(f"    inputs:\n      base_url: {simulator.url}\n", text)


def test_the_components_own_tests(command, project):
    """The component's .gitlab-ci.yml passes: success, failure, and the outputs of both."""
    done = run(command(), 170, cwd=project)
    assert done.ok, done
    for job in ("run-succeeds", "run-fails", "outputs-of-success", "outputs-of-failure"):
        assert f"{job} " in done.output


def test_included_twice(command, project, simulate):
    """Two jobs with different inputs in one pipeline keep their outputs apart."""
    simulator = simulate("two")
    (project / ".gitlab-ci.yml").write_text(against(simulator, TWICE))
    done = run(command(simulator=simulator), 170, cwd=project)
    assert done.ok, done
    assert simulator.count("run") == 2
    text = "".join(line.partition(" > ")[2] for line in done.output.splitlines(keepends=True))
    assert gitlab_log.parse(text.encode()).balanced


def test_wrapped_by_a_component(command, user, simulate, tmp_path, publish):
    """The component of an organization fixes inputs, as the README shows."""
    readme = (
        (ROOT / "gitlab/README.md").read_text("utf-8").partition("\n## A component for your")[2]
    )
    template = re.search(r"```yaml\n(.*?)```", readme, re.DOTALL)[1]
    simulator = simulate("success")
    (tmp_path / "opsera/templates").mkdir(parents=True)
    text = template.replace("https://app.opsera.io", simulator.url)
    assert text != template
    (tmp_path / "opsera/templates/deploy.yml").write_text(text)
    publish(repository(tmp_path / "opsera", "platform/opsera"), "platform/opsera")
    (user / ".gitlab-ci.yml").write_text(WRAPPED)
    done = run(command(simulator=simulator), 170, cwd=user)
    assert done.ok, done
    assert "Run 42" in done.output


@pytest.mark.parametrize(
    ("name", "scenario", "expected"),
    [
        ("simple.yml", "success", "Run 42 ended with success"),
        ("deploy-after-build.yml", "success", "Run 42 ended with success"),
        ("matrix.yml", "two", "search is deployed too"),
        ("approval.yml", "pause", "Approved run 42"),
        ("rerun.yml", "busy", "succeeded"),
    ],
)
def test_examples_succeed(command, user, simulate, name, scenario, expected):
    """Each example succeeds as it is."""
    simulator = simulate(scenario)
    text = against(simulator, (EXAMPLES / name).read_text("utf-8"))
    (user / ".gitlab-ci.yml").write_text(text)
    manual = ("--manual", "approve") if "when: manual" in text else ()
    done = run(command(*manual, simulator=simulator), 170, cwd=user)
    assert done.ok, done
    assert expected in done.output, done


@pytest.mark.parametrize(
    ("name", "scenario", "expected"),
    [
        ("simple.yml", "pause", "PAUSED"),
        ("deploy-after-build.yml", "failure", "Run 42 ended with failed Unit%20tests"),
    ],
)
def test_the_pipeline_fails_with_opseras(command, user, simulate, name, scenario, expected):
    """A failed or paused run fails the job, and later jobs get the outputs."""
    simulator = simulate(scenario)
    (user / ".gitlab-ci.yml").write_text(against(simulator, (EXAMPLES / name).read_text("utf-8")))
    done = run(command(simulator=simulator), 170, cwd=user)
    assert done.code != 0, done
    assert expected.lower() in done.output.lower(), done


def test_after_script_stops_what_a_killed_job_left(command, user, simulate, facts):
    """If the job's process is killed, after_script stops its run."""
    simulator = simulate("slow", speed=1.0)
    example = (EXAMPLES / "simple.yml").read_text("utf-8")
    (user / ".gitlab-ci.yml").write_text(against(simulator, example))
    process = subprocess.Popen(
        [str(word) for word in command("deploy", simulator=simulator)], cwd=user,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    until(lambda: simulator.count("logs") > 1, SECONDS)
    ours = run(["ps", "-eo", "pid=,args="], 20).output.splitlines()
    for line in ours:
        # The job's own process in the container, seen from the host.
        number, _, words = line.strip().partition(" ")
        if words.endswith("-Iu /opt/opsera-step/entrypoint.py") and _belongs(number, simulator):
            run(["kill", "-KILL", number], 20)
    output, _ = process.communicate(timeout=SECONDS)
    assert simulator.count("stop") == 1, output


def test_a_missing_empty_entrypoint_would_be_noticed(command, project, simulate, request):
    """Without `entrypoint: [""]` the script doesn't run, and these tests fail."""
    simulator = simulate("failure")
    template = project / "templates/run.yml"
    text = template.read_text("utf-8")
    assert '    entrypoint: [""]\n' in text
    template.write_text(text.replace('    entrypoint: [""]\n', ""), "utf-8")
    assert run(["git", "-c", "user.name=U", "-c", "user.email=u@example.com",
                "commit", "-qam", "Without it"], 20, cwd=project).ok  # fmt: skip
    assert run(["git", "tag", "-f", "0.1.0"], 20, cwd=project).ok
    user = request.getfixturevalue("user")
    example = (EXAMPLES / "deploy-after-build.yml").read_text("utf-8")
    (user / ".gitlab-ci.yml").write_text(against(simulator, example))
    done = run(command(simulator=simulator), 170, cwd=user)
    assert "Run 42 ended with failed" not in done.output, done


def test_every_example_is_run():
    """These tests run all examples."""
    source = (ROOT / "tests/platforms/test_gitlab.py").read_text("utf-8")
    assert [one.name for one in EXAMPLES.iterdir() if f'"{one.name}"' not in source] == []


def _belongs(number, simulator):
    """Whether a process is a job against this simulator."""
    environ = Path(f"/proc/{number}/environ")
    return environ.exists() and simulator.url.encode() in environ.read_bytes()
