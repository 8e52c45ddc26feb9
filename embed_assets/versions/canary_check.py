"""Canary check: canaries held against those that were stored with an encoder version, before anything is written."""

from dataclasses import replace

from embed_assets.encoders.base import Encoder
from embed_assets.encoders.canary_inputs import bound_of, canary_vectors, movement
from embed_assets.encoders.spec import EncoderSpec
from embed_assets.errors import EncoderVersionError
from embed_assets.store.canary_vectors import CanaryVectors
from embed_assets.store.versions import VersionRecord


def check_canaries(
    record: VersionRecord, encoder: Encoder, canaries: CanaryVectors, *, libraries: dict[str, str]
) -> None:
    """Compare the encoder's canary vectors with the version's; the first time, store them.

    `libraries` are those installed now. Raises EncoderVersionError where a vector moved by more than the
    bound of its precision: equal files then make other vectors, and the two must not meet in a table.
    """
    current = canary_vectors(encoder)
    stored = canaries.get(record.id)
    if stored is None:
        canaries.put(record.id, current, libraries)
        return
    vectors, before = stored
    bound = bound_of(record.spec, record.dtype)
    moved = {modality: size for modality, size in movement(vectors, current).items() if not size <= bound}
    if not moved:
        return
    what = ", ".join(f"{modality} by {size:.1e}" for modality, size in moved.items())
    upgraded = [
        f"{name} {before.get(name, 'none')} → {now}" for name, now in libraries.items() if before.get(name) != now
    ]
    since = f"since then: {', '.join(upgraded)}" if upgraded else "no library changed its version since then"
    raise EncoderVersionError(
        f"Encoder {record.encoder!r}: the canary vectors of version {record.version} moved ({what}; allowed "
        f"{bound:.0e}) though its model is the same; {since}. Nothing was written. Go back to what it was, or raise "
        f"encoders.{record.encoder}.generation by one: all its media is then embedded again, as a candidate."
    )


def same_vectors(record: VersionRecord, old: VersionRecord, encoder: Encoder, canaries: CanaryVectors) -> bool:
    """Return whether the encoder's canary vectors are those of an older version, within the bound."""
    stored = canaries.get(old.id)
    if stored is None:
        return False
    bound = bound_of(record.spec, record.dtype)
    return all(size <= bound for size in movement(stored[0], canary_vectors(encoder)).values())


def same_but_for_libraries(old: VersionRecord, new: VersionRecord) -> bool:
    """Return whether two versions have the same files and recipe, but other library versions."""
    same_files = old.files == new.files and (old.files or (old.revision and old.revision == new.revision))
    recipe = (old.segmenting, old.dtype, old.vector_dtype, _recipe(old.spec))
    return bool(
        same_files
        and old.libraries != new.libraries
        and recipe == (new.segmenting, new.dtype, new.vector_dtype, _recipe(new.spec))
    )


def _recipe(spec: EncoderSpec) -> EncoderSpec:
    """Return the spec without the fields that change no vector."""
    return replace(spec, name="", model="", revision=None, space="", license="", download_mb=None, source="", tap="")
