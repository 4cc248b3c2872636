"""The log cursor: facts one by one, then a server that grows, lags and tears."""

from __future__ import annotations

import random
import re
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsera_step.api import LogRecord
from opsera_step.runs.log_cursor import Batch, LogCursor, RecordState, in_order, merge
from opsera_step.text import split_lines

PROCESS = "0123456789"


def object_id(number: int, process: str = PROCESS) -> str:
    return f"{0x65000000 + number // 100:08x}{process}{number % 2**24:06x}"


def record(number: int, text: str, created: float | None = 0.0, **fields: str) -> LogRecord:
    """A console record; with `created` 0 its time is its number."""
    return LogRecord(
        id=fields.get("id", object_id(number)),
        created=float(number) if created == 0.0 else created,
        step_id=fields.get("step", "build"),
        step_name="Build",
        step_index=0,
        action="console output",
        status="",
        message="",
        tool="",
        user_id="",
        text=text,
    )


def latest_first(*records: LogRecord) -> list[LogRecord]:
    return list(reversed(records))


def lines_of(batches: Iterable[Batch]) -> list[str]:
    """What the job log would show."""
    return [line for batch in batches for piece in batch.pieces for line in split_lines(piece.text)]


def shown(*snapshots: Sequence[LogRecord], window: int = 10) -> list[list[str]]:
    """The lines that come at each snapshot, and at the end."""
    cursor = LogCursor(window)
    steps = [lines_of([cursor.advance(snapshot)]) for snapshot in snapshots]
    return [*steps, lines_of([cursor.flush()])]


def texts(*values: str) -> list[list[list[str]]]:
    """Snapshots of one record whose text becomes each of the values."""
    return [[record(1, value)] for value in values]


def test_each_record_comes_once_and_oldest_first():
    """A window that moves on gives only what is new in it, in order."""
    one, two, three = record(1, "a"), record(2, "b\nc\n"), record(3, "d\n")
    assert shown([], [two, one], [three, two, one], [three, two]) == [
        [],
        ["a", "b", "c"],
        ["d"],
        [],
        [],
    ]


def test_ties_are_ordered_by_object_id():
    """Records of one time come by their IDs, in whatever order the server has them."""
    tied = [record(number, f"{number}\n", created=5.0) for number in range(1, 6)]
    random.Random(1).shuffle(tied)
    assert lines_of([LogCursor(10).advance(tied)]) == ["1", "2", "3", "4", "5"]


def test_ties_without_object_ids_keep_the_order_of_the_server():
    """If an ID has no order, the server's order is used."""
    tied = [record(0, text, created=5.0, id=name) for text, name in (("c", "x"), ("b", "z"))]
    assert [one.text for one in in_order(tied)] == ["b", "c"]


def test_a_record_without_time_stays_beside_its_neighbour():
    """A record whose time can't be read takes that of the one before it."""
    odd = [record(3, "c"), record(2, "b", created=None), record(1, "a")]
    assert [one.text for one in in_order(odd)] == ["a", "b", "c"]
    assert [one.text for one in in_order([record(1, "x", created=None)])] == ["x"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (("a\n", "a\nb\n", "a\nb\nc\n"), [["a"], ["b"], ["c"], []]),
        (("a\nb", "a\nbc\n", "a\nbc\n"), [["a"], ["bc"], [], []]),
        (("a\nb", "a\nb", "a\nb"), [["a"], ["b"], [], []]),
        (("a\nb", "a\nb", "a\nb\n", "a\nb\nc\n"), [["a"], ["b"], [], ["c"], []]),
        (("a\nb", "a\nb", "a\nb\r\nc\r\n"), [["a"], ["b"], ["c"], []]),
        (("a\nb\r", "a\nb\r", "a\nb\r\nc\n"), [["a"], ["b"], ["c"], []]),
        (("a\nb", "a\nb", "a\nb\r", "a\nb\r", "a\nb\r\n"), [["a"], ["b"], [], [], [], []]),
        (("a\nb", "a\nb", "a\nbcd", "a\nbcd"), [["a"], ["b"], [], ["cd"], []]),
        (("a\n\n", "a\n\n\n"), [["a", ""], [""], []]),
        (("a\n", "a\nb", "a\nbc", "a\nbcd"), [["a"], [], [], [], ["bcd"]]),
        (("one", "one two"), [["one"], [], [" two"]]),
        (("one", "one\ntwo"), [["one"], [], ["two"]]),
        (("", "a\n"), [[], ["a"], []]),
    ],
)
def test_growth_in_place(values: tuple[str, ...], expected: list[list[str]]):
    """Of a text that grows only the new part comes, an unfinished last line one look later."""
    assert shown(*texts(*values)) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (("10 %", "20 %", "20 %", "done"), [["10 %"], [], ["20 %"], [], ["done"]]),
        (("a\nb\nc\n", "a\nB\nc\n"), [["a", "b", "c"], ["B", "c"], []]),
        (("a\nb\n", "x\ny\nz\n"), [["a", "b"], ["x", "y", "z"], []]),
        (("running", "end", "end"), [["running"], [], [], ["end"]]),
        (("running", "end", "end", "end"), [["running"], [], [], ["end"], []]),
        (("a\nb\n", "a\n", "a\n", "a\n"), [["a", "b"], [], [], [], []]),
        (("a\nb\n", "a\nb", "a\nb", "a\nb\n"), [["a", "b"], [], [], [], []]),
        (("a\nb\n", "a\n", "a\n", "a\nc\nd\n"), [["a", "b"], [], [], ["c", "d"], []]),
    ],
)
def test_rewriting_in_place(values: tuple[str, ...], expected: list[list[str]]):
    """Of a text that was rewritten comes what follows the lines that stayed."""
    assert shown(*texts(*values)) == expected


def test_rewriting_the_end_of_a_long_text_does_not_repeat_it():
    """A last line that changes after thousands of others brings just itself."""
    body = "".join(f"line {number}\n" for number in range(5000))
    steps = shown(*texts(body + "10 %", body + "10 %", body + "99 %", body + "99 %"))
    assert steps[1:] == [["10 %"], [], ["99 %"], []]


def test_an_unfinished_line_waits_only_where_it_may_go_on():
    """A last line without end comes at once if a newer record of its step is there."""
    older, newer = record(1, "a\nb"), record(2, "c\nd")
    assert shown([newer, older]) == [["a", "b", "c"], ["d"]]
    other = record(2, "c\nd", step="test")
    assert shown([other, older]) == [["a", "c"], ["b", "d"]]


def test_a_line_that_was_held_back_comes_before_newer_records():
    """The withheld part of a record is printed before the next record of its step."""
    older, newer = record(1, "a\nb"), record(2, "c\n")
    assert shown([older], [newer, older]) == [["a"], ["b", "c"], []]


def test_an_empty_response_does_not_cut_a_line():
    """A withheld line stays withheld after a response without its record."""
    assert shown([record(1, "a\nb")], [], [record(1, "a\nbc\n")]) == [["a"], [], ["bc"], []]


def test_a_record_that_leaves_the_window_gives_out_its_unfinished_line():
    """What was held back of a record that passed by comes then, and never twice."""
    old = record(1, "a\nb")
    later = [record(number, f"{number}\n", step="test") for number in range(2, 5)]
    steps = shown(latest_first(old, *later[:2]), latest_first(*later), [old], window=3)
    assert steps == [["a", "2", "3"], ["b", "4"], [], []]


def test_what_was_held_back_comes_out_in_order():
    """At the end the unfinished lines come in the order in which their records did."""
    records = [record(number, f"x\n{number}", step=f"step {number}") for number in range(1, 9)]
    assert shown(latest_first(*records))[-1] == [str(number) for number in range(1, 9)]


class TestWithoutId:
    """Records without `_id` are known by their time, step and text."""

    def test_equal_ones_all_come(self):
        """Two equal records without ID are two."""
        pair = [record(1, "a", id=""), record(1, "a", id="")]
        assert shown(pair[:1], pair, pair) == [["a"], ["a"], [], []]

    def test_they_grow(self):
        """A longer text that starts with the known one is the same record."""
        steps = shown([record(1, "a\n", id="")], [record(1, "a\nb\n", id="")])
        assert steps == [["a"], ["b"], []]

    def test_tied_ones_are_not_mixed_up(self):
        """Two records with the same time continue independently, in any order."""
        before = [record(1, "ab\n", id=""), record(1, "a\n", id="")]
        after = [record(1, "a\nc\n", id=""), record(1, "ab\nd\n", id="")]
        assert shown(before, after) == [["a", "ab"], ["d", "c"], []]

    def test_without_time_too_a_new_line_is_no_growth_of_an_old_one(self):
        """Without ID and time, a line that starts like an old one stays complete."""
        rows = [record(1, f"line {n}", id="", created=None) for n in range(1, 20)]
        steps = shown(*[latest_first(*rows[n : n + 5]) for n in range(15)], window=5)
        assert [line for step in steps for line in step] == [f"line {n}" for n in range(1, 20)]

    def test_a_thousand_tied_ones(self):
        """Of windows full of records without ID and time each line comes once."""
        rows = [record(1, f"line {n}\n" * 3, id="", created=None) for n in range(4000)]
        cursor = LogCursor()
        lines = [
            lines_of([cursor.advance(latest_first(*rows[n : n + 1000]))])
            for n in range(0, 3001, 500)
        ]
        assert Counter(line for step in lines for line in step) == Counter(
            f"line {n}" for n in range(4000) for _ in "abc"
        )


class TestGap:
    """Records that passed unseen between two snapshots are reported."""

    def window(self, first: int, count: int = 10, **fields: str) -> list[LogRecord]:
        """A full window, latest first."""
        return latest_first(*(record(n, f"{n}\n", **fields) for n in range(first, first + count)))

    def gaps(self, *snapshots: list[LogRecord]) -> list[bool]:
        cursor = LogCursor(10)
        return [cursor.advance(snapshot).has_gap for snapshot in snapshots]

    def test_overlap_is_no_gap(self):
        """One known record in a window is enough."""
        assert self.gaps(self.window(1, 9), self.window(9)) == [False, False]

    def test_a_window_that_is_not_full_is_no_gap(self):
        """A response with fewer records than it can hold leaves nothing out."""
        assert self.gaps(self.window(1, 5), self.window(50, 9)) == [False, False]

    def test_a_full_window_without_a_known_record(self):
        """Records may have passed before it, at the start too."""
        assert self.gaps(self.window(1)) == [True]
        assert self.gaps(self.window(1, 5), self.window(20)) == [False, True]

    def test_a_response_that_was_cut_off(self):
        """It may leave out older records although the window is not full."""
        cursor = LogCursor(10)
        assert cursor.advance(self.window(1, 5), is_cut=True).has_gap
        assert not cursor.advance(self.window(5, 5), is_cut=True).has_gap
        assert cursor.advance(self.window(20, 5), is_cut=True).has_gap

    def test_records_without_ids_and_times(self):
        """If the windows can't be aligned, records may have passed."""
        rows = [replace(one, created=None) for one in self.window(1, 30, id="")]
        assert self.gaps(rows[20:], rows[:10]) == [True, True]

    def test_an_older_window_is_no_gap(self):
        """A window that lies before all that was seen is an old response, or late records."""
        assert self.gaps(self.window(100, 5), self.window(1)) == [False, False]

    def test_an_absurd_date_hides_no_gap(self):
        """A record dated in year 9999 does not make all later windows old ones."""
        odd = record(7, "odd\n", created=253_370_764_800.0)
        assert self.gaps([odd, *self.window(1, 5)], self.window(20)) == [False, True]


class TestGrowingOutOfReach:
    """A record that may grow out of reach: its end is not known."""

    def test_it_is_reported(self):
        """Records of other steps hide one that was seen to grow, and nothing follows it."""
        cursor = LogCursor(window=3)
        cursor.advance([record(1, "a\n")])
        cursor.advance([record(1, "a\nb\n")])
        hiding = latest_first(*(record(number, "x", step="test") for number in (2, 3)))
        assert not cursor.advance([*hiding, record(1, "a\nb\nc\n")]).has_gap
        flood = latest_first(*(record(number, "x", step="test") for number in (2, 3, 4)))
        assert cursor.advance(flood).has_gap
        assert not cursor.advance(flood).has_gap

    def test_one_that_was_followed_had_ended(self):
        """Where the same step has a newer record the older one grows no more."""
        cursor = LogCursor(window=3)
        cursor.advance([record(1, "a\n")])
        cursor.advance([record(1, "a\nb\n")])
        cursor.advance(latest_first(record(1, "a\nb\n"), record(2, "c\n")))
        others = [record(number, "x", step="test") for number in (3, 4)]
        assert not cursor.advance(latest_first(record(2, "c\n"), *others)).has_gap

    def test_an_older_response_hides_nothing(self):
        """A full response from before the record existed does not matter, and cuts no line."""
        cursor = LogCursor(window=3)
        before = latest_first(*(record(number, "x\n", step="test") for number in (1, 2, 3)))
        cursor.advance(before)
        texts = []
        for text in ("a\n", "a\nb\nhalf", None, "a\nb\nhalf of it\n"):
            batch = cursor.advance([record(4, text), *before[:2]] if text else before)
            texts += [piece.text for piece in batch.pieces]
            assert not batch.has_gap
        assert texts == ["a", "b", "half of it"]

    def test_several_are_reported_once(self):
        """Two growing records of two steps that go at the same time are one gap."""
        cursor = LogCursor(window=3)
        for text in ("a\n", "a\nb\n"):
            cursor.advance(latest_first(record(1, text), record(2, text, step="deploy")))
        for last, gap in ((5, True), (6, False), (7, False)):
            flood = (record(number, "x", step="test") for number in range(last - 2, last + 1))
            assert cursor.advance(latest_first(*flood)).has_gap is gap


@dataclass
class Server:
    """A small log server: what it holds, what it held before, and what was ever shown of it."""

    window: int
    rows: list[LogRecord] = field(default_factory=list)
    states: list[list[LogRecord]] = field(default_factory=list)
    chunks: int = 0
    seen: set[str] = field(default_factory=set)

    def chunk(self) -> str:
        """A piece of text that is like no other."""
        self.chunks += 1
        return f"<{self.chunks}>"

    def text(self, ends: str) -> str:
        """Chunks, each with one of the given ends."""
        return "".join(self.chunk() + end for end in ends)

    def append(self, ends: str, age: float, *, named: bool, step: str) -> None:
        """Add a record, `age` seconds older than now."""
        number = len(self.rows) + 1
        name = object_id(number) if named else ""
        self.rows.append(record(number, self.text(ends), number - age, id=name, step=step))

    def grow(self, place: int, ends: str) -> None:
        """Let one of the latest records grow at its end."""
        if self.rows:
            place = max(0, len(self.rows) - 1 - place % self.window)
            old = self.rows[place]
            self.rows[place] = replace(old, text=old.text + self.text(ends))

    def answer(self, rows: Sequence[LogRecord], shuffle: random.Random) -> list[LogRecord]:
        """The latest records, latest first, those with the same time in any order."""
        mixed = shuffle.sample(list(rows), len(rows))
        latest = sorted(mixed, key=lambda row: row.created or 0.0, reverse=True)[: self.window]
        self.seen.update(chunk for row in latest for chunk in chunks_of(row.text))
        return latest

    def fresh(self, shuffle: random.Random) -> list[LogRecord]:
        """A complete response."""
        self.states.append(list(self.rows))
        return self.answer(self.rows, shuffle)


def chunks_of(text: str) -> list[str]:
    return re.findall(r"<\d+>", text)


GROWTH = st.lists(st.sampled_from(["\n", "", "\r\n"]), min_size=1, max_size=3)
APPEND = st.tuples(
    st.just("append"),
    GROWTH,
    st.sampled_from([0, 0, 0, 0.5, 1, 3]),
    st.booleans(),
    st.sampled_from("ab"),
)
GROW = st.tuples(st.just("grow"), st.integers(0, 3), GROWTH)
READ = st.tuples(st.just("read"), st.randoms(use_true_random=False))
FAULT = st.tuples(
    st.sampled_from(["stale", "torn", "empty"]),
    st.integers(0, 5),
    st.randoms(use_true_random=False),
)


def play(server: Server, events: Sequence[tuple], *, faults: bool = True) -> list[Batch]:
    """Play the events on the server, and feed all responses to a cursor."""
    cursor = LogCursor(server.window)
    batches = []
    for kind, *values in [*events, ("read", random.Random(0)), ("read", random.Random(1))]:
        if kind == "append":
            ends, age, named, step = values
            # An older response with a record that has grown since is unrecognizable without an ID.
            server.append(ends, age, named=named or faults, step=step)
        elif kind == "grow":
            server.grow(*values)
        elif kind == "read":
            batches.append(cursor.advance(server.fresh(values[0])))
        elif faults:
            batches.append(cursor.advance(faulty(server, kind, *values)))
            batches.append(cursor.advance(server.fresh(values[1])))
    return [*batches, cursor.flush()]


def faulty(server: Server, kind: str, choice: int, shuffle: random.Random) -> list[LogRecord]:
    """A response that is older than the last one, or lacks records."""
    if kind == "stale" and server.states:
        return server.answer(server.states[-1 - choice % len(server.states)], shuffle)
    kept = [row for row in server.rows if kind == "torn" and shuffle.random() < 0.5]
    return server.answer(kept[-server.window + 1 :], shuffle)


@given(st.sampled_from([4, 10, 50]), st.lists(APPEND | GROW | GROW | READ | FAULT, max_size=60))
def test_everything_that_was_shown_comes_exactly_once(window: int, events: list[tuple]):
    """Growth, late and tied records, older and torn responses: each character comes once."""
    server = Server(window)
    output = "\n".join(lines_of(play(server, events)))
    assert Counter(chunks_of(output)) == Counter(server.seen)
    assert re.sub(r"<\d+>|\n", "", output) == ""


@given(st.sampled_from([4, 10]), st.lists(APPEND | GROW | READ, max_size=60))
def test_records_without_id_come_exactly_once(window: int, events: list[tuple]):
    """Without IDs, too, each character comes once, as long as the responses are complete."""
    server = Server(window)
    output = "\n".join(lines_of(play(server, events, faults=False)))
    assert Counter(chunks_of(output)) == Counter(server.seen)


@given(st.sampled_from([4, 10]), st.lists(APPEND | GROW | READ | FAULT, max_size=60))
def test_the_order_is_that_of_the_server(window: int, events: list[tuple]):
    """Within a record the text keeps its order, and so do records first seen in one response."""
    server = Server(window)
    place = {}
    for batch in play(server, events):
        new = [one.record for one in batch.pieces if one.record.id not in place]
        order = [(one.created, one.id) for one in new]
        assert order == sorted(order)
        for piece in batch.pieces:
            numbers = [int(chunk[1:-1]) for chunk in chunks_of(piece.text)]
            assert [place.get(piece.record.id, 0), *numbers] == sorted(
                [place.get(piece.record.id, 0), *numbers]
            )
            place[piece.record.id] = max(numbers, default=0)


@given(st.sampled_from([4, 10]), st.lists(APPEND | GROW | READ, max_size=60))
def test_a_line_is_cut_only_where_a_response_showed_it_unfinished(window: int, events: list[tuple]):
    """Lines come as they are in the text; one that was shown half may come in parts."""
    server, cursor = Server(window), LogCursor(window)
    batches, cuts = [], set()
    for kind, *values in [*events, ("read", random.Random(0))]:
        if kind == "append":
            server.append(values[0], values[1], named=True, step=values[3])
        elif kind == "grow":
            server.grow(*values)
        else:
            answer = server.fresh(values[0])
            cuts |= {(row.id, len(row.text)) for row in answer}
            batches.append(cursor.advance(answer))
    text_of, position = {row.id: row.text for row in server.rows}, Counter()
    for piece in [one for batch in [*batches, cursor.flush()] for one in batch.pieces]:
        name = piece.record.id
        for line in split_lines(piece.text):
            assert text_of[name].startswith(line, position[name])
            position[name] += len(line)
            line_end = re.match(r"\r?\n", text_of[name][position[name] :])
            assert line_end or (name, position[name]) in cuts
            position[name] += line_end.end() if line_end else 0


@given(st.sampled_from([4, 10]), st.lists(st.integers(0, 25), min_size=1, max_size=12))
def test_a_gap_is_reported(window: int, bursts: list[int]):
    """When records pass unseen, and only then, a gap is reported."""
    server, cursor = Server(window), LogCursor(window)
    reported, missed = False, 0
    for count in (1, *bursts):
        for _ in range(count):
            server.append("\n", 0, named=True, step="a")
        batch = cursor.advance(server.fresh(random.Random(count)))
        missing = server.chunks - len(server.seen)
        reported |= batch.has_gap
        assert batch.has_gap >= (missing > missed)
        missed = missing
    assert reported or not missed


def retained(cursor: LogCursor) -> int:
    """Bytes that the cursor keeps."""
    seen: set[int] = set()

    def size(thing: object) -> int:
        if id(thing) in seen or isinstance(thing, type):
            return 0
        seen.add(id(thing))
        inner: Iterable[object] = ()
        if isinstance(thing, dict):
            inner = [*thing.keys(), *thing.values()]
        elif isinstance(thing, (list, tuple, set)):
            inner = thing
        elif hasattr(thing, "__dict__"):
            inner = vars(thing).values()
        elif hasattr(thing, "__slots__"):
            inner = [getattr(thing, name) for name in thing.__slots__]
        return sys.getsizeof(thing) + sum(map(size, inner))

    return size(cursor)


def test_no_text_is_kept_but_unfinished_lines():
    """After 50 MB of log the cursor holds less than a hundredth of it."""
    cursor = LogCursor(10)
    for number in range(50):
        text = f"{'x' * 98} {number}\n" * 10_000 + "unfinished"
        cursor.advance([record(number, text), record(number + 1, text, step="test")])
    assert retained(cursor) < 500_000


def test_what_is_remembered_is_bounded():
    """A log of any length needs memory for a few windows only."""
    cursor = LogCursor(100)
    sizes = []
    for first in range(0, 16_000, 80):
        ids = [object_id(n, f"{n:010x}") for n in range(first, first + 100)]
        cursor.advance(
            latest_first(*(record(first + n, "x\n" * 200, id=name) for n, name in enumerate(ids)))
        )
        sizes += [retained(cursor)] if first % 8000 == 7920 else []
    assert len(sizes) == 2
    assert sizes[1] < min(1.1 * sizes[0], 12_000_000)


def test_full_windows_that_stay_the_same():
    """A thousand records of 20 KB that are sent again and again bring no line again."""
    rows = latest_first(*(record(n, f"{n} {'x' * 100}\n" * 190) for n in range(1000)))
    cursor = LogCursor()
    cursor.advance(rows)
    for _ in range(10):
        copies = [replace(row, text=row.text[:1] + row.text[1:]) for row in rows]
        assert cursor.advance(copies).pieces == ()


def test_a_huge_growing_record():
    """Of a record of 20 MB that grows at each look just what is new comes."""
    text = f"{'x' * 99}\n" * 200_000
    cursor = LogCursor()
    cursor.advance([record(1, text)])
    for number in range(10):
        text += f"{number}\n"
        assert lines_of([cursor.advance([record(1, text)])]) == [str(number)]


class TestMerge:
    """The pure step: a text is compared with what is known of it."""

    def shown(self, *values: str, may_grow: bool = True) -> list[str]:
        """The new part of each text."""
        state, parts = RecordState(), []
        for value in values:
            merged = merge(state, value, may_grow=may_grow)
            parts.append(value[merged.start : merged.end])
            state = merged.state
        return parts

    def test_only_what_is_new(self):
        """A grown text brings its new part, the same text nothing."""
        assert self.shown("a\n", "a\nb\n", "a\nb\n") == ["a\n", "b\n", ""]

    def test_the_state_is_not_changed(self):
        """The same state returns the same response again."""
        state = merge(RecordState(), "a\nb\n", may_grow=False).state
        twice = [merge(state, "a\nb\nc\n", may_grow=False) for _ in "ab"]
        assert twice[0] == twice[1]
        assert merge(state, "a\nb\n", may_grow=False).start == 4

    def test_what_is_kept_is_bounded(self):
        """A text of any length leaves at most 128 hashes."""
        state = RecordState()
        for count in (10, 1000, 100_000):
            text = "".join(f"line {n}\n" for n in range(count))
            state = merge(state, text, may_grow=False).state
            assert len(state.lines) <= 128
            assert state.shown == len(text)
