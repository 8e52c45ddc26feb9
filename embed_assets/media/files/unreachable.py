"""Unreachable: what could not be got at, and of which nothing is known therefore: it keeps what it had."""

from dataclasses import dataclass

UNREACHABLE = "unreachable"  # a reason: of a host

# Reasons that say nothing of the file itself: neither that it is gone nor that it is other than before.
KEPT = frozenset((UNREACHABLE, "access denied", "unreadable"))
FOLDER = "unreadable folder"


@dataclass(frozen=True, slots=True)
class Away:
    """Where something is that could not be reached: a host, a bucket or a folder; and why."""

    place: str
    reason: str  # one of KEPT, or FOLDER
    why: str = ""
