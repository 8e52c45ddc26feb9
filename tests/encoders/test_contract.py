"""Every family keeps the contract."""

import pytest

from embed_assets.encoders.registry import load_encoder, spec_for
from embed_assets.testing import EncoderContract


@pytest.mark.slow  # of true size; the tiny one below is of the same family
class TestMiniLM(EncoderContract):
    @pytest.fixture(scope="class")
    def encoder(self, minilm):
        return load_encoder(spec_for("minilm", model=str(minilm)), device="cpu")


class TestPlainTransformer(EncoderContract):
    @pytest.fixture(scope="class")
    def encoder(self, tiny_mpnet):
        return load_encoder(spec_for(str(tiny_mpnet)), device="cpu")


class TestTruncatedToLeadingNumbers(EncoderContract):
    @pytest.fixture(scope="class")
    def encoder(self, tiny_mpnet):
        return load_encoder(spec_for(str(tiny_mpnet), truncate_dim=16), device="cpu")


@pytest.mark.slow
class TestSentenceTransformersLibrary(EncoderContract):
    @pytest.fixture(scope="class")
    def encoder(self, minilm):
        spec = spec_for("minilm", model=str(minilm), options={"library": True})
        return load_encoder(spec, device="cpu")


class TestClip(EncoderContract):
    @pytest.fixture(scope="class")
    def encoder(self, tiny_clip):
        return load_encoder(spec_for(str(tiny_clip)), device="cpu")


class TestResNet18(EncoderContract):
    @pytest.fixture(scope="class")
    def encoder(self, random_cnn):
        return load_encoder(spec_for(str(random_cnn("resnet18"))), device="cpu")


@pytest.mark.slow
class TestVgg16(EncoderContract):
    @pytest.fixture(scope="class")
    def encoder(self, random_cnn):
        return load_encoder(spec_for(str(random_cnn("vgg16"))), device="cpu")


@pytest.mark.slow
class TestInceptionV3(EncoderContract):
    @pytest.fixture(scope="class")
    def encoder(self, random_cnn):
        return load_encoder(spec_for(str(random_cnn("inception_v3"))), device="cpu")


class TestPixels(EncoderContract):
    @pytest.fixture(scope="class")
    def encoder(self):
        return load_encoder(spec_for("pixels"), device="cpu")
