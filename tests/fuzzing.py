"""How many made-up inputs a fuzzed test is given: 200, the same each time; FUZZ_EXAMPLES=5000 draws others."""

import os
from typing import Any

from hypothesis import HealthCheck, settings


def fuzzed(examples: int = 200) -> Any:
    """Settings of a fuzzed test."""
    asked = os.environ.get("FUZZ_EXAMPLES")
    return settings(
        max_examples=int(asked) * examples // 200 if asked else examples,
        derandomize=asked is None,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        print_blob=False,
    )
