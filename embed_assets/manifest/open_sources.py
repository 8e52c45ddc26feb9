"""Sources of the settings, opened: list, annotate and read them, cut their items into segments."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from embed_assets.encoders.base import Encoder
from embed_assets.encoders.spec import EncoderSpec
from embed_assets.errors import MediaError, SourceError
from embed_assets.manifest.inspect_files import ListedSource
from embed_assets.media.files.download_cache import MediaCache
from embed_assets.media.files.listing import list_readable
from embed_assets.media.files.redacted_uri import has_hidden
from embed_assets.media.files.source import Source, open_source, redacted_source
from embed_assets.media.files.unreachable import FOLDER, Away
from embed_assets.media.isolation.decoder_pool import Decoders
from embed_assets.media.isolation.memory_limit import FILES
from embed_assets.media.kinds.decoder_plugins import media_hash
from embed_assets.media.limits import Limits
from embed_assets.media.media_types import ListedFile, MediaItem, Segment
from embed_assets.media.sampling import Sampling
from embed_assets.media.segments import CuttingRecipe, Segmenting, each_segment, text_segments
from embed_assets.media.tables.content_file import ContentFile
from embed_assets.media.tables.lance_row_lookup import RowLookup
from embed_assets.media.tables.open_table import open_dataset
from embed_assets.media.tables.row_cache import RowCache
from embed_assets.media.tables.rows_as_items import Columns, Tables
from embed_assets.media.tables.sidecar import Annotations, load_sidecar
from embed_assets.media.uris.host_health import Hosts
from embed_assets.media.uris.uri_column import Addresses, list_addressed
from embed_assets.media.uris.uri_reader import UriFiles
from embed_assets.run_cache import cached, shared
from embed_assets.settings import ANIMATED_FRAMES, LimitSettings, SegmentSettings, SourceSettings
from embed_assets.store.asset_value_tables import ROW_ID
from embed_assets.store.buckets.lance_options import lance_options
from embed_assets.store.manifest_row import ManifestRow, read_as
from embed_assets.store.store import Store

_CONTENT_BYTES = 2**30  # of changed rows of a source, kept in a temporary file during a run
_FRAME_SIDE = 512  # pixels of a frame's shorter side: more than any encoder here looks at


def listed(
    name: str,
    settings: SourceSettings,
    *,
    limits: Limits,
    readers: int,
    store: Store,
    cache: MediaCache | None = None,
    decoders: Decoders | None = None,
) -> ListedSource:
    """List a source: its files as they are now, or its table. Raises SourceError where it can't be listed."""
    if settings.kind != "files":
        table = _listed_dataset(
            name, settings, limits=limits, readers=readers, store=store, cache=cache, decoders=decoders
        )
        return replace(table, workers=decoders, encoding=settings.encoding, contents=_changed_contents(name))
    listed_at, uri = store.manifest.version, _address(name, settings)
    source = open_files(name, settings, cache)
    listing = list_readable(
        uri,
        pattern=settings.pattern,
        storage_options=settings.storage_options,
        exclude=[*settings.exclude, *([settings.sidecar] if settings.sidecar else [])],
        follow_links=settings.follow_links,
    )
    return ListedSource(
        name=name,
        listed_at=listed_at,
        files=listing.files,
        unread={folder: Away(source.uri_of(folder), FOLDER, why) for folder, why in listing.unread.items()},
        annotations=_annotations(settings),
        encoding=settings.encoding,
        read=lambda key: source.read(key, limits.max_bytes),
        tables=_table_files(settings, source, limits),
        max_deleted_share=settings.max_deleted_share,
        readers=readers,
        workers=decoders,
        contents=_changed_contents(name),
    )


def media_reader(
    name: str,
    settings: SourceSettings,
    *,
    limits: Limits,
    store: Store,
    cache: MediaCache | None = None,
    decoders: Decoders | None = None,
) -> Callable[[ManifestRow], bytes]:
    """Return a function from a manifest row of the source to the bytes of its file or row, texts of tables in UTF-8.

    It may be called from several threads. It raises MediaError for faults of the item alone, also where the bytes are
    not those that were listed.
    """
    read = _reader(name, settings, limits, store, cache, decoders)

    def checked(row: ManifestRow) -> bytes:
        data = read(row)
        if media_hash(data, read_as(row)) != row["content_hash"]:  # half written, or edited meanwhile
            raise MediaError("changed while read", f"{row['key']} is not what was listed; refresh again", again=True)
        return data

    return checked


def segmenter(
    sources: Mapping[str, SourceSettings],
    encoder: Encoder | None,
    recipe: CuttingRecipe,
    *,
    decoders: Decoders | None,
    store: Store,
    cache: MediaCache | None = None,
) -> Callable[[ManifestRow], Iterable[Segment]]:
    """Return a function from a manifest row to its segments, one by one; it may be called from several threads.

    `encoder` counts the tokens of texts; without texts it may be None.
    """
    readers = {
        name: media_reader(name, each, limits=recipe.limits, store=store, cache=cache, decoders=decoders)
        for name, each in sources.items()
    }
    if encoder is not None:
        recipe = replace(recipe, tokenizer=encoder.tokenizer(), max_tokens=encoder.max_tokens)

    def cut(row: ManifestRow, data: bytes) -> Iterable[Segment]:
        if row["table_key"] is not None and sources[row["source"]].table.bytes is None:
            return text_segments(data.decode(), recipe)
        assert row["modality"] is not None, "a plan has no items of unknown kind"
        item = MediaItem(
            modality=row["modality"],
            media_hash=row["content_hash"],
            mime=row["mime"],
            decoder=row["decoder"] or "",
            charset=row["charset"],
            caption=row["caption"],
        )
        return each_segment(data, item, recipe, decoders=decoders)

    def segments(row: ManifestRow) -> Iterable[Segment]:
        with FILES.reserve(row["size"] or 0):
            yield from cut(row, readers[row["source"]](row))

    return segments


def limits_of(settings: LimitSettings) -> Limits:
    """Return the limits of the decoders."""
    return Limits(**settings.model_dump())


def decoders_of(limits: Limits) -> Decoders:
    """Return worker processes with these limits; none starts before the first item."""
    return Decoders(seconds=limits.decode_seconds, megabytes=limits.decode_megabytes)


def segmenting_of(settings: SegmentSettings) -> Segmenting:
    """Return how an encoder's texts are cut."""
    return Segmenting(**settings.model_dump())


def sampling_of(spec: EncoderSpec, *, by_scene: bool) -> Sampling | None:
    """Return how an encoder's sounds, videos and animated pictures are cut; None for an encoder of neither."""
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
    return Annotations(
        load_sidecar(uri, storage_options=settings.storage_options, encoding=settings.encoding), by_folder=by_folder
    )


def _reader(
    name: str,
    settings: SourceSettings,
    limits: Limits,
    store: Store,
    cache: MediaCache | None,
    decoders: Decoders | None,
) -> Callable[[ManifestRow], bytes]:
    """Return a reader as `media_reader`, that does not check the bytes."""
    if settings.kind != "files" and settings.table.uri:
        return _named_reader(name, settings, limits, store, cache)
    if settings.kind != "files":
        return _row_reader(_dataset_tables(name, settings, limits, store, decoders), _changed_contents(name))
    source = open_files(name, settings, cache)
    tables = _table_files(settings, source, limits)
    texts = None if tables is None else RowCache(tables, _changed_contents(name))

    def read(row: ManifestRow) -> bytes:
        if row["table_key"] is None:
            return source.read(row["key"], limits.max_bytes, known_hash=row["content_hash"])
        if texts is None:
            raise MediaError("vanished", f"sources.{name}.table is not set any more; refresh the source")
        return texts.data(row["table_key"], row["content_hash"])

    return read


def _named_reader(
    name: str, settings: SourceSettings, limits: Limits, store: Store, cache: MediaCache | None
) -> Callable[[ManifestRow], bytes]:
    """Return a reader of files that rows name; addresses with credentials are looked up in the table."""
    places = _places(name, settings, cache)
    addresses = Addresses(_dataset_tables(name, settings, limits, store, None), _table_key(settings))

    def read(row: ManifestRow) -> bytes:
        uri = addresses.of(row["key"], row["uri"])
        return places.read(uri, limits.max_bytes, known_hash=row["content_hash"])

    return read


def _places(name: str, settings: SourceSettings, cache: MediaCache | None) -> UriFiles:
    return UriFiles(
        None if settings.uri is None else _address(name, settings),
        settings.storage_options,
        allow=settings.table.allow,
        follow_links=settings.follow_links,
        cache=cache,
        hosts=cached(("hosts", name), Hosts),
    )


def open_files(name: str, settings: SourceSettings, cache: MediaCache | None) -> Source:
    """Open the folder or bucket of a source of files. Raises SourceError where its credentials are not kept."""
    uri = _address(name, settings)
    return open_source(uri, settings.storage_options, cache=cache, follow_links=settings.follow_links)


def _address(name: str, settings: SourceSettings) -> str:
    """Return the source's uri. Raises SourceError where it was saved without its credentials."""
    uri = settings.uri or ""
    if has_hidden(uri):
        raise SourceError(
            f"The credentials in the uri of source {name!r}, {uri}, are not kept in the store. Set "
            f"EMBED_ASSETS_SOURCES__{name.upper()}__URI to the whole uri, or run with --settings."
        )
    return uri


def _changed_contents(name: str) -> ContentFile | None:
    """Return where a run keeps the texts of a source's changed rows, so that tables are not read twice."""
    return shared(("contents", name), lambda: ContentFile(_CONTENT_BYTES))


def _row_reader(tables: Tables, changed: ContentFile | None) -> Callable[[ManifestRow], bytes]:
    """Return a reader of a table's rows: bytes of a Lance dataset one by one, others from a copy of their content."""
    cache, columns, dataset = RowCache(tables, changed), tables.columns, tables.dataset
    lookup = None
    if dataset is not None and dataset.kind == "lance" and columns.bytes and columns.id:
        lookup = RowLookup(dataset, id=columns.id, content=columns.bytes)

    def read(row: ManifestRow) -> bytes:
        if lookup is not None:
            data = lookup.data(row["row_id"] or "", row["content_hash"], read_as=read_as(row))
            if data is not None:
                return data
        return cache.data(row["table_key"] or "", row["content_hash"], read_as=read_as(row))

    return read


def _listed_dataset(
    name: str,
    settings: SourceSettings,
    *,
    limits: Limits,
    readers: int,
    store: Store,
    cache: MediaCache | None,
    decoders: Decoders | None,
) -> ListedSource:
    """List one table: as the one file, or as the files that its rows name."""
    listed_at = store.manifest.version
    if settings.kind == "value" and not store.landed(name).exists():
        raise SourceError(
            f"Source {name!r} is the value of asset {settings.asset!r}, and none was landed in store {store.uri!r} "
            f"yet. Materialize {settings.asset} and {name}_manifest in Dagster."
        )
    tables = _dataset_tables(name, settings, limits, store, decoders)
    dataset = tables.dataset
    assert dataset is not None
    dataset.require(tables.columns.named())
    file = ListedFile(key=_table_key(settings), uri=_table_uri(settings), size=0, mtime=0.0, etag=dataset.version())
    annotations = _annotations(settings)
    if settings.table.uri is None:
        return ListedSource(
            name=name,
            listed_at=listed_at,
            files=[file],
            annotations=annotations,
            read=lambda _: b"",  # a table is read by rows
            tables=tables,
            max_deleted_share=settings.max_deleted_share,
            readers=readers,
        )
    addressed = list_addressed(tables, file.key, _places(name, settings, cache))
    annotated_files = {key: annotations.of_row(file.key, key, own) for key, own in addressed.annotations.items()}
    return ListedSource(
        name=name,
        listed_at=listed_at,
        files=addressed.files,
        annotations=Annotations(annotated_files, by_folder=False),
        read=addressed.read,
        away=addressed.away,
        max_deleted_share=settings.max_deleted_share,
        readers=readers,
    )


def _table_key(settings: SourceSettings) -> str:
    """Return a short name of the one table: the last part of its uri, or of its asset's key."""
    return (settings.uri or settings.asset or "").rstrip("/").rpartition("/")[2]


def _table_uri(settings: SourceSettings) -> str:
    """Return the table's address in the manifest: the landed table may move."""
    return redacted_source(settings.uri).uri if settings.uri else f"asset:{settings.asset}"


def _dataset_tables(
    name: str, settings: SourceSettings, limits: Limits, store: Store, decoders: Decoders | None
) -> Tables:
    """Return the one table of a source; nothing is opened yet."""
    columns, kind = columns_of(settings), settings.kind
    if kind == "files" or kind == "value":
        landed = store.landed(name)
        shown = f"the landed value of asset {settings.asset!r}"
        rows = open_dataset(landed.uri, "lance", shown=shown, store_options=landed.options)
        return Tables(
            columns=replace(columns, id=ROW_ID),
            limits=limits,
            dataset=rows,
            workers=decoders,
            encoding=settings.encoding,
        )
    rows = open_dataset(
        _address(name, settings),
        kind,
        shown=f"source {name!r} ({_table_uri(settings)})",
        pattern=settings.pattern,
        exclude=settings.exclude,
        follow_links=settings.follow_links,
        storage_options=settings.storage_options,
        store_options=lance_options(settings.storage_options),
        limits=limits,
    )
    whole = settings.table.uri is not None
    return Tables(
        columns=columns, limits=limits, dataset=rows, encoding=settings.encoding, workers=decoders, whole=whole
    )


def _table_files(settings: SourceSettings, source: Source, limits: Limits) -> Tables | None:
    if not settings.table.text:
        return None
    return Tables(source=source, columns=columns_of(settings), limits=limits, encoding=settings.encoding)


def columns_of(settings: SourceSettings) -> Columns:
    """Return the roles of the columns of a source's table; in a table of URIs these are the texts."""
    table = settings.table
    first, *joined = [table.text] if isinstance(table.text, str) else table.text or [table.uri]
    return Columns(
        text=first,
        joined=tuple(name for name in joined if name),
        bytes=table.bytes,
        id=table.id,
        caption=table.caption,
        labels=tuple(table.labels),
        extra=tuple(table.extra),
        updated=table.updated,
    )
