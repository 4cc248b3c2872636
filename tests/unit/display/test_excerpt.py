"""Which lines are quoted when a step has failed."""

from __future__ import annotations

import pytest

from opsera_step.display.excerpt import (
    LAST_LINES,
    MOST_ERRORS,
    WIDTH,
    Excerpt,
    Excerpts,
    reports_error,
)


@pytest.mark.parametrize(
    "line",
    [
        "ERROR: bad", "npm ERR! Test failed.", "AssertionError: expected", "  × refuses it",
        "fatal: not a git repository", "Error: 0 of 3 pods are ready", "error TS2304: no name",
        "java.lang.NullPointerException: x", "process exited with code 137", "[FAILED] Task",
        "FAIL  src/x.test.ts > a", "2 failed | 0 errors", "E   ValueError", "permission denied",
        "Traceback (most recent call last):", "panic: runtime error", '{"level":"error"}',
        "foo.c:12:3: error: expected ;", "level=error msg=x", "The requested URL returned error: 4",
        "Build completed with 0 warnings and 3 errors",
    ],
)  # fmt: skip
def test_lines_that_report_errors(line):
    """What tools print when something fails is found."""
    assert reports_error(line)


@pytest.mark.parametrize(
    "line",
    [
        "", "0 errors", "Found 0 errors, 3 warnings", "Failed: 0", "failures: 0, errors: 0",
        "No errors found", "built with no type errors", "error.ts", "src/error/handler.ts ok",
        "set -o errexit", "continue-on-error: true", "+ grep -c error log", "failed=false",
        "✓ shows an error message", "Tests 0 failed | 5 passed", "errors=[]", '"errors": [],',
        "Download failed-tests.json", "exceptions.py compiled", "terror", "exit code 0",
        "$ test -e fatal", "ok 3 - handles errors", "PASS tests for a failed login",
    ],
)  # fmt: skip
def test_lines_that_report_no_error(line):
    """A count of none, a file name, a command, a passed test: none is an error."""
    assert not reports_error(line)


def excerpt_of(*lines: str) -> Excerpt:
    excerpts = Excerpts()
    excerpts.add("1", "Test", lines)
    found = excerpts.of("1", "Test")
    assert found is not None
    return found


def test_memory_is_bounded():
    """However long the log, some errors and some last lines are kept; long lines are cut."""
    found = excerpt_of()
    for number in range(1000):
        word = "".join(chr(97 + int(digit)) for digit in str(number))
        found.add([f"error {word}", "x" * 5000, word])
    assert found.errors[-1] == "error jjj"
    assert len(found.errors) == MOST_ERRORS
    assert len(found.tail) == LAST_LINES
    assert max(map(len, found.tail)) == WIDTH
    assert len(found._errors) <= 60


def test_without_an_error_the_last_lines_matter():
    """If no line reports an error, the last ones are quoted, without empty ones at the ends."""
    words = [chr(97 + number) for number in range(26)]
    found = excerpt_of("", *words[:9], "", " ")
    assert found.tail == words[:9]
    found.add(words)
    assert found.tail[-1] == "z" and found.errors == []
    assert found.headline == "z"
    assert (excerpt_of().tail, excerpt_of().headline) == ([], "")


def test_lines_that_differ_only_in_numbers_are_folded():
    """Hundreds of similar lines take three of the quoted ones, so that others stay in sight."""
    found = excerpt_of(
        *(f"test {number} passed" for number in range(100)), "AssertionError: 200 != 500",
        "  at checkout.spec.js:88", *(f"cleanup {number}" for number in range(60)), "", "", "bye",
        "a 1", "a 2", "b 9 c", "b 10 c", "b 11 c",
    )  # fmt: skip
    assert found.tail == [
        "test 0 passed", "… 98 similar lines", "test 99 passed", "AssertionError: 200 != 500",
        "  at checkout.spec.js:88", "cleanup 0", "… 58 similar lines", "cleanup 59", "", "", "bye",
        "a 1", "a 2", "b 9 c", "… 1 similar line", "b 11 c",
    ]  # fmt: skip


NOISE = [f"ERROR: retrying download {number} (ignored)" for number in range(150)]
CASES = {
    "noise before it": ([*NOISE, "AssertionError: expected 200, got 500", "cleanup"],
                        "AssertionError: expected 200, got 500"),
    "noise after it": (["fatal: no such ref", *(f"error: rm /tmp/{n}" for n in range(9))],
                       "fatal: no such ref"),
    "a summary after it": (["src/a.c:3:1: error: expected ;", "make: *** [all] Error 1",
                            "Build failed", "2 errors", "exit code 1"],
                           "src/a.c:3:1: error: expected ;"),
    "a failing test": (["FAILED", "E   ValueError: bad", "1 failed, 3 passed",
                        "npm ERR! Test failed."],
                       "E   ValueError: bad"),
    "an exception with its cause": (["java.lang.RuntimeException: outer",
                                     "Caused by: java.io.IOException: disk"],
                                    "Caused by: java.io.IOException: disk"),
    "noise alone": (NOISE, NOISE[0]),
    "an exit code alone": (["bye", "exit code 3"], "exit code 3"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_headline_names_the_cause(case):
    """Of many error lines the one that matters is rare, and names a cause, near the end."""
    lines, headline = CASES[case]
    assert excerpt_of(*lines).headline == headline


def test_noise_is_not_quoted_beside_errors():
    """Hundreds of similar lines are left out beside rare ones, and otherwise folded."""
    assert excerpt_of(*NOISE, "error: x").errors == ["error: x"]
    assert excerpt_of(*NOISE).errors == [f"{NOISE[0]} (and 149 similar)"]


def test_a_step_is_found_by_its_id_or_name():
    """Two steps of one name differ in their IDs; by name the later one is found."""
    excerpts = Excerpts()
    excerpts.add("1", "Scan", ["a"])
    excerpts.add("2", "Scan", ["b"])
    excerpts.add("", "Log", ["c"])
    found = [excerpts.of(*asked) for asked in (("1", ""), ("", "Scan"), ("9", "Log"), ("", ""))]
    assert [one.tail if one else None for one in found] == [["a"], ["b"], ["c"], None]


def test_of_very_many_steps_the_first_are_forgotten():
    """However many steps there are, some hundreds are remembered."""
    excerpts = Excerpts()
    for number in range(600):
        excerpts.add(str(number), "Step", ["x"])
    assert excerpts.of("0", "") is None
    assert excerpts.of("599", "") is not None
