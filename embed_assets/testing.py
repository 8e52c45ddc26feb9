"""EncoderContract and MediaContract: the tests that every encoder and media decoder passes, for authors to subclass.

class TestMyEncoder(EncoderContract):
    @pytest.fixture(scope="class")
    def encoder(self):
        return load_encoder(spec_for("my-encoder"), device="cpu")
"""

# ruff: noqa: D102 (the tests' names say it)

from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import repeat
from typing import Any

import numpy as np
from PIL import Image

from embed_assets.encoders.base import Encoder, Prepared
from embed_assets.encoders.canary_inputs import canary_payloads
from embed_assets.encoders.registry import load_encoder
from embed_assets.errors import MediaError
from embed_assets.media.decode_with_plugins import decode_with_plugin
from embed_assets.media.detect import refine
from embed_assets.media.isolation.decoder_pool import Decoders
from embed_assets.media.kinds.decoder import Decoder
from embed_assets.media.kinds.decoder_plugins import decoder_plugins
from embed_assets.media.kinds.file_head import HEAD
from embed_assets.media.kinds.sniff import sniff
from embed_assets.media.limits import Limits
from embed_assets.media.media_types import Modality
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
SMALL = Limits(max_characters=1, max_pixels=1, max_seconds=0.001)  # which every good file is over
OTHER_FILES = [
    b"",
    b"One line of words.\n",
    b"# A heading\n\nWords, and [a link](there).\n",
    b"name,size\none,1\ntwo,2\n",
    b'{"name": "one"}\n',
    b"<!doctype html><html><body>Words</body></html>",
    bytes(range(256)),
    b"PK\x03\x04" + bytes(60),
    b"\x89PNG\r\n\x1a\n" + bytes(60),
]


class EncoderContract:
    """The promises of `Encoder` as tests. Subclass it as `Test…` with a fixture `encoder` that returns a loaded one."""

    tolerance = 1e-5  # between a segment's vectors in different batches; half precision needs more
    sample_rate = 16_000  # Hz of the sounds; set another beside the fixture
    seconds = 2.0  # of the longest sound
    frames = 8  # of every clip

    def payloads(self, modality: Modality) -> list[Any]:
        """Return inputs of a modality, of different lengths and sizes; override for others."""
        if modality == "text":
            return list(TEXTS)
        if modality == "image":
            return [picture(width, height, seed) for seed, (width, height) in enumerate(SIZES)]
        if modality == "audio":
            return [sound(self.seconds * part, self.sample_rate, seed) for seed, part in enumerate(PARTS)]
        return [self._clip(width, height, seed) for seed, (width, height) in enumerate(SIZES[:3])]

    def load_again(self, encoder: Encoder) -> Encoder:
        """Load the same encoder a second time; override if the registry can't load it."""
        return load_encoder(encoder.spec, device=encoder.device, dtype=encoder.dtype)

    def test_vectors_are_float32_of_the_promised_shape(self, encoder: Encoder) -> None:
        for modality, batch in self._batches(encoder):
            vectors = encoder.encode(batch)
            assert vectors.dtype == np.float32, modality
            assert vectors.shape == (len(batch), encoder.dim), modality
            assert encoder.spec.dim is None or encoder.dim == (encoder.spec.truncate_dim or encoder.spec.dim)

    def test_the_canaries_are_taken(self, encoder: Encoder) -> None:
        window = min(self.seconds, encoder.spec.window_seconds or self.seconds)
        spec = replace(encoder.spec, frames=self.frames, window_seconds=window)
        for modality in spec.modalities:
            batch = [encoder.prepare(modality, payload) for payload in canary_payloads(spec, modality)]
            vectors = encoder.encode(batch)
            assert vectors.shape == (len(batch), encoder.dim), modality
            assert np.isfinite(vectors).all(), modality

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
        """Make a clip; every second one has no sound."""
        track = sound(self.seconds, self.sample_rate, seed) if seed % 2 == 0 else None
        return clip(width, height, self.frames, seed, sound=track)

    def _batches(self, encoder: Encoder) -> list[tuple[Modality, list[Prepared]]]:
        return [
            (modality, [encoder.prepare(modality, payload) for payload in self.payloads(modality)])
            for modality in encoder.spec.modalities
        ]

    def _assert_close(self, vectors: np.ndarray, expected: np.ndarray, modality: str) -> None:
        scale = max(1.0, float(np.abs(expected).max()))  # vectors that are not of unit length
        assert np.abs(vectors - expected).max() <= self.tolerance * scale, modality


class MediaContract(ABC):
    """The promises of a `Decoder` as tests. Subclass it as `Test…` with a fixture `decoder`, good and broken files.

    The package under test has to be installed: workers and listings find the decoder by its entry point.
    """

    @abstractmethod
    def good(self) -> list[bytes]:
        """Return whole files of the type."""

    @abstractmethod
    def broken(self) -> list[bytes]:
        """Return damaged files that the decoder takes for its own."""

    def others(self) -> list[bytes]:
        """Return files of other types; override to add similar ones."""
        return OTHER_FILES

    def test_it_is_found_by_its_entry_point(self, decoder: Decoder) -> None:
        plugins = decoder_plugins()
        assert plugins.good.get(decoder.name) == decoder, [each.message for each in plugins.broken]

    def test_its_files_are_known_by_their_bytes(self, decoder: Decoder) -> None:
        for data in [*self.good(), *self.broken()]:
            kind = refine(data, sniff(data))
            assert (kind.decoder, kind.modality) == (decoder.id, decoder.modality), data[:60]

    def test_other_files_are_refused(self, decoder: Decoder) -> None:
        for data in self.others():
            assert not decoder.detect(data[:HEAD]), data[:60]

    def test_detect_copes_with_any_beginning(self, decoder: Decoder) -> None:
        for data in self.good():
            for length in range(min(len(data), 64)):
                decoder.detect(data[:length])

    def test_good_files_decode_in_a_process_of_their_own(self, decoder: Decoder) -> None:
        with Decoders() as decoders:
            for data in self.good():
                payload = decoders.run(decode_with_plugin, data, decoder=decoder.name, limits=Limits())
                assert _content(payload) == _content(decode_with_plugin(data, decoder=decoder.name, limits=Limits()))

    def test_several_threads_decode_the_same(self, decoder: Decoder) -> None:
        data = self.good()[0]
        with ThreadPoolExecutor(4) as pool:
            payloads = list(pool.map(decoder.decode, [data] * 8, repeat(Limits())))
        assert len({_content(each) for each in payloads}) == 1

    def test_broken_files_raise_media_errors(self, decoder: Decoder) -> None:
        for data in self.broken():
            error = _decode_error(decoder, data, Limits())
            assert error is not None, data[:60]
            assert 0 < len(error.reason) < 40, "a reason is counted: short, without figures"

    def test_files_cut_short_raise_nothing_but_media_errors(self, decoder: Decoder) -> None:
        for data in self.good():
            for part in range(16):
                _decode_error(decoder, data[: len(data) * part // 16], Limits())

    def test_what_is_over_a_limit_is_refused(self, decoder: Decoder) -> None:
        for data in self.good():
            error = None
            try:
                decode_with_plugin(data, decoder=decoder.name, limits=SMALL)
            except MediaError as raised:
                error = raised
            assert error is not None and error.reason.startswith("too "), error


def _decode_error(decoder: Decoder, data: bytes, limits: Limits) -> MediaError | None:
    """Return the MediaError of a file that can't be decoded, or None; any other error fails the test."""
    try:
        decoder.decode(data, limits)
    except MediaError as error:
        return error
    return None


def _content(payload: Any) -> Any:
    """Return a value that is equal for equal payloads."""
    if isinstance(payload, Sound):
        return payload.rate, payload.samples.tobytes()
    return (payload.mode, payload.size, payload.tobytes()) if isinstance(payload, Image.Image) else payload


def picture(width: int, height: int, seed: int) -> Image.Image:
    """Draw an RGB picture with coarse and fine structure, the same for the same seed."""
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(0, 256, (6, 6, 3), dtype=np.uint8)).resize((width, height))
    noise = random.integers(-20, 20, (height, width, 3))
    return Image.fromarray(np.clip(np.asarray(coarse) + noise, 0, 255).astype(np.uint8))


def sound(seconds: float, rate: int, seed: int) -> Sound:
    """Make three tones that swell and fade, and a little noise, the same for the same seed."""
    random = np.random.default_rng(seed)
    at = np.arange(round(seconds * rate)) / rate
    tones = [np.sin(2 * np.pi * hertz * at) for hertz in random.uniform(100, 0.3 * rate, 3)]
    swell = 0.5 + 0.5 * np.sin(2 * np.pi * random.uniform(0.5, 4) * at + random.uniform(0, 6))
    samples = 0.2 * swell * np.sum(tones, axis=0) + 0.02 * random.standard_normal(len(at))
    return Sound(samples=samples.astype(np.float32), rate=rate)


def clip(width: int, height: int, frames: int, seed: int, *, sound: Sound | None = None) -> Clip:
    """Make a clip of a picture that moves to the right, 25 frames a second, the same for the same seed."""
    first = np.asarray(picture(width, height, seed))
    moved = np.stack([np.roll(first, step * max(1, width // 16), axis=1) for step in range(frames)])
    return Clip(frames=moved, times=np.arange(frames) / 25, sound=sound)
