"""The job log: what each event prints, where groups open and close, and what is never printed."""

from __future__ import annotations

import random

import pytest

from opsera_step.api import Run, RunStatus, State, Step, state_of
from opsera_step.clock import FakeClock
from opsera_step.display.excerpt import LAST_LINES
from opsera_step.runs import events
from tests.oracles import secrets, terminal
from tests.support.sheet import TOKEN, Kept, Sheet, joblog

APPROVAL = Step("g", "Approve")


def lines(step: str, *texts: str, tool: str = "jenkins", at: float | None = None):
    return events.LogLines(f"id-{step}" if step else "", step, tool, texts, at)


def status(value: str, message: str = "") -> RunStatus:
    return RunStatus(state_of(value), value, message)


def heartbeat(value: str = "running", step: Step | None = None, **rest) -> events.Heartbeat:
    defaults = {"queued_behind": None, "idle_seconds": 197.0, "error": ""}
    return events.Heartbeat(status(value) if value else None, step, **{**defaults, **rest})


def changed(value: str, before: str, message: str = "") -> events.StateChanged:
    return events.StateChanged(status(value, message), state_of(before) if before else None)


def titles(sheet: Sheet) -> list[str]:
    return [line[1:] for line in sheet.printed if line.startswith("[")]


def log_lines(sheet: Sheet) -> list[str]:
    return [line[2:] for line in sheet.printed if line.startswith("» ")]


MISSING = "log records are missing here (the API returns only the latest 1,000)."
MESSAGES = [
    (events.Note("Mind\nthis."), "Mind this."),
    (events.Note("Mind this.", warning=True), "warning: Mind this."),
    (events.RunKnown(Run("p", 42), started=True), "Started run 42."),
    (events.RunKnown(Run("p", 42), started=False), "Following run 42."),
    (events.Queued(41), "The run is queued behind run 41."),
    (changed("running", "", "started"), None),
    (changed("running", "running", "Pipeline: Shop's Run 42 is currently running."), None),
    (changed("running", "paused"), "The run resumed."),
    (changed("running", "paused", "Approved."), "The run resumed. Opsera: Approved."),
    (changed("paused", "running", "paused"), None),
    (changed("success", "running"), None),
    (
        changed("frobnicated", "running"),
        "warning: Unrecognized status “frobnicated”; assuming the run is still in progress.",
    ),
    (events.PausedAt(APPROVAL, ""), "The run is waiting for approval at “Approve”."),
    (events.PausedAt(None, ""), "The run is paused."),
    (
        events.PausedAt(APPROVAL, "", FakeClock().time() - 3600, "Dana Ortiz"),
        "The run is waiting for Dana Ortiz to approve “Approve” (since 2025-12-31 23:00 UTC).",
    ),
    (
        events.PausedAt(None, "", FakeClock().time() - 9, "Dana Ortiz"),
        "The run is waiting for Dana Ortiz.",
    ),
    (events.LinesMissing(), f"warning: Some {MISSING}"),
    (
        events.LinesMissing(too_large=True),
        "warning: Some log records are missing here (the response is too large).",
    ),
    (
        events.Retrying("It answered 502.", 6.0, 3540.0),
        "warning: It answered 502. Retrying for at most 59m.",
    ),
    (events.Retrying("It answered 502.", 6.0), "warning: It answered 502. Retrying."),
    (
        events.Retrying("It answered 429.", 6.0, 3540.0, 120.0),
        "warning: It answered 429. Retrying in 2m.",
    ),
    (events.Recovered(75.0), "The API is responding again after 1m15s."),
    (events.Tick(), None),
    (
        heartbeat(step=Step("b", "Build")),
        "The run: “Build” still running, no output for 3m (elapsed 0s).",
    ),
    (heartbeat(), "The run is running, no output for 3m (elapsed 0s)."),
    (heartbeat(""), "The run: status not known yet, no output for 3m (elapsed 0s)."),
    (
        heartbeat("concluded"),
        "The run: unrecognized status “concluded”, no output for 3m (elapsed 0s).",
    ),
    (
        heartbeat("paused", APPROVAL),
        "The run is still waiting for approval at “Approve” (elapsed 0s).",
    ),
    (heartbeat("queued", queued_behind=41), "The run is still queued behind run 41 (elapsed 0s)."),
    (heartbeat(error="It answered 502."), "It answered 502. Still retrying (elapsed 0s)."),
    (
        heartbeat(step=Step("b", "Build"), log_error="It answered 502."),
        "The run: “Build” still running, no output for 3m (elapsed 0s). It answered 502.",
    ),
]


def test_each_event_prints_its_message():
    """Each kind of event prints one sentence, or nothing."""
    for event, message in MESSAGES:
        sheet = Sheet()
        joblog(sheet).show(event)
        assert sheet.printed == ([] if message is None else [message])


def test_every_kind_of_event_is_shown():
    """No event of the vocabulary is unknown to the job log."""
    shown = {type(event) for event, _ in MESSAGES} | {events.LogLines, events.Ended}
    assert shown == set(events.Event.__args__)
    for state in State:
        joblog(Sheet()).show(events.StateChanged(RunStatus(state, state.value), State.RUNNING))
    with pytest.raises(TypeError):
        joblog(Sheet()).show("no event")  # type: ignore[arg-type]


def test_the_run_has_its_number_once_it_is_known():
    """Messages name the run by its number as soon as it has one."""
    clock, sheet = FakeClock(), Sheet()
    log = joblog(sheet, clock)
    log.show(events.RunKnown(Run("p", 312), started=True))
    clock.sleep(187)
    log.show(heartbeat(step=Step("x", "X")))
    log.show(events.Queued(311))
    log.show(changed("queued", "queued"))
    log.show(changed("running", "queued"))
    log.show(changed("running", "running", "more"))
    log.show(changed("concluded", "running"))
    assert sheet.printed[1:] == [
        "Run 312: “X” still running, no output for 3m (elapsed 3m07s).",
        "Run 312 is queued behind run 311.", "Run 312 is running.",
        "warning: Unrecognized status “concluded”; assuming run 312 is still in progress.",
    ]  # fmt: skip


class TestGroups:
    """One group per step, and one for steps that run in parallel."""

    def test_a_group_for_each_step(self):
        """Lines are in the group of their step, titled by name and tool."""
        sheet = Sheet()
        log = joblog(sheet)
        for event in (lines("Build", "a", "b"), lines("Build", "c"), lines("Test", "d", tool="")):
            log.show(event)
        log.finish()
        assert sheet.printed == ["[Build · jenkins", "» a", "» b", "» c", "]", "[Test", "» d", "]"]

    def test_parallel_steps_share_a_group(self):
        """Once lines come back, all are printed as they come in one group, with their step."""
        sheet = Sheet()
        log = joblog(sheet)
        for number in range(16):
            for step in "ABCD":
                log.show(lines(step, f"{step.lower()}{number}"))
        log.finish()
        assert titles(sheet) == [
            *(f"{step} · jenkins" for step in "ABCD"),
            "Parallel steps: A, D, …",
        ]
        assert log_lines(sheet)[:6] == ["a0", "b0", "c0", "d0", "A | a1", "B | b1"]
        assert len(log_lines(sheet)) == 64

    def test_a_step_before_its_turn_is_parallel(self):
        """Of steps that come in another order than planned, the second one shares a group."""
        sheet = Sheet()
        log = joblog(sheet)
        log.set_plan([Step(f"id-{name}", name) for name in "ABCD"])
        for step in ("A", "C", "B", "C", "B"):
            log.show(lines(step, "x"))
        assert titles(sheet) == ["A · jenkins", "C · jenkins", "Parallel steps: B, C, …"]
        assert log_lines(sheet) == ["x", "x", "B | x", "C | x", "B | x"]

    def test_a_step_after_parallel_ones_has_its_own_group(self):
        """Some time after the lines of the others were last interleaved."""
        clock, sheet = FakeClock(), Sheet()
        log = joblog(sheet, clock)
        for step in ("A", "B", "A", "B", "C"):
            log.show(lines(step, "x"))
        clock.sleep(20)
        log.show(lines("D", "y"))
        log.show(lines("D", "z"))
        assert titles(sheet) == [
            "A · jenkins",
            "B · jenkins",
            "Parallel steps: A, B, …",
            "D · jenkins",
        ]
        assert log_lines(sheet)[-4:] == ["B | x", "C | x", "y", "z"]

    def test_one_late_line_does_not_join_the_rest_of_the_log(self):
        """After a late line of the step before, the next step has a group of its own again."""
        sheet = Sheet()
        log = joblog(sheet)
        for step in ("A", "B", "A", *"BBBBBBBB", "C", "D"):
            log.show(lines(step, "x"))
        assert titles(sheet)[2:] == ["Parallel steps: A, B, …", "C · jenkins", "D · jenkins"]

    @pytest.mark.parametrize("seed", range(5))
    def test_there_are_few_groups_however_steps_interleave(self, seed):
        """There are never more than two groups per step, whatever the order and the times."""
        chance, clock, sheet = random.Random(seed), FakeClock(), Sheet()
        log = joblog(sheet, clock)
        steps = "ABCDEFGH"[: chance.randrange(2, 9)]
        for _ in range(300):
            log.show(lines(chance.choice(steps), "x"))
            clock.sleep(chance.choice([0, 0, 1, 20]))
        assert len(titles(sheet)) <= 2 * len(steps)
        assert len(log_lines(sheet)) == 300

    def test_two_steps_of_one_name_are_two(self):
        """Steps are identified by their IDs; a step without one by its name."""
        sheet = Sheet()
        log = joblog(sheet)
        for step_id, name in (("1", "Scan"), ("2", "Scan"), ("", ""), ("1", "Scan"), ("2", "Scan")):
            log.show(events.LogLines(step_id, name, "", (f"{step_id}x",)))
        assert titles(sheet) == ["Scan", "Scan", "Log", "Parallel steps: Scan, Log, …"]
        assert log_lines(sheet)[-2:] == ["Scan | 1x", "Scan (2) | 2x"]

    def test_a_step_continues_after_a_message_outside_of_the_groups(self):
        """Messages about a cancellation are outside; lines after it are in a new group."""
        sheet = Sheet(folds=True)
        log = joblog(sheet)
        log.show(lines("Build", "a"))
        log.end_group()
        log.print_message("SIGINT", "warning")
        log.show(lines("Build", "b"))
        log.finish()
        log.finish()
        assert sheet.printed == [
            "[Build · jenkins", "» a", "]", "warning: SIGINT",
            "[Build · jenkins (continued)", "» b", "]",
        ]  # fmt: skip

    @pytest.mark.parametrize(
        ("event", "closes"),
        [(events.PausedAt(APPROVAL, ""), True), (events.Queued(41), True),
         (changed("running", "paused"), True), (changed("frobnicated", "running"), True),
         (heartbeat(), False), (events.Retrying("502.", 9.0), False),
         (events.LinesMissing(), False)],
    )  # fmt: skip
    def test_only_what_matters_later_closes_a_group(self, event, closes):
        """A heartbeat breaks no group; what users must not overlook is outside of them."""
        sheet = Sheet(folds=True)
        log = joblog(sheet)
        log.show(lines("Build", "a"))
        log.show(event)
        log.show(lines("Build", "b"))
        assert (sheet.printed[2] == "]") is closes
        assert len(titles(sheet)) == (2 if closes else 1)

    @pytest.mark.parametrize("seed", range(5))
    def test_groups_always_balance(self, seed):
        """After any events, and an end in the midst of them, no group is left open."""
        chance = random.Random(seed)
        sheet = Sheet(folds=chance.random() < 0.5)
        log = joblog(sheet, limit=chance.choice([None, 40]))
        happenings = [event for event, _ in MESSAGES] + [lines(name, "x" * 9) for name in "ABCABC"]
        for event in chance.choices(happenings, k=chance.randrange(40)):
            log.show(event)
        if chance.random() < 0.5:
            log.show(events.Ended(events.EndReason.FINAL, None, log_complete=True))
        log.end_group()
        log.annotate("error", "t", "x")
        depth = 0
        for line in sheet.printed:
            depth += line.startswith("[") - (line == "]")
            assert depth in (0, 1)
        assert depth == 0
        assert sheet.moving[-1] == ""


@pytest.mark.parametrize("link", ["https://portal.test/x", ""])
def test_a_job_that_waits_for_approval_reports_it_at_once(link):
    """A paid runner is waiting, so an annotation with the link appears when the run pauses."""
    sheet = Sheet(folds=True)
    log = joblog(sheet, waits_when_paused=True)
    log.link = link
    log.show(lines("Build", "a"))
    log.show(events.PausedAt(APPROVAL, ""))
    view = f" View in Opsera: {link}" if link else ""
    assert sheet.printed[-1] == (
        "!warning Opsera pipeline waiting for approval: The run is waiting for approval at "
        f"“Approve”.{view}"
    )


@pytest.mark.parametrize("color", [True, False])
def test_lines_are_counted_and_kept(color):
    """Every line is counted and written to the full log with its colors, even if not shown."""
    sheet, kept = Sheet(color=color), Kept()
    log = joblog(sheet, keeper=kept)
    log.show(events.LogLines("s1", "Bu\rild", "jen\x1bkins", ("\x1b[31mred", "more\x1b[0m", "")))
    assert (log.line_count, kept.steps) == (3, [("s1", "Bu ild", "jenins")])
    assert kept.lines == ["\x1b[31mred\x1b[0m", "\x1b[31mmore\x1b[0m", ""]
    assert log_lines(sheet) == (kept.lines if color else ["red", "more", ""])


def test_lines_have_the_time_of_their_record_if_that_is_wanted():
    """In the job log and in the full log, but not in what is quoted of a step."""
    sheet, kept = Sheet(), Kept()
    log = joblog(sheet, keeper=kept, timestamps=True)
    log.show(lines("A", "one", at=1_767_225_605.9))
    log.show(lines("A", "two"))
    assert log_lines(sheet) == kept.lines == ["2026-01-01T00:00:05Z one", "two"]
    found = log.excerpts.of("id-A", "A")
    assert found is not None
    assert found.tail == ["one", "two"]


def test_a_log_that_is_not_shown_is_kept():
    """With `logs: none` the log is read for the report; a line a minute shows progress."""
    sheet, kept, clock = Sheet(), Kept(), FakeClock()
    log = joblog(sheet, clock, keeper=kept, shows_log=False)
    for number in range(100):
        log.show(lines("Build", f"line {number}"))
        clock.sleep(1.0)
    log.finish()
    log.repeat_last_lines("", "Build")
    assert len(kept.lines) == log.line_count == 100
    assert sheet.printed == ["The run: “Build” still running, 61 lines read (elapsed 1m)."]


def test_lines_that_are_not_shown_are_reported_a_minute_later_even_if_no_more_come():
    """Lines that are not shown don't postpone the heartbeat; a step without lines has none."""
    sheet, clock = Sheet(), FakeClock()
    log = joblog(sheet, clock, keeper=Kept(), shows_log=False)
    for second in range(200):
        if second == 59:
            log.show(lines("Build", "last"))
        log.show(events.Tick())
        clock.sleep(1.0)
    assert sheet.printed == ["The run: “Build” still running, 1 line read (elapsed 1m)."]


def test_colors_stay_within_their_step():
    """A color that a step leaves on continues in its own lines, and not in those of another."""
    sheet = Sheet(color=True)
    log = joblog(sheet)
    for event in (lines("A", "\x1b[31mred"), lines("B", "plain"), lines("A", "still red")):
        log.show(event)
    printed = log_lines(sheet)
    assert printed == ["\x1b[31mred\x1b[0m", "plain", "A | \x1b[31mstill red\x1b[0m"]
    assert terminal.effects("\n".join(printed)) == []


class TestLastLines:
    """The end of the failed step, where it is out of sight."""

    def test_they_are_printed_again_below_those_of_other_steps(self):
        """After lines of other steps, the last lines of the failed step are repeated."""
        sheet = Sheet(folds=True)
        log = joblog(sheet)
        log.show(lines("Test", *(f"line {chr(97 + number) * 2}" for number in range(26))))
        log.show(lines("Deploy", "x"))
        log.end_group()
        log.repeat_last_lines("id-Test", "Test")
        assert sheet.printed[-LAST_LINES - 1 :] == [
            "Last lines of “Test”:", *(f"» line {chr(97 + number) * 2}" for number in range(6, 26)),
        ]  # fmt: skip

    @pytest.mark.parametrize(
        ("last", "quotes", "again"),
        [("Test", False, False), ("Deploy", False, True), ("Deploy", True, False)],
    )
    def test_they_are_not_printed_twice_in_sight(self, last, quotes, again):
        """Not if they are the last ones anyway, and not if an annotation quotes them."""
        sheet = Sheet(quotes_details=quotes)
        log = joblog(sheet)
        for step in ("Test", last):
            log.show(lines(step, "x"))
        log.repeat_last_lines("id-Test", "Test")
        assert ("Last lines of “Test”:" in sheet.printed) is again


class TestLogLimit:
    """Head and tail of a log that is longer than log_limit."""

    def test_head_and_tail_are_printed(self):
        """Past the limit, a message is printed at once; at the end, the tail follows."""
        sheet, kept = Sheet(), Kept()
        log = joblog(sheet, limit=400, keeper=kept)
        for number in range(100):
            log.show(lines("Build", f"line {number:03}"))
        log.finish()
        numbers = [int(line[-3:]) for line in log_lines(sheet)]
        assert numbers == [*range(33), *range(89, 100)]
        assert len(kept.lines) == log.line_count == 100
        assert [line for line in sheet.printed if "log_limit" in line] == [
            "warning: log_limit reached. Only the tail of the log will be printed.",
            "56 lines (0.5 KiB) omitted because of log_limit. The full log is in report_dir.",
        ]
        assert titles(sheet) == ["Build · jenkins", "End of the log"]

    def test_a_tail_that_fits_leaves_nothing_out(self):
        """If all that was held back is printed at the end, nothing is reported as omitted."""
        sheet = Sheet()
        log = joblog(sheet, limit=100)
        for number in range(10):
            log.show(lines("Build", f"line {number:03}"))
        log.finish()
        assert log_lines(sheet) == [f"line {number:03}" for number in range(10)]
        assert not [line for line in sheet.printed if "omitted" in line]

    @pytest.mark.parametrize(("auto", "printed"), [(300, 11), (400, 22), (None, 22)])
    def test_the_limit_of_the_platform_counts_as_the_platform_does(self, auto, printed):
        """The same limit holds fewer lines where the platform adds bytes to each."""
        sheet = Sheet(auto_log_limit=auto)
        log = joblog(sheet, limit=300)
        for number in range(100):
            sheet.log_used += 0
            log.show(lines("Build", f"line {number:04}"))
            sheet.log_used = 20 * len(log_lines(sheet))
        assert len(log_lines(sheet)) == printed


class TestProgress:
    """What is drawn below the log on a terminal."""

    def test_the_last_line_shows_what_is_in_progress(self):
        """It names the run, its activity, and for how long."""
        clock, sheet = FakeClock(), Sheet(room=8)
        log = joblog(sheet, clock)
        log.show(events.RunKnown(Run("p", 42), started=True))
        log.show(events.Queued(41))
        clock.sleep(65)
        for event in (
            events.Tick(), changed("running", "queued"), lines("Build", "x"),
            changed("running", "running", "other words"), events.PausedAt(APPROVAL, ""),
            changed("running", "paused"),
        ):  # fmt: skip
            log.show(event)
        assert [line.removeprefix("Run 42 · ") for line in sheet.moving if line] == [
            "starting · 0s", "queued behind run 41 · 0s", "queued behind run 41 · 1m05s",
            "running · 1m05s", "Build · 1m05s", "Build · 1m05s",
            "waiting for approval at “Approve” · 1m05s", "running · 1m05s",
        ]  # fmt: skip

    def test_the_steps_are_drawn_where_there_is_room(self):
        """Below the log are the steps of the plan, and at the end nothing is left."""
        clock, sheet = FakeClock(), Sheet(room=8)
        log = joblog(sheet, clock)
        log.set_plan([Step("id-Build", "Build"), Step("id-Test", "Te\x1b[31mst")])
        log.show(events.RunKnown(Run("p", 42), started=True))
        log.show(lines("Build", "x"))
        clock.sleep(65)
        log.show(heartbeat(step=Step("id-Test", "Test")))
        assert sheet.drawn == [
            ("✓ Build", "1m05s"), ("● Test", "0s"), ("Run 42 · Build · 1m05s", ""),
        ]  # fmt: skip
        assert "still running" not in "".join(sheet.printed)
        log.show(events.Ended(events.EndReason.FINAL, None, log_complete=True))
        assert sheet.drawn == []

    @pytest.mark.parametrize(("room", "limit"), [(8, 10), (0, None)])
    def test_what_is_not_printed_is_drawn(self, room, limit):
        """Past log_limit the latest line is drawn, where there is room for it."""
        sheet = Sheet(room=room)
        joblog(sheet, limit=limit).show(lines("Build", "\x1b[31mfirst" + "x" * 99, "latest"))
        assert sheet.moving[-1:] == (["The run · Build · 0s · latest"] if room else [])


@pytest.mark.parametrize(
    "text", [TOKEN, f"a {TOKEN} b", "\x1b[31m" + TOKEN[:9] + "\x1b[0m" + TOKEN[9:]]
)
def test_the_token_is_printed_nowhere(text):
    """The token is masked in lines, names, messages, and our own sentences."""
    sheet = Sheet(color=True, room=8)
    log = joblog(sheet)
    step = Step("x", text)
    for event in (
        lines(text, text, tool=text), lines("b", text), lines(text, text), events.Note(text),
        changed("running", "paused", text), events.PausedAt(step, "", None, text),
        heartbeat("running", step, error=text), changed(text, "running"),
        events.Retrying(text, 1.0),
    ):  # fmt: skip
        log.show(event)
    sheet.room = 0
    log.show(heartbeat("running", step))
    log.print_message(f"quoted: {text}")
    log.annotate("error", text, text)
    assert secrets.find(TOKEN, "\n".join(sheet.printed + sheet.moving).encode()) == []


def test_the_debug_log_is_printed_if_it_is_wanted():
    """Its lines are printed where they occur, also in a group, without the token."""
    for verbose in (True, False):
        sheet = Sheet(folds=True)
        log = joblog(sheet, verbose=verbose)
        log.show(lines("A", "x"))
        log.print_debug(f"GET /x?{TOKEN}")
        log.print_request("POST", "/api/v1/pipeline/status", 200, 0.123)
        log.print_request("POST", "/api/v1/pipeline/status", None, 30.0)
        log.show(changed("success", "running"))
        log.show(lines("A", "y"))
        log.show(events.Ended(events.EndReason.FINAL, None, log_complete=True))
        assert [line for line in sheet.printed if line.startswith("debug: ")] == ([
            "debug: GET /x?***",
            "debug: 00:00:00.000Z POST /api/v1/pipeline/status: 200 in 0.12s",
            "debug: 00:00:00.000Z POST /api/v1/pipeline/status: no response in 30.00s",
            "debug: Status: success", "debug: Stopped following the run: final",
        ] if verbose else [])  # fmt: skip
        assert titles(sheet) == ["A · jenkins"]
