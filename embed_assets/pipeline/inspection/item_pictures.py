"""Item pictures: what is decoded of the pictures of some items, apart: thumbnails, sizes."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from embed_assets.errors import EmbedAssetsError
from embed_assets.manifest.open_sources import media_reader
from embed_assets.media.isolation.worker_process import NotStarted
from embed_assets.pipeline.context import RunContext
from embed_assets.store.manifest_row import SCHEMA, ManifestRow

_CHUNK = 2000  # ids in one filter


def decoded(
    context: RunContext, rows: Iterable[ManifestRow], task: Callable[..., Any], **options: Any
) -> Iterator[tuple[str, Any]]:
    """Yield media id and result of `task(bytes, limits=…, **options)`, of the items that it can be done for.

    Where no process to decode them can start there are no more.
    """
    readers: dict[str, Callable[[ManifestRow], bytes]] = {}
    decode = _here if context.decoders is None else context.decoders.decode
    for row in rows:
        source = row["source"]
        try:
            if source not in readers:
                readers[source] = _reader(context, source)
            (result,) = decode(task, readers[source](row), limits=context.limits, **options)
        except EmbedAssetsError:  # found broken when it is embedded, and quarantined there
            continue
        except NotStarted:
            return
        yield row["media_id"], result


def manifest_rows(context: RunContext, media_ids: Sequence[str]) -> Iterator[ManifestRow]:
    """Yield the manifest's rows of these items, of sources that the settings still have."""
    manifest, version = context.manifest, context.manifest.version
    for start in range(0, len(media_ids), _CHUNK):
        found = manifest.of_ids(media_ids[start : start + _CHUNK], columns=SCHEMA.names, version=version)
        for row in found.to_pylist():
            if row["source"] in context.settings.sources and row["status"] != "deleted":
                yield row


def _reader(context: RunContext, source: str) -> Callable[[ManifestRow], bytes]:
    settings, limits = context.settings.sources[source], context.limits
    return media_reader(
        source, settings, limits=limits, store=context.store, cache=context.media_cache, decoders=context.decoders
    )


def _here(task: Callable[..., Any], data: bytes, **options: Any) -> Iterator[Any]:
    yield task(data, **options)
