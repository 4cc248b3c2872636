"""The few habits of .NET strings and streams which the rules of GitHub's runner rest on."""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Iterator
from itertools import islice

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


def _characters(ranges: str) -> frozenset[str]:
    """Read ranges of code points, such as `0-8 AD`."""
    ends = ([int(end, 16) for end in part.split("-")] for part in ranges.split())
    return frozenset(chr(code) for end in ends for code in range(end[0], end[-1] + 1))


WEIGHTLESS = _characters(
    "0-8 E-1F 7F-84 86-9F AD 34F 488-489 591-5AF 5BD 5C4-5C5 600-605 610-61A 61C 640 6D6-6DD "
    "6DF-6E4 6E7-6E8 6EA-6ED 70F 740 743-744 747-74A 7FA 890-891 898-89D 8CA-8E2 8EA-8EF 8F3 "
    "951-952 F18-F19 F35 F37 F3E-F3F F86-F87 FC6 17B4-17B5 17D3 180A-180F 1A7F 1B6B-1B73 "
    "1CD0-1CE8 1CF4 1CF7-1CF9 200B-200F 202A-202E 2060-2064 2066-206F 2D7F A670-A672 "
    "A8E0-A8F1 FE00-FE0F FE21 FE23-FE26 FE28 FE2A-FE2D FE2F FE73 FEFF FFF9-FFFB 102E0 "
    "10EFD-10EFF 110BD 110CD 11366-1136C 11370-11374 13430-13440 13447-13455 16FE4 "
    "1BCA0-1BCA3 1CF00-1CF2D 1CF30-1CF46 1D165-1D169 1D16D-1D182 1D185-1D18B 1D1AA-1D1AD "
    "1D242-1D244 1DA00-1DA36 1DA3B-1DA6C 1DA75 1DA84 1DA9B-1DA9F 1DAA1-1DAAF 1E8D0-1E8D6 "
    "E0001 E0020-E007F E0100-E01EF"
)
"""Characters that a comparison by culture skips, as .NET 8.0.4 with ICU 72 does."""

_SPACING_MARKS = _characters(
    "102B-102C 1038 1062-1064 1067-106D 1083 1087-108C 108F 109A-109C 1A61 1A63-1A64 AA7B "
    "AA7D 11720-11721"
)
"""Marks that begin a new character on their own, unlike all other marks."""

_ALSO_JOINING = _characters("E33 EB3 FF9E-FF9F 1F3FB-1F3FF")
"""Characters that are no marks but join the character before them."""

_PREPENDED = _characters(
    "600-605 6DD 70F 890-891 8E2 D4E 110BD 110CD 111C2-111C3 1193F 11941 11A3A 11A84-11A89 "
    "11D46 11F02"
)
"""Characters that join the character after them."""


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


def joins(char: str) -> bool:
    """Whether a character with a weight belongs to the one before it, such as an accent.

    A search by culture finds no text right before such a character. The sets were measured: of all
    code points 1,703 have this effect on `"::group::" + char`. Unassigned ones (23) are left out.
    """
    if char in WEIGHTLESS or char in _SPACING_MARKS:
        return False
    return unicodedata.category(char).startswith("M") or char in _ALSO_JOINING


def index_of(text: str, wanted: str, start: int = 0) -> int:
    """`text.IndexOf(wanted, start)` by culture; -1 if the text is not found.

    Source: what .NET 8.0.4 printed for each code point with LC_ALL=C.UTF-8 and en_US.UTF-8.
    """
    for index, end in _matches(text, wanted, start):
        before = text[index - 1 : index] if index > start else ""
        after = next((char for char in islice(text, end, None) if not _is_joiner(char)), "")
        if before not in _PREPENDED and not (after and joins(after)):
            return index
    return -1


def find_all(text: str, wanted: str, start: int = 0) -> Iterator[int]:
    """Every index from which `wanted` can be read, weightless characters in its midst skipped.

    Other versions of ICU may find text where `index_of` does not: this errs on the side of yes.
    """
    return (index for index, _ in _matches(text, wanted, start))


def _is_joiner(char: str) -> bool:
    """Whether it is a mark (or joiner) without weight, which is part of what was found."""
    is_mark = unicodedata.category(char).startswith("M") or char == "\u200d"
    return is_mark and char in WEIGHTLESS


def _matches(text: str, wanted: str, start: int) -> Iterator[tuple[int, int]]:
    index = text.find(wanted[0], start)
    while index >= 0:
        end = _match_end(text, wanted, index)
        if end is not None:
            yield index, end
        index = text.find(wanted[0], index + 1)


def _match_end(text: str, wanted: str, index: int) -> int | None:
    for char in wanted:
        while index < len(text) and text[index] != char and _skipped(text[index]):
            index += 1
        if index >= len(text) or text[index] != char:
            return None
        index += 1
    return index


def _skipped(char: str) -> bool:
    return char in WEIGHTLESS or (
        char not in WHITE_SPACE and unicodedata.category(char) in {"Cc", "Cf"}
    )
