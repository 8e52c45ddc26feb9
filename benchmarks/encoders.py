"""Each encoder of the catalog in numbers: its size, its work per item, its speed bare and in the pipeline.

    python benchmarks/encoders.py [NAMES…] [--items N] [--rounds R] [--large] [--json]

A model is built from its config at its true architecture with random weights, since the speed does not
depend on their values, and saved in a temporary folder as its publisher lays it out. What runs is the
catalog's own declaration with that folder as its model. Then encode.py's measurement: the pipeline from
files to committed rows, and the bare model on the same prepared batches, in turn.

- dim: length of a vector. parameters: of all that is loaded, text towers included, decoders not.
- GFLOPs: of the matrix products, convolutions and attention of one encode of one prepared segment, the one
  of median cost; a multiplication and an addition are two. Work outside torch (pixels, mel) is not seen.
- items/s: files a second, `bare` and `pipeline`; ratio: pipeline over bare.
- read (decoding and preparing, two threads), encode and write: seconds over the pipeline's wall time.

Tokenizers are small ones made here: words of the texts themselves are a token each, so that a text has
slightly fewer tokens than with the published vocabulary. Encoders of a server are skipped by name, large
ones need --large. One that fails shows its error in its row.
"""

import argparse
import gc
import json
import os
import re
import shutil
import statistics
import string
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from encode import Round, machine, measure, save_resnet, settings_of
from shared_data import DATA, SCIFACT, abstracts, pictures

from embed_assets.demo.run import write_media
from embed_assets.encoders import registry
from embed_assets.encoders.base import Encoder, Prepared
from embed_assets.encoders.catalog import builtin_specs
from embed_assets.encoders.spec import EncoderSpec
from embed_assets.load_settings import make_settings
from embed_assets.pipeline.steps import Steps
from embed_assets.versions import load_version as loading

ITEMS = {"text": 16, "image": 32, "audio": 8, "video": 8}
SUFFIXES = {
    "text": (".txt", ".md"),
    "image": (".jpg", ".png", ".webp"),
    "audio": (".wav", ".ogg", ".flac", ".mp3"),
    "video": (".mp4", ".mkv", ".webm"),
}
LARGE = ("bge-m3", "siglip2-base", "whisper-medium", "whisper-large-v3", "perceiver", "vjepa2")
WORDS = 20_000  # of the tokenizers' vocabulary
SYMBOLS = string.ascii_letters + string.digits + string.punctuation

Build = Callable[[Path], Path]


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """Media to take items from, by modality, and the words of the texts, most frequent first."""

    files: Mapping[str, Sequence[Path]]
    words: Sequence[str]

    @classmethod
    def gather(cls, home: Path) -> "Inputs":
        """Real data where it is there, else the demo's corpus, written below `home`."""
        folders = {"audio": DATA / "audio_esc10_fold1", "video": DATA / "video_intel" / "asl_gestures"}
        files = {kind: _files(folder, kind) for kind, folder in folders.items()}
        files |= {"image": pictures(), "text": []}
        if (SCIFACT / "corpus.jsonl").exists():
            (home / "texts").mkdir(parents=True)
            for name, text in list(abstracts().items())[:2000]:
                (home / "texts" / f"{name}.txt").write_text(text, encoding="utf-8")
            files["text"] = _files(home / "texts", "text")
        if not all(files.values()):
            write_media(home / "demo")
            files = {kind: found or _files(home / "demo", kind) for kind, found in files.items()}
        texts = " ".join(file.read_text(encoding="utf-8").lower() for file in files["text"])
        counts = Counter(re.findall(r"[a-z]{2,}", texts))
        return cls(files=files, words=[word for word, _ in counts.most_common(WORDS)])

    def put(self, kind: str, count: int, folder: Path) -> None:
        """Copy `count` files, spread over all that there are."""
        found = self.files[kind]
        folder.mkdir()
        for place in np.unique(np.linspace(0, len(found) - 1, min(count, len(found))).astype(int)):
            shutil.copyfile(found[place], folder / f"{place:04}{found[place].suffix}")


def _files(folder: Path, kind: str) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.suffix in SUFFIXES[kind])


class Models:
    """The builders of all models, by the encoder's name."""

    def __init__(self, words: Sequence[str]) -> None:
        self.words = words

    def build(self, spec: EncoderSpec, folder: Path) -> str:
        """Return the declaration's `model`; a builtin one stays as it is."""
        if spec.model.startswith("builtin/"):
            return spec.model
        folder.mkdir()
        return str(self.builders()[spec.name](folder))

    def builders(self) -> dict[str, Build]:
        """Each encoder's function: an empty folder → the model's folder or file in it."""
        whisper = {
            "whisper-tiny": (384, 4, 6, 80),
            "whisper-base": (512, 6, 8, 80),
            "whisper-small": (768, 12, 12, 80),
            "whisper-medium": (1024, 24, 16, 80),
            "whisper-large-v3": (1280, 32, 20, 128),
        }
        return {
            "minilm": self._minilm,
            "mpnet": self._mpnet,
            "bert-base": self._bert_base,
            "e5-small": self._e5_small,
            "bge-m3": self._bge_m3,
            "nomic-v1.5": self._nomic,
            "clip-vit-b32": _clip,
            "clip-frames": _clip,
            "siglip-base": lambda folder: _siglip(folder, vocab=32_000),
            "siglip2-base": lambda folder: _siglip(folder, vocab=256_000),
            **{name: lambda folder, name=name: _vision(folder, name) for name in VISION},
            "resnet50": _resnet,
            "mel-resnet50": _resnet,
            "vgg16": lambda folder: _cnn(folder, "vgg16"),
            "inception-v3": lambda folder: _cnn(folder, "inception_v3"),
            "mobilenet-v2": lambda folder: _cnn(folder, "mobilenet_v2"),
            "squeezenet1-1": lambda folder: _cnn(folder, "squeezenet1_1"),
            **{name: lambda folder, sizes=sizes: _whisper(folder, *sizes) for name, sizes in whisper.items()},
            "ast": _ast,
            "clap": _clap,
            "perceiver": _perceiver,
            "videomae": _videomae,
            "vjepa2": _vjepa2,
        }

    def _minilm(self, folder: Path) -> Path:
        from transformers import BertConfig

        sizes: dict[str, Any] = {"hidden_size": 384, "num_hidden_layers": 6, "intermediate_size": 1536}
        _save(BertConfig(**sizes), folder, self._word_pieces(256))
        return _sentence(folder, width=384, limit=256)

    def _mpnet(self, folder: Path) -> Path:
        from transformers import MPNetConfig, MPNetTokenizer

        vocab = self._vocabulary()
        ids: dict[str, Any] = {f"{name}_token_id": vocab[f"<{tag}>"] for name, tag in (("pad", "pad"), ("bos", "s"))}
        config = MPNetConfig(max_position_embeddings=514, eos_token_id=vocab["</s>"], **ids)
        _save(config, folder, MPNetTokenizer(vocab=vocab, model_max_length=384))
        return _sentence(folder, width=768, limit=384)

    def _bert_base(self, folder: Path) -> Path:
        from transformers import BertConfig

        return _save(BertConfig(), folder, self._word_pieces(512))

    def _e5_small(self, folder: Path) -> Path:
        from transformers import BertConfig

        sizes: dict[str, Any] = {"hidden_size": 384, "num_attention_heads": 12, "intermediate_size": 1536}
        _save(BertConfig(vocab_size=250_037, pad_token_id=1, **sizes), folder, self._unigrams(512))
        return _sentence(folder, width=384, limit=512)

    def _bge_m3(self, folder: Path) -> Path:
        from transformers import XLMRobertaConfig

        sizes: dict[str, Any] = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16}
        config = XLMRobertaConfig(
            vocab_size=250_002, intermediate_size=4096, max_position_embeddings=8194, type_vocab_size=1, **sizes
        )
        return _save(config, folder, self._unigrams(8192))

    def _nomic(self, folder: Path) -> Path:
        from transformers import NomicBertConfig

        _save(NomicBertConfig(), folder, self._word_pieces(2048))
        return _sentence(folder, width=768, limit=2048)

    def _vocabulary(self) -> dict[str, int]:
        tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "<s>", "<pad>", "</s>", "<unk>", "<mask>"]
        tokens += [*SYMBOLS, *(f"##{symbol}" for symbol in SYMBOLS), *self.words]
        return {token: index for index, token in enumerate(tokens)}

    def _word_pieces(self, limit: int) -> Any:
        from transformers import BertTokenizer

        return BertTokenizer(vocab=self._vocabulary(), model_max_length=limit)

    def _unigrams(self, limit: int) -> Any:
        """Make a tokenizer of XLM-RoBERTa's kind; a word as a whole is likelier than any two of its letters."""
        from transformers import XLMRobertaTokenizer

        specials = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
        pieces = [("▁", -6.0), *((symbol, -8.0) for symbol in SYMBOLS), *((f"▁{word}", -9.0) for word in self.words)]
        return XLMRobertaTokenizer(vocab=[*specials, *pieces, ("<mask>", 0.0)], model_max_length=limit)


VISION = ("resnet50-hf", "vit-base", "dinov2-base", "dinov3-vits16")


def _save(config: Any, folder: Path, *parts: Any) -> Path:
    from transformers import AutoModel

    return _saved(AutoModel.from_config(config), folder, *parts)


def _saved(model: Any, folder: Path, *parts: Any) -> Path:
    for part in (model, *parts):
        part.save_pretrained(folder)
    return folder


def _sentence(folder: Path, *, width: int, limit: int) -> Path:
    """Write the files of sentence-transformers around a model whose tokens are averaged."""
    kinds = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
    modules = [
        {"idx": index, "name": str(index), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for index, (path, kind) in enumerate(kinds)
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": limit, "do_lower_case": False}))
    modes = {f"pooling_mode_{mode}": mode == "mean_tokens" for mode in ("cls_token", "mean_tokens", "max_tokens")}
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"word_embedding_dimension": width} | modes))
    return folder


def _letters() -> dict[str, int]:
    """Byte pairs that are never merged; each may end a word."""
    from tokenizers import pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [*alphabet, *(f"{letter}</w>" for letter in alphabet)]
    return {token: index for index, token in enumerate(tokens)}


def _filled(vocab: dict[str, int], size: int) -> dict[str, int]:
    """Add entries that no text has, up to the model's number: with fewer a tokenizer is refused as another model's."""
    return vocab | {f"<unused{index}>": index for index in range(len(vocab), size)}


def _clip(folder: Path) -> Path:
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor, CLIPTokenizer

    vocab = _filled(_letters(), 49_406)
    start, end = len(vocab), len(vocab) + 1
    vocab |= {"<|startoftext|>": start, "<|endoftext|>": end}
    tokenizer = CLIPTokenizer(vocab=vocab, merges=[], model_max_length=77)
    text = {"bos_token_id": start, "eos_token_id": end, "pad_token_id": end}
    processor = CLIPProcessor(image_processor=CLIPImageProcessor(), tokenizer=tokenizer)
    return _saved(CLIPModel(CLIPConfig(text_config=text)), folder, processor)


def _siglip(folder: Path, *, vocab: int) -> Path:
    """With Gemma's kind of tokenizer for both; only queries are texts, and none is timed."""
    from transformers import GemmaTokenizer, SiglipConfig, SiglipImageProcessor

    specials = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
    pieces = [*(f"<0x{byte:02X}>" for byte in range(256)), "▁", *map(chr, range(33, 127))]
    tokens = _filled({piece: index for index, piece in enumerate([*specials, *pieces])}, vocab)
    wanted: dict[str, Any] = {"add_bos_token": False, "add_eos_token": True, "padding_side": "right"}
    tokenizer = GemmaTokenizer(vocab=tokens, merges=[], model_max_length=64, **wanted)
    ids = {"bos_token_id": 2, "eos_token_id": 1, "pad_token_id": 0}
    config = SiglipConfig(text_config=ids | {"vocab_size": vocab}, vision_config={"image_size": 224, "patch_size": 16})
    return _save(config, folder, tokenizer, SiglipImageProcessor(size={"height": 224, "width": 224}))


def _vision(folder: Path, name: str) -> Path:
    import transformers as t

    crop = {"height": 224, "width": 224}
    config, processor = {
        "resnet50-hf": lambda: (
            t.ResNetConfig(),
            t.ConvNextImageProcessor(size={"shortest_edge": 224}, crop_pct=0.875),
        ),
        "vit-base": lambda: (t.ViTConfig(), t.ViTImageProcessor()),
        "dinov2-base": lambda: (
            t.Dinov2Config(image_size=518, patch_size=14),
            t.BitImageProcessor(size={"shortest_edge": 256}, crop_size=crop),
        ),
        "dinov3-vits16": lambda: (t.DINOv3ViTConfig(num_register_tokens=4), t.DINOv3ViTImageProcessor()),
    }[name]()
    return _save(config, folder, processor)


def _resnet(folder: Path) -> Path:
    save_resnet(folder / "resnet50.safetensors")
    return folder / "resnet50.safetensors"


def _cnn(folder: Path, architecture: str) -> Path:
    import torchvision
    from safetensors.torch import save_file

    quick = {"init_weights": False} if architecture in ("vgg16", "inception_v3") else {}
    model = torchvision.models.get_model(architecture, weights=None, **quick)
    save_file(model.state_dict(), folder / f"{architecture}.safetensors")
    return folder / f"{architecture}.safetensors"


def _whisper(folder: Path, width: int, layers: int, heads: int, bands: int) -> Path:
    """Make the true encoder; of the decoder, which is never loaded, as little as can be."""
    from transformers import WhisperConfig, WhisperFeatureExtractor

    config = WhisperConfig(
        d_model=width,
        encoder_layers=layers,
        encoder_attention_heads=heads,
        encoder_ffn_dim=4 * width,
        num_mel_bins=bands,
        decoder_layers=1,
        decoder_attention_heads=heads,
        decoder_ffn_dim=64,
    )
    return _save(config, folder, WhisperFeatureExtractor(feature_size=bands))


def _ast(folder: Path) -> Path:
    from transformers import ASTConfig, ASTFeatureExtractor

    return _save(ASTConfig(), folder, ASTFeatureExtractor())


def _clap(folder: Path) -> Path:
    from transformers import ClapConfig, ClapFeatureExtractor, ClapModel, RobertaTokenizer

    tokens = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *_letters()]
    vocab = _filled({token: index for index, token in enumerate(tokens)}, 50_265)
    tokenizer = RobertaTokenizer(vocab=vocab, merges=[])
    extractor = ClapFeatureExtractor(truncation="rand_trunc", max_length_s=10)
    return _saved(ClapModel(ClapConfig()), folder, tokenizer, extractor)


def _perceiver(folder: Path) -> Path:
    from transformers import PerceiverConfig, PerceiverForMultimodalAutoencoding

    facts: dict[str, Any] = {
        "num_latents": 784,
        "d_latents": 512,
        "d_model": 704,
        "num_blocks": 1,
        "num_self_attends_per_block": 8,
        "num_self_attention_heads": 8,
        "num_cross_attention_heads": 1,
        "num_frames": 16,
        "audio_samples_per_frame": 1920,
        "samples_per_patch": 16,
        "image_size": 224,
        "num_labels": 700,
        "output_shape": [1, 16, 224, 224],
        "output_num_channels": 512,
        "_label_trainable_num_channels": 1024,
    }
    return _saved(PerceiverForMultimodalAutoencoding(PerceiverConfig(**facts)), folder)


def _videomae(folder: Path) -> Path:
    from transformers import VideoMAEConfig, VideoMAEImageProcessor

    return _save(VideoMAEConfig(), folder, VideoMAEImageProcessor())


def _vjepa2(folder: Path) -> Path:
    """Make the true encoder; of the predictor, which is never loaded, as little as can be."""
    from transformers import VJEPA2Config, VJEPA2VideoProcessor

    little: dict[str, Any] = {"pred_hidden_size": 24, "pred_num_attention_heads": 2, "pred_num_hidden_layers": 1}
    return _save(VJEPA2Config(**little), folder, VJEPA2VideoProcessor())


def parameters(encoder: Encoder) -> int:
    """Numbers in all networks that the encoder holds, each once."""
    found = {id(p): p.numel() for network in _networks(encoder) for p in network.parameters()}
    return sum(found.values())


def _networks(held: Any) -> Iterator[Any]:
    from torch.nn import Module

    if isinstance(held, Module):
        yield held
    elif isinstance(held, (list, tuple)):
        for part in held:
            yield from _networks(part)
    elif type(held).__module__.startswith("embed_assets."):
        for part in getattr(held, "__dict__", {}).values():
            yield from _networks(part)


def flops(encoder: Encoder, item: Prepared) -> int:
    """Of one encode of one prepared segment, as torch counts them."""
    from torch.utils.flop_counter import FlopCounterMode

    for network in _networks(encoder):
        network.requires_grad_(False)  # the counter asks a parameter that is an input for its place in a graph
    with FlopCounterMode(display=False) as counter:
        encoder.encode([item])
    return int(counter.get_total_flops())


def row_of(spec: EncoderSpec, inputs: Inputs, *, count: int | None, rounds: int) -> dict[str, Any]:
    """One encoder's figures, or its error; nothing of it stays, on disk or in memory."""
    kind = spec.media[0]
    row: dict[str, Any] = {"encoder": spec.name, "media": kind}
    with tempfile.TemporaryDirectory() as name, mock.patch.dict(os.environ, XDG_CACHE_HOME=f"{name}/cache"):
        work = Path(name)
        try:
            inputs.put(kind, count or ITEMS[kind], work / "media")
            model = Models(inputs.words).build(spec, work / "model")
            declared = {**builtin_specs(), spec.name: replace(spec, model=model)}
            with mock.patch.object(registry, "builtin_specs", lambda: declared):
                settings = settings_of(work / "media", work / "store", spec.name, {"device": "cpu"})
                row |= _figures(settings, rounds=rounds)
        except Exception as error:
            row["error"] = f"{type(error).__name__}: {error}".replace(name, "…").partition("\n")[0]
        finally:
            loading.forget_models()  # models stay warm in the pipeline; here each leaves room for the next
            gc.collect()
    return row


def _figures(settings: dict[str, Any], *, rounds: int) -> dict[str, Any]:
    found, batches = measure(settings, rounds=rounds)
    steps = Steps(make_settings(settings))
    record = steps.resolve("encoder").record
    encoder = steps.encoder(record)
    segments = sorted((item for batch in batches for item in batch), key=lambda item: item.cost)
    return {
        "dim": record.dim,
        "parameters": parameters(encoder),
        "flops": flops(encoder, segments[len(segments) // 2]),
        "items": found[0].items,
        "segments": len(segments),
        "batches": len(batches),
        "bare_items_per_second": _median(each.items / each.bare_seconds for each in found),
        "pipeline_items_per_second": _median(each.items / each.pipeline.embed_seconds for each in found),
        "ratio": _median(each.ratio for each in found),
        **{f"{stage}_share": _share(found, stage) for stage in ("read", "encode", "write")},
    }


def _share(rounds: Sequence[Round], stage: str) -> float:
    seconds = f"{stage}_seconds"
    return _median(getattr(each.pipeline.report, seconds) / each.pipeline.embed_seconds for each in rounds)


def _median(values: Iterator[float]) -> float:
    return round(statistics.median(values), 3)


HEAD = (
    "| encoder | media | dim | parameters (M) | GFLOPs | items (segments) | bare items/s | pipeline items/s "
    "| ratio | read / encode / write |\n|---|---|---|---|---|---|---|---|---|---|"
)


def line(row: Mapping[str, Any]) -> str:
    """Format a row of the table in Markdown."""
    start = f"| {row['encoder']} | {row['media']} |"
    if why := row.get("error") or row.get("skipped"):
        return f"{start} {'error' if 'error' in row else 'not run'}: {why} | | | | | | | |"
    shares = " / ".join(f"{row[f'{stage}_share']:.2f}" for stage in ("read", "encode", "write"))
    several = f" ({row['segments']})" if row["segments"] != row["items"] else ""
    return (
        f"{start} {row['dim']} | {row['parameters'] / 1e6:.1f} | {row['flops'] / 1e9:.1f} | {row['items']}{several} "
        f"| {row['bare_items_per_second']:.2f} | {row['pipeline_items_per_second']:.2f} | {row['ratio']:.2f} "
        f"| {shares} |"
    )


def reason_to_skip(spec: EncoderSpec, wanted: argparse.Namespace) -> str | None:
    """Why an encoder is not run, if it is not."""
    if spec.family == "embeddings_api":
        return "on a server"
    if spec.name in LARGE and not wanted.large:
        return "large: --large"
    return None


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    names = list(builtin_specs())
    parser = argparse.ArgumentParser(description="Size, work and speed of the catalog's encoders, random weights.")
    parser.add_argument("names", nargs="*", metavar="NAMES", help="encoders of the catalog (default all)")
    parser.add_argument("--items", type=int, metavar="N", help=f"files of each modality (default {ITEMS})")
    parser.add_argument("--rounds", type=int, default=1, metavar="R", help="rounds of both sides (default 1)")
    parser.add_argument("--large", action="store_true", help=f"run {', '.join(LARGE)} too")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    wanted = parser.parse_args()
    if unknown := sorted(set(wanted.names) - set(names)):
        parser.error(f"no encoder of the catalog: {', '.join(unknown)}; there are {', '.join(names)}")
    return wanted


def main() -> int:
    """Measure what is asked for; 1 where an encoder failed."""
    from transformers.utils.logging import disable_progress_bar

    wanted = arguments()
    disable_progress_bar()
    found: list[dict[str, Any]] = []
    about = machine()
    if not wanted.json:
        print(", ".join(f"{key} {value}" for key, value in about.items()), HEAD, sep="\n\n", flush=True)
    with tempfile.TemporaryDirectory() as home:
        inputs = Inputs.gather(Path(home))
        for spec in builtin_specs().values():
            if wanted.names and spec.name not in wanted.names:
                continue
            if why := reason_to_skip(spec, wanted):
                found.append({"encoder": spec.name, "media": spec.media[0], "skipped": why})
            else:
                found.append(row_of(spec, inputs, count=wanted.items, rounds=wanted.rounds))
            if not wanted.json:
                print(line(found[-1]), flush=True)
    if wanted.json:
        print(json.dumps({"machine": about, "encoders": found}, indent=1))
    return int(any("error" in row for row in found))


if __name__ == "__main__":
    sys.exit(main())
