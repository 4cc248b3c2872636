"""GitHub: the actions and the examples under act, and GitHub's parser."""

from __future__ import annotations

import fcntl
import re
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from scripts import package
from tests.oracles import github_files
from tests.platforms.containers import inputs, until
from tests.platforms.running import ROOT, run


@pytest.fixture(scope="session")
def socket(facts, tmp_path_factory):
    """The address at which act reaches the engine."""
    if facts["docker_host"]:
        yield facts["docker_host"]
        return
    address = f"unix://{tmp_path_factory.mktemp('podman')}/podman.sock"
    command = [facts["docker"], "system", "service", "--time=0", address]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as service:
        until(Path(address.removeprefix("unix://")).exists)
        yield address
        service.terminate()


@pytest.fixture
def act(facts, socket, tmp_path):
    """Runs a workflow of a repository with this checkout's action."""

    def play(event, *options, repository=facts["checkout"], seconds=280):
        command = [
            facts["act"], event, "--platform", f"ubuntu-latest={facts['base']}", "--pull=false",
            "--container-daemon-socket", "-", "--network", "host", "--rm",
            "--action-offline-mode", "--cache-server-path", tmp_path / "cache", *options,
        ]  # fmt: skip
        env = {"DOCKER_HOST": socket, "XDG_CACHE_HOME": str(tmp_path), "HOME": str(tmp_path)}
        return run(command, seconds, cwd=repository, env=env)

    return play


def test_the_self_test(act, facts):
    """`uses: ./`: outcomes, outputs for later steps and jobs, and the report."""
    options = ["--workflows", ".github/workflows/self-test.yml"]
    if facts["builds_have_network"] != "yes":
        # act uses the image that was built from the same checkout.
        assert run([facts["docker"], "tag", facts["image"], "act-dockeraction:latest"], 30).ok
        options += ["--rebuild=false"]
    done = act("workflow_dispatch", *options)
    assert done.ok, done
    assert done.output.count("Job succeeded") == 2


EXAMPLES = ROOT / "examples/github"
WORKFLOW = ROOT / ".github/workflows/run.yml"
USES = re.compile(r"uses: (opsera-step/opsera-step)[\w./]*(@[\w.]+)")


@pytest.fixture
def repository(tmp_path, facts):
    """A user's repository, and next to it the action of a release, which names the image."""
    action, user = tmp_path / "action", tmp_path / "user"
    (user / ".github/workflows").mkdir(parents=True)
    (action / ".github/workflows").mkdir(parents=True)
    shutil.copy(WORKFLOW, action / ".github/workflows")
    text = (ROOT / "action.yml").read_text("utf-8")
    released = re.sub(
        r"^  image: .*$", f"  image: docker://{facts['image']}", text, flags=re.MULTILINE
    )
    (action / "action.yml").write_text(released, "utf-8")
    for command in (["init", "-q", "-b", "main"], ["commit", "-q", "--allow-empty", "-m", "first"]):
        who = ("-c", "user.name=User", "-c", "user.email=user@example.com")
        assert run(["git", *who, *command], 20, cwd=user).ok
    return user


@contextmanager
def alone(lock):
    """Hold a lock: act names containers and volumes after workflow and job."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.fixture
def example(act, repository, facts):
    """Runs an example without changes, against a simulator."""

    def play(name, simulator, event="push"):
        shutil.copy(EXAMPLES / name, repository / ".github/workflows")
        used = USES.findall((EXAMPLES / name).read_text("utf-8") + WORKFLOW.read_text("utf-8"))
        local = [f"{owner}{ref}={repository.parent / 'action'}" for owner, ref in set(used)]
        with alone(Path(facts["directory"], f"{name}.lock")):
            return act(
                event, *(word for one in local for word in ("--local-repository", one)),
                "--secret", f"OPSERA_TOKEN={simulator.token}",
                "--env", f"OPSERA_BASE_URL={simulator.url}", repository=repository,
            )  # fmt: skip

    return play


@pytest.mark.parametrize(
    ("name", "scenario", "event", "expected"),
    [
        ("simple.yml", "success", "push", "success - "),
        ("deploy-after-build.yml", "success", "push", "Run 42: success  http"),
        ("matrix.yml", "two", "push", "All pipelines succeeded."),
        ("approval.yml", "pause", "workflow_dispatch", "Approved run 42"),
        ("rerun.yml", "busy", "push", "succeeded"),
        ("organization.yml", "success", "push", "Deployed by run 42 http"),
    ],
)
def test_examples_succeed(example, simulate, name, scenario, event, expected):
    """Each example succeeds as it is."""
    simulator = simulate(scenario)
    done = example(name, simulator, event)
    assert done.ok, done
    assert expected in done.output, done
    assert simulator.count("run") == (2 if scenario == "two" else 1)


@pytest.mark.parametrize(
    ("name", "scenario", "expected"),
    [
        ("simple.yml", "pause", "paused - "),
        ("deploy-after-build.yml", "failure", "Run 42: failed Unit tests http"),
    ],
)
def test_the_job_fails_with_its_pipeline(example, simulate, name, scenario, expected):
    """A failed or paused run fails the job, and steps with always() get the outputs."""
    done = example(name, simulate(scenario))
    assert done.code == 1, done
    assert expected in done.output, done
    assert "Job failed" in done.output


NATIVE = """\
on: push
jobs:
  native:
    runs-on: ubuntu-latest
    steps:
      - id: opsera
        continue-on-error: true
        uses: opsera-step/opsera-step/native@0123456789abcdef0123456789abcdef01234567
        with:
          base_url: ${{ env.OPSERA_BASE_URL }}
          token: ${{ secrets.OPSERA_TOKEN }}
          pipeline: Deploy shop
          report_dir: report
      - env:
          RESULT: ${{ steps.opsera.outputs.status }} ${{ steps.opsera.outputs.runCount }}
        run: |
          echo "native: $RESULT"
          test -s report/result.json
"""


@pytest.mark.parametrize(
    ("scenario", "released", "expected"),
    [
        ("success", True, "success 42"),
        ("failure", True, "failed 42"),
        ("success", False, "success 42"),
    ],
)
def test_the_native_action(act, repository, facts, simulate, scenario, released, expected):
    """From a release, which contains the single file, and from a plain checkout."""
    action = repository.parent / "action"
    shutil.copytree(Path(facts["checkout"]), action, dirs_exist_ok=True)
    if released:
        package.build(action / "native/opsera-step.pyz")
    (repository / ".github/workflows/native.yml").write_text(NATIVE, "utf-8")
    used = "opsera-step/opsera-step@0123456789abcdef0123456789abcdef01234567"
    simulator = simulate(scenario)
    with alone(Path(facts["directory"], "native.lock")):
        done = act(
            "push", "--local-repository", f"{used}={action}",
            "--secret", f"OPSERA_TOKEN={simulator.token}",
            "--env", f"OPSERA_BASE_URL={simulator.url}", repository=repository,
        )  # fmt: skip
    assert done.ok, done
    assert f"native: {expected}" in done.output, done
    assert simulator.count("run") == 1


def test_the_post_step_stops_what_a_killed_job_left(containers, simulate, tmp_path):
    """The post step gets the state of the killed main step, and stops the run.

    NOTE: act can't be killed at a chosen moment and keep its state, so both containers are started
    here as GitHub's runner starts them.
    """
    simulator = simulate("slow", speed=1.0)
    files = {}
    for name in ("GITHUB_OUTPUT", "GITHUB_STATE", "GITHUB_STEP_SUMMARY"):
        (tmp_path / name).touch()
        files[name] = f"/github/file_commands/{name}"
    mount = ("--volume", f"{tmp_path}:/github/file_commands", "--env", "GITHUB_ACTIONS=true")
    given = {f"INPUT_{name[7:]}": value for name, value in inputs(simulator).items()}
    job = containers.start(options=mount, **files, **given)
    until(lambda: simulator.count("logs") > 1)
    job.signal("KILL")
    job.wait(20)
    saved = github_files.state((tmp_path / "GITHUB_STATE").read_bytes()).values
    state = {f"STATE_{name}": value for name, value in saved.items()}
    manifest = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
    post = ("--entrypoint", manifest["runs"]["post-entrypoint"])
    done = containers.run(options=(*mount, *post), **files, **given, **state)
    assert (done.code, simulator.count("stop")) == (0, 1), done


def test_githubs_own_parser(facts, tmp_path):
    """GitHub's language service finds no error in actions, workflows, and examples."""
    directory = tmp_path / "validate"
    directory.mkdir()
    shutil.copy(ROOT / "tests/platforms/github/validate.mjs", directory)
    (directory / "node_modules").symlink_to(Path(facts["npm"]).parent)
    bundle = [
        f"{facts['npm']}/esbuild", "validate.mjs", "--bundle", "--platform=node", "--format=cjs",
        "--log-level=error", "--outfile=validate.cjs",
    ]  # fmt: skip
    assert run(bundle, 60, cwd=directory).ok
    workflows = [*ROOT.glob(".github/workflows/*.yml"), *EXAMPLES.glob("*.yml")]
    files = [ROOT / "action.yml", ROOT / "native/action.yml", *sorted(workflows)]
    broken = directory / "broken.yml"
    broken.write_text(
        "on: push\njobs: {a: {runs-on: x, steps: [{run: 'echo ${{ nothing.x }}'}]}}\n"
    )
    check = ["node", directory / "validate.cjs", ROOT / "action.yml"]
    assert not run([*check, broken], 60).ok, "it accepts anything"
    done = run([*check, *files], 60)
    assert done.ok, done


def test_every_example_is_run():
    """These tests run all examples."""
    source = Path(__file__).read_text("utf-8")
    assert [one.name for one in EXAMPLES.iterdir() if f'"{one.name}"' not in source] == []
