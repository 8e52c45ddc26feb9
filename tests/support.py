"""What the tests below Dagster share: a weightless encoder, small models, and a pipeline in a folder."""

import importlib
import os
import random
import shutil
import tempfile
import time
import uuid
import zlib
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pytest

from embed_assets.encoders import canary_inputs as canaries
from embed_assets.encoders.base import Encoder, Prepared
from embed_assets.encoders.loading.identity import canonical_hash
from embed_assets.errors import PromotionError, SettingsError
from embed_assets.load_settings import make_settings
from embed_assets.pipeline.steps import Steps
from embed_assets.settings import PipelineSettings
from embed_assets.store.store import Store
from embed_assets.store.vectors import VectorTable, vector_schema
from embed_assets.store.versions import VersionId
from tests.s3_server import S3Server, s3_server

REPOSITORY = Path(__file__).parents[1]
DIM = 32
NOT_ENCODABLE = "unencodable"  # a text with this word gets a vector of NaN

_BUCKETS, _SIDE = 512, 4
_NOBODY = 65534  # a user without rights
_WORDS = [
    "amber",
    "anchor",
    "autumn",
    "barley",
    "basalt",
    "beacon",
    "birch",
    "bramble",
    "canal",
    "candle",
    "cedar",
    "chalk",
    "cinder",
    "clover",
    "copper",
    "coral",
    "cotton",
    "crater",
    "delta",
    "ember",
    "fennel",
    "ferry",
    "flint",
    "garnet",
]

_PLUGIN = """
from embed_assets.encoders.spec import EncoderSpec

_FACTS = dict(
    family="tests.support:WordEncoder", model={model!r}, modalities=("text", "image"), media=("text",),
    space="words", dim={dim},
)
words = EncoderSpec(name="words", **_FACTS)
slow_words = EncoderSpec(name="slow-words", **_FACTS, options={{"seconds_per_batch": 0.01}})
"""
_ENTRY_POINTS = "[embed_assets.encoders]\nwords = words_plugin:words\nslow-words = words_plugin:slow_words\n"


class WordEncoder(Encoder):
    """Texts by the sum of their words' rows, pictures by 16 pixels: exact, whatever else is in the batch."""

    encoded: ClassVar[list[Any]] = []  # texts, or "picture", in the order of encoding

    def __init__(self, spec: Any, *, folder: Path, device: str, dtype: str) -> None:
        from safetensors.numpy import load_file

        self.spec, self.device, self.dtype, self.dim = spec, device, dtype, DIM
        self._weights = load_file(folder / "model.safetensors")

    def prepare(self, modality: Any, payload: Any, *, query: bool = False) -> Prepared:
        if modality == "text" and isinstance(payload, str):
            return Prepared(modality="text", cost=len(payload.split()), data=payload)
        if modality == "image" and hasattr(payload, "convert"):
            width, height = payload.size
            small = np.asarray(payload.convert("RGB").resize((_SIDE, _SIDE)), dtype=np.float32)
            return Prepared(modality="image", cost=width * height, data=small.reshape(-1) / 255 - 0.5)
        raise SettingsError(f"{self.spec.name} takes texts and pictures, not {modality}.")

    def encode(self, batch: Sequence[Prepared]) -> np.ndarray:
        time.sleep(float(str(self.spec.options.get("seconds_per_batch", 0))))
        WordEncoder.encoded.extend(_said(item) for item in batch if not _is_canary(item))
        return np.array([self._vector(item) for item in batch], dtype=np.float32).reshape(-1, self.dim)

    def identity(self) -> dict[str, str]:
        return {"weights": canonical_hash({name: rows.tolist() for name, rows in self._weights.items()})}

    def tokenizer(self) -> Any:
        from tokenizers import Tokenizer, models, pre_tokenizers

        made = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
        made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        return made

    @property
    def max_tokens(self) -> int | None:
        return 32

    def _vector(self, item: Prepared) -> np.ndarray:
        if item.modality == "image":
            vector = item.data @ self._weights["pixels"]
        elif NOT_ENCODABLE in item.data:
            return np.full(self.dim, np.nan)
        else:
            words = [zlib.crc32(word.strip(".,").lower().encode()) % _BUCKETS for word in item.data.split()]
            vector = self._weights["words"][words].sum(axis=0)
        return vector / np.linalg.norm(vector)


def _said(item: Prepared) -> str:
    return item.data if item.modality == "text" else "picture"


def _is_canary(item: Prepared) -> bool:
    if item.modality == "text":
        return item.data in canaries.TEXTS
    return item.cost in {width * height for width, height in canaries.SIZES}


def write_weights(folder: Path, *, seed: int = 0) -> Path:
    """Weights of a WordEncoder: random rows."""
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(seed)
    shapes = {"words": (_BUCKETS, DIM), "pixels": (_SIDE * _SIDE * 3, DIM)}
    weights = {name: draw.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    save_file(weights, folder / "model.safetensors")
    return folder


@pytest.fixture(scope="session")
def plugin_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installed package, as pip leaves it, that declares the encoders "words" and "slow-words"."""
    return _plugin(tmp_path_factory.getbasetemp() / "plugin")


@cache  # the fixture is one for every folder of tests; Python imports the package once
def _plugin(folder: Path) -> Path:
    model = write_weights(folder / "weights")
    (folder / "words_plugin.py").write_text(_PLUGIN.format(model=str(model), dim=DIM))
    info = folder / "words_plugin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: words-plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(_ENTRY_POINTS)
    return folder


@pytest.fixture
def words(plugin_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Installs the plugin; the list of what its encoders encoded during the test."""
    monkeypatch.syspath_prepend(str(plugin_folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    WordEncoder.encoded.clear()
    return WordEncoder.encoded


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sentence-transformers folder: BERT of 1 layer with random weights, mean pooling, 128 tokens."""
    return _bert(tmp_path_factory.getbasetemp() / "bert")


@cache
def _bert(folder: Path) -> Path:
    import json
    import string

    import torch
    from transformers import BertConfig, BertModel, BertTokenizer

    characters = string.ascii_letters + string.digits + string.punctuation
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *characters, *(f"##{c}" for c in characters), *_WORDS]
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    sizes |= {"intermediate_size": 64, "max_position_embeddings": 128}
    config = BertConfig(vocab_size=len(tokens), initializer_range=0.5, **sizes)
    BertModel(config).eval().save_pretrained(folder)
    BertTokenizer(vocab={token: index for index, token in enumerate(tokens)}).save_pretrained(folder)
    kinds = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}
    modules = [{"path": path, "type": f"sentence_transformers.models.{kind}"} for path, kind in kinds.items()]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 128, "do_lower_case": False}))
    (folder / "1_Pooling").mkdir()
    pooling = {"word_embedding_dimension": 32, "pooling_mode_mean_tokens": True}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    return folder


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("s3") / "requests.log") as server:
        yield server


@pytest.fixture
def bucket(s3: S3Server) -> str:
    """An empty bucket of this test's own."""
    name = f"bucket-{uuid.uuid4().hex}"
    s3.client().create_bucket(Bucket=name)
    return name


@pytest.fixture
def unprivileged() -> Iterator[Path]:
    """A folder, and rights that are those of its owner alone: root may enter every folder."""
    for name in ("lance", "lancedb", "symtable"):  # who has no rights may not enter the folder that they are in
        importlib.import_module(name)
    folder = Path(tempfile.mkdtemp(prefix="unprivileged-"))
    as_root = os.geteuid() == 0
    if as_root:
        os.chown(folder, _NOBODY, _NOBODY)
        os.setegid(_NOBODY)
        os.seteuid(_NOBODY)
    try:
        yield folder
    finally:
        if as_root:
            os.seteuid(0)
            os.setegid(0)
        for path in folder.rglob("*"):
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o700)
        shutil.rmtree(folder, ignore_errors=True)


def note(number: int, *, length: int = 8) -> str:
    """A sentence of its own for every number."""
    return f"note {number} " + " ".join(random.Random(number).choices(_WORDS, k=length)) + "."


def write_notes(folder: Path, count: int, *, length: int = 8) -> Path:
    """note-000.txt and so on, one sentence each."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        (folder / f"note-{number:03d}.txt").write_text(note(number, length=length))
    return folder


def refusal(steps: Steps) -> str:
    """What the blocking checks say as the pipeline runs."""
    with pytest.raises(PromotionError) as raised:
        run_all(steps)
    return str(raised.value)


def touch(file: Path, *, seconds: float = 10.0) -> None:
    """Another modification time, so that a listing shows a file as touched whatever the clock's grain."""
    at = file.stat().st_mtime + seconds
    os.utime(file, (at, at))


def rewrite(file: Path, content: str | bytes) -> None:
    """Other content at another time."""
    before = file.stat().st_mtime
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    os.utime(file, (before + 10, before + 10))


def picture(seed: int, *, side: int = 32) -> bytes:
    """A PNG of coarse coloured squares."""
    import io

    from PIL import Image

    colours = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(colours).resize((side, side), Image.Resampling.NEAREST).save(stream, format="PNG")
    return stream.getvalue()


def settings(folder: Path, **changes: Any) -> PipelineSettings:
    """A pipeline over <folder>/notes with the encoder "words", in the store <folder>/store."""
    values = {
        "store": str(folder / "store"),
        "sources": {"notes": {"uri": str(folder / "notes")}},
        "encoders": {"words": {"model": "words"}},
        "compute": {"device": "cpu", "offline": True},
        "shards": 4,
    }
    return make_settings(values | changes)


def pipeline(folder: Path, **changes: Any) -> Steps:
    return Steps(settings(folder, **changes))


def refresh_and_embed(steps: Steps, encoder: str = "words", **wanted: Any) -> Any:
    """The embed job of one encoder: its report."""
    for source in steps.settings.sources_of(encoder):
        steps.refresh(source)
    return steps.embed(steps.resolve(encoder).record, **wanted)


def run_all(steps: Steps) -> None:
    """Everything, for every encoder, up to the pointer."""
    for encoder in steps.settings.encoders:
        refresh_and_embed(steps, encoder)
        record = steps.resolve(encoder).record
        steps.index(record)
        steps.check(record)
        steps.promote(record, by="test")


def table_versions(store: Store) -> dict[str, int]:
    return {name: store.open(name).version for name in sorted(store.table_names())}


def rows_by_key(steps: Steps, encoder: str = "words") -> dict[str, dict[str, Any]]:
    """The vector table's rows; of an item with several segments the last."""
    return {row["key"]: row for row in all_rows(steps, encoder)}


def all_rows(steps: Steps, encoder: str = "words") -> list[dict[str, Any]]:
    table = steps.vectors(steps.resolve(encoder).record).open()
    return [] if table is None else sorted(table.to_arrow().to_pylist(), key=lambda row: row["segment_id"])


def vector_table(store: Store, vectors: np.ndarray, *, dtype: str = "float32", **columns: Sequence[Any]) -> VectorTable:
    """A vector table "words__v1" of one-segment items; `columns` replace what is made up."""
    made = store.vectors(VersionId("words", "v1"))
    schema = vector_schema(VersionId("words", "v1"), dim=vectors.shape[1], dtype=dtype, distance="cosine")
    made.create(schema)
    made.replace_items(vector_rows(schema, vectors, **columns), replaced=())
    return made


def vector_rows(schema: pa.Schema, vectors: np.ndarray, **columns: Sequence[Any]) -> pa.Table:
    """Rows of a vector table, item by item."""
    count = len(vectors)
    ids = [str(each) for each in columns.get("media_id", [f"m{number:05d}" for number in range(count)])]
    made: dict[str, Sequence[Any]] = {
        "segment_id": [f"{each}:chunk:0" for each in ids],
        "media_id": ids,
        "key": [f"{each}.txt" for each in ids],
        "uri": [f"/notes/{each}.txt" for each in ids],
        "content_hash": [f"{number:064x}" for number in range(count)],
        "segment_count": [1] * count,
        "labels": [[]] * count,
        "vector": list(vectors.astype(pa.array([], schema.field("vector").type.value_type).to_numpy().dtype)),
        **columns,
    }
    fixed = {"source": "notes", "shard": "s00", "modality": "text", "kind": "chunk", "encoder_version": "v1"}
    fixed |= {"media_hash": "h", "meta_hash": "m"}
    arrays = [
        pa.array(made.get(field.name, [fixed.get(field.name)] * count), type=field.type, from_pandas=False)
        for field in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)
