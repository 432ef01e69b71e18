"""What do we tell a person whose input was wrong? One line: what was found, what was expected, the next step."""

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(Exception):
    """A mistake the user can mend. The command line prints its one line and exits with 2."""

    def __str__(self) -> str:
        return " ".join(super().__str__().split())


def unknown(what: str, found: str, known: Iterable[str], *, hint: str = "") -> UserError:
    """An error that names ``found``, the nearest of the ``known`` names, and all of them when they are few."""
    known = sorted(known)
    near = get_close_matches(found, known, n=1, cutoff=0.5) or get_close_matches(found.lower(), known, n=1, cutoff=0.4)
    parts = [f"no {what} {found!r}"]
    if near:
        parts.append(f"did you mean {near[0]!r}?")
    if known and len(known) <= 12:
        parts.append(f"known: {', '.join(known)}")
    if hint:
        parts.append(hint)
    return UserError("; ".join(parts))
