"""The surfaces: what takes text of the API, of logs, and of the checkout.

The judges are `tests.oracles` and the standard library, not the code under test.
"""

from __future__ import annotations

import json
import random
import re
import tempfile
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt

from opsera_step.api import State
from opsera_step.api.body import BodyParser, InvalidJson
from opsera_step.config import BY_NAME, ConfigFile, Setting
from opsera_step.config.file import parse_config
from opsera_step.config.inputs import parse
from opsera_step.outcome import Outcome
from opsera_step.report import Report
from opsera_step.report.summary import step_summary
from opsera_step.runs import StepResult
from opsera_step.runs.log_cursor import LogCursor
from opsera_step.text import LogStream, Scrubber, columns_of, cut, json_text, split_lines
from opsera_step.text.masking import mask_secrets
from opsera_step.text.redaction import RedactionState, Redactor
from tests.fuzz import Input, surface
from tests.fuzz.texts import FORMS, foreign, hidden, secret
from tests.oracles import secrets, terminal
from tests.support.scripted_opsera import record

_NO_TOKEN = "no-such-token-anywhere"
_PAGE_TAGS = {
    "html", "head", "meta", "title", "link", "style", "body", "a", "header", "div", "span", "p",
    "h1", "h2", "bdi", "button", "dl", "dt", "dd", "time", "main", "section", "pre", "details",
    "summary", "svg", "g", "use", "rect", "line", "text", "label", "input", "footer", "script",
}  # fmt: skip
_MARKDOWN = MarkdownIt("gfm-like", {"html": True, "linkify": False})
_OWN_HTML = re.compile(r"<!-- -->|</?details>|<summary>[^<>]*</summary>|<br>|\s*")


def _size(*texts: str) -> int:
    return sum(len(text.encode("utf-8", "replace")) for text in texts)


@surface()
def sanitizer(rng: random.Random) -> Input:
    """Lines and messages do nothing to a terminal but print, and cleaning again changes nothing."""
    text = foreign(rng)

    def handle() -> tuple[list[str], str]:
        scrubber, stream = Scrubber(_NO_TOKEN), LogStream()
        lines = [scrubber.log_line(line, stream) for line in split_lines(text)]
        return lines, scrubber.inline(text, 200)

    def judge(result: tuple[list[str], str]) -> None:
        lines, message = result
        assert terminal.effects("\n".join(lines)) == []
        again = LogStream()
        assert [again.cleaner.clean(line) for line in lines] == lines
        assert terminal.effects(message) == []
        assert len(message) <= 200
        assert "\n" not in message

    return Input(_size(text), handle, judge)


@surface()
def carriage_returns(rng: random.Random) -> Input:
    """Text that shows no progress loses nothing at a CR."""
    words = [f"{rng.choice(('test', 'step', 'line'))} {n} ok" for n in range(rng.randrange(500))]
    text = "\r".join(words)

    def judge(lines: list[str]) -> None:
        assert [line for line in lines if line] == words

    return Input(_size(text), lambda: list(split_lines(text)), judge)


_BEFORE = (" = ", "%", "%2", "%\n", "\\", "\\u00")
"""A token may follow an unfinished escape."""


@surface()
def redactor(rng: random.Random) -> Input:
    """A token in any form, with anything hidden in it, is gone; other text stays."""
    token, before, after = secret(rng), foreign(rng), foreign(rng)
    form = rng.choice(FORMS)(token)
    text = f"{before}{rng.choice(_BEFORE)}{hidden(rng, form)} {after}"

    def handle() -> tuple[str, str]:
        redacting = Redactor(token)
        return redacting.redact(before), redacting.redact(redacting.redact_sequences(text))

    def judge(result: tuple[str, str]) -> None:
        untouched, out = result
        assert untouched == before
        _holds_no_token(token, out)

    return Input(_size(text), handle, judge)


@surface()
def redacted_lines(rng: random.Random) -> Input:
    """A token that line ends cut anywhere is gone, but for its first few characters."""
    token = secret(rng)
    while len(token) < 16:
        token = secret(rng)
    form = rng.choice(FORMS)(token)
    cuts = sorted(rng.sample(range(1, len(form)), k=min(len(form) - 1, rng.randrange(1, 20))))
    pieces = [form[a:b] for a, b in zip([0, *cuts], [*cuts, len(form)], strict=True)]
    text = "x " + "\n".join(pieces)

    def handle() -> str:
        redacting, state = Redactor(token), RedactionState()
        return "\n".join(redacting.redact(line, state) for line in text.split("\n"))

    def judge(out: str) -> None:
        leaks = secrets.find(token, out.encode(), min_run=12)
        assert leaks == [], (leaks, text, out)

    return Input(_size(text), handle, judge)


@surface()
def encoded_data(rng: random.Random) -> Input:
    """JSON for a program holds no token and is valid for every reader."""
    token = secret(rng)
    plain = _data(rng, 4)
    key, value = (f"{foreign(rng)[:99]} = {hidden(rng, rng.choice(FORMS)(token))}" for _ in "kv")

    def handle() -> str:
        data = Scrubber(token).data({"plain": plain, key: [value, {key: value}]})
        mask_secrets(data)
        return json_text(data)

    def judge(text: str) -> None:
        text.encode()
        read = json.loads(text)
        assert all(map(_is_whole, _texts(read)))
        _holds_no_token(token, text)
        _holds_no_token(token, "\n".join(_texts(read)))

    return Input(_size(key, value) * 2 + _size(*_texts(plain)), handle, judge)


@surface()
def response_body(rng: random.Random) -> Input:
    """A body that arrives in pieces is the JSON that came, or an error; a cut one costs the end."""
    records = [{"_id": str(n), "text": foreign(rng)[:2000]} for n in range(rng.randrange(9))]
    raw = json.dumps(records, ensure_ascii=rng.random() < 0.5).encode("utf-8", "replace")
    place, size = rng.randrange(len(raw) + 1), rng.choice((7, 100, 10_000))
    raw = rng.choice((raw, raw[:place], raw[:place] + _noise(rng) + raw[place:]))

    def handle() -> Any:
        parser = BodyParser(1000)
        try:
            for start in range(0, len(raw), size):
                parser.feed(raw[start : start + size])
            return parser.finish()
        except InvalidJson:
            return None

    def judge(result: Any) -> None:
        try:
            expected = json.loads(raw.decode("utf-8", "replace"))
        except ValueError:
            expected = None
        assert result == expected

    return Input(_size(raw.decode("utf-8", "replace")), handle, judge)


def _noise(rng: random.Random) -> bytes:
    return rng.choice((b"]", b"[", b"{", b"}", b'"', b"\\", b"\xff", b"null", b",", b"\x00"))


@surface()
def log_cursor(rng: random.Random) -> Input:
    """Of a record that grows, each character comes once and in order."""
    text = foreign(rng)[:20_000]
    ends = sorted(rng.sample(range(len(text) + 1), k=min(len(text), 5)))

    def handle() -> str:
        cursor = LogCursor()
        batches = [cursor.advance([record(1, text[:end])]) for end in (*ends, len(text))]
        pieces = [piece for batch in (*batches, cursor.flush()) for piece in batch.pieces]
        return "".join(piece.text for piece in pieces)

    def judge(shown: str) -> None:
        assert _without_ends(shown) == _without_ends(text)

    return Input(_size(text), handle, judge)


def _without_ends(text: str) -> str:
    return text.replace("\r", "").replace("\n", "")


@surface()
def width(rng: random.Random) -> Input:
    """A text that is cut fits."""
    text, columns = foreign(rng), rng.randrange(100)

    def judge(short: str) -> None:
        assert columns_of(short) <= columns or short == text
        assert short == text or columns_of(text) > columns

    return Input(_size(text), lambda: cut(text, columns), judge)


@surface(seconds=10.0, seconds_per_megabyte=60.0, memory=200.0)
def report(rng: random.Random) -> Input:
    """The page has no tag of a log or a name, the other files can be read, and nothing fails."""
    outcome, logs = _outcome(rng), [(rng.choice("abcdef"), _lines(rng)) for _ in range(5)]

    def handle() -> dict[str, bytes]:
        with tempfile.TemporaryDirectory() as directory:
            return _written_report(Path(directory), outcome, logs)

    def judge(files: dict[str, bytes]) -> None:
        _judge_report(files, outcome, sum(len(lines) for _, lines in logs))

    return Input(_size(*(line for _, lines in logs for line in lines)) + 20_000, handle, judge)


@surface(seconds=10.0, seconds_per_megabyte=60.0, memory=200.0)
def summary(rng: random.Random) -> Input:
    """The summary has no link, HTML, or chart line but ours, and keeps to its room."""
    outcome, room = _outcome(rng), rng.choice((100, 5000, 2**20))

    def judge(text: str) -> None:
        assert len(text.encode("utf-8")) <= room
        for token in _MARKDOWN.parse(text):
            for one in [token, *(token.children or [])]:
                if one.type.startswith("html"):
                    assert all(map(_OWN_HTML.fullmatch, one.content.split("\n"))), one.content
                assert one.type != "image"
                href = str(one.attrs.get("href", ""))
                assert not href or href == outcome.url, href

    return Input(_size(str(outcome)), lambda: step_summary(outcome, None, room), judge)


_KEYS = (
    *BY_NAME, "pipelines", "tools", "x-a", "allowed_hosts", "allowed_pipelines", "tool", "color",
)  # fmt: skip
_PIECES = (
    "{", "}", "[", "]", ": ", "- ", "\n", "\n  ", "&a ", "*a", "<<: *a", "!!set", "!x", "'", '"',
    "|", ">", "?", "~", "0", "1e9", "90s", "Deploy", "65a4f00dc0ffee0123456789", "\t", "#",
    "---\n", ",",
)  # fmt: skip


@surface(seconds_per_megabyte=60.0)
def config_file(rng: random.Random) -> Input:
    """A config file of the checkout is read or reported, and sets nothing but what it may."""
    lines = [f"{rng.choice(_KEYS)}: {''.join(rng.choices(_PIECES, k=3))}" for _ in range(5)]
    texts = (
        "\n".join(lines),
        "".join(rng.choices(_PIECES, k=rng.randrange(1, 3000))),
        foreign(rng),
    )
    token = secret(rng)
    text = rng.choice(texts) + rng.choice(("", f"\ntoken: {token}"))

    def judge(file: ConfigFile) -> None:
        layers = [file.defaults, *file.pipelines.values(), *file.tools.values()]
        allowed = {*_CHECKOUT, "pipeline", "tool"}
        assert {name for layer in layers for name in layer} <= allowed
        assert "pipeline" not in file.defaults
        assert not file.allowed_hosts and not file.allowed_pipelines
        _holds_no_token(token, "\n".join(file.problems))

    return Input(_size(text), lambda: parse_config(text, ".opsera.yml"), judge)


_CHECKOUT = (
    "timeout", "on_timeout", "on_cancel", "on_paused", "on_busy", "logs", "log_limit",
    "poll_interval",
)  # fmt: skip


@surface()
def inputs(rng: random.Random) -> Input:
    """Whatever is in the inputs, they are typed or reported, without the token."""
    token, chosen = secret(rng), rng.sample(list(BY_NAME), 4)
    settings = {name: Setting(foreign(rng)[:100_000], "x") for name in chosen}
    settings[chosen[0]] = Setting(token, "x")
    settings["token"] = Setting(token, "OPSERA_TOKEN")

    def judge(result: tuple[dict[str, Any], dict[str, str]]) -> None:
        typed, problems = result
        assert set(typed) == set(BY_NAME)
        _holds_no_token(token, "\n".join(problems.values()))

    size = _size(*(one.value for one in settings.values()))
    return Input(size, lambda: parse(settings), judge)


def _holds_no_token(token: str, text: str) -> None:
    leaks = secrets.find(token, text.encode("utf-8", "replace"))
    assert [leak for leak in leaks if leak.whole] == []


def _data(rng: random.Random, depth: int) -> Any:
    kind = rng.randrange(7 if depth else 5)
    if kind == 5:
        return [_data(rng, depth - 1) for _ in range(rng.randrange(4))]
    if kind == 6:
        return {foreign(rng)[:30]: _data(rng, depth - 1) for _ in range(rng.randrange(4))}
    return (None, True, rng.randrange(-9, 2**60), rng.random(), foreign(rng)[:500])[kind]


def _texts(data: Any) -> list[str]:
    if isinstance(data, str):
        return [data]
    if isinstance(data, dict):
        return [*map(str, data), *(text for one in data.values() for text in _texts(one))]
    return [text for one in data for text in _texts(one)] if isinstance(data, list) else []


def _is_whole(text: str) -> bool:
    return not any("\ud800" <= one <= "\udfff" for one in text)


def _name(rng: random.Random, limit: int = 200) -> str:
    return Scrubber(_NO_TOKEN).inline(foreign(rng)[:2000], limit)


def _lines(rng: random.Random) -> list[str]:
    scrubber, stream = Scrubber(_NO_TOKEN), LogStream()
    return [scrubber.log_line(line, stream) for line in split_lines(foreign(rng))]


def _outcome(rng: random.Random) -> Outcome:
    steps = tuple(
        StepResult(
            _name(rng),
            _name(rng, 80),
            rng.choice((*State, None)),
            rng.choice((None, 0.0, rng.random() * 1e5, 1e12)),
            rng.choice((None, 1.7e9 + rng.random() * 1e6, -6e10, 2.5e11)),
            id=rng.choice("abcdefgh"),
            message=_name(rng),
            waited=rng.choice((None, 5.0)),
        )
        for _ in range(rng.choice((0, 1, 5, 60)))
    )
    status = rng.choice(
        ["success", "failed", "stopped", "paused", "running", "timeout", "cancelled", "error"]
    )
    return Outcome(
        status,
        rng.choice((0, 1, 8)),
        _name(rng, 1000),
        hint=_name(rng),
        pipeline_id=_name(rng),
        pipeline_name=_name(rng),
        run_count=rng.choice((None, 42)),
        url=rng.choice(("", "https://app.opsera.io/workflow/details/x/summary")),
        failed_step=rng.choice(("", _name(rng), steps[0].name if steps else "")),
        waits_for=_name(rng),
        reason=_name(rng),
        steps=steps,
    )


class _Reader(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.links: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links |= {value or "" for name, value in attrs if name in ("href", "src")}


def _written_report(
    directory: Path, outcome: Outcome, logs: list[tuple[str, list[str]]]
) -> dict[str, bytes]:
    with Report(str(directory)) as written:
        for step_id, lines in logs:
            written.keep(step_id, f"Step {step_id}", "", lines)
        assert written.write(outcome, 1.7e9) == ""
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def _judge_report(files: dict[str, bytes], outcome: Outcome, line_count: int) -> None:
    assert json.loads(files["result.json"])["status"] == outcome.status
    ET.fromstring(files["junit.xml"])
    assert files["log.txt"].count(b"\n") == line_count
    page = _Reader(files["report.html"].decode("utf-8"))
    assert page.tags <= _PAGE_TAGS, page.tags - _PAGE_TAGS
    assert not any(name.startswith("on") or name == "src" for name in page.attributes)
    own = ("#", "data:,", "log.txt", "result.json", "junit.xml")
    assert all(link.startswith(own) or link == outcome.url for link in page.links), page.links
