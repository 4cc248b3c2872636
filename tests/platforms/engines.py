"""The program that builds and runs containers.

A Docker engine that answers is used as it is. Otherwise, as root on Debian, Docker's packages of a
newer release are unpacked into our own directory and started from there; where that fails, Podman
is used. Nothing of the machine's own containers and images is used or changed. All containers share
the machine's network, where the simulator listens.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.platforms import machine
from tests.platforms.machine import debian_mirror, find, need
from tests.platforms.running import ROOT, Missing, Result, run, run_or_fail

BASE = "docker.io/library/python:3.13-slim"
IMAGE = "localhost/opsera-step:platforms"
_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"

_DEBIAN = "trixie"
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_DOCKER_PACKAGES = ("containerd", "docker.io", "docker-cli", "docker-buildx")
_NO_BRIDGE = ("--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false",
              "--ip-masq=false")  # fmt: skip

# crun, Podman's own choice, asks for control groups that a container does not have.
_STORAGE = """\
[storage]
driver = "overlay"
graphroot = "{directory}/storage"
runroot = "{directory}/run"
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
    directory: Path
    address: str = ""
    """Where Docker listens; empty for Podman."""
    daemon: subprocess.Popen[bytes] | None = None
    """Ours, which has to be stopped."""

    def __call__(self, *arguments: object, seconds: float = 60) -> Result:
        """Run one of its commands."""
        return run([self.program, *arguments], seconds)

    def prepare_base(self) -> str:
        """Make the base image available, and return its description."""
        if not self("image", "inspect", BASE).ok:
            own = self.daemon is not None or self.name == "podman"
            pulled = self("pull", "--quiet", BASE, seconds=180)
            if not pulled.ok:
                if not own:
                    raise Missing(f"{BASE} can't be pulled:\n{pulled.tail}")
                _stand_in(self)
        labels = self("image", "inspect", "--format", "{{json .Config.Labels}}", BASE).output
        return "a stand-in made of Debian packages" if "stand-in" in labels else "as published"

    def close(self) -> None:
        """Remove the containers that a test left behind, and stop what was started for it."""
        if self.name == "podman":
            self("rm", "--all", "--force", "--time", "0")
        elif self.daemon is None:
            self("rmi", component_image())
        if self.daemon is not None:
            left = self("ps", "--all", "--quiet").output.split()
            if left:
                self("rm", "--force", *left)
            self.daemon.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self.daemon.wait(20)
            with suppress(ProcessLookupError):
                os.killpg(self.daemon.pid, signal.SIGKILL)
        # What a service had mounted stays mounted when it is stopped, and could not be removed.
        mounts = (line.split()[1] for line in Path("/proc/mounts").read_text().splitlines())
        for mount in sorted(mounts, reverse=True):
            if mount.startswith(f"{self.directory}/"):
                run(["umount", "--lazy", mount], 20)

    def build(self, tag: str, context: Path, *options: object, dockerfile: str = "") -> None:
        """Build an image; Missing when a package index can't be reached from in there."""
        file = ("--file", context / dockerfile) if dockerfile else ()
        done = self("build", "--tag", tag, *file, *options, context, seconds=240)
        if not done.ok:
            if any(word in done.output for word in ("NewConnectionError", "name resolution")):
                raise Missing(f"no package index can be reached in a container:\n{done.tail}")
            raise AssertionError(f"{tag} can't be built\n{done!r}")


def start(directory: Path) -> Engine:
    """Find the engine of this machine, or start one."""
    wanted = os.environ.get("OPSERA_STEP_PLATFORMS_ENGINE", "")
    docker = None if wanted else find("docker")
    if docker and run([docker, "info"], 20).ok:
        address = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
        # Also for tests that set an environment of their own.
        client = {"DOCKER_HOST": address} if "DOCKER_HOST" in os.environ else {}
        program = _shim(directory, docker, client, on_host=("run",))
        return Engine("docker", program, _version(docker), directory, address)
    if os.geteuid() != 0:
        raise Missing("no Docker engine answers, and only root can start one here")
    if wanted != "podman":
        try:
            return _start_docker(directory)
        except Missing as missing:
            print(f"Docker can't be started, so Podman is used: {missing}", flush=True)
    return _start_podman(directory)


def _start_docker(directory: Path) -> Engine:
    """Start Docker from packages that are unpacked in our own directory."""
    need("runc")
    home, root = directory / "docker", directory / "docker/root"
    if not (root / "usr/sbin/dockerd").exists():
        _unpack(home, root)
    address = f"unix://{home}/docker.sock"
    environ = {"PATH": f"{root}/usr/sbin:{root}/usr/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
    with (home / "dockerd.log").open("wb") as log:
        daemon = subprocess.Popen(
            [root / "usr/sbin/dockerd", *_NO_BRIDGE, "--data-root", home / "data",
             "--exec-root", home / "exec", "--pidfile", home / "docker.pid", "--host", address],
            env={**os.environ, **environ}, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
    plugins = {"cliPluginsExtraDirs": [f"{root}/usr/libexec/docker/cli-plugins"]}
    (home / "config").mkdir(exist_ok=True)
    (home / "config/config.json").write_text(json.dumps(plugins))
    client = {"DOCKER_HOST": address, "DOCKER_CONFIG": f"{home}/config"}
    program = _shim(directory, f"{root}/usr/bin/docker", client, on_host=("run", "build"))
    engine = Engine("docker", program, "", directory, address, daemon)
    for _ in range(60):
        if run([program, "info"], 20).ok:
            return Engine("docker", program, _version(program), directory, address, daemon)
        if daemon.poll() is not None:
            break
        time.sleep(0.5)
    engine.close()
    tail = (home / "dockerd.log").read_text(errors="replace").splitlines()[-5:]
    raise Missing("\n".join(["dockerd does not answer:", *tail]))


def _unpack(home: Path, root: Path) -> None:
    """Download Docker's packages of a Debian release without installing anything."""
    lists, cache = home / "apt/lists/partial", home / "apt/cache/archives/partial"
    for directory in (root, lists, cache):
        directory.mkdir(parents=True, exist_ok=True)
    source = f"deb [signed-by={_KEYRING}] {debian_mirror()} {_DEBIAN} main\n"
    (home / "apt/sources.list").write_text(source)
    apt = [
        "apt-get", "-q", "-o", f"Dir::Etc::SourceList={home}/apt/sources.list",
        "-o", "Dir::Etc::SourceParts=-", "-o", f"Dir::State::Lists={home}/apt/lists",
        "-o", f"Dir::Cache={home}/apt/cache",
    ]  # fmt: skip
    run_or_fail([*apt, "update"], 120, f"read the package lists of Debian {_DEBIAN}")
    run_or_fail([*apt, "download", *_DOCKER_PACKAGES], 180, "download Docker's packages", cwd=home)
    for package in home.glob("*.deb"):
        run_or_fail(["dpkg", "-x", package, root], 60, f"unpack {package.name}")
        package.unlink()


def _start_podman(directory: Path) -> Engine:
    """Configure Podman to keep everything in our own directory."""
    if reason := machine.install(["podman", "runc"]):
        print(f"System packages are not installed: {reason}", flush=True)
    podman = need("podman")
    need("runc")
    environ = {
        "CONTAINERS_STORAGE_CONF": str(directory / "storage.conf"),
        "CONTAINERS_CONF": str(directory / "containers.conf"),
    }
    (directory / "storage.conf").write_text(_STORAGE.format(directory=directory))
    (directory / "containers.conf").write_text(_CONTAINERS)
    program = _shim(directory, podman, environ)
    run_or_fail([program, "info"], 60, "start Podman")
    return Engine("podman", program, run([program, "--version"], 20).output.split()[-1], directory)


def _version(docker: str) -> str:
    return run([docker, "version", "--format", "{{.Server.Version}}"], 20).output.strip()


def component_image() -> str:
    """Return the name of the image that the GitLab component takes; ours gets it for the tests."""
    template = (ROOT / "gitlab/templates/run.yml").read_text("utf-8")
    found = re.search(r"default: (ghcr\S+)", template)
    assert found
    return found[1]


def checkout(directory: Path) -> Path:
    """Copy what a checkout of this state has, with the modes of the strictest user."""
    copy = directory / "checkout"
    shutil.rmtree(copy, ignore_errors=True)
    git = [need("git"), "-c", "safe.directory=*", "ls-files", "-z", "-co", "--exclude-standard"]
    names = run_or_fail(git, 30, "list the files of this checkout").output
    for name in filter(None, names.split("\0")):
        source, target = ROOT / name, copy / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            shutil.copyfile(source, target)
            target.chmod(0o700 if os.access(source, os.X_OK) else 0o600)
    # act asks which commit it runs.
    who = ("-c", "user.name=Platforms", "-c", "user.email=platforms@localhost")
    for command in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "All"]):
        run_or_fail([need("git"), *who, *command], 30, "make a repository of it", cwd=copy)
    return copy


def _shim(
    directory: Path, program: str, environ: Mapping[str, str], on_host: tuple[str, ...] = ()
) -> str:
    """Write a `docker` for the front of PATH, which needs nothing of the environment.

    The commands in `on_host` share the machine's network.
    """
    path = directory / "bin" / "docker"
    path.parent.mkdir(exist_ok=True)
    lines = ["#!/bin/sh", *(f"export {name}='{value}'" for name, value in environ.items())]
    for command in on_host:
        on = f'shift; set -- {command} --network host "$@"'
        lines.append(f'case "$1" in {command}) {on} ;; esac')
    path.write_text("\n".join([*lines, f'exec {program} "$@"', ""]))
    path.chmod(0o755)
    return str(path)


def _stand_in(engine: Engine) -> None:
    """Make an image of the base's name out of Debian's packages, where no registry is reached."""
    archive = engine.directory / "base.tar"
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
    run_or_fail([*command, source], 300, "make a stand-in for the base image")
    changes = [f"ENV PIP_CERT={_CERTIFICATES}", 'CMD ["python3"]', "LABEL opsera-step=stand-in"]
    flags = [word for change in changes for word in ("--change", change)]
    try:
        run_or_fail([engine.program, "import", *flags, archive, BASE], 120, "import the stand-in")
    finally:
        archive.unlink()
