"""What a misspelt word may have meant."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(word: str, known: Iterable[str], *, closeness: float = 0.6) -> str:
    """Return the known word nearest to one that is not known, whatever its case; else nothing.

    `closeness` is the least ratio of `difflib.SequenceMatcher`, from 0 to 1.
    """
    # Only who has misspelt something waits for it to load.
    import difflib  # noqa: PLC0415

    plain = {one.casefold(): one for one in known}
    found = difflib.get_close_matches(word.casefold(), plain, n=1, cutoff=closeness)
    return plain[found[0]] if found else ""
