"""TorchFreeState: what an encoder is built of again beside its converted networks, where it needs no torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True, kw_only=True)
class TorchFreeState:
    """Values are what JSON can hold, arrays float32."""

    values: Mapping[str, Any]
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
