"""Checkpoints: a transformers model from safetensors, refused if anything it needs is missing."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from embed_assets.encoders.loading.check_files import check_config, check_tokenizer_files, check_vocabulary
from embed_assets.encoders.loading.device import torch_dtype
from embed_assets.errors import WeightsError


def load_model(model_class: Any, folder: Path, *, dtype: str, unused: tuple[str, ...] = ()) -> Any:
    """Load a model in eval mode, in `dtype` whatever the checkpoint stores.

    transformers fills what a checkpoint lacks with RANDOM numbers and only logs it; here that is an
    error, except for the tensors under the `unused` prefixes, which no vector is read from.
    """
    check_config(folder)
    try:
        with quiet():
            model, info = model_class.from_pretrained(
                str(folder),
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=True,
                dtype=torch_dtype(dtype),
                output_loading_info=True,
            )
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise WeightsError(f"{folder} can't be loaded: {reason}") from error
    missing = sorted(key for key in info["missing_keys"] if not key.startswith(unused or ("\0",)))
    if missing:
        raise WeightsError(
            f"{folder} lacks {len(missing)} tensors of {type(model).__name__} ({', '.join(missing[:3])}…); "
            "they would be random. Download the model again, or use the class that it was saved from."
        )
    return model.eval()


def load_tokenizer(folder: Path) -> Any:
    """Load the tokenizer saved with a model, without running code from the folder."""
    from transformers import AutoTokenizer

    check_tokenizer_files(folder)
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False, local_files_only=True)
    except ImportError:
        raise
    except Exception as error:  # the parsers of tokenizers raise plain Exception, among others
        detail = " ".join(str(error).split())
        raise WeightsError(f"{folder} has no tokenizer that can be loaded: {detail}") from error
    check_vocabulary(len(tokenizer), folder)
    return tokenizer


@contextmanager
def quiet() -> Iterator[None]:
    """Keep progress bars of transformers, and its report of tensors, out of a run's log; restore both."""
    from transformers.utils import logging

    shown, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if shown:
            logging.enable_progress_bar()
