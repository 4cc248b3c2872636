"""The examples: who decides on an approval, and what they do with untrusted text."""

from __future__ import annotations

import yaml

from tests.support import ROOT, component

EXAMPLES = ROOT / "examples"


def test_github():
    """The job that approves waits for the reviewers of its environment, and checks the run."""
    jobs = yaml.safe_load((EXAMPLES / "github/approval.yml").read_text("utf-8"))["jobs"]
    approve, watch = (step["with"] for step in jobs["approve"]["steps"])
    assert jobs["approve"]["environment"] == "production"
    assert jobs["approve"]["needs"] == ["release"]
    assert (approve["command"], watch["command"]) == ("approve --yes", "watch")
    number = "${{ needs.release.outputs.run }}"
    assert approve["run_count"] == watch["run_count"] == number
    assert jobs["release"]["outputs"]["run"] == "${{ steps.opsera.outputs.runCount }}"


def test_gitlab():
    """The job that approves is a manual one for a protected environment; others wait for it."""
    example = yaml.safe_load((EXAMPLES / "gitlab/approval.yml").read_text("utf-8"))
    included = [one["inputs"] for one in example["include"]]
    commands = {one["job_name"]: one.get("command", "run") for one in included}
    assert commands == {"release": "run", "approve": "approve --yes", "finish": "watch"}
    assert [one["stage"] for one in included] == example["stages"]
    # Both are about the run of the job "release", and not about the latest one.
    assert [one.get("run_count") for one in included] == [None, *["$OPSERA_RUN_COUNT"] * 2]
    inherits = {"dependencies": ["release"]}
    assert example["finish"] == inherits
    approve = {**inherits, "environment": "production", "when": "manual", "allow_failure": False}
    assert example["approve"] == approve
    assert example["release"] == {"allow_failure": {"exit_codes": [8]}}
    # GitLab accepts the inputs.
    assert [list(component.jobs(one)) for one in included] == [[name] for name in commands]


def test_jenkins():
    """The prompt comes before the approval, and only some users may answer it."""
    text = (EXAMPLES / "jenkins/approval.Jenkinsfile").read_text("utf-8")
    parts = ["opseraRun pipeline", "input message: ", "'approve --yes'", "command: 'watch'"]
    places = [text.index(part) for part in parts]
    assert places == sorted(places)
    assert "submitter: 'release-managers'" in text
    assert text.count("run_count: runCount") == 2


def test_untrusted_text_in_jenkins():
    """Jenkins may show a description as HTML: none is set without taking out what makes HTML."""
    files = [*EXAMPLES.glob("jenkins/*"), *ROOT.glob("jenkins/**/*.groovy"), ROOT / "README.md"]
    texts = [one.read_text("utf-8") for one in files]
    lines = [line for text in texts for line in text.splitlines() if "description =" in line]
    assert len(lines) >= 1
    assert all(line.endswith(".replaceAll('[<>&]', ' ')") for line in lines)
