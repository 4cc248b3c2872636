"""Every error that a user can cause, read as the user reads it: whole screens in `golden/errors/`.

OPSERA_STEP_REWRITE_GOLDEN=1 writes them anew; look at the difference before it is committed.
A screen begins with its title; `out|` and `err|` are what went to stdout and to stderr.
"""

from __future__ import annotations

import ast
import re
import shutil
from collections.abc import Iterator

import pytest

from opsera_step.simulator import Simulator
from opsera_step.timing import FakeClock
from tests.e2e.errors import AREAS
from tests.e2e.screens import play
from tests.e2e.support import ROOT
from tests.e2e.test_golden import GOLDEN, REWRITE

ERRORS = GOLDEN / "errors"
_REPR = re.compile(r"Traceback|\b\w+(?:Error|Exception)\b[(:]|<class |object at 0x|\b\w+Warning\b")


def screens_of(area: str) -> list[str]:
    """Return the screens that are kept of an area."""
    return (ERRORS / f"{area}.txt").read_text("utf-8").split("\n\n")


@pytest.mark.parametrize("area", AREAS)
def test_the_screens_are_the_golden_ones(area, tmp_path, monkeypatch):
    """Each screen is, to the letter, the one that was read and found good."""
    if area == "tls" and shutil.which("openssl") is None:
        pytest.skip("openssl makes its certificates")
    clock, played = FakeClock(), []
    with Simulator(clock=clock, seed=1) as shared:
        for number, slip in enumerate(AREAS[area]):
            folder = tmp_path / str(number)
            folder.mkdir()
            played.append(play(slip, folder, shared, clock, monkeypatch).rstrip("\n"))
        assert shared.token not in "".join(played)
    text = "\n\n".join(played) + "\n"
    if REWRITE:
        (ERRORS / f"{area}.txt").write_text(text, "utf-8")
    assert text == (ERRORS / f"{area}.txt").read_text("utf-8")


@pytest.mark.parametrize("area", AREAS)
def test_no_screen_is_a_program_s(area):
    """None shows a traceback or an object of Python; all end in a code of the interface."""
    for screen in screens_of(area):
        assert _REPR.search(screen) is None, screen
        assert screen.rstrip().splitlines()[-1] in {
            f"exit {code}" for code in (0, 1, 2, 3, 4, 8, 124)
        }, screen


@pytest.mark.parametrize("area", AREAS)
def test_nothing_is_said_twice(area):
    """No line of ours stands on a screen twice, and no sentence in a line."""
    for screen in screens_of(area):
        said = [line for line in screen.splitlines() if re.match(r"(out|err)\| \[opsera\]", line)]
        assert len(said) == len(set(said)), screen
        for line in said:
            sentences = re.findall(r"[A-Z][^.:]{30,}\.", line)
            assert len(sentences) == len(set(sentences)), screen


# --- What no screen shows -------------------------------------------------------------------------

UNSHOWN = {
    "This is a fault of opsera-step itself: please report it with the lines above.": "our fault",
    "There is no completion for": "click takes no other shell",
    "is for the command line, which can't be used here": "the start of the process reads those",
    "Either the token has the wrong scope (running needs `pipeline` or `api`), or its owner has no "
    "access to this pipeline: grant the access in Opsera, or use another token.": "each call's own",
    "it has no address": "a host without addresses can't be resolved",
    ": the job is being cancelled.": "takes a signal",
    "The examination was cancelled.": "takes a signal",
    "standard input is closed": "takes a closed stream",
    "stdout: the result can't be written:": "takes a full disk below stdout",
    "stdout: the answer can't be written:": "takes a full disk below stdout",
    "merge keys bring more than": "takes thousands of keys",
    "no answer within": "takes a lookup that hangs",
    "answered with more than": "takes half a gigabyte",
    "The API gives the newest 1000 records; there may be more.": "takes a thousand records",
    "The API gives 1000 at most; there may be more": "takes a thousand records",
    "Only runs appeared that seem to be somebody else's.": "takes runs of others in a race",
    "No new run shows, but the pipeline has changed since it was asked.": "takes a race",
    "has ended, and a newer one does not show.": "takes a race",
    ": the first request got no answer, and no run of it had shown when it was sent again. Only "
    "run": "takes two runs of one job",
}
"""What may be said, but is on no screen here, by its longest piece of text, and why."""
PACKAGE = ROOT / "opsera_step"


def sayings() -> Iterator[tuple[str, str]]:
    """Yield where an error, a hint or a warning is worded, and the longest piece of its text."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if "simulator" not in path.parts:
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                text = max(pieces(node), key=len, default="") if tells(node) else ""
                if text:
                    yield f"{path.relative_to(PACKAGE)}:{getattr(node, 'lineno', 0)}", text


def tells(node: ast.AST) -> bool:
    """Whether a piece of code words what a user is told of an error."""
    if isinstance(node, ast.Assign):
        return any("hint" in ast.unparse(target).lower() for target in node.targets)
    if isinstance(node, ast.AnnAssign):
        return "hint" in ast.unparse(node.target).lower()
    if not isinstance(node, ast.Call):
        return isinstance(node, ast.Raise)
    name = ast.unparse(node.func).rpartition(".")[2]
    if name in ("say", "annotate", "say_in_sight", "Note"):
        words = ast.unparse(node)
        return bool(re.search(r"['\"](?:warning|error)['\"]|warning=True|, True\)", words))
    return name in ("BadInput", "fault", "warning", "_tell", "append")


def pieces(node: ast.AST) -> Iterator[str]:
    """Yield the texts in it that are words rather than names, as they stand on a screen."""
    for one in ast.walk(node):
        if isinstance(one, ast.Constant) and isinstance(one.value, str):
            text = " ".join(one.value.split())
            if len(text) >= 12 and " " in text:
                yield text


def test_all_that_may_be_said_is_on_a_screen():
    """Every error, hint and warning of the code is in the catalogue, or there is a reason."""
    shown = " ".join(" ".join(path.read_text("utf-8").split()) for path in ERRORS.glob("*.txt"))
    unshown = {text: where for where, text in sayings() if text not in shown}
    assert {text: where for text, where in unshown.items() if text not in UNSHOWN} == {}
    assert UNSHOWN.keys() <= unshown.keys(), "some of these are shown now: take them off the list"
