"""EncoderContract: the tests that every encoder passes, for plugin authors to subclass.

class TestMyEncoder(EncoderContract):
    @pytest.fixture(scope="class")
    def encoder(self):
        return load_encoder(spec_for("my-encoder"), device="cpu")
"""

# ruff: noqa: D102 (the tests' names say it)

from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from typing import Any

import numpy as np
from PIL import Image

from embed_assets.encoders.base import Encoder, Prepared
from embed_assets.encoders.registry import load_encoder
from embed_assets.encoders.spec import Modality
from embed_assets.media.payload import Clip, Sound

TEXTS = (
    "a cat",
    "Sediment cores record how the ice sheet withdrew, layer by layer, over nine thousand years.",
    "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich.",
    "   spaces   and\nlines\t",
    "one two three four five six seven eight nine ten " * 60,
    "?",
    "図書館",
)
PARTS = (1.0, 0.37, 0.02, 0.75)  # of the longest sound
SIZES = ((64, 64), (320, 200), (97, 301), (224, 224), (31, 500))


class EncoderContract:
    """What `Encoder` promises. Subclass it as `Test…` with a fixture `encoder` that returns a loaded one."""

    tolerance = 1e-5  # between a segment's vectors in different batches; half precision needs more
    sample_rate = 16_000  # Hz of the sounds, where it isn't this one: set it beside the fixture
    seconds = 2.0  # of the longest sound
    frames = 8  # of every clip

    def payloads(self, modality: Modality) -> list[Any]:
        """Inputs of a modality, of different lengths and sizes; override for others."""
        if modality == "text":
            return list(TEXTS)
        if modality == "image":
            return [picture(width, height, seed) for seed, (width, height) in enumerate(SIZES)]
        if modality == "audio":
            return [sound(self.seconds * part, self.sample_rate, seed) for seed, part in enumerate(PARTS)]
        return [self._clip(width, height, seed) for seed, (width, height) in enumerate(SIZES[:3])]

    def load_again(self, encoder: Encoder) -> Encoder:
        """A second load of the same encoder; override where the registry can't load it."""
        return load_encoder(encoder.spec, device=encoder.device, dtype=encoder.dtype)

    def test_vectors_are_float32_of_the_promised_shape(self, encoder: Encoder) -> None:
        for modality, batch in self._batches(encoder):
            vectors = encoder.encode(batch)
            assert vectors.dtype == np.float32, modality
            assert vectors.shape == (len(batch), encoder.dim), modality
            assert encoder.spec.dim is None or encoder.dim == (encoder.spec.truncate_dim or encoder.spec.dim)

    def test_vectors_are_finite(self, encoder: Encoder) -> None:
        for modality, batch in self._batches(encoder):
            assert np.isfinite(encoder.encode(batch)).all(), modality

    def test_vectors_have_unit_length_if_the_spec_says_so(self, encoder: Encoder) -> None:
        if encoder.spec.unit_length:
            for modality, batch in self._batches(encoder):
                norms = np.linalg.norm(encoder.encode(batch), axis=1)
                assert np.abs(norms - 1).max() < 1e-5, modality

    def test_different_inputs_get_different_vectors(self, encoder: Encoder) -> None:
        for modality, batch in self._batches(encoder):
            vectors = encoder.encode(batch)
            for i in range(len(batch)):
                for j in range(i):
                    assert np.abs(vectors[i] - vectors[j]).max() > self.tolerance, (modality, i, j)

    def test_the_same_batch_gives_the_same_vectors(self, encoder: Encoder) -> None:
        for modality, batch in self._batches(encoder):
            self._assert_close(encoder.encode(batch), encoder.encode(batch), modality)

    def test_a_vector_does_not_depend_on_its_neighbours(self, encoder: Encoder) -> None:
        for modality, batch in self._batches(encoder):
            alone = np.concatenate([encoder.encode([prepared]) for prepared in batch])
            self._assert_close(encoder.encode(batch), alone, modality)
            self._assert_close(encoder.encode([*batch, *batch])[: len(batch)], alone, modality)

    def test_vectors_come_in_the_order_of_the_batch(self, encoder: Encoder) -> None:
        for modality, batch in self._batches(encoder):
            self._assert_close(encoder.encode(batch[::-1])[::-1], encoder.encode(batch), modality)

    def test_an_empty_batch_gives_no_rows(self, encoder: Encoder) -> None:
        vectors = encoder.encode([])
        assert vectors.shape == (0, encoder.dim)
        assert vectors.dtype == np.float32

    def test_prepare_may_be_called_from_several_threads(self, encoder: Encoder) -> None:
        for modality, batch in self._batches(encoder):
            with ThreadPoolExecutor(8) as pool:
                again = list(pool.map(encoder.prepare, repeat(modality), self.payloads(modality) * 8))
            assert [item.cost for item in again] == [item.cost for item in batch] * 8, modality
            self._assert_close(encoder.encode(again[-len(batch) :]), encoder.encode(batch), modality)

    def test_costs_are_positive_and_modalities_kept(self, encoder: Encoder) -> None:
        for modality, batch in self._batches(encoder):
            assert all(item.cost > 0 for item in batch), modality
            assert all(item.modality == modality for item in batch), modality

    def test_the_payload_is_left_as_it_was(self, encoder: Encoder) -> None:
        if "image" in encoder.spec.modalities:
            image = picture(50, 40, 1)
            before = image.tobytes()
            encoder.prepare("image", image)
            assert (image.size, image.mode, image.tobytes()) == ((50, 40), "RGB", before)

    def test_a_query_has_a_vector_of_the_same_dim(self, encoder: Encoder) -> None:
        for modality in encoder.spec.modalities:
            prepared = encoder.prepare(modality, self.payloads(modality)[0], query=True)
            assert encoder.encode([prepared]).shape == (1, encoder.dim), modality

    def test_a_text_of_max_tokens_is_not_cut(self, encoder: Encoder) -> None:
        tokenizer = encoder.tokenizer()
        if tokenizer is None or encoder.max_tokens is None:
            return
        assert encoder.max_tokens > 0
        assert tokenizer.truncation is None
        assert tokenizer.padding is None
        longest = encoder.prepare("text", "a " * (4 * encoder.max_tokens)).cost
        assert longest >= encoder.max_tokens

    def test_the_identity_is_the_same_after_a_second_load(self, encoder: Encoder) -> None:
        parts = dict(encoder.identity())
        assert parts
        assert all(isinstance(name, str) and isinstance(value, str) for name, value in parts.items())
        again = self.load_again(encoder)
        assert dict(again.identity()) == parts
        for modality, batch in self._batches(encoder):
            self._assert_close(again.encode(batch), encoder.encode(batch), modality)

    def _clip(self, width: int, height: int, seed: int) -> Clip:
        """Every second clip has no sound."""
        heard = sound(self.seconds, self.sample_rate, seed) if seed % 2 == 0 else None
        return clip(width, height, self.frames, seed, sound=heard)

    def _batches(self, encoder: Encoder) -> list[tuple[Modality, list[Prepared]]]:
        return [
            (modality, [encoder.prepare(modality, payload) for payload in self.payloads(modality)])
            for modality in encoder.spec.modalities
        ]

    def _assert_close(self, found: np.ndarray, expected: np.ndarray, modality: str) -> None:
        scale = max(1.0, float(np.abs(expected).max()))  # vectors that are not of unit length
        assert np.abs(found - expected).max() <= self.tolerance * scale, modality


def picture(width: int, height: int, seed: int) -> Image.Image:
    """An RGB picture with coarse and fine structure, the same for the same seed."""
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(0, 256, (6, 6, 3), dtype=np.uint8)).resize((width, height))
    noise = random.integers(-20, 20, (height, width, 3))
    return Image.fromarray(np.clip(np.asarray(coarse) + noise, 0, 255).astype(np.uint8))


def sound(seconds: float, rate: int, seed: int) -> Sound:
    """Three tones that swell and fade, and a little noise, the same for the same seed."""
    random = np.random.default_rng(seed)
    at = np.arange(round(seconds * rate)) / rate
    tones = [np.sin(2 * np.pi * hertz * at) for hertz in random.uniform(100, 0.3 * rate, 3)]
    swell = 0.5 + 0.5 * np.sin(2 * np.pi * random.uniform(0.5, 4) * at + random.uniform(0, 6))
    samples = 0.2 * swell * np.sum(tones, axis=0) + 0.02 * random.standard_normal(len(at))
    return Sound(samples=samples.astype(np.float32), rate=rate)


def clip(width: int, height: int, frames: int, seed: int, *, sound: Sound | None = None) -> Clip:
    """A picture that moves to the right, 25 frames a second, the same for the same seed."""
    first = np.asarray(picture(width, height, seed))
    moved = np.stack([np.roll(first, step * max(1, width // 16), axis=1) for step in range(frames)])
    return Clip(frames=moved, times=np.arange(frames) / 25, sound=sound)
