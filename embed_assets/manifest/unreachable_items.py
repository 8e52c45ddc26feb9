"""Unreachable items, by place; kept with the manifest until the next refresh."""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from embed_assets.manifest.entry import Entry
from embed_assets.manifest.inspect_files import ListedSource
from embed_assets.media.files.redacted_uri import brief, place_of
from embed_assets.media.files.unreachable import FOLDER, KEPT, Away
from embed_assets.media.media_types import ListedFile
from embed_assets.store.manifest_row import owner


@dataclass(frozen=True, kw_only=True)
class UnreachableItems:
    """Items of one place whose state is unknown: they stay unchanged, and the next refresh tries again."""

    place: str  # a host, a bucket or a folder
    reason: str
    items: int
    why: str = ""

    def summary(self) -> str:
        """Return one line, for people."""
        why, place = f" ({self.why})" if self.why else "", brief(self.place)
        if self.reason == FOLDER:
            return f"{place} can't be read{why}; {self.items:,} items known below it stay as they are"
        return f"{self.reason}{why}: {self.items:,} items at {place} stay as they were; the next run tries again"


def unreachable_by_listing(listed: ListedSource, rows: Iterable[dict[str, Any]]) -> list[UnreachableItems]:
    """Return what a listing could not reach; `rows` are the manifest's that are not deleted."""
    below = Counter(folder for row in rows if (folder := unread_folder(owner(row), listed.unread)))
    folders = [_counted(away, below[folder]) for folder, away in listed.unread.items()]
    return [*folders, *_by_place(listed.away.values())]


def unreachable_by_reading(
    entries: Iterable[Entry], listed_away: Collection[str], still: Iterable[Away] = ()
) -> list[UnreachableItems]:
    """Return listed items that could not be read; `listed_away` are keys that the listing could not reach.

    `still` is what was unreadable before, and is now.
    """
    aways = [
        Away(place_of(entry.file.uri), entry.probe.reason or "")
        for entry in entries
        if entry.probe is not None and entry.probe.reason in KEPT and entry.file.key not in listed_away
    ]
    return _by_place([*still, *aways])


def still_unreadable(listed: ListedSource, files: Iterable[ListedFile], previous: str) -> dict[str, Away]:
    """Try to read files that an earlier refresh has listed; return those that fail, by key.

    None is tried where they are more than were unreachable in that refresh (`previous`): some are other files.
    """
    chosen = list(files) if previous else []
    if len(chosen) > sum(each.items for each in read_unreachable(previous) if each.reason in KEPT):
        return {}
    faults = zip(chosen, listed.faults(chosen), strict=True)
    return {file.key: Away(place_of(file.uri), reason or "") for file, reason in faults if reason in KEPT}


def unread_folder(key: str, unread: Collection[str]) -> str | None:
    """Return the unreadable folder that a key lies in, if any."""
    if not unread:
        return None
    ends = (place + 1 for place, letter in enumerate(key) if letter == "/")
    return next((key[:end] for end in ends if key[:end] in unread), None)


def unreachable_as_text(items: Sequence[UnreachableItems]) -> str:
    """Return a text that `read_unreachable` reads; "" for nothing."""
    return json.dumps([asdict(each) for each in items]) if items else ""


def read_unreachable(text: str) -> tuple[UnreachableItems, ...]:
    """Read what `unreachable_as_text` wrote."""
    return tuple(UnreachableItems(**each) for each in json.loads(text)) if text else ()


def _by_place(aways: Iterable[Away]) -> list[UnreachableItems]:
    groups: dict[tuple[str, str], Counter[str]] = {}
    for away in aways:
        groups.setdefault((away.place, away.reason), Counter())[away.why] += 1
    return [
        UnreachableItems(place=place, reason=reason, items=whys.total(), why=_most_frequent(whys))
        for (place, reason), whys in sorted(groups.items())
    ]


def _most_frequent(whys: Counter[str]) -> str:
    return min(whys, key=lambda why: (-whys[why], why))


def _counted(away: Away, items: int) -> UnreachableItems:
    return UnreachableItems(place=away.place, reason=away.reason, items=items, why=away.why)
