"""Make text of the API safe to print: no control characters, no token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from opsera_step.text.redaction import RedactionState, Redactor
from opsera_step.text.sanitize import LineCleaner, clean_inline, plain, split_lines

_BLOCK = 32
"""Lines from which on it pays to test them at once."""


class LogStream:
    """The lines of one step: colors, and a token cut by a line end, carry over between them."""

    def __init__(self, color: bool = True) -> None:
        self.cleaner = LineCleaner(color)
        self.redaction = RedactionState()


class Scrubber:
    """Makes untrusted text safe to print, and hides the token in it."""

    def __init__(self, token: str) -> None:
        self._tokens = [token]
        self._redactor = Redactor(token)

    def add_token(self, token: str) -> None:
        """Hide another token too, from now on."""
        if token not in self._tokens:
            self._tokens.append(token)
            self._redactor = Redactor(*self._tokens)

    def inline(self, text: str, limit: int = 500) -> str:
        """Return a name or a message as one line of at most `limit` characters."""
        return clean_inline(self.text(text), limit)

    def text(self, text: str) -> str:
        """Return a text of one or more lines without colors."""
        cleaner = LineCleaner(color=False)
        text = self._redactor.redact_sequences(text)
        lines = map(cleaner.clean, split_lines(text))
        return self._redactor.redact_shortened("\n".join(lines))

    def log_lines(self, lines: Sequence[str], stream: LogStream) -> list[str]:
        """Return lines of a log; see `log_line`. Many of them are tested at once."""
        is_block = len(lines) >= _BLOCK and stream.cleaner.is_plain
        if is_block and self._redactor.take_harmless(lines, stream.redaction):
            return list(lines)
        return [self.log_line(line, stream) for line in lines]

    def log_line(self, line: str, stream: LogStream) -> str:
        """Return a line of a log. A line that holds a piece of the token loses its colors."""
        line = stream.cleaner.clean(self._redactor.redact_sequences(line))
        bare = plain(line)
        redacted = self._redactor.redact(bare, stream.redaction)
        return line if redacted == bare else redacted

    def data(self, value: Any) -> Any:
        """Return JSON data without the token in any key or text.

        This comes before the data is encoded: an encoder would escape what is hidden inside of a
        token, and then the token could be read from the escapes. All else stays as it is, but for
        lone surrogates, which no JSON or YAML can hold.
        """
        if isinstance(value, str):
            return self._data_text(value)
        if isinstance(value, dict):
            return {self.data(key): self.data(one) for key, one in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.data(one) for one in value]
        return value

    def _data_text(self, text: str) -> str:
        redacted = self._redactor.redact(self._redactor.redact_sequences(text))
        if redacted.isprintable():
            return redacted
        # Escape sequences that a terminal hides, such as links, can stand inside of a token.
        cleaned = "\n".join(map(LineCleaner(color=False).clean, split_lines(redacted)))
        if self._redactor.redact(cleaned) != cleaned:
            return self._redactor.redact(cleaned)
        return redacted.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
