"""Which files a model resolves to, and which are refused."""

import shutil
from pathlib import Path

import pytest

from embed_assets.encoders.loading.find_weights import PUBLISHED, resolve_model
from embed_assets.encoders.registry import load_encoder, spec_for
from embed_assets.encoders.spec import EncoderSpec
from embed_assets.errors import WeightsError


def spec_of(model, **facts):
    return EncoderSpec(
        name="x", family="m:C", model=str(model), modalities=("text",), media=("text",), space="text", **facts
    )


def test_a_local_folder_is_taken_as_it_is(plain_bert):
    resolved = resolve_model(spec_of(plain_bert))
    assert resolved.path == plain_bert
    assert resolved.revision is None
    names = {name for name, *_ in resolved.files}
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= names
    for _, path, size, mtime_ns in resolved.files:
        assert size > 0
        assert mtime_ns > 0
        assert path.startswith(str(plain_bert))


def test_pickled_weights_are_refused_with_the_way_to_convert_them(plain_bert, tmp_path):
    folder = shutil.copytree(plain_bert, tmp_path / "bin", ignore=shutil.ignore_patterns("*.safetensors"))
    (folder / "pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(WeightsError, match=r"only safetensors are loaded.*save_pretrained"):
        resolve_model(spec_of(folder))


def test_a_folder_of_no_weights_at_all_has_nothing_to_convert(plain_bert, tmp_path):
    folder = shutil.copytree(plain_bert, tmp_path / "bare", ignore=shutil.ignore_patterns("*.safetensors"))
    with pytest.raises(WeightsError, match=r"bare has no weights.*Get the whole folder again\.$"):
        resolve_model(spec_of(folder))


def test_pickled_weights_beside_safetensors_are_not_among_the_files(plain_bert, tmp_path):
    folder = shutil.copytree(plain_bert, tmp_path / "both")
    (folder / "pytorch_model.bin").write_bytes(b"pickle")
    (folder / "modeling.py").write_text("raise SystemExit")
    assert not [name for name, *_ in resolve_model(spec_of(folder)).files if name.endswith((".bin", ".py"))]


def test_a_lost_shard_is_noticed(plain_bert, tmp_path):
    from transformers import AutoModel

    AutoModel.from_pretrained(plain_bert).save_pretrained(tmp_path, max_shard_size="20KB")
    sorted(tmp_path.glob("*.safetensors"))[1].unlink()
    with pytest.raises(WeightsError, match="lacks 1 of its shards"):
        resolve_model(spec_of(tmp_path))


def test_an_adapter_is_refused(plain_bert, tmp_path):
    folder = shutil.copytree(plain_bert, tmp_path / "peft")
    (folder / "adapter_config.json").write_text("{}")
    with pytest.raises(WeightsError, match="merge_and_unload"):
        resolve_model(spec_of(folder))


def test_an_absent_folder_is_named(tmp_path):
    with pytest.raises(WeightsError, match="no folder or file"):
        resolve_model(spec_of(tmp_path / "absent"))


def test_a_hub_id_that_was_never_downloaded_says_the_ways_out(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(WeightsError, match="local folder"):
        resolve_model(spec_of("nobody/nothing"), offline=True)


def test_a_hub_id_in_the_hubs_cache_resolves_to_its_commit(plain_bert, tmp_path, monkeypatch):
    commit = "0123456789abcdef0123456789abcdef01234567"
    repository = tmp_path / "models--team--model"
    shutil.copytree(plain_bert, repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    for revision in (None, commit):
        resolved = resolve_model(spec_of("team/model", revision=revision), offline=True)
        assert resolved.revision == commit
        assert resolved.path == repository / "snapshots" / commit


def test_a_hub_id_in_the_hubs_cache_shows_its_family_offline(plain_bert, tmp_path, monkeypatch):
    commit = "0123456789abcdef0123456789abcdef01234567"
    repository = tmp_path / "models--team--model"
    shutil.copytree(plain_bert, repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    spec = spec_for("team/model")
    assert spec.name == "model"
    assert spec.model == "team/model"
    assert load_encoder(spec, device="cpu").dim == 32
    with pytest.raises(WeightsError, match="HF_HUB_OFFLINE"):
        spec_for("team/absent")


def test_torchvisions_weights_are_looked_for_in_torchs_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    spec = spec_for("resnet50")
    with pytest.raises(WeightsError, match="TORCH_HOME"):
        resolve_model(spec, offline=True)
    file = tmp_path / "hub" / "checkpoints" / PUBLISHED["resnet50", "IMAGENET1K_V2"]
    file.parent.mkdir(parents=True)
    file.write_bytes(b"not these weights")
    assert resolve_model(spec, offline=True).path == file
    with pytest.raises(WeightsError, match="sha256 begins with"):
        load_encoder(spec, device="cpu", offline=True)


def test_torchs_cache_is_where_torch_says(monkeypatch, tmp_path):
    import torch

    from embed_assets.encoders.loading.find_weights import _torch_hub

    assert str(_torch_hub()) == f"{torch.hub.get_dir()}/checkpoints"
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert str(_torch_hub()) == f"{torch.hub.get_dir()}/checkpoints"


@pytest.mark.parametrize("closed", [".", "model.safetensors", "config.json", "1_Pooling"])
def test_what_may_not_be_read_is_one_error_that_names_it(closed: str, unprivileged: Path) -> None:
    (unprivileged / "1_Pooling").mkdir()
    for file, content in {"model.safetensors": b"", "config.json": b"{}", "1_Pooling/config.json": b"{}"}.items():
        (unprivileged / file).write_bytes(content or (2).to_bytes(8, "little") + b"{}")
    (unprivileged / "modules.json").write_text(
        '[{"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}]'
    )
    (unprivileged / closed).chmod(0)
    with pytest.raises(WeightsError, match="Permission denied") as raised:
        resolve_model(spec_of(unprivileged))
    assert str((unprivileged / closed).resolve()) in str(raised.value)
    assert "\n" not in str(raised.value)
