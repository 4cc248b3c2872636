"""Make untrusted text safe to show: control characters, secrets, width."""

from opsera_step.text.sanitize import LineCleaner, clean_inline, split_lines
from opsera_step.text.scrubber import Scrubber
from opsera_step.text.suggest import nearest
from opsera_step.text.width import columns_of, cut

__all__ = [
    "LineCleaner",
    "Scrubber",
    "clean_inline",
    "columns_of",
    "cut",
    "nearest",
    "split_lines",
]
