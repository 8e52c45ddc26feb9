"""too_many_values: JSON that would take more memory than its text, told before it is parsed."""

import re

_VALUES = 500_000  # of one row; each takes up to some hundred bytes of memory
_MARKS = re.compile(r'[",\[{]|\\.')  # an escaped character is none of them


def too_many_values(text: str) -> bool:
    """Whether JSON has more values than one row may; of a long one what its texts hold is not counted."""
    if text.count(",") + text.count("[") + text.count("{") <= _VALUES:
        return False
    count, inside = 0, False
    for found in _MARKS.finditer(text):
        mark = found[0]
        inside ^= mark == '"'
        count += not inside and mark in ",[{"
        if count > _VALUES:
            return True
    return False
