"""Equip the machine as far as it lets us, run the platform tests, and say what was not run."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.platforms import machine
from tests.platforms.parts import PARTS, Equipment, Part, Verdict, play
from tests.platforms.running import ROOT, Missing, run


def main() -> int:
    """Run what the command line names; fail when a part failed."""
    wanted = parse(sys.argv[1:])
    # By an exception, so that what runs is ended, and containers are removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began = time.monotonic()
    folder = Path(os.environ.get("OPSERA_STEP_PLATFORMS") or ROOT / ".platforms").absolute()
    folder.mkdir(parents=True, exist_ok=True)
    parts = [part for part in PARTS if not wanted.parts or part.name in wanted.parts]
    if reason := equip(parts):
        print(f"System packages are not installed: {reason}", flush=True)
    equipment = Equipment(folder, image=wanted.image)
    # All at once: each waits for another network, or for one processor.
    equipment.prepare(sorted({need for part in parts for need in part.needs}))
    try:
        verdicts = [play(part, equipment) for part in parts]
    finally:
        if equipment.engine:
            equipment.engine.close()
    return conclude(verdicts, time.monotonic() - began, strict=wanted.strict)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python3 dev.py platforms", description="Build the image and use it as its users will."
    )
    names = [part.name for part in PARTS]
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(names)}; or all")
    parser.add_argument(
        "--strict", action="store_true", help="fail when a part can't be run on this machine"
    )
    parser.add_argument("--image", help="take this image instead of building one")
    wanted = parser.parse_args(arguments)
    if unknown := set(wanted.parts) - set(names):
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    return wanted


def equip(parts: Sequence[Part]) -> str:
    """Install the system's packages that are not there; leave a machine with Docker as it is."""
    docker = machine.find("docker")
    if docker and run([docker, "info"], 20).ok:
        return ""
    return machine.install(sorted({program for part in parts for program in part.programs}))


def conclude(verdicts: Sequence[Verdict], seconds: float, *, strict: bool) -> int:
    """Say how it went, and loudly what was not run."""
    print(f"\nPlatform tests, {seconds:.0f} s:")
    for one in verdicts:
        print(f"  {one.part.name:10} {one.word}, {one.seconds:.0f} s")
    missing = [one for one in verdicts if one.reason]
    if missing:
        print("\n" + "!" * 100)
        print("NOT EVERYTHING WAS RUN: this machine lacks what these parts need.")
        for one in missing:
            print(f"  {one.part.name} ({one.part.about}): {one.reason}")
        print("!" * 100)
    failed = any(one.word.startswith("FAILED") for one in verdicts)
    return 1 if failed or (missing and strict) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Missing as missing:
        sys.exit(f"{missing}")
