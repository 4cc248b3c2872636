"""Text that a remote system might send: attacks on every reader of a job log, and plain lines.

Made from a `random.Random`, so the same seed gives the same text, or drawn by hypothesis.
"""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from hypothesis import strategies as st

from .github_runner import REGISTERED

COMMANDS = tuple(sorted(REGISTERED))
"""Names of GitHub's workflow commands."""

MARKERS = (*COMMANDS, "command", "section", "info", "verbose", "icon")
"""Names that mean something after `##[`."""

HARMLESS = (
    "Cloning into 'shop'...",
    "[INFO] BUILD SUCCESS",
    "    at com.example.Main.run(Main.java:42)",
    "\tat java.base/java.lang.Thread.run(Thread.java:833)",
    "Step 3/7 : RUN pip install -r requirements.txt",
    "std::vector<int> used in foo::bar() at line 7",
    "npm WARN deprecated request@2.88.2: see https://example.com/a?b=c&d=e#f",
    "100% done, 50%2C not decoded, 7 of 7 [====>]",
    "# heading",
    "## heading [link]",
    "| name | value |",
    "$ echo \"it's $HOME\" && ls -la | grep '^d'",
    '{"level": "error", "msg": "disk full: /dev/sda1"}',
    "2024-05-06T07:08:09.123Z GET /health 200 1.5ms",
    "Compilation terminée : 0 erreur, 3 avertissements — déjà vu",
    "Prüfung übersprungen, Größe 12 µm",
    "Сборка завершена успешно за 3 минуты",
    "Η κατασκευή ολοκληρώθηκε",
    "ビルドが成功しました（12秒）",
    "构建成功，共 128 个测试",
    "빌드 성공: 42개 통과",
    "הבנייה הושלמה בהצלחה",
    "اكتمل البناء بنجاح",
    "निर्माण सफल रहा",
    "การสร้างสำเร็จ",
    "Xây dựng thành công",
    "✓ 12 passed, ✗ 0 failed 🎉",
    "résumé naïve Ångström ſ ß İ ı",
    "",
    "   ",
)
"""Lines as tools write them; each must be unchanged."""

_SPACES = ("", " ", "\t", "\x0b", "\x0c", "\x85", "\xa0", "\u1680", "\u2003", "\u2028", "\u3000")
_WEIGHTLESS = ("\u200b", "\u200d", "\u2060", "\ufeff", "\xad", "\0", "\u034f", "\ufe0f", "\u180e")
_LINE_ENDS = ("\r", "\n", "\r\n", "\n\r", "\r\r\n", "\x0b", "\x0c", "\x85", "\u2028", "\u2029")
_BIDI = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"
_TEXT = ("x", "hello", "secret%0A::error::x", "a]b", "a,b=c:d;e", "%25%0D%3A", "é", "🎉", "")
_ESCAPES = (
    "\x1b[31m",
    "\x1b[0m",
    "\x1b[1;38;5;196m",
    "\x1b[38;2;1;2;3m",
    "\x1b[39m",
    "\x1b[8m",
    "\x1b[m",
    "\x1b[2J",
    "\x1b[H",
    "\x1b[1A\x1b[2K",
    "\x1b[0K",
    "\x1b[1000D",
    "\x1b[?1049h",
    "\x1b[?25l",
    "\x1b[6n",
    "\x1b[c",
    "\x1b[5i",
    "\x1b[!p",
    "\x1b[1;5r",
    "\x1b[8;1;1t",
    "\x1bc",
    "\x1b7",
    "\x1b(0",
    "\x1b#8",
    "\x1b%@",
    "\x1b]0;title\x07",
    "\x1b]8;;https://evil.example\x1b\\click\x1b]8;;\x1b\\",
    "\x1b]52;c;ZXZpbA==\x07",
    "\x1bP1$r0m\x1b\\",
    "\x1b_payload\x1b\\",
    "\x1b^payload\x9c",
    "\x1bXpayload\x1b\\",
    "\x9b31m",
    "\x9d0;title\x9c",
    "\x90q\x9c",
    "\x84",
    "\x07",
    "\x08",
    "\x0e",
    "\x7f",
)
_MARKUP = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</details></td></table><h1>",
    "<!-- comment",
    "]]>",
    "<![CDATA[",
    "&lt;&amp;&#0;",
    "[click](javascript:alert(1))",
    "![x](https://evil.example/p.png)",
    "```\n# out of the fence",
    "~~~",
    "| a | b |\n|---|---|",
    "\n\n# Heading",
    "@org/team fixes #1",
    "$(id) `id` ${HOME} %PATH%",
    "{{ 7 * 7 }} {% raw %}",
    "'; DROP TABLE x; --",
)
_GITLAB_ENDS = ("\r\x1b[0K", "\r\x1b[K", "\x1b[0K", "\r", "\n\x1b[0K", "\r\r\x1b[0K", " ", "")


@dataclass(frozen=True)
class Sample:
    """A text, whether it must come out unchanged, and the name of what made it."""

    text: str
    harmless: bool
    kind: str


def sample(rng: random.Random) -> Sample:
    """A text of any kind; about one in five is harmless."""
    if rng.random() < 0.2:
        return Sample(_harmless(rng), True, "harmless")
    kind = rng.choice(sorted(KINDS))
    text = KINDS[kind](rng)
    if rng.random() < 0.3:
        kind, text = _mixed(rng, kind, text)
    if rng.random() < 0.1:
        text = text[: rng.randrange(len(text) + 1)]  # as a lost packet would cut it
    return Sample(text, False, kind)


def samples(seed: int, count: int) -> Iterator[Sample]:
    """That many texts, always the same ones for a seed."""
    rng = random.Random(seed)
    return (sample(rng) for _ in range(count))


def strategy() -> st.SearchStrategy[Sample]:
    """Samples for hypothesis; besides those of `sample`, any text at all."""
    anything = st.text(st.characters(exclude_categories=()))
    return st.one_of(
        st.randoms(use_true_random=False).map(sample),
        anything.map(lambda text: Sample(text, False, "anything")),
    )


def _harmless(rng: random.Random) -> str:
    if rng.random() < 0.8:
        return rng.choice(HARMLESS)
    letters = string.ascii_letters + string.digits + " .,-_/()"
    return "w" + "".join(rng.choices(letters, k=rng.randrange(1, 60))) + "."


def _mixed(rng: random.Random, kind: str, text: str) -> tuple[str, str]:
    other = rng.choice(sorted(KINDS))
    joint = rng.choice((*_LINE_ENDS, "", " ", "::"))
    return f"{kind}+{other}", text + joint + KINDS[other](rng)


def _any_case(rng: random.Random, name: str) -> str:
    style = rng.randrange(4)
    if style == 0:
        return name.upper()
    if style == 1:
        return "".join(rng.choice((char, char.upper())) for char in name)
    return name


def _properties(rng: random.Random, joint: str) -> str:
    names = ("name", "title", "file", "line", "col", "NAME", "owner", "")
    pairs = [f"{rng.choice(names)}={rng.choice(_TEXT)}" for _ in range(rng.randrange(4))]
    return " " + joint.join(pairs) if pairs else rng.choice(("", "", " ", "\t"))


def _data(rng: random.Random) -> str:
    return rng.choice((*_TEXT, *HARMLESS, "on", "off", "token123", "/etc/passwd"))


def _lead(rng: random.Random) -> str:
    before = rng.choice(("", "", "", "text", "| ", "-", "\x1b[0m")) + rng.choice(("", *_LINE_ENDS))
    return before + "".join(rng.choices(_SPACES, k=rng.randrange(3)))


def _hole(rng: random.Random, text: str) -> str:
    """Now and then put something without weight, or a mark, somewhere inside."""
    if rng.random() < 0.7:
        return text
    place = rng.randrange(len(text) + 1)
    return text[:place] + rng.choice((*_WEIGHTLESS, "\u0301")) + text[place:]


def _command(rng: random.Random) -> str:
    name = _any_case(rng, rng.choice(COMMANDS))
    head = _hole(rng, f"::{name}{_properties(rng, ',')}::")
    return _lead(rng) + head + _data(rng)


def _bracket(rng: random.Random) -> str:
    name = _any_case(rng, rng.choice(MARKERS))
    head = _hole(rng, f"##[{name}{_properties(rng, ';')}]")
    return rng.choice(("", "text ", "#", "##[x]", _lead(rng))) + head + _data(rng)


def _fence(rng: random.Random) -> str:
    token = rng.choice(("t", "token123", "", "error", "pause-logging", "::"))
    stop = rng.choice((f"::stop-commands::{token}", f"##[stop-commands]{token}"))
    return stop + rng.choice(_LINE_ENDS) + rng.choice((f"::{token}::", f"##[{token}]", _data(rng)))


def _section(rng: random.Random) -> str:
    lead = rng.choice(("", "\x1b[0K", "text ", "\r\x1b[0K", "sss", _lead(rng)))
    if rng.random() < 0.5:  # chance alone would seldom get every part right
        name = rng.choice(("build_script", "step_1", "a.b-c", "cleanup"))
        options = rng.choice(("", "[collapsed=true]"))
        marker = f"section_{rng.choice(('start', 'end'))}:1700000000:{name}{options}\r\x1b[0K"
        return lead + marker + _data(rng)
    return lead + _hole(rng, _section_like(rng)) + _data(rng)


def _section_like(rng: random.Random) -> str:
    action = rng.choice(("start", "end", "START", "begin"))
    name = rng.choice(("build_script", "step_1", "a.b-c", "step 1", "é", ""))
    stamp = rng.choice(("1700000000", "0", "9" * 30, "-1", ""))
    options = rng.choice(("", "", "[collapsed=true]", "[a=b,c=d]", "[collapsed=true, x=y]", "[x]"))
    return f"section_{action}:{stamp}:{name}{options}{rng.choice(_GITLAB_ENDS)}"


def _ansi(rng: random.Random) -> str:
    parts = [rng.choice(_ESCAPES) + rng.choice(_TEXT) for _ in range(rng.randrange(1, 4))]
    if rng.random() < 0.3:
        parts[-1] = parts[-1][: rng.randrange(1, 6)]
    return rng.choice(_TEXT) + "".join(parts)


def _control(rng: random.Random) -> str:
    controls = [chr(code) for code in (*range(32), *range(127, 160))]
    return "a" + "".join(rng.choices(controls, k=rng.randrange(1, 6))) + "b"


def _surrogate(rng: random.Random) -> str:
    lone = chr(rng.randrange(0xD800, 0xE000))
    return rng.choice(_TEXT) + lone + rng.choice((_command(rng), "x", lone, "\ufffe\uffff"))


def _bidi(rng: random.Random) -> str:
    marks = "".join(rng.choices(_BIDI, k=rng.randrange(1, 4)))
    return rng.choice(HARMLESS) + marks + rng.choice(("cba", "אבג", "::error::x"))


def _weightless(rng: random.Random) -> str:
    return "".join(rng.choices((*_WEIGHTLESS, "a", "::", "##[", "\u115f", "\u3164"), k=6))


def _combining(rng: random.Random) -> str:
    marks = "".join(chr(rng.randrange(0x300, 0x370)) for _ in range(rng.randrange(1, 50)))
    return rng.choice(("a", ":", "##[", "")) + marks + rng.choice(_TEXT)


def _long(rng: random.Random) -> str:
    piece = rng.choice(("x", "é", "🎉", "a b ", "::", "##[", "\x1b[1m", "%", "<", "\u0301"))
    return piece * rng.choice((300, 300, 300, 3000, 20000)) + rng.choice(("", "::error::x"))


def _lines(rng: random.Random) -> str:
    return "".join(rng.choice(HARMLESS) + rng.choice(_LINE_ENDS) for _ in range(3)) + _command(rng)


def _markup(rng: random.Random) -> str:
    return rng.choice(HARMLESS) + rng.choice(_MARKUP) + rng.choice(_MARKUP)


def _file_value(rng: random.Random) -> str:
    return rng.choice(
        ("EOF\nX=1", "a=b\nc=d", "n<<EOF\n1\nEOF", "ghadelimiter_x", "\ufeffA=1", "A=1\r\nB=2\r")
    )


KINDS: dict[str, Callable[[random.Random], str]] = {
    "ansi": _ansi,
    "bidi": _bidi,
    "bracket": _bracket,
    "combining": _combining,
    "command": _command,
    "control": _control,
    "fence": _fence,
    "file value": _file_value,
    "lines": _lines,
    "long": _long,
    "markup": _markup,
    "section": _section,
    "surrogate": _surrogate,
    "weightless": _weightless,
}
"""The makers of hostile text, by name."""
