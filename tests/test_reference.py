"""Pages of docs/ that are made from the code say what the code says."""

from tests.reference import pages


def test_reference_pages_are_as_the_code_makes_them() -> None:
    old = [path.name for path, text in pages().items() if not path.is_file() or path.read_text("utf-8") != text]
    assert not old, "run: python -m tests.reference"
