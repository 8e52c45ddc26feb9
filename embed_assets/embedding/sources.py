"""Sources of the settings, opened: list, annotate and read them, cut their items into segments."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from embed_assets.embedding.look import ListedSource
from embed_assets.encoders.base import Encoder
from embed_assets.encoders.spec import EncoderSpec
from embed_assets.errors import MediaError
from embed_assets.media.added import media_hash
from embed_assets.media.isolation import Decoders
from embed_assets.media.item import Segment
from embed_assets.media.limits import Limits
from embed_assets.media.listing import list_source
from embed_assets.media.sampling import Sampling
from embed_assets.media.segments import Segmenting, segments_of, text_segments
from embed_assets.media.sidecar import Annotations, load_sidecar
from embed_assets.media.source import Source, open_source
from embed_assets.media.spool import Spool
from embed_assets.media.tables import Columns, Tables, table_of
from embed_assets.settings import ANIMATED_FRAMES, LimitSettings, SegmentSettings, SourceSettings

_FRAME_SIDE = 512  # pixels of a frame's shorter side: more than any encoder here looks at


def listed(name: str, settings: SourceSettings, *, limits: Limits, readers: int) -> ListedSource:
    """The source's files as they are now. Raises SourceError where it can't be listed."""
    source = open_source(settings.uri, settings.storage_options)
    exclude = [settings.sidecar] if settings.sidecar else []
    files = list_source(
        settings.uri, pattern=settings.pattern, storage_options=settings.storage_options, exclude=exclude
    )
    return ListedSource(
        name=name,
        files=files,
        annotations=_annotations(settings),
        read=lambda key: source.read(key, limits.max_bytes),
        tables=_tables(settings, source, limits),
        max_deleted_share=settings.max_deleted_share,
        readers=readers,
    )


def segmenter(
    sources: Mapping[str, SourceSettings],
    encoder: Encoder,
    *,
    segmenting: Segmenting,
    sampling: Sampling | None,
    limits: Limits,
    decoders: Decoders | None,
) -> Callable[[Mapping[str, Any]], Sequence[Segment]]:
    """A function from a manifest row to its segments; it may be called from several threads."""
    opened: dict[str, Source] = {
        name: open_source(settings.uri, settings.storage_options) for name, settings in sources.items()
    }
    tables = {name: _tables(settings, opened[name], limits) for name, settings in sources.items()}
    spools = {name: Spool(found) for name, found in tables.items() if found is not None}
    tokenizer = encoder.tokenizer()

    def segments(row: Mapping[str, Any]) -> Sequence[Segment]:
        source, table = row["source"], table_of(row)
        if table is not None:
            if source not in spools:
                raise MediaError("vanished", f"sources.{source}.table is not set any more; refresh the source")
            text = spools[source].text(table, row["content_hash"])
            return text_segments(text, tokenizer=tokenizer, max_tokens=encoder.max_tokens, segmenting=segmenting)
        data = opened[source].read(row["key"], limits.max_bytes)
        if media_hash(data, row["mime"]) != row["content_hash"]:  # half written, or edited since it was listed
            raise MediaError("changed while read", f"{row['key']} is not what was listed; refresh again", again=True)
        return segments_of(
            data,
            modality=row["modality"],
            caption=row["caption"],
            media_hash=row["content_hash"],
            tokenizer=tokenizer,
            max_tokens=encoder.max_tokens,
            segmenting=segmenting,
            limits=limits,
            sampling=sampling,
            decoders=decoders,
            mime=row["mime"],
        )

    return segments


def limits_of(settings: LimitSettings) -> Limits:
    """Bounds of the decoders."""
    return Limits(**settings.model_dump())


def segmenting_of(settings: SegmentSettings) -> Segmenting:
    """How an encoder's texts are cut."""
    return Segmenting(**settings.model_dump())


def sampling_of(spec: EncoderSpec, *, by_scene: bool) -> Sampling | None:
    """How an encoder's sounds, videos and animated pictures are cut; None for one that is fed none of them."""
    animated = spec.options.get(ANIMATED_FRAMES) if "image" in spec.media else None
    if not {"audio", "video"} & set(spec.media) and animated is None:
        return None
    return Sampling(
        sample_rate=spec.sample_rate,
        window_seconds=spec.window_seconds,
        hop_seconds=spec.hop_seconds,
        frames=spec.frames,
        side=_FRAME_SIDE if spec.frames else None,
        with_sound=bool(spec.frames and spec.sample_rate),
        by_scene=by_scene,
        alpha=bool(spec.frames),
        animated_frames=None if animated is None else int(str(animated)),
    )


def _annotations(settings: SourceSettings) -> Annotations:
    by_folder = settings.labels == "folder"
    if not settings.sidecar:
        return Annotations({}, by_folder=by_folder)
    uri = settings.sidecar
    if "://" not in uri and not uri.startswith("/"):
        uri = f"{settings.uri.rstrip('/')}/{uri}"
    return Annotations(load_sidecar(uri, storage_options=settings.storage_options), by_folder=by_folder)


def _tables(settings: SourceSettings, source: Source, limits: Limits) -> Tables | None:
    table = settings.table
    if table.text is None:
        return None
    columns = Columns(
        text=table.text, id=table.id, caption=table.caption, labels=tuple(table.labels), extra=tuple(table.extra)
    )
    return Tables(source=source, columns=columns, limits=limits)
