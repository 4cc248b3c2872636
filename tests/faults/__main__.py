"""`python -m tests.faults`: run a campaign of fault schedules, and print a page about it.

Without options for a minute on a fake clock; with `--process` with the real entry point, in real
time, and each schedule aims at a signal, a suspension, or a kill in some phase. It fails if a
schedule breaks a rule, or if a situation never happens in a campaign that is long enough.
`--seed N --runs 1` plays one schedule again and prints its job logs.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count, islice

from tests.faults.campaign import Ledger, Play, shrink
from tests.faults.schedule import CELLS, INTERRUPTS, Schedule, make, make_interrupted
from tests.faults.world import play, play_process

ROUNDS, PROCESS_ROUNDS = 3, 6
"""After so many schedules for each situation, each must have occurred. With real processes, fewer
of the situations occur that schedules aim at: phases pass while a process starts."""


def main() -> int:
    """Run the campaign; 1 if anything was broken or missing."""
    options = _options()
    one, made = (play_process, make_interrupted) if options.process else (play, make)
    if options.runs == 1:
        return _show(made(options.seed), one, shrinks=options.shrink)
    minutes = options.minutes or (float("inf") if options.runs else 1.0)
    ledger, until = Ledger(), time.monotonic() + 60 * minutes

    seeds: Iterator[int] = islice(count(options.seed), options.runs)

    def work(_number: int) -> None:
        for seed in seeds:
            if time.monotonic() > until:
                return
            ledger.run(made(seed), one)
            for sentence in ledger.broken.get(seed, ()):
                sys.stdout.write(f"BROKEN (seed {seed}): {sentence}\n")
                sys.stdout.flush()

    jobs = options.jobs if options.process else 1
    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(work, range(jobs)))
    if options.process:
        missing, enough = ledger.missing_interrupts(), PROCESS_ROUNDS * len(INTERRUPTS)
    else:
        missing, enough = ledger.missing(), ROUNDS * len(CELLS)
    sys.stdout.write(f"{ledger.page(missing)}\n")
    return int(bool(ledger.broken or (ledger.schedules >= enough and missing)))


def _show(schedule: Schedule, play: Play, *, shrinks: bool) -> int:
    """Play one schedule, the smallest that fails if asked to, and print all of it."""
    ledger = Ledger()
    schedule = shrink(schedule, play) if shrinks else schedule
    played = ledger.run(schedule, play)
    sys.stdout.write(f"{schedule.describe()}\n")
    for job in played.jobs if played is not None else ():
        sys.stdout.write(f"--- {job.kind}, exit code {job.code}\n{job.log}")
    if played is not None:
        for request, moment in zip(played.requests, played.moments, strict=False):
            result = f"{request.status} {request.fault} {request.run_count or ''}"
            sys.stdout.write(f"{request.time:9.2f} {moment.phase:14} {request.call:9} {result}\n")
        for at, event in played.happened:
            sys.stdout.write(f"{at:9.2f} {event}\n")
        for run in played.runs:
            sys.stdout.write(f"{run}\n")
    for sentence in ledger.broken.get(schedule.seed, ()):
        sys.stdout.write(f"BROKEN: {sentence}\n")
    return int(bool(ledger.broken))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--minutes", type=float, help="how long (1, with --runs no limit)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first schedule (0)")
    parser.add_argument("--runs", type=int, help="how many schedules at most")
    parser.add_argument("--shrink", action="store_true", help="with --runs 1: make it smaller")
    parser.add_argument("--process", action="store_true", help="the real process, in real time")
    parser.add_argument("--jobs", type=int, default=8, help="processes at a time (8)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
