"""Something that builds and runs containers: Docker where it answers, else Podman on its own.

Podman gets configuration, storage and images in a folder of ours, so nothing of the machine's own
is used or changed. All containers share the machine's network, for there the simulator listens.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.platforms.machine import debian_mirror, find, need
from tests.platforms.running import ROOT, Missing, Result, insist, run

BASE = "docker.io/library/python:3.13-slim"
IMAGE = "localhost/opsera-step:platforms"
_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"

# crun, Podman's own choice, asks for control groups that a container has not.
_STORAGE = """\
[storage]
driver = "overlay"
graphroot = "{folder}/storage"
runroot = "{folder}/run"
"""
_CONTAINERS = """\
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
netns = "host"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""


@dataclass(frozen=True)
class Engine:
    """A program that takes Docker's commands, ready to be used."""

    name: str
    program: str
    version: str
    folder: Path

    def __call__(self, *arguments: object, seconds: float = 60) -> Result:
        """Run one of its commands."""
        return run([self.program, *arguments], seconds)

    def prepare_base(self) -> str:
        """See to it that the base image is there; tell which it is."""
        if not self("image", "inspect", BASE).ok:
            pulled = self("pull", "--quiet", BASE, seconds=180)
            if not pulled.ok:
                if self.name != "podman":
                    raise Missing(f"{BASE} can't be pulled:\n{pulled.tail}")
                _stand_in(self)
        labels = self("image", "inspect", "--format", "{{json .Config.Labels}}", BASE).output
        return "a stand-in made of Debian packages" if "stand-in" in labels else "as published"

    def build(self, tag: str, context: Path, *options: object, dockerfile: str = "") -> None:
        """Build an image; Missing when a package index can't be reached from in there."""
        file = ("--file", context / dockerfile) if dockerfile else ()
        done = self("build", "--tag", tag, *file, *options, context, seconds=240)
        if not done.ok:
            if any(word in done.output for word in ("NewConnectionError", "name resolution")):
                raise Missing(f"no package index can be reached in a container:\n{done.tail}")
            raise AssertionError(f"{tag} can't be built\n{done!r}")


def start(folder: Path) -> Engine:
    """Find the engine of this machine and prepare its use."""
    wanted = os.environ.get("OPSERA_STEP_PLATFORMS_ENGINE", "")
    docker = None if wanted == "podman" else find("docker")
    if docker and run([docker, "info"], 20).ok:
        version = run([docker, "version", "--format", "{{.Server.Version}}"], 20).output.strip()
        return Engine("docker", _shim(folder, docker, docker=True), version, folder)
    if os.geteuid() != 0:
        raise Missing("no Docker engine answers, and Podman is set up here for root only")
    podman = need("podman")
    need("runc")
    os.environ["CONTAINERS_STORAGE_CONF"] = str(folder / "storage.conf")
    os.environ["CONTAINERS_CONF"] = str(folder / "containers.conf")
    (folder / "storage.conf").write_text(_STORAGE.format(folder=folder))
    (folder / "containers.conf").write_text(_CONTAINERS)
    insist([podman, "info"], 60, "start Podman")
    version = run([podman, "--version"], 20).output.split()[-1]
    return Engine("podman", _shim(folder, podman, docker=False), version, folder)


def checkout(folder: Path) -> Path:
    """Copy what a checkout of this state has, with the modes of the strictest user."""
    copy = folder / "checkout"
    shutil.rmtree(copy, ignore_errors=True)
    git = [need("git"), "-c", "safe.directory=*", "ls-files", "-z", "-co", "--exclude-standard"]
    names = insist(git, 30, "list the files of this checkout").output
    for name in filter(None, names.split("\0")):
        source, target = ROOT / name, copy / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            shutil.copyfile(source, target)
            target.chmod(0o700 if os.access(source, os.X_OK) else 0o600)
    # act asks which commit it runs.
    who = ("-c", "user.name=Platforms", "-c", "user.email=platforms@localhost")
    for command in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "All"]):
        insist([need("git"), *who, *command], 30, "make a repository of it", cwd=copy)
    return copy


def _shim(folder: Path, program: str, *, docker: bool) -> str:
    """Write a `docker` for the front of PATH, whose containers share the machine's network."""
    path = folder / "bin" / "docker"
    path.parent.mkdir(exist_ok=True)
    host = '[ "$1" != run ] || { shift; set -- run --network host "$@"; }\n' if docker else ""
    path.write_text(f'#!/bin/sh\n{host}exec {program} "$@"\n')
    path.chmod(0o755)
    return str(path)


def _stand_in(engine: Engine) -> None:
    """Make an image of the base's name out of Debian's packages, where no registry is reached."""
    archive = engine.folder / "base.tar"
    options = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("man", "locale", "doc")]
    options += [
        '--customize-hook=rm -f "$1"/usr/lib/python3.*/EXTERNALLY-MANAGED',
        '--customize-hook=ln -sf python3 "$1"/usr/bin/python',
    ]
    if Path(_CERTIFICATES).exists():  # A network that signs anew is trusted in there as out here.
        options.append(f"--customize-hook=copy-in {_CERTIFICATES} {Path(_CERTIFICATES).parent}")
    packages = "--include=python3,python3-pip,python3-venv,ca-certificates"
    source = f"deb {debian_mirror()} trixie main"
    command = [need("mmdebstrap"), "--variant=minbase", packages, *options, "trixie", archive]
    insist([*command, source], 300, "make a stand-in for the base image")
    changes = [f"ENV PIP_CERT={_CERTIFICATES}", 'CMD ["python3"]', "LABEL opsera-step=stand-in"]
    flags = [word for change in changes for word in ("--change", change)]
    try:
        insist([engine.program, "import", *flags, archive, BASE], 120, "import the stand-in")
    finally:
        archive.unlink()
