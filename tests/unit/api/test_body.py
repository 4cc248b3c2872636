"""Bodies of JSON in chunks: the same as if parsed at once, within bounds on memory and values."""

from __future__ import annotations

import gc
import gzip
import json
import subprocess
import sys
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opsera_step.api import body
from opsera_step.api.body import MAX_BYTES, BodyParser, InvalidJson
from opsera_step.errors import ApiError, Malformed
from tests.support import ROOT
from tests.support.client import RUN, connect, soon
from tests.support.wire import http, sends, serving

TEXT = st.text() | st.sampled_from(['"', '\\"', "\\", '],{"', "é✓🎉", "\u2028", "x" * 300])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 10**6) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=10,
)
RECORDS = st.lists(st.dictionaries(TEXT, JSON, max_size=4), max_size=8)
WRAPPED = RECORDS.map(lambda records: {"count": 5, "data": records, "more": {"x": [1]}})


def parse(raw: bytes, size: int, max_values: int = 10**6) -> Any:
    parser = BodyParser(max_values)
    for at in range(0, len(raw), size):
        parser.feed(raw[at : at + size])
    return parser.finish()


@pytest.fixture(params=[1, 1 << 20])
def _threshold(request, monkeypatch) -> None:
    """Parse lists record by record from the first character on, or at once."""
    monkeypatch.setattr(body, "_WHOLE", request.param)
    monkeypatch.setattr(body, "_CHECKED", request.param - 1)


@pytest.mark.usefixtures("_threshold")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(RECORDS | WRAPPED | JSON, st.integers(1, 50), st.booleans(), st.sampled_from([None, 2]))
def test_it_is_the_json_that_came(value, size, ascii_only, indent):
    """However the chunks are cut, and however it is written."""
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    raw = text.encode("utf-8", "surrogatepass")
    expected = json.loads(raw.decode("utf-8", "replace"))
    assert parse(raw, size) == expected


@pytest.mark.usefixtures("_threshold")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(RECORDS, st.integers(1, 50), st.data())
def test_of_a_cut_list_the_whole_records_are_there(records, size, data):
    """Records that arrived before the cut are used, in their order, and nothing else."""
    raw = json.dumps(records).encode()
    cut = data.draw(st.integers(0, len(raw)))
    parser = BodyParser(10**6)
    for at in range(0, cut, size):
        parser.feed(raw[at : min(cut, at + size)])
    found = parser.finish_cut()
    if found is None:
        assert not parser.start.startswith("[{")
    else:
        assert found == records[: len(found)]
        # All but the truncated record, and one that may continue after its end.
        assert len(json.dumps(records[: len(found) + 2])) >= cut - 1 or found == records


@pytest.mark.usefixtures("_threshold")
@pytest.mark.parametrize(
    "raw",
    [b"", b" ", b"[", b"[{", b'[{"a": 1}', b'[{"a": 1},', b'[{"a": 1} {"b": 2}]', b'[{"a": 1}]]',
     b'[{"a": 1}]x', b'{"data": [{"a": 1}]', b'{"data": [{"a": 1}]]', b'[{"a": 1}, b]', b"{}{}",
     b'[{"a": "x]', b"[" * 100_000, b'[{"a":' * 50_000, b'[{"a": 1},]'],
    ids=lambda raw: raw[:12].decode(),
)  # fmt: skip
def test_what_is_no_json(raw):
    """It is invalid however the chunks are cut."""
    for size in (1, 7, 1 << 20) if len(raw) < 1000 else (1 << 16,):
        with pytest.raises(InvalidJson):
            parse(raw, size)


@pytest.mark.usefixtures("_threshold")
@pytest.mark.parametrize(
    ("raw", "is_many"),
    [
        (b"[" + b"[]," * 600 + b"1]", True),
        (b'[{"a": [' + b"0," * 600 + b"1]}]", True),
        (b'[{"a": "' + b"x,[{" * 600 + b'"}]', False),
        (b'[{"a": "' + b'\\",[' * 600 + b'"}]', False),
        (b'[{"a": "' + b"\\\\" * 600 + b'"}]', False),
        (b"[" + b'{"a": 1},' * 300 + b'{"a": 1}]', True),
        (b"[" + b'{"a": ",,,"},' * 100 + b'{"a": 1}]', False),
        (b'[{"a": "x,y", "b": [' + b"{}," * 600, True),
    ],
)
def test_the_number_of_values_is_bounded(raw, is_many):
    """Values count, not the commas in the text of a log."""
    for size in (1, 100, 10**6):
        parser = BodyParser(500)
        for at in range(0, len(raw), size):
            parser.feed(raw[at : at + size])
        with suppress(InvalidJson):
            parser.finish()
        assert (parser.exceeded == "more than 500 values") is is_many


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999", "-2.5E+400", "9" * 5000])
def test_a_number_that_python_can_not_hold_stays_a_string(number):
    """It can be written as JSON again."""
    value = parse(b'{"x": [%s, 1.5, 7]}' % number.encode(), 100)
    assert value == {"x": [number, 1.5, 7]}
    assert json.dumps(value, allow_nan=False)


def test_invalid_utf8_costs_a_character():
    """Bytes that are no UTF-8 become replacement characters, also at the end of a chunk."""
    for size in (1, 2, 100):
        assert parse(b'["caf\xe9 \xff", "\xc3\xa9"]', size) == ["caf\ufffd \ufffd", "é"]


# --- over HTTP ------------------------------------------------------------------------------------


def squeezed(*parts: tuple[bytes, int]) -> bytes:
    """Return a gzip response of repeated parts, of any unpacked size."""
    packer = gzip.zlib.compressobj(1, gzip.zlib.DEFLATED, 31)
    pieces = [packer.compress(piece) for text, count in parts for piece in [text] * count]
    raw = b"".join(pieces) + packer.flush()
    return http(200, raw, Content_Encoding="gzip")


MIB = 1 << 20
LINES = (b"y" * 62 + rb"\n") * (MIB >> 6)
WIDE = b'{"message": "\xf0\x9f\x8e\x89%s"},'
BOMBS = {
    "a string": ((b'[{"_id": "a", "api_response": "', 1), (b"x" * MIB, 200), (b'"}]', 1)),
    "lists": ((b"[", 1), (b"[]," * MIB, 20), (b"1]", 1)),
    "objects": ((b"[", 1), (b'{"":0},' * MIB, 9), (b"{}]", 1)),
    "numbers in an object": ((b'{"data": [', 1), (b"0," * MIB, 31), (b"1]}", 1)),
    "space": ((b" " * MIB, 200),),
    "escapes": ((b'[{"a": "', 1), (b'\\"' * MIB, 31), (b'"}]', 1)),
    "a wide text": ((b'[{"message": "\xf0\x9f\x8e\x89', 1), (LINES, 6), (b'"}]', 1)),
    "a wide line": ((b'[{"message": "\xf0\x9f\x8e\x89', 1), (b"x" * MIB, 14), (b'"}]', 1)),
    "a wide escape": ((b'[{"message": "\\ud83c\\udf89', 1), (LINES, 14), (b'"}]', 1)),
    "wide records": ((b"[", 1), (WIDE % LINES[:60_000], 1000), (b"{}]", 1)),
    "large records": ((b"[", 1), (b'{"message": "%s"},' % (LINES * 12), 5), (b"{}]", 1)),
    "tiny records": ((b"[", 1), (b'{"":0},', 90_000), (b"{}]", 1)),
    "records": ((b"[", 1), (b'{"_id": "%s"},' % (b"a" * 90_000), 800), (b"{}]", 1)),
}
"""Parts of large responses, which are compressed only where they are used."""
MEASURE = """
import sys
from opsera_step.api import OpseraClient, Run
from opsera_step.clock import Deadline, SystemClock
from opsera_step.errors import ApiError
from opsera_step.runs import lines_of
def peak():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
client = OpseraClient(sys.argv[1], "a.b.c", SystemClock())
try:
    client.status(Run("p", 1), Deadline.after(SystemClock(), 30))
except ApiError:
    pass
before = peak()
out = open("/dev/null", "w")
try:
    listing = client.logs(Run("p", 1), Deadline.after(SystemClock(), 60), console_only=True)
    result = f"{len(listing.items)} {listing.is_cut}"
    for event in lines_of(listing.items):
        out.writelines(f"[opsera] {line}\\n" for line in event.lines)
except ApiError as error:
    result = error.message
print(peak() - before, result)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of memory from /proc")
@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_costs_bounded_memory(name):
    """A few KB that unpack to any size cost at most 1.5 times the largest response, printed too."""
    with serving(http(500), squeezed(*BOMBS[name])) as wire:
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, wire.url],
            cwd=ROOT, capture_output=True, text=True, check=True, timeout=120,
        )  # fmt: skip
    kib, _, result = done.stdout.partition(" ")
    assert int(kib) << 10 < 1.5 * MAX_BYTES, result


def test_of_a_log_beyond_the_limit_the_latest_records_are_used():
    """The listing is truncated, and has each record that arrived whole before the limit."""
    record = b'{"_id": "a", "api_response": "%s"},' % (b"x" * MIB)
    with serving(squeezed((b"[", 1), (record, 70), (b"{}]", 1))) as wire:
        listing = connect(wire.url).logs(RUN, soon(60), console_only=True)
    assert 60 <= len(listing.items) <= MAX_BYTES // len(record)
    assert listing.is_cut and listing.is_truncated
    assert {len(one.text) for one in listing.items} == {MIB}


def error_of_logs(answer: bytes) -> Malformed:
    with serving(answer) as wire, pytest.raises(Malformed) as caught:
        connect(wire.url).logs(RUN, soon(60), console_only=True)
    return caught.value


def test_of_a_log_with_a_record_that_is_too_long_the_later_records_are_used():
    """The log is incomplete then."""
    small = b'{"_id": "a", "message": "small"},'
    large = b'{"_id": "b", "message": "%s"},' % (LINES * 24)
    with serving(squeezed((b"[", 1), (small, 2), (large, 1), (b"{}]", 1))) as wire:
        listing = connect(wire.url).logs(RUN, soon(60), console_only=True)
    assert [one.text for one in listing.items] == ["small"] * 2 and listing.is_cut


WIDE_TEXTS = {
    "raw": ("é \U0001f389 \u2713 \\\\u2713 ".encode(), "é ? ? \\u2713 "),
    "escaped": (rb"\u00e9 \ud83c\udf89 \u2713 \\u2713 ", "é ?? ? \\u2713 "),
}


@pytest.mark.parametrize("name", WIDE_TEXTS)
def test_a_long_record_loses_its_wide_characters_and_nothing_else(name):
    """With them, each of its characters would take four bytes."""
    text, shown = WIDE_TEXTS[name]
    small = b'{"_id": "a", "message": "\xe2\x9c\x93"},'
    large = (b'{"_id": "b", "message": "', 1), (text + LINES, 9), (b'"},', 1)
    with serving(squeezed((b"[", 1), (small, 1), *large, (b"{}]", 1))) as wire:
        listing = connect(wire.url).logs(RUN, soon(60), console_only=True)
    assert listing.items[0].text == "✓"
    assert listing.items[1].text == (shown + LINES.decode().replace("\\n", "\n")) * 9
    assert not listing.is_cut


def test_a_failed_response_does_not_stay_in_memory():
    """The error is kept for a while, and would keep the response with its frames."""
    cut = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n[{"
    gc.disable()
    try:
        for answer in (squeezed(*BOMBS["lists"]), http(200, b"<html>"), sends(cut)):
            with serving(answer) as wire, pytest.raises(ApiError):
                connect(wire.url).logs(RUN, soon(60), console_only=True)
        assert not [one for one in gc.get_objects() if isinstance(one, BodyParser)]
    finally:
        gc.enable()


@pytest.mark.parametrize("name", ["lists", "space"])
def test_what_can_not_be_used_is_an_error_of_the_api(name):
    """It can be retried, and the message contains what is too large."""
    error = error_of_logs(squeezed(*BOMBS[name]))
    assert "too large" in error.message
    assert error.transient and not error.never_accepted


def test_no_memory_is_a_failed_request(monkeypatch):
    """MemoryError ends the request, not the job."""

    def fail(*_: object) -> None:
        raise MemoryError

    for place in ("opsera_step.api.body._decode", "opsera_step.api.client.parse_list"):
        with monkeypatch.context() as patch:
            patch.setattr(place, fail)
            assert "memory" in error_of_logs(http(200, b"[]")).message


def test_fifty_megabytes():
    """A log of 50 MB comes whole, record by record."""
    text = ("x" * 99 + "\n") * 1000
    raw = json.dumps([{"_id": f"{n:024x}", "api_response": text} for n in range(500)]).encode()
    with serving(http(200, raw)) as wire:
        listing = connect(wire.url).logs(RUN, soon(60), console_only=True)
    assert sum(len(one.text) for one in listing.items) == 50_000_000
    assert not listing.is_truncated
