"""Prepare the equipment, run the platform tests, and report what was skipped."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.platforms import machine
from tests.platforms.parts import PARTS, Equipment, Part, PartResult, play
from tests.platforms.running import ROOT, Missing, run


def main() -> int:
    """Run the parts that the command line names; return 1 if one failed."""
    wanted = parse(sys.argv[1:])
    # An exception, so that processes are ended and containers removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    started = time.monotonic()
    directory = Path(os.environ.get("OPSERA_STEP_PLATFORMS") or ROOT / ".platforms").absolute()
    directory.mkdir(parents=True, exist_ok=True)
    parts = [part for part in PARTS if not wanted.parts or part.name in wanted.parts]
    if reason := equip(parts):
        print(f"System packages are not installed: {reason}", flush=True)
    equipment = Equipment(directory, image=wanted.image)
    # All at once: some wait for the network, others for the processor.
    equipment.prepare(sorted({need for part in parts for need in part.needs}))
    try:
        results = [play(part, equipment) for part in parts]
    finally:
        if equipment.engine:
            equipment.engine.close()
    return conclude(results, time.monotonic() - started, strict=wanted.strict)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python3 dev.py platforms",
        description="Build the image and test it with container and CI tools.",
    )
    names = [part.name for part in PARTS]
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(names)}; or all")
    parser.add_argument(
        "--strict", action="store_true", help="fail if a part can't be run on this machine"
    )
    parser.add_argument("--image", help="use this image instead of building one")
    wanted = parser.parse_args(arguments)
    if unknown := set(wanted.parts) - set(names):
        parser.error(f"unknown part: {', '.join(sorted(unknown))}")
    return wanted


def equip(parts: Sequence[Part]) -> str:
    """Install missing system packages, unless Docker is available; return the problem, or ""."""
    docker = machine.find("docker")
    if docker and run([docker, "info"], 20).ok:
        return ""
    return machine.install(sorted({program for part in parts for program in part.programs}))


def conclude(results: Sequence[PartResult], seconds: float, *, strict: bool) -> int:
    """Print the results, and prominently what was skipped; return the exit code."""
    print(f"\nPlatform tests, {seconds:.0f} s:")
    for one in results:
        print(f"  {one.part.name:10} {one.result}, {one.seconds:.0f} s")
    missing = [one for one in results if one.reason]
    if missing:
        print("\n" + "!" * 100)
        print("SKIPPED PARTS: this machine lacks what they need.")
        for one in missing:
            print(f"  {one.part.name} ({one.part.about}): {one.reason}")
        print("!" * 100)
    failed = any(one.result.startswith("FAILED") for one in results)
    return 1 if failed or (missing and strict) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Missing as missing:
        sys.exit(f"{missing}")
