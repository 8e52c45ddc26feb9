"""Layout of a sentence-transformers folder: which modules it has and whether we can run them ourselves."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embed_assets.encoders.loading.check_files import read_config, read_modules
from embed_assets.encoders.parts.pooling import MODES
from embed_assets.errors import WeightsError

PLAIN_TEXT = {"text": {"method": "forward", "method_output_name": "last_hidden_state"}}
ACTIVATIONS = {
    "torch.nn.modules.activation.Tanh": "Tanh",
    "torch.nn.modules.linear.Identity": "Identity",
}
# Of encoder-decoders whose encoder alone is the model of texts; AutoModel would want the decoder's weights too.
ENCODER_CLASSES = {
    "t5": "T5EncoderModel",
    "mt5": "MT5EncoderModel",
    "umt5": "UMT5EncoderModel",
    "longt5": "LongT5EncoderModel",
}
STANDARD_KEYS = {
    "max_seq_length",
    "do_lower_case",
    "transformer_task",
    "modality_config",
    "module_output_name",
}


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The standard chain as a folder declares it."""

    modes: tuple[str, ...] = ("mean",)
    dense: tuple[tuple[Path, str], ...] = ()  # folder and activation of each Dense module
    normalize: bool = False
    max_length: int | None = None
    lower_case: bool = False
    model_class: str = "AutoModel"  # of transformers
    transformer: Path


@dataclass(frozen=True, kw_only=True)
class Prompts:
    """The prompts that the folder declares, and how many numbers of a vector it keeps."""

    query: str = ""
    document: str = ""
    truncate_dim: int | None = None


def read_layout(folder: Path, pooling: str = "") -> Layout | None:
    """The folder's chain Transformer, Pooling, Dense…, Normalize; None if it is built otherwise.

    A plain transformer without modules.json is a chain with the given pooling, mean unless said. Raises
    WeightsError where it is an encoder-decoder of which no encoder is known.
    """
    if not (folder / "modules.json").is_file():
        model_class = _model_class(folder)
        if model_class is None:
            raise WeightsError(
                f"{folder} is an encoder-decoder, of which only a modules.json says how to pool. Add one."
            )
        return Layout(modes=(pooling or "mean",), model_class=model_class, transformer=folder)
    modules = read_modules(folder)
    kinds = [_kind(module["type"]) for module in modules]
    tail = kinds[2:-1] if kinds[-1] == "Normalize" else kinds[2:]
    if kinds[:2] != ["Transformer", "Pooling"] or any(kind != "Dense" for kind in tail):
        return None
    paths = [folder / module["path"] for module in modules]
    options = read_config(paths[0] / "sentence_bert_config.json")
    pooled = read_config(paths[1] / "config.json")
    modes, model_class = _modes(pooled), _model_class(paths[0])
    dense = [_dense(path) for path, kind in zip(paths, kinds, strict=True) if kind == "Dense"]
    if modes is None or model_class is None or None in dense or not _plain(options):
        return None
    if not pooled.get("include_prompt", True):
        return None
    return Layout(
        modes=modes,
        dense=tuple(step for step in dense if step is not None),
        normalize=kinds[-1] == "Normalize",
        max_length=options.get("max_seq_length"),
        lower_case=bool(options.get("do_lower_case")),
        model_class=model_class,
        transformer=paths[0],
    )


def read_prompts(folder: Path) -> Prompts:
    """Prompts by the names that sentence-transformers looks for, else its default prompt."""
    content = read_config(folder / "config_sentence_transformers.json")
    named = {name: text for name, text in (content.get("prompts") or {}).items() if text}
    default = named.get(content.get("default_prompt_name"), "")
    document = next((named[name] for name in ("document", "passage", "corpus") if name in named), default)
    return Prompts(query=named.get("query", default), document=document, truncate_dim=content.get("truncate_dim"))


def _model_class(folder: Path) -> str | None:
    """The class of transformers that loads the folder; None for an encoder-decoder that is left to the library."""
    config = read_config(folder / "config.json")
    if (known := ENCODER_CLASSES.get(str(config.get("model_type")))) is not None:
        return known
    return None if config.get("is_encoder_decoder") else "AutoModel"


def _kind(module_type: str) -> str:
    if not module_type.startswith("sentence_transformers."):
        raise WeightsError(
            f"modules.json names {module_type}, which is code of the model's own; it is not run. "
            "Write an encoder family for it, or choose a model of the library's own modules."
        )
    return module_type.rsplit(".", 1)[-1]


def _modes(config: dict[str, Any]) -> tuple[str, ...] | None:
    given = config.get("pooling_mode")
    if given is None:
        old = {
            "cls": "cls_token",
            "max": "max_tokens",
            "mean": "mean_tokens",
            "weightedmean": "weightedmean_tokens",
        }
        keys = {mode: f"pooling_mode_{old.get(mode, mode)}" for mode in MODES}
        given = [mode for mode in MODES if config.get(keys[mode])] or ["mean"]
    modes = (given,) if isinstance(given, str) else tuple(given)
    return modes if all(mode in MODES for mode in modes) else None


def _dense(folder: Path) -> tuple[Path, str] | None:
    config = read_config(folder / "config.json")
    names = {config.get("module_input_name"), config.get("module_output_name")} - {None}
    activation = ACTIVATIONS.get(config.get("activation_function", "torch.nn.modules.activation.Tanh"))
    if activation is None or config.get("use_residual") or names - {"sentence_embedding"}:
        return None
    return folder, activation


def _plain(options: dict[str, Any]) -> bool:
    if any(value for key, value in options.items() if key not in STANDARD_KEYS):
        return False
    return (
        options.get("transformer_task", "feature-extraction") == "feature-extraction"
        and options.get("modality_config", PLAIN_TEXT) == PLAIN_TEXT
        and options.get("module_output_name", "token_embeddings") == "token_embeddings"
    )
