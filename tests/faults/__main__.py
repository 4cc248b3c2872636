"""`python -m tests.faults`: play as many schedules as one likes, and print the seed of any failure.

Without options on a fake clock; with `--process` over real time with the real entrypoint, where
one schedule takes as long as its run. `--seed N --runs 1` plays one again and shows its log.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.faults import judge, process
from tests.faults.schedule import Schedule, make


def main() -> int:
    """Play the schedules that the options ask for; 1 when any promise was broken."""
    options = _options()
    play = process.play if options.process else judge.play
    began, codes, broken = time.monotonic(), Counter[int](), 0
    seeds = range(options.seed, options.seed + options.runs)
    with ThreadPoolExecutor(options.jobs if options.process else 1) as pool:
        results = pool.map(lambda one: _one(play, one), seeds)
        for seed, (played, faults) in zip(seeds, results, strict=True):
            if played is not None:
                codes[played.job.code] += 1
            if faults or options.runs == 1:
                broken += bool(faults)
                _tell(make(seed), played, faults, whole=options.runs == 1)
    told = ", ".join(f"{count} ended {code}" for code, count in sorted(codes.items()))
    seconds = time.monotonic() - began
    sys.stdout.write(f"{options.runs} schedules in {seconds:.0f} s: {told}; {broken} broken\n")
    return int(broken > 0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--runs", type=int, default=200, help="how many schedules (200)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first (0)")
    parser.add_argument("--process", action="store_true", help="the real process, in real time")
    parser.add_argument("--jobs", type=int, default=8, help="processes at a time (8)")
    return parser.parse_args()


def _one(
    play: Callable[[Schedule, Path], judge.Played], seed: int
) -> tuple[judge.Played | None, list[str]]:
    with tempfile.TemporaryDirectory() as folder:
        try:
            played = play(make(seed), Path(folder))
            return played, judge.faults_of(played)
        except Exception as error:  # noqa: BLE001 - to be told with its seed
            return None, [f"{type(error).__name__}: {error}"]


def _tell(
    schedule: Schedule, played: judge.Played | None, faults: list[str], *, whole: bool
) -> None:
    sys.stdout.write(f"{schedule.describe()}\n")
    if played is not None and whole:
        sys.stdout.write(played.job.log)
    for fault in faults:
        sys.stdout.write(f"BROKEN (seed {schedule.seed}): {fault}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
