"""TwoTowers once converted: words without torch and transformers, and the other medium when it is first needed."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embed_assets.encoders.base import Encoder
from embed_assets.encoders.canary_inputs import canary_payloads
from embed_assets.encoders.registry import load_encoder, spec_for
from embed_assets.encoders.runtimes import load_on_openvino
from embed_assets.encoders.runtimes.converted_models import cache_folder
from tests.encoders.test_openvino import clap, siglip
from tests.support import REPOSITORY

pytestmark = pytest.mark.slow

TEXTS = ["gull", "A Red CIRCLE on the left, 3.14 €", "harbour, fog and eleven birds", "Again and again " * 60, "…"]
FRAMES = {"family": "video_frames", "modalities": ("video", "image", "text"), "media": ("video",), "space": "v"}

WORDS_ALONE = """
import json, sys
import numpy as np
from embed_assets.encoders.registry import spec_for
from embed_assets.encoders.runtimes.load_on_openvino import load_on_openvino

given = json.load(sys.stdin)
spec = spec_for(given["model"], **{name: tuple(v) if isinstance(v, list) else v for name, v in given["facts"].items()})
def load(dtype):
    raise AssertionError("torch was to load it")
encoder = load_on_openvino(spec, given["parts"], dtype="float32", reason="a test", load=load, needed={"text"})
vectors = encoder.encode([encoder.prepare("text", text) for text in given["texts"]])
np.save(given["out"], vectors)
heavy = [name for name in ("torch", "torchvision", "transformers", "PIL") if name in sys.modules]
same = encoder.identity() == given["parts"]
print(json.dumps([heavy, same, encoder.dim, encoder.max_tokens, sorted(encoder.unchecked)]))
"""


PICTURE_ALONE = """
import json, sys
import numpy as np
from PIL import Image
from embed_assets.encoders.registry import spec_for
from embed_assets.encoders.runtimes.load_on_openvino import load_on_openvino

given = json.load(sys.stdin)
spec = spec_for(given["model"])
def load(dtype):
    raise AssertionError("torch was to load it")
encoder = load_on_openvino(spec, given["parts"], dtype="float32", reason="a test", load=load)
picture = Image.fromarray(np.arange(60 * 80 * 3, dtype=np.uint64).astype(np.uint8).reshape(60, 80, 3))
np.save(given["out"], encoder.encode([encoder.prepare("image", picture)]))
print([name for name in ("torch", "torchvision", "transformers") if name in sys.modules])
"""


def tiny(folder: Path, request: pytest.FixtureRequest, kind: str) -> tuple[Path, dict[str, Any]]:
    """A model of the kind, and the facts that its spec has beside it."""
    if kind in ("clip", "frames"):
        return request.getfixturevalue("tiny_clip"), FRAMES if kind == "frames" else {}
    return {"siglip": siglip, "clap": clap}[kind](folder), {}


def converted(spec: Any, parts: Any, loaded: list[str], needed: Any = None) -> Encoder:
    def load(dtype: str) -> Encoder:
        loaded.append(dtype)
        return load_encoder(spec, device="cpu", dtype=dtype)

    return load_on_openvino.load_on_openvino(spec, parts, dtype="float32", reason="a test", load=load, needed=needed)


@pytest.mark.parametrize("kind", ["clip", "siglip", "clap", "frames"])
def test_words_get_the_vectors_of_torch_in_a_process_without_torch(kind, tmp_path, request):
    folder, facts = tiny(tmp_path, request, kind)
    spec = spec_for(str(folder), **facts)
    by_torch = load_encoder(spec, device="cpu")
    assert converted(spec, by_torch.identity(), []).runtime == "openvino"
    given = {"model": str(folder), "facts": facts, "texts": TEXTS, "parts": dict(by_torch.identity())}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", WORDS_ALONE],
        input=json.dumps(given | {"out": str(tmp_path / "found.npy")}),
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    heavy, same, dim, max_tokens, unchecked = json.loads(done.stdout)
    assert (heavy, same, dim, max_tokens) == ([], True, by_torch.dim, by_torch.max_tokens)
    assert unchecked == sorted(set(spec.modalities) - {"text"})
    expected = by_torch.encode([by_torch.prepare("text", text) for text in TEXTS])
    assert np.abs(np.load(tmp_path / "found.npy") - expected).max() < 1e-5


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_a_picture_gets_the_vector_of_torch_in_a_process_without_torch(kind, tmp_path, request):
    from PIL import Image

    folder, _ = tiny(tmp_path, request, kind)
    spec = spec_for(str(folder))
    by_torch = load_encoder(spec, device="cpu")
    converted(spec, by_torch.identity(), [])
    given = {"model": str(folder), "parts": dict(by_torch.identity()), "out": str(tmp_path / "found.npy")}
    done = subprocess.run(
        [sys.executable, "-c", PICTURE_ALONE], input=json.dumps(given), capture_output=True, text=True, cwd=REPOSITORY
    )
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr
    picture = Image.fromarray(np.arange(60 * 80 * 3, dtype=np.uint64).astype(np.uint8).reshape(60, 80, 3))
    expected = by_torch.encode([by_torch.prepare("image", picture)])
    assert np.abs(np.load(tmp_path / "found.npy") - expected).max() < 1e-5


@pytest.mark.parametrize("kind", ["clip", "siglip", "clap", "frames"])
def test_the_other_medium_follows_with_a_processor_of_equal_settings(kind, tmp_path, request):
    folder, facts = tiny(tmp_path, request, kind)
    spec = spec_for(str(folder), **facts)
    by_torch = load_encoder(spec, device="cpu")
    loaded: list[str] = []
    converted(spec, by_torch.identity(), loaded)
    encoder = converted(spec, by_torch.identity(), loaded, needed={"text"})
    assert load_on_openvino.still_agrees(encoder, by_torch.identity(), spec.modalities)
    assert encoder.unchecked == frozenset()
    assert loaded == ["float32"]  # by the conversion alone
    for modality in set(spec.modalities) - {"text"}:
        for payload in canary_payloads(spec, modality):
            ours, theirs = encoder.prepare(modality, payload), by_torch.prepare(modality, payload)
            assert ours.cost == theirs.cost
            assert np.abs(encoder.encode([ours]) - by_torch.encode([theirs])).max() < 1e-5


def test_a_tower_that_moved_is_found_when_it_is_first_needed_and_made_again(tiny_clip):
    spec = spec_for(str(tiny_clip))
    parts = load_encoder(spec, device="cpu").identity()
    loaded: list[str] = []
    converted(spec, parts, loaded)
    entry = next(cache_folder().iterdir())
    with np.load(entry / "canaries.npz") as stored:
        arrays = {name: stored[name] + np.float32(0.01 if name == "image" else 0) for name in stored.files}
    np.savez(entry / "canaries.npz", allow_pickle=False, **arrays)
    record = json.loads((entry / "record.json").read_text())
    stat = (entry / "canaries.npz").stat()
    record["files"]["canaries.npz"] = [stat.st_size, int(stat.st_mtime)]
    (entry / "record.json").write_text(json.dumps(record))

    encoder = converted(spec, parts, loaded, needed={"text"})
    assert loaded == ["float32"]
    assert not load_on_openvino.still_agrees(encoder, parts, {"image"})
    again = converted(spec, parts, loaded, needed={"image"})
    assert (again.runtime, loaded) == ("openvino", ["float32", "float32"])
    assert load_on_openvino.still_agrees(converted(spec, parts, loaded, needed={"text"}), parts, {"image"})
