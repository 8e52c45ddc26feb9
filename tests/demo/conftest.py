"""The demo corpus, written once for all tests of this folder."""

from pathlib import Path

import pytest

from embed_assets.demo.corpus import write_corpus


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    write_corpus(folder)
    return folder
