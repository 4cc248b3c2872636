"""Log entries read from a scenario, of steps of pipelines and of tasks alike."""

from __future__ import annotations

from opsera_step.simulator.reading import Reader
from opsera_step.simulator.switches import PLACES
from opsera_step.simulator.timeline import PAUSE, LogEntry


def log_entries(readers: list[Reader]) -> tuple[LogEntry, ...]:
    """Read a list of log entries; each begins where the one before ends, unless it says."""
    entries: list[LogEntry] = []
    for reader in readers:
        entries.append(_entry(reader, entries[-1].end if entries else 0.0))
    return tuple(entries)


def _entry(reader: Reader, at: float) -> LogEntry:
    bulk = "rate" in reader
    rate = reader.number("rate", 1.0, least=0.001)
    seconds, count = reader.number("seconds", 0.0), reader.whole("count", 0)
    every, repeat = reader.number("every", PAUSE), reader.whole("repeat", 1)
    entry = LogEntry(
        at=reader.number("at", at),
        pieces=tuple(piece * repeat for piece in _pieces(reader)),
        every=1 / rate if bulk else every,
        times=reader.numbers("times"),
        count=count or round(rate * seconds) if bulk else count,
        growing=reader.flag("growing", False),
        late=reader.number("late", 0.0),
        with_id=reader.flag("id", True),
        place=reader.choice("place", "", ("", *PLACES)),
        action=reader.text("action", ""),
        status=reader.text("status", ""),
        message=reader.text("message", ""),
        step_name=reader.text("step_name", ""),
        record=reader.mapping("record"),
    )
    reader.done()
    if entry.times and len(entry.times) != len(entry.pieces):
        raise reader.wrong("times", "one for each piece")
    return entry


def _pieces(reader: Reader) -> tuple[str, ...]:
    given = [key for key in ("text", "lines", "pieces") if key in reader]
    if "action" in reader and not given:
        return ("",)
    if len(given) != 1:
        raise reader.wrong("text", "given, or lines, or pieces: just one of them")
    if given == ["lines"]:
        lines = reader.texts("lines")
        whole = lines[0].splitlines() if len(lines) == 1 else lines
        return tuple(f"{line}\n" for line in whole)
    return reader.texts(given[0])
