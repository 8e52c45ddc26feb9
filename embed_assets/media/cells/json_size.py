"""too_many_values: JSON that would take far more memory than its text, detected before parsing."""

import re

_VALUES = 500_000  # of one row; each takes up to some hundred bytes of memory
_MARKS = re.compile(r'[",\[{]|\\.')  # an escaped character is none of them


def too_many_values(text: str) -> bool:
    """Return whether JSON has more values than a row may have; marks inside strings are not counted."""
    if text.count(",") + text.count("[") + text.count("{") <= _VALUES:
        return False
    count, inside = 0, False
    for match in _MARKS.finditer(text):
        mark = match[0]
        inside ^= mark == '"'
        count += not inside and mark in ",[{"
        if count > _VALUES:
            return True
    return False
