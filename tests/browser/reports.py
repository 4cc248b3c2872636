"""Reports for browser tests, written by the real Report without a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from opsera_step.api import State
from opsera_step.outcome import Outcome
from opsera_step.report import Report
from opsera_step.runs import StepResult
from tests.support.sheet import Sheet, joblog

START = 1_767_225_600.0
URL = "https://app.opsera.io/workflow/details/65a4f00dc0ffee0123456789/summary"
BUILD = [f"compiling module {n}" for n in range(1, 31)]
TEST = [
    "\x1b[1m+ npm test\x1b[0m",
    "\x1b[32m✓\x1b[0m cart",
    "\x1b[31m✗ invoice\x1b[0m: expected \x1b[1m'optional'\x1b[0m to be 'required'",
    "a.b*c is no pattern",
    *(f"stack frame {n}" for n in range(1, 31)),
    "1 failed",
]
STEPS = (
    StepResult("Build", "jenkins", State.SUCCESS, 5.0, START, id="b"),
    StepResult(
        "Approve", "approval", State.SUCCESS, 20.0, START + 5, id="a", waited=18.0,
        message="Approved by Robin.",
    ),
    StepResult("Test", "jenkins", State.FAILED, 15.0, START + 25, id="t", message="1 failed"),
    StepResult("Deploy", "kubernetes", id="d"),
)  # fmt: skip
FAILED = Outcome(
    "failed", 1, "Run 42 has failed.", pipeline_id="65a4f00dc0ffee0123456789",
    pipeline_name="Deploy shop", run_count=42, url=URL, started_at=0.0, finished_at=41.0,
    failed_step="Test",
    reason="1 failed", log_complete=True, steps=STEPS,
)  # fmt: skip
PAUSED = FAILED.but(
    status="paused",
    exit_code=8,
    failed_step="",
    reason="",
    waits_for="Approve",
    hint=f"Approve or reject it at {URL}",
    steps=(STEPS[0], StepResult("Approve", "approval", State.PAUSED, 1.0, START + 5, id="a")),
)
SUCCESS = FAILED.but(
    status="success",
    exit_code=0,
    failed_step="",
    reason="",
    steps=STEPS[:1],
    started_at=0.0,
    finished_at=5.0,
)
NOTHING = Outcome("error", 3, "The API can't be reached.", hint="Check base_url.")

EVIL = [
    "<script>window.pwned = 1</script><img src=x onerror='window.pwned = 1'>",
    "</script><script>window.pwned = 1</script>",
    "<!--<script>",
    "]]></style><svg onload=window.pwned=1>",
    "{{ constructor.constructor('window.pwned = 1')() }} ${pwned}",
    "&lt;b&gt; &amp; &#x3c;",
    "<U+202E>gpj.exe",
    "שלום עולם: one two مرحبا three",
    "\x1b[31mred </span><b>bold\x1b[0m",
    "zero\u200bwidth \U0001f469\u200d\U0001f4bb",
    "javascript:alert(1) http://evil.example/x?token=1",
    "x" * 30_000 + "<b>",
]
COLORS = [
    " ".join(f"\x1b[{n}mcolor {n}\x1b[0m" for n in (*range(30, 38), *range(90, 98))),
    *(
        " ".join(f"\x1b[{front};{back}m{front} on {back}\x1b[0m" for front in range(30, 38))
        for back in (*range(40, 48), *range(100, 108))
    ),
    *(
        " ".join(f"\x1b[38;5;{n}m{n}\x1b[0m" for n in range(first, first + 64, 3))
        for first in range(0, 256, 64)
    ),
    "\x1b[38;2;255;105;180mpink\x1b[0m \x1b[38:2::10:20:30mnight\x1b[0m",
    "\x1b[48;2;1;2;3mdark\x1b[0m \x1b[1mbold\x1b[0m \x1b[2mdim\x1b[0m \x1b[3mitalic\x1b[0m",
    "\x1b[4munder\x1b[0m \x1b[9mstruck\x1b[0m",
    "\x1b[7mswapped\x1b[0m \x1b[31;7mred swapped\x1b[0m \x1b[7;31;42mboth swapped\x1b[0m",
]


def write(directory: Path, outcome: Outcome, logs: Mapping[str, Sequence[str]]) -> Path:
    """Write a report; the logs are by the steps' IDs. Return its page."""
    names = {step.id: step for step in outcome.steps}
    with Report(str(directory)) as report:
        excerpts, count = joblog(Sheet()).excerpts, 0
        for step_id, lines in logs.items():
            step = names.get(step_id, StepResult(step_id or "Log"))
            report.keep(step_id, step.name, step.tool, lines, step.started_at)
            excerpts.add(step_id, step.name, lines, count + 1)
            count += len(lines)
        assert report.write(outcome.but(log_lines=count), START, excerpts) == ""
    return directory / "report.html"


def failed(directory: Path) -> Path:
    """Write the report of a run that failed: 65 lines in two of four steps."""
    return write(directory, FAILED, {"b": BUILD, "t": TEST})


def colorful(directory: Path) -> Path:
    """Write a report with every color there is."""
    return write(directory, FAILED, {"b": COLORS, "t": TEST})


def paused(directory: Path) -> Path:
    """Write the report of a run that is waiting for approval."""
    return write(directory, PAUSED, {"b": BUILD})


def one_step(directory: Path) -> Path:
    """Write the report of a run of a single step that succeeded."""
    return write(directory, SUCCESS, {"b": BUILD})


def nothing(directory: Path) -> Path:
    """Write the report of a job that never had a run."""
    return write(directory, NOTHING, {})


def hostile(directory: Path) -> Path:
    """Write a report whose every text is an attack."""
    evil = EVIL[0]
    steps = (
        StepResult(evil, EVIL[1], State.FAILED, 1.0, START, id="b", message=EVIL[2]),
        StepResult(EVIL[7] * 5, "x" * 300, State.SUCCESS, 1.0, START, id="t"),
    )
    outcome = FAILED.but(
        message=EVIL[3], hint=EVIL[4], pipeline_name=evil, failed_step=evil, reason=EVIL[5],
        url=f"https://app.opsera.io/{'x' * 300}", steps=steps,
    )  # fmt: skip
    return write(directory, outcome, {"b": EVIL, "t": EVIL, EVIL[1]: EVIL})


def many_steps(directory: Path, count: int = 60) -> Path:
    """Write the report of a run of many steps."""
    steps = tuple(
        StepResult(
            f"Step number {n} of a long plan", "jenkins", State.SUCCESS, 3.0 + n % 7,
            START + 4.0 * n, id=f"s{n}", waited=2.0 if n % 9 == 4 else None,
        )
        for n in range(count)
    )  # fmt: skip
    outcome = SUCCESS.but(steps=steps, started_at=0.0, finished_at=4.0 * count)
    return write(directory, outcome, {f"s{n}": [f"line of step {n}"] for n in range(0, count, 2)})


LONG_NAME = "integration-tests-with-a-very-long-identifier-" * 4 + "end"


def long_names(directory: Path) -> Path:
    """Write the report of a failed run whose names are long, with and without spaces."""
    names = (LONG_NAME, "Build container image for linux/amd64 and linux/arm64 " * 4)
    steps = tuple(
        StepResult(
            names[n % 2], "jenkins", State.FAILED if n == 6 else State.SUCCESS, 9.0,
            START + 9.0 * n, id=f"s{n}",
        )
        for n in range(12)
    )  # fmt: skip
    outcome = FAILED.but(
        pipeline_name="Deploy the shop to production (eu-central-1, blue/green)",
        hint=f"Fix the cause. See {URL}", failed_step=LONG_NAME, steps=steps,
    )  # fmt: skip
    return write(directory, outcome, {"s6": TEST})


def states(directory: Path) -> Path:
    """Write a report with a step in each state."""
    found = [State.SUCCESS, State.FAILED, State.STOPPED, State.PAUSED, State.RUNNING, None]
    steps = [
        StepResult(f"Step {n}", "", state, 5.0, START + 5.0 * n, id=f"s{n}")
        for n, state in enumerate(found)
    ]
    outcome = FAILED.but(steps=(*steps, StepResult("Deploy", id="d")))
    with Report(str(directory)) as report:
        report.keep("s0", "Step 0", "", BUILD)
        assert report.write(outcome.but(log_lines=len(BUILD)), START) == ""
    return directory / "report.html"


def huge_line(directory: Path) -> Path:
    """Write a report with a line of 150 MB."""
    return write(directory, FAILED, {"b": ["x" * 150_000_000, "the very last line"], "t": TEST})


def twelve_thousand_steps(directory: Path) -> Path:
    """Write the report of a run with far more steps than usual."""
    return many_steps(directory, 12_000)


def long(directory: Path, count: int = 120_000) -> Path:
    """Write a report with a long log in one step."""
    lines = [f"\x1b[32m{n:06}\x1b[0m object {n * 2654435761 % 2**32:x}" for n in range(1, count)]
    return write(directory, FAILED, {"b": [*lines, "the very last line"], "t": TEST})
