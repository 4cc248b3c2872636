"""Suggestions for misspelled words."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(word: str, known: Iterable[str], *, closeness: float = 0.6) -> str:
    """Return the known word that is nearest to an unknown one, ignoring case.

    Empty if none is near.
    `closeness` is the lowest ratio of `difflib.SequenceMatcher` that counts, from 0 to 1.
    """
    # Loaded only after a mistake.
    import difflib  # noqa: PLC0415

    plain = {one.casefold(): one for one in known}
    found = difflib.get_close_matches(word.casefold(), plain, n=1, cutoff=closeness)
    return plain[found[0]] if found else ""


def did_you_mean(word: str, known: Iterable[str], *, closeness: float = 0.6) -> str:
    """Return “Did you mean …?” with the nearest known word; empty if none is near."""
    near = nearest(word, known, closeness=closeness)
    return f"Did you mean {near}?" if near else ""
