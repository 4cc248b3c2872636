"""Sanitize untrusted text: control characters, secrets, width."""

from opsera_step.text.json_text import json_text
from opsera_step.text.redaction import MASK
from opsera_step.text.sanitize import LineCleaner, clean_inline, plain, split_lines
from opsera_step.text.scrubber import LogStream, Scrubber
from opsera_step.text.suggest import did_you_mean, nearest
from opsera_step.text.width import columns_of, cut

__all__ = [
    "MASK", "LineCleaner", "LogStream", "Scrubber", "clean_inline", "columns_of", "cut",
    "did_you_mean", "json_text", "nearest", "plain", "split_lines",
]  # fmt: skip
