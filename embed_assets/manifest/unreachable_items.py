"""Unreachable items: what a refresh could not get at, by place; kept with the manifest until the next refresh."""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from embed_assets.manifest.inspect_files import Entry, ListedSource
from embed_assets.media.files.redacted_uri import brief, place_of
from embed_assets.media.files.unreachable import FOLDER, KEPT, Away
from embed_assets.media.media_types import ListedFile
from embed_assets.store.manifest_row import owner


@dataclass(frozen=True, kw_only=True)
class OutOfReach:
    """Items of which nothing could be found out: they are what they were, and are asked for at the next refresh."""

    place: str  # a host, a bucket or a folder
    reason: str
    items: int
    why: str = ""

    def told(self) -> str:
        """One line, for people."""
        why, place = f" ({self.why})" if self.why else "", brief(self.place)
        if self.reason == FOLDER:
            return f"{place} can't be read{why}; {self.items:,} items known below it stay as they are"
        return f"{self.reason}{why}: {self.items:,} items at {place}; what they were stays, the next run tries again"


def beyond_listing(listed: ListedSource, rows: Iterable[dict[str, Any]]) -> list[OutOfReach]:
    """What a listing could not get at; `rows` are the manifest's, as far as they are not deleted."""
    below = Counter(folder for row in rows if (folder := unread_folder(owner(row), listed.unread)))
    folders = [_counted(away, below[folder]) for folder, away in listed.unread.items()]
    return [*folders, *_by_place(listed.away.values())]


def beyond_reading(entries: Iterable[Entry], known: Collection[str], still: Iterable[Away] = ()) -> list[OutOfReach]:
    """What could not be read, though it was listed; `known` are keys that the listing told already.

    `still` is what could not be read before, and can't be now.
    """
    found = [
        Away(place_of(entry.file.uri), entry.look.reason or "")
        for entry in entries
        if entry.look is not None and entry.look.reason in KEPT and entry.file.key not in known
    ]
    return _by_place([*still, *found])


def still_shut(listed: ListedSource, files: Iterable[ListedFile], noted: str) -> dict[str, Away]:
    """Those of some files that an earlier refresh has seen and that can't be read, by a try of each.

    None is tried where they are more than the earlier refresh could not get at: some of them are other files.
    """
    chosen = list(files) if noted else []
    if len(chosen) > sum(each.items for each in read_kept(noted) if each.reason in KEPT):
        return {}
    told = zip(chosen, listed.faults(chosen), strict=True)
    return {file.key: Away(place_of(file.uri), reason or "") for file, reason in told if reason in KEPT}


def unread_folder(key: str, unread: Collection[str]) -> str | None:
    """The unreadable folder that a key lies in, if any."""
    if not unread:
        return None
    ends = (place + 1 for place, letter in enumerate(key) if letter == "/")
    return next((key[:end] for end in ends if key[:end] in unread), None)


def kept_as(found: Sequence[OutOfReach]) -> str:
    """As a text that `read_kept` reads; "" for nothing."""
    return json.dumps([asdict(each) for each in found]) if found else ""


def read_kept(text: str) -> tuple[OutOfReach, ...]:
    """What `kept_as` wrote."""
    return tuple(OutOfReach(**each) for each in json.loads(text)) if text else ()


def _by_place(found: Iterable[Away]) -> list[OutOfReach]:
    groups: dict[tuple[str, str], Counter[str]] = {}
    for away in found:
        groups.setdefault((away.place, away.reason), Counter())[away.why] += 1
    return [
        OutOfReach(place=place, reason=reason, items=whys.total(), why=min(whys, key=lambda why: (-whys[why], why)))
        for (place, reason), whys in sorted(groups.items())
    ]


def _counted(away: Away, items: int) -> OutOfReach:
    return OutOfReach(place=away.place, reason=away.reason, items=items, why=away.why)
