"""Every family keeps the contract."""

import pytest

from embed_assets.encoders.registry import load_encoder, spec_for
from embed_assets.testing import EncoderContract


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
    def encoder(self, minilm):
        return load_encoder(spec_for("minilm", model=str(minilm), truncate_dim=64), device="cpu")


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
    def encoder(self, random_resnet):
        return load_encoder(spec_for(str(random_resnet("resnet18"))), device="cpu")
