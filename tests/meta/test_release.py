"""What the release workflow takes from the project's files, and what it writes into them."""

from __future__ import annotations

import importlib.util
import re
import shutil

import pytest
import yaml

from opsera_step import __version__
from tests.support import ROOT

DIGEST = "ghcr.io/opsera-step/opsera-step@sha256:" + "a1" * 32
FILES = (
    "CHANGELOG.md", "action.yml", "gitlab/templates/run.yml", "jenkins/vars/opseraRun.groovy",
    "opsera_step/__init__.py",
)  # fmt: skip


@pytest.fixture(scope="module")
def release():
    """The script that the workflow calls."""
    spec = importlib.util.spec_from_file_location("release", ROOT / ".github/release.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def project(tmp_path):
    """A copy of the files that it checks, with a date in the changelog."""
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    path = tmp_path / "CHANGELOG.md"
    dated = re.sub(rf"## \[?{re.escape(__version__)}\]?.*", f"## {__version__} – 2026-11-24",
                   path.read_text("utf-8"))  # fmt: skip
    path.write_text(dated, "utf-8")
    return tmp_path


def test_a_release_that_agrees_passes(release, project):
    """Package, component and changelog of one version: nothing is refused."""
    release.check(__version__, project)


@pytest.mark.parametrize("version", ["v1.0.0", "1.0", "latest", "1.0.0;id"])
def test_only_semantic_versions(release, project, version):
    """The catalog and the tags take semantic versions only."""
    with pytest.raises(release.Refused, match="no semantic version"):
        release.check(version, project)


@pytest.mark.parametrize(("name", "old", "new"), [
    ("opsera_step/__init__.py", __version__, "9.9.9"),
    ("gitlab/templates/run.yml", f":{__version__}\n", ":9.9.9\n"),
    ("jenkins/vars/opseraRun.groovy", f":{__version__}'", ":9.9.9'"),
    ("CHANGELOG.md", f"## {__version__}", "## 9.9.9"),
    ("CHANGELOG.md", "2026-11-24", "unreleased"),
])  # fmt: skip
def test_a_file_of_another_version_is_refused(release, project, name, old, new):
    """A version that is missing in one of the files, or has no date, is not released."""
    path = project / name
    path.write_text(path.read_text("utf-8").replace(old, new), "utf-8")
    with pytest.raises(release.Refused, match=re.escape(name)):
        release.check(__version__, project)


def test_the_notes_are_the_changelogs(release, project):
    """The notes of a release are its section of the changelog, and no other."""
    notes = release.notes(__version__, project)
    assert "### Added" in notes
    assert "## " not in notes.replace("### ", "")


def test_the_action_names_the_digest(release, project):
    """The action of a release runs the published image by its digest, all else unchanged."""
    before = yaml.safe_load((project / "action.yml").read_text("utf-8"))
    release.pin(DIGEST, project)
    after = yaml.safe_load((project / "action.yml").read_text("utf-8"))
    assert before["runs"].pop("image") == "Dockerfile"
    assert after["runs"].pop("image") == f"docker://{DIGEST}"
    assert after == before


def test_the_component_names_the_digest(release, project):
    """GitLab's component of a release runs the image by its digest, beside the version."""
    path = project / "gitlab/templates/run.yml"
    before = path.read_text("utf-8")
    release.pin(DIGEST, project)
    pinned = f"/opsera-step:{__version__}@{DIGEST.partition('@')[2]}\n"
    assert path.read_text("utf-8") == before.replace(f"/opsera-step:{__version__}\n", pinned)
    image = yaml.safe_load(path.read_text("utf-8").split("\n---\n")[0])["spec"]["inputs"]["image"]
    assert re.search(image["regex"], image["default"])


def test_the_library_names_the_digest(release, project):
    """Jenkins' library of a release runs the image by its digest, beside the version."""
    path = project / "jenkins/vars/opseraRun.groovy"
    before = path.read_text("utf-8")
    release.pin(DIGEST, project)
    pinned = f"/opsera-step:{__version__}@{DIGEST.partition('@')[2]}'"
    assert path.read_text("utf-8") == before.replace(f"/opsera-step:{__version__}'", pinned)


@pytest.mark.parametrize("image", ["ghcr.io/x/y:1", "y@sha256:abc", f"{DIGEST}; id"])
def test_nothing_but_a_digest(release, project, image):
    """A name that can move is not written into the action."""
    with pytest.raises(release.Refused, match="no digest"):
        release.pin(image, project)


def test_the_changelog_is_of_this_version():
    """The latest version in the changelog is the package's."""
    path = ROOT / "CHANGELOG.md"
    assert path.exists(), "there is no CHANGELOG.md"
    versions = re.findall(r"^## \[?(\d+\.\d+\.\d+[^\]\s]*)", path.read_text("utf-8"), re.MULTILINE)
    assert versions, "CHANGELOG.md has no heading like `## [1.2.3]`"
    assert versions[0] == __version__


HELPERS = {"setup-qemu": "image", "setup-buildx": "driver-opts"}
"""Actions that pull an image of their own, and the input that names it."""


def steps_that_may_sign():
    """Return the steps of all jobs that get an identity, with the variables of their jobs."""
    for path in sorted((ROOT / ".github/workflows").glob("*.yml")):
        for job in yaml.safe_load(path.read_text("utf-8"))["jobs"].values():
            if (job.get("permissions") or {}).get("id-token") == "write":
                yield from ((step, job.get("env", {})) for step in job["steps"])


def test_what_may_sign_is_pinned():
    """No tag that someone moves changes what runs in a job that can sign as the project."""
    named = []
    for step, variables in steps_that_may_sign():
        action, options = step.get("uses", ""), step.get("with", {})
        assert not action or re.search(r"@[0-9a-f]{40}$", action), action
        images = [options.get(key, "") for name, key in HELPERS.items() if name in action]
        images += [options["sbom"]] if "sbom" in options else []
        for image in images:
            name = re.search(r"@\$\{\{ env\.(\w+) \}\}$", image)
            assert name and re.fullmatch(r"sha256:[0-9a-f]{64}", variables[name[1]]), image
        named += images
    assert len(named) == 3
