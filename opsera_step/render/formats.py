"""An answer as JSON, as YAML or as tables: lines that can be printed anywhere.

JSON and YAML hold all that the API gave. What a terminal would obey, and what a job log could take
for a command, is written in the escapes of those languages, so that it reads back as it was.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from opsera_step.answers import Answer
from opsera_step.render.table import table_lines

_DANGEROUS = re.compile(
    "[\x7f-\x9f\u2028-\u202e\u2066-\u2069\u200b-\u200f\ufeff\ud800-\udfff]|(?<=#)#(?=\\[)"
)
Clean = Callable[[str], str]


def json_text(data: Any, *, indent: int | None = 2) -> str:
    """Write JSON that holds no character that a terminal or a job log would act upon."""
    separators = (",", ":") if indent is None else None
    text = json.dumps(data, ensure_ascii=False, indent=indent, separators=separators)
    return _DANGEROUS.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def yaml_text(data: Any) -> str:
    """Write YAML that holds no character that a terminal or a job log would act upon."""
    from opsera_step.yaml_data import write_yaml  # noqa: PLC0415 - most answers are none

    text = write_yaml(data, ascii_only=False)
    if not _DANGEROUS.search(text):
        return text
    # Written in double quotes, where it can be escaped.
    return write_yaml(data, ascii_only=True).replace("##[", r"#\x23[")


def answer_lines(answer: Answer, form: str, width: int | None, clean: Clean) -> Iterator[str]:
    """Yield the lines of an answer; `clean` makes a text of the API safe to print in a line."""
    if form == "json":
        yield from json_text(answer.data).split("\n")
    elif form == "yaml":
        yield from yaml_text(answer.data).rstrip("\n").split("\n")
    elif form == "text" and answer.lines is not None:
        yield from answer.lines
    else:
        for number, table in enumerate(answer.tables):
            if number:
                yield ""
            safe = table._replace(rows=[tuple(clean(cell) for cell in row) for row in table.rows])
            yield from table_lines(safe, width)
