"""What a release takes from the files of the project, and what it writes into them.

    release.py check VERSION     the version is the package's, and the changelog has it, with a date
    release.py notes VERSION     print what the changelog says about it
    release.py pin IMAGE         name a published image by its digest, in action.yml instead of the
                                 Dockerfile, and beside the version in GitLab's component and in
                                 Jenkins' library

Needs Python and nothing else.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
IMAGE = re.compile(r"[\w.:/-]+@sha256:[0-9a-f]{64}")
"""A name alone could be given to another image; a digest can't."""
_IN_ACTION = re.compile(r"^  image: \S+$", re.MULTILINE)
_IN_COMPONENT = re.compile(r"^(      default: [\w./-]+/opsera-step:[\w.-]+)$", re.MULTILINE)
_IN_LIBRARY = re.compile(r"^(        image: .*'[\w./-]+/opsera-step:[\w.-]+)(?=',$)", re.MULTILINE)


class Refused(Exception):
    """The reason why this can't be released."""


def check(version: str, root: Path = ROOT) -> None:
    """Check that package, changelog, component, and library have one version."""
    if not re.fullmatch(r"\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?", version):
        raise Refused(f"{version} is no semantic version")
    package = (root / "opsera_step/__init__.py").read_text("utf-8")
    if f'__version__ = "{version}"' not in package:
        raise Refused(f"opsera_step/__init__.py has another version than {version}")
    component = (root / "gitlab/templates/run.yml").read_text("utf-8")
    if f"/opsera-step:{version}\n" not in component:
        raise Refused(f"gitlab/templates/run.yml takes another image than that of {version}")
    library = (root / "jenkins/vars/opseraRun.groovy").read_text("utf-8")
    if f"/opsera-step:{version}'" not in library:
        raise Refused(f"jenkins/vars/opseraRun.groovy takes another image than that of {version}")
    heading, _ = _section(version, root)
    if not re.search(r"\d{4}-\d{2}-\d{2}$", heading):
        raise Refused(f"CHANGELOG.md has no date for {version}: “{heading}”")


def notes(version: str, root: Path = ROOT) -> str:
    """Return the changelog's section of a version."""
    return _section(version, root)[1]


def pin(image: str, root: Path = ROOT) -> None:
    """Write an image with its digest into the action, the component, and the library."""
    if not IMAGE.fullmatch(image):
        raise Refused(f"{image} has no digest")
    digest = image.partition("@")[2]
    for name, pattern, replacement in (
        ("action.yml", _IN_ACTION, f"  image: docker://{image}"),
        ("gitlab/templates/run.yml", _IN_COMPONENT, rf"\1@{digest}"),
        ("jenkins/vars/opseraRun.groovy", _IN_LIBRARY, rf"\1@{digest}"),
    ):
        path = root / name
        text, count = pattern.subn(replacement, path.read_text("utf-8"))
        if count != 1:
            raise Refused(f"{name} has not exactly one image")
        path.write_text(text, "utf-8")


def _section(version: str, root: Path) -> tuple[str, str]:
    """Return the heading of a version in the changelog, and the text below it."""
    text = (root / "CHANGELOG.md").read_text("utf-8")
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        heading, _, body = section.partition("\n")
        if heading.split()[0].strip("[]") == version:
            if not body.strip():
                raise Refused(f"CHANGELOG.md says nothing about {version}")
            return heading.strip(), body.strip()
    raise Refused(f"CHANGELOG.md has no section for {version}")


def main(arguments: list[str]) -> int:
    """Run the command."""
    try:
        match arguments:
            case ["check", version]:
                check(version)
            case ["notes", version]:
                print(notes(version))
            case ["pin", image]:
                pin(image)
            case _:
                print(__doc__, file=sys.stderr)
                return 2
    except Refused as refused:
        print(f"No release: {refused}.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
