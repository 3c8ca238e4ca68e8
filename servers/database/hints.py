"""The names nearest to one that does not exist."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(wrong: str, names: Iterable[str]) -> str:
    """Return " Did you mean ...?" with up to three names, or an empty text if none is near."""
    by_lower = {name.lower(): name for name in names}
    wrong = wrong.rsplit(".", 1)[-1].strip('"`[]').lower()
    near = [by_lower[name] for name in get_close_matches(wrong, by_lower, n=3, cutoff=0.6)]
    return f" Did you mean {' or '.join(near)}?" if near else " Call db_schema to see the names."
