"""Measure, and write the results page: `python -m benchmarks [--quick] [--only PART]`."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from benchmarks import image, latency, load, machine, memory, page, startup, throughput
from benchmarks.children import ROOT
from benchmarks.figures import Section, from_json, to_json

PAGE = ROOT / "docs" / "benchmarks.md"
RESULTS = ROOT / "benchmarks" / "results.json"
HISTORY = ROOT / "benchmarks" / "history.json"
Part = Callable[[], Section]


def parts(*, quick: bool) -> Mapping[str, Part]:
    """Return the parts by their keys."""
    lengths = (1_000, 20_000, 50_000) if quick else (1_000, 100_000, 1_000_000)
    jobs, limited = (40, 20) if quick else (1000, 200)
    return {
        "start-up": partial(startup.measure, 5 if quick else 25),
        "latency": partial(latency.measure, 1 if quick else 16, 10 if quick else 40),
        "throughput": partial(throughput.measure, 1 if quick else 4, quick=quick),
        "memory": partial(memory.measure, 1 if quick else 3, lengths),
        "load": partial(load.measure, jobs, limited, quick=quick),
        "image": partial(image.measure, 1 if quick else 7),
        "report": partial(memory.measure_report, 1, lengths[-1]),
    }


def main() -> int:
    """Measure the chosen parts; other sections stay as they were."""
    options = _options()
    chosen = parts(quick=options.quick)
    there = machine.describe()
    kept = _kept() if options.only else {}
    for key in options.only or chosen:
        started = time.monotonic()
        print(f"{key} … ", end="", flush=True)
        kept[key] = chosen[key]()
        print(f"{time.monotonic() - started:.0f} s", flush=True)
        for table in kept[key].tables:
            print(page.markdown(table))
        # After each part, so that nothing is lost if it is interrupted.
        _write([kept[one] for one in chosen if one in kept], there, options)
    print(f"written: {options.page}")
    return 0


def _write(
    sections: Sequence[Section], there: Mapping[str, str], options: argparse.Namespace
) -> None:
    history = json.loads(HISTORY.read_text("utf-8"))
    text = page.render(sections, there, history, quick=options.quick)
    options.page.write_text(text, "utf-8")
    if options.page == PAGE:
        RESULTS.write_text(json.dumps([to_json(one) for one in sections], indent=1) + "\n", "utf-8")


def _options() -> argparse.Namespace:
    keys = list(parts(quick=True))
    parser = argparse.ArgumentParser(prog="dev.py bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rounds, for a quick overview")
    parser.add_argument("--only", action="append", choices=keys, help="only this part")
    parser.add_argument("--page", type=Path, default=PAGE, help=f"default {PAGE.name}")
    return parser.parse_args()


def _kept() -> dict[str, Section]:
    if not RESULTS.exists():
        return {}
    return {one["key"]: from_json(one) for one in json.loads(RESULTS.read_text("utf-8"))}


if __name__ == "__main__":
    sys.exit(main())
