"""Versions of a space: which is live, which one may go back to, which waits and what for."""

from dataclasses import dataclass

from embed_assets.pipeline.steps import Steps
from embed_assets.quality.checks import REQUIRED
from embed_assets.store.serving.releases import Release
from embed_assets.store.serving.serving_pointer import Pointer
from embed_assets.store.versions import VersionRecord


@dataclass(frozen=True, kw_only=True)
class SpaceVersion:
    """An encoder version of a space, and where it stands."""

    encoder: str
    version: str
    model: str
    state: str  # live, previous, candidate, rolled back from, not embedded, not indexed, superseded
    rows: int  # of its newest release
    since: str  # when the encoder was resolved to it
    release: str  # table and Lance version of its newest release; "" before it is indexed
    failures: tuple[str, ...] = ()  # blocking checks that hold the newest release back, with their figures
    waits_for: str = ""  # why it does not serve yet; "" where nothing is to be expected of it

    @property
    def held_back(self) -> bool:
        """Whether blocking checks hold its newest release back."""
        return bool(self.failures)


def space_versions(steps: Steps, space: str) -> list[SpaceVersion]:
    """Return the versions of a space, by encoder, newest first; reads the store alone."""
    pointer, versions = steps.store.serving.pointer(space), steps.store.versions
    records = [record for encoder in versions.encoders() for record in reversed(versions.of(encoder))]
    return [_describe(steps, record, pointer) for record in records if record.spec.space == space]


def _describe(steps: Steps, record: VersionRecord, pointer: Pointer) -> SpaceVersion:
    release = steps.store.releases.candidate(record.id)
    state = _state(steps, record, release, pointer)
    failures = tuple(release.failures(REQUIRED)) if release and not _is_named(pointer, release) else ()
    return SpaceVersion(
        encoder=record.encoder,
        version=record.version,
        model=record.spec.model,
        state=state,
        rows=release.rows if release else 0,
        since=record.at,
        release=release.key if release else "",
        failures=() if state == "superseded" else failures,
        waits_for=_waits_for(steps, record, state, failures, pointer),
    )


def _is_named(pointer: Pointer, release: Release) -> bool:
    return any(one.identity == release.identity for one in pointer.releases)


def _state(steps: Steps, record: VersionRecord, release: Release | None, pointer: Pointer) -> str:
    if pointer.serves(record.id):
        return "live"
    if record.version in pointer.held:
        return "rolled back from"
    if pointer.names(record.id):
        return "previous"
    current = steps.current_version(record.encoder)
    if current is None or current.id != record.id:
        return "superseded"
    if release is not None:
        return "candidate"
    return "not embedded" if steps.vectors(record).open() is None else "not indexed"


def _waits_for(steps: Steps, record: VersionRecord, state: str, failures: tuple[str, ...], pointer: Pointer) -> str:
    if state == "superseded":
        return ""
    if failures:
        return f"better rows or a person: {'; '.join(failures)}"
    if state == "rolled back from":
        return "a promotion by hand: it was rolled back from"
    if state == "candidate":
        reason = steps.manual_promotion_reason(record, pointer)
        return f"a promotion by hand: {reason}" if reason else "the next run"
    return "the next run" if state.startswith("not ") else ""
