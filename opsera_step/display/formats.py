"""An answer as JSON, as YAML, or as tables: lines that can be printed anywhere.

JSON and YAML contain the API's response without the token. What a terminal would interpret, and
what a job log could take for a command, is written in the escapes of those languages, so that it
reads back as it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from opsera_step.display.answers import Answer
from opsera_step.display.table import table_lines
from opsera_step.text import Scrubber
from opsera_step.text.json_text import DANGEROUS, json_text


def yaml_text(data: Any) -> str:
    """Write YAML that holds no character that a terminal or a job log would interpret."""
    from opsera_step.config.yaml_data import write_yaml  # noqa: PLC0415 - most answers are none

    text = write_yaml(data, ascii_only=False)
    if not DANGEROUS.search(text):
        return text
    # Written in double quotes, where it can be escaped.
    return write_yaml(data, ascii_only=True).replace("##[", r"#\x23[")


def answer_lines(answer: Answer, form: str, width: int | None, scrubber: Scrubber) -> Iterator[str]:
    """Yield the lines of an answer, safe to print."""
    if form == "json":
        yield from json_text(scrubber.data(answer.data)).split("\n")
    elif form == "yaml":
        yield from yaml_text(scrubber.data(answer.data)).rstrip("\n").split("\n")
    elif form == "text" and answer.lines is not None:
        yield from map(scrubber.text, answer.lines)
    else:
        for number, table in enumerate(answer.tables):
            if number:
                yield ""
            rows = [tuple(map(scrubber.inline, row)) for row in table.rows]
            yield from table_lines(table._replace(rows=rows), width)
