"""Unreachable places: the state of their items is unknown, so that these stay in the manifest unchanged."""

from dataclasses import dataclass

UNREACHABLE = "unreachable"  # the reason for a host

# Reasons that do not show whether the file was deleted or changed.
KEPT = frozenset((UNREACHABLE, "access denied", "unreadable"))
FOLDER = "unreadable folder"


@dataclass(frozen=True, slots=True)
class Away:
    """A host, bucket or folder that could not be reached, and why."""

    place: str
    reason: str  # one of KEPT, or FOLDER
    why: str = ""
