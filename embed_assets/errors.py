"""Errors a user can act on: every message says what was found, what was expected and the way out.

EmbedAssetsError
├── SettingsError            a key, value or folder in the settings is wrong
├── MissingExtraError        an optional package is not installed
├── SourceError              a source can't be listed or read
│   └── DeletionError        a refresh would lose most of a source: it stops before it writes
├── MediaError               one media item can't be used: it is quarantined, never fatal
├── OverloadedError          more is requested at once than the service takes
├── UnknownEncoderError      no encoder, family or model of that name
├── WeightsError             a model's files are absent, incomplete, unsafe or not the pinned ones
├── EncoderVersionError      encoder and vectors do not belong together
├── EncoderOutputError       an encoder returned something that its spec excludes
├── EngineError              an engine beyond this process can't be reached, or returned other items than it was given
├── StoreError               the store is unreachable, or holds something else than expected
│   └── NotFoundError        it holds nothing of that name
│       └── UnknownNameError no space or item; the nearest are suggested
├── SavedQueryError          a saved query can't be answered as the settings have it
├── SinkError                a sink can't be opened or written, or holds what is not ours
└── PromotionError           a release may not become live
    └── MovedError           another move of the pointer came first
"""

import difflib
from collections.abc import Iterable, Sequence


def in_one_line(error: BaseException, *, most: int = 300) -> str:
    """Return a library's message in one line, without the place in Lance's source at its end."""
    return " ".join(str(error).split()).partition(", /")[0][:most]


def named(names: Sequence[str], *, of: int | None = None) -> str:
    """Quote names, and add how many more there are `of` them."""
    more = (of or 0) - len(names)
    return ", ".join(map(repr, names)) + (f" and {more:,} more" if more > 0 else "")


class EmbedAssetsError(Exception):
    """Base of everything this package raises on purpose."""


class SettingsError(EmbedAssetsError):
    """A key, a value or a folder named in the settings is wrong."""


class MissingExtraError(EmbedAssetsError):
    """An optional package is not installed; the message has the command that installs it."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs the extra {extra!r}: pip install 'embed-assets[{extra}]'")
        self.extra = extra


class SourceError(EmbedAssetsError):
    """A source can't be listed or read."""


class DeletionError(SourceError):
    """A refresh would lose more items than `max_deleted_share` of a source: nothing was written."""


class MediaError(EmbedAssetsError):
    """One media item can't be used. `reason` is short and countable; the item is quarantined with it.

    `again`: the next run tries again, since the bytes could not be read this time.
    """

    def __init__(self, reason: str, detail: str = "", *, again: bool = False) -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.again = again


class OverloadedError(EmbedAssetsError):
    """More is requested at once than the service takes; the same request is answered a little later."""

    def __init__(self, seconds: float = 1.0) -> None:
        super().__init__("The service has as much to do as it takes at once. Send the request again a little later.")
        self.seconds = seconds


class UnknownEncoderError(EmbedAssetsError):
    """No encoder, family or model of that name; the message suggests the nearest."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        super().__init__(f"Unknown encoder {name!r}.{hint} Known: {', '.join(names) or 'none'}.")
        self.name = name


class WeightsError(EmbedAssetsError):
    """A model's files are absent, incomplete, unsafe or not the pinned ones."""


class EncoderVersionError(EmbedAssetsError):
    """The loaded encoder's version is not the one that made the vectors."""


class EngineError(EmbedAssetsError):
    """An engine beyond this process can't be reached, or returned other items than it was given."""


class EncoderOutputError(EmbedAssetsError):
    """An encoder returned vectors of the wrong shape, or values that are not finite."""


class StoreError(EmbedAssetsError):
    """The store is unreachable, or holds something else than expected."""


class NotFoundError(StoreError):
    """The store is well, and holds nothing of the name that was given."""


class UnknownNameError(NotFoundError):
    """No space or item of that name; the message suggests the nearest."""

    def __init__(self, kind: str, name: str, known: Iterable[str] = (), *, hint: str = "") -> None:
        near = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
        suggestion = f" Did you mean {named(near)}?" if near else ""
        super().__init__(f"There is no {kind} {name[:200]!r}.{suggestion}{f' {hint}' if hint else ''}")
        self.name = name


class SavedQueryError(EmbedAssetsError):
    """A saved query can't be answered as the settings have it; the message begins with its name."""


class SinkError(EmbedAssetsError):
    """A sink can't be opened or written, or holds something that no export made; the message begins with its name."""


class PromotionError(EmbedAssetsError):
    """A release may not become live: a blocking check failed, is missing, or another promotion won."""


class MovedError(PromotionError):
    """Another move of the serving pointer came first; the message names it."""
