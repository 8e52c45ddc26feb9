import pytest

from embed_assets.media.pattern import compile_pattern


@pytest.mark.parametrize(
    ("pattern", "key", "matches"),
    [
        ("**/*", "a.txt", True),
        ("**/*", "x/y/a.txt", True),
        ("**/*.txt", "a.txt", True),
        ("**/*.txt", "x/y/a.txt", True),
        ("**/*.txt", "a.txt.gz", False),
        ("*.txt", "x/a.txt", False),
        ("x/**", "x/y/a.txt", True),
        ("x/**/a.txt", "x/a.txt", True),
        ("x/**/a.txt", "xy/a.txt", False),
        ("**", "x/a.txt", True),
        ("?.txt", "a.txt", True),
        ("?.txt", "ab.txt", False),
        ("[ab].txt", "b.txt", True),
        ("[!ab].txt", "b.txt", False),
        ("[!a]b.txt", "/b.txt", False),
        ("**/*.{jpg,png}", "x/a.png", True),
        ("**/*.{jpg,png}", "x/a.gif", False),
        ("{a*,b}/c", "abc/c", True),
        ("a+(1).txt", "a+(1).txt", True),
        ("a[", "a[", True),
        ("*.txt", "two\nlines.txt", True),
        ("**/*.jpg", "A.JPG", False),
    ],
)
def test_a_pattern_matches_whole_keys(pattern: str, key: str, matches: bool) -> None:
    assert (compile_pattern(pattern).fullmatch(key) is not None) == matches
