"""Sources of the settings, opened: list, annotate and read them, cut their items into segments."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from embed_assets.embedding.look import ListedSource
from embed_assets.encoders.base import Encoder
from embed_assets.encoders.spec import EncoderSpec
from embed_assets.errors import MediaError, SourceError
from embed_assets.media.added import media_hash
from embed_assets.media.addressed import Places, list_addressed
from embed_assets.media.cache import MediaCache
from embed_assets.media.datasets import open_dataset
from embed_assets.media.isolation import Decoders
from embed_assets.media.item import ListedFile, Segment
from embed_assets.media.limits import Limits
from embed_assets.media.listing import list_source
from embed_assets.media.sampling import Sampling
from embed_assets.media.segments import Segmenting, segments_of, text_segments
from embed_assets.media.sidecar import Annotations, load_sidecar
from embed_assets.media.source import Source, open_source, unopened
from embed_assets.media.spool import Spool
from embed_assets.media.tables import Columns, Tables, media_type, row_id, table_of
from embed_assets.media.taken import Taken
from embed_assets.settings import ANIMATED_FRAMES, LimitSettings, SegmentSettings, SourceSettings
from embed_assets.store.connection import Store, lance_options
from embed_assets.store.landed import ROW_ID, Landed

_FRAME_SIDE = 512  # pixels of a frame's shorter side: more than any encoder here looks at


def listed(
    name: str,
    settings: SourceSettings,
    *,
    limits: Limits,
    readers: int,
    store: Store,
    cache: MediaCache | None = None,
) -> ListedSource:
    """The source's files as they are now, or its table. Raises SourceError where it can't be listed."""
    if settings.kind != "files":
        return _listed_dataset(name, settings, limits=limits, readers=readers, store=store, cache=cache)
    began, uri = datetime.now(UTC), settings.uri or ""
    source = open_source(uri, settings.storage_options, cache=cache)
    exclude = [settings.sidecar] if settings.sidecar else []
    files = list_source(uri, pattern=settings.pattern, storage_options=settings.storage_options, exclude=exclude)
    return ListedSource(
        name=name,
        at=began,
        files=files,
        annotations=_annotations(settings),
        read=lambda key: source.read(key, limits.max_bytes),
        tables=_table_files(settings, source, limits),
        max_deleted_share=settings.max_deleted_share,
        readers=readers,
    )


def media_reader(
    name: str, settings: SourceSettings, *, limits: Limits, store: Store, cache: MediaCache | None = None
) -> Callable[[Mapping[str, Any]], bytes]:
    """A function from a manifest row of the source to the bytes of its file or row, texts of tables in UTF-8.

    It may be called from several threads. It raises MediaError for what concerns the item alone, also where the
    bytes are not those that were listed.
    """
    read = _reader(name, settings, limits, store, cache)

    def checked(row: Mapping[str, Any]) -> bytes:
        data = read(row)
        if media_hash(data, media_type(row["mime"])) != row["content_hash"]:  # half written, or edited meanwhile
            raise MediaError("changed while read", f"{row['key']} is not what was listed; refresh again", again=True)
        return data

    return checked


def segmenter(
    sources: Mapping[str, SourceSettings],
    encoder: Encoder,
    *,
    segmenting: Segmenting,
    sampling: Sampling | None,
    limits: Limits,
    decoders: Decoders | None,
    store: Store,
    cache: MediaCache | None = None,
) -> Callable[[Mapping[str, Any]], Sequence[Segment]]:
    """A function from a manifest row to its segments; it may be called from several threads."""
    readers = {
        name: media_reader(name, each, limits=limits, store=store, cache=cache) for name, each in sources.items()
    }
    tokenizer = encoder.tokenizer()

    def segments(row: Mapping[str, Any]) -> Sequence[Segment]:
        data = readers[row["source"]](row)
        if table_of(row) is not None and sources[row["source"]].table.bytes is None:
            return text_segments(
                data.decode(), tokenizer=tokenizer, max_tokens=encoder.max_tokens, segmenting=segmenting
            )
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
            mime=media_type(row["mime"]),
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
        uri = f"{(settings.uri or '').rstrip('/')}/{uri}"
    return Annotations(load_sidecar(uri, storage_options=settings.storage_options), by_folder=by_folder)


def _reader(
    name: str, settings: SourceSettings, limits: Limits, store: Store, cache: MediaCache | None
) -> Callable[[Mapping[str, Any]], bytes]:
    """As `media_reader`, without a look at what was read."""
    if settings.kind != "files" and settings.table.uri:
        places = Places(settings.uri, settings.storage_options, cache=cache)
        return lambda row: places.read(row["uri"], limits.max_bytes, known_hash=row["content_hash"])
    if settings.kind != "files":
        return _row_reader(_dataset_tables(name, settings, limits, store))
    source = open_source(settings.uri or "", settings.storage_options, cache=cache)
    tables = _table_files(settings, source, limits)
    texts = None if tables is None else Spool(tables)

    def read(row: Mapping[str, Any]) -> bytes:
        table = table_of(row)
        if table is None:
            return source.read(row["key"], limits.max_bytes, known_hash=row["content_hash"])
        if texts is None:
            raise MediaError("vanished", f"sources.{name}.table is not set any more; refresh the source")
        return texts.data(table, row["content_hash"])

    return read


def _row_reader(tables: Tables) -> Callable[[Mapping[str, Any]], bytes]:
    """Reads rows of one table: bytes of a Lance dataset one by one, all else by a copy of the content alone."""
    spool, columns, dataset = Spool(tables), tables.columns, tables.dataset
    taken = None
    if dataset is not None and dataset.kind == "lance" and columns.bytes and columns.id:
        taken = Taken(dataset, id=columns.id, content=columns.bytes)

    def read(row: Mapping[str, Any]) -> bytes:
        mime = media_type(row["mime"])
        if taken is not None:
            data = taken.data(row_id(row["key"]), row["content_hash"], mime=mime)
            if data is not None:
                return data
        return spool.data(table_of(row) or "", row["content_hash"], mime=mime)

    return read


def _listed_dataset(
    name: str, settings: SourceSettings, *, limits: Limits, readers: int, store: Store, cache: MediaCache | None
) -> ListedSource:
    """One table as a listing: it is the one file, or its rows name the files."""
    began = datetime.now(UTC)
    if settings.kind == "value" and not Landed(store, name).exists():
        raise SourceError(
            f"Source {name!r} is the value of asset {settings.asset!r}, and none was landed in store {store.uri!r} "
            f"yet. Materialize {settings.asset} and {name}_manifest in Dagster."
        )
    tables = _dataset_tables(name, settings, limits, store)
    dataset = tables.dataset
    assert dataset is not None
    dataset.require(tables.columns.named())
    file = ListedFile(key=_table_key(settings), uri=_table_uri(settings), size=0, mtime=0.0, etag=dataset.version())
    annotations = _annotations(settings)
    if settings.table.uri is None:
        return ListedSource(
            name=name,
            at=began,
            files=[file],
            annotations=annotations,
            read=lambda _: b"",  # a table is read by rows
            tables=tables,
            max_deleted_share=settings.max_deleted_share,
            readers=readers,
        )
    addressed = list_addressed(tables, file.key, Places(settings.uri, settings.storage_options, cache=cache))
    said = {key: annotations.of_row(file.key, key, own) for key, own in addressed.said.items()}
    return ListedSource(
        name=name,
        at=began,
        files=addressed.files,
        annotations=Annotations(said, by_folder=False),
        read=addressed.read,
        unasked=settings.table.updated is not None,
        max_deleted_share=settings.max_deleted_share,
        readers=readers,
    )


def _table_key(settings: SourceSettings) -> str:
    """A short name of the one table: the last part of its uri, or of its asset's key."""
    return (settings.uri or settings.asset or "").rstrip("/").rpartition("/")[2]


def _table_uri(settings: SourceSettings) -> str:
    """The table's address in the manifest: where it is landed may move."""
    return unopened(settings.uri).uri if settings.uri else f"asset:{settings.asset}"


def _dataset_tables(name: str, settings: SourceSettings, limits: Limits, store: Store) -> Tables:
    """The one table that a source is; nothing is opened yet."""
    columns, kind = columns_of(settings), settings.kind
    if kind == "files" or kind == "value":
        landed = Landed(store, name)
        shown = f"what was landed of asset {settings.asset!r}"
        rows = open_dataset(landed.uri, "lance", shown=shown, store_options=landed.options)
        return Tables(columns=replace(columns, id=ROW_ID), limits=limits, dataset=rows)
    rows = open_dataset(
        settings.uri or "",
        kind,
        shown=f"source {name!r} ({_table_uri(settings)})",
        pattern=settings.pattern,
        storage_options=settings.storage_options,
        store_options=lance_options(settings.storage_options),
        limits=limits,
    )
    return Tables(columns=columns, limits=limits, dataset=rows, whole=settings.table.uri is not None)


def _table_files(settings: SourceSettings, source: Source, limits: Limits) -> Tables | None:
    return None if settings.table.text is None else Tables(source=source, columns=columns_of(settings), limits=limits)


def columns_of(settings: SourceSettings) -> Columns:
    """What the columns of a source's table mean; of a table of URIs these are the texts."""
    table = settings.table
    return Columns(
        text=table.text or table.uri,
        bytes=table.bytes,
        id=table.id,
        caption=table.caption,
        labels=tuple(table.labels),
        extra=tuple(table.extra),
        updated=table.updated,
    )
