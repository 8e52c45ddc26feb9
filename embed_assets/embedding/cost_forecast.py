"""Forecast: the cost of encoding some items, estimated from the measurements of earlier runs or a sample."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from embed_assets.embedding.embed_report import EmbedReport, Work
from embed_assets.embedding.run_budget import price_of
from embed_assets.encoders.spec import EncoderSpec
from embed_assets.store.manifest_row import ManifestRow
from embed_assets.store.versions import VersionId, VersionRecord

UNKNOWN = "unknown: nothing like it was measured yet; take a sample"

# Bytes of a row beside its vector: hashes, keys, times. Known better where a table was indexed before.
_ROW_BYTES = 350
_NUMBER_BYTES = {"float16": 2, "float32": 4}


@dataclass(frozen=True, kw_only=True)
class Rate:
    """Measured work on one modality, and its source."""

    work: Work
    basis: str
    scale: float = 1.0  # seconds of this encoder for each second of the one that was measured


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """Estimated cost of some items. None: unknown."""

    items: int
    segments: int | None
    cost: int | None  # tokens of texts, pixels of everything else
    unit: str
    seconds: float | None  # of reading, encoding and writing; not of loading the model
    bytes: int | None  # that the store grows by
    usd: float | None  # None as well where the encoder has no price
    source: str = ""
    modality: str = ""
    basis: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """Return the record as JSON-able values."""
        return asdict(self) | {"basis": list(self.basis)}


def forecast(
    rows: Iterable[ManifestRow], record: VersionRecord, rates: Mapping[str, Rate], *, row_bytes: float | None
) -> list[Forecast]:
    """Estimate the cost of manifest rows to encode: one forecast a source and modality.

    Texts, sounds and videos go by the bytes of their files, pictures by their number. `row_bytes`: of a
    row of this version's table.
    """
    works: dict[tuple[str, str], Work] = {}
    for row in rows:
        work = works.setdefault((row["source"], row["modality"] or ""), Work())
        work.items += 1
        work.bytes += row["size"] or 0
    return [
        _forecast(source, modality, work, record, rates.get(modality), row_bytes)
        for (source, modality), work in works.items()
    ]


def _forecast(
    source: str, modality: str, work: Work, record: VersionRecord, rate: Rate | None, row_bytes: float | None
) -> Forecast:
    unit = "tokens" if modality == "text" else "pixels"
    figures: dict[str, Any] = dict.fromkeys(("segments", "cost", "seconds", "bytes", "usd"))
    if rate is not None:
        measured = rate.work
        by_bytes = modality != "image" and measured.bytes and work.bytes
        factor = work.bytes / measured.bytes if by_bytes else work.items / measured.items
        segments = max(work.items, round(measured.segments * factor))
        tokens = (measured.billed or measured.cost) * factor  # a server's count is what is billed
        price = price_of(record.spec)
        figures = {
            "segments": segments,
            "cost": round(tokens),
            "seconds": round(measured.seconds * factor * rate.scale, 3),
            "bytes": round(segments * (row_bytes or row_size(record, None))),
            "usd": None if price is None else round(tokens * price / 1e6, 6),
        }
    basis = rate.basis if rate else UNKNOWN
    return Forecast(source=source, modality=modality, items=work.items, unit=unit, basis=(basis,), **figures)


def total(forecasts: Sequence[Forecast]) -> Forecast:
    """Sum forecasts: a figure that one of them lacks is unknown for the whole."""

    def summed(name: str) -> Any:
        values = [getattr(each, name) for each in forecasts]
        return None if any(value is None for value in values) else sum(values)

    units = dict.fromkeys(each.unit for each in forecasts)
    return Forecast(
        items=sum(each.items for each in forecasts),
        segments=summed("segments"),
        cost=summed("cost") if len(units) < 2 else None,  # tokens and pixels can't be added
        unit=" and ".join(units),
        seconds=summed("seconds"),
        bytes=summed("bytes"),
        usd=summed("usd") if forecasts else None,
        basis=tuple(dict.fromkeys(basis for each in forecasts for basis in each.basis)),
    )


def rates_of_sample(report: EmbedReport) -> dict[str, Rate]:
    """Return the rates that a sample measured, by modality."""
    works: dict[str, Work] = {}
    for modalities in report.work.values():
        for modality, work in modalities.items():
            works.setdefault(modality, Work()).add(work)
    return {
        modality: Rate(work=work, basis=f"sampled: {work.items:,} items on {report.device}")
        for modality, work in works.items()
        if work.items and work.seconds
    }


def measured_rates(
    events: Sequence[Mapping[str, Any]], record: VersionRecord, others: Sequence[VersionRecord]
) -> dict[str, Rate]:
    """Return rates by modality from earlier embed events, oldest first: of this version, else of another version of
    the encoder, else of another encoder, scaled by the sizes of the two models.

    `others` are the versions that the events may be of.
    """
    records = {each.id: each for each in others}
    rates: dict[str, Rate] = {}
    for modality in record.spec.media:
        measured = [event for event in events if _work(event, modality).seconds and _work(event, modality).encoded]
        own = [event for event in measured if event["encoder"] == record.encoder]
        same = [event for event in own if event["version"] == record.version]
        if best := same or _of_latest(own) or _of_latest(measured):
            other = records.get(_version_of(best[-1]))
            rates[modality] = _rate(best, modality, record, other)
    return rates


def _of_latest(events: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the events of the version that was measured last."""
    latest = [_version_of(event) for event in events[-1:]]
    return [event for event in events if _version_of(event) in latest]


def _version_of(event: Mapping[str, Any]) -> VersionId:
    return VersionId(event["encoder"], event["version"])


def _rate(
    events: Sequence[Mapping[str, Any]], modality: str, record: VersionRecord, other: VersionRecord | None
) -> Rate:
    last = events[-1]
    alike = [event for event in events if _ran_on(event) == _ran_on(last)]
    work = Work()
    for event in alike:
        work.add(_work(event, modality))
    scale, whose = 1.0, ""
    if last["encoder"] != record.encoder:
        scale = _size_ratio(record.spec, other.spec if other else None)
        whose = f" with encoder {last['encoder']}" + (f", times {scale:.2g} by model size" if scale != 1 else "")
    elif last["version"] != record.version:
        whose = f" with version {last['version']}"
    basis = f"measured{whose}: {work.items:,} items on {last['device']}, {str(last['at'])[:10]}"
    return Rate(work=work, basis=basis, scale=scale)


def _ran_on(event: Mapping[str, Any]) -> tuple[str, str]:
    """Return device and runtime; events from before there were runtimes ran on torch."""
    return event["device"], event.get("runtime") or "torch"


def _work(event: Mapping[str, Any], modality: str) -> Work:
    """Return an event's work on a modality, over all sources."""
    total_work = Work()
    for modalities in event.get("work", {}).values():
        if modality in modalities:
            total_work.add(Work(**modalities[modality]))
    return total_work


def _size_ratio(one: EncoderSpec, other: EncoderSpec | None) -> float:
    if other is None or not one.download_mb or not other.download_mb:
        return 1.0
    return one.download_mb / other.download_mb


def row_size(record: VersionRecord, indexed: Mapping[str, Any] | None, *, dim: int | None = None) -> float:
    """Return the bytes of a row of a version's table. `indexed`: an index event of a table of that `dim`."""
    number = _NUMBER_BYTES.get(record.vector_dtype, 4)
    if indexed is None or not indexed.get("rows") or not indexed.get("bytes"):
        return record.dim * number + _ROW_BYTES
    measured = indexed["bytes"] / indexed["rows"]
    return max(measured + (record.dim - (dim or record.dim)) * number, record.dim * number)
