"""Which lines are quoted when a step has failed."""

from __future__ import annotations

import pytest

from opsera_step.display import Excerpts
from opsera_step.display.excerpt import FIRST_FAULTS, LAST_LINES, WIDTH, tells_of_a_fault


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
def test_lines_that_tell_of_a_fault(line):
    """What tools write when something goes wrong is found."""
    assert tells_of_a_fault(line)


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
def test_lines_that_do_not(line):
    """A count of none, a file's name, a command, a test that passed: none is a fault."""
    assert not tells_of_a_fault(line)


def test_a_fault_is_found_in_colours():
    """Colours hide no fault, and are not quoted."""
    excerpts = Excerpts()
    excerpts.add("1", "Test", ["ok", "\x1b[31mERROR\x1b[0m: it broke"])
    found = excerpts.of("1", "")
    assert found is not None
    assert (found.faults, found.tail) == (["ERROR: it broke"], ["ok", "ERROR: it broke"])


def test_little_is_remembered_of_much():
    """The first faults and the last lines are kept, however long the log; long lines are cut."""
    excerpts = Excerpts()
    for number in range(1000):
        excerpts.add("1", "Test", [f"error {number}", "x" * 5000])
    found = excerpts.of("1", "Test")
    assert found is not None
    assert found.faults == [f"error {number}" for number in range(FIRST_FAULTS)]
    assert len(found.tail) == LAST_LINES
    assert max(map(len, found.tail)) == WIDTH
    assert found.telling == found.faults


def test_without_a_fault_the_last_lines_matter():
    """Where no line tells of a fault the last ones are quoted; empty ones at the ends are not."""
    excerpts = Excerpts()
    excerpts.add("1", "Test", ["", *map(str, range(9)), "", " "])
    found = excerpts.of("1", "Test")
    assert found is not None
    assert found.telling == found.tail == [*map(str, range(9))]
    excerpts.add("1", "Test", [*map(str, range(9, 40))])
    assert found.telling == [*map(str, range(40 - FIRST_FAULTS, 40))]


def test_a_step_is_found_by_its_id_or_name():
    """Two steps of one name are told apart by their IDs; by its name the later one is found."""
    excerpts = Excerpts()
    excerpts.add("1", "Scan", ["a"])
    excerpts.add("2", "Scan", ["b"])
    excerpts.add("", "Log", ["c"])
    found = [excerpts.of(*asked) for asked in (("1", ""), ("", "Scan"), ("9", "Log"), ("", ""))]
    assert [one.tail if one else None for one in found] == [["a"], ["b"], ["c"], None]


def test_of_very_many_steps_the_first_are_forgotten():
    """Names that never end take no more memory than some hundreds."""
    excerpts = Excerpts()
    for number in range(600):
        excerpts.add(str(number), "Step", ["x"])
    assert excerpts.of("0", "") is None
    assert excerpts.of("599", "") is not None
