"""The loop: what is complete is written, what is broken is set aside, and every thread ends."""

import hashlib
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embed_assets.embedding import loop as embedding_loop
from embed_assets.embedding.batching import BatchLimits
from embed_assets.embedding.commit_writer import Writer
from embed_assets.embedding.embed_report import EmbedReport
from embed_assets.embedding.loop import Encoding, embed
from embed_assets.embedding.run_budget import RunBudget
from embed_assets.embedding.vectors_of_equal_input import EqualInputVectors
from embed_assets.encoders.base import Prepared
from embed_assets.encoders.spec import EncoderSpec
from embed_assets.errors import EncoderOutputError, MediaError, SourceError
from embed_assets.manifest.pending_items import Plan
from embed_assets.media.hashing import text_hash
from embed_assets.media.media_types import Segment
from embed_assets.store.quarantine import Quarantine
from embed_assets.store.store import Store
from embed_assets.store.vectors import BEYOND_FLOAT16, VectorTable, vector_schema
from embed_assets.store.versions import VersionId
from tests.support import DIM, NOT_ENCODABLE, WordEncoder, note

SPEC = EncoderSpec(name="words", family="", model="", modalities=("text",), media=("text",), space="words")


class Loop:
    """One vector table, and texts by key that a run encodes; `|` separates segments."""

    def __init__(
        self, folder: Path, weights: Path, kind: type[WordEncoder] = WordEncoder, *, dtype: str = "float32"
    ) -> None:
        self.encoder = kind(SPEC, folder=weights, device="cpu", dtype="float32")
        self.table = VectorTable(Store(str(folder / "store")), VersionId("words", "v1"))
        self.schema = vector_schema(VersionId("words", "v1"), dim=DIM, dtype=dtype, distance="cosine")
        self.table.create(self.schema)
        self.texts: dict[str, str] = {}
        self.report = EmbedReport(encoder="words", version="v1")
        self.read: list[str] = []

    def run(
        self,
        *,
        tokens: int = 64,
        flush_rows: int = 1000,
        readers: int = 2,
        buffer_bytes: int = 10**6,
        budget: RunBudget | None = None,
    ) -> None:
        rows: list[Any] = [row(key, text) for key, text in self.texts.items()]
        plan = Plan(encode=rows, rewrite=[], delete={}, replaced=set(), unchanged={}, quarantined={}, deleted={})
        writer = Writer(
            self.table, self.schema, version="v1", replaced=frozenset(), flush_rows=flush_rows, flush_seconds=60
        )
        encoding = Encoding(
            encoder=self.encoder,
            segmenter=self.segments,
            limits=BatchLimits(tokens=tokens, pixels=4096),
            readers=readers,
            buffer_bytes=buffer_bytes,
        )
        known = EqualInputVectors(self.table)
        embed(plan, encoding, writer=writer, known=known, report=self.report, budget=budget)

    def segments(self, item: Mapping[str, Any]) -> Iterator[Segment]:
        self.read.append(item["key"])
        text = self.texts[item["key"]]
        if text == "broken":
            raise MediaError("broken file", "for this test")
        if text == "gone":
            raise SourceError("The bucket went away.")
        parts = text.split("|")
        return self._made(parts)

    def _made(self, parts: Sequence[str]) -> Iterator[Segment]:
        for number, part in enumerate(parts):
            if part == "broken end":
                raise MediaError("broken file", "behind some segments")
            yield Segment(kind="chunk", start=number, end=None, text=part, content_hash=text_hash(part), payload=part)

    def rows(self) -> dict[str, np.ndarray]:
        table = self.table.open()
        assert table is not None
        return {found["segment_id"]: np.array(found["vector"]) for found in table.to_arrow().to_pylist()}


def row(key: str, text: str) -> dict[str, Any]:
    media_id = hashlib.sha256(key.encode()).hexdigest()[:20]
    made = dict.fromkeys(("caption", "reason", "extra", "mtime"))
    made |= {
        "size": None,
        "media_id": media_id,
        "source": "notes",
        "shard": "s00",
        "modality": "text",
        "key": key,
        "labels": [],
    }
    return made | {"uri": f"/notes/{key}", "content_hash": text_hash(text), "meta_hash": "m"}


@pytest.fixture
def weights(plugin_folder: Path) -> Path:
    WordEncoder.encoded.clear()
    return plugin_folder / "weights"


def threads() -> set[str]:
    return {thread.name for thread in threading.enumerate() if thread.name.startswith(("reader", "writer"))}


def ended() -> bool:
    """Whether all threads of the loop end within some seconds."""
    patience = time.monotonic() + 5
    while threads() and time.monotonic() < patience:
        time.sleep(0.01)
    return not threads()


def test_every_segment_gets_the_vector_of_its_own_text(tmp_path, weights):
    loop = Loop(tmp_path, weights)
    loop.texts = {f"{number}.txt": note(number, length=2 + number % 20) for number in range(300)}
    loop.run(tokens=40)
    expected = loop.encoder.encode([loop.encoder.prepare("text", text) for text in loop.texts.values()])
    ids = [f"{row(key, '')['media_id']}:chunk:0" for key in loop.texts]
    found = loop.rows()
    assert np.array_equal(np.array([found[name] for name in ids]), expected)
    assert loop.report.total("embedded") == 300
    assert loop.report.segments_encoded == 300
    assert len(found) == 300
    assert ended()


def test_an_item_is_written_with_all_of_its_segments_or_not_at_all(tmp_path, weights):
    loop = Loop(tmp_path, weights)
    loop.texts = {"a.txt": "one|two|three", "b.txt": f"four|{NOT_ENCODABLE}|five"}
    loop.run()
    assert len(loop.rows()) == 3
    assert loop.report.items["notes"] == {"embedded": 1, "quarantined": 1}


@pytest.fixture
def in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """As of items whose every segment takes megabytes."""
    monkeypatch.setattr(embedding_loop, "_PART_BYTES", 1)


def test_an_item_that_comes_in_parts_is_written_as_one(tmp_path, weights, in_parts):
    loop = Loop(tmp_path, weights)
    loop.texts = {f"{n}.txt": "|".join(note(n * 100 + m) for m in range(n + 1)) for n in range(20)}
    loop.run(tokens=8, readers=4, buffer_bytes=1)
    found = loop.rows()
    for key, text in loop.texts.items():
        expected = loop.encoder.encode([loop.encoder.prepare("text", part) for part in text.split("|")])
        ids = [f"{row(key, '')['media_id']}:chunk:{number}" for number in range(len(expected))]
        assert np.array_equal(np.array([found[name] for name in ids]), expected)
    assert len(found) == loop.report.segments_encoded == 210
    assert loop.report.items["notes"] == {"embedded": 20}
    assert ended()


def test_an_item_whose_end_is_broken_is_quarantined_whole(tmp_path, weights, in_parts):
    loop = Loop(tmp_path, weights)
    loop.texts = {"a.txt": "one|two|broken end|three", "b.txt": f"{NOT_ENCODABLE}|five|six", "c.txt": "seven|eight"}
    loop.run(tokens=1, readers=1)
    assert len(loop.rows()) == 2
    assert loop.report.items["notes"] == {"embedded": 1, "quarantined": 2}
    assert loop.report.reasons["notes"] == {"broken file": 1, "vector not finite": 1}


def test_no_text_is_begun_that_an_allowance_has_no_room_for(tmp_path, weights, in_parts):
    loop = Loop(tmp_path, weights)
    loop.texts = {"a.txt": "one two|three four", "b.txt": "five six|seven eight|nine ten"}
    loop.run(tokens=1, readers=1, budget=RunBudget(7, "tokens"))
    assert loop.report.items["notes"] == {"embedded": 1}
    assert sorted(WordEncoder.encoded) == ["one two", "three four"]
    assert loop.report.stopped


def test_equal_segments_are_encoded_once(tmp_path, weights):
    loop = Loop(tmp_path, weights)
    loop.texts = {"a.txt": "same words|other words", "b.txt": "same words", "c.txt": "same words|same words"}
    loop.run()
    assert sorted(WordEncoder.encoded) == ["other words", "same words"]
    assert loop.report.segments_encoded == 2
    assert loop.report.segments_reused == 3
    assert len(loop.rows()) == 5


def test_an_equal_segment_of_an_earlier_run_is_taken_from_the_table(tmp_path, weights):
    loop = Loop(tmp_path, weights)
    loop.texts = {"a.txt": "same words"}
    loop.run()
    loop.texts = {"b.txt": "same words|new words"}
    loop.run()
    assert WordEncoder.encoded == ["same words", "new words"]
    assert loop.report.segments_reused == 1


def test_a_broken_item_is_quarantined_and_its_batch_goes_on(tmp_path, weights):
    loop = Loop(tmp_path, weights)
    loop.texts = {"a.txt": "first", "b.txt": "broken", "c.txt": "third"}
    loop.run()
    assert len(loop.rows()) == 2
    assert loop.report.reasons == {"notes": {"broken file": 1}}
    aside = Quarantine(loop.table.database, loop.table.name).rows(["key", "reason", "detail"])
    assert aside == [{"key": "b.txt", "reason": "broken file", "detail": "broken file: for this test"}]


def test_an_item_whose_vector_is_not_finite_is_quarantined(tmp_path, weights):
    loop = Loop(tmp_path, weights)
    loop.texts = {"a.txt": "first", "b.txt": f"second {NOT_ENCODABLE}"}
    loop.run()
    assert [np.isfinite(vector).all() for vector in loop.rows().values()] == [True]
    assert loop.report.reasons == {"notes": {"vector not finite": 1}}


@pytest.mark.parametrize("factor", [1e-12, 1e-9, 1e-6, 1e4, 1e6, 1e30])
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_an_item_whose_vector_float16_cannot_hold_is_quarantined_with_the_way_out(dtype, factor, tmp_path, weights):
    """An encoder whose vectors have no unit length; of one text they are far larger, or smaller."""

    class Scaled(WordEncoder):
        def encode(self, batch: Sequence[Prepared]) -> np.ndarray:
            scales = [[factor if str(item.data).startswith("far") else 1.0] for item in batch]
            return (super().encode(batch) * np.array(scales, dtype=np.float32)).astype(np.float32)

    loop = Loop(tmp_path, weights, Scaled, dtype=dtype)
    loop.texts = {"a.txt": "first", "b.txt": "second|far from it", "c.txt": "third"}
    loop.run()
    held = dtype == "float32" or factor == 1e4
    assert len(loop.rows()) == (4 if held else 2)
    assert loop.report.reasons == ({} if held else {"notes": {BEYOND_FLOAT16: 1}})
    assert loop.report.total("embedded") == (3 if held else 2)


def test_memory_that_runs_out_costs_no_item(tmp_path, weights):
    class Small(WordEncoder):
        def encode(self, batch: Sequence[Prepared]) -> np.ndarray:
            if len(batch) > 2:
                raise RuntimeError("CUDA out of memory")
            return super().encode(batch)

    loop = Loop(tmp_path, weights, Small)
    loop.texts = {f"{number}.txt": note(number) for number in range(50)}
    loop.run(tokens=500)
    assert loop.report.total("embedded") == len(loop.rows()) == 50


def test_items_are_flushed_whole_as_soon_as_there_are_enough_rows(tmp_path, weights):
    loop = Loop(tmp_path, weights)
    loop.texts = {f"{number}.txt": f"{note(number)}|{note(number + 100)}" for number in range(30)}
    loop.run(flush_rows=20)
    assert loop.report.commits == 3
    assert len(loop.rows()) == 60


def test_readers_wait_while_decoded_media_fill_the_buffer(tmp_path, weights):
    ahead: list[int] = []

    class Watching(WordEncoder):
        def encode(self, batch: Sequence[Prepared]) -> np.ndarray:
            time.sleep(0.02)  # time enough to read everything, if nothing bounds it
            ahead.append(len(loop.read) - len(WordEncoder.encoded))
            return super().encode(batch)

    loop = Loop(tmp_path, weights, Watching)
    loop.texts = {f"{number}.txt": note(number, length=12) for number in range(60)}
    loop.run(tokens=1, buffer_bytes=4 * 2048)  # every window is the batches of a few items
    assert loop.report.total("embedded") == 60
    window = 64 // 14 + 1  # items that reach 64 batches of 1 token
    assert max(ahead) <= window + 4 + 2 + 1  # and four in the buffer, one in each reader's hands


def test_a_reader_error_ends_the_run_and_keeps_what_was_complete(tmp_path, weights):
    loop = Loop(tmp_path, weights)
    loop.texts = {f"{number}.txt": note(number) for number in range(100)} | {"z.txt": "gone"}
    with pytest.raises(SourceError, match="bucket went away"):
        loop.run(tokens=1, readers=1)
    assert 0 < len(loop.rows()) <= 100
    assert len(loop.rows()) == loop.report.total("embedded")
    assert ended()


def test_ctrl_c_while_encoding_keeps_what_was_complete(tmp_path, weights):
    class Interrupted(WordEncoder):
        def encode(self, batch: Sequence[Prepared]) -> np.ndarray:
            if len(WordEncoder.encoded) >= 40:
                raise KeyboardInterrupt
            return super().encode(batch)

    loop = Loop(tmp_path, weights, Interrupted)
    loop.texts = {f"{number}.txt": note(number) for number in range(100)}
    with pytest.raises(KeyboardInterrupt):
        loop.run(tokens=1)
    found = len(loop.rows())
    assert 30 <= found <= 40
    assert found == loop.report.total("embedded")
    assert ended()


def test_a_rerun_after_an_interruption_encodes_only_the_rest(tmp_path, weights):
    class Interrupted(WordEncoder):
        def encode(self, batch: Sequence[Prepared]) -> np.ndarray:
            if len(WordEncoder.encoded) == 40:
                raise KeyboardInterrupt
            return super().encode(batch)

    loop = Loop(tmp_path, weights, Interrupted)
    loop.texts = {f"{number}.txt": note(number) for number in range(100)}
    with pytest.raises(KeyboardInterrupt):
        loop.run(tokens=1)
    kept = len(loop.rows())
    loop.encoder = WordEncoder(SPEC, folder=weights, device="cpu", dtype="float32")
    WordEncoder.encoded.clear()
    loop.run()
    assert len(WordEncoder.encoded) == 100 - kept
    assert len(loop.rows()) == 100


def test_a_wrong_shape_ends_the_run_and_its_threads(tmp_path, weights):
    class Wide(WordEncoder):
        def encode(self, batch: Sequence[Prepared]) -> np.ndarray:
            return np.ones((len(batch), DIM + 1), dtype=np.float32)

    loop = Loop(tmp_path, weights, Wide)
    loop.texts = {f"{number}.txt": note(number) for number in range(100)}
    with pytest.raises(EncoderOutputError):
        loop.run(tokens=1, buffer_bytes=1)  # both readers wait with an item in hand
    assert loop.rows() == {}
    assert ended()


def test_a_commit_that_fails_is_raised_where_the_loop_is(tmp_path, weights):
    loop = Loop(tmp_path, weights)
    loop.texts = {f"{number}.txt": note(number) for number in range(200)}
    loop.table.database.drop(loop.table.name)
    loop.table.create(vector_schema(VersionId("words", "v1"), dim=8, dtype="float32", distance="cosine"))
    with pytest.raises(Exception, match="vector"):
        loop.run(tokens=1, flush_rows=5)
    assert loop.rows() == {}
    assert ended()


def test_seconds_are_reported_by_stage(tmp_path, weights):
    class Slow(WordEncoder):
        def encode(self, batch: Sequence[Prepared]) -> np.ndarray:
            time.sleep(0.02)
            return super().encode(batch)

    loop = Loop(tmp_path, weights, Slow)
    loop.texts = {f"{number}.txt": note(number) for number in range(10)}
    loop.run(tokens=1)
    report = loop.report
    assert report.encode_seconds >= 10 * 0.02
    assert report.seconds >= report.encode_seconds
    assert min(report.read_seconds, report.write_seconds, report.items_per_second) > 0
    assert report.cost == sum(len(text.split()) for text in loop.texts.values())


def test_a_clock_ends_the_run_before_it_is_over(tmp_path, weights):
    now = [0.0]

    class Ticking(WordEncoder):
        def encode(self, batch: Sequence[Prepared]) -> np.ndarray:
            now[0] += 0.1 * len(batch)
            return super().encode(batch)

    loop = Loop(tmp_path, weights, Ticking)
    loop.texts = {f"{number}.txt": note(number) for number in range(300)}  # half a minute's work
    loop.run(budget=RunBudget.parse("12s", clock=lambda: now[0]))
    assert 10 < now[0] <= 12
    assert len(loop.rows()) == loop.report.total("embedded") == 300 - loop.report.items_left
    assert loop.report.stopped == "budget of 12 seconds reached"
    assert ended()


def test_tokens_end_the_run_within_a_window(tmp_path, weights):
    loop = Loop(tmp_path, weights)
    loop.texts = {f"{number}.txt": "five words that are alike" + f" {number}" for number in range(100)}
    loop.run(budget=RunBudget(45, "tokens"), readers=1)
    assert len(loop.rows()) == 7
    assert loop.report.cost == 42
    assert loop.report.items_left == 93
    assert ended()


def test_what_a_server_billed_counts_and_not_what_was_reckoned(tmp_path, weights):
    class Billed(WordEncoder):
        billed_tokens = 0

        def encode(self, batch: Sequence[Prepared]) -> np.ndarray:
            self.billed_tokens += sum(item.cost for item in batch) // 3
            return super().encode(batch)

    loop = Loop(tmp_path, weights, Billed)
    loop.texts = {f"{number}.txt": "five words that are alike" + f" {number}" for number in range(100)}
    budget = RunBudget(50, "tokens")
    loop.run(budget=budget, readers=1)
    done = len(loop.rows())
    assert budget.spent == pytest.approx(done * 2) and 44 < budget.spent <= 50
    assert loop.report.work["notes"]["text"].billed == pytest.approx(done * 2)


def test_broken_items_cost_nothing(tmp_path, weights):
    loop = Loop(tmp_path, weights)
    loop.texts = {"a.txt": "broken", "b.txt": "two words", "c.txt": "broken", "d.txt": "three more words"}
    loop.run(budget=RunBudget(2, "tokens"), readers=1)
    assert loop.report.items["notes"] == {"embedded": 1, "quarantined": 2}
    assert loop.report.items_left == 1
