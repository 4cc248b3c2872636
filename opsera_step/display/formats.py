"""A response as JSON, YAML, CSV, or tables: lines that can be printed anywhere.

JSON and YAML contain the API's response without the token. Text that a terminal or a job log could
interpret is escaped as these formats define, so that parsing returns the original.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any

from opsera_step.display.table import Answer, Table, table_lines
from opsera_step.text import Scrubber, json_text
from opsera_step.text.json_text import DANGEROUS

_LONGEST_CELL = 32_000
"""Characters; spreadsheets take 32,767."""
_FORMULA = re.compile(r"[=@]|[-+](?![\d.]+$|$)")


def yaml_text(data: Any) -> str:
    """Write YAML that holds no character that a terminal or a job log would interpret."""
    from opsera_step.config.yaml import write_yaml  # noqa: PLC0415 - most answers are none

    text = write_yaml(data, ascii_only=False)
    if not DANGEROUS.search(text):
        return text
    # Written in double quotes, where it can be escaped.
    return write_yaml(data, ascii_only=True).replace("##[", r"#\x23[")


def answer_lines(answer: Answer, form: str, width: int | None, scrubber: Scrubber) -> Iterator[str]:
    """Yield the lines of a response, safe to print."""
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
            if form == "csv":
                yield from _csv_lines(table, scrubber)
            else:
                rows = [tuple(map(scrubber.inline, row)) for row in table.rows]
                yield from table_lines(table._replace(rows=rows), width)


def _csv_lines(table: Table, scrubber: Scrubber) -> Iterator[str]:
    """Write a table as CSV (RFC 4180), with times as the API sent them."""
    import csv  # noqa: PLC0415 - few answers are CSV

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([heading.lower() for heading in one] for one in [table.headings] if one)
    for row in table.rows:
        writer.writerow([_inert(scrubber.inline(cell, _LONGEST_CELL)) for cell in row])
    yield from text.getvalue().removesuffix("\n").split("\n")


def _inert(cell: str) -> str:
    """Keep a spreadsheet from interpreting text as a formula (OWASP, CSV injection)."""
    return f"'{cell}" if _FORMULA.match(cell) else cell
