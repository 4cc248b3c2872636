"""The few habits of .NET strings and streams which the rules of GitHub's runner rest on."""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Iterator

WHITE_SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680"
    "\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
"""What `char.IsWhiteSpace` accepts. Unlike `str.isspace`, it leaves U+001C to U+001F out, and
like it, U+180E, U+200B and U+FEFF.

Source: dotnet/runtime, src/libraries/System.Private.CoreLib/src/System/Char.cs."""

_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark begins with the same bytes
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

# Ignorable although neither a control nor a format character: joiners, fillers, selectors.
_IGNORABLE_MARKS = frozenset(
    "\u034f\u17b4\u17b5\u180b\u180c\u180d\u180f" + "".join(map(chr, range(0xFE00, 0xFE10)))
)


def decode(data: bytes) -> str:
    """Text of a byte stream, as a `StreamReader` that looks for a byte order mark sees it.

    Source: dotnet/runtime, System.Diagnostics.Process/src/System/Diagnostics/Process.Unix.cs
    (UTF-8 by default, detection of the mark switched on).
    """
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace")
    return data.decode("utf-8", "replace")


def read_lines(text: str) -> list[str]:
    """Lines as `TextReader.ReadLine` gives them: LF, CR and CRLF end a line, nothing else does.

    Source: dotnet/runtime, src/libraries/System.Private.CoreLib/src/System/IO/StreamReader.cs.
    """
    lines = re.split("\r\n|\r|\n", text)
    return lines if lines[-1] else lines[:-1]


def split_some(text: str, separator: str, count: int | None = None) -> list[str]:
    """`string.Split` with RemoveEmptyEntries, and with at most `count` parts.

    Source: dotnet/runtime, src/libraries/System.Private.CoreLib/src/System/String.Manipulation.cs.
    """
    if count is None:
        return [part for part in text.split(separator) if part]
    parts: list[str] = []
    rest = text.lstrip(separator)
    while rest and len(parts) < count - 1:
        part, _, rest = rest.partition(separator)
        parts.append(part)
        rest = rest.lstrip(separator)
    return [*parts, rest] if rest else parts


def utf16_length(text: str) -> int:
    """`string.Length`: UTF-16 code units, two for each character beyond the basic plane."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def utf16_cut(text: str, limit: int) -> str:
    """The first `limit` UTF-16 code units; half a pair at the end is dropped."""
    units = text.encode("utf-16-le", "surrogatepass")[: limit * 2]
    return units.decode("utf-16-le", "ignore")


def ignorable(char: str) -> bool:
    """Whether a culture-sensitive comparison may give the character no weight at all.

    `StartsWith(string)` and `IndexOf(string)` compare by the current culture, that is by ICU,
    which skips such characters. Errs on the side of yes.
    Source: dotnet/docs, docs/core/extensions/globalization-icu.md.
    """
    if char in WHITE_SPACE:
        return False
    return unicodedata.category(char) in {"Cc", "Cf"} or char in _IGNORABLE_MARKS


def find_all(text: str, wanted: str, start: int = 0) -> Iterator[int]:
    """Every index from which `wanted` can be read, ignorable characters in its midst skipped."""
    index = text.find(wanted[0], start)
    while index >= 0:
        if _matches(text, wanted, index):
            yield index
        index = text.find(wanted[0], index + 1)


def _matches(text: str, wanted: str, index: int) -> bool:
    for char in wanted:
        while index < len(text) and text[index] != char and ignorable(text[index]):
            index += 1
        if index >= len(text) or text[index] != char:
            return False
        index += 1
    return True
