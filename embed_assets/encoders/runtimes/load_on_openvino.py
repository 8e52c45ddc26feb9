"""Loading on OpenVINO: from the cache of converted models, which torch fills once, else on torch with the reason."""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from embed_assets import progress
from embed_assets.encoders.base import Encoder
from embed_assets.encoders.canary_inputs import BOUNDS, canary_vectors, movement
from embed_assets.encoders.registry import family_class
from embed_assets.encoders.runtimes.convert_to_openvino import convert, failure, vectors_alone_and_together
from embed_assets.encoders.runtimes.converted_models import (
    ConvertedModel,
    entry_key,
    read_entry,
    refuse_entry,
    scratch_folder,
    throw_away,
    write_entry,
)
from embed_assets.encoders.runtimes.openvino_network import OpenVinoNetwork
from embed_assets.encoders.spec import EncoderSpec
from embed_assets.errors import EmbedAssetsError
from embed_assets.media.media_types import Modality

_UNREADABLE = (RuntimeError, ValueError, KeyError, TypeError)  # of OpenVINO and of what an entry holds

Load = Callable[[str], Encoder]  # by torch on the CPU, in a dtype: an encoder that nobody else has


def load_on_openvino(
    spec: EncoderSpec,
    parts: Mapping[str, str],
    *,
    dtype: str,
    reason: str,
    load: Load,
    needed: Collection[Modality] | None = None,
) -> Encoder:
    """Return the encoder whose identity is `parts`, run by OpenVINO where its vectors agree with torch's.

    Where they do not, or nothing can be converted, torch runs it, and its `runtime_reason` says why. `reason` is
    why OpenVINO was chosen. A converted model whose canaries moved since, or that can't be read, is made again;
    those of modalities that are not `needed` are left to `still_agrees`, and named in the encoder's `unchecked`.
    """
    key = entry_key(spec, parts)
    entry = read_entry(key)
    if entry is not None and not entry.refused:
        encoder = _from_entry(entry, spec, parts, dtype, load, needed)
        if encoder is not None:
            return _described(encoder, entry, reason)
        throw_away(key)
        entry = None
    if entry is None:
        return _made(key, spec, parts, dtype=dtype, reason=reason, load=load)
    return _on_torch(load(dtype), entry.refused)


def still_agrees(encoder: Encoder, parts: Mapping[str, str], needed: Collection[Modality]) -> bool:
    """Compare canaries that were left unchecked and are needed now; where they moved, throw the conversion away."""
    left = encoder.unchecked & frozenset(needed)
    if not left:
        return True
    key = entry_key(encoder.spec, parts)
    entry = read_entry(key)
    if entry is not None and not entry.refused and _agrees(encoder, entry, left):
        encoder.unchecked -= left
        return True
    throw_away(key)
    return False


def give_up_openvino(spec: EncoderSpec, parts: Mapping[str, str], reason: str) -> None:
    """Let torch run this encoder from now on, on this kind of machine and with these libraries."""
    refuse_entry(entry_key(spec, parts), reason)


def _made(key: str, spec: EncoderSpec, parts: Mapping[str, str], *, dtype: str, reason: str, load: Load) -> Encoder:
    """Convert the encoder, hold it against torch, and keep it, or keep why not."""
    progress.report("convert", f"{spec.name} to OpenVINO, once on this machine", 0)
    by_torch = load(dtype)
    if not by_torch.networks.functions:
        return _on_torch(by_torch, f"models of family {spec.family} are not converted to OpenVINO")
    with by_torch.networks.recording() as recorded:
        expected = vectors_alone_and_together(by_torch)
    try:
        entry = _converted(key, by_torch, expected, recorded, load)
        encoder = _from_entry(entry, spec, parts, dtype, lambda _: by_torch)
        if encoder is None:
            raise _Disagreement(f"vectors read back from the cache differ by more than {BOUNDS[dtype]:.0e}")
    except (EmbedAssetsError, MemoryError):
        raise
    except OSError as error:  # no note is kept: there may be room the next time
        return _on_torch(_unspoilt(by_torch, load), f"the converted model can't be kept: {failure(error)}")
    except Exception as error:  # of a converter of foreign models
        refusal = f"OpenVINO can't run it as torch does: {failure(error)}"
        refuse_entry(key, refusal)
        return _on_torch(_unspoilt(by_torch, load), refusal)
    return _described(encoder, entry, reason)


def _unspoilt(by_torch: Encoder, load: Load) -> Encoder:
    """Return the encoder, or another one where its weights were freed for the conversion."""
    return load(by_torch.dtype) if by_torch.networks.replaced else by_torch


class _Disagreement(Exception):
    """Vectors of the two runtimes differ too much."""


def _converted(
    key: str, by_torch: Encoder, expected: Mapping[str, np.ndarray], recorded: Mapping[str, Any], load: Load
) -> ConvertedModel:
    """Return the new entry, once its networks gave the expected vectors in `by_torch`, whose weights are freed."""
    dtype, bound = by_torch.dtype, BOUNDS[by_torch.dtype]
    source = by_torch if dtype == "float32" else load("float32")
    with scratch_folder() as name:
        folder = Path(name)
        names = convert(source.networks, recorded, folder)
        trial = {each: OpenVinoNetwork(folder / f"{each}.xml", dtype=dtype, blobs=None) for each in names}
        by_torch.networks.replace(trial)
        found = movement(expected, vectors_alone_and_together(by_torch))
        if not all(size <= bound for size in found.values()):
            moved = ", ".join(f"{each} by {size:.1e}" for each, size in found.items() if not size <= bound)
            raise _Disagreement(f"vectors differ ({moved}; allowed {bound:.0e})")
        return write_entry(
            key,
            folder,
            networks=names,
            difference=max(found.values()),
            state=by_torch.torch_free_state(),
            canaries={each: expected[each] for each in by_torch.spec.modalities},
        )


def _from_entry(
    entry: ConvertedModel,
    spec: EncoderSpec,
    parts: Mapping[str, str],
    dtype: str,
    load: Load,
    needed: Collection[Modality] | None = None,
) -> Encoder | None:
    """Return the encoder of an entry; None where it can't be read, or its canary vectors are others than torch's."""
    try:
        networks = {
            name: OpenVinoNetwork(entry.network_file(name), dtype=dtype, blobs=entry.blobs()) for name in entry.networks
        }
        if entry.state is not None:
            encoder = family_class(spec).torch_free(spec, entry.state, networks, parts=parts, dtype=dtype)
        else:
            encoder = load(dtype)
            encoder.networks.replace(networks)
            encoder.identity = lambda: parts  # torch's weights, which it hashes, are gone
    except _UNREADABLE:
        return None
    checked = frozenset(spec.modalities if needed is None else needed) & frozenset(spec.modalities)
    encoder.unchecked = frozenset(spec.modalities) - checked
    return encoder if _agrees(encoder, entry, checked) else None


def _agrees(encoder: Encoder, entry: ConvertedModel, modalities: Collection[Modality]) -> bool:
    """Return whether the canary vectors of these modalities are those of torch; False where they can't be made."""
    expected = {each: entry.canaries[each] for each in modalities if each in entry.canaries}
    try:
        moved = movement(expected, canary_vectors(encoder, modalities))
    except _UNREADABLE:
        return False
    return all(size <= BOUNDS[encoder.dtype] for size in moved.values())


def _described(encoder: Encoder, entry: ConvertedModel, reason: str) -> Encoder:
    encoder.runtime = "openvino"
    encoder.runtime_reason = f"{reason}; canary vectors within {entry.difference:.1e} of torch's"
    return encoder


def _on_torch(encoder: Encoder, reason: str) -> Encoder:
    encoder.runtime_reason = reason
    return encoder
