"""Models of sentence-transformers that are not the standard chain, run by the library itself."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embed_assets.encoders.loading.check_files import check_tokenizer_files, check_vocabulary, read_modules
from embed_assets.encoders.loading.checkpoint import load_model, quiet
from embed_assets.encoders.loading.device import torch_dtype
from embed_assets.encoders.loading.find_weights import PICKLES
from embed_assets.encoders.loading.identity import hash_tokenizer
from embed_assets.encoders.parts.tokens import BatchTokenizer, text_limit
from embed_assets.errors import WeightsError, in_one_line

if TYPE_CHECKING:
    from torch import Tensor


class Library:
    """A `SentenceTransformer` behind the same few methods as the chain; its items are (prompt, text)."""

    def __init__(self, folder: Path, *, max_length: int | None, device: str, dtype: str) -> None:
        from sentence_transformers import SentenceTransformer  # 1 to 2 s more than transformers alone

        _check_files(folder)
        try:
            with quiet():
                self.model = SentenceTransformer(
                    str(folder),
                    device=device,
                    trust_remote_code=False,
                    local_files_only=True,
                    model_kwargs={"use_safetensors": True, "dtype": torch_dtype(dtype)},
                )
        except (OSError, ValueError, RuntimeError, ImportError) as error:
            raise WeightsError(f"{folder} can't be loaded: {in_one_line(error)}") from error
        self.model.eval()
        self.model.truncate_dim = None  # the encoder truncates, and normalises after it
        self._check_complete(folder, dtype)
        transformer = getattr(self.model[0], "auto_model", None)
        self.config = transformer.config.to_dict() if transformer is not None else {}
        self.tokenizer = self._tokenizer(folder / read_modules(folder)[0]["path"], max_length)
        self.steps = [_step(module) for module in self._modules()[1:]]
        if transformer is None:
            self.steps.insert(0, _step(self.model[0]))

    def encode(self, batch: Sequence[tuple[str, str]]) -> "Tensor":
        """Vectors of one batch; the prompt goes separately, as some models do not pool over it."""
        import torch

        vectors: dict[int, Tensor] = {}
        for prompt in {prompt for prompt, _ in batch}:
            rows = [row for row, item in enumerate(batch) if item[0] == prompt]
            texts = [batch[row][1] for row in rows]
            found = self.model.encode(
                texts, prompt=prompt, batch_size=len(texts), convert_to_tensor=True, show_progress_bar=False
            )
            vectors |= dict(zip(rows, found.float(), strict=True))
        return torch.stack([vectors[row] for row in range(len(batch))])

    def tensors(self) -> "Iterator[tuple[str, Tensor]]":
        """What was loaded, under the names that the chain gives."""
        for index, module in enumerate(self._modules()):
            state = getattr(module, "auto_model", module).state_dict()
            for name, tensor in state.items():
                if not name.startswith("pooler."):
                    yield f"{index}.{name}", tensor

    def tokenizer_identity(self) -> str:
        """Hash of what turns a text into ids."""
        if self.tokenizer is not None:
            return self.tokenizer.identity()
        tokenizer: Any = getattr(self.model[0], "tokenizer", None)
        if hasattr(tokenizer, "to_str"):
            return hash_tokenizer(tokenizer.to_str())
        raise WeightsError(f"{type(self.model[0]).__name__}: its tokenizer can't be told apart from another.")

    def _modules(self) -> list[Any]:
        return list(self.model.children())

    def _tokenizer(self, folder: Path, max_length: int | None) -> BatchTokenizer | None:
        first: Any = self.model[0]
        tokenizer: Any = getattr(first, "tokenizer", None)
        if getattr(tokenizer, "backend_tokenizer", None) is None or not hasattr(first, "auto_model"):
            return None
        check_vocabulary(len(tokenizer), folder)
        limit = text_limit(tokenizer, first.auto_model.config, self.model.max_seq_length, max_length)
        if limit is not None:
            self.model.max_seq_length = limit
        return BatchTokenizer(tokenizer, limit=limit)

    def _check_complete(self, folder: Path, dtype: str) -> None:
        """Load again what the library loads without a word about random tensors; rare models, once."""
        parts = read_modules(folder)
        for part, module in zip(parts, self._modules(), strict=True):
            place = folder / part["path"]
            if hasattr(module, "auto_model"):
                load_model(type(module.auto_model), place, dtype=dtype, unused=("pooler.",))
            elif module.state_dict() and (place / "model.safetensors").is_file():
                _check_keys(place / "model.safetensors", set(module.state_dict()))


def _check_keys(file: Path, needed: set[str]) -> None:
    from safetensors import safe_open

    with safe_open(file, framework="pt") as stored:
        missing = sorted(needed - set(stored.keys()))
    if missing:
        raise WeightsError(f"{file} lacks {', '.join(missing[:3])}; they would be random. Download it again.")


def _check_files(folder: Path) -> None:
    """What a module loads is named: safetensors of another name beside a pickle are not read."""
    for module in read_modules(folder):
        place = folder / module["path"]
        stored = any((place / name).is_file() for name in ("model.safetensors", "model.safetensors.index.json"))
        if not stored and any(True for pattern in PICKLES for _ in place.glob(pattern)):
            raise WeightsError(f"{place} has only pickled weights (.bin); only safetensors are loaded.")
        if module["type"].endswith(".Transformer"):
            check_tokenizer_files(place)


def _step(module: Any) -> Any:
    """The module as the chain describes it where it is one of the chain's, else with its whole config."""
    kind = type(module).__name__
    config = module.get_config_dict() if hasattr(module, "get_config_dict") else {}
    if kind == "Normalize":
        return ["normalize"]
    if kind == "Pooling" and config.get("include_prompt", True):
        modes = config["pooling_mode"]
        return ["pooling", [modes] if isinstance(modes, str) else list(modes)]
    if kind == "Dense" and not config.get("use_residual") and config.get("module_input_name") == "sentence_embedding":
        return ["dense", config["activation_function"].rsplit(".", 1)[-1]]
    return [kind, config]
