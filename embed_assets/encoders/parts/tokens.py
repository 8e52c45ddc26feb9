"""Tokens: a tokenizer that threads may share, and the padding of a batch of its encodings."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from embed_assets.encoders.loading.check_files import check_patterns
from embed_assets.encoders.loading.identity import canonical_hash
from embed_assets.errors import MediaError, WeightsError

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from torch import Tensor

Encoding = tuple[list[int], list[int]]  # token ids, type ids


class BatchTokenizer:
    """Private copy of a transformers tokenizer's backend, truncating at `limit` tokens.

    Calling the transformers tokenizer sets truncation and padding on a shared object, which fails
    under threads; `encode` here only reads.
    """

    fields: ClassVar[tuple[str, ...]] = ("limit", "side", "padding_side", "pad_id", "pad_type_id")  # of its state

    def __init__(self, tokenizer: Any, *, limit: int | None, specials: bool = True) -> None:
        if getattr(tokenizer, "backend_tokenizer", None) is None:
            raise WeightsError("The model's tokenizer has no fast version; save it with transformers 5 or newer.")
        self.limit = limit
        self.side = str(tokenizer.truncation_side)
        self.padding_side = str(tokenizer.padding_side)
        self.pad_id = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0
        self.pad_type_id = int(getattr(tokenizer, "pad_token_type_id", 0) or 0)
        self.names = tuple(tokenizer.model_input_names)
        self._serialised = _bare(tokenizer.backend_tokenizer.to_str())
        check_patterns(self._serialised, f"The tokenizer of {tokenizer.name_or_path or 'the model'}")
        self._prepare()

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> Self:
        """Build the tokenizer of a `state` again, without transformers."""
        tokenizer = cls.__new__(cls)
        for name in cls.fields:
            setattr(tokenizer, name, state[name])
        tokenizer.names = tuple(state["names"])
        tokenizer._serialised = state["serialised"]
        tokenizer._prepare()
        return tokenizer

    def state(self) -> dict[str, Any]:
        """Return what `restored` needs, as values that JSON can hold."""
        return {name: getattr(self, name) for name in self.fields} | {
            "names": list(self.names),
            "serialised": self._serialised,
        }

    def _prepare(self) -> None:
        self._truncating = self.bare()
        self.special_count = self._truncating.num_special_tokens_to_add(is_pair=False)
        if self.limit is not None:
            self._truncating.enable_truncation(max_length=self.limit, direction=self.side)

    def bare(self) -> "Tokenizer":
        """Return a new tokenizer with no truncation and no padding."""
        from tokenizers import Tokenizer

        return Tokenizer.from_str(self._serialised)

    def encode(self, text: str) -> Encoding:
        """Return ids with the special tokens, cut to the limit."""
        # The batch call lets other threads run meanwhile; `encode` holds the GIL, and the forward pass waits.
        encoding = self._truncating.encode_batch_fast([text])[0]
        if not encoding.ids:
            raise MediaError("no tokens", "the text is empty for this tokenizer")
        return encoding.ids, encoding.type_ids

    def count(self, text: str) -> int:
        """Count the tokens of a text without special tokens, not truncated."""
        return len(self.bare().encode(text, add_special_tokens=False).ids) if text else 0

    def room(self, prompt: str) -> int | None:
        """Count the tokens that a text may have beside the special tokens and a prompt."""
        if self.limit is None:
            return None
        return self.limit - self.special_count - self.count(prompt)

    def pad(self, batch: Sequence[Encoding]) -> "dict[str, Tensor]":
        """Return model inputs, padded to the longest of the batch on the tokenizer's side."""
        import torch

        return {name: torch.from_numpy(array) for name, array in self.pad_arrays(batch).items()}

    def pad_arrays(self, batch: Sequence[Encoding]) -> dict[str, np.ndarray]:
        """Return the same inputs as arrays of int64, (len(batch), longest)."""
        width = max(len(ids) for ids, _ in batch)
        shape = (len(batch), width)
        ids = np.full(shape, self.pad_id, dtype=np.int64)
        types = np.full(shape, self.pad_type_id, dtype=np.int64)
        mask = np.zeros(shape, dtype=np.int64)
        for row, (row_ids, row_types) in enumerate(batch):
            length = len(row_ids)
            span = slice(0, length) if self.padding_side == "right" else slice(width - length, width)
            ids[row, span] = row_ids
            types[row, span] = row_types
            mask[row, span] = 1
        inputs = {"input_ids": ids, "attention_mask": mask}
        return inputs | ({"token_type_ids": types} if "token_type_ids" in self.names else {})

    def identity(self) -> str:
        """Hash everything that turns a text into ids; the limit is a part of its own."""
        typed = "token_type_ids" in self.names
        return canonical_hash({"backend": json.loads(self._serialised), "types": typed, "cut": self.side})


def _bare(serialised: str) -> str:
    """Remove truncation and padding, which every call of transformers sets again."""
    content = json.loads(serialised)
    return json.dumps(content | {"truncation": None, "padding": None}, ensure_ascii=False)


def position_limit(config: Any) -> int | None:
    """Return the tokens that the model's position table has room for, or None if there is no table.

    RoBERTa's relatives count positions from their padding id on: 514 rows are room for 512 tokens.
    """
    size = getattr(config, "max_position_embeddings", None)
    if not isinstance(size, int) or size <= 0:  # XLNet has -1: no limit
        return None
    shifted = ("roberta", "camembert", "mpnet", "xlm-roberta", "longformer", "xmod", "data2vec-text")
    if any(word in str(config.model_type) for word in shifted):
        return size - (getattr(config, "pad_token_id", None) or 0) - 1
    return size


def text_limit(tokenizer: Any, config: Any, declared: int | None, spec_limit: int | None) -> int | None:
    """Return the least limit of a text's tokens: of the folder or tokenizer, the position table, the spec."""
    own = declared if declared is not None else tokenizer.model_max_length
    limits = [limit for limit in (own, position_limit(config), spec_limit) if limit is not None]
    limit = min(limits)
    return limit if limit < 10**9 else None  # tokenizers without a limit have 1e30


def lower_case(tokenizer: Any) -> None:
    """Lower-case before anything else, as sentence-transformers does for `do_lower_case`."""
    from tokenizers.normalizers import Lowercase, Sequence

    backend = tokenizer.backend_tokenizer
    if '"Lowercase"' not in backend.to_str() and '"lowercase":true' not in backend.to_str():
        backend.normalizer = Sequence([Lowercase(), *([backend.normalizer] if backend.normalizer else [])])
