"""Batching: within the budget, longest first, and smaller where memory runs out."""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest

from embed_assets.embedding.batching import BatchLimits, batches, encode, encode_batch, out_of_memory
from embed_assets.encoders.base import Prepared
from embed_assets.encoders.spec import EncoderSpec
from embed_assets.errors import EncoderOutputError
from tests.support import WordEncoder, note

Loaded = TypeVar("Loaded", bound=WordEncoder)
SPEC = EncoderSpec(
    name="words", family="", model="", modalities=("text", "image"), media=("text",), space="words", unit_length=True
)
LIMITS = BatchLimits(tokens=64, pixels=4096)


@pytest.fixture
def folder(plugin_folder: Path) -> Path:
    return plugin_folder / "weights"


class Small(WordEncoder):
    """Has memory for a few segments at once."""

    most = 3
    message = "CUDA out of memory. Tried to allocate 20.00 MiB."

    def encode(self, batch: Sequence[Prepared]) -> np.ndarray:
        self.asked = [*getattr(self, "asked", []), len(batch)]
        if len(batch) > self.most:
            raise RuntimeError(self.message)
        return super().encode(batch)


def load(kind: type[Loaded], folder: Path) -> Loaded:
    return kind(SPEC, folder=folder, device="cpu", dtype="float32")


def prepared(encoder: WordEncoder, count: int) -> list[Prepared]:
    return [encoder.prepare("text", note(number, length=3 + number % 9)) for number in range(count)]


def test_padded_cost_of_every_batch_stays_within_the_budget():
    costs = [int(cost) for cost in np.random.default_rng(0).integers(1, 50, 500)]
    made = list(batches(costs, lambda: 100))
    assert all(max(costs[i] for i in batch) * len(batch) <= 100 for batch in made)
    assert sorted(index for batch in made for index in batch) == list(range(500))


def test_the_longest_come_first_and_neighbours_are_alike():
    assert list(batches([1, 9, 2, 8], lambda: 15)) == [[1], [3], [2, 0]]
    assert list(batches([1, 9, 2, 8], lambda: 18)) == [[1, 3], [2, 0]]


def test_equal_costs_keep_their_order():
    assert list(batches([4, 4, 4, 4, 4], lambda: 8)) == [[0, 1], [2, 3], [4]]


def test_an_input_over_the_budget_is_a_batch_of_its_own():
    assert list(batches([5, 500, 5], lambda: 10)) == [[1], [0, 2]]


def test_nothing_makes_no_batch():
    assert list(batches([], lambda: 10)) == []


def test_a_budget_that_was_set_wins_and_devices_and_runtimes_differ(folder):
    encoder = load(WordEncoder, folder)
    encoder.device = "cpu"
    assert BatchLimits.for_encoder(encoder, pixels=7) == BatchLimits(tokens=1024, pixels=7)
    encoder.runtime = "openvino"
    assert BatchLimits.for_encoder(encoder).tokens == 2048
    assert BatchLimits.for_encoder(encoder, tokens=9).tokens == 9
    encoder.device, encoder.runtime = "cuda:1", "torch"
    assert BatchLimits.for_encoder(encoder).tokens == 65_536


def test_vectors_come_back_in_the_order_that_was_given(folder):
    encoder = load(WordEncoder, folder)
    items = prepared(encoder, 40)
    one_by_one = np.concatenate([encoder.encode([item]) for item in items])
    assert np.array_equal(encode(encoder, items, limits=LIMITS), one_by_one)


def test_texts_and_pictures_never_share_a_batch(folder):
    from PIL import Image

    encoder = load(Small, folder)
    encoder.most = 100
    pictures = [encoder.prepare("image", Image.new("RGB", (32, 32), (number, 90, 9))) for number in range(5)]
    texts = prepared(encoder, 3)
    mixed = [texts[0], pictures[0], texts[1], *pictures[1:], texts[2]]
    vectors = encode(encoder, mixed, limits=LIMITS)
    assert np.array_equal(vectors, np.concatenate([encoder.encode([item]) for item in mixed]))
    assert encoder.asked[:3] == [3, 4, 1]  # 64 tokens hold three texts, 4096 pixels four pictures


def test_a_batch_too_large_for_memory_is_halved_and_goes_on(folder):
    encoder = load(Small, folder)
    items = prepared(encoder, 10)
    vectors = encode_batch(encoder, items)
    assert encoder.asked == [10, 5, 2, 3, 5, 2, 3]
    assert np.array_equal(vectors, load(WordEncoder, folder).encode(items))


def test_halving_goes_down_to_single_segments(folder):
    encoder = load(Small, folder)
    encoder.most = 1
    items = prepared(encoder, 5)
    assert np.array_equal(encode_batch(encoder, items), load(WordEncoder, folder).encode(items))


def test_one_segment_that_memory_cannot_hold_is_an_error(folder):
    encoder = load(Small, folder)
    encoder.most = 0
    with pytest.raises(RuntimeError, match="out of memory"):
        encode_batch(encoder, prepared(encoder, 4))


def test_any_other_error_is_raised_at_once(folder):
    encoder = load(Small, folder)
    encoder.message = "mat1 and mat2 shapes cannot be multiplied"
    with pytest.raises(RuntimeError, match="shapes"):
        encode_batch(encoder, prepared(encoder, 8))
    assert encoder.asked == [8]


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("MPS backend out of memory (MPS allocated: 5 GB)"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: 8 GB"),
    ],
)
def test_every_allocator_is_understood(error):
    assert out_of_memory(error)


def test_another_shape_than_promised_names_both(folder):
    class Wide(WordEncoder):
        def encode(self, batch: Sequence[Prepared]) -> np.ndarray:
            return np.ones((len(batch), 48), dtype=np.float32)

    encoder = load(Wide, folder)
    with pytest.raises(
        EncoderOutputError, match=r"'words' returned shape \(2, 48\) for 2 segments; expected \(2, 32\)"
    ):
        encode(encoder, prepared(encoder, 2), limits=LIMITS)


def test_fewer_vectors_than_segments_are_refused(folder):
    class Short(WordEncoder):
        def encode(self, batch: Sequence[Prepared]) -> np.ndarray:
            return super().encode(batch[1:])

    encoder = load(Short, folder)
    with pytest.raises(EncoderOutputError, match="3 segments"):
        encode(encoder, prepared(encoder, 3), limits=LIMITS)
