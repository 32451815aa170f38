"""Which valid name a word may have meant."""

from collections.abc import Iterable
from difflib import get_close_matches


def closest(word: str, names: Iterable[str]) -> str | None:
    """The valid name that `word` may have meant, if one is near."""
    folded = {name.casefold(): name for name in sorted(set(map(str, names)))}
    close = get_close_matches(word, folded.values(), 1, 0.5) or [
        folded[name] for name in get_close_matches(word.casefold(), folded, 1, 0.5)
    ]
    return close[0] if close else None


def nearest(word: str, names: Iterable[str]) -> str:
    """A hint at the valid name that `word` may have meant, else at all of them."""
    names = sorted(set(map(str, names)))
    if close := closest(word, names):
        return f"the nearest valid name is '{close}'"
    return f"valid names are {', '.join(names)}" if names else "there are no valid names"
