"""The job log: what each event prints, and that groups always balance."""

from __future__ import annotations

import random

import pytest

from opsera_step.api import Run, RunStatus, State, Step, state_of
from opsera_step.clock import FakeClock
from opsera_step.display.excerpt import LAST_LINES
from opsera_step.runs import events
from opsera_step.text import LogStream, Scrubber
from tests.oracles import hostile, secrets, terminal
from tests.support.sheet import TOKEN, Kept, Sheet, joblog

GATE = Step("g", "Approve")


def lines(step: str, *texts: str, tool: str = "jenkins") -> events.LogLines:
    return events.LogLines(f"id-{step}" if step else "", step, tool, texts)


def status(word: str, message: str = "") -> RunStatus:
    return RunStatus(state_of(word), word, message)


def heartbeat(word: str = "running", step: Step | None = None, **rest) -> events.Heartbeat:
    defaults = {"queued_behind": None, "idle_seconds": 60.0, "error": ""}
    return events.Heartbeat(status(word) if word else None, step, **{**defaults, **rest})


def changed(word: str, before: str, message: str = "") -> events.StateChanged:
    return events.StateChanged(status(word, message), state_of(before) if before else None)


SENTENCES = [
    (events.Note("Mind\nthis."), "Mind this."),
    (events.Note("Mind this.", warning=True), "warning: Mind this."),
    (events.RunKnown(Run("p", 42), started=True), "Started run 42."),
    (events.RunKnown(Run("p", 42), started=False), "Following run 42."),
    (events.Queued(41), "The run is queued: it starts when run 41 has ended."),
    (changed("running", "", "started"), None),
    (changed("running", "paused"), "The run is running now."),
    (
        changed("running", "paused", "Pipeline: Shop's Run 42 is currently running."),
        "The run is running now.",
    ),
    (changed("Running", "paused", "going on"), "The run is Running now. Opsera: going on"),
    (changed("paused", "running", "paused"), None),
    (changed("success", "running"), None),
    (
        changed("frobnicated", "running"),
        (
            "warning: The run is “frobnicated”, a word that this version does not know; it is "
            "taken as still going."
        ),
    ),
    (
        events.PausedAt(GATE, ""),
        "The run is paused at “Approve”: it waits for somebody to let it go on.",
    ),
    (events.PausedAt(None, ""), "The run is paused: it waits for somebody to let it go on."),
    (
        events.LinesMissing(),
        ("warning: Some log records are missing here (the API returns only the latest 1,000)."),
    ),
    (
        events.LinesMissing(4000),
        (
            "warning: Up to 4,000 log records are missing here (the API returns only the latest "
            "1,000)."
        ),
    ),
    (
        events.Retrying("It answered 502.", 6.0, 3540.0),
        "warning: It answered 502. Retrying for at most 59m00s.",
    ),
    (events.Retrying("It answered 502.", 6.0), "warning: It answered 502. Retrying."),
    (
        events.Retrying("It answered 429.", 0.0, 3540.0, wait=120.0),
        "warning: It answered 429. Retrying in 2m00s.",
    ),
    (events.Recovered(75.0), "The API answers again, after 1m15s."),
    (events.Tick(), None),
    (
        heartbeat(step=Step("b", "Build")),
        "The run: “Build” is running, nothing new for 1m00s; 0s so far.",
    ),
    (heartbeat(), "The run: running, nothing new for 1m00s; 0s so far."),
    (heartbeat(""), "The run: not known yet, nothing new for 1m00s; 0s so far."),
    (
        heartbeat("paused", GATE),
        "The run: paused for 1m00s, “Approve” waits for somebody; 0s so far.",
    ),
    (heartbeat("paused"), "The run: paused for 1m00s, it waits for somebody; 0s so far."),
    (heartbeat("queued", queued_behind=41), "The run: waits for run 41 to end; 0s so far."),
    (
        heartbeat(error="It answered 502."),
        "The run: the API has trouble (It answered 502); 0s so far.",
    ),
]


@pytest.mark.parametrize(("event", "sentence"), SENTENCES)
def test_each_event_prints_its_sentence(event, sentence):
    """Each kind of event prints one sentence, or nothing where there is nothing to say."""
    sheet = Sheet()
    joblog(sheet).show(event)
    assert sheet.printed == ([] if sentence is None else [sentence])


def test_every_kind_of_event_is_shown():
    """No event of the vocabulary is unknown to the job log."""
    shown = {type(event) for event, _ in SENTENCES} | {events.LogLines, events.Ended}
    assert shown == set(events.Event.__args__)
    with pytest.raises(TypeError):
        joblog(Sheet()).show("no event")  # type: ignore[arg-type]


def test_the_run_has_its_number_once_it_is_known():
    """Sentences name the run by its number as soon as there is one."""
    sheet = Sheet()
    log = joblog(sheet)
    log.show(events.RunKnown(Run("p", 42), started=True))
    log.show(events.PausedAt(None, ""))
    assert sheet.printed[-1].startswith("Run 42 is paused")


def test_a_group_for_each_step():
    """Lines stand in the group of their step, titled by name and tool."""
    sheet = Sheet()
    log = joblog(sheet)
    log.show(lines("Build", "a", "b"))
    log.show(lines("Build", "c"))
    log.show(lines("Test", "d", tool=""))
    log.finish()
    assert sheet.printed == ["[Build · jenkins", "» a", "» b", "» c", "]", "[Test", "» d", "]"]


def test_interleaved_steps_are_continued():
    """A step that comes again gets a group of its own that says so."""
    sheet = Sheet()
    log = joblog(sheet)
    for step in ("A", "B", "A", "A", "B"):
        log.show(lines(step, "x"))
    titles = [line for line in sheet.printed if line.startswith("[")]
    assert titles == [
        "[A · jenkins", "[B · jenkins", "[A · jenkins (continued)", "[B · jenkins (continued)",
    ]  # fmt: skip


def test_two_steps_of_one_name_are_two():
    """Steps are told apart by their IDs; a step without one by its name; none at all is the log."""
    sheet = Sheet()
    log = joblog(sheet)
    log.show(events.LogLines("1", "Scan", "", ("a",)))
    log.show(events.LogLines("2", "Scan", "", ("b",)))
    log.show(events.LogLines("", "", "", ("c",)))
    assert sheet.printed == ["[Scan", "» a", "]", "[Scan", "» b", "]", "[Log", "» c"]


@pytest.mark.parametrize("seed", range(20))
def test_groups_balance_whatever_happens(seed):
    """After any events, and an end in the middle of them, no group is left open."""
    chance = random.Random(seed)
    sheet = Sheet(folds=chance.random() < 0.5)
    log = joblog(sheet, limit=chance.choice([None, 40]))
    happenings = [event for event, _ in SENTENCES] + [lines(name, "x" * 9) for name in "ABCABC"]
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


def test_after_a_cancel_the_group_is_closed():
    """What is said about a cancel stands outside of the groups, and lines after it in a new one."""
    sheet = Sheet(folds=True)
    log = joblog(sheet)
    log.show(lines("Build", "a"))
    log.end_group()
    log.say("SIGINT", "warning")
    log.show(lines("Build", "b"))
    log.finish()
    log.finish()
    assert sheet.printed == [
        "[Build · jenkins", "» a", "]", "warning: SIGINT",
        "[Build · jenkins (continued)", "» b", "]",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "event",
    [events.PausedAt(GATE, ""), heartbeat(), events.Retrying("502.", 9.0), events.Queued(41)],
)
def test_what_matters_is_never_folded_away(event):
    """Where a viewer folds groups, a sentence about the run itself stands outside of them."""
    sheet = Sheet(folds=True)
    log = joblog(sheet)
    log.show(lines("Build", "a"))
    log.show(event)
    assert sheet.printed[2] == "]"
    assert not sheet.is_open


def test_missing_lines_are_told_where_they_are_missing():
    """The sentence about missing lines stands among the lines, and is remembered."""
    sheet = Sheet(folds=True)
    log = joblog(sheet)
    log.show(lines("Build", "a"))
    log.show(events.LinesMissing(3))
    log.show(lines("Build", "b"))
    assert log.missing
    assert [line[:4] for line in sheet.printed] == ["[Bui", "» a", "warn", "» b"]


@pytest.mark.parametrize("colour", [True, False])
def test_lines_are_counted_and_kept(colour):
    """Every line is counted, and given to the full log with its colours, whatever is shown."""
    sheet, kept = Sheet(colour=colour), Kept()
    log = joblog(sheet, keeper=kept)
    log.show(events.LogLines("s1", "Bu\rild", "jen\x1bkins", ("\x1b[31mred", "more\x1b[0m", "")))
    assert (log.line_count, kept.steps) == (3, [("s1", "Bu ild", "jenins")])
    assert kept.lines == ["\x1b[31mred\x1b[0m", "\x1b[31mmore\x1b[0m", ""]
    shown = [line[2:] for line in sheet.printed if line.startswith("»")]
    assert shown == (kept.lines if colour else ["red", "more", ""])


def test_a_log_that_is_not_shown_is_kept():
    """With nothing to be printed of it the log is read for the report; a line a minute tells so."""
    sheet, kept, clock = Sheet(), Kept(), FakeClock()
    log = joblog(sheet, clock, keeper=kept, shows_log=False)
    for number in range(100):
        log.show(lines("Build", f"line {number}"))
        clock.sleep(1.0)
    log.finish()
    log.repeat_last_lines("", "Build")
    assert len(kept.lines) == log.line_count == 100
    assert sheet.printed == ["The run: “Build” goes on, line 61; 1m00s."]


def test_colours_stay_within_their_step():
    """A colour that a step leaves on goes on in its own lines, and not in those of another."""
    sheet = Sheet(colour=True)
    log = joblog(sheet)
    log.show(lines("A", "\x1b[31mred"))
    log.show(lines("B", "plain"))
    log.show(lines("A", "red still"))
    printed = [line[2:] for line in sheet.printed if line.startswith("»")]
    assert printed == ["\x1b[31mred\x1b[0m", "plain", "\x1b[31mred still\x1b[0m"]
    assert terminal.effects("\n".join(printed)) == []


def test_the_last_lines_are_shown_again_below_others():
    """After lines of other steps the last lines of the step that failed are shown again."""
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
def test_the_last_lines_are_not_shown_twice_in_sight(last, quotes, again):
    """They are shown again only if other lines came after them, and no annotation quotes them."""
    sheet = Sheet(quotes_details=quotes)
    log = joblog(sheet)
    for step in ("Test", last):
        log.show(lines(step, "x"))
    log.repeat_last_lines("id-Test", "Test")
    assert ("Last lines of “Test”:" in sheet.printed) is again


def test_no_step_no_last_lines():
    """Where the step that failed is not known, or had no lines, nothing is shown again."""
    sheet = Sheet(folds=True)
    log = joblog(sheet)
    log.show(lines("Build", "x"))
    before = list(sheet.printed)
    log.repeat_last_lines("", "")
    log.repeat_last_lines("", "Other")
    assert sheet.printed == before


def test_the_log_limit_keeps_head_and_tail():
    """Past the limit the log says so at once, and at the end shows the tail and what is missing."""
    sheet, kept = Sheet(), Kept()
    log = joblog(sheet, limit=400, keeper=kept)
    for number in range(100):
        log.show(lines("Build", f"line {number:03}"))
    log.finish()
    numbers = [int(line[-3:]) for line in sheet.printed if line.startswith("» ")]
    told = [line for line in sheet.printed if "log_limit" in line]
    left_out = 100 - len(numbers)
    assert numbers == [*range(33), *range(89, 100)]
    assert len(kept.lines) == log.line_count == 100
    assert told == [
        (
            "warning: The log has reached log_limit; from here on only its last lines are shown, "
            "at the end."
        ),
        (
            f"{left_out} lines (0.0 MiB) were left out here, for log_limit; the full log is in "
            "report_dir, if that is set."
        ),
    ]
    assert sheet.printed.index("[End of the log") < sheet.printed.index(told[1])


def test_a_tail_that_fits_leaves_nothing_out():
    """When all that was held back is shown at the end, nothing is said to be left out."""
    sheet = Sheet()
    log = joblog(sheet, limit=100)
    for number in range(10):
        log.show(lines("Build", f"line {number:03}"))
    log.finish()
    assert [line[-3:] for line in sheet.printed if line.startswith("» ")] == [
        f"{number:03}" for number in range(10)
    ]
    assert not [line for line in sheet.printed if "left out" in line]


def test_the_moving_line_says_what_goes_on():
    """The moving line names the run, what it does, and for how long."""
    clock, sheet = FakeClock(), Sheet(room=8)
    log = joblog(sheet, clock)
    log.show(events.RunKnown(Run("p", 42), started=True))
    log.show(events.Queued(41))
    clock.sleep(65)
    log.show(events.Tick())
    log.show(changed("running", "queued"))
    log.show(lines("Build", "x"))
    log.show(changed("running", "running", "other words"))
    log.show(events.PausedAt(GATE, ""))
    assert sheet.moving == [
        "Run 42 · starting · 0s", "Run 42 · queued behind run 41 · 0s",
        "Run 42 · queued behind run 41 · 1m05s", "Run 42 · running · 1m05s",
        "Run 42 · Build · 1m05s", "Run 42 · Build · 1m05s", "Run 42 · waits at “Approve” · 1m05s",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text", [TOKEN, f"a {TOKEN} b", "\x1b[31m" + TOKEN[:9] + "\x1b[0m" + TOKEN[9:]]
)
def test_the_token_shows_nowhere(text):
    """Whatever quotes the token, in lines, names, messages or sentences of ours, it is masked."""
    sheet = Sheet(colour=True, room=8)
    log = joblog(sheet)
    log.show(lines(text, text, tool=text))
    log.show(events.Note(text))
    log.show(changed("running", "paused", text))
    log.show(heartbeat("running", Step("x", text), error=text))
    log.say(f"quoted: {text}")
    log.annotate("error", text, text)
    assert secrets.find(TOKEN, "\n".join(sheet.printed + sheet.moving).encode()) == []


def test_our_own_sentences_are_safe_too():
    """A sentence of ours that quotes others holds no control character."""
    sheet = Sheet()
    log = joblog(sheet)
    log.say("one\r\x1b[0Ktwo\nthree\x1b[2J\x07")
    log.annotate("error", "a\x1b[31m", "b\x9b2J\r\nc")
    assert sheet.printed == ["one", "two", "three", "!error a: b\nc"]


def test_names_and_messages_are_one_safe_line():
    """A name or message of any kind becomes one line that nothing obeys."""
    safe = Scrubber(TOKEN)
    for sample in hostile.samples(11, 1500):
        line = safe.inline(sample.text)
        assert terminal.effects(line) == []
        assert len(line.splitlines()) <= 1
        assert len(line) <= 500


def test_harmless_lines_come_out_unchanged():
    """What tools usually write comes out as it went in, to the letter."""
    safe = Scrubber(TOKEN)
    stream = LogStream()
    assert [safe.log_line(line, stream) for line in hostile.HARMLESS] == list(hostile.HARMLESS)


def test_states_of_the_model_are_all_thought_of():
    """A change to any state is shown without a fault."""
    for state in State:
        joblog(Sheet()).show(events.StateChanged(RunStatus(state, state.value), State.RUNNING))


def test_the_steps_are_drawn_where_there_is_room():
    """Below the log stand the plan's steps and what goes on, and at the end nothing is left."""
    clock, sheet = FakeClock(), Sheet(room=8)
    log = joblog(sheet, clock)
    log.know_plan([Step("id-Build", "Build"), Step("id-Test", "Te\x1b[31mst")])
    log.show(events.RunKnown(Run("p", 42), started=True))
    log.show(lines("Build", "x"))
    clock.sleep(65)
    log.show(events.Tick())
    assert sheet.drawn == [
        ("● Build", "1m05s"), ("○ Test", ""), ("Run 42 · Build · 1m05s", ""),
    ]  # fmt: skip
    log.show(events.Ended(events.EndReason.FINAL, None, log_complete=True))
    assert sheet.drawn == []


def test_nothing_is_drawn_where_there_is_no_room():
    """Where nothing can be drawn anew nothing is."""
    sheet = Sheet()
    log = joblog(sheet)
    log.show(lines("Build", "x"))
    assert sheet.drawn == []


def test_what_is_not_shown_is_drawn():
    """Where lines are not shown the newest one stands below, so that something is seen to move."""
    sheet = Sheet(room=8)
    log = joblog(sheet, limit=10)
    log.show(lines("Build", "\x1b[31mfirst" + "x" * 99, "newest"))
    assert sheet.moving[-1] == "The run · Build · 0s · newest"


def test_a_pause_is_drawn_until_the_run_goes_on():
    """A gate waits in the drawn lines as long as the run does; a heartbeat shows a silent step."""
    sheet = Sheet(room=8)
    log = joblog(sheet)
    log.know_plan([GATE, Step("d", "Deploy")])
    log.show(events.PausedAt(GATE, ""))
    assert sheet.drawn[0] == ("‖ Approve", "0s")
    log.show(changed("running", "paused"))
    assert sheet.drawn[0] == ("● Approve", "0s")
    assert sheet.moving[-1] == "The run · running · 0s"
    log.show(heartbeat("running", Step("d", "Deploy")))
    assert sheet.drawn[1] == ("● Deploy", "0s")


def test_a_display_that_moves_needs_no_signs_of_life():
    """Where something is drawn anew all the time no line each minute says that it lives."""
    sheet = Sheet(room=8)
    joblog(sheet).show(heartbeat())
    assert sheet.printed == []
