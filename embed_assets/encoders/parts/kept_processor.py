"""KeptProcessor: a processor of transformers, made of its settings when it is needed: importing it takes 5 s."""

import json
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from embed_assets.encoders.parts.numpy_image_processor import NumpyImageProcessor
from embed_assets.errors import WeightsError

_FEW = 16_000_000  # pixels of a process's pictures that numpy resizes, in a second: transformers is faster with more


class KeptProcessor:
    """A processor that is loaded, or what one is made of again."""

    def __init__(self, loaded: Any = None, *, state: Mapping[str, Any] | None = None) -> None:
        self._loaded = loaded
        self._state = state
        self._lock = threading.Lock()
        self._numpy = NumpyImageProcessor(state["settings"]) if state and state.get("numpy") else None
        self._left = _FEW

    def get(self) -> Any:
        """Return the processor; threads that want it first wait for one of them to make it."""
        with self._lock:
            if self._loaded is None and self._state is not None:
                self._loaded = _made(self._state)
            return self._loaded

    def pixels(self, picture: Any) -> np.ndarray:
        """Return the pixels of an RGB picture, float32 (3, height, width); of the first ones without transformers."""
        if self._numpy is not None and self._loaded is None and self._left > 0:
            self._left -= picture.width * picture.height
            with suppress(ValueError):
                return self._numpy(picture)
        return self.get()(images=picture, return_tensors="pt")["pixel_values"][0].numpy()

    def state(self) -> dict[str, Any] | None:
        """Return class and settings as values that JSON can hold; None where they make another processor."""
        processor = self.get()
        state = {"class": type(processor).__name__, "settings": json.loads(processor.to_json_string())}
        state["numpy"] = NumpyImageProcessor.equal_to(processor, state["settings"]) is not None
        try:
            return state if _made(state).to_dict() == processor.to_dict() else None
        except (AttributeError, TypeError, ValueError, WeightsError):  # of a class of a folder's own
            return None


def _made(state: Mapping[str, Any]) -> Any:
    import transformers

    kind = getattr(transformers, state["class"], None)
    if kind is None:
        raise WeightsError(f"transformers has no {state['class']} any more. Install the version that it had.")
    return kind.from_dict(dict(state["settings"]))
