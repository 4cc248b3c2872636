"""What makes text of the API safe to print: no control characters, no token."""

from __future__ import annotations

from opsera_step.text.redaction import Redactor
from opsera_step.text.sanitize import LineCleaner, clean_inline, plain, split_lines


class Scrubber:
    """Makes API text safe to print, by one token's redactor."""

    def __init__(self, token: str) -> None:
        """Take the token that must show nowhere."""
        self._redactor = Redactor(token)
        self._plain = LineCleaner(colour=False)

    def inline(self, text: str, limit: int = 500) -> str:
        """Return a name or a message as one line."""
        return self._redactor.redact(clean_inline(text, limit))

    def text(self, text: str) -> str:
        """Return a text of ours, which may quote others, without the token and as safe lines."""
        lines = (self._plain.clean(line) for line in split_lines(text))
        return "\n".join(self._redactor.redact(line) for line in lines)

    def log_line(self, line: str, cleaner: LineCleaner) -> str:
        """Return a line of the log; colours inside of the token do not hide it."""
        line = cleaner.clean(line)
        if "\x1b" in line:
            bare = plain(line)
            redacted = self._redactor.redact(bare, cleaner.trail)
            return redacted if redacted != bare else line
        return self._redactor.redact(line, cleaner.trail)
