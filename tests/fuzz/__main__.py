"""`python -m tests.fuzz`: run surfaces on seeded inputs, and print how to repeat any failure."""

from __future__ import annotations

import argparse
import sys
import time

from tests.fuzz import SURFACES, surfaces
from tests.fuzz.campaign import campaign, run_case

assert surfaces  # importing it registers the surfaces


def main() -> int:
    """Do what the options ask for; 1 if anything failed."""
    options = _options()
    chosen = [SURFACES[name] for name in options.surface or sorted(SURFACES)]
    if options.case is not None:
        for one in chosen:
            _, failure = run_case(one, options.seed, options.case, measured=True)
            sys.stdout.write(f"{failure or f'{one.name}: passed'}\n")
        return 0
    started = time.monotonic()
    result = campaign(chosen, options.seed, options.seconds)
    for failure in result.failures:
        sys.stdout.write(f"{failure}\n")
    counted = ", ".join(f"{name} {number}" for name, number in sorted(result.inputs.items()))
    sys.stdout.write(
        f"{sum(result.inputs.values())} inputs, {result.bytes / 2**20:.1f} MiB in "
        f"{time.monotonic() - started:.0f} s ({counted}): {len(result.failures)} failed\n"
    )
    return int(bool(result.failures))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="seed of the inputs (0)")
    parser.add_argument("--seconds", type=float, default=60, help="how long (60)")
    parser.add_argument("--surface", action="append", choices=sorted(SURFACES), help="only this")
    parser.add_argument("--case", type=int, help="only this input of the seed, with its result")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
